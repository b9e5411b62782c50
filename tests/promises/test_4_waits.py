"""A wait costs nothing and forgets nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.runtime.answers import AnswerRefused
from engine.sdk.faults import SimulatedCrash
from engine.store.records import RunFilter
from engine.store.waits import WaitState
from engine.testing import CrashAt, Harness
from tests.promises.shop_runs import PATIENCE, NewHarness, settle, until_death
from tests.support.shop import scenario

HOUR = 3600.0
STEPS = """
- id: before
  module: shop.charge
  with: {n: 1}
- id: stock
  wait_for: {signal: stock, timeout: 1h}
  on_timeout:
    - id: late
      module: shop.charge
      with: {n: 2}
- id: after
  module: shop.charge
  with: {n: 3}
- stop: success
  output: ${{ stock }}
"""
APPROVAL = STEPS.replace("signal: stock", "approval: Is it here?").replace(
    "${{ stock }}", "${{ stock.approved && `7` }}"
)
EVENT = STEPS.replace(
    "{signal: stock, timeout: 1h}",
    "{module: shop.watch, match: '${{ event.order == trigger.order }}', timeout: 1h}",
).replace("${{ stock }}", "${{ stock.count }}")
KINDS = {"signal": STEPS, "approval": APPROVAL, "event": EVENT}
SLEEP = "- sleep: 1h\n- id: after\n  module: shop.charge\n  with: {n: 3}\n"
#: where a process can die around a wait, an answer and a timeout
POINTS = [
    ("wait.opening", 1),
    ("wait.opened", 1),
    ("wait.answering", 1),
    ("wait.answered", 1),
    ("wait.timing", 1),
    ("wait.timed-out", 1),
    *[(point, nth) for point in ("store.begin", "store.commit", "store.committed") for nth in (3, 4, 5, 6, 7)],
    ("run.moved", 1),
    ("run.moved", 2),
    ("run.claiming", 1),
    ("run.taken", 1),
]


#: those of an answer, whatever it is
ANSWERED = [
    *[(point, 1) for point in ("wait.opening", "wait.opened", "wait.answering", "wait.answered", "run.claiming")],
    *[(point, 2) for point in ("receipt.taken", "receipt.accepted", "run.moved", "run.taken")],
    *[("store.commit", nth) for nth in (3, 4, 5, 6)],
]


class Vendor:
    """Counts what reaches it."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def charge(self, config: Any) -> Any:
        self.seen.append(config["n"])
        return {}


async def waiting(new_harness: NewHarness, **options: Any) -> tuple[Harness, Vendor, int]:
    """A run that has left memory, waiting for a signal."""
    vendor = Vendor()
    harness = new_harness(scenario(STEPS), doubles={"shop.charge": vendor.charge}, **options)
    await harness.start()
    run_id = (await harness.run({})).run.id
    return harness, vendor, run_id


async def answers(harness: Harness, kind: str) -> int:
    """Answer what the run waits for; gives how many runs that has reached, as whoever answers is told."""
    if kind == "signal":
        return await harness.signal("stock", data=7)
    if kind == "event":
        event = {"order": 5, "count": 7}
        accepted = await harness.send(event, to="nobody", webhook=f"scenario:{harness.plans[0].name}")
        return sum(delivery.run_id is not None for delivery in accepted.deliveries)
    [run] = await harness.store.runs(RunFilter())
    try:
        await harness.approve(run.id)
    except AnswerRefused:
        return 0
    return 1


async def lived(
    new_harness: NewHarness, point: str, nth: int, answer: str, kind: str = "signal"
) -> tuple[Harness, Vendor, bool]:
    """One run that dies somewhere, is answered or not, and is brought to its end by the next process.

    :param answer: ``before``: in the life that dies; ``after``: in the next; ``never``.
    :returns: also whether whoever answered was told that it reached the run.
    """
    vendor, faults, told = Vendor(), CrashAt(point, nth), 0
    harness = new_harness(scenario(KINDS[kind]), doubles={"shop.charge": vendor.charge}, faults=faults)

    async def live() -> None:
        nonlocal told
        await harness.start()
        await harness.send({"order": 5})
        await settle(harness)
        if answer == "before":
            told += await answers(harness, kind)
            await settle(harness)
        if answer == "never":
            harness.clock.jump(HOUR)
            await over(harness)

    await until_death(live(), faults)
    await harness.restart()
    await settle(harness)
    if answer != "never" and not told and await harness.store.runs(RunFilter()):
        told += await answers(harness, kind)
        await settle(harness)
    harness.clock.jump(2 * HOUR)
    await over(harness)
    return harness, vendor, bool(told)


async def over(harness: Harness) -> None:
    """Let the time pass that the clock has jumped over; a store in a file takes a while to say so."""
    for _ in range(PATIENCE):
        await harness.clock.advance(5)
        await settle(harness)
        if not any(run.state in ("waiting", "queued", "running") for run in await harness.store.runs(RunFilter())):
            return
    raise AssertionError("a wait that is over is not noticed")


async def assert_ended_once(harness: Harness, vendor: Vendor, told: bool) -> None:
    """Each run went on once, by the answer where one was taken and by the timeout otherwise, and repeated nothing."""
    for run in await harness.store.runs(RunFilter()):
        result = await harness.look(run.id)
        if result.state == "held":
            # it died with a write under way, whose outcome nobody knows: that is promise 3
            continue
        assert result.state == "succeeded", result.error or result.holds
        [wait] = await harness.store.waits.of_run(run.id)
        assert wait.state in (WaitState.ANSWERED, WaitState.TIMED_OUT)
        answered = wait.state is WaitState.ANSWERED
        assert result.output == (7 if answered else None)
        assert vendor.seen == ([1, 3] if answered else [1, 2, 3])
        assert answered or not told


@pytest.mark.parametrize("answer", ["before", "after", "never"])
@pytest.mark.parametrize(("point", "nth"), POINTS)
async def test_a_wait_ends_once_wherever_the_process_dies(
    new_harness: NewHarness, point: str, nth: int, answer: str
) -> None:
    harness, vendor, told = await lived(new_harness, point, nth, answer)
    await assert_ended_once(harness, vendor, told)
    await harness.stop()


@pytest.mark.parametrize("answer", ["before", "after"])
@pytest.mark.parametrize("kind", ["approval", "event"])
@pytest.mark.parametrize(("point", "nth"), ANSWERED)
async def test_a_persons_word_and_an_event_end_a_wait_once_too(
    new_harness: NewHarness, point: str, nth: int, kind: str, answer: str
) -> None:
    harness, vendor, told = await lived(new_harness, point, nth, answer, kind)
    await assert_ended_once(harness, vendor, told)
    await harness.stop()


@pytest.mark.parametrize("point", ["wait.answering", "wait.answered"])
@pytest.mark.parametrize("kind", ["signal", "approval"])
async def test_who_answers_can_die_at_it(new_harness: NewHarness, point: str, kind: str) -> None:
    faults = CrashAt(point)
    harness = new_harness(scenario(KINDS[kind]), doubles={"shop.charge": Vendor().charge}, faults=faults)
    await harness.start()
    run_id = (await harness.run({"order": 5})).run.id
    with pytest.raises(SimulatedCrash):
        await answers(harness, kind)
    assert faults.crashed
    await harness.restart()
    await settle(harness)
    state = (await harness.look(run_id)).state
    assert state == ("waiting" if point == "wait.answering" else "succeeded")
    await harness.stop()


async def test_what_waits_is_not_in_memory(new_harness: NewHarness) -> None:
    harness, _, run_id = await waiting(new_harness)
    await harness.clock.settle()
    assert (await harness.look(run_id)).state == "waiting"
    assert not harness.runner._tasks
    assert not harness.runner._effects
    await harness.stop()


async def race(new_harness: NewHarness, lead: int) -> tuple[Harness, Vendor, int]:
    """The answer comes as the time runs out: ``lead`` turns of the event loop earlier, or later."""
    harness, vendor, run_id = await waiting(new_harness)
    harness.clock.jump(HOUR - 1)

    async def after(turns: int, work: Any) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await work

    await asyncio.gather(
        after(max(0, -lead), harness.signal("stock", data=7)), after(max(0, lead), harness.clock.advance(10))
    )
    await over(harness)
    return harness, vendor, run_id


@pytest.mark.parametrize("lead", [-60, -45, -30, -20, -10, -5, -2, 0, 2, 5, 10, 20])
async def test_an_answer_and_the_timeout_never_both(new_harness: NewHarness, lead: int) -> None:
    harness, vendor, run_id = await race(new_harness, lead)
    await assert_ended_once(harness, vendor, told=False)
    assert (await harness.look(run_id)).state == "succeeded"
    await harness.stop()


async def two_answers(new_harness: NewHarness) -> tuple[Harness, list[int], Any]:
    """Two signals at the same moment."""
    harness, _, run_id = await waiting(new_harness)
    told = await asyncio.gather(*(harness.signal("stock", data=data) for data in (7, 8)))
    await settle(harness)
    return harness, told, (await harness.look(run_id)).output


async def test_of_two_answers_one_counts_and_the_other_is_told_so(new_harness: NewHarness) -> None:
    harness, told, output = await two_answers(new_harness)
    assert (told, output) == ([1, 0], 7)
    await harness.stop()


async def test_two_signals_are_two_over_a_restart_in_the_same_moment(new_harness: NewHarness) -> None:
    harness, _, _ = await waiting(new_harness)
    assert await harness.signal("stock", data=7) == 1
    await settle(harness)
    await harness.restart()
    assert await harness.signal("stock", data=8) == 0
    run_id = (await harness.run({})).run.id
    assert (await harness.look(run_id)).state == "waiting"
    await harness.restart()
    assert await harness.signal("stock", data=9) == 1
    await settle(harness)
    assert (await harness.look(run_id)).output == 9
    await harness.stop()


async def answered_on_the_way_out(new_harness: NewHarness) -> tuple[Harness, int]:
    """The answer comes while the run is on its way out of memory, between its last look and the store."""
    harness, _, run_id = await waiting_in(new_harness)
    await settle(harness)
    return harness, run_id


async def waiting_in(new_harness: NewHarness) -> tuple[Harness, Vendor, int]:
    vendor = Vendor()
    harness = new_harness(scenario(STEPS), doubles={"shop.charge": vendor.charge})
    await harness.start()
    end = harness.runner._end

    async def answered_first(run: Any, effects: Any, outcome: Any) -> None:
        if (await harness.store.waits.of_run(run.id))[0].state is WaitState.OPEN:
            assert await harness.signal("stock", data=7) == 1
        await end(run, effects, outcome)

    harness.runner._end = answered_first  # type: ignore[method-assign]
    [run_id] = (await harness.send({})).runs
    await harness.clock.settle()
    return harness, vendor, run_id


async def assert_woken(new_harness: NewHarness) -> None:
    harness, run_id = await answered_on_the_way_out(new_harness)
    assert (await harness.look(run_id)).state == "succeeded"
    await harness.stop()


async def test_no_answer_is_lost_on_the_way_out_of_memory(new_harness: NewHarness) -> None:
    await assert_woken(new_harness)


async def asleep(new_harness: NewHarness) -> None:
    """A sleep keeps its time over restarts."""
    vendor = Vendor()
    harness = new_harness(scenario(SLEEP), doubles={"shop.charge": vendor.charge})
    await harness.start()
    result = await harness.run({})
    due = harness.clock.time() + HOUR
    for _ in range(3):
        harness.clock.jump(600)
        await harness.restart()
        await settle(harness)
        # walked again for whatever reason, it waits for the same moment
        await harness.store.put(_requeued(result.run.id, harness))
        harness.runner.wake()
        assert (await harness.result(result.run.id)).run.due_at == due
    await harness.stop()


def _requeued(run_id: int, harness: Harness) -> Any:
    from engine.store.changes import MoveRun

    return MoveRun(run_id, ("sleeping",), "queued", harness.clock.time())


async def test_a_sleep_keeps_its_time(new_harness: NewHarness) -> None:
    await asleep(new_harness)
