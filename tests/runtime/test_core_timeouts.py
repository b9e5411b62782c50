"""A step's time: what was over stays over, what was in time stays in time, and no unknown write hides behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from engine.runtime.commands import Choice, retry
from engine.sdk.errors import DataError, RateLimitError, VendorError
from engine.sdk.errors import TimeoutError as NoAnswer
from engine.sdk.modules import Happened, ProbeResult
from engine.store.changes import AddEffect
from engine.store.interface import Store
from engine.store.memory import MemoryStore
from engine.store.records import EffectState, RunFilter
from engine.testing import CrashAt
from tests.promises.shop_runs import settle, until_death
from tests.runtime.core import Script, resumed, shop


async def hang(_config: Mapping[str, Any]) -> Any:
    await asyncio.Event().wait()


async def test_a_step_that_ran_out_of_time_is_not_run_again_after_a_word_on_another_step() -> None:
    calls = 0

    async def slow(_config: Mapping[str, Any]) -> Any:
        nonlocal calls
        calls += 1
        await asyncio.Event().wait()

    steps = """
- id: slow
  module: shop.get
  timeout: 5s
  on_error: ignore
  with: {}
- id: charge
  module: shop.charge
  with: {}
"""
    async with shop(steps, {"shop.get": slow, "shop.charge": Script(NoAnswer("t"))}) as harness:
        [run_id] = (await harness.send({})).runs
        held = await harness.result(run_id, advance=10)
        assert (held.state, held.holds[0]["step"]) == ("held", "charge")
        after = await resumed(harness, run_id, Choice.HAPPENED, output={}, advance=20)
        assert (after.state, calls) == ("succeeded", 1)


async def test_a_step_gets_its_time_anew_each_time_a_person_lets_it_go_on() -> None:
    calls = 0

    async def slow(_config: Mapping[str, Any]) -> Any:
        nonlocal calls
        calls += 1
        if calls < 3:
            await asyncio.Event().wait()
        return {"n": calls}

    steps = """
- id: slow
  module: shop.get
  timeout: 5s
  on_error: hold
  with: {}
- stop: success
  output: ${{ slow.n }}
"""
    async with shop(steps, {"shop.get": slow}) as harness:
        [run_id] = (await harness.send({})).runs
        assert (await harness.result(run_id, advance=10)).state == "held"
        assert (await resumed(harness, run_id, Choice.AGAIN, advance=10)).state == "held"
        after = await resumed(harness, run_id, Choice.AGAIN, advance=10)
        assert (after.state, after.output, calls) == ("succeeded", 3, 3)


async def test_a_failed_run_whose_step_ran_out_of_time_can_be_tried_again_more_than_once() -> None:
    calls = 0

    async def slow(_config: Mapping[str, Any]) -> Any:
        nonlocal calls
        calls += 1
        if calls < 3:
            await asyncio.Event().wait()
        return {}

    steps = """
- id: slow
  module: shop.get
  timeout: 5s
  with: {}
"""
    async with shop(steps, {"shop.get": slow}) as harness:
        [run_id] = (await harness.send({})).runs
        assert (await harness.result(run_id, advance=10)).state == "failed"
        for state in ("failed", "succeeded"):
            await retry(harness.store, run_id, harness.clock.time())
            harness.runner.wake()
            assert (await harness.result(run_id, advance=10)).state == state
        assert calls == 3


async def test_what_was_done_in_time_stays_done_when_the_run_sleeps_past_the_deadline() -> None:
    steps = """
- id: both
  foreach: ${{ trigger.items }}
  concurrency: 2
  timeout: 10s
  collect: ${{ one.n }}
  steps:
    - id: one
      module: shop.get
      with: {n: "${{ item }}"}
- id: later
  module: shop.find
  with: {}
- stop: success
  output: ${{ both }}
"""
    doubles = {
        "shop.get": lambda config: {"n": config["n"]},
        "shop.find": Script(RateLimitError("s", retry_after=60), []),
    }
    async with shop(steps, doubles) as harness:
        [run_id] = (await harness.send({"items": [1, 2]})).runs
        after = await harness.result(run_id, advance=100)
        assert (after.state, after.output) == ("succeeded", [1, 2]), after.error


async def test_what_failed_in_time_fails_the_same_when_the_run_sleeps_past_the_deadline() -> None:
    steps = """
- id: both
  foreach: ${{ trigger.items }}
  concurrency: 2
  timeout: 10s
  on_error: ignore
  steps:
    - id: one
      module: shop.get
      with: {}
- id: later
  module: shop.find
  with: {}
- stop: success
  output: ${{ steps.both.error.code }}
"""
    doubles = {"shop.get": Script(DataError("no")), "shop.find": Script(RateLimitError("s", retry_after=60), [])}
    async with shop(steps, doubles) as harness:
        [run_id] = (await harness.send({"items": [1, 2]})).runs
        after = await harness.result(run_id, advance=100)
        assert (after.state, after.output) == ("succeeded", "data-error"), after.error


async def test_each_of_two_writes_that_are_cut_off_at_once_is_held() -> None:
    steps = """
- foreach: ${{ trigger.items }}
  concurrency: 2
  steps:
    - id: charge
      module: shop.charge
      timeout: 5s
      with: {n: "${{ item }}"}
"""
    async with shop(steps, {"shop.charge": hang}) as harness:
        [run_id] = (await harness.send({"items": [1, 2]})).runs
        held = await harness.result(run_id, advance=10)
        paths = [hold["step"] for hold in held.holds]
        assert (held.state, len(paths)) == ("held", 2)
        again = await resumed(harness, run_id, Choice.HAPPENED, output={}, step=paths[0], advance=10)
        assert (again.state, [hold["step"] for hold in again.holds]) == ("held", paths[1:])
        after = await resumed(harness, run_id, Choice.HAPPENED, output={}, step=paths[1], advance=10)
        assert after.state == "succeeded"


@pytest.mark.parametrize(
    ("answer", "state", "effect"),
    [
        (ProbeResult.UNKNOWN, "held", "unknown"),
        (ProbeResult.ABSENT, "failed", "refused"),
        (Happened({"id": 5}), "succeeded", "done"),
    ],
)
async def test_a_write_that_is_cut_off_is_asked_about_before_a_person_is(
    answer: Happened | ProbeResult, state: str, effect: str
) -> None:
    steps = """
- id: probed
  module: shop.probed
  timeout: 5s
  with: {}
"""
    harness = shop(steps, {"shop.probed": Script(VendorError("500", status=500))})
    harness._caller.probes["shop.probed"] = lambda _config: answer
    async with harness:
        [run_id] = (await harness.send({})).runs
        result = await harness.result(run_id, advance=100)
        assert (result.state, [e.state for e in result.effects]) == (state, [effect])
        assert result.state != "failed" or result.error["code"] == "timeout"


async def test_a_write_of_a_dead_process_is_held_although_its_steps_time_is_over() -> None:
    steps = """
- id: group
  timeout: 5s
  steps:
    - foreach: ${{ trigger.items }}
      concurrency: 2
      steps:
        - id: charge
          module: shop.charge
          with: {n: "${{ item }}"}
"""
    faults = CrashAt("effect.sent", 1)
    harness = shop(steps, {"shop.charge": Script({})}, faults=faults)

    async def live() -> None:
        await harness.start()
        await harness.send({"items": [1]})
        await settle(harness)

    await until_death(live(), faults)
    harness.clock.jump(60)
    await harness.restart()
    await settle(harness)
    [run] = await harness.store.runs(RunFilter())
    result = await harness.look(run.id)
    assert (result.state, [h["code"] for h in result.holds]) == ("held", ["unknown"])
    assert [e.state for e in result.effects] == [EffectState.UNKNOWN]
    await harness.stop()


async def test_an_ignored_unknown_write_does_not_hold_the_group_whose_time_runs_out_later() -> None:
    steps = """
- id: group
  timeout: 5s
  on_error: ignore
  steps:
    - id: charge
      module: shop.charge
      on_error: ignore
      with: {}
    - id: slow
      module: shop.get
      with: {}
"""
    async with shop(steps, {"shop.charge": Script(NoAnswer("t")), "shop.get": hang}) as harness:
        [run_id] = (await harness.send({})).runs
        result = await harness.result(run_id, advance=10)
        assert result.state == "succeeded"
        assert result.effects[0].state is EffectState.UNKNOWN


async def test_a_write_that_is_cut_off_before_it_is_sent_is_known_not_to_have_happened() -> None:
    steps = """
- id: charge
  module: shop.charge
  timeout: 5s
  with: {}
"""
    gate = asyncio.Event()
    double = Script({})
    harness = shop(steps, {"shop.charge": double})

    class Slow(MemoryStore):
        def put(self, *changes: Any, owner: Any = None) -> asyncio.Future[None]:
            future = super().put(*changes, owner=owner)
            if any(isinstance(change, AddEffect) for change in changes):
                return asyncio.ensure_future(self._late(future))
            return future

        async def _late(self, future: asyncio.Future[None]) -> None:
            await future
            await gate.wait()

    async def new_store(_before: Store | None) -> Store:
        store = Slow(clock=harness.clock)
        await store.open()
        return store

    harness.new_store = new_store
    async with harness:
        [run_id] = (await harness.send({})).runs
        result = await harness.result(run_id, advance=10)
        assert (result.state, double.count) == ("failed", 0)
        assert result.error["code"] == "timeout"
        assert [e.state for e in result.effects] == [EffectState.REFUSED]
        await retry(harness.store, run_id, harness.clock.time())
        gate.set()
        harness.runner.wake()
        assert (await harness.result(run_id, advance=10)).state == "succeeded"
        assert double.count == 1
