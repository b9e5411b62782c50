"""Writes that are cut off, probed again and again, or settled while the store breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from engine.sdk.errors import VendorError
from engine.sdk.faults import Faults
from engine.sdk.modules import ProbeResult
from engine.store.changes import AddEffect
from engine.store.interface import Store
from engine.store.memory import MemoryStore
from engine.store.records import EffectState
from tests.runtime.core import Script, shop


@pytest.mark.parametrize("module", ["put", "pay"])
async def test_a_write_that_may_be_repeated_is_sent_again_when_the_engine_was_stopped_during_it(module: str) -> None:
    calls = 0

    async def double(_config: Mapping[str, Any]) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            await asyncio.Event().wait()
        return {}

    harness = shop(f"- id: a\n  module: shop.{module}\n  with: {{}}", {f"shop.{module}": double})
    async with harness:
        [run_id] = (await harness.send({})).runs
        await harness.clock.settle()
        await harness.restart()
        result = await harness.result(run_id)
        assert (result.state, calls) == ("succeeded", 2), result.error


@pytest.mark.parametrize("attempts", [1, 3])
async def test_a_write_that_its_probe_finds_absent_each_time_is_tried_as_often_as_the_author_says(
    attempts: int,
) -> None:
    steps = f"""
- id: a
  module: shop.probed
  retry: {{attempts: {attempts}}}
  with: {{}}
"""
    double = Script(VendorError("500", status=500))
    harness = shop(steps, {"shop.probed": double})
    harness._caller.probes["shop.probed"] = lambda _config: ProbeResult.ABSENT
    async with harness:
        [run_id] = (await harness.send({})).runs
        result = await harness.result(run_id, advance=2000)
        assert (result.state, double.count) == ("failed", attempts)
        assert {e.state for e in result.effects} == {EffectState.REFUSED}


async def test_a_write_that_its_probe_finds_absent_after_a_crash_is_sent_again_uncounted() -> None:
    steps = """
- id: a
  module: shop.probed
  retry: {attempts: 1}
  with: {}
"""
    calls = 0

    async def double(_config: Mapping[str, Any]) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            await asyncio.Event().wait()
        return {}

    harness = shop(steps, {"shop.probed": double})
    harness._caller.probes["shop.probed"] = lambda _config: ProbeResult.ABSENT
    async with harness:
        [run_id] = (await harness.send({})).runs
        await harness.clock.settle()
        await harness.restart()
        result = await harness.result(run_id, advance=100)
        assert (result.state, calls) == ("succeeded", 2), result.error


class FullDisk(Faults):
    """A disk that is full at the n-th commit, and has room again afterwards."""

    def __init__(self) -> None:
        self.full = False

    def hit(self, point: str) -> None:
        if point == "store.commit" and self.full:
            self.full = False
            raise OSError(28, "No space left on device")


async def test_the_answer_to_a_runs_last_write_outlives_a_full_disk() -> None:
    faults = FullDisk()

    def charge(_config: Mapping[str, Any]) -> Any:
        faults.full = True
        return {}

    harness = shop("- id: a\n  module: shop.charge\n  with: {}", {"shop.charge": charge}, faults=faults)
    async with harness:
        [run_id] = (await harness.send({})).runs
        result = await harness.result(run_id, advance=120)
        assert (result.state, [e.state for e in result.effects]) == ("succeeded", [EffectState.DONE]), result.holds


async def test_an_answer_that_came_while_a_siblings_intent_was_committed_outlives_a_full_disk() -> None:
    """The sibling's commit covers what was settled before it began, and not what came while it was under way."""
    faults = FullDisk()
    first = asyncio.Event()

    async def charge(config: Mapping[str, Any]) -> Any:
        if config["n"] == 1:
            await first.wait()
        return {}

    class Told(MemoryStore):
        def put(self, *changes: Any, owner: Any = None) -> asyncio.Future[None]:
            if any(isinstance(c, AddEffect) and c.effect.key.startswith("foreach@1[1]") for c in changes):
                return asyncio.ensure_future(self._meanwhile(super().put(*changes, owner=owner)))
            return super().put(*changes, owner=owner)

        async def _meanwhile(self, written: asyncio.Future[None]) -> None:
            await written
            faults.full = True
            first.set()
            # the answer to the first write is given to the store, whose next commit fails
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def new_store(_before: Store | None) -> Store:
        store = Told(clock=harness.clock, faults=faults)
        await store.open()
        return store

    steps = """
- foreach: ${{ trigger.items }}
  concurrency: 2
  steps:
    - id: a
      module: shop.charge
      with: {n: "${{ item }}"}
"""
    harness = shop(steps, {"shop.charge": charge}, faults=faults, new_store=new_store)
    async with harness:
        [run_id] = (await harness.send({"items": [1, 2]})).runs
        result = await harness.result(run_id, advance=120)
        assert not faults.full, "the disk was never full"
        assert (result.state, {e.state for e in result.effects}) == ("succeeded", {EffectState.DONE}), result.holds
