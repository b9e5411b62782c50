"""Wrong users are named in an answer 200; wrong headers, and no users at all, are refused as a whole."""

from dataclasses import replace

from tests.modules.refusals import Ask, Elsewhere, Refused, Table

_KEYS = {"X-PARTNER-NAME": "simulated-brand", "X-REQUEST-TOKEN": "simulated-token"}
_USER = {"identifiers": {"email": "ana@example.com"}, "attributes": {"name": "Ana"}}
_GOOD = Ask("POST", "/api/user/v1/upsert", {"users": [_USER]}, headers=_KEYS)
_READ = Ask(
    "POST",
    "/api/user/v1/profile",
    {"identifiers": {"email": "nobody@example.com"}, "attributes": ["email"]},
    headers=_KEYS,
)

TABLE = Table(
    _GOOD,
    {
        "key": (
            Refused(replace(_GOOD, headers={**_KEYS, "X-REQUEST-TOKEN": "wrong"}), 403, "Invalid api key"),
            Refused(replace(_GOOD, headers={**_KEYS, "X-PARTNER-NAME": "Simulated-Brand"}), 403, "Invalid api key"),
            Refused(replace(_GOOD, headers={}), 403, "Invalid api key"),
        ),
        "field": (
            Refused(replace(_GOOD, json={"users": [{"attributes": {"name": "Ana"}}]}), 200, "users.0.identifiers"),
            Refused(_READ, 404),
        ),
        "wrapper": (
            Refused(replace(_GOOD, json=_USER), 400, "users must be defined"),
            Refused(replace(_GOOD, json=[_USER]), 400, "users must be defined"),
        ),
        "limit": (
            Refused(replace(_GOOD, json={"users": [_USER] * 1001}), 400, "1000 users"),
            Elsewhere("test_insider.py::test_too_many_requests_in_a_minute_are_answered_429"),
        ),
    },
    takes='"successful": {"count": 1}',
)
