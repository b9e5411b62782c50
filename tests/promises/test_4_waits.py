"""A wait costs nothing and forgets nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

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


async def lived(new_harness: NewHarness, point: str, nth: int, answer: str) -> tuple[Harness, Vendor, bool]:
    """One run that dies somewhere, is answered or not, and is brought to its end by the next process.

    :param answer: ``before``: the signal is sent in the life that dies; ``after``: in the next; ``never``.
    :returns: also whether a signal has said that it reached the run.
    """
    vendor, faults, told = Vendor(), CrashAt(point, nth), 0
    harness = new_harness(scenario(STEPS), doubles={"shop.charge": vendor.charge}, faults=faults)

    async def live() -> None:
        nonlocal told
        await harness.start()
        await harness.send({})
        await settle(harness)
        if answer == "before":
            told += await harness.signal("stock", data=7)
            await settle(harness)
        if answer == "never":
            harness.clock.jump(HOUR)
            await over(harness)

    await until_death(live(), faults)
    await harness.restart()
    await settle(harness)
    if answer != "never" and not told:
        told += await harness.signal("stock", data=7)
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
