"""Two headers, users under ``users``, each named by somebody's identifiers; and a limit of bytes and of users."""

from dataclasses import replace

from tests.modules.refusals import Ask, Refused, Table

_KEYS = {"X-PARTNER-NAME": "simulated-brand", "X-REQUEST-TOKEN": "simulated-token"}
_ANA = {"identifiers": {"email": "ana@example.com"}, "attributes": {"name": "Ana"}}
_GOOD = Ask("POST", "/api/user/v1/upsert", {"users": [_ANA]}, headers=_KEYS)
_TIER = {"event_name": "tierEarned", "timestamp": "2024-03-05T09:00:00Z"}

TABLE = Table(
    _GOOD,
    {
        "key": (
            Refused(replace(_GOOD, headers={**_KEYS, "X-REQUEST-TOKEN": "wrong"}), 403, "Invalid api key"),
            Refused(replace(_GOOD, headers={**_KEYS, "X-PARTNER-NAME": "Simulated-Brand"}), 403, "Invalid api key"),
            Refused(replace(_GOOD, headers={}), 403, "Invalid api key"),
        ),
        # the vendor answers 200, and names the users that it did not take
        "field": (
            Refused(
                replace(_GOOD, json={"users": [{"attributes": {"name": "Ana"}}]}), 200, "users.0.identifiers.required"
            ),
            Refused(
                replace(_GOOD, json={"users": [_ANA, {**_ANA, "events": [_TIER]}]}), 200, "users.1.events.0.event_name"
            ),
        ),
        "wrapper": (
            Refused(replace(_GOOD, json={}), 400, "users must be defined: bad request"),
            Refused(replace(_GOOD, json=[_ANA]), 400, "users must be defined: bad request"),
        ),
        "limit": (
            Refused(replace(_GOOD, json={"users": [_ANA] * 1001}), 400, "1000"),
            Refused(
                Ask("POST", "/api/user/v1/anonymize", {"identifiers": {"email": "nobody@example.com"}}, headers=_KEYS),
                429,
                "rejected: too many requests",
                times=501,
            ),
        ),
    },
    takes='"successful": {"count": 1}, "fail": {}',
)
