"""The engine's clock, as modules and simulators see it. Time comes in as an argument, so that tests can turn it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    """Where time comes from. Seconds are Unix seconds, UTC."""

    def time(self) -> float:
        """Now, in Unix seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds of this clock."""
        ...

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        """Cancel the body after so many seconds of this clock and raise the built-in ``TimeoutError``; None: never."""
        ...


def utc(seconds: float) -> datetime:
    """Unix seconds as an aware datetime."""
    return datetime.fromtimestamp(seconds, UTC)


# the time of an event is written more than once for each run
@lru_cache(64)
def iso(seconds: float) -> str:
    """Unix seconds as ISO 8601 in UTC with milliseconds, such as ``2024-03-05T09:00:00.000Z``."""
    return utc(seconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")
