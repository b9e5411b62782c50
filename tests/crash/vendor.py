"""The vendor: a process of its own that is never killed, and that does the counting.

A request counts when all of it has arrived, whatever becomes of the answer. What a customer is worth changes with
every look, so whatever was decided once and is decided anew after a crash shows: two writes of one event differ.

    GET  /customers/{id}               tier and tags, drawn anew each time
    PUT  /events/{event}/tags/{tag}    idempotent
    POST /charges                      {"event_id", "percent"}: not idempotent
    GET  /counts                       what arrived, as JSON

Run as a program it prints its port and ends when its stdin does.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter, defaultdict
from typing import Any

from aiohttp import web

TAGS = ("loyal", "newsletter", "early-bird")
#: seconds that the vendor takes to answer: from, to
DELAY = (0.002, 0.010)


class Vendor:
    """Answers, and keeps an append-only list of what arrived.

    :param seed: of the delays and of what customers are worth.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        #: method, event or customer, percent (of a write)
        self.arrived: list[tuple[str, str, int | None]] = []
        #: what each charge was answered, by event
        self.charges: defaultdict[str, list[str]] = defaultdict(list)

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/customers/{id}", self._customer)
        app.router.add_put("/events/{event}/tags/{tag}", self._tag)
        app.router.add_post("/charges", self._charge)
        app.router.add_get("/counts", self._counts)
        return app

    async def _customer(self, request: web.Request) -> web.Response:
        self.arrived.append(("GET", request.match_info["id"], None))
        await self._take_time()
        tags = self._random.sample(TAGS, self._random.randint(1, len(TAGS)))
        return web.json_response({"tier": self._random.choice(("GOLD", "SILVER")), "tags": tags})

    async def _tag(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.arrived.append(("PUT", request.match_info["event"], body["percent"]))
        await self._take_time()
        return web.json_response({})

    async def _charge(self, request: web.Request) -> web.Response:
        body = await request.json()
        event = body["event_id"]
        self.arrived.append(("POST", event, body["percent"]))
        number = f"charge-{len(self.arrived)}"
        self.charges[event].append(number)
        await self._take_time()
        return web.json_response({"receipt": number}, status=201)

    async def _counts(self, _request: web.Request) -> web.Response:
        return web.json_response(self.counts())

    def counts(self) -> dict[str, Any]:
        """Requests by method, the answers to the charges of each event, events whose writes contradict each other."""
        percents: defaultdict[str, set[int | None]] = defaultdict(set)
        for method, event, percent in self.arrived:
            if method != "GET":
                percents[event].add(percent)
        return {
            "requests": Counter(method for method, _, _ in self.arrived),
            "charges": self.charges,
            "contradicting": sorted(event for event, found in percents.items() if len(found) > 1),
        }

    async def _take_time(self) -> None:
        await asyncio.sleep(self._random.uniform(*DELAY))


async def serve(seed: int) -> None:
    """Serve until stdin ends."""
    runner = web.AppRunner(Vendor(seed).application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        sys.stdout.write(f"{runner.addresses[0][1]}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
