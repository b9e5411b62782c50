"""One process executes a store at a time.

The lock is the operating system's: it ends with the process that holds it, however that ends. What is written in the
file only says who holds it.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from engine.sdk.clock import Clock, iso
from engine.sdk.errors import StoreLocked
from engine.store.trouble import explain

_NAME = "lock"
# `holder` takes the lock for a moment, so one refusal does not say that somebody executes
_TRIES = 5
_PAUSE = 0.02


class ExecutorLock:
    """The right to execute the store in a data folder; a context manager.

    :param folder: the data folder; it is made when it is not there.
    :param clock: where ``since`` comes from.
    :param command: what this process is, as others shall read it: ``engine serve``.
    :param pause: waits so many seconds between two tries.
    """

    def __init__(
        self, folder: Path, *, clock: Clock, command: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._command = command
        self._pause = pause
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises ``StoreLocked``, which says who holds it, or ``StoreError``."""
        path = self._folder / _NAME
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise explain(path, error) from error
        try:
            if not self._try(fd):
                raise _locked(path, _read(fd))
            since = iso(self._clock.time())
            about = {"pid": os.getpid(), "host": socket.gethostname(), "since": since, "command": self._command}
            os.ftruncate(fd, 0)
            os.pwrite(fd, json.dumps(about).encode(), 0)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.ftruncate(fd, 0)
            os.close(fd)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _try(self, fd: int) -> bool:
        for left in range(_TRIES - 1, -1, -1):
            if _lock(fd):
                return True
            if left:
                self._pause(_PAUSE)
        return False


def holder(folder: Path) -> Mapping[str, Any] | None:
    """Who executes the store in a data folder now: ``pid``, ``host``, ``since``, ``command``; None: nobody.

    The mapping is empty for a holder that has not yet written who it is.
    """
    try:
        fd = os.open(folder / _NAME, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise explain(folder / _NAME, error) from error
    try:
        return None if _lock(fd) else _read(fd)
    finally:
        os.close(fd)


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(fd: int) -> Mapping[str, Any]:
    try:
        about = json.loads(os.pread(fd, 4096, 0))
    except ValueError:
        return {}
    return about if isinstance(about, dict) else {}


def _locked(path: Path, about: Mapping[str, Any]) -> StoreLocked:
    pid = about.get("pid")
    by = f"process {pid} ({about.get('command')}, since {about.get('since')})" if pid else "another process"
    return StoreLocked(
        f"{path.parent} is executed by {by}",
        place=str(path),
        hint="stop that process first, or use another data folder with --data",
    )
