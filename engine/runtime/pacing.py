"""The pace of a connection: no more requests than its vendor takes, and none while the vendor wants a pause.

One ``Pace`` per connection, shared by all runs of the process. Whoever wants to send takes a turn first; turns are
given in the order in which they were asked for. Within any ``burst / per_second`` seconds no more than ``burst`` turns
are given, wherever the vendor's own seconds begin. What the vendor says goes before our count: a 429, or an answer that
no request is left, closes the connection to everybody until the time that it names.

A turn that is soon is waited for in memory. One that is far off is not: the caller hears how far, so that a run can
sleep in the store meanwhile.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Mapping

from engine.sdk.clock import Clock
from engine.sdk.connections import RateLimit
from engine.sdk.errors import RateLimitError
from engine.sdk.http import LONGEST_WAIT, UNIX_TIMES, retry_after

#: seconds up to which a turn is waited for in memory
PATIENCE = 30.0
#: seconds for which a 429 that names no time closes the connection
PAUSE = 1.0


class Pace:
    """Gives turns.

    :param limit: what the connection type declares.
    :param per_second: what the connection itself sets; None: what the type says.
    """

    def __init__(self, limit: RateLimit, clock: Clock, per_second: float | None = None) -> None:
        self._limit = limit
        self._clock = clock
        self._per_second = 0.0
        self._burst = 1
        #: when the latest turns were given, oldest first
        self._given: deque[float] = deque()
        self._closed_until = -math.inf
        #: when the last of those who were sent away is expected back
        self._expected = -math.inf
        self._seen = -math.inf
        self._waiting = 0
        # asyncio's lock is first come, first served, and whoever is cancelled while waiting for it is left out
        self._line = asyncio.Lock()
        self.set(per_second)

    def set(self, per_second: float | None) -> None:
        """Go on at another rate; what was sent before counts."""
        rate = self._limit.per_second if per_second is None else per_second
        if rate != self._per_second:
            self._per_second = rate
            self._burst = self._limit.burst or max(1, math.floor(rate))
            self._given = deque(self._given, self._burst)

    async def turn(self) -> float:
        """Wait for a turn and take it.

        :returns: 0.0 with the turn; else no turn was taken, and asking is worth while in so many seconds.
        """
        ahead = self._waiting
        if not ahead and self._due(0) <= self._now():
            self.count()
            return 0.0
        if (wait := self._due(ahead) - self._now()) > PATIENCE:
            return self._away(wait)
        self._waiting += 1
        try:
            async with self._line:
                # asked again after each wait, because the vendor may have closed the connection meanwhile
                while (wait := self._due(0) - self._now()) > 0:
                    if wait > PATIENCE:
                        return self._away(wait)
                    await self._clock.sleep(wait)
                self.count()
                return 0.0
        finally:
            self._waiting -= 1

    async def take(self, what: str) -> None:
        """As ``turn``, for those who cannot sleep in the store.

        :param what: the request, for people.
        :raises RateLimitError: the turn is far off. Nothing was sent.
        """
        if wait := await self.turn():
            raise RateLimitError(
                f"{what}: the connection's rate limit leaves no turn for {wait:.0f} s; nothing was sent",
                refused=True,
                retry_after=wait,
            )

    def count(self) -> None:
        """Count a request that goes without waiting."""
        self._given.append(self._now())

    def heard(self, status: int, headers: Mapping[str, str]) -> None:
        """Take in what an answer says of the limit (lower-case names)."""
        remaining, reset = (_number(headers.get(name)) for name in self._limit.headers)
        wait: float | None = None
        if status == 429:
            asked = retry_after(headers)
            wait = asked if asked is not None else reset if reset is not None else PAUSE
        elif remaining is not None and remaining <= 0:
            wait = reset
        if wait is not None:
            self._closed_until = max(self._closed_until, self._now() + min(wait, LONGEST_WAIT))

    def _due(self, ahead: int) -> float:
        """When somebody has a turn who has so many ahead: after as many rounds of turns as those take."""
        rounds, place = divmod(ahead, self._burst)
        window = self._burst / self._per_second
        free = self._burst - len(self._given)
        earliest = self._given[place - free] + window if place >= free else -math.inf
        return max(earliest, self._closed_until, self._now()) + rounds * window

    def _away(self, wait: float) -> float:
        """Send somebody away for so long or longer: those who come back do so one after another, at the rate."""
        now = self._now()
        self._expected = max(now + wait, self._expected + 1 / self._per_second)
        return self._expected - now

    def _now(self) -> float:
        now = self._clock.time()
        if now < self._seen:
            # the clock was set back: nobody waits for the time that it shows twice
            back = self._seen - now
            self._given = deque((given - back for given in self._given), self._burst)
            self._closed_until -= back
            self._expected -= back
        self._seen = now
        return now


def _number(text: str | None) -> float | None:
    """A header's number, as far as it can be one of requests or of seconds."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < UNIX_TIMES else None
