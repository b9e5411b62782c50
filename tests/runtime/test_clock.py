"""The machine's clock: its deadline is that of ``asyncio.timeout``."""

from __future__ import annotations

import asyncio

import pytest

from engine.runtime.clock import SystemClock

CLOCK = SystemClock()


async def test_a_deadline_that_passes_ends_the_body_and_nothing_else() -> None:
    with pytest.raises(TimeoutError):
        async with CLOCK.timeout(0):
            await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_a_deadline_that_does_not_pass_leaves_nothing_behind() -> None:
    async with CLOCK.timeout(0.0):
        pass
    # were its timer left, the next wait would be cut off
    await asyncio.sleep(0)
    async with CLOCK.timeout(None):
        await asyncio.sleep(0)


async def test_the_outer_deadline_is_not_taken_for_the_inner_one() -> None:
    late: list[str] = []

    async def inner() -> None:
        try:
            async with CLOCK.timeout(60):
                await asyncio.Event().wait()
        except TimeoutError:
            late.append("inner")

    with pytest.raises(TimeoutError):
        async with CLOCK.timeout(0):
            await inner()
    assert not late, "the inner one has a minute left"


async def test_whoever_is_cancelled_is_cancelled_even_at_the_deadline() -> None:
    async def work() -> None:
        async with CLOCK.timeout(0):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    # in the same round in which the deadline passes
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_the_body_raises_goes_through() -> None:
    with pytest.raises(KeyError):
        async with CLOCK.timeout(60):
            raise KeyError("x")
