"""A bot's token with its scopes; errors come with status 200, but for too many requests."""

from dataclasses import replace

from tests.modules.refusals import Ask, Nothing, Refused, Table

_KEY = {"Authorization": "Bearer simulated-bot-token"}
_GOOD = Ask("POST", "/chat.postMessage", {"channel": "C0LOYALTY", "text": "hello"}, headers=_KEY)
_LIST = Ask("GET", "/conversations.list", headers=_KEY, query={"limit": "2"})

TABLE = Table(
    _GOOD,
    {
        "key": (
            Refused(replace(_GOOD, headers={"Authorization": "Bearer wrong"}), 200, '"invalid_auth"'),
            Refused(replace(_GOOD, headers={}), 200, '"not_authed"'),
        ),
        "field": (
            Refused(replace(_GOOD, json={"text": "hello"}), 200, '"channel_not_found"'),
            Refused(replace(_GOOD, json={"channel": "C0LOYALTY"}), 200, '"no_text"'),
            Refused(replace(_GOOD, json={"channel": "C0LOYALTY", "blocks": [{}]}), 200, '"invalid_blocks"'),
            Refused(replace(_GOOD, json=["hello"]), 200, '"json_not_object"'),
            Refused(replace(_GOOD, path="/reactions.add"), 200, '"no_item_specified"'),
            Refused(replace(_LIST, query={"cursor": "bmV4dDo5"}), 200, '"invalid_cursor"'),
            Refused(replace(_LIST, query={"types": "channels"}), 200, '"invalid_types"'),
            Refused(replace(_LIST, path="/users.lookupByEmail"), 200, '"users_not_found"'),
        ),
        "wrapper": Nothing("what is sent is the body"),
        "limit": (
            Refused(_GOOD, 429, '"ratelimited"', times=2),
            Refused(_LIST, 429, '"ratelimited"', times=21),
            Refused(replace(_LIST, query={"limit": "1001"}), 200, '"invalid_limit"'),
            Refused(replace(_GOOD, json={"channel": "C0LOYALTY", "text": "a" * 4001}), 200, '"msg_too_long"'),
        ),
    },
    takes='"ok": true',
)
