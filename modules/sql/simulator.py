"""An SQLite in a temporary folder."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from engine import Behaviour, Clock

BEHAVIOURS = (
    Behaviour(
        "an SQLite stands in, whatever the connection names; it begins with the connection's sample, else empty",
        "assumed",
    ),
    Behaviour("a statement that is wrong, or names a table that is not there, is refused", "verified"),
    Behaviour("a second row of a unique key is refused", "verified"),
    Behaviour("a query can change nothing", "verified"),
)


class SqlSimulator:
    """:ivar path: the database's file, from ``serve`` on."""

    behaviours: Sequence[Behaviour] = BEHAVIOURS

    def __init__(self, clock: Clock) -> None:
        self.path = Path()

    @asynccontextmanager
    async def serve(self, host: str, port: int) -> AsyncIterator[str]:
        """Have the file for as long; it listens nowhere."""
        with tempfile.TemporaryDirectory(prefix="engine-sql-") as folder:
            self.path = Path(folder) / "simulated.db"
            yield str(self.path)

    def connection(self, address: str) -> Mapping[str, Any]:
        return {"database": "sqlite", "path": address}
