"""What this app takes for true of Slack's Web API, and the vendor was not seen to say."""

from __future__ import annotations

from engine import Assumption, AuthError, Conflict, DataError, ErrorKind, NotFound, RateLimit, RateLimitError

#: Inferred: the vendor's limits differ by method; posting takes one message a second in each channel.
RATE = RateLimit(per_second=1)

_DENIED = (
    r"^(not_authed|invalid_auth|account_inactive|token_(revoked|expired)|missing_scope|no_permission|access_denied"
    r"|accesslimited|not_allowed_token_type|team_access_not_granted|org_login_required|ekm_access_denied"
    r"|two_factor_setup_required|enterprise_is_restricted|not_in_channel|restricted_action\w*|messages_tab_disabled"
    r"|cant_(update|broadcast)_message)\b"
)
_GONE = r"^((channel|message|user|users|team|duplicate_\w+)_not_found|is_archived|is_inactive)\b"
_WRONG = (
    r"^(no_text|no_item_specified|msg_too_long|too_many_\w+|bad_timestamp|not_reactable|invalid_\w+|json_not_object)\b"
)
#: What the vendor's errors are. Inferred: that these are given before anything is written. Of others, such as
#: ``fatal_error`` and ``internal_error``, the vendor says that some of it may have been done.
REFUSALS = (
    ErrorKind(_DENIED, AuthError, refused=True),
    ErrorKind(_GONE, NotFound, refused=True),
    ErrorKind(r"^rate_?limited\b", RateLimitError, refused=True),
    ErrorKind(_WRONG, DataError, refused=True),
    ErrorKind(r"^(edit_window_closed|thread_locked|external_channel_migrating)\b", Conflict, refused=True),
)

ASSUMPTIONS = (
    Assumption(
        about="which refusals prove that nothing was written",
        assumed=(
            "An error whose name blames the token, the channel, the message or what was sent is given before anything "
            "is written. Any other proves nothing."
        ),
        changed_by="modules.slack_bot.assumptions:REFUSALS",
        settled_by="Slack's support",
        mark="inferred",
        source=(
            "the meaning that Slack gives each error; of fatal_error and internal_error it says that some of the "
            "operation may have succeeded"
        ),
    ),
    Assumption(
        about="requests a second",
        assumed=(
            "One request a second over a connection, whatever it asks for. Where Slack takes less (lists: 20 or more a "
            "minute), its 429 tells when to go on."
        ),
        changed_by="requests_per_second",
        settled_by="Retry-After of real 429s, method by method",
        mark="inferred",
        source=(
            "Slack's page on rate limits: posting 1 a second in a channel, bursts allowed without guarantee; others "
            "20, 50 or 100 and more a minute for each method"
        ),
        shown_by=(
            "a second message in a channel within a second is answered 429 with Retry-After",
            "more lists than 20 in a minute, and more of another method than 50, are answered 429 with Retry-After",
        ),
    ),
    Assumption(
        about="a message that is sent twice",
        assumed="It stands in the channel twice: no key makes a repetition safe.",
        changed_by="modules.slack_bot:POST_MESSAGE",
        settled_by="Slack's support, asked about client_msg_id",
        mark="unknown",
        source=(
            "Slack's reference, which names client_msg_id in two errors and not among the arguments; those who keep "
            "its libraries say that it is not for apps"
        ),
        shown_by=("a message that is sent twice stands there twice",),
    ),
    Assumption(
        about="how long a text may be",
        assumed="Above 4,000 characters a message may be refused with msg_too_long; up to 40,000 are sent.",
        changed_by="modules.slack_bot:TEXT",
        settled_by="texts of 4,001 and of 40,000 characters sent to a real workspace",
        mark="inferred",
        source=(
            "Slack advises 4,000 and says that it cuts behind 40,000; reports tell of msg_too_long in between, and "
            "those who keep its libraries that the limit is smaller now"
        ),
        shown_by=("a text of more than 4,000 characters is answered msg_too_long",),
    ),
    Assumption(
        about="names of channels",
        assumed="A message is posted under a channel's name too; it is changed and reacted to under the ID alone.",
        changed_by="",
        settled_by="chat.update with a name on a real workspace",
        mark="inferred",
        source="Slack's reference allows an ID or a name for posting, and shows IDs for the others",
        shown_by=("a channel's name in place of its ID is answered channel_not_found, but for posting",),
    ),
    Assumption(
        about="what is told of a scope that is missing",
        assumed="needed names the scope; it stands in the error's message.",
        changed_by="modules.slack_bot:ERRORS",
        settled_by="one call with a token that lacks its scope",
        mark="inferred",
        source="the types of answers in Slack's own libraries have needed and provided",
        shown_by=("missing_scope comes with needed and provided",),
    ),
)
