"""The sender: new events at a fixed rate, whether the engine answers or not.

Each event has an id of its own. Every second one is repeated until it is acknowledged, as a careful vendor does, which
also makes duplicates: an acknowledgement that died with the engine is asked for again. The others are sent once; those
that were not acknowledged may or may not be there.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Self

import aiohttp

#: seconds after which an attempt counts as failed
TIMEOUT = 10.0
#: seconds until an event is repeated
REPEAT_AFTER = 1.0
#: how many customers the events are about
CUSTOMERS = 50


class Load:
    """Sends, and remembers what was acknowledged. Use as an async context manager; leaving it cuts off what is open.

    :param rate: new events per second.
    """

    def __init__(self, url: str, rate: float) -> None:
        self.sent = 0
        self.attempts = 0
        #: event to the receipt it was acknowledged with
        self.acknowledged: dict[str, str] = {}
        #: answers by status
        self.answers: Counter[int] = Counter()
        #: seconds from each start of the engine to its first acknowledgement
        self.first_answers: list[float] = []
        self._url = url
        self._rate = rate
        self._started_at: float | None = None
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=0), timeout=aiohttp.ClientTimeout(total=TIMEOUT)
        )
        self._open: set[asyncio.Task[None]] = set()
        self._maker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._maker = asyncio.create_task(self._make())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._maker is not None
        for task in (self._maker, *self._open):
            task.cancel()
        await asyncio.gather(self._maker, *self._open, return_exceptions=True)
        await self._session.close()

    def engine_started(self) -> None:
        """From here on the next acknowledgement is the new engine's first."""
        self._started_at = time.monotonic()

    async def finish(self, seconds: float) -> None:
        """Make no new events, and wait until those that are repeated are acknowledged. Raises ``TimeoutError``."""
        assert self._maker is not None
        self._maker.cancel()
        async with asyncio.timeout(seconds):
            while self._open:
                await asyncio.gather(*self._open)

    async def _make(self) -> None:
        began = time.monotonic()
        while True:
            event = f"e{self.sent:06}"
            task = asyncio.create_task(self._send(event, self.sent, repeat=self.sent % 2 == 0))
            self._open.add(task)
            task.add_done_callback(self._open.discard)
            self.sent += 1
            await asyncio.sleep(max(0.0, began + self.sent / self._rate - time.monotonic()))

    async def _send(self, event: str, number: int, *, repeat: bool) -> None:
        body = {"event_id": event, "customer": f"c{number % CUSTOMERS}"}
        while not await self._attempt(event, body):
            if not repeat:
                return
            await asyncio.sleep(REPEAT_AFTER)

    async def _attempt(self, event: str, body: dict[str, str]) -> bool:
        self.attempts += 1
        began = time.monotonic()
        try:
            async with self._session.post(self._url, json=body) as response:
                self.answers[response.status] += 1
                if response.status != 202:
                    return False
                # the status alone is the acknowledgement, even if the engine dies in the middle of its answer
                self.acknowledged[event] = ""
                self.acknowledged[event] = (await response.json())["receipt"]
        except (aiohttp.ClientError, TimeoutError, OSError):
            return event in self.acknowledged
        if self._started_at is not None and began >= self._started_at:
            self.first_answers.append(time.monotonic() - self._started_at)
            self._started_at = None
        return True
