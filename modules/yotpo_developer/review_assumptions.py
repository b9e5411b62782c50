"""What this app takes for true of reviews and webhooks, and the vendor was not seen to say."""

from __future__ import annotations

from engine import Assumption

REVIEW_ASSUMPTIONS = (
    Assumption(
        about="pages of reviews",
        assumed="The next page is asked for by its number in page; one with fewer than were asked for is the last.",
        changed_by="modules.yotpo_developer.reviews:PAGE_PARAMETER",
        settled_by="the second page of a real account's reviews",
        mark="inferred",
        source="answers have pagination with page, count and total",
        shown_by=("a page is asked for by its number in page, and has at most 100 reviews",),
    ),
    Assumption(
        about="comments on reviews",
        assumed="A comment is sent with content and public to /reviews/{id}/comment; its answer is not relied on.",
        changed_by="modules.yotpo_developer.reviews:COMMENT_PATH",
        settled_by="one comment on a review of a real account",
        mark="inferred",
        source="another tool's connector",
        shown_by=(
            "a comment is sent with content and public to the review's comment",
            "a comment on a review that is not there is answered 404",
            "with include_nested a review shows its comments",
        ),
    ),
    Assumption(
        about="which refusals of writes prove that nothing was written",
        assumed="400, 401, 403, 404 and 422 are answered before a comment or a webhook is made or deleted.",
        changed_by="modules.yotpo_developer.reviews:WRITES",
        settled_by="the vendor's page on errors",
        mark="inferred",
        source="what these statuses mean",
        shown_by=("deleting a webhook that is not there is answered 404",),
    ),
    Assumption(
        about="webhooks of the same event and url",
        assumed="A webhook that is made twice is there once. A lost answer is looked for in the list.",
        changed_by="",
        settled_by="one webhook made twice in a real account",
        mark="unknown",
        source="the vendor's page on webhooks",
        shown_by=("a webhook of the same event and url is not made twice",),
    ),
    Assumption(
        about="urls of webhooks",
        assumed="A url must be https and have at most 2,048 characters.",
        changed_by="modules.yotpo_developer.webhooks:CREATE_WEBHOOK",
        settled_by="the vendor's page on webhooks",
        mark="inferred",
        source="the rules of the vendor's other channel, the Core API's subscriptions",
        shown_by=("a url that is not https, or longer than 2,048 characters, is answered 400",),
    ),
)
