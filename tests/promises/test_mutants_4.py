"""Each mechanism behind promise 4, switched off: the promise's own check must then fail."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine.runtime.durable import DurableEffects
from engine.runtime.open_waits import OpenWaits
from engine.store.waits import WaitState
from engine.store.waits_memory import MemoryWaitWriter
from tests.promises import test_4_waits
from tests.promises.shop_runs import NewHarness, settle


@contextmanager
def patched(kind: type, name: str, value: Any) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, name, value)
        yield


def no_recheck() -> Any:
    """A run leaves memory without a look at what came in the meantime."""
    return patched(MemoryWaitWriter, "_recheck", lambda _self, _change: None)


def no_wake() -> Any:
    """An answer is stored, and the run is left where it waits."""
    return patched(MemoryWaitWriter, "_wake", lambda _self, _run_id, _at: None)


def timeout_without_a_look() -> Any:
    """The timeout ends a wait, whatever came before."""

    def time_out(self: Any, change: Any) -> None:
        self._end(self._tables.waits[change.run_id, change.key], WaitState.TIMED_OUT, change.at)

    return patched(MemoryWaitWriter, "_time_out", time_out)


def any_answer_counts() -> Any:
    """A wait can be answered again."""
    from engine.store import waits_memory

    def open_waits(tables: Any, kind: str, name: Any = None, match: Any = None, simulated: Any = None) -> Any:
        return [wait for wait in tables.waits.values() if (wait.kind, wait.name) == (kind, name)]

    return patched(waits_memory, "open_waits", open_waits)  # type: ignore[arg-type]


def due_decided_anew() -> Any:
    """A sleep begins at each walk."""

    async def rest(self: Any, path: str, due: Any) -> None:
        await self.sleep_until(due())

    return patched(DurableEffects, "rest", rest)


def wait_rides() -> Any:
    """The wait and what was done before it are not durable when it can be answered."""
    from engine.store.memory import MemoryStore

    begin, put = OpenWaits._begin, MemoryStore.put

    async def quietly(self: Any, path: str, key: str, ask: Any) -> None:
        def forget(store: Any, *_changes: Any, owner: Any = None) -> Any:
            return put(store, owner=None)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MemoryStore, "put", forget)
            await begin(self, path, key, ask)

    return patched(OpenWaits, "_begin", quietly)


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


def _timed_out(run_id: int, harness: Any) -> Any:
    from engine.store.waits import TimeOutWait

    return TimeOutWait(run_id, "stock#1", harness.clock.time())


#: the mechanism that is switched off, and the check that must then fail
MUTANTS: list[tuple[Callable[[], Any], Check]] = [
    (no_recheck, test_4_waits.assert_woken),
    (no_wake, goes_on_at_once),
    (timeout_without_a_look, never_both),
    (any_answer_counts, one_answer),
    (due_decided_anew, test_4_waits.asleep),
    (wait_rides, goes_on_at_once),
]


@pytest.mark.parametrize("new_harness", ["memory"], indirect=True)
@pytest.mark.parametrize(("mutant", "check"), MUTANTS, ids=lambda value: value.__name__)
async def test_the_check_fails_without_the_mechanism(
    new_harness: NewHarness, mutant: Callable[[], Any], check: Check
) -> None:
    await check(new_harness)
    with mutant(), pytest.raises(Exception):  # noqa: B017, PT011 - how it fails is the mutant's
        await check(new_harness)
