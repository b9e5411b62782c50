"""Both stores, as a restarted process finds them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from engine.sdk.faults import SimulatedCrash
from engine.store.interface import Store
from engine.store.sqlite import SqliteStore
from engine.testing import Harness, VirtualClock
from tests.promises.shop_runs import NewHarness
from tests.store.conftest import backend
from tests.support.shop import registry

__all__ = ["backend", "new_harness"]


@pytest.fixture(params=["memory", "sqlite"])
def new_harness(request: pytest.FixtureRequest, tmp_path: Path) -> NewHarness:
    """Makes harnesses over the shop; with SQLite each has a file of its own."""
    made = 0

    def make(*sources: str, **options: object) -> Harness:
        nonlocal made
        made += 1
        clock = VirtualClock()
        harness = Harness(list(sources), registry=registry(), clock=clock, **options)  # type: ignore[arg-type]
        if request.param == "sqlite":
            harness.new_store = _files(harness, tmp_path / f"{made}.db", clock)
        return harness

    return make


def _files(harness: Harness, path: Path, clock: VirtualClock) -> Callable[[Store | None], Awaitable[Store]]:
    async def open_again(before: Store | None) -> Store:
        if before is not None:
            with suppress(SimulatedCrash):
                await before.close()
        store = SqliteStore(path, clock=clock, faults=harness.faults)
        await store.open()
        return store

    return open_again
