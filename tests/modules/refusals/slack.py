"""The URL is the key; one message a second."""

from dataclasses import replace

from tests.modules.refusals import Ask, Nothing, Refused, Table

_GOOD = Ask("POST", "", {"text": "hello"})

TABLE = Table(
    _GOOD,
    {
        "key": Refused(replace(_GOOD, path="x"), 404, "no_service"),
        "field": (
            Refused(replace(_GOOD, json={"text": ""}), 400, "no_text"),
            Refused(replace(_GOOD, json={"blocks": [{}]}), 400, "invalid_blocks"),
            Refused(replace(_GOOD, json=["hello"]), 400, "invalid_payload"),
        ),
        "wrapper": Nothing("a message is the body"),
        "limit": (
            Refused(_GOOD, 429, "rate_limited", times=2),
            Refused(replace(_GOOD, json={"blocks": [{"type": "divider"}] * 51}), 400, "invalid_blocks"),
        ),
    },
    takes="ok",
)
