"""A token in the query for reading; a review needs none, and five fields."""

from dataclasses import replace

from tests.modules.refusals import Ask, Nothing, Refused, Table

_REVIEW = {
    "appkey": "simulated-app-key",
    "sku": "TEA-1",
    "email": "ana@example.com",
    "review_content": "It keeps warm for hours.",
    "review_score": 5,
}
_GOOD = Ask("GET", "/v1/apps/simulated-app-key/reviews", query={"utoken": "t"})
_SENT = Ask("POST", "/v1/widget/reviews", _REVIEW)
_CREDENTIALS = {"client_id": "simulated-app-key", "client_secret": "wrong", "grant_type": "client_credentials"}

TABLE = Table(
    _GOOD,
    {
        "key": (
            Refused(Ask("POST", "/oauth/token", _CREDENTIALS), 401),
            Refused(replace(_GOOD, query={"utoken": "old"}), 401),
            Refused(replace(_GOOD, query={}), 401),
        ),
        "field": (
            Refused(replace(_SENT, json={k: v for k, v in _REVIEW.items() if k != "review_content"}), 400),
            Refused(replace(_SENT, json={k: v for k, v in _REVIEW.items() if k != "email"}), 400),
            Refused(replace(_SENT, json={**_REVIEW, "review_score": 6}), 400),
        ),
        "wrapper": Nothing("a review is the body"),
        "limit": (
            Refused(_GOOD, 429, times=84),
            Refused(replace(_GOOD, query={"utoken": "t", "count": "101"}), 400, "count"),
        ),
    },
    takes='"reviews"',
    before=lambda simulator: simulator.tokens.update(t=simulator.clock.time() + 60),
)
