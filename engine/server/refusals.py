"""Requests that were not taken: counted, and the last few kept, without letting a flood of them write at its pace."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque

from engine.sdk.clock import Clock
from engine.store.changes import CountRefusals
from engine.store.interface import Store
from engine.store.records import Refusal

#: seconds between two writes
FLUSH_EVERY = 1.0
#: refusals of one webhook that wait for the next write; older ones are only counted
KEPT = 20
#: characters of a refused body that are kept
EXCERPT = 500


class Refusals:
    """Counts in memory and writes at most once a second; while the store is broken, what is counted waits for it."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._counts: Counter[tuple[str, int]] = Counter()
        # by webhook: a flood at one leaves the refusals of the others to be seen
        self._latest: defaultdict[str, deque[Refusal]] = defaultdict(lambda: deque(maxlen=KEPT))
        self._task: asyncio.Task[None] | None = None

    def add(self, webhook: str, status: int, reason: str, body: bytes = b"") -> None:
        """Note a refused request. Unknown tokens count under the webhook name ``?``."""
        self._counts[webhook, status] += 1
        excerpt = body[:EXCERPT].decode("utf-8", "replace")
        self._latest[webhook].append(Refusal(self._clock.time(), webhook, status, reason, excerpt))
        if self._task is None:
            self._task = asyncio.create_task(self._later())

    async def _later(self) -> None:
        while self._counts:
            await self._clock.sleep(FLUSH_EVERY)
            self.flush()
        self._task = None

    def flush(self) -> None:
        """Write what has gathered, with the next commit."""
        if not self._counts or self._store.broken:
            return
        counts = tuple((webhook, status, n) for (webhook, status), n in self._counts.items())
        latest = sorted((r for kept in self._latest.values() for r in kept), key=lambda r: r.at)
        self._counts.clear()
        self._latest.clear()
        self._store.ride(CountRefusals(counts, tuple(latest)))

    def close(self) -> None:
        """Write what has gathered, and stop."""
        if self._task is not None:
            self._task.cancel()
        self.flush()
