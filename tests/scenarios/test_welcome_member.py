"""A new member is looked up, tagged once and for all, and named on the log, whatever goes wrong on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.store.records import DeliveryState
from engine.testing import CrashAt, SimulatedHarness
from tests.scenarios.conftest import EVENTS, SCENARIOS, Serve

NAME = "welcome-member"
FILE = SCENARIOS / NAME / "scenario.yaml"
RAW = (SCENARIOS / NAME / "event.json").read_bytes()
ANA = "ana@example.com"


def tags(harness: SimulatedHarness) -> list[str]:
    found: list[str] = harness.simulator("yotpo_loyalty").state.tags.get(ANA, [])
    return found


async def test_the_record_says_who_is_a_member_and_since_when(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async with serve("welcome-member") as serving:
        outcome = await serving.outcome(await serving.post(RAW), NAME)
        assert (outcome.run.state, outcome.run.subject) == ("succeeded", ANA)
        [sent] = outcome.requests("yotpo_loyalty.create_or_update_customer")
        assert (sent["email"], sent["opted_in"], sent["tags"]) == (ANA, True, "loyalty-member,active")
        state = serving.host.simulators.running["yotpo_loyalty"].state  # type: ignore[attr-defined] # of the simulator
        assert state.tags[ANA] == ["loyalty-member", "active"]
        assert state.customers[ANA]["opted_in_at"] == sent["opted_in_at"]
    [line] = [record for record in caplog.records if record.name == "engine.log"]
    fields: dict[str, Any] = line.entry["fields"]  # type: ignore[attr-defined] # given as `extra`
    assert fields == {"email": ANA, "points": 640, "referral_code": "k7q100", "tiers": ["SILVER", "GOLD"]}


async def test_who_leaves_is_filtered(serve: Serve) -> None:
    async with serve(NAME) as serving:
        receipt = await serving.post((EVENTS / "loyalty_opt_out.json").read_bytes())
        assert (await serving.deliveries(receipt))[NAME].state is DeliveryState.FILTERED


async def test_a_member_whom_the_program_does_not_know_fails_and_changes_nothing() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        result = await harness.run({**json.loads(RAW), "email": "nobody@example.com"})
        assert (result.state, result.error["type"], result.effects) == ("failed", "NotFound", [])


@pytest.mark.parametrize("point", ["run.claimed", "effect.intended", "effect.sent", "effect.settled", "run.ending"])
async def test_a_crash_at_a_boundary_leaves_the_record_as_it_should_be(point: str) -> None:
    harness = SimulatedHarness.of(FILE)
    faults = CrashAt(point)
    try:
        [result] = await harness.crash(faults, json.loads(RAW))
        assert faults.crashed
        assert (result.state, tags(harness)) == ("succeeded", ["loyalty-member", "active"])
    finally:
        await harness.stop()
