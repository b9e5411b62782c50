"""Each mechanism behind promise 6, switched off: the promise's own check must then fail."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine.runtime import owners
from engine.runtime.alerts import Alerts
from engine.runtime.runner import Runner
from engine.runtime.silence import Silence
from engine.store import alerts_memory, tables
from engine.store.alerts_rows import PutStanding
from engine.store.changes import MoveRun
from engine.store.memory import MemoryStore
from tests.promises import test_6_nothing_silent as promise
from tests.promises.shop_runs import NewHarness


@contextmanager
def no_trouble_with_the_move() -> Iterator[None]:
    """A run that fails leaves no row for whoever tells of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "is_trouble", lambda *_: False)
        yield


@contextmanager
def alert_not_stored() -> Iterator[None]:
    """The alert is made and sent from memory alone; the trouble's row is dropped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Alerts, "raised", lambda *_, **__: [])
        yield


@contextmanager
def troubles_stay() -> Iterator[None]:
    """What was told is not dropped with the alert."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alerts_memory.AlertChanges, "_drop_troubles", lambda *_: None)
        yield


@contextmanager
def no_standing() -> Iterator[None]:
    """That a silence was told is not stored."""
    put = MemoryStore.put

    def without(self: MemoryStore, *changes: Any, owner: Any = None) -> Any:
        kept = [PutStanding(c.standing._replace(raised_at=None)) if isinstance(c, PutStanding) else c for c in changes]
        return put(self, *kept, owner=owner)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryStore, "put", without)
        yield


@contextmanager
def silence_not_looked_for() -> Iterator[None]:
    async def nothing(self: Silence) -> list[Any]:
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Silence, "look", nothing)
        yield


@contextmanager
def no_watch_over_owners() -> Iterator[None]:
    async def nothing(self: owners.Owners) -> None:
        return

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owners.Owners, "look", nothing)
        yield


@contextmanager
def recoveries_not_counted() -> Iterator[None]:
    take_up = Runner._take_up

    def uncounted(self: Runner, run: Any, died: bool) -> MoveRun:
        return take_up(self, run._replace(recoveries=0), died)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Runner, "_take_up", uncounted)
        yield


Check = Callable[[NewHarness], Coroutine[Any, Any, Any]]


async def failure_told(new_harness: NewHarness) -> None:
    for point, nth in (("alert.raising", 1), ("alert.raised", 1), ("alert.tried", 1)):
        assert await promise.failure_told_after_a_crash(new_harness, point, nth)


MUTANTS: list[tuple[str, Check, Callable[[], Any]]] = [
    ("told", failure_told, no_trouble_with_the_move),
    ("told", failure_told, alert_not_stored),
    ("told", failure_told, troubles_stay),
    ("silence", promise.silence, no_standing),
    ("silence", promise.silence, silence_not_looked_for),
    ("owners", promise.ownerless, no_watch_over_owners),
    ("owners", promise.cut_off, no_watch_over_owners),
    ("poison", promise.poisoned, recoveries_not_counted),
]


@pytest.mark.parametrize("new_harness", ["memory"], indirect=True)
@pytest.mark.parametrize(("what", "check", "mutant"), MUTANTS, ids=lambda value: getattr(value, "__name__", value))
async def test_the_check_fails_without_the_mechanism(
    new_harness: NewHarness, what: str, check: Check, mutant: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await check(new_harness)
    # a run that nobody moves is waited for no longer than a moment
    monkeypatch.setattr("engine.testing.harness.PATIENCE", 0.3)
    with mutant(), pytest.raises((AssertionError, TimeoutError)):
        await check(new_harness)
