"""Refusals have status 200; the body says that they are."""

from dataclasses import replace

from tests.modules.refusals import Ask, Nothing, Refused, Table

_HEADERS = {"X-Simulated-Token": "simulated-token"}
_EVENT = {
    "tenant": 999,
    "event": "points_changed",
    "customer": "ana@example.com",
    "timestamp": "2024-03-05 09:00:00.000 UTC",
    "context": {"current_balance": 640, "difference": 200, "added_or_removed": "added"},
}
_GOOD = Ask("POST", "", _EVENT, headers=_HEADERS)


def _without(key: str) -> Ask:
    return replace(_GOOD, json={name: value for name, value in _EVENT.items() if name != key})


TABLE = Table(
    _GOOD,
    {
        "key": (
            Refused(replace(_GOOD, headers={}), 200, '"status": "error"'),
            Refused(_without("tenant"), 200, "tenantId is missing or invalid"),
            Refused(replace(_GOOD, json={**_EVENT, "tenant": 1}), 200, "tenantId is missing or invalid"),
        ),
        "field": (
            Refused(_without("customer"), 200, '"status": "error"'),
            Refused(_without("event"), 200, '"status": "error"'),
            Refused(replace(_GOOD, json={**_EVENT, "timestamp": "2024-03-05T09:00:00Z"}), 200, '"status": "error"'),
            Refused(replace(_GOOD, json={**_EVENT, "event": "never_set_up"}), 200, '"status": "error"'),
        ),
        "wrapper": Nothing("an event is the body"),
        "limit": (
            Refused(_GOOD, 429, times=11),
            Refused(
                replace(_GOOD, json={**_EVENT, "context": {**_EVENT["context"], "added_or_removed": "x" * 256}}),  # type: ignore[dict-item]
                200,
                '"status": "error"',
            ),
        ),
    },
    takes='"status": "success"',
)
