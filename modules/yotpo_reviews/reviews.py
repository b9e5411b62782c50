"""The modules *List Reviews* and *Create a Review*."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from engine import (
    Action,
    Call,
    Config,
    Effect,
    Happened,
    Json,
    Page,
    ProbeResult,
    Request,
    Schema,
    Search,
    field,
    options,
)
from modules.yotpo_reviews.connection import REVIEWS_PATH, WIDGET_REVIEWS_PATH, path
from modules.yotpo_reviews.envelope import items
from modules.yotpo_reviews.schemas import REVIEW, typed

#: the vendor's most
LARGEST_PAGE = 100
#: Seconds after which a review that was sent is looked for. Inferred: the vendor takes it at once and works on it
#: later, and says nowhere how much later.
SHOWN_AFTER = 120.0
#: how far the vendor's clock and ours may be apart
CLOCKS = timedelta(minutes=5)
#: pages of the newest reviews in which a probe looks
PROBED_PAGES = 3

_TEXT: Schema = {"type": "string", "minLength": 1}


async def page(call: Call, cursor: Json) -> Page:
    number = 1 if cursor is None else int(cursor)
    limit = call.config.get("limit")
    count = call.config.get("count", LARGEST_PAGE)
    # pages of one search are of one size, or they would not follow one another
    count = count if limit is None else min(count, limit)
    query = {
        "count": count,
        "page": number,
        "since_updated_at": call.config.get("since_updated_at"),
        "deleted": call.config.get("deleted"),
    }
    answer = await call.http.request("GET", path(call, REVIEWS_PATH), query=query)
    found = items(answer, "reviews")
    return Page([typed(one) for one in found], number + 1 if len(found) >= count else None)


LIST_REVIEWS = Search(
    name="list_reviews",
    title="List Reviews",
    description="Reads the store's reviews page by page, all of them or those that were updated since a time.",
    connection="yotpo_reviews",
    config=options(
        since_updated_at=field(
            "Since Updated At",
            "Only reviews that were added or changed since, such as 2024-03-05 or 2024-03-05T09:00:00Z.",
            type="string",
            pattern="^\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?Z?)?$",
        ),
        deleted=field("Deleted", "Whether deleted reviews are among them.", type="boolean"),
        count=field(
            "Count", "Reviews of one page.", type="integer", minimum=1, maximum=LARGEST_PAGE, default=LARGEST_PAGE
        ),
        limit=field("Limit", "How many reviews at most; all when left out.", type="integer", minimum=1),
    ),
    output={"type": "array", "items": REVIEW},
    page=page,
    example={"since_updated_at": "2024-03-05", "count": 50},
)

CREATE_CONFIG = options(
    *("sku", "product_title", "display_name", "email", "review_content", "review_title", "review_score"),
    sku=field("SKU", "The product, by the store's identifier.", _TEXT),
    product_title=field("Product Title", "The product's name.", _TEXT),
    display_name=field("Display Name", "Under which name the review is shown.", _TEXT),
    email=field("Email", "Of the reviewer.", type="string", pattern="^[^@\\s]+@[^@\\s]+$"),
    review_content=field("Review Content", "What the reviewer wrote.", _TEXT),
    review_title=field("Review Title", "Its heading.", _TEXT),
    review_score=field("Review Score", "1 to 5.", type="integer", minimum=1, maximum=5),
    domain=field("Domain", "Of the store, such as https://shop.example.com.", _TEXT),
    product_url=field("Product URL", "The product's page.", _TEXT),
    product_description=field("Product Description", "About the product.", _TEXT),
    product_image_url=field("Product Image URL", "A picture of the product.", _TEXT),
    is_incentivized=field(
        "Is Incentivized", "Whether the reviewer got something for it, such as a sample.", type="boolean"
    ),
    reviewer_type=field("Reviewer Type", "Who the reviewer is, in the vendor's words.", _TEXT),
)


async def probe(call: Call, sent_at: datetime) -> Happened | ProbeResult:
    """Whether such a review is among those that were updated since. One that is not there may be one to come."""
    query: dict[str, Any] = {"count": LARGEST_PAGE, "since_updated_at": (sent_at - CLOCKS).date().isoformat()}
    for number in range(1, PROBED_PAGES + 1):
        answer = await call.http.request("GET", path(call, REVIEWS_PATH), query={**query, "page": number})
        found = items(answer, "reviews")
        if any(_is(call.config, one, sent_at) for one in found):
            return Happened({"accepted": True})
        if len(found) < LARGEST_PAGE:
            break
    return ProbeResult.UNKNOWN


def _is(config: Config, review: Mapping[str, Any], sent_at: datetime) -> bool:
    """Whether it is the one that was sent: creators say the same of several products, and of one product again."""
    same = typed(review)
    wanted = {"content": config["review_content"], "title": config["review_title"], "score": config["review_score"]}
    known_as = {same.get("email"), same.get("customer_email")} - {None}
    return (
        wanted.items() <= same.items()
        and (not known_as or config["email"] in known_as)
        and same.get("sku") in (None, config["sku"])
        and not _older(same.get("created_at"), sent_at - CLOCKS)
    )


def _older(made: Json, moment: datetime) -> bool:
    """Whether a time is before a moment; one that cannot be read proves nothing."""
    try:
        read = datetime.fromisoformat(made) if isinstance(made, str) else None
    except ValueError:
        return False
    return read is not None and (read if read.tzinfo else read.replace(tzinfo=UTC)) < moment


CREATE_REVIEW = Action(
    name="create_review",
    title="Create a Review",
    description="Sends a review. The vendor takes it at once and makes it later, as the merchant's moderation says.",
    connection="yotpo_reviews",
    config=CREATE_CONFIG,
    output={
        "type": "object",
        "required": ["accepted"],
        "properties": {"accepted": {"type": "boolean", "description": "The vendor has taken it"}},
    },
    effect=Effect.WRITE,
    # the review is made later, so that there is no identifier yet
    request=Request(
        "POST", WIDGET_REVIEWS_PATH, body="merge({appkey: connection.app_key}, @)", gives="{accepted: true}"
    ),
    probe=probe,
    settle_after=SHOWN_AFTER,
    example={
        "sku": "tea-12",
        "product_title": "Green tea",
        "display_name": "Ana",
        "email": "ana@example.com",
        "review_content": "Tastes of spring.",
        "review_title": "Lovely",
        "review_score": 5,
    },
)
