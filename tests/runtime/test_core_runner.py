"""No run is left without an owner or held for what it did not do, and everybody gets a turn."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from engine.runtime.commands import retry
from engine.runtime.runner import MAX_RECOVERIES
from engine.sdk.errors import DataError, RateLimitError
from engine.store.changes import AddRecord
from engine.store.interface import Store
from engine.store.memory import MemoryStore
from tests.runtime.core import Script, shop


async def test_a_run_one_of_whose_rows_cannot_be_kept_is_held_rather_than_forgotten() -> None:
    class Picky(MemoryStore):
        def ride(self, *changes: Any, owner: Any = None) -> None:
            if owner is not None and any(isinstance(change, AddRecord) for change in changes):
                # as after a row whose values the file refuses
                self._let_go.add(owner.run_id)
            super().ride(*changes, owner=owner)

    async def new_store(_before: Store | None) -> Store:
        store = Picky(clock=harness.clock)
        await store.open()
        return store

    harness = shop("- id: a\n  module: shop.get\n  with: {}", {"shop.get": Script({})}, new_store=new_store)
    async with harness:
        result = await harness.run({})
        assert (result.state, result.holds[0]["code"]) == ("held", "internal")
        assert "could not be written" in result.holds[0]["message"]


async def test_a_run_that_succeeds_at_last_no_longer_shows_its_error() -> None:
    double = Script(DataError("no"), {})
    async with shop("- id: a\n  module: shop.get\n  with: {}", {"shop.get": double}) as harness:
        failed = await harness.run({})
        assert failed.error["code"] == "data-error"
        await retry(harness.store, failed.run.id, harness.clock.time())
        harness.runner.wake()
        result = await harness.result(failed.run.id)
        assert (result.state, result.error, result.output) == ("succeeded", None, None)


class Flapping:
    """A disk that is full whenever the run writes its end, and has room in between."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.full = False

    def hit(self, point: str) -> None:
        if point == "run.ending" and self.left:
            self.left -= 1
            self.full = True
        if point == "store.commit" and self.full:
            self.full = False
            raise OSError(28, "No space left on device")


async def test_a_store_that_breaks_again_and_again_does_not_make_runs_poison() -> None:
    faults = Flapping(MAX_RECOVERIES + 2)
    steps = "- set: {a: 1}"
    async with shop(steps, {}, faults=faults) as harness:
        [run_id] = (await harness.send({})).runs
        result = await harness.result(run_id, advance=100)
        assert (result.state, faults.left) == ("succeeded", 0), result.holds


async def test_a_run_whose_process_dies_each_time_is_held_as_poison() -> None:
    async with shop("- id: a\n  module: shop.get\n  with: {}", {"shop.get": hang}) as harness:
        [run_id] = (await harness.send({})).runs
        for _ in range(MAX_RECOVERIES + 1):
            await harness.clock.settle()
            await harness.restart()
        result = await harness.result(run_id)
        assert (result.state, [h["code"] for h in result.holds]) == ("held", ["poison"])


async def test_a_run_that_writes_something_each_time_before_its_process_dies_is_no_poison() -> None:
    steps = """
- foreach: ${{ trigger.items }}
  steps:
    - id: a
      module: shop.put
      with: {n: "${{ item }}"}
"""
    seen: list[int] = []

    async def put(config: Mapping[str, Any]) -> Any:
        seen.append(config["n"])
        if seen.count(config["n"]) == 1:
            await asyncio.Event().wait()
        return {}

    items = list(range(MAX_RECOVERIES + 3))
    async with shop(steps, {"shop.put": put}) as harness:
        [run_id] = (await harness.send({"items": items})).runs
        for _ in items:
            await harness.clock.settle()
            await harness.restart()
        result = await harness.result(run_id)
        assert (result.state, seen) == ("succeeded", sorted([*items, *items])), result.holds


async def hang(_config: Mapping[str, Any]) -> Any:
    await asyncio.Event().wait()


async def test_a_run_that_is_stopped_while_one_branch_works_and_one_waits_goes_on_at_once() -> None:
    steps = """
- foreach: ${{ trigger.items }}
  concurrency: 2
  steps:
    - id: a
      module: shop.get
      with: {n: "${{ item }}"}
"""
    seen: list[int] = []

    async def get(config: Mapping[str, Any]) -> Any:
        seen.append(config["n"])
        if seen == [1, 2]:
            raise RateLimitError("slow down", retry_after=600)
        if seen.count(1) == 1:
            await asyncio.Event().wait()
        return {}

    async with shop(steps, {"shop.get": get}) as harness:
        [run_id] = (await harness.send({"items": [1, 2]})).runs
        await harness.clock.settle()
        assert seen == [1, 2]
        await harness.restart()
        await harness.clock.settle()
        assert seen == [1, 2, 1], "the branch that worked goes on now, not when the other one is due"
        assert (await harness.result(run_id, advance=700)).state == "succeeded"


async def test_a_run_does_not_sleep_while_a_branch_goes_on_from_a_loop_of_its_own() -> None:
    steps = """
- foreach: ${{ trigger.items }}
  concurrency: 2
  steps:
    - if: ${{ item == 1 }}
      steps:
        - id: wait
          module: shop.find
          with: {}
      else:
        - foreach: ${{ trigger.items }}
          concurrency: 2
          as: inner
          steps:
            - id: inside
              module: shop.get
              with: {n: "${{ inner }}"}
        - id: after
          module: shop.get
          with: {n: 3}
"""
    seen: list[int] = []

    async def get(config: Mapping[str, Any]) -> Any:
        await asyncio.sleep(0)
        seen.append(config["n"])

    double = Script(RateLimitError("slow down", retry_after=600), [])
    async with shop(steps, {"shop.get": get, "shop.find": double}) as harness:
        [run_id] = (await harness.send({"items": [1, 2]})).runs
        await harness.clock.settle()
        assert seen == [1, 2, 3]
        assert (await harness.result(run_id, advance=700)).state == "succeeded"
        assert seen == [1, 2, 3]


async def test_a_long_loop_that_waits_for_nothing_lets_other_runs_have_their_turn() -> None:
    steps = """
- if: ${{ length(trigger.items) > 1 }}
  steps:
    - foreach: ${{ trigger.items }}
      steps:
        - set: {a: "${{ item }}"}
- id: a
  module: shop.get
  with: {many: "${{ length(trigger.items) }}"}
"""
    order: list[int] = []

    async with shop(steps, {"shop.get": lambda config: order.append(config["many"])}) as harness:
        [long] = (await harness.send({"items": list(range(2000))})).runs
        [short] = (await harness.send({"items": [1]})).runs
        for run_id in (long, short):
            assert (await harness.result(run_id)).state == "succeeded"
        assert order == [1, 2000]


async def test_a_plugin_that_swallows_its_cancellation_keeps_nobody_from_stopping() -> None:
    cancelled = 0

    async def stubborn(_config: Any) -> Any:
        nonlocal cancelled
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled += 1
        await asyncio.Event().wait()

    harness = shop("- id: a\n  module: shop.get\n  with: {}", {"shop.get": stubborn})
    async with asyncio.timeout(20):
        async with harness:
            await harness.send({})
            await harness.clock.settle()
    assert cancelled == 1
