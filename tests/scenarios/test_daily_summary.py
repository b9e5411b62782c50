"""The shipped scenario that the clock starts: once on each working day, at six in Berlin, and by hand."""

from __future__ import annotations

from datetime import datetime

import pytest

from engine.testing import SimulatedHarness, VirtualClock
from tests.scenarios.conftest import SCENARIOS

FILE = SCENARIOS / "daily-summary" / "scenario.yaml"
#: a Friday noon; clocks are set on the Sunday after it
FRIDAY = datetime.fromisoformat("2024-03-29T12:00:00+01:00").timestamp()


def fields(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [record.entry["fields"] for record in caplog.records if record.name == "engine.log"]  # type: ignore[attr-defined] # given as `extra`


async def test_it_runs_on_working_days_over_the_day_on_which_clocks_are_set(caplog: pytest.LogCaptureFixture) -> None:
    async with SimulatedHarness.of(FILE, clock=VirtualClock(FRIDAY)) as harness:
        for _ in range(4 * 24):
            harness.clock.jump(3600)
            for accepted in await harness.tick():
                for run in accepted.runs:
                    assert (await harness.result(run)).state == "succeeded"
    monday, tuesday = "2024-04-01T06:00:00+02:00", "2024-04-02T06:00:00+02:00"
    assert [(line["day"], line.get("since")) for line in fields(caplog)] == [(monday, None), (tuesday, monday)]


async def test_started_by_hand_it_takes_another_number_of_points(caplog: pytest.LogCaptureFixture) -> None:
    async with SimulatedHarness.of(FILE) as harness:
        result = await harness.begin(many=100)
    assert (result.state, result.effects) == ("succeeded", [])
    assert fields(caplog) == [{"day": "by hand", "with_many_points": ["ana@example.com"]}]
