"""A bearer key, a site on every call, the envelope ``data``."""

from dataclasses import replace

from tests.modules.refusals import Ask, Nothing, Refused, Table

_KEY = {"Authorization": "Bearer simulated-key"}
_DATA = {"first_name": "Ana", "person_custom_properties": {"vip": "gold"}}
_GOOD = Ask("PUT", "/people/ana@example.com", {"site_slug": "my-store", "data": _DATA}, headers=_KEY)
_ORIGIN = {"email": "ana@example.com", "subtotal": 10}

TABLE = Table(
    _GOOD,
    {
        "key": (
            Refused(replace(_GOOD, headers={"Authorization": "Bearer wrong"}), 401, '"ok": false'),
            Refused(replace(_GOOD, headers={}), 401, '"ok": false'),
        ),
        "field": (
            Refused(replace(_GOOD, json={"data": _DATA}), 400, "site_slug"),
            Refused(
                Ask("POST", "/origins", {"site_slug": "my-store", "type": "Purchase", "data": _ORIGIN}, headers=_KEY),
                400,
                "order_number",
            ),
            Refused(
                replace(_GOOD, json={"site_slug": "my-store", "data": {"person_custom_properties": {"Vip": "gold"}}}),
                422,
                "Vip",
            ),
        ),
        "wrapper": Refused(replace(_GOOD, json={"site_slug": "my-store", **_DATA}), 400, "data"),
        "limit": Nothing("it throttles by its own load, and publishes no number"),
    },
    takes='"ok": true',
)
