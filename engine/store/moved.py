"""Whether the store's files still stand where they were opened.

SQLite goes on writing to a file that was removed or replaced; whatever is acknowledged then goes with it when the
process ends. So each commit looks first: two calls of the system, next to a sync of the disk.
"""

from __future__ import annotations

import os
from pathlib import Path

from engine.sdk.errors import StoreError

#: device and number of a file; None: there is none
_Identity = tuple[int, int] | None


class Files:
    """The file and its log, as they were when they were opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names = (str(path), f"{path}-wal")
        self._file: _Identity = None
        self._log: _Identity = None

    def opened(self) -> None:
        """A connection was opened, and has read. Raises ``StoreError`` when it is another file than before."""
        file, log = map(_identity, self._names)
        if self._file is not None and file != self._file:
            raise self._moved()
        self._file, self._log = file, log

    def check(self) -> None:
        """Raises ``StoreError`` when the file or its log is gone, or is another one."""
        if (_identity(self._names[0]), _identity(self._names[1])) != (self._file, self._log):
            raise self._moved()

    def _moved(self) -> StoreError:
        return StoreError(
            "the store's file or its log was removed or replaced while it was open; nothing more is written to it",
            place=str(self._path),
            hint="put both back where they were, and the engine goes on by itself; or restart it to take the file that "
            "is there now",
        )


def _identity(name: str) -> _Identity:
    try:
        found = os.stat(name)  # noqa: PTH116 - once for each commit: a path object costs as much again
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
