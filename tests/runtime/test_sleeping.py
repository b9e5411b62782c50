"""A wait costs nothing and forgets nothing: runs that leave memory, and come back when they are due."""

from __future__ import annotations

from typing import Any

import pytest

from engine.runtime.remembered import SUSPEND_AFTER
from engine.sdk import errors
from engine.testing import Harness
from tests.runtime.core import Script, shop

ONE = "- id: send\n  module: shop.charge\n  with: {}"
LOOP = """
- id: each
  foreach: ${{ trigger.items }}
  concurrency: 2
  steps:
    - id: send
      module: shop.charge
      with: {n: "${{ item }}"}
"""


def later(seconds: float) -> errors.RateLimitError:
    return errors.RateLimitError("slow down", retry_after=seconds)


def in_memory(harness: Harness) -> int:
    return len(harness.runner._tasks)


async def test_a_short_wait_stays_in_memory() -> None:
    script = Script(later(SUSPEND_AFTER - 1), {})
    async with shop(ONE, {"shop.charge": script}) as harness:
        [run_id] = (await harness.send({})).runs
        await harness.clock.settle()
        assert ((await harness.look(run_id)).state, in_memory(harness)) == ("running", 1)
        await harness.clock.advance(SUSPEND_AFTER - 1)
        assert (await harness.result(run_id)).state == "succeeded"


async def test_a_long_wait_leaves_memory_and_wakes_when_due() -> None:
    script = Script(later(3600), {})
    async with shop(ONE, {"shop.charge": script}) as harness:
        started = harness.clock.time()
        result = await harness.run({})
        await harness.clock.settle()
        assert (result.state, result.run.due_at, in_memory(harness)) == ("sleeping", started + 3600, 0)
        await harness.clock.advance(3599)
        assert ((await harness.look(result.run.id)).state, script.count) == ("sleeping", 1)
        await harness.clock.advance(1)
        result = await harness.result(result.run.id)
        assert (result.state, script.count, result.run.due_at) == ("succeeded", 2, None)


@pytest.mark.parametrize("down", [10.0, 3600.0, 86_400.0])
async def test_a_wait_goes_on_over_a_restart_and_fires_once(down: float) -> None:
    script = Script(later(3600), {})
    async with shop(ONE, {"shop.charge": script}) as harness:
        result = await harness.run({})
        due = result.run.due_at
        await harness.stop()
        harness.clock.jump(down)
        await harness.start()
        await harness.clock.settle()
        assert due is not None
        assert script.count == (2 if harness.clock.time() >= due else 1)
        await harness.clock.advance(3600)
        assert (await harness.result(result.run.id)).state == "succeeded"
        assert script.count == 2


async def test_a_clock_that_is_set_forward_wakes_it_once_within_seconds() -> None:
    script = Script(later(3600), {})
    async with shop(ONE, {"shop.charge": script}) as harness:
        result = await harness.run({})
        harness.clock.jump(7200)
        await harness.clock.advance(10)
        assert (await harness.result(result.run.id)).state == "succeeded"
        assert script.count == 2


async def test_a_clock_that_is_set_back_does_not_fire_it_again() -> None:
    script = Script(later(60), {})
    async with shop(ONE, {"shop.charge": script}) as harness:
        result = await harness.run({})
        await harness.clock.advance(60)
        assert (await harness.result(result.run.id)).state == "succeeded"
        harness.clock.jump(-3600)
        await harness.clock.advance(7200)
        assert script.count == 2


async def test_a_loop_sleeps_when_all_of_its_items_wait_and_wakes_for_the_first() -> None:
    answers: dict[int, list[Any]] = {1: [later(100), {}], 2: [later(50), {}]}

    def send(config: Any) -> Any:
        answer = answers[config["n"]].pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with shop(LOOP, {"shop.charge": send}) as harness:
        started = harness.clock.time()
        result = await harness.run({"items": [1, 2]})
        assert (result.state, result.run.due_at) == ("sleeping", started + 50)
        await harness.clock.advance(50)
        result = await harness.result(result.run.id)
        assert (result.state, result.run.due_at) == ("sleeping", started + 100)
        assert [call.config["n"] for call in harness.calls] == [1, 2, 2]
        await harness.clock.advance(50)
        result = await harness.result(result.run.id)
        assert result.state == "succeeded"
        assert [call.config["n"] for call in harness.calls] == [1, 2, 2, 1]


async def test_the_earliest_of_many_is_woken_first() -> None:
    waits = {"a": 300.0, "b": 100.0, "c": 200.0}
    woken: list[str] = []

    def send(config: Any) -> Any:
        if wait := waits.pop(config["who"], None):
            raise later(wait)
        woken.append(config["who"])
        return {}

    steps = '- id: send\n  module: shop.charge\n  with: {who: "${{ trigger.who }}"}'
    async with shop(steps, {"shop.charge": send}) as harness:
        runs = [(await harness.run({"who": who})).run.id for who in ("a", "b", "c")]
        await harness.clock.advance(300)
        assert [(await harness.result(run)).state for run in runs] == ["succeeded"] * 3
        assert woken == ["b", "c", "a"]
