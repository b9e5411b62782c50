"""Keys in two headers, flat bodies, ten requests a second."""

from dataclasses import replace

from tests.modules.refusals import Ask, Nothing, Refused, Table

_KEYS = {"x-guid": "simulated-guid", "x-api-key": "simulated-api-key"}
_GOOD = Ask(
    "POST",
    "/points/adjust",
    {"customer_email": "ana@example.com", "point_adjustment_amount": 5},
    headers=_KEYS,
)
_ORDER = {
    "customer_email": "ana@example.com",
    "order_id": "A-1",
    "total_amount_cents": 500,
    "currency_code": "USD",
    "ip_address": "192.0.2.10",
}

TABLE = Table(
    _GOOD,
    {
        "key": (
            Refused(replace(_GOOD, headers={**_KEYS, "x-api-key": "wrong"}), 401, "errors"),
            Refused(replace(_GOOD, headers={}), 401, "errors"),
        ),
        "field": (
            Refused(replace(_GOOD, json={"customer_email": "ana@example.com"}), 400, "point_adjustment_amount"),
            Refused(replace(_GOOD, path="/orders", json=_ORDER), 400, "user_agent"),
            Refused(Ask("GET", "/customers", headers=_KEYS), 400, "errors"),
            Refused(
                Ask("GET", "/customers", headers=_KEYS, query={"customer_email": "nobody@example.com"}), 404, "errors"
            ),
        ),
        "wrapper": Nothing("its bodies have none"),
        "limit": (
            Refused(Ask("GET", "/campaigns", headers=_KEYS), 429, "too many", times=11),
            Refused(replace(_GOOD, json={**_GOOD.json, "point_adjustment_amount": -1_000_000}), 422, "errors"),
        ),
    },
)
