"""Orders come into a table, each once, whatever dies on the way."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from engine.testing import CrashAt, SimulatedHarness
from tests.scenarios.conftest import SCENARIOS

FOLDER = SCENARIOS / "orders-to-warehouse"
FIRST = json.loads((FOLDER / "event.json").read_text())
SECOND, AGAIN = json.loads((FOLDER / "events.json").read_text())


def harness() -> SimulatedHarness:
    return SimulatedHarness.of(FOLDER / "scenario.yaml")


def orders(harness: SimulatedHarness) -> list[Any]:
    with closing(sqlite3.connect(harness.simulator("sql").path)) as database:
        return database.execute("select id, total_cents from orders order by id").fetchall()


async def test_each_order_has_one_row_and_the_sum_is_said() -> None:
    async with harness() as engine:
        outputs = [(await engine.run(event)).output for event in (FIRST, SECOND, AGAIN)]
        assert outputs == [{"orders": 1, "cents": 6000}, {"orders": 2, "cents": 10500}, {"orders": 2, "cents": 10500}]
        assert orders(engine) == [("A-1", 6000), ("A-2", 4500)]


async def test_orders_that_come_together_are_summed_one_after_another() -> None:
    async with harness() as engine:
        for event in (FIRST, SECOND, AGAIN):
            await engine.send(event)
        results = sorted(await engine.rest(), key=lambda result: result.run.receipt_id)
        assert [result.output["cents"] for result in results] == [6000, 10500, 10500]


async def test_an_order_without_id_is_refused_and_nothing_is_kept() -> None:
    async with harness() as engine:
        result = await engine.run({**FIRST, "id": None})
        assert (result.state, result.error["step"], result.error["refused"]) == ("failed", "keep", True)
        assert orders(engine) == []


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
@pytest.mark.parametrize("point", ["effect.intended", "effect.sent"])
async def test_a_crash_at_each_write_loses_nothing_and_doubles_nothing(point: str, nth: int) -> None:
    engine = harness()
    await engine.crash(CrashAt(point, nth), FIRST, SECOND)
    assert [result.state for result in await engine.rest()] == ["succeeded", "succeeded"]
    assert orders(engine) == [("A-1", 6000), ("A-2", 4500)]
    await engine.stop()
