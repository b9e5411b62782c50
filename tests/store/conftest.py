from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from engine.sdk.faults import NO_FAULTS, Faults
from engine.store.memory import MemoryStore
from engine.store.sqlite import SqliteStore
from tests.store.rows import StillClock

AnyStore = SqliteStore | MemoryStore


class Backend:
    """Opens stores of one kind over the same lasting state, as one process after another would."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.path = folder / "data" / "store.db"
        self.clock = StillClock()
        self._opened: list[AnyStore] = []

    def new(self, faults: Faults = NO_FAULTS) -> AnyStore:
        """A store that is not open yet; the one before it is dead or closed."""
        store: AnyStore
        if self.kind == "sqlite":
            store = SqliteStore(self.path, clock=self.clock, faults=faults)
        elif self._opened:
            last = self._opened[-1]
            assert isinstance(last, MemoryStore)
            store = last.reborn(faults)
        else:
            store = MemoryStore(clock=self.clock, faults=faults)
        self._opened.append(store)
        return store

    async def open(self, faults: Faults = NO_FAULTS) -> AnyStore:
        store = self.new(faults)
        await store.open()
        return store

    async def close(self) -> None:
        for store in self._opened:
            await store.close()


@pytest.fixture(params=["sqlite", "memory"])
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    backend = Backend(request.param, tmp_path)
    yield backend
    await backend.close()


@pytest.fixture
async def store(backend: Backend) -> AnyStore:
    return await backend.open()


@pytest.fixture
async def open_file(tmp_path: Path) -> AsyncIterator[Callable[..., SqliteStore]]:
    """Makes SQLite stores that are closed when the test ends."""
    made: list[SqliteStore] = []

    def make(path: Path = tmp_path / "store.db", **options: object) -> SqliteStore:
        made.append(SqliteStore(path, clock=StillClock(), **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for store in made:
        await store.close()
