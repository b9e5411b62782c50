"""The modules *Find Reviews* and *Create a Comment on a Review*."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import Action, Call, Effect, ErrorTable, Json, Page, Schema, Search, VendorError

REVIEWS_PATH = "/reviews"
COMMENT_PATH = "/reviews/{review_id}/comment"
#: the most that is asked for; what the vendor's most is was not seen
LARGEST_PAGE = 100
#: the query parameter of a page's number; inferred: answers have ``pagination.page``
PAGE_PARAMETER = "page"
#: Writes of this API that are answered so were not applied; inferred from what the statuses mean.
WRITES = ErrorTable(refused=frozenset({400, 401, 403, 404, 422}))

_FLAG: Schema = {"type": "boolean", "default": False}

REVIEW: Schema = {
    "type": "object",
    "properties": {
        "id": {"type": ["integer", "string"], "description": "The review"},
        "title": {"type": ["string", "null"]},
        "content": {"type": ["string", "null"]},
        "score": {"type": ["integer", "string", "null"], "description": "1 to 5"},
    },
    "additionalProperties": True,
}


async def page(call: Call, cursor: Json) -> Page:
    number = 1 if cursor is None else int(cursor)
    limit = call.config.get("limit")
    count = LARGEST_PAGE if limit is None else min(LARGEST_PAGE, limit)
    flags = {name: call.config.get(name) for name in _FLAGS}
    query = {
        "customer_email": call.config.get("customer_email"),
        **flags,
        "sort": "date",
        "direction": "desc",
        "count": count,
        PAGE_PARAMETER: number,
    }
    answer = await call.http.request("GET", REVIEWS_PATH, query=query)
    found = _nested(answer.json())
    if found is None:
        raise VendorError("the answer has no list under 'reviews'", status=answer.status, detail=answer.readable)
    return Page(found, number + 1 if len(found) >= count else None)


def _nested(body: Any) -> list[Any] | None:
    """The vendor puts the list under ``reviews`` twice."""
    for _ in range(2):
        body = body.get("reviews") if isinstance(body, Mapping) else body
    return body if isinstance(body, list) else None


_FLAGS = ("include_unpublished_reviews", "include_nested", "include_site_reviews")

FIND_REVIEWS = Search(
    name="find_reviews",
    title="Find Reviews",
    description="Reads reviews, newest first: all of them, or those of one customer.",
    connection="yotpo_developer",
    config={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "customer_email": {
                "type": "string",
                "title": "Customer Email",
                "description": "Only reviews of this customer.",
                "pattern": "^[^@\\s]+@[^@\\s]+$",
            },
            "include_unpublished_reviews": {
                **_FLAG,
                "title": "Include Unpublished Reviews",
                "description": "Also those that the merchant does not show.",
            },
            "include_nested": {
                **_FLAG,
                "title": "Include Nested",
                "description": "With what belongs to a review, such as product and comments.",
            },
            "include_site_reviews": {
                **_FLAG,
                "title": "Include Site Reviews",
                "description": "Also reviews of the shop as a whole.",
            },
            "limit": {
                "type": "integer",
                "title": "Limit",
                "description": "How many reviews at most; all when left out.",
                "minimum": 1,
            },
        },
    },
    output={"type": "array", "items": REVIEW},
    page=page,
    example={"customer_email": "ana@example.com", "include_nested": True},
)


async def comment(call: Call) -> Json:
    where = COMMENT_PATH.replace("{review_id}", str(call.config["review_id"]))
    body = {"content": call.config["content"], "public": call.config.get("public", True)}
    await call.http.request("POST", where, json=body, errors=WRITES)
    # what the vendor answers is not described, so that nothing is promised of it
    return {"review_id": call.config["review_id"]}


CREATE_COMMENT = Action(
    name="create_comment",
    title="Create a Comment on a Review",
    description="Answers a review, where everybody can read it or for the reviewer alone.",
    connection="yotpo_developer",
    config={
        "type": "object",
        "additionalProperties": False,
        "required": ["review_id", "content"],
        "properties": {
            "review_id": {
                "type": ["integer", "string"],
                "title": "Review ID",
                "description": "Such as `trigger.data.id` of yotpo_reviews.watch_reviews.",
                "pattern": "^[A-Za-z0-9_-]+$",
            },
            "content": {"type": "string", "title": "Content", "description": "What is answered.", "minLength": 1},
            "public": {
                "type": "boolean",
                "title": "Public",
                "description": "Whether everybody can read it.",
                "default": True,
            },
        },
    },
    output={"type": "object", "required": ["review_id"], "properties": {"review_id": {"type": ["integer", "string"]}}},
    # the vendor takes no key, and what it shows of comments is not described: a lost answer is for a person
    effect=Effect.WRITE,
    run=comment,
    example={"review_id": 5001, "content": "Thank you, Ana."},
)
