"""An authorization server for all tests of this folder, and a project whose connection it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.plugins import Registry
from engine.runtime.connection_file import read_connections
from engine.runtime.connections import Connections
from engine.runtime.secrets import KeyRing, SecretBox, Secrets
from engine.sdk.apps import App
from engine.sdk.connections import ConnectionType
from engine.sdk.faults import NO_FAULTS, Faults
from engine.sdk.oauth import OAuth2
from engine.store.sqlite import SqliteStore
from engine.testing import VirtualClock
from tests.oauth.authorization import SECRET, Server

POINTS = ConnectionType(
    "points",
    "Points",
    {"type": "object", "required": ["client_id"], "additionalProperties": False, "properties": {}},
    base_url="https://points.example.com",
    auth=(
        OAuth2(
            token_url="https://points.example.com/token",
            authorize_url="https://points.example.com/auth",
            scopes=("points",),
        ),
    ),
)
ROBOTS = ConnectionType(
    "robots",
    "Robots",
    {"type": "object", "additionalProperties": False, "properties": {}},
    auth=(OAuth2(),),
    base_url="https://points.example.com",
)


def registry() -> Registry:
    made = Registry()
    made.add(App(name="points", title="Points", connections=(POINTS, ROBOTS)), "test")
    return made


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with Server() as made:
        yield made


class World:
    """A data folder, and processes that use it side by side."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder = folder
        self.server = server
        self.clock = VirtualClock()
        self._closing: list[Any] = []

    async def process(self, fields: str = "", *, kind: str = "points", faults: Faults = NO_FAULTS) -> Connections:
        """What one process has of the connection `points`."""
        store = SqliteStore(self.folder / "store.db", clock=self.clock)
        await store.open()
        file = self.folder / "connections.yaml"
        named = fields or f"{self.server.fields()}, client_secret: {{env: SECRET}}"
        file.write_text(f"points: {{type: {kind}, {named}}}\n")
        box = SecretBox(store, KeyRing(self.folder, {}), self.clock)
        secrets = Secrets({"SECRET": SECRET}, box)
        made = Connections(read_connections(file, registry()), registry(), secrets, self.clock, faults=faults)
        self._closing += [store, made]
        return made

    async def close(self) -> None:
        for one in reversed(self._closing):
            await one.close()

    def kept(self) -> bytes:
        """All that is in the data folder."""
        return b"".join(path.read_bytes() for path in self.folder.iterdir() if path.is_file())


@pytest.fixture
async def world(tmp_path: Path, server: Server) -> AsyncIterator[World]:
    made = World(tmp_path, server)
    yield made
    await made.close()


@pytest.fixture
def counted(server: Server) -> Callable[[], dict[str, int]]:
    """What the server has given since the test began."""
    before = server.counts()
    return lambda: {kind: n - before.get(kind, 0) for kind, n in server.counts().items() if n != before.get(kind, 0)}
