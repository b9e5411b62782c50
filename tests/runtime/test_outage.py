"""A store that does not work is told of at once, from memory, and so is that it works again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine.sdk.errors import StoreError
from engine.store.interface import Store
from engine.store.sqlite import SqliteStore
from engine.testing import Harness, VirtualClock
from tests.runtime.told import Told, channel, looked, sent
from tests.store.rows import FailAt
from tests.support.shop import registry, scenario


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def faults() -> FailAt:
    return FailAt("store.commit")


def broken(told: Told, faults: FailAt, **more: object) -> Harness:
    given = {"channels": [channel("ops"), channel("failures", "failed")], "sender": told, **more}
    return Harness([scenario("- set: {a: 1}")], registry=registry(), faults=faults, **given)  # type: ignore[arg-type]


async def broken_now(harness: Harness) -> None:
    """A write fails, as on a full disk, and whoever made it says so."""
    with pytest.raises(StoreError):
        await harness.store.put()
    harness.runner.broke()


async def test_it_is_told_while_the_store_is_broken_and_once(told: Told, faults: FailAt) -> None:
    async with broken(told, faults) as harness:
        faults.error = OSError(28, "No space left on device")
        await broken_now(harness)
        await looked(harness)
        await looked(harness)
        assert [(name, *kind) for (name, _), kind in zip(told.messages, told.kinds, strict=True)] == [
            ("ops", "store", "raised", 1)
        ]
        assert "nothing is accepted" in told.texts[0]
        faults.error = None
        await harness.clock.advance(60)
        await looked(harness)
        await sent(harness)
        assert told.kinds[1:] == [("store", "recovered", 1)]
        kept = [(a.kind, a.event, a.state) for a in await harness.store.alerts(10)]
        assert kept == [("store", "recovered", "delivered"), ("store", "raised", "delivered")]


async def test_a_channel_that_was_down_meanwhile_is_told_afterwards(told: Told, faults: FailAt) -> None:
    told.down.add("ops")
    async with broken(told, faults) as harness:
        faults.error = OSError(28, "No space left on device")
        await broken_now(harness)
        await looked(harness)
        assert told.messages == []
        told.down.clear()
        faults.error = None
        await harness.clock.advance(5)
        await looked(harness)
        assert sorted(told.kinds) == [("store", "raised", 1), ("store", "recovered", 1)]


async def test_an_outage_that_begins_again_while_its_end_is_stored_goes_on(told: Told, faults: FailAt) -> None:
    async with broken(told, faults, channels=[channel("ops", every=0.0)]) as harness:
        full = OSError(28, "No space left on device")
        faults.error = full
        await broken_now(harness)
        await looked(harness)
        faults.error = None
        await harness.clock.advance(60)
        faults.error = full
        with pytest.raises(StoreError):
            await harness.watch.look()
        harness.runner.broke()
        await looked(harness)
        faults.error = None
        await harness.clock.advance(60)
        await looked(harness)
        await sent(harness)
        assert told.kinds == [("store", "raised", 1), ("store", "recovered", 1)]


async def test_an_outbox_that_cannot_note_what_it_sends_does_not_look_without_end(
    told: Told, faults: FailAt, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def opened(_before: Store | None) -> Store:
        store = SqliteStore(tmp_path / "store.db", clock=clock, faults=faults)
        await store.open()
        return store

    looks, clock = 0, VirtualClock()
    async with broken(told, faults, clock=clock, new_store=opened) as harness:
        await harness.store.put(*harness.alerts.raised("failed", "test", {"message": "no"}))
        faults.error = OSError(28, "No space left on device")
        await broken_now(harness)
        due = harness.store.due_alerts

        async def counted(*args: Any) -> Any:
            nonlocal looks
            looks += 1
            return await due(*args)

        monkeypatch.setattr(harness.store, "due_alerts", counted)
        harness.alerts.start()
        for _ in range(20):
            # a look at a file takes real time
            await harness.store.alerts(1)
            await harness.clock.settle()
        # what is due, and whether there is more for another channel
        assert looks == 2
        faults.error = None
        async with asyncio.timeout(20):
            while len(told.kinds) < 2:
                await harness.clock.advance(5)
                await harness.store.alerts(1)
        assert told.kinds == [("failed", "raised", 1)] * 2
        await harness.alerts.stop()
