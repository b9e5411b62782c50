"""A finished step never runs again in its run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from engine.runtime.catalog import Catalog
from engine.runtime.runner import Runner
from engine.store.records import EffectState, RunFilter
from engine.testing import Harness
from tests.promises.shop_runs import CHARGE, PASSED, Crashed, NewHarness, Vendor, crash, settle


async def assert_finished_steps_stayed(crashed: Crashed) -> None:
    """No step that has a durable row was carried out once more: the vendor's counts equal the rows."""
    for run in await crashed.harness.store.runs(RunFilter()):
        result = await crashed.harness.look(run.id)
        email = str(run.subject)
        done = [r.key for r in result.records if r.kind == "call" and r.key.startswith("customer#")]
        assert len(done) <= 1
        charged = [e for e in result.effects if e.module == "shop.charge"]
        assert crashed.vendor.charges[email] <= len(charged)


@pytest.mark.parametrize("nth", [1, 2, 3, 5])
@pytest.mark.parametrize("point", PASSED)
async def test_finished_steps_stay_finished_after_a_crash_anywhere(
    new_harness: NewHarness, point: str, nth: int
) -> None:
    crashed = await crash(new_harness, point, nth)
    await assert_finished_steps_stayed(crashed)
    await crashed.harness.stop()


async def second_owner(new_harness: NewHarness) -> tuple[Harness, Vendor, int]:
    """A run whose owner is stuck in a read is taken over and finished by another; then the first one comes back."""
    vendor = Vendor()
    stuck = asyncio.Event()
    go_on = asyncio.Event()

    async def get(config: Mapping[str, Any]) -> Any:
        if not stuck.is_set():
            stuck.set()
            await go_on.wait()
        return vendor.get(config)

    harness = new_harness(CHARGE, doubles={**vendor.doubles, "shop.get": get})
    await harness.start()
    [run_id] = (await harness.send({"email": "p@example.com"})).runs
    await stuck.wait()
    first = harness.runner
    assert harness.registry is not None
    catalog = Catalog(harness.plans, harness.registry, harness.store, harness.clock)
    harness.runner = Runner(harness.store, catalog, harness._caller, harness.clock)
    await harness.runner.start()
    await settle(harness)
    go_on.set()
    await first.stop(grace=5)
    await settle(harness)
    return harness, vendor, run_id


async def test_an_owner_that_lost_the_run_cannot_advance_it(new_harness: NewHarness) -> None:
    harness, vendor, run_id = await second_owner(new_harness)
    result = await harness.look(run_id)
    assert result.state == "succeeded"
    assert vendor.charges == {"p@example.com": 1}
    assert [e.state for e in result.effects if e.module == "shop.charge"] == [EffectState.DONE]
    await harness.stop()


async def two_claimants(new_harness: NewHarness) -> Vendor:
    """Two executors find the same queued run at the same moment."""
    vendor = Vendor()
    harness = new_harness(CHARGE, doubles=vendor.doubles, max_running=0)
    await harness.start()
    await harness.send({"email": "p@example.com"})
    assert harness.registry is not None
    catalog = Catalog(harness.plans, harness.registry, harness.store, harness.clock)
    others = [Runner(harness.store, catalog, harness._caller, harness.clock) for _ in range(2)]
    await asyncio.gather(*(runner.start() for runner in others))
    await settle(harness)
    for runner in others:
        await runner.stop(grace=5)
    await harness.stop()
    return vendor


async def test_one_claim_decides_who_walks_a_queued_run(new_harness: NewHarness) -> None:
    vendor = await two_claimants(new_harness)
    assert vendor.reads == {"p@example.com": 1}
    assert vendor.charges == {"p@example.com": 1}
