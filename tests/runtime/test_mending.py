"""A store that breaks: runs are let go, and taken up from it again when it works, as after a death."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from engine.runtime.runner import MEND_EVERY
from engine.runtime.watch import LOOK_EVERY
from engine.sdk.errors import StoreError
from engine.sdk.faults import Faults
from engine.store.records import RunFilter
from engine.testing import Harness
from tests.support.shop import registry, scenario

STEPS = """
- id: got
  module: shop.get
  with: {n: "${{ trigger.n }}"}
- id: send
  module: shop.charge
  with: {n: "${{ trigger.n }}"}
- stop: success
  output: ${{ send.n }}
"""


class Disk(Faults):
    """A disk that is full while it is told to be, from the n-th commit on."""

    def __init__(self, nth: int | None = None) -> None:
        self.full = False
        self.commits = 0
        self._nth = nth

    def hit(self, point: str) -> None:
        if point != "store.commit":
            return
        self.commits += 1
        if self.commits == self._nth:
            self.full = True
        if self.full:
            raise OSError(28, "No space left on device")


def bench(faults: Faults, **doubles: Any) -> Harness:
    own = {"shop.get": lambda config: {}, "shop.charge": lambda config: {"n": config["n"]}, **doubles}
    return Harness([scenario(STEPS)], doubles=own, registry=registry(), faults=faults)


async def mend(harness: Harness, disk: Disk) -> None:
    disk.full = False
    await harness.clock.advance(2 * MEND_EVERY)
    assert not harness.store.broken
    assert not harness.runner.mending


async def test_nothing_is_taken_while_it_is_broken_and_all_is_when_it_works_again() -> None:
    disk = Disk()
    async with bench(disk) as harness:
        assert (await harness.run({"n": 1})).output == 1
        epoch = harness.runner.epoch
        disk.full = True
        for _ in range(3):
            with pytest.raises(StoreError, match="disk is full"):
                await harness.send({"n": 2})
        assert harness.store.broken
        assert harness.runner.mending
        # tried again and again, without success
        await harness.clock.advance(10 * MEND_EVERY)
        assert harness.store.broken
        with pytest.raises(StoreError):
            await harness.send({"n": 2})
        await mend(harness, disk)
        assert harness.runner.epoch > epoch
        assert (await harness.run({"n": 3})).output == 3
        assert len(await harness.store.runs(RunFilter())) == 2


@pytest.mark.parametrize("nth", range(3, 8))
async def test_wherever_it_breaks_each_acknowledged_event_is_run_once(nth: int) -> None:
    disk = Disk(nth)
    async with bench(disk) as harness:
        acknowledged: list[int] = []
        for number in range(4):
            try:
                acknowledged += (await harness.send({"n": number})).runs
            except StoreError:
                continue
        await harness.clock.settle()
        await mend(harness, disk)
        assert disk.commits >= nth
        results = [await harness.result(run_id) for run_id in acknowledged]
        assert [(result.state, result.holds) for result in results] == [("succeeded", [])] * len(acknowledged)
        charged = Counter(call.config["n"] for call in harness.calls if call.module == "shop.charge")
        assert set(charged.values()) <= {1}
        assert {result.output for result in results} <= set(charged)


async def test_what_a_write_in_flight_came_to_is_known_afterwards() -> None:
    disk, gate = Disk(), asyncio.Event()

    async def charge(config: Any) -> Any:
        await gate.wait()
        return {"n": config["n"]}

    async with bench(disk, **{"shop.charge": charge}) as harness:
        [run_id] = (await harness.send({"n": 1})).runs
        await harness.clock.settle()
        disk.full = True
        with pytest.raises(StoreError):
            await harness.send({"n": 2})
        gate.set()
        await harness.clock.settle()
        await mend(harness, disk)
        result = await harness.result(run_id)
        assert (result.state, result.output) == ("succeeded", 1)
        assert [(effect.state, effect.settled_by) for effect in result.effects] == [("done", "vendor")]
        assert len([call for call in harness.calls if call.module == "shop.charge"]) == 1


async def test_it_breaks_again_while_it_is_mended() -> None:
    disk = Disk()
    async with bench(disk) as harness:
        for _ in range(3):
            disk.full = True
            with pytest.raises(StoreError):
                await harness.send({"n": 2})
            await harness.clock.advance(3 * MEND_EVERY)
            await mend(harness, disk)
        assert (await harness.run({"n": 3})).output == 3


async def test_it_is_mended_too_when_nobody_who_works_on_runs_finds_it_broken() -> None:
    disk = Disk()
    async with bench(disk) as harness:
        harness.watch.start()
        await harness.written()
        disk.full = True
        # as a signal, a person's answer or pruning does
        with pytest.raises(StoreError):
            await harness.signal("go", keep=60)
        assert harness.store.broken
        disk.full = False
        await harness.clock.advance(LOOK_EVERY + 2 * MEND_EVERY)
        assert not harness.store.broken
        assert not harness.runner.mending
        assert await harness.signal("go") == 0


async def test_it_stops_in_peace_while_the_store_is_broken() -> None:
    disk = Disk()
    harness = bench(disk)
    await harness.start()
    disk.full = True
    with pytest.raises(StoreError):
        await harness.send({"n": 1})
    await harness.stop()
