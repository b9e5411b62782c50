"""Time that a test turns."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

#: turns of the event loop after which what can go on without time has gone on
SETTLE_TURNS = 40


class VirtualClock:
    """A clock that stands still until it is told to move.

    :param start: Unix seconds; by default 2024-03-05 09:00 UTC.
    """

    def __init__(self, start: float = 1_709_629_200.0) -> None:
        self._now = start
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._cancelled: set[int] = set()

    def time(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not future.done():
                future.set_result(None)

        timer = self._call_at(self._now + seconds, wake)
        try:
            await future
        finally:
            self._cancel(timer)

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        return _Timeout(self, seconds)

    @property
    def next_timer(self) -> float | None:
        """When the next sleep or timeout is due, in Unix seconds."""
        while self._timers and self._timers[0][1] in self._cancelled:
            self._cancelled.discard(heapq.heappop(self._timers)[1])
        return self._timers[0][0] if self._timers else None

    async def settle(self) -> None:
        """Let everything go on that does not wait for time."""
        for _ in range(SETTLE_TURNS):
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        """Move on, stopping at every timer on the way as real time would."""
        target = self._now + seconds
        await self.settle()
        while (due := self.next_timer) is not None and due <= target:
            self._now = max(self._now, due)
            while (following := self.next_timer) is not None and following <= self._now:
                _, number, fire = heapq.heappop(self._timers)
                fire()
                self._cancelled.discard(number)
            await self.settle()
        self._now = max(self._now, target)

    def jump(self, seconds: float) -> None:
        """Set the clock forward or back at once, as an administrator might; no timer fires by it."""
        self._now += seconds

    def _call_at(self, when: float, fire: Callable[[], object]) -> int:
        number = next(self._numbers)

        def call() -> None:
            if number not in self._cancelled:
                fire()

        heapq.heappush(self._timers, (when, number, call))
        return number

    def _cancel(self, number: int) -> None:
        if any(timer[1] == number for timer in self._timers):
            self._cancelled.add(number)


class _Timeout:
    """As ``asyncio.Timeout``, on a virtual clock."""

    def __init__(self, clock: VirtualClock, seconds: float | None) -> None:
        self._clock = clock
        self._seconds = seconds
        self._timer: int | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._expired = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        assert self._task is not None
        self._cancelling = self._task.cancelling()
        if self._seconds is not None:
            if self._seconds <= 0:
                asyncio.get_running_loop().call_soon(self._expire)
            else:
                self._timer = self._clock._call_at(self._clock.time() + self._seconds, self._expire)  # noqa: SLF001 - one mechanism in two classes
        return self

    def _expire(self) -> None:
        if self._task is not None:
            self._expired = True
            self._task.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        task, self._task = self._task, None
        if self._timer is not None:
            self._clock._cancel(self._timer)  # noqa: SLF001 - as above
        assert task is not None
        if self._expired and task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error
        return None
