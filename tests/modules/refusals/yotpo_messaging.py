"""A secret for a token, a wrapper around the customer, five requests a second."""

from dataclasses import replace

from tests.modules.refusals import Ask, Refused, Table

_STORE = "/core/v3/stores/simulated-store"
_TOKEN = {"X-Yotpo-Token": "t"}
_GOOD = Ask(
    "PATCH", f"{_STORE}/customers", {"customer": {"email": "ana@example.com", "first_name": "Ana"}}, headers=_TOKEN
)

TABLE = Table(
    _GOOD,
    {
        "key": (
            Refused(Ask("POST", f"{_STORE}/access_tokens", {"secret": "wrong"}), 401),
            Refused(replace(_GOOD, headers={"X-Yotpo-Token": "old"}), 401),
            Refused(replace(_GOOD, headers={}), 401),
        ),
        "field": (
            Refused(replace(_GOOD, json={"customer": {"first_name": "Ana"}}), 400, "external_id"),
            Refused(
                replace(_GOOD, json={"customer": {"email": "ana@example.com", "phone_number": "555"}}),
                400,
                "phone_number",
            ),
        ),
        "wrapper": (
            Refused(replace(_GOOD, json=_GOOD.json["customer"]), 400),
            # the developer host's key, which is not this one's
            Refused(replace(_GOOD, json={"customers": _GOOD.json["customer"]}), 400, "customers"),
        ),
        "limit": (
            Refused(Ask("GET", f"{_STORE}/customers", headers=_TOKEN), 429, "too many", times=6),
            Refused(Ask("GET", f"{_STORE}/customers", headers=_TOKEN, query={"limit": "101"}), 400, "limit"),
        ),
    },
    before=lambda simulator: simulator.tokens.update(t=simulator.clock.time() + 60),
)
