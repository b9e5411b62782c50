"""The shipped import of a CSV file: each row once, and what is wrong in a second file."""

from __future__ import annotations

from typing import Any

import pytest

from engine.testing import CrashAt, SimulatedHarness
from tests.scenarios.conftest import SCENARIOS

NAME = "csv-to-loyalty"
FILE = SCENARIOS / NAME / "scenario.yaml"
EVENT = {"path": "customers.csv"}


def points(harness: SimulatedHarness, email: str) -> Any:
    return harness.simulator("yotpo_loyalty").state.customers[email]["points_balance"]


def refused(harness: SimulatedHarness) -> list[str]:
    return (harness.simulator("files").folder / "refused" / "customers.csv").read_text().splitlines()


async def test_each_row_becomes_a_customer_or_a_line_that_says_why_not() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        result = await harness.run(EVENT)
        assert result.state == "succeeded", (result.state, result.error)
        assert points(harness, "cleo@example.com") == 250
        assert points(harness, "dan@example.com") == 0
        header, *lines = refused(harness)
    assert header == "line,email,reason"
    assert [line.split(",")[:2] for line in lines] == [
        ["4", ""],
        ["5", "eve@example.com"],
        ["6", "fay@example.com"],
        ["7", "gil@example.com"],
    ]
    assert "5 fields where 4 columns are" in lines[3]


async def test_a_file_that_is_not_there_fails_with_its_name() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        result = await harness.run({"path": "absent.csv"})
        assert (result.state, result.error["type"]) == ("failed", "NotFound")
        assert "absent.csv" in result.error["message"]


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
@pytest.mark.parametrize("point", ["effect.intended", "effect.sent", "effect.settled", "call.after"])
async def test_a_crash_anywhere_gives_no_points_and_no_line_twice(point: str, nth: int) -> None:
    harness = SimulatedHarness.of(FILE)
    try:
        [left] = await harness.crash(CrashAt(point, nth), EVENT)
        # the history of a customer is asked only when it shows what was done
        result = await harness.result(left.run.id, advance=3600)
        if result.state == "held":
            # whether points were given is not known: the history is asked, and else a person decides
            assert [effect.module for effect in result.effects if effect.state == "unknown"] == [
                "yotpo_loyalty.adjust_points"
            ]
            return
        assert result.state == "succeeded", (result.state, result.error)
        assert points(harness, "cleo@example.com") == 250
        assert len(refused(harness)) == 5
    finally:
        await harness.stop()
