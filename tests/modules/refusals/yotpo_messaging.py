"""A secret for a token, a wrapper around the customer, five requests a second."""

from dataclasses import replace

from tests.modules.refusals import Ask, Refused, Table

_STORE = "/core/v3/stores/simulated-store"
_TOKEN = {"X-Yotpo-Token": "t"}
_GOOD = Ask(
    "PATCH", f"{_STORE}/customers", {"customer": {"email": "ana@example.com", "first_name": "Ana"}}, headers=_TOKEN
)
_WEBHOOKS = f"{_STORE}/webhooks"
_URL = "https://hooks.example.com/hooks/one"


def _hook(what: str, wrapper: str, body: object) -> Ask:
    return Ask("POST", f"{_WEBHOOKS}/{what}", {wrapper: body}, headers=_TOKEN)


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
            Refused(_hook("targets", "webhook_target", {}), 400, "url"),
            Refused(_hook("targets", "webhook_target", {"url": "http://hooks.example.com/hooks/one"}), 400, "https"),
            Refused(_hook("targets", "webhook_target", {"url": "https://hooks.example.com/a b"}), 400, "RFC 2396"),
            Refused(_hook("filters", "webhook_filter", {"event_types": []}), 400, "event_types"),
            Refused(
                _hook("filters", "webhook_filter", {"event_types": [{"event_type": "swell/tier/status_changed"}]}),
                400,
                "swell/tier/status_changed",
            ),
            Refused(_hook("filters", "webhook_filter", {"event_types": ["swell/tier/earned"]}), 400, "event_types"),
            Refused(_hook("subscriptions", "webhook_subscription", {"target_id": 1, "filter_id": 2}), 404, "target"),
            Refused(Ask("DELETE", f"{_WEBHOOKS}/targets/1", headers=_TOKEN), 404, "target"),
        ),
        "wrapper": (
            Refused(replace(_GOOD, json=_GOOD.json["customer"]), 400),
            # the developer host's key, which is not this one's
            Refused(replace(_GOOD, json={"customers": _GOOD.json["customer"]}), 400, "customers"),
            Refused(Ask("POST", f"{_WEBHOOKS}/targets", {"url": _URL}, headers=_TOKEN), 400, "url"),
            Refused(_hook("targets", "target", {"url": _URL}), 400, "target"),
            Refused(_hook("filters", "filter", {"event_types": [{"event_type": "review_create"}]}), 400, "filter"),
            Refused(_hook("subscriptions", "subscription", {"target_id": 1, "filter_id": 2}), 400, "subscription"),
        ),
        "limit": (
            Refused(Ask("GET", f"{_STORE}/customers", headers=_TOKEN), 429, "too many", times=6),
            Refused(Ask("GET", f"{_STORE}/customers", headers=_TOKEN, query={"limit": "101"}), 400, "limit"),
            Refused(_hook("targets", "webhook_target", {"url": _URL.ljust(2049, "x")}), 400, "2048"),
        ),
    },
    before=lambda simulator: simulator.tokens.update(t=simulator.clock.time() + 60),
)
