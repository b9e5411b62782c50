"""The mechanisms that keep items of a batch from being sent twice, switched off: the check must then fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from engine.runtime import batches
from engine.runtime.commands import Choice
from engine.sdk import jsontext
from engine.testing import Harness
from tests.runtime.core import resumed, shop
from tests.runtime.test_batches import BUSY, LOST, PEOPLE, Vendor, event, steps

#: makes a harness over the shop
Make = Callable[..., Harness]


@contextmanager
def sends_everything_again() -> Iterator[None]:
    """A later attempt sends all items, whatever became of them."""
    begun = batches._begun

    def whole(items: Sequence[Any], _sent: Sequence[int], attempt: int) -> bytes:
        return begun(items, range(len(items)), attempt)

    def again(_batch: Any, before: Any, full: Any, attempt: int, *_rest: Any, **_more: Any) -> tuple[bytes, bytes]:
        return jsontext.dumps(full), whole(batches.items_of(before), (), attempt)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "again", again)
        yield


@contextmanager
def sends_what_is_not_known() -> Iterator[None]:
    """A later attempt sends all that is not done, what is not known among it."""

    def to_send(items: Sequence[Any], *_rest: Any) -> list[int]:
        return [place for place, item in enumerate(items) if item["state"] != "done"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "_to_send", to_send)
        yield


async def what_is_done_is_not_sent_again(make: Make) -> None:
    vendor = Vendor(ben=[BUSY], dan=[BUSY, BUSY])
    async with make(steps("charge_many"), {"shop.charge_many": vendor}) as harness:
        [run_id] = (await harness.send(event())).runs
        assert (await harness.result(run_id, advance=2000)).state == "succeeded"
    assert vendor.taken == Counter(PEOPLE)


async def what_is_not_known_is_not_sent_again(make: Make) -> None:
    vendor = Vendor(ben=[LOST], dan=[BUSY])
    async with make(steps("charge_many"), {"shop.charge_many": vendor}) as harness:
        [run_id] = (await harness.send(event())).runs
        assert (await harness.result(run_id, advance=2000)).state == "held"
        assert [names for names in vendor.sent if "ben" in names] == [PEOPLE]
        await resumed(harness, run_id, Choice.HAPPENED, advance=2000)
        assert [names for names in vendor.sent if "ben" in names] == [PEOPLE]


#: promise, its check, the mechanism that is switched off
MUTANTS: list[tuple[str, Callable[[Make], Coroutine[Any, Any, None]], Callable[[], Any]]] = [
    ("3 unknown", what_is_done_is_not_sent_again, sends_everything_again),
    ("3 unknown", what_is_not_known_is_not_sent_again, sends_what_is_not_known),
]


@pytest.mark.parametrize(("promise", "check", "mutant"), MUTANTS, ids=lambda value: getattr(value, "__name__", value))
async def test_the_check_fails_without_the_mechanism(
    promise: str, check: Callable[[Make], Coroutine[Any, Any, None]], mutant: Callable[[], Any]
) -> None:
    await check(shop)
    with mutant(), pytest.raises(AssertionError):
        await check(shop)
