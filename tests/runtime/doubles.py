"""A clock that tests turn by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class HandClock:
    """Stands still until ``advance``. ``waiting`` is set while somebody is inside ``timeout``."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now
        self._deadlines: list[tuple[float, asyncio.Timeout]] = []
        self.waiting = asyncio.Event()

    def time(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    @asynccontextmanager
    async def timeout(self, seconds: float | None) -> AsyncIterator[object]:
        async with asyncio.timeout(None) as timeout:
            if seconds is not None:
                entry = (self._now + seconds, timeout)
                self._deadlines.append(entry)
                self.waiting.set()
            try:
                yield timeout
            finally:
                if seconds is not None:
                    self._deadlines.remove(entry)

    def advance(self, seconds: float) -> None:
        """Let time pass; timeouts that it reaches fire."""
        self._now += seconds
        for deadline, timeout in self._deadlines:
            if deadline <= self._now:
                timeout.reschedule(asyncio.get_running_loop().time())
