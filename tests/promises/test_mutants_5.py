"""Each mechanism behind promise 5, switched off: the promise's own check must then fail."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine.runtime import eventkeys
from engine.store import lanes
from engine.store.lanes import Lanes
from engine.store.tables import _LaneRows
from tests.promises import test_5_order
from tests.promises.shop_runs import NewHarness


@contextmanager
def no_lane() -> Iterator[None]:
    """A run does not know that it shares a key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(eventkeys, "_lane", lambda *_: None)
        yield


@contextmanager
def places_without_end() -> Iterator[None]:
    """A lane always has a place; nobody looks who is blocked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_LaneRows, "taken", lambda *_: 0)
        patch.setattr(_LaneRows, "first", lambda *_: None)
        yield


@contextmanager
def nobody_is_released() -> Iterator[None]:
    """A run that leaves its place tells nobody."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lanes, "_release", lambda *_: None)
        yield


@contextmanager
def newest_first() -> Iterator[None]:
    """The newest of the blocked runs gets the place."""

    def last(self: Any, lane: str, standing: str) -> Any:
        return next((row for row in reversed(self._of(lane)) if row.standing == standing), None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_LaneRows, "first", last)
        yield


@contextmanager
def waits_give_the_place_away() -> Iterator[None]:
    """A run that sleeps or is held keeps no place, whatever its lane says."""
    standing = lanes._standing
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanes, "_standing", lambda state, *, holds: standing(state, holds=False))
        yield


async def in_order(new_harness: NewHarness) -> None:
    book = await test_5_order.pairs(new_harness)
    assert len(book.lines["a@example.com"]) == 8, "every run came to its end"
    test_5_order.assert_in_order(book, 4)


async def in_order_after_a_crash(new_harness: NewHarness) -> None:
    for nth in (1, 3):
        book = await test_5_order.crashing(new_harness, "effect.sent", nth)
        assert len(book.lines["a@example.com"]) == 6
        test_5_order.assert_in_order(book, 3)


Check = Callable[[NewHarness], Coroutine[Any, Any, None]]

#: promise, its check, the mechanism that is switched off
MUTANTS: list[tuple[str, Check, Callable[[], Any]]] = [
    ("5 order", in_order, no_lane),
    ("5 order", in_order, places_without_end),
    ("5 order", in_order, nobody_is_released),
    ("5 order", in_order, newest_first),
    ("5 order", in_order, waits_give_the_place_away),
    ("5 order", in_order_after_a_crash, newest_first),
    ("5 order", in_order_after_a_crash, waits_give_the_place_away),
]


@pytest.mark.parametrize("new_harness", ["memory"], indirect=True)
@pytest.mark.parametrize(("promise", "check", "mutant"), MUTANTS, ids=lambda value: getattr(value, "__name__", value))
async def test_the_check_fails_without_the_mechanism(
    new_harness: NewHarness, promise: str, check: Check, mutant: Callable[[], Any]
) -> None:
    await check(new_harness)
    with mutant(), pytest.raises(AssertionError):
        await check(new_harness)
