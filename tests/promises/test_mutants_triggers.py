"""What starts runs beside events, each mechanism switched off: the check of it must then fail.

A moment of a schedule makes one run, and a start under a key makes one, through crashes and clocks that are set back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine.runtime import ticks
from engine.runtime.intake import Intake, _Sorter
from engine.sdk import jsontext
from engine.sdk.modules import Event
from engine.store.records import ReceiptFilter, RunFilter
from engine.store.schedules import PutSchedule
from engine.testing import CrashAt, Harness

SCHEDULE = "scenario: s\ntrigger: {schedule: {every: 1h, missed: all}}\nsteps: []\n"
MANUAL = "scenario: m\ninputs: {n: integer}\nsteps: []\n"


async def dies(faults: CrashAt, living: Coroutine[Any, Any, Any]) -> None:
    """Live until ``faults`` says."""
    life, death = asyncio.ensure_future(living), asyncio.ensure_future(faults.death())
    await asyncio.wait({life, death}, return_when=asyncio.FIRST_COMPLETED)
    life.cancel()
    death.cancel()
    await asyncio.gather(life, death, return_exceptions=True)
    assert faults.hits[faults.point], "it did not die there"


async def moments(harness: Harness) -> list[str]:
    """The moments that have made a run, in order."""
    found = []
    for receipt in await harness.store.receipts(ReceiptFilter()):
        made = [d for d in await harness.store.deliveries([receipt.id]) if d.state == "run"]
        found += [jsontext.loads(delivery.event or b"null")["scheduled_at"][11:16] for delivery in made]
    return sorted(found)


async def each_moment_once_through_crashes() -> None:
    for point in ("store.begin", "store.commit", "store.committed", "receipt.accepted"):
        async with Harness([SCHEDULE]) as harness:
            harness.clock.jump(3600)
            faults = CrashAt(point)
            for part in (harness.intake, harness.timekeeper, harness.store):
                part._faults = faults  # type: ignore[attr-defined]
            await dies(faults, harness.tick())
            await harness.restart()
            await harness.tick()
            await harness.rest()
            assert await moments(harness) == ["10:00"], point


async def each_moment_once_when_the_clock_is_set_back() -> None:
    async with Harness([SCHEDULE]) as harness:
        harness.clock.jump(3600)
        await harness.tick()
        # so far ahead that the schedule goes by the new time when it is set right, an hour too early
        harness.clock.jump(2 * ticks.REWIND)
        await harness.tick()
        harness.clock.jump(-2 * ticks.REWIND - 3600)
        await harness.tick()
        harness.clock.jump(3600)
        await harness.tick()
        found = await moments(harness)
        assert found.count("10:00") == 1 + 2, "the day itself, and the two that came while the clock was ahead"


async def each_key_once() -> None:
    async with Harness([MANUAL]) as harness:
        await harness.begin(key="7", n=1)
        await harness.restart()
        await harness.begin(key="7", n=1)
        assert len(await harness.store.runs(RunFilter())) == 1


@contextmanager
def position_stored_before_the_runs() -> Iterator[None]:
    """Where the schedule stands is one transaction, the runs are another."""
    accept = Intake.accept

    async def apart(self: Intake, *args: Any, also: Any = (), **more: Any) -> Any:
        await self._commit([change for change in also if isinstance(change, PutSchedule)])
        return await accept(self, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Intake, "accept", apart)
        yield


@contextmanager
def position_stored_after_the_runs() -> Iterator[None]:
    """The same, the other way about; without identities nothing else would know the moment."""
    accept = Intake.accept

    async def apart(self: Intake, *args: Any, also: Any = (), **more: Any) -> Any:
        accepted = await accept(self, *args, **more)
        await self._commit([change for change in also if isinstance(change, PutSchedule)])
        return accepted

    with pytest.MonkeyPatch.context() as patch, moments_without_identity():
        patch.setattr(Intake, "accept", apart)
        yield


@contextmanager
def moments_without_identity() -> Iterator[None]:
    """A moment is not known again by its second."""

    def bare(self: _Sorter) -> Iterator[Any]:
        for number, moment in enumerate(self._incoming.body["moments"]):
            yield self._one(number, Event(moment["event"]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Sorter, "_moments", bare)
        yield


@contextmanager
def key_of_a_start_ignored() -> Iterator[None]:
    """The key is stored with the receipt, and nobody looks at it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Sorter, "_by_hand", lambda self: Event(self._incoming.body))
        yield


Check = Callable[[], Coroutine[Any, Any, None]]
#: the check, the mechanism that is switched off
MUTANTS: list[tuple[Check, Callable[[], Any]]] = [
    (each_moment_once_through_crashes, position_stored_before_the_runs),
    (each_moment_once_through_crashes, position_stored_after_the_runs),
    (each_moment_once_when_the_clock_is_set_back, moments_without_identity),
    (each_key_once, key_of_a_start_ignored),
]


@pytest.mark.parametrize(("check", "mutant"), MUTANTS, ids=lambda value: value.__name__)
async def test_the_check_fails_without_the_mechanism(check: Check, mutant: Callable[[], Any]) -> None:
    await check()
    with mutant(), pytest.raises(AssertionError):
        await check()
