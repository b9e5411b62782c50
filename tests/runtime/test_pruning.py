"""The pruner at work: what it removes when, over a whole engine."""

from __future__ import annotations

from typing import Any

import pytest

from engine.runtime.pruning import FIRST_ROWS, FRESH, MOST_ROWS, MOST_SECONDS, Pace, Pruner
from engine.runtime.settings import DAY, HistorySettings
from engine.scenario.plan import Keep
from engine.sdk.errors import DataError
from engine.store.changes import AddVersion
from engine.store.history import EndedRuns
from engine.store.records import DeliveryState, RunFilter
from engine.testing import Harness
from tests.promises.conftest import new_harness  # noqa: F401 - the fixture
from tests.promises.shop_runs import CHARGE, NewHarness, Vendor, settle

SETTINGS = HistorySettings(keep=Keep(seconds=DAY), effects_for=3 * DAY, dedupe_for=2 * DAY, parked_for=4 * DAY)


def pruner(harness: Harness, settings: HistorySettings = SETTINGS, keep: Keep | None = None) -> Pruner:
    current = frozenset(plan.version for plan in harness.plans)
    return Pruner(harness.store, settings, lambda _name: keep, lambda: current, harness.clock, faults=harness.faults)


async def some(new: NewHarness, events: int, **options: Any) -> Harness:
    harness = new(CHARGE, doubles=Vendor().doubles, **options)
    await harness.start()
    for number in range(events):
        await harness.send({"email": f"p{number}@example.com"})
        await settle(harness)
        harness.clock.jump(1)
    return harness


async def test_runs_go_when_their_time_is_over(new_harness: NewHarness) -> None:  # noqa: F811 - the fixture
    harness = await some(new_harness, 3)
    assert (await pruner(harness).look()).runs == 0
    harness.clock.jump(DAY - 2)
    done = await pruner(harness).look()
    assert 0 < done.runs < 3
    harness.clock.jump(3)
    await pruner(harness).look()
    assert await harness.store.runs(RunFilter()) == []
    counts = await harness.store.delivery_counts()
    assert counts["receipts"] == 0
    assert sum((await harness.store.effect_counts()).values()) == 9, "they answer for their keys"
    harness.clock.jump(3 * DAY)
    await pruner(harness).look()
    assert sum((await harness.store.effect_counts()).values()) == 0
    await harness.stop()


async def test_the_youngest_stay_where_a_number_is_set(new_harness: NewHarness) -> None:  # noqa: F811 - the fixture
    harness = await some(new_harness, 6)
    before = [run.id for run in await harness.store.runs(RunFilter())]
    harness.clock.jump(FRESH + 1)
    assert (await pruner(harness, keep=Keep(runs=2)).look()).runs == 4
    assert [run.id for run in await harness.store.runs(RunFilter())] == before[:2]
    await harness.stop()


async def test_a_run_that_has_just_ended_stays(new_harness: NewHarness) -> None:  # noqa: F811 - the fixture
    harness = await some(new_harness, 3)
    assert (await pruner(harness, keep=Keep(runs=1)).look()).runs == 0
    await harness.stop()


async def test_failed_runs_may_stay_longer(new_harness: NewHarness) -> None:  # noqa: F811 - the fixture
    def refuse(_config: Any) -> Any:
        raise DataError("no")

    doubles = {**Vendor().doubles, "shop.get": refuse}
    harness = new_harness(CHARGE, doubles=doubles)
    await harness.start()
    await harness.send({"email": "a@example.com"})
    await settle(harness)
    [run] = await harness.store.runs(RunFilter())
    assert run.state == "failed"
    harness.clock.jump(DAY + 1)
    assert (await pruner(harness, keep=Keep(failed=2 * DAY)).look()).runs == 0
    harness.clock.jump(DAY)
    assert (await pruner(harness, keep=Keep(failed=2 * DAY)).look()).runs == 1
    await harness.stop()


async def test_deliveries_without_run_go_by_their_own_clock(new_harness: NewHarness) -> None:  # noqa: F811 - the fixture
    harness = new_harness(CHARGE.replace("steps:", "active: false\nsteps:", 1))
    await harness.start()
    await harness.send({"email": "a@example.com"})
    harness.clock.jump(2 * DAY)
    assert (await pruner(harness).look()).deliveries == 0
    harness.clock.jump(2 * DAY + 1)
    assert await harness.store.delivery_counts() == {DeliveryState.PARKED: 1, "receipts": 1}
    done = await pruner(harness).look()
    assert (done.deliveries, done.receipts) == (1, 1)
    await harness.stop()


async def test_versions_go_with_their_last_run(new_harness: NewHarness) -> None:  # noqa: F811 - the fixture
    harness = await some(new_harness, 1)
    [run] = await harness.store.runs(RunFilter())
    await harness.store.put(AddVersion("old", run.scenario, b"text", 0.0))
    nobody = frozenset({"another"})
    first = Pruner(harness.store, SETTINGS, lambda _name: None, lambda: nobody, harness.clock)
    assert (await first.look()).versions == 1
    assert await harness.store.version("old") is None
    assert await harness.store.version(run.version) is not None, "a run has it"
    harness.clock.jump(2 * DAY)
    assert (await first.look()).versions == 1, "its run is gone, and no loaded scenario is it"
    assert await harness.store.version(run.version) is None
    await harness.stop()


async def test_what_would_go_is_told_and_stays(new_harness: NewHarness) -> None:  # noqa: F811 - the fixture
    harness = await some(new_harness, 3)
    harness.clock.jump(2 * DAY)
    assert (await pruner(harness, keep=Keep(runs=1)).due()).runs == 3
    assert len(await harness.store.runs(RunFilter())) == 3
    await harness.stop()


async def test_it_looks_by_itself(new_harness: NewHarness) -> None:  # noqa: F811 - the fixture
    harness = await some(new_harness, 2)
    working = pruner(harness)
    working.start()
    harness.clock.jump(2 * DAY)
    for _ in range(20):
        await harness.clock.advance(31)
        await harness.store.put()
    assert await harness.store.runs(RunFilter()) == []
    await working.stop()
    await harness.stop()


async def test_small_steps_do_not_ask_for_each_of_them(
    new_harness: NewHarness,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    harness = await some(new_harness, 12)
    harness.clock.jump(FRESH + 1)
    monkeypatch.setattr("engine.runtime.pruning.MOST_ROWS", 1)
    asked: list[object] = []
    steps: list[object] = []
    ask, put = harness.store.ask, harness.store.put

    async def counted_ask(question: Any) -> Any:
        asked.append(question)
        return await ask(question)

    async def counted_put(*changes: Any, **more: Any) -> Any:
        steps.extend(changes)
        return await put(*changes, **more)

    monkeypatch.setattr(harness.store, "ask", counted_ask)
    monkeypatch.setattr(harness.store, "put", counted_put)
    assert (await pruner(harness, keep=Keep(runs=2)).look()).runs == 10
    states = {question.state for question in asked if isinstance(question, EndedRuns)}
    assert len(steps) >= 7, "of up to four rows at first, then of one"
    assert sum(isinstance(question, EndedRuns) for question in asked) <= 2 * len(states)
    await harness.stop()


def test_a_step_takes_about_its_time() -> None:
    pace, row = Pace(), MOST_SECONDS / 40
    for _ in range(20):
        rows = len(next(pace.portions(range(1000))))
        pace.learn(rows, rows * row)
    assert rows == 40
    pace.learn(40, 10 * 40 * row)
    assert 15 < len(next(pace.portions(range(1000)))) < 40, "one step that had to wait says little"
    for _ in range(60):
        pace.learn(len(next(pace.portions(range(1000)))), 2 * MOST_SECONDS)
    assert len(next(pace.portions(range(1000)))) == 1


def test_steps_begin_small_grow_by_doubling_and_have_a_bound() -> None:
    pace, sizes = Pace(), []
    for _ in range(12):
        sizes.append(len(next(pace.portions(range(10_000)))))
        pace.learn(sizes[-1], 0.0)
    assert sizes[:3] == [FIRST_ROWS, 2 * FIRST_ROWS, 4 * FIRST_ROWS]
    assert sizes[-1] == MOST_ROWS


@pytest.mark.parametrize(
    ("keep", "wanted"),
    [
        (Keep(), Keep(seconds=30.0, runs=5, failed=90.0)),
        (Keep(seconds=7.0), Keep(seconds=7.0, runs=5)),
        (Keep(runs=2), Keep(seconds=30.0, runs=2, failed=90.0)),
        (Keep(seconds=7.0, failed=8.0), Keep(seconds=7.0, runs=5, failed=8.0)),
    ],
)
def test_what_a_scenario_leaves_open_is_the_projects(keep: Keep, wanted: Keep) -> None:
    assert keep.over(Keep(seconds=30.0, runs=5, failed=90.0)) == wanted
