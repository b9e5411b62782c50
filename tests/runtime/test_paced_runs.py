"""Runs over a connection with a rate limit: they wait before they write anything down, and a long wait is no try."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine import RateLimit
from engine.runtime.pacing import PATIENCE, Pace
from engine.scenario.plan import ModuleStep
from engine.sdk.errors import TimeoutError as NoAnswer
from engine.sdk.modules import Config, Happened
from engine.testing import Harness, SimulatedHarness, VirtualClock
from engine.testing.doubles import DoubleCaller
from tests.runtime.core import Script
from tests.support.shop import registry, scenario

ONE = "- id: send\n  module: shop.charge\n  with: {}\n  retry: {attempts: 1}\n"


class PacedCaller(DoubleCaller):
    """Doubles behind a rate limit."""

    def __init__(self, clock: VirtualClock, limit: RateLimit, doubles: dict[str, Any], **more: Any) -> None:
        super().__init__(doubles, **more)
        self.turns = Pace(limit, clock)

    def pace(self, step: ModuleStep, config: Config) -> Pace | None:
        return self.turns


def paced(steps: str, doubles: dict[str, Any], per_second: float = 1, **more: Any) -> tuple[Harness, PacedCaller]:
    clock = VirtualClock()
    caller = PacedCaller(clock, RateLimit(per_second), doubles, **more)
    return Harness([scenario(steps)], caller=caller, registry=registry(), clock=clock), caller


@pytest.mark.parametrize("module", ["shop.charge", "shop.get"])
async def test_runs_share_the_limit_in_the_order_in_which_they_came(module: str) -> None:
    sent: list[tuple[int, float]] = []
    steps = f'- id: send\n  module: {module}\n  with: {{n: "${{{{ trigger.n }}}}"}}'

    def note(config: Config) -> dict[str, Any]:
        sent.append((config["n"], harness.clock.time() - start))
        return {}

    harness, _ = paced(steps, {module: note})
    start = harness.clock.time()
    async with harness:
        runs = [(await harness.send({"n": number})).runs[0] for number in range(4)]
        results = [await harness.result(run, advance=10) for run in runs]
    assert {result.state for result in results} == {"succeeded"}
    assert sent == [(0, 0.0), (1, 1.0), (2, 2.0), (3, 3.0)]


async def test_a_process_that_dies_while_a_write_waits_leaves_nothing_unknown() -> None:
    script = Script({})
    harness, caller = paced(ONE, {"shop.charge": script})
    await caller.turns.turn()
    await harness.start()
    [run] = (await harness.send({})).runs
    await harness.clock.settle()
    assert (script.count, (await harness.look(run)).effects) == (0, [])
    await harness.restart()
    result = await harness.result(run, advance=5)
    assert (result.state, script.count, len(result.effects)) == ("succeeded", 1, 1)
    await harness.stop()


async def test_a_step_that_runs_out_of_time_while_it_waits_has_not_written() -> None:
    script = Script({})
    harness, caller = paced(ONE + "  timeout: 3s\n", {"shop.charge": script})
    caller.turns.heard(429, {"retry-after": "20"})
    async with harness:
        [run] = (await harness.send({})).runs
        result = await harness.result(run, advance=30)
    assert (result.state, result.error["code"], result.effects, script.count) == ("failed", "timeout", [], 0)


async def test_a_long_wait_leaves_memory_and_is_no_try() -> None:
    script = Script({})
    harness, caller = paced(ONE, {"shop.charge": script})
    async with harness:
        caller.turns.heard(429, {"retry-after": "600"})
        [run] = (await harness.send({})).runs
        asleep = await harness.result(run)
        assert (asleep.state, asleep.run.due_at, asleep.effects) == ("sleeping", harness.clock.time() + 600, [])
        assert not harness.runner._tasks
        await harness.restart()
        result = await harness.result(run, advance=600)
        assert (result.state, [effect.key for effect in result.effects]) == ("succeeded", ["send#1"])
        assert harness.clock.time() == asleep.run.due_at


async def test_a_wait_that_ends_in_a_closed_connection_goes_on() -> None:
    script = Script({})
    harness, caller = paced(ONE, {"shop.charge": script})
    async with harness:
        caller.turns.heard(429, {"retry-after": "60"})
        [run] = (await harness.send({})).runs
        due = (await harness.result(run)).run.due_at
        await harness.clock.advance(PATIENCE)
        caller.turns.heard(429, {"retry-after": "60"})
        result = await harness.result(run, advance=100)
        assert (result.state, script.count, due) == ("succeeded", 1, harness.clock.time() - PATIENCE)


async def test_a_probe_waits_for_its_turn_too() -> None:
    asked: list[float] = []

    def ask(_config: Config) -> Happened:
        asked.append(harness.clock.time() - start)
        return Happened({"id": 1})

    harness, caller = paced(
        "- id: send\n  module: shop.probed\n  with: {}\n",
        {"shop.probed": Script(NoAnswer("no answer"))},
        probes={"shop.probed": ask},
    )
    start = harness.clock.time()
    async with harness:
        [run] = (await harness.send({})).runs
        await harness.clock.settle()
        caller.turns.heard(429, {"retry-after": "90"})
        result = await harness.result(run, advance=200)
    assert (result.state, asked) == ("succeeded", [90.0])


async def test_branches_take_their_turns_side_by_side() -> None:
    busy = 0
    most = 0

    async def work(_config: Config) -> dict[str, Any]:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0)
        busy -= 1
        return {}

    steps = """
- id: each
  foreach: ${{ trigger.items }}
  concurrency: 4
  steps:
    - {id: send, module: shop.charge, with: {n: "${{ item }}"}}
"""
    harness, _ = paced(steps, {"shop.charge": work}, per_second=2)
    start = harness.clock.time()
    async with harness:
        [run] = (await harness.send({"items": list(range(7))})).runs
        result = await harness.result(run, advance=30)
    assert (result.state, len(result.effects), most) == ("succeeded", 7, 2)
    assert harness.clock.time() - start == 3.0


@pytest.mark.parametrize("module", ["record_customer_action", "adjust_points"])
async def test_many_runs_at_once_stay_below_the_limit_of_a_vendor(module: str) -> None:
    config = {
        "record_customer_action": "{customer_email: ana@example.com, action_name: instagram_mention}",
        "adjust_points": "{customer_email: ana@example.com, point_adjustment_amount: 1}",
    }[module]
    source = scenario(f"- id: send\n  module: yotpo_loyalty.{module}\n  connection: yotpo\n  with: {config}")
    source = source.replace("shop.watch", "http.watch_webhook")
    async with SimulatedHarness([source]) as harness:
        began = harness.clock.time()
        runs = [(await harness.send({"n": number})).runs[0] for number in range(35)]
        results = [await harness.result(run, advance=10) for run in runs]
        loyalty = harness.simulator("yotpo_loyalty")
    # ten in each second and one turn for each, so that none was answered 429 and none waited twice
    assert {result.state for result in results} == {"succeeded"}
    assert [len(result.effects) for result in results] == [1] * 35
    assert (sum(loyalty.calls.values()), harness.clock.time() - began) == (35, 3.0)
