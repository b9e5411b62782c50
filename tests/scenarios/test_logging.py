"""The scenarios that only log: every loyalty event, every change of a member's record."""

from __future__ import annotations

import json

import pytest

from engine.sdk.errors import VendorError
from engine.testing import SimulatedHarness
from tests.scenarios.conftest import EVENTS, SCENARIOS

RECENT = SCENARIOS / "recent-customers" / "scenario.yaml"
EVERY = SCENARIOS / "every-loyalty-event-log" / "scenario.yaml"
BELOW = "redemption_code_below_threshold.json"


@pytest.mark.parametrize("name", sorted(path.name for path in EVENTS.iterdir() if path.name != BELOW))
async def test_an_event_is_one_line(name: str, caplog: pytest.LogCaptureFixture) -> None:
    event = json.loads((EVENTS / name).read_text())
    async with SimulatedHarness.of(EVERY) as harness:
        result = await harness.run(event)
        assert all(not simulator.calls for simulator in map(harness.simulator, ("yotpo_loyalty", "yotpo_messaging")))
    assert (result.state, result.effects) == ("succeeded", [])
    [line] = [record for record in caplog.records if record.name == "engine.log"]
    assert (line.levelname, line.getMessage().split(" ")[0]) == ("INFO", event["topic"])
    email = event.get("email") or event["customer"]["email"]
    assert line.entry["fields"] == {"email": email}  # type: ignore[attr-defined] # given as `extra`


async def test_a_reward_that_runs_out_of_codes_is_a_warning_too(caplog: pytest.LogCaptureFixture) -> None:
    async with SimulatedHarness.of(EVERY) as harness:
        result = await harness.run(json.loads((EVENTS / BELOW).read_text()))
    assert result.state == "succeeded"
    lines = [record for record in caplog.records if record.name == "engine.log"]
    assert [line.levelname for line in lines] == ["INFO", "WARNING"]
    assert lines[1].entry["fields"] == {"reward": "$5.00 Off"}  # type: ignore[attr-defined] # given as `extra`


async def looked(harness: SimulatedHarness, caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    """What one look at the vendor brought to the log, when all runs are through."""
    caplog.clear()
    for accepted in await harness.poll():
        for run in accepted.runs:
            assert (await harness.result(run)).state == "succeeded"
    return [record.entry["fields"] for record in caplog.records if record.name == "engine.log"]  # type: ignore[attr-defined] # given as `extra`


async def test_a_member_whose_record_has_changed_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    async with SimulatedHarness.of(RECENT) as harness:
        state = harness.simulator("yotpo_loyalty").state
        assert await looked(harness, caplog) == []
        state.book(state.customers["ana@example.com"], 60, "Goodwill", earned=False)
        told = {"email": "ana@example.com", "points_balance": 700, "tier": "SILVER"}
        assert await looked(harness, caplog) == [told]
        assert await looked(harness, caplog) == []


async def test_who_is_no_member_is_filtered(caplog: pytest.LogCaptureFixture) -> None:
    async with SimulatedHarness.of(RECENT) as harness:
        assert await looked(harness, caplog) == []
        harness.simulator("yotpo_loyalty").state.customers["ana@example.com"]["opt_in"] = False
        assert await looked(harness, caplog) == []


async def test_a_look_that_fails_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with SimulatedHarness.of(RECENT) as harness:
        loyalty = harness.simulator("yotpo_loyalty")
        assert await looked(harness, caplog) == []
        loyalty.state.book(loyalty.state.customers["ana@example.com"], 60, "Goodwill", earned=False)
        loyalty.fail_next(500)
        with pytest.raises(VendorError):
            await looked(harness, caplog)
        [told] = await looked(harness, caplog)
        assert told["email"] == "ana@example.com"
