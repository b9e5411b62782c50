"""The scenarios that only log: every loyalty event."""

from __future__ import annotations

import json

import pytest

from engine.testing import SimulatedHarness
from tests.scenarios.conftest import EVENTS, SCENARIOS

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
