"""What the built-in simulators share: a vendor's rate limit on the engine's clock, and knobs to make it fail."""

from __future__ import annotations

import asyncio
import json
import math
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from engine import Behaviour, Clock

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refused(Exception):
    """The simulated vendor refuses a request.

    :param body: what the answer says, as JSON.
    """

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.headers = headers or {}


@dataclass(frozen=True)
class _Trouble:
    kind: Literal["status", "hang", "close"]
    applied: bool
    status: int = 0
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None


class SimulatedVendor(ABC):
    """A vendor in small. A subclass says its routes, who may come in, and how an error looks.

    :param clock: where its limits and delays take their time from.
    :param per_second: how many requests a second it takes from one account; None: any number.
    """

    behaviours: Sequence[Behaviour] = ()
    #: bytes of the largest body that it reads, so that it can say itself what is too large
    largest_body = 1024**2

    def __init__(self, clock: Clock, *, per_second: int | None) -> None:
        self.clock = clock
        self.per_second = per_second
        #: seconds that it takes to answer
        self.latency = 0.0
        #: how often each ``METHOD /path`` was asked, refused requests included
        self.calls: Counter[str] = Counter()
        self._troubles: deque[_Trouble] = deque()
        #: set when a request hangs
        self.hanging = asyncio.Event()
        self._released = asyncio.Event()
        self._window = (0, 0)

    # what a subclass says

    @abstractmethod
    def routes(self) -> Sequence[web.RouteDef]:
        """What the vendor answers."""

    def admit(self, request: web.Request) -> None:  # noqa: B027 - a vendor without credentials admits everybody
        """Raise ``Refused`` when the request's credentials are not good."""

    def error_body(self, message: str) -> Any:
        """How the vendor's errors look."""
        return {"errors": [message]}

    def rate_headers(self, limit: int, remaining: int, reset: int) -> Mapping[str, str]:
        """The vendor's rate headers. ``reset`` is in seconds."""
        return {"RateLimit-Remaining": str(remaining), "RateLimit-Reset": str(reset)}

    # what a test turns

    def fail_next(
        self,
        status: int,
        times: int = 1,
        *,
        applied: bool = False,
        body: Any = None,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer the next requests with this status.

        :param applied: whether the vendor carries them out all the same.
        :param body: what the answers say, as JSON; an error of the vendor's form when not given.
        :param raw: what they say as ``text/plain`` in place of that, whatever it is.
        """
        body = self.error_body(f"simulated failure {status}") if body is None else body
        self._troubles.extend([_Trouble("status", applied, status, body, headers or {}, raw)] * times)

    def hang(self, times: int = 1, *, applied: bool = True) -> None:
        """Never answer the next requests."""
        self._troubles.extend([_Trouble("hang", applied)] * times)

    def close_mid_answer(self, times: int = 1, *, applied: bool = True) -> None:
        """Break the connection in the middle of the next answers."""
        self._troubles.extend([_Trouble("close", applied)] * times)

    # the server

    def application(self) -> web.Application:
        """The HTTP server. Called once."""
        application = web.Application(middlewares=[self._middleware], client_max_size=self.largest_body)
        application.add_routes(self.routes())
        application.on_shutdown.append(self._release)
        return application

    async def _release(self, _application: web.Application) -> None:
        self._released.set()

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.calls[f"{request.method} {request.path}"] += 1
        trouble = self._troubles.popleft() if self._troubles else None
        if self.latency:
            await self.clock.sleep(self.latency)
        if trouble is None:
            return await self._answer(request, handler)
        answer = await self._answer(request, handler) if trouble.applied else None
        if trouble.kind == "status":
            if trouble.raw is None:
                return self._json(trouble.status, trouble.body, trouble.headers)
            plain = {"Content-Type": "text/plain", **trouble.headers}
            return web.Response(body=trouble.raw, status=trouble.status, headers=plain)
        if trouble.kind == "hang":
            self.hanging.set()
            await self._released.wait()
            return self._json(503, self.error_body("the simulator is shutting down"))
        return await _cut(request, answer)

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        headers: dict[str, str] = {}
        try:
            self.admit(request)
            self._count(headers)
            answer = await handler(request)
        except Refused as refusal:
            answer = self._json(refusal.status, refusal.body, refusal.headers)
        answer.headers.update(headers)
        return answer

    def _count(self, headers: dict[str, str]) -> None:
        if self.per_second is None:
            return
        now = self.clock.time()
        second, used = self._window
        used = used + 1 if second == math.floor(now) else 1
        self._window = (math.floor(now), used)
        headers.update(
            self.rate_headers(self.per_second, max(0, self.per_second - used), max(1, math.ceil(1 - now % 1)))
        )
        if used > self.per_second:
            raise Refused(429, self.error_body("too many requests"))

    def _json(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> web.Response:
        return web.json_response(body, status=status, headers=dict(headers or {}))

    async def body_of(self, request: web.Request) -> Any:
        """The request's body as JSON. Refuses anything else with 400."""
        try:
            return json.loads(await request.read())
        except ValueError:
            raise Refused(400, self.error_body("the body is not JSON")) from None


async def _cut(request: web.Request, answer: web.StreamResponse | None) -> web.StreamResponse:
    whole = answer.body if isinstance(answer, web.Response) and isinstance(answer.body, bytes) else b'{"ok": true}'
    half = web.StreamResponse(
        status=answer.status if answer else 200,
        headers={"Content-Type": "application/json", "Content-Length": str(len(whole) + 1)},
    )
    await half.prepare(request)
    await half.write(whole[: max(1, len(whole) // 2)])
    if request.transport is not None:
        request.transport.close()
    return half
