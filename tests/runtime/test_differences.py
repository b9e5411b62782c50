"""What is said of two requests that should be one: where they differ, readably, and without secrets."""

from __future__ import annotations

from typing import Any

import pytest

from engine.runtime.differences import differing
from engine.sdk import errors, jsontext
from engine.store.records import EffectRecord, EffectState, Record
from engine.testing import Harness
from tests.runtime.core import Script, shop

SLOW = errors.RateLimitError("slow down", retry_after=60.0)
STEPS = """
- id: first
  module: shop.pay
  with: {to: "${{ trigger.email }}", api_key: "${{ trigger.key }}"}
- id: second
  module: shop.charge
  with: {}
"""


def effect(request: Any) -> EffectRecord:
    text = jsontext.dumps(request)
    return EffectRecord(1, "send#1", 1, "", "test", "shop.charge", "write", text, "", EffectState.DONE, 0.0)


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, "; it differs in b (2 there, 3 now)"),
        ({"to": {"city": "Graz"}}, {"to": {"city": "Linz"}}, '; it differs in to.city ("Graz" there, "Linz" now)'),
        ({"a": 1}, {}, "; it differs in a (1 there, nothing now)"),
        ({}, {"a": None}, "; it differs in a (nothing there, null now)"),
        ({"a": 1}, {"a": True}, "; it differs in a (1 there, true now)"),
        ({"a": [1, 2]}, {"a": [1]}, "; it differs in a ([1,2] there, [1] now)"),
        ({"password": "old"}, {"password": "new"}, "; it differs in password (••• there, ••• now)"),
        ({"token": {"value": "old"}}, {"token": {"value": "new"}}, "; it differs in token.value (••• there"),
        ("text", {"a": 1}, '; it differs in the whole ("text" there, {"a":1} now)'),
        ({"a": "x" * 100}, {"a": 1}, f'; it differs in a ("{"x" * 59}… there, 1 now)'),
        ({str(n): n for n in range(7)}, {}, ", and 2 more"),
        ({"a": 1}, {"a": 1}, ""),
    ],
)
def test_only_what_differs_is_named(before: Any, now: Any, said: str) -> None:
    found = differing(effect(before), now)
    assert said in found
    assert bool(said) == bool(found)
    assert "old" not in found
    assert "new" not in found


def test_a_read_keeps_no_request_to_compare() -> None:
    assert differing(Record(1, "got#1", 1, "call", 0.0, module="shop.get"), {"a": 1}) == ""


async def asleep(harness: Harness) -> int:
    run_id = (await harness.run({"email": "ana@example.com", "key": "k-1"})).run.id
    assert (await harness.look(run_id)).state == "sleeping"
    return run_id


async def test_a_diverged_run_names_the_values_that_differ() -> None:
    async with shop(STEPS, {"shop.pay": Script({}), "shop.charge": Script(SLOW, {})}) as harness:
        run_id = await asleep(harness)
        [first] = [e for e in (await harness.look(run_id)).effects if e.key == "first#1"]
        other = jsontext.dumps({"to": "kim@example.com", "api_key": "k-2"})
        row = first._replace(request=other, request_hash="0" * 32)
        harness.store._tables.effects[(run_id, "first#1")] = row  # type: ignore[attr-defined]
        await harness.clock.advance(60)
        [hold] = (await harness.result(run_id)).holds
        assert hold["code"] == "diverged"
        assert 'to ("kim@example.com" there, "ana@example.com" now)' in hold["message"]
        assert "api_key" in hold["message"]
        assert "k-1" not in hold["message"]
        assert "k-2" not in hold["message"]
