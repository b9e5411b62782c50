"""Two kinds of load: closed on completion, which finds the maximum, and at a fixed rate, which tells the latency."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from benchmarks.ledger import Ledger, now
from benchmarks.wire import Sender

#: seconds until a closed load sends the next event after a refusal
AFTER_REFUSAL = 0.05
#: most events that a load at a fixed rate sends without looking at its answers
BURST = 64
#: seconds between two looks at whether all is through
LOOK_EVERY = 0.02

R = TypeVar("R")
Names = Iterator[tuple[str, int]]


@dataclass(frozen=True)
class Span(Generic[R]):
    """The time that counts, and what was read at its two ends."""

    began: float
    seconds: float
    completed: int
    before: R
    after: R


async def closed(
    ledger: Ledger,
    sender: Sender,
    names: Names,
    *,
    outstanding: int,
    warm: float,
    seconds: float,
    read: Callable[[], R],
) -> Span[R]:
    """Keep so many events outstanding: the next is sent when one is through, so that no backlog can build up.

    Arguments: seconds of warm-up that do not count, seconds that count, and what to read at both ends.
    """
    loop = asyncio.get_running_loop()
    going = True

    def send_next(_event_id: str = "") -> None:
        if going:
            sender.send(*next(names))

    def after_completion(_event_id: str) -> None:
        # not at once: the API's answer goes out first
        loop.call_soon(send_next)

    def after_refusal(_event_id: str) -> None:
        loop.call_later(AFTER_REFUSAL, send_next)

    ledger.on_completed, ledger.on_failed = after_completion, after_refusal
    for _ in range(outstanding):
        send_next()
    await asyncio.sleep(warm)
    began, completed, before = now(), len(ledger.completed), read()
    await asyncio.sleep(seconds)
    ended, done, after = now(), len(ledger.completed), read()
    going = False
    return Span(began, ended - began, done - completed, before, after)


async def paced(
    ledger: Ledger,
    sender: Sender,
    names: Names,
    *,
    rate: float,
    seconds: float,
    read: Callable[[], R],
    halfway: Callable[[], Awaitable[None]] | None = None,
) -> Span[R]:
    """Send at a fixed rate, whether the system keeps up or not; each event counts from when it was due.

    ``halfway`` is awaited beside the load when half of it was sent.
    """
    total = int(rate * seconds)
    sent, aside = 0, None
    began, before = now(), read()
    while sent < total:
        due = began + sent / rate
        if now() < due:
            await asyncio.sleep(due - now())
            continue
        if halfway is not None and aside is None and sent >= total // 2:
            aside = asyncio.ensure_future(halfway())
        sender.send(*next(names), due=due)
        sent += 1
        if sent % BURST == 0:
            await asyncio.sleep(0)
    if aside is not None:
        await aside
    return Span(began, now() - began, len(ledger.completed), before, read())


async def settle(ledger: Ledger, *, stall: float, limit: float = 120.0) -> None:
    """Wait until every event was answered and all accepted ones are through, or nothing moved for ``stall`` seconds."""
    started = moved = now()
    seen = -1
    while now() - started < limit:
        count = ledger.answered + len(ledger.completed) + len(ledger.repeated)
        if count != seen:
            seen, moved = count, now()
        if (ledger.answered >= len(ledger.due) and not ledger.open()) or now() - moved > stall:
            return
        await asyncio.sleep(LOOK_EVERY)
