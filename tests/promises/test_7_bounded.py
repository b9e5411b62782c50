"""Promise 7: history is bounded, and nothing that is needed goes with it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, precondition, rule

from engine.runtime.states import FINAL, State
from engine.scenario.plan import Keep
from engine.store.changes import AddDelivery, AddRun, MoveRun, SetDelivery
from engine.store.large import LargeSizes
from engine.store.records import DeliveryState, EffectState
from engine.testing import CrashAt
from tests.promises.pruned import (
    CURRENT,
    SCENARIOS,
    SETTINGS,
    VALUES,
    World,
    assert_known_again,
    assert_nothing_needed_went,
    must_stay,
)
from tests.store.conftest import Backend
from tests.store.rows import delivery, run

Check = Callable[[World], Coroutine[Any, Any, None]]


# ------------------------------------------------------------------ one by one


async def unfinished_stay(world: World) -> None:
    """Runs in every state but the final ones, each with a receipt and a version of its own, after a year."""
    for state in State:
        if state not in FINAL:
            run_id = await world.came("welcome")
            # it ended once, and was taken up again
            await world.moved(run_id, State.FAILED)
            await world.moved(run_id, state)
    world.passes(365)
    before = await world.look()
    await world.prune()
    assert_nothing_needed_went(before, await world.look(), world.now)


async def taken_up_meanwhile_stays(world: World) -> None:
    """A failed run is tried again after it was chosen, and before the step is written."""
    run_id = await world.came("welcome")
    await world.moved(run_id, State.FAILED)
    world.passes(30)

    class TriedAgain:
        def hit(self, point: str) -> None:
            if point == "history.step":
                world.store.ride(MoveRun(run_id, tuple(State), State.QUEUED, world.now))

    before = await world.look()
    await world.prune(TriedAgain())
    after = await world.look()
    assert run_id in after.runs, "a run went that was tried again"
    assert after.receipts == before.receipts


async def ended_again_meanwhile_stays(world: World) -> None:
    """As above, and it has ended by then; its time begins anew."""
    run_id = await world.came("welcome")
    await world.moved(run_id, State.FAILED)
    world.passes(30)

    class EndedAgain:
        def hit(self, point: str) -> None:
            if point == "history.step":
                world.store.ride(MoveRun(run_id, tuple(State), State.SUCCEEDED, world.now, ended=True))

    await world.prune(EndedAgain())
    assert run_id in (await world.look()).runs, "a run went that has just ended"


async def unknown_writes_stay(world: World) -> None:
    for state in (EffectState.INTENDED, EffectState.UNKNOWN):
        run_id = await world.came("welcome")
        await world.wrote(run_id, state)
        await world.moved(run_id, State.CANCELLED)
    world.passes(365)
    before = await world.look()
    await world.prune()
    assert_nothing_needed_went(before, await world.look(), world.now)


async def receipts_stay_for_a_run(world: World) -> None:
    run_id = await world.came(*SCENARIOS)
    await world.moved(run_id, State.SUCCEEDED)
    world.passes(30)
    before = await world.look()
    assert (await world.prune()).runs == 1
    assert_nothing_needed_went(before, await world.look(), world.now)


async def receipts_stay_for_a_delivery(world: World) -> None:
    run_id = await world.came("welcome")
    parked = delivery(run_id, scenario="other", state=DeliveryState.PARKED, run_id=None)
    await world.store.put(AddDelivery(parked))
    await world.moved(run_id, State.SUCCEEDED)
    world.passes(4)
    before = await world.look()
    assert (await world.prune()).runs == 1
    assert_nothing_needed_went(before, await world.look(), world.now)


async def parked_stay_for_their_time(world: World) -> None:
    await world.came("welcome", state=DeliveryState.PARKED)
    await world.came("welcome", state=DeliveryState.REJECTED)
    world.passes(4.9)
    before = await world.look()
    await world.prune()
    assert_nothing_needed_went(before, await world.look(), world.now)
    world.passes(0.2)
    await world.prune()
    assert (await world.look()).receipts == {}


async def parked_and_run_meanwhile_stays(world: World) -> None:
    receipt_id = await world.came("welcome", state=DeliveryState.PARKED)
    world.passes(30)
    ran = delivery(receipt_id, run_id=receipt_id)
    made = run(receipt_id, receipt_id=receipt_id, version=CURRENT)

    class RunByCommand:
        def hit(self, point: str) -> None:
            if point == "history.step":
                world.store.ride(SetDelivery(ran), AddRun(made))

    await world.prune(RunByCommand())
    after = await world.look()
    assert receipt_id in after.receipts
    assert after.deliveries, "the delivery of a run that has just begun went"


async def versions_in_use_stay(world: World) -> None:
    await world.came("welcome", value=1)
    await world.ended(value=2)
    world.passes(30)
    before = await world.look()
    assert (await world.prune()).versions == 1
    after = await world.look()
    assert_nothing_needed_went(before, after, world.now)
    assert after.versions == {CURRENT, "v1"}


async def finished_writes_answer_for_their_time(world: World) -> None:
    await world.ended(value=1)
    world.passes(3)
    before = await world.look()
    assert (await world.prune()).runs == 1
    after = await world.look()
    assert_nothing_needed_went(before, after, world.now)
    assert [e.request for effects in after.effects.values() for e in effects] == [b"null"]
    world.passes(2)
    await world.prune()
    assert (await world.look()).effects == {}


async def events_are_known_for_their_time(world: World) -> None:
    await world.ended(key="order-1")
    world.passes(5.9)
    await world.prune()
    assert (await world.look()).receipts == {}, "the event itself is gone"
    await assert_known_again(world)


async def values_stay_for_others(world: World) -> None:
    """A large value that a run passes on goes with the last that has it."""
    await world.ended(value=1)
    run_id = await world.came("welcome", value=1)
    await world.read(run_id, 1)
    world.passes(30)
    before = await world.look()
    await world.prune()
    assert_nothing_needed_went(before, await world.look(), world.now)


CHECKS: list[Check] = [
    unfinished_stay,
    taken_up_meanwhile_stays,
    ended_again_meanwhile_stays,
    unknown_writes_stay,
    receipts_stay_for_a_run,
    receipts_stay_for_a_delivery,
    parked_stay_for_their_time,
    parked_and_run_meanwhile_stays,
    versions_in_use_stay,
    finished_writes_answer_for_their_time,
    events_are_known_for_their_time,
    values_stay_for_others,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_what_is_needed_stays(backend: Backend, check: Check) -> None:
    await check(await World.new(backend))


async def test_all_that_is_over_goes(backend: Backend) -> None:
    world = await World.new(backend)
    for number in range(3):
        await world.ended(value=number, key=f"order-{number}")
    for state in DeliveryState:
        if state is not DeliveryState.RUN:
            await world.came("welcome", state=state, value=1)
    world.passes(365)
    await world.prune()
    left = await world.look()
    assert (left.runs, left.receipts, left.deliveries, left.effects, left.versions) == ({}, {}, {}, {}, {CURRENT})
    assert await world.store.ask(LargeSizes()) == (0, 0)


@pytest.mark.parametrize("point", ["history.step", "history.pruned", "store.begin", "store.commit", "store.committed"])
async def test_a_crash_between_two_steps_leaves_what_is_needed_and_the_rest_goes_later(
    backend: Backend, point: str
) -> None:
    world = await World.new(backend)
    for number in range(40):
        await world.ended(value=number % 3)
        await world.came("other", value=number % 3)
    world.passes(3)
    before = await world.look()
    for nth in (1, 2, 3):
        await world.prune_and_die(CrashAt(point, nth))
        assert_nothing_needed_went(before, await world.look(), world.now)
    await world.prune()
    after = await world.look()
    assert_nothing_needed_went(before, after, world.now)
    assert len(after.runs) == len(after.receipts) == 40, "what is not at its end, and nothing else"


# ------------------------------------------------------------------ any order of anything


#: runs end more often than not, or there would be little to prune
STATE = st.sampled_from([*State, *FINAL, *FINAL, *FINAL])
VALUE = st.integers(0, len(VALUES) - 1)
#: between the clocks of runs, writes, parked deliveries and identities
DAYS = st.sampled_from([0.001, 1.0, 2.5, 4.5, 7.0])


class AnyHistory(RuleBasedStateMachine):
    """Events come, runs go on, end and are tried again, writes are made and settled, time passes, history is pruned."""

    kind = "memory"
    runs = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.Runner()
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.backend = Backend(self.kind, Path(self._folder.name))
        self.world: World = self._loop.run(World.new(self.backend))
        self.writes: list[tuple[int, str]] = []

    def teardown(self) -> None:
        self._loop.run(assert_known_again(self.world))
        self._loop.run(self.backend.close())
        self._loop.close()
        self._folder.cleanup()

    def _is_there(self, run_id: int) -> bool:
        return self._loop.run(self.world.store.run(run_id)) is not None

    @rule(
        target=runs,
        scenarios=st.lists(st.sampled_from(SCENARIOS), min_size=1, max_size=2, unique=True),
        state=st.sampled_from([DeliveryState.RUN] * 6 + list(DeliveryState)),
        key=st.sampled_from([None, "order-1", "order-2"]),
        value=VALUE,
        writes=st.lists(st.sampled_from([*EffectState, EffectState.DONE]), max_size=2),
        moves=st.lists(STATE, max_size=3),
    )
    def an_event_comes(
        self,
        scenarios: list[str],
        state: DeliveryState,
        key: str | None,
        value: int,
        writes: list[EffectState],
        moves: list[State],
    ) -> Any:
        number = self._loop.run(self.world.came(*scenarios, state=state, key=key, value=value))
        if not self._is_there(number):
            return multiple()
        self.a_run_reads(number, value)
        for outcome in writes:
            self.writes.append((number, self._loop.run(self.world.wrote(number, outcome, value))))
        for to in moves:
            self.a_run_moves(number, to)
        return number

    @rule(run_id=runs, state=STATE)
    def a_run_moves(self, run_id: int, state: State) -> None:
        if self._is_there(run_id):
            self._loop.run(self.world.moved(run_id, state))

    @rule(run_id=runs, value=VALUE)
    def a_run_reads(self, run_id: int, value: int) -> None:
        if self._is_there(run_id):
            self._loop.run(self.world.read(run_id, value))

    @precondition(lambda self: self.writes)
    @rule(state=st.sampled_from([EffectState.DONE, EffectState.REFUSED]))
    def a_write_is_settled(self, state: EffectState) -> None:
        self._loop.run(self.world.settled(*self.writes.pop(), state))

    @precondition(lambda self: self.world.number)
    @rule(days=DAYS)
    def history_is_pruned(self, days: float) -> None:
        self.world.passes(days)
        self._loop.run(self._pruned())

    @precondition(lambda self: self.world.number)
    @rule(most=st.integers(1, 3), days=DAYS)
    def only_so_many_are_kept(self, most: int, days: float) -> None:
        self.world.passes(days)
        self._loop.run(self._pruned_to(most))

    @precondition(lambda self: self.world.number)
    @rule(
        point=st.sampled_from(["history.step", "history.pruned", "store.commit", "store.committed"]),
        nth=st.integers(1, 3),
        days=DAYS,
    )
    def the_process_dies_while_it_prunes(self, point: str, nth: int, days: float) -> None:
        self.world.passes(days)
        self._loop.run(self._died(point, nth))

    @invariant()
    def no_run_is_without_receipt_and_version(self) -> None:
        kept = self._loop.run(self.world.look())
        assert_nothing_needed_went(kept, kept, self.world.now)

    async def _pruned(self) -> None:
        before = await self.world.look()
        await self.world.prune()
        after = await self.world.look()
        assert_nothing_needed_went(before, after, self.world.now)
        for run_id in before.runs:
            if not must_stay(before, self.world.now, SETTINGS, run_id):
                assert run_id not in after.runs, "a run stays that is over"

    async def _pruned_to(self, most: int) -> None:
        before = await self.world.look()
        await self.world.prune(keep=Keep(runs=most))
        after = await self.world.look()
        unlimited = [r for r in before.runs if r not in after.runs and before.runs[r].state not in FINAL]
        assert unlimited == [], "a run went that has not ended"
        for run_id in before.runs.keys() - after.runs.keys():
            assert not any(e.state in ("intended", "unknown") for e in before.effects.get(run_id, ()))

    async def _died(self, point: str, nth: int) -> None:
        before = await self.world.look()
        await self.world.prune_and_die(CrashAt(point, nth))
        assert_nothing_needed_went(before, await self.world.look(), self.world.now)


class AnyHistoryInAFile(AnyHistory):
    kind = "sqlite"


AnyHistory.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
AnyHistoryInAFile.TestCase.settings = settings(max_examples=15, stateful_step_count=40, deadline=None)
TestAnyHistory = AnyHistory.TestCase
TestAnyHistoryInAFile = AnyHistoryInAFile.TestCase
