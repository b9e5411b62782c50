"""Held runs whose key has one place: who waits for whom, what a person is told, and that nobody is forgotten."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from engine.runtime.bulk import Wanted, say
from engine.runtime.commands import Choice, Word, resume
from engine.runtime.redact import Redactor
from engine.runtime.second_tries import SecondTries
from engine.runtime.shown import shown
from engine.runtime.states import State
from engine.runtime.waiting import rests, waits_for
from engine.scenario.expressions import compile_expression
from engine.scenario.plan import LaneRule
from engine.sdk import errors
from engine.store.ids import show
from engine.store.records import Run
from engine.testing import Harness
from tests.runtime.core import shop

STEPS = """
- id: send
  module: shop.charge
  with: {mode: "${{ trigger.mode }}", n: "${{ trigger.n }}"}
  on_error: hold
"""
REFUSED = errors.DataError("not like this", refused=True)


class Vendor:
    """Refuses at first what it is told to, and takes its time for the rest until it is let go."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.sent: list[Any] = []

    async def __call__(self, config: Any) -> Any:
        self.sent.append(config["n"])
        if config["mode"] == "refused" and self.sent.count(config["n"]) == 1:
            raise REFUSED
        if config["mode"] == "slow":
            await self.open.wait()
        return {}


def one_at_a_time(vendor: Vendor, *, holds: bool, **options: Any) -> Harness:
    """One run of a key at a time; an event without a key waits for nobody."""
    harness = shop(STEPS, {"shop.charge": vendor}, **options)
    rule = LaneRule("test", compile_expression("trigger.key"), 1, holds, "queue")
    harness.plans[:] = [replace(harness.plans[0], lane=rule)]
    return harness


async def begun(harness: Harness, **event: Any) -> Run:
    """The run of an event, as far as it comes by itself."""
    [run_id] = (await harness.send(event)).runs
    await harness.clock.settle()
    return (await harness.look(run_id)).run


async def state(harness: Harness, run: Run) -> str:
    return (await harness.look(run.id)).state


async def test_one_that_gave_its_place_away_waits_until_it_is_free_again() -> None:
    vendor = Vendor()
    async with one_at_a_time(vendor, holds=False) as harness:
        held = await begun(harness, key="a", n=1, mode="refused")
        slow = await begun(harness, key="a", n=2, mode="slow")
        assert (held.state, slow.state) == ("held", "running")
        after = await resume(harness.store, held.id, Choice.AGAIN, harness.clock.time())
        harness.runner.wake()
        await harness.clock.settle()
        assert (after.state, await state(harness, held)) == ("blocked", "blocked")
        assert await waits_for(harness.store, after) == {
            "for": "lane",
            "key": "test/a",
            "places": 1,
            "behind": show(slow.id),
            "behind_state": "running",
        }
        # somebody is before it who gets on by himself
        assert not await rests(harness.store, after)
        vendor.open.set()
        assert ((await harness.result(held.id)).state, vendor.sent) == ("succeeded", [1, 2, 1])


async def test_many_at_once_are_told_which_of_them_have_to_wait() -> None:
    vendor = Vendor()
    async with one_at_a_time(vendor, holds=False) as harness:
        first = await begun(harness, key="a", n=1, mode="refused")
        second = await begun(harness, key="a", n=2, mode="refused")
        alone = await begun(harness, n=3, mode="refused")
        wanted, word = Wanted(states=("held",)), Word(Choice.AGAIN, by="ana")
        part = await say(harness.store, "resume", wanted, word, harness.clock.time())
        assert set(part.done) == {first.id, second.id, alone.id}
        assert len(part.blocked) == 1
        assert part.blocked[0] in (first.id, second.id)
        harness.runner.wake()
        assert [(await harness.result(run.id)).state for run in (first, second, alone)] == ["succeeded"] * 3


@pytest.mark.parametrize("choice", [Choice.AGAIN, Choice.GIVE_UP])
async def test_a_word_on_the_one_that_keeps_its_place_lets_the_next_go_on(choice: Choice) -> None:
    vendor = Vendor()
    async with one_at_a_time(vendor, holds=True) as harness:
        held = await begun(harness, key="a", n=1, mode="refused")
        behind = await begun(harness, key="a", n=2, mode="done")
        assert (held.state, behind.state) == ("held", "blocked")
        # nothing but a person moves either of them on
        assert await rests(harness.store, held)
        assert await rests(harness.store, behind)
        about = await shown(harness.store, behind, Redactor())
        assert (about["waits_for"]["behind"], about["waits_for"]["behind_state"]) == (show(held.id), "held")
        await resume(harness.store, held.id, choice, harness.clock.time())
        harness.runner.wake()
        assert (await harness.result(behind.id)).state == "succeeded"
        assert vendor.sent == ([1, 1, 2] if choice is Choice.AGAIN else [1, 2])


@pytest.mark.parametrize("counted", [False, True])
async def test_a_try_that_waits_for_its_place_is_in_nobody_s_way(
    monkeypatch: pytest.MonkeyPatch, *, counted: bool
) -> None:
    """With one try at a time; were one that is blocked counted, the other run would wait too."""
    if counted:
        forget = SecondTries._forget_those_at_rest

        async def keep_all(self: SecondTries) -> None:
            before = dict(self._going or {})
            await forget(self)
            self._going = {**before, **(self._going or {})}

        monkeypatch.setattr(SecondTries, "_forget_those_at_rest", keep_all)
    vendor = Vendor()
    async with one_at_a_time(vendor, holds=False, held_retry=(60.0,), tries_at_once=1) as harness:
        waiting = await begun(harness, key="a", n=1, mode="refused")
        await begun(harness, key="a", n=2, mode="slow")
        other = await begun(harness, n=3, mode="refused")
        await harness.clock.advance(90)
        assert await state(harness, waiting) == State.BLOCKED
        assert await state(harness, other) == ("held" if counted else "succeeded")
        vendor.open.set()
        assert (await harness.result(waiting.id)).state == "succeeded"
