"""Each mechanism behind promise 4, switched off: the promise's own check must then fail."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest

from engine.runtime.durable import DurableEffects
from engine.runtime.open_waits import NEVER, OpenWaits
from engine.store import waits_memory
from engine.store.waits import WaitState
from engine.store.waits_memory import MemoryWaitWriter
from engine.store.waits_sql import WaitWriter
from tests.promises import test_4_waits
from tests.promises.shop_runs import NewHarness, settle
from tests.support.shop import scenario

WRITERS = (MemoryWaitWriter, WaitWriter)
TWO = """
- id: each
  foreach: ${{ [1, 2] }}
  concurrency: 2
  collect: ${{ item == 1 && early || late }}
  steps:
    - if: ${{ item == 1 }}
      steps:
        - id: early
          wait_for: {signal: a, timeout: 1h}
          on_timeout: [{set: {over: true}}]
      else:
        - id: late
          wait_for: {signal: b, timeout: 9h}
          on_timeout: [{set: {over: true}}]
- stop: success
  output: ${{ each }}
"""


@contextmanager
def patched(*attributes: tuple[type | ModuleType, str, Any]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for owner, name, value in attributes:
            patch.setattr(owner, name, value)
        yield


def no_recheck() -> Any:
    """A run leaves memory without a look at what came in the meantime."""
    return patched(*((kind, "_recheck", lambda _self, _change: None) for kind in WRITERS))


def no_wake() -> Any:
    """An answer is stored, and the run is left where it waits."""
    return patched(*((kind, "_wake", lambda _self, _wait, _at: None) for kind in WRITERS))


def timeout_without_a_look() -> Any:
    """The timeout ends a wait, whatever came before."""

    def in_memory(self: Any, change: Any) -> None:
        self._end(self._tables.waits[change.run_id, change.key], WaitState.TIMED_OUT, change.at)

    def in_file(self: Any, change: Any) -> None:
        self._end(change.run_id, change.key, WaitState.TIMED_OUT, change.at)

    return patched((MemoryWaitWriter, "_time_out", in_memory), (WaitWriter, "_time_out", in_file))


def claim_without_a_look() -> Any:
    """Who claims a run that is due ends its waits, whatever came before."""

    def in_memory(self: Any, change: Any) -> None:
        for run_id, key in [at for at in self._tables.waits if at[0] == change.run_id]:
            self._end(self._tables.waits[run_id, key], WaitState.TIMED_OUT, change.at)

    def in_file(self: Any, change: Any) -> None:
        for (key,) in self._run("select key from waits where run_id = ?", (change.run_id,)).fetchall():
            self._end(change.run_id, key, WaitState.TIMED_OUT, change.at)

    return patched((MemoryWaitWriter, "_time_out_due", in_memory), (WaitWriter, "_time_out_due", in_file))


def any_answer_counts() -> Any:
    """A wait can be answered again."""

    def open_waits(tables: Any, kind: str, name: Any = None, match: Any = None, simulated: Any = None) -> Any:
        return [wait for wait in tables.waits.values() if (wait.kind, wait.name) == (kind, name)]

    def in_file(self: Any, change: Any) -> None:
        self._run(self._sql["add_signal"], change.signal)
        query = "select run_id, key from waits where kind = 'signal' and name = ?"
        reached = self._run(query, (change.signal.name,)).fetchall()
        for run_id, key in reached:
            self._end(run_id, key, WaitState.ANSWERED, change.signal.sent_at, change.signal.data, "signal")
        self._run(self._sql["reach_signal"], (len(reached), change.signal.id))

    return patched((waits_memory, "open_waits", open_waits), (WaitWriter, "_send", in_file))


def due_decided_anew() -> Any:
    """A sleep begins at each walk."""

    async def rest(self: Any, _path: str, due: Any) -> None:
        await self.sleep_until(due())

    return patched((DurableEffects, "rest", rest))


def wait_not_stored_first() -> Any:
    """The wait, and what was done before it, are not durable when it can be answered."""

    async def begin(self: Any, path: str, key: str, ask: Any) -> None:
        shown = {"for": ask.kind, "name": ask.name, "due": None}
        self._effects.new_record(key, "waiting", shown)

    async def answered(self: Any, key: str) -> Any:
        # it sees no answer, because there is nothing that could be answered
        with self._effects.idle(NEVER):
            await self._open[key].wait()

    return patched((OpenWaits, "_begin", begin), (OpenWaits, "_answered", answered))


Check = Callable[[NewHarness], Coroutine[Any, Any, None]]


async def goes_on_at_once(new_harness: NewHarness) -> None:
    harness, vendor, run_id = await test_4_waits.waiting(new_harness)
    told = await harness.signal("stock", data=7)
    await settle(harness)
    result = await harness.look(run_id)
    await harness.stop()
    assert (told, result.state, result.output, vendor.seen) == (1, "succeeded", 7, [1, 3])


async def one_answer(new_harness: NewHarness) -> None:
    harness, told, output = await test_4_waits.two_answers(new_harness)
    await harness.stop()
    assert (told, output) == ([1, 0], 7)


async def never_both(new_harness: NewHarness) -> None:
    harness, _, run_id = await test_4_waits.waiting(new_harness)
    await harness.signal("stock", data=7)
    await harness.store.put(_timed_out(run_id, harness))
    [wait] = await harness.store.waits.of_run(run_id)
    await harness.stop()
    assert wait.state is WaitState.ANSWERED


async def each_its_own_time(new_harness: NewHarness) -> None:
    """Of two waits at once one is over, and the other is not."""
    harness = new_harness(scenario(TWO), doubles={})
    await harness.start()
    run_id = (await harness.run({})).run.id
    harness.clock.jump(7200)
    while (await harness.look(run_id)).state == "waiting" and len(await _open(harness, run_id)) > 1:
        await harness.clock.advance(5)
        await settle(harness)
    told = await harness.signal("b", data=7)
    await settle(harness)
    result = await harness.look(run_id)
    await harness.stop()
    assert (told, result.state, result.output) == (1, "succeeded", [None, 7])


async def _open(harness: Any, run_id: int) -> list[Any]:
    return [wait for wait in await harness.store.waits.of_run(run_id) if wait.state is WaitState.OPEN]


def _timed_out(run_id: int, harness: Any) -> Any:
    from engine.store.waits import TimeOutWait

    return TimeOutWait(run_id, "stock#1", harness.clock.time())


#: the mechanism that is switched off, and the check that must then fail
MUTANTS: list[tuple[Callable[[], Any], Check]] = [
    (no_recheck, test_4_waits.assert_woken),
    (no_wake, goes_on_at_once),
    (timeout_without_a_look, never_both),
    (claim_without_a_look, each_its_own_time),
    (any_answer_counts, one_answer),
    (due_decided_anew, test_4_waits.asleep),
    (wait_not_stored_first, goes_on_at_once),
]


@pytest.mark.parametrize(("mutant", "check"), MUTANTS, ids=lambda value: value.__name__)
async def test_the_check_fails_without_the_mechanism(
    new_harness: NewHarness, mutant: Callable[[], Any], check: Check
) -> None:
    await check(new_harness)
    with mutant(), pytest.raises(AssertionError):
        await check(new_harness)
