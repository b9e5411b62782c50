"""Each mechanism behind a promise, switched off: the promise's own check must then fail.

A check that passes without its mechanism proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine.runtime.durable import DurableEffects
from engine.runtime.intake import Intake
from engine.runtime.journal import Journal
from engine.runtime.states import State
from engine.store.changes import AS_ASKED, AddEffect, Fate, MoveRun
from engine.store.memory import MemoryStore
from tests.promises import test_1_never_lost, test_2_never_again, test_3_unknown
from tests.promises.shop_runs import NewHarness, crash


@contextmanager
def no_wait_before_the_acknowledgement() -> Iterator[None]:
    """The receipt rides along; the sender is answered before it is durable."""

    async def commit(self: Intake, changes: Any) -> Fate:
        self._store.ride(*changes)
        return AS_ASKED

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Intake, "_commit", commit)
        yield


@contextmanager
def commit_barrier_off() -> Iterator[None]:
    """The intent rides along; the write leaves before it is durable."""

    async def intend(self: DurableEffects, intent: Any) -> None:
        self._store.ride(AddEffect(intent), owner=self._owner)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DurableEffects, "_intend", intend)
        yield


@contextmanager
def intent_after_the_call() -> Iterator[None]:
    """Nothing is written before the call; the intent is recorded together with the outcome."""
    settle = DurableEffects._settle

    async def intend(self: DurableEffects, intent: Any) -> None:
        pass

    def record_both(self: DurableEffects, effect: Any, *args: Any, **more: Any) -> None:
        self._store.ride(AddEffect(effect), owner=self._owner)
        settle(self, effect, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DurableEffects, "_intend", intend)
        patch.setattr(DurableEffects, "_settle", record_both)
        yield


@contextmanager
def no_claim() -> Iterator[None]:
    """A run may be moved from any state, and by anybody."""
    put, ride = MemoryStore.put, MemoryStore.ride

    def anyhow(changes: Any) -> list[Any]:
        return [c._replace(sources=tuple(State)) if isinstance(c, MoveRun) else c for c in changes]

    def put_any(self: MemoryStore, *changes: Any, owner: Any = None) -> Any:
        return put(self, *anyhow(changes))

    def ride_any(self: MemoryStore, *changes: Any, owner: Any = None) -> None:
        ride(self, *anyhow(changes))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryStore, "put", put_any)
        patch.setattr(MemoryStore, "ride", ride_any)
        yield


@contextmanager
def no_journal() -> Iterator[None]:
    """A run that is taken up does not know what it did before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "of", classmethod(lambda cls, *_rows: cls()))
        yield


Check = Callable[[NewHarness], Coroutine[Any, Any, None]]


async def nothing_lost(new_harness: NewHarness) -> None:
    for point in ("store.begin", "store.commit", "run.claimed", "call.before"):
        test_1_never_lost.assert_nothing_lost(await crash(new_harness, point, 2))


async def nothing_doubled(new_harness: NewHarness) -> None:
    for nth in range(1, 12):
        test_3_unknown.assert_nothing_doubled(await crash(new_harness, "effect.sent", nth))


async def one_owner(new_harness: NewHarness) -> None:
    vendor = await test_2_never_again.two_claimants(new_harness)
    assert vendor.reads == {"p@example.com": 1}


#: promise, its check, the mechanism that is switched off
MUTANTS: list[tuple[str, Check, Callable[[], Any]]] = [
    ("1 never lost", nothing_lost, no_wait_before_the_acknowledgement),
    ("2 never again", one_owner, no_claim),
    ("2 never again", nothing_doubled, no_journal),
    ("3 unknown", nothing_doubled, intent_after_the_call),
    ("3 unknown", nothing_doubled, commit_barrier_off),
]


@pytest.mark.parametrize("new_harness", ["memory"], indirect=True)
@pytest.mark.parametrize(("promise", "check", "mutant"), MUTANTS, ids=lambda value: getattr(value, "__name__", value))
async def test_the_check_fails_without_the_mechanism(
    new_harness: NewHarness, promise: str, check: Check, mutant: Callable[[], Any]
) -> None:
    await check(new_harness)
    with mutant(), pytest.raises(AssertionError):
        await check(new_harness)
