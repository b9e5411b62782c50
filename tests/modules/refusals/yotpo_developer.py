"""A token in the query, five requests a second."""

from dataclasses import replace

from tests.modules.refusals import Ask, Nothing, Refused, Table

_TOKEN = {"access_token": "simulated-access-token"}
_GOOD = Ask("GET", "/customers", query={**_TOKEN, "customer_email": "ana@example.com"})

TABLE = Table(
    _GOOD,
    {
        "key": (
            Refused(replace(_GOOD, query={**_GOOD.query, "access_token": "wrong"}), 401),
            Refused(replace(_GOOD, query={"customer_email": "ana@example.com"}), 401),
        ),
        "field": (
            Refused(replace(_GOOD, query=_TOKEN), 400, "customer_email"),
            Refused(replace(_GOOD, query={**_TOKEN, "customer_email": "nobody@example.com"}), 404),
        ),
        "wrapper": Nothing("it is only read"),
        "limit": Refused(_GOOD, 429, "too many", times=6),
    },
)
