"""A folder of files, and a layer over it that takes what is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from engine import Call, ConnectionType, DataError, NotFound, Opening
from modules.paths import below


@dataclass(frozen=True)
class Folder:
    """Where files are.

    :param root: resolved.
    :param overlay: resolved; what is written goes there, and what stands there goes before what stands in ``root``.
    """

    root: Path
    overlay: Path | None = None

    def found(self, path: str) -> Path:
        """A file to read. Raises ``NotFound``, ``DataError``."""
        for folder in (self.overlay, self.root):
            if folder is not None and (file := below(folder, path)).is_file():
                return file
        raise NotFound(f"there is no file '{path}'", refused=True)

    def target(self, path: str) -> tuple[Path, Path | None]:
        """Where a file is written, and what stands for it until it is there. Raises ``DataError``."""
        place = below(self.root, path)
        if any(part.startswith(".engine-files") for part in place.relative_to(self.root).parts):
            raise DataError(f"'{path}' is where the app keeps its own notes", refused=True)
        if self.overlay is None:
            return place, None
        return below(self.overlay, path), place

    @property
    def written(self) -> Path:
        """The folder that takes what is written."""
        return self.overlay if self.overlay is not None else self.root


def _open(opening: Opening) -> Folder:
    folders: list[Path | None] = []
    for name in ("root", "overlay"):
        given = opening.fields.get(name)
        folder = (opening.folder / given).resolve() if given is not None else None
        if folder is not None and not folder.is_dir():
            raise DataError(
                f"the connection's {name} is no folder: {given}", refused=True, hint="make it, or correct it"
            )
        folders.append(folder)
    root, overlay = folders
    assert root is not None, "the schema requires it"
    return Folder(root, overlay)


@asynccontextmanager
async def dial(opening: Opening) -> AsyncIterator[Folder]:
    yield await asyncio.to_thread(_open, opening)


async def check(call: Call) -> None:
    """Look into the folder."""
    folder: Folder
    async with call.client() as folder:
        try:
            await asyncio.to_thread(lambda: next(folder.root.iterdir(), None))
        except OSError as error:
            raise DataError(f"the folder cannot be read: {error.strerror}", refused=True) from None


CONNECTION = ConnectionType(
    name="files",
    title="Folder",
    description="A folder on the engine's machine. Paths stay below it: no '..', no symbolic link out of it.",
    fields={
        "type": "object",
        "required": ["root"],
        "additionalProperties": False,
        "properties": {
            "root": {
                "type": "string",
                "title": "Folder",
                "description": "Where the files are; relative to the project.",
                "minLength": 1,
            },
            "overlay": {
                "type": "string",
                "title": "Overlay",
                "description": (
                    "A second folder, which takes what is written: files there go before those of the first, which "
                    "stays as it is. Simulation does the same with a folder of its own."
                ),
                "minLength": 1,
            },
        },
    },
    client=dial,
    test=check,
    kept=frozenset({"root"}),
)
