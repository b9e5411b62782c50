"""Holds that are about no single call: what a person can do, and what follows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from engine.runtime.commands import Choice, CommandRefused, holds_of, resume
from engine.runtime.runner import MAX_RECOVERIES
from engine.testing import Harness, RunResult
from tests.runtime.core import resumed, shop


class Deadly:
    """A call over which the process dies, until it is mended."""

    def __init__(self) -> None:
        self.mended = False
        self.count = 0

    async def __call__(self, _config: Mapping[str, Any]) -> Any:
        self.count += 1
        if not self.mended:
            await asyncio.Event().wait()
        return {}


async def poisoned(harness: Harness) -> RunResult:
    [run_id] = (await harness.send({})).runs
    for _ in range(MAX_RECOVERIES + 1):
        await harness.clock.settle()
        await harness.restart()
    result = await harness.result(run_id)
    assert [hold["code"] for hold in result.holds] == ["poison"]
    return result


READ = "- id: a\n  module: shop.get\n  with: {}"


async def test_a_poisoned_run_goes_on_when_the_cause_is_mended() -> None:
    deadly = Deadly()
    async with shop(READ, {"shop.get": deadly}, held_retry=(60.0,)) as harness:
        result = await poisoned(harness)
        # no schedule is for it
        await harness.clock.advance(3600)
        assert (await harness.look(result.run.id)).state == "held"
        deadly.mended = True
        result = await resumed(harness, result.run.id, Choice.AGAIN, by="ana", reason="more memory")
        assert (result.state, deadly.count) == ("succeeded", MAX_RECOVERIES + 2)


async def test_one_that_is_not_mended_is_poison_again_after_as_many_deaths() -> None:
    async with shop(READ, {"shop.get": Deadly()}) as harness:
        run_id = (await poisoned(harness)).run.id
        await resume(harness.store, run_id, Choice.AGAIN, harness.clock.time())
        harness.runner.wake()
        for _ in range(MAX_RECOVERIES):
            await harness.clock.settle()
            await harness.restart()
            assert (await harness.look(run_id)).state != "held"
        await harness.clock.settle()
        await harness.restart()
        assert [hold["code"] for hold in (await harness.result(run_id)).holds] == ["poison"]
        assert (await resumed(harness, run_id, Choice.GIVE_UP)).state == "failed"


@pytest.mark.parametrize("choice", [Choice.HAPPENED, Choice.SKIP])
async def test_a_word_about_a_call_makes_no_sense_there(choice: Choice) -> None:
    async with shop(READ, {"shop.get": Deadly()}) as harness:
        run = (await poisoned(harness)).run
        with pytest.raises(CommandRefused, match="is about no single call"):
            await resume(harness.store, run.id, choice, harness.clock.time())
        assert holds_of((await harness.look(run.id)).run) == holds_of(run)


async def test_a_write_under_a_poisoned_run_is_not_repeated_by_that_word() -> None:
    """The word is about the run; what its death left unknown is asked on its own."""
    steps = READ + "\n- id: send\n  module: shop.charge\n  with: {}\n"
    deadly = Deadly()
    async with shop(steps, {"shop.get": deadly, "shop.charge": Deadly()}) as harness:
        run_id = (await poisoned(harness)).run.id
        deadly.mended = True
        await resume(harness.store, run_id, Choice.AGAIN, harness.clock.time())
        harness.runner.wake()
        await harness.clock.settle()
        await harness.restart()
        [hold] = (await harness.result(run_id)).holds
        assert (hold["code"], hold["step"]) == ("unknown", "send")
