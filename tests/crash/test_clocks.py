"""The machine's clock is set forward and back while runs wait: nothing comes twice, stands still or is lost.

What other rooms test of it: schedules (`test_schedules.py`), polls (`test_polling.py`), turns at a vendor
(`test_pacing.py`), tries of held runs (`test_second_tries.py`), silence (`test_6_nothing_silent.py`).
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Mapping
from typing import Any

import pytest

from engine.runtime.pruning import Pruner
from engine.runtime.queue import LOOK_AGAIN
from engine.runtime.settings import DAY, HistorySettings
from engine.scenario.plan import Keep
from engine.sdk.errors import RateLimitError
from engine.store.records import RunFilter
from engine.testing import Harness, VirtualClock
from tests.runtime.core import Script, shop, with_head

HOUR = 3600.0
#: seconds in which a run is taken up that is due by a clock that was set
IN_TIME = LOOK_AGAIN + 1
JUMPS = [2 * HOUR, 400 * DAY, -2 * HOUR, -400 * DAY]
SEND = '- id: send\n  module: shop.charge\n  with: {n: "${{ trigger.n }}"}'


class MachineClock(VirtualClock):
    """As a machine's: sleeps and timeouts go by a clock of their own, which nobody sets."""

    def jump(self, seconds: float) -> None:
        super().jump(seconds)
        self._timers = [(when + seconds, number, fire) for when, number, fire in self._timers]
        heapq.heapify(self._timers)


async def alone(harness: Harness) -> Any:
    [run] = await harness.store.runs(RunFilter())
    return await harness.look(run.id)


# ---------------------------------------------------------------- waits


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_sleep_that_is_over_is_not_slept_again(jump: float) -> None:
    script = Script({})
    async with shop("- sleep: 1h\n" + SEND, {"shop.charge": script}, clock=MachineClock()) as harness:
        await harness.send({"n": 1})
        await harness.clock.advance(HOUR / 2)
        harness.clock.jump(jump)
        await harness.clock.advance(IN_TIME)
        # set forward it is over at once; set back it is over when the clock shows its time again
        assert script.count == (1 if jump > 0 else 0)
        harness.clock.jump(-jump)
        await harness.clock.advance(HOUR)
        assert ((await alone(harness)).state, script.count) == ("succeeded", 1)
        harness.clock.jump(jump)
        await harness.restart()
        await harness.clock.advance(3 * HOUR)
        assert ((await alone(harness)).state, script.count) == ("succeeded", 1)


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_short_wait_for_another_try_is_as_long_as_it_was(jump: float) -> None:
    script = Script(RateLimitError("slow down", retry_after=4.0), {})
    async with shop(SEND, {"shop.charge": script}, clock=MachineClock()) as harness:
        await harness.send({"n": 1})
        await harness.clock.advance(1)
        harness.clock.jump(jump)
        await harness.clock.advance(2)
        assert script.count == 1
        await harness.clock.advance(1)
        assert ((await alone(harness)).state, script.count) == ("succeeded", 2)


#: the write makes durable when the time of the group began
TIMED = """
- id: both
  timeout: 20s
  steps:
    - id: put
      module: shop.put
      with: {}
    - id: slow
      module: shop.get
      with: {}
"""


async def hang(_config: Mapping[str, Any]) -> Any:
    await asyncio.Event().wait()


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("jump", JUMPS)
async def test_a_step_is_cut_off_after_its_time_at_the_latest(jump: float, restart: bool) -> None:
    async with shop(TIMED, {"shop.put": Script({}), "shop.get": hang}, clock=MachineClock()) as harness:
        await harness.send({})
        await harness.clock.advance(5)
        assert (await alone(harness)).state == "running"
        harness.clock.jump(jump)
        if restart:
            await harness.restart()
        await harness.clock.advance(20)
        result = await alone(harness)
        assert (result.state, result.error["code"]) == ("failed", "timeout")


SIGNAL = """
- id: stock
  wait_for: {signal: stock-arrived, timeout: 1h}
  on_timeout:
    - id: send
      module: shop.charge
      with: {}
"""


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_wait_times_out_once_or_is_answered(jump: float) -> None:
    script = Script({})
    async with shop(SIGNAL, {"shop.charge": script}, clock=MachineClock()) as harness:
        await harness.send({})
        await harness.clock.advance(60)
        assert (await alone(harness)).state == "waiting"
        harness.clock.jump(jump)
        await harness.clock.advance(IN_TIME)
        if jump < 0:
            assert ((await alone(harness)).state, script.count) == ("waiting", 0)
            assert await harness.signal("stock-arrived") == 1
        await harness.written()
        assert ((await alone(harness)).state, script.count) == ("succeeded", 1 if jump > 0 else 0)
        harness.clock.jump(-jump)
        await harness.restart()
        assert await harness.signal("stock-arrived") == 0
        await harness.clock.advance(2 * HOUR)
        assert ((await alone(harness)).state, script.count) == ("succeeded", 1 if jump > 0 else 0)


BESIDE = """
- id: each
  foreach: ${{ trigger.items }}
  concurrency: 2
  steps:
    - if: ${{ item == 1 }}
      steps:
        - id: read
          module: shop.get
          with: {}
      else:
        - id: stock
          wait_for: {signal: stock-arrived, timeout: 1m}
          on_timeout:
            - id: send
              module: shop.charge
              with: {}
"""


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_wait_in_memory_times_out_once(jump: float) -> None:
    gate, script = asyncio.Event(), Script({})

    async def read(_config: Mapping[str, Any]) -> Any:
        await gate.wait()
        return {}

    doubles = {"shop.get": read, "shop.charge": script}
    async with shop(BESIDE, doubles, clock=MachineClock()) as harness:
        await harness.send({"items": [1, 2]})
        await harness.clock.advance(10)
        harness.clock.jump(jump)
        await harness.clock.advance(60)
        await harness.written()
        assert ((await alone(harness)).state, script.count) == ("running", 1)
        gate.set()
        await harness.written()
        assert ((await alone(harness)).state, script.count) == ("succeeded", 1)


# ---------------------------------------------------------------- the queue


DEBOUNCED = "debounce: {key: '${{ trigger.key }}', for: 30s, max: 5m}\n"


@pytest.mark.parametrize("jump", JUMPS)
async def test_gathered_events_make_one_run(jump: float) -> None:
    script = Script({})
    async with with_head(DEBOUNCED, SEND, {"shop.charge": script}, clock=MachineClock()) as harness:
        await harness.send({"key": "a", "n": 1})
        await harness.clock.advance(10)
        harness.clock.jump(jump)
        # it waits for its time as it was before; or, set back, anew from the event that comes now
        await harness.send({"key": "a", "n": 2})
        await harness.clock.advance(30 + IN_TIME)
        await harness.rest()
        sent = [config["n"] for config in script.configs]
        assert sent in ([2], [1, 2] if jump > 0 else [2])
        harness.clock.jump(-jump)
        await harness.clock.advance(10 * 60)
        assert [config["n"] for config in script.configs] == sent
        await harness.send({"key": "a", "n": 3})
        await harness.clock.advance(30 + IN_TIME)
        await harness.rest()
        assert [config["n"] for config in script.configs] == [*sent, 3]


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("jump", JUMPS)
async def test_a_rate_keeps_nobody_waiting_for_more_than_its_time(jump: float, restart: bool) -> None:
    script = Script({})
    async with with_head("rate: 2/1h\n", SEND, {"shop.charge": script}, clock=MachineClock()) as harness:
        for n in range(6):
            await harness.send({"n": n})
        await harness.clock.advance(60)
        assert script.count == 2
        harness.clock.jump(jump)
        if restart:
            await harness.restart()
        for most in (4, 6):
            await harness.clock.advance(HOUR + IN_TIME)
            assert script.count >= most
        assert [config["n"] for config in script.configs] == list(range(6))
        assert await harness.store.run_counts() == {"succeeded": 6}


# ---------------------------------------------------------------- history


async def test_what_is_not_finished_stays_however_far_the_clock_was_set() -> None:
    script = Script({})
    steps = "- if: ${{ trigger.n == 1 }}\n  steps:\n    - sleep: 1000d\n" + SEND
    async with shop(steps, {"shop.charge": script}, clock=MachineClock()) as harness:
        for n in (0, 1):
            await harness.send({"n": n})
        await harness.written()
        settings = HistorySettings(keep=Keep(seconds=DAY))
        versions = frozenset(plan.version for plan in harness.plans)
        pruner = Pruner(harness.store, settings, lambda _name: None, lambda: versions, harness.clock)
        harness.clock.jump(-400 * DAY)
        assert (await pruner.look()).runs == 0
        harness.clock.jump(800 * DAY)
        assert (await pruner.look()).runs == 1
        assert (await alone(harness)).state == "sleeping"
        harness.clock.jump(600 * DAY)
        await harness.clock.advance(IN_TIME)
        await harness.written()
        assert ((await alone(harness)).state, script.count) == ("succeeded", 2)
