"""Files under ``--simulate``: read as they are, written elsewhere."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from engine import Behaviour, Clock


class FilesSimulator:
    """An empty folder over the connection's own."""

    behaviours: Sequence[Behaviour] = (
        Behaviour("files are read from the connection's folder", "verified"),
        Behaviour("what is written stands in a temporary folder, and is read from there", "verified"),
        Behaviour("the temporary folder goes with the simulator", "verified"),
        Behaviour("without a connection the folder is empty", "verified"),
    )

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        #: what was written
        self.folder = Path()

    @asynccontextmanager
    async def serve(self, host: str, port: int) -> AsyncIterator[str]:
        with tempfile.TemporaryDirectory(prefix="engine-files-") as folder:
            self.folder = _made(folder, "written")
            _made(folder, "empty")
            yield str(self.folder)

    def connection(self, address: str) -> Mapping[str, Any]:
        return {"root": str(Path(address).parent / "empty"), "overlay": address}


def _made(folder: str, name: str) -> Path:
    made = Path(folder).resolve() / name
    made.mkdir()
    return made
