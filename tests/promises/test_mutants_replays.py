"""What keeps replays from writing twice, each switched off: the check of it must then fail."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine.runtime import durable, replays
from engine.runtime.durable import DurableEffects
from engine.store.changes import Change, OnlyRun
from engine.store.interface import Store
from tests.promises import test_replays
from tests.promises.conftest import backend, new_harness
from tests.promises.shop_runs import NewHarness
from tests.support.shop import scenario

__all__ = ["backend", "new_harness"]


@contextmanager
def nobody_looks_for_the_key() -> Iterator[None]:
    """A replay makes each write as if it were the first run of its event."""

    async def nothing(self: DurableEffects, *_: Any) -> None:
        return None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DurableEffects, "_sought", nothing)
        yield


@contextmanager
def what_is_unknown_is_sent_again() -> Iterator[None]:
    """Only what is done counts as made."""
    found = durable.found

    def done_alone(rows: Any, *rest: Any) -> Any:
        return found([row for row in rows if row.state == "done"], *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "found", done_alone)
        yield


@contextmanager
def another_request_is_taken_for_the_same() -> Iterator[None]:
    """What was made under the key counts, whatever was asked."""
    found = durable.found

    def anyhow(rows: Any, module: str, _fingerprint: str) -> Any:
        return found(rows, module, rows[-1].request_hash if rows else "")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "found", anyhow)
        yield


@contextmanager
def everybody_replays() -> Iterator[None]:
    """Nobody asks in the transaction whether another run of the event does something."""

    class Blind:
        def __init__(self, store: Store) -> None:
            self._store = store

        def __getattr__(self, name: str) -> Any:
            return getattr(self._store, name)

        def put(self, *changes: Change, **more: Any) -> Any:
            return self._store.put(*(c for c in changes if not isinstance(c, OnlyRun)), **more)

    replay = replays.replay

    async def blindly(store: Store, *rest: Any, **more: Any) -> Any:
        return await replay(Blind(store), *rest, **more)  # type: ignore[arg-type]  # it stands for the store

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replays, "replay", blindly)
        yield


Check = Callable[[NewHarness], Coroutine[Any, Any, None]]


async def an_unknown_write_of_the_old_run_is_not_repeated(_new: NewHarness) -> None:
    from tests.runtime import test_replays as runs

    await runs.test_an_unknown_write_of_the_old_run_is_not_repeated()


async def another_request_asks(new: NewHarness) -> None:
    answers = [{"n": 1}, {"n": 2}]
    doubles = {"shop.get": lambda _config: answers.pop(0), "shop.charge": lambda _config: {}}
    steps = (
        '- id: look\n  module: shop.get\n  with: {}\n- id: send\n  module: shop.charge\n  with: {n: "${{ look.n }}"}\n'
    )
    harness = new(scenario(steps), doubles=doubles)
    await harness.start()
    first = await harness.run({})
    again = await harness.replay(first.run.id)
    await harness.stop()
    assert [hold["code"] for hold in again.holds] == ["differs"]


#: promise, its check, the mechanism that is switched off
MUTANTS: list[tuple[str, Check, Callable[[], Any]]] = [
    ("3 unknown", test_replays.test_what_was_written_is_found_by_its_key, nobody_looks_for_the_key),
    ("3 unknown", an_unknown_write_of_the_old_run_is_not_repeated, what_is_unknown_is_sent_again),
    ("3 unknown", another_request_asks, another_request_is_taken_for_the_same),
    ("3 unknown", test_replays.test_people_who_replay_at_once_make_one_replay, everybody_replays),
]


@pytest.mark.parametrize("new_harness", ["memory"], indirect=True)
@pytest.mark.parametrize(("promise", "check", "mutant"), MUTANTS, ids=lambda value: getattr(value, "__name__", value))
async def test_the_check_fails_without_the_mechanism(
    new_harness: NewHarness, promise: str, check: Check, mutant: Callable[[], Any]
) -> None:
    await check(new_harness)
    # `pytest.raises` in a check fails in a way of its own
    with mutant(), pytest.raises((AssertionError, pytest.fail.Exception, KeyError)):
        await check(new_harness)
