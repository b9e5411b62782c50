"""What the Reviews simulator refuses: no utoken, half a review, reviews in a wrapper, pages that are too large."""

from __future__ import annotations

from tests.modules.refusals import Ask, Elsewhere, Refused, Table

_REVIEW = {
    "appkey": "simulated-app-key",
    "sku": "tea-12",
    "email": "ana@example.com",
    "review_content": "Tastes of spring.",
    "review_score": 5,
}
_HALF = {key: value for key, value in _REVIEW.items() if key != "sku"}

TABLE = Table(
    good=Ask("POST", "/v1/widget/reviews", _REVIEW),
    takes='"code": 200',
    refusals={
        "key": Refused(Ask("GET", "/v1/apps/simulated-app-key/reviews"), 401, "utoken"),
        "field": Refused(Ask("POST", "/v1/widget/reviews", _HALF), 400, "sku is required"),
        "wrapper": Refused(Ask("POST", "/v1/widget/reviews", {"review": _REVIEW}), 400, "unknown key review"),
        "limit": Elsewhere("test_yotpo_reviews.py::test_the_simulator_refuses_wrong_queries"),
    },
)
