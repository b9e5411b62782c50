"""What keeps the promises when held runs go on, each switched off: the check of it must then fail."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from engine.runtime import commands, second_tries
from engine.runtime.outcomes import Hold
from engine.runtime.second_tries import SecondTries
from engine.runtime.states import State
from engine.store.changes import Change, MoveRun, StillHeld
from engine.store.interface import Store
from engine.store.records import Run
from tests.runtime import test_bulk, test_current_version, test_second_tries


@contextmanager
def a_word_on_many_is_a_word_on_each() -> Iterator[None]:
    """Nothing is left out of a bulk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands, "_refuse_unknown", lambda *_args: None)
        yield


@contextmanager
def every_hold_has_a_schedule() -> Iterator[None]:
    """What may have happened is tried again, too."""
    planned = second_tries._planned

    def anyhow(hold: Hold, *rest: Any) -> dict[str, Any]:
        return planned(replace(hold, code="failed"), *rest) | {"code": hold.code}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(second_tries, "_planned", anyhow)
        yield


@contextmanager
def nobody_counts_the_tries_under_way() -> Iterator[None]:
    """Each look lets so many go on, whatever the looks before it did."""

    async def forget_all(self: SecondTries) -> None:
        self._going = {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SecondTries, "_forget_those_at_rest", forget_all)
        yield


@contextmanager
def the_word_is_kept_before_the_run_is_moved() -> Iterator[None]:
    """Two transactions in place of one: what is said, and that the run goes on."""

    async def one_by_one(store: Store, _run: Run, move: MoveRun, *changes: Change) -> State:
        await store.put(*changes)
        await store.put(move)
        return State(move.state)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands, "_put", one_by_one)
        yield


@contextmanager
def a_word_asks_not_how_the_run_is_held_now() -> Iterator[None]:
    """A word that was thought over meets whatever the run is held by when it comes."""
    put = commands._put

    async def blindly(store: Store, run: Run, move: MoveRun, *changes: Change) -> State:
        return await put(store, run, move, *(change for change in changes if not isinstance(change, StillHeld)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands, "_put", blindly)
        yield


Check = Callable[[], Coroutine[Any, Any, None]]


async def a_try_is_made_once() -> None:
    await test_second_tries.test_a_process_that_dies_over_a_try_makes_it_once("store.committed")


async def version_and_move_go_together() -> None:
    await test_current_version.test_a_process_that_dies_over_the_word_has_changed_all_or_nothing("store.committed")


#: promise, its check, the mechanism that is switched off
MUTANTS: list[tuple[str, Check, Callable[[], Any]]] = [
    ("3 unknown", test_bulk.test_no_word_on_many_repeats_what_may_have_happened, a_word_on_many_is_a_word_on_each),
    (
        "3 unknown",
        test_second_tries.test_what_may_have_happened_is_never_tried_by_a_schedule,
        every_hold_has_a_schedule,
    ),
    ("2 never again", a_try_is_made_once, the_word_is_kept_before_the_run_is_moved),
    ("2 never again", version_and_move_go_together, the_word_is_kept_before_the_run_is_moved),
    (
        "2 never again",
        test_bulk.test_a_person_s_word_on_one_run_is_not_overwritten_by_a_word_on_many,
        a_word_asks_not_how_the_run_is_held_now,
    ),
    ("at once", test_second_tries.test_so_many_of_a_scenario_at_a_time, nobody_counts_the_tries_under_way),
]


@pytest.mark.parametrize(("promise", "check", "mutant"), MUTANTS, ids=lambda value: getattr(value, "__name__", value))
async def test_the_check_fails_without_the_mechanism(promise: str, check: Check, mutant: Callable[[], Any]) -> None:
    await check()
    # `pytest.raises` in a check fails in a way of its own
    with mutant(), pytest.raises((AssertionError, pytest.fail.Exception)):
        await check()
