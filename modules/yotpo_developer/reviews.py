"""The modules *Find Reviews* and *Create a Comment on a Review*."""

from __future__ import annotations

from engine import Action, Effect, ErrorTable, NumberPaging, PageSize, Request, Schema, Search, field, options, record

REVIEWS_PATH = "/reviews"
COMMENT_PATH = "/reviews/{review_id}/comment"
#: the most that is asked for; what the vendor's most is was not seen
LARGEST_PAGE = 100
#: the query parameter of a page's number; inferred: answers have ``pagination.page``
PAGE_PARAMETER = "page"
#: Writes of this API that are answered so were not applied; inferred from what the statuses mean.
WRITES = ErrorTable(refused=frozenset({400, 401, 403, 404, 422}))

_TEXT: Schema = {"type": ["string", "null"]}
_FLAG = {"type": "boolean", "default": False}

REVIEW = record(
    id={"type": ["integer", "string"], "description": "The review"},
    title=_TEXT,
    content=_TEXT,
    score={"type": ["integer", "string", "null"], "description": "1 to 5"},
)

FIND_REVIEWS = Search(
    name="find_reviews",
    title="Find Reviews",
    description="Reads reviews, newest first: all of them, or those of one customer.",
    connection="yotpo_developer",
    config=options(
        customer_email=field(
            "Customer Email", "Only reviews of this customer.", type="string", pattern="^[^@\\s]+@[^@\\s]+$"
        ),
        include_unpublished_reviews=field(
            "Include Unpublished Reviews", "Also those that the merchant does not show.", _FLAG
        ),
        include_nested=field("Include Nested", "With what belongs to a review, such as product and comments.", _FLAG),
        include_site_reviews=field("Include Site Reviews", "Also reviews of the shop as a whole.", _FLAG),
        limit=field("Limit", "How many reviews at most; all when left out.", type="integer", minimum=1),
    ),
    output={"type": "array", "items": REVIEW},
    request=Request(
        "GET",
        REVIEWS_PATH,
        query="merge(omit_keys(@, 'limit'), {sort: 'date', direction: 'desc'})",
        # the vendor puts the list under its name twice
        output="not_null(reviews.reviews, reviews, @)",
    ),
    paging=NumberPaging(PAGE_PARAMETER, size=PageSize("count", LARGEST_PAGE, short_is_last=True)),
    example={"customer_email": "ana@example.com", "include_nested": True},
)

CREATE_COMMENT = Action(
    name="create_comment",
    title="Create a Comment on a Review",
    description="Answers a review, where everybody can read it or for the reviewer alone.",
    connection="yotpo_developer",
    config=options(
        "review_id",
        "content",
        review_id=field(
            "Review ID",
            "Such as `trigger.data.id` of yotpo_reviews.watch_reviews.",
            type=["integer", "string"],
            pattern="^[A-Za-z0-9_-]+$",
        ),
        content=field("Content", "What is answered.", type="string", minLength=1),
        public=field("Public", "Whether everybody can read it.", type="boolean", default=True),
    ),
    output={"type": "object", "required": ["review_id"], "properties": {"review_id": {"type": ["integer", "string"]}}},
    # the vendor takes no key, and what it shows of comments is not described: a lost answer is for a person
    effect=Effect.WRITE,
    # what the vendor answers is not described, so that nothing is promised of it
    request=Request(
        "POST",
        COMMENT_PATH,
        body="{content: content, public: not_null(public, true)}",
        gives="{review_id: config.review_id}",
        errors=WRITES,
    ),
    example={"review_id": 5001, "content": "Thank you, Ana."},
)
