"""Making the engine fail at a named point."""

from __future__ import annotations

import asyncio

from engine.sdk.faults import POINTS, SimulatedCrash


class CrashAt:
    """Crashes when a fault point is reached for the n-th time. Made inside the running event loop.

    :param point: a name of ``engine.sdk.faults.POINTS``; None only counts.
    """

    def __init__(self, point: str | None = None, nth: int = 1) -> None:
        if point is not None and point not in POINTS:
            raise ValueError(f"'{point}' is no fault point; there are: {', '.join(POINTS)}")
        self.point = point
        self.nth = nth
        self.hits: dict[str, int] = {}
        self._loop = asyncio.get_running_loop()
        self._death = asyncio.Event()
        self.crashed = False

    async def death(self) -> None:
        """Return when the crash has happened. A dead process answers nobody: race what waits for it against this."""
        await self._death.wait()

    def hit(self, point: str) -> None:
        self.hits[point] = self.hits.get(point, 0) + 1
        if self.crashed:
            raise SimulatedCrash("dead already")
        if point == self.point and self.hits[point] == self.nth:
            self.crashed = True
            # a store's writer passes its points in a thread of its own
            self._loop.call_soon_threadsafe(self._death.set)
            raise SimulatedCrash(f"{point}, time {self.nth}")
