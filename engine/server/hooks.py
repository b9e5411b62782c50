"""The webhook receiver.

What is answered: 202 with the receipt's id once it is durable; 400 for a body that cannot be read; 401 for a sender
that fails its check; 404 for an unknown token; 410 for a retired one; 413 for a body that is too large; 429 over the
accept rate; 503 only when the store cannot take it. The listener is opened when every scenario is loaded, not before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from engine.runtime.intake import Accepted, Intake
from engine.runtime.webhooks import Hook, Webhooks
from engine.sdk import jsontext
from engine.sdk.clock import Clock, utc
from engine.sdk.errors import EngineError, StoreError
from engine.sdk.modules import Answer, Delivery
from engine.server.bodies import UnreadableBody, decode
from engine.server.refusals import Refusals
from engine.store.ids import show

#: seconds after which a sender should try again when the store cannot take its event
RETRY_AFTER = 5


@dataclass(frozen=True, slots=True)
class Checked:
    """A delivery that passed its sender check, without the check's secret."""

    headers: Mapping[str, str]
    query: Mapping[str, str]


class SenderRefused(EngineError):
    """A webhook's sender did not prove itself."""

    code = "sender-refused"


#: checks a delivery's sender; gives what may be stored, or raises ``SenderRefused``
SenderChecker = Callable[[Hook, Delivery], Awaitable[Checked]]


class Rate:
    """An accept rate: a bucket that holds one second's worth, and at least one."""

    def __init__(self, per_second: float | None, clock: Clock) -> None:
        self._per_second = per_second
        self._clock = clock
        self._room = max(1.0, per_second or 1.0)
        self._at = clock.time()

    def wait(self) -> float:
        """Takes one and gives 0, or gives the seconds until there is room."""
        if self._per_second is None:
            return 0.0
        now = self._clock.time()
        most = max(1.0, self._per_second)
        self._room = min(most, self._room + max(0.0, now - self._at) * self._per_second)
        self._at = now
        if self._room >= 1:
            self._room -= 1
            return 0.0
        return (1 - self._room) / self._per_second


class HookServer:
    """The webhook listener's application.

    :param body_limit: bytes.
    :param accepted: told of everything that was taken, after the answer is decided.
    """

    def __init__(
        self,
        webhooks: Webhooks,
        intake: Intake,
        check_sender: SenderChecker,
        refusals: Refusals,
        clock: Clock,
        *,
        body_limit: int,
        accept_rate: float | None = None,
        accepted: Callable[[Accepted], None] = lambda _accepted: None,
    ) -> None:
        self._webhooks = webhooks
        self._intake = intake
        self._check_sender = check_sender
        self._refusals = refusals
        self._clock = clock
        self._limit = body_limit
        self._rate = Rate(accept_rate, clock)
        self._accepted = accepted

    def application(self) -> web.Application:
        app = web.Application(client_max_size=self._limit)
        app.router.add_route("*", "/hooks/{token}", self._hook)
        return app

    async def _hook(self, request: web.Request) -> web.Response:
        found = self._webhooks.find(request.match_info["token"])
        if found is None:
            return self._refuse("?", 404, "unknown webhook token")
        hook, valid = found
        if not valid:
            return self._refuse(hook.name, 410, "this webhook URL was retired")
        if request.method not in ("POST", "PUT", "PATCH", "GET"):
            return self._refuse(hook.name, 405, f"{request.method} is no way to deliver an event")
        if wait := self._rate.wait():
            return self._refuse(hook.name, 429, "over the accept rate", retry_after=max(1, round(wait)))
        try:
            if (request.content_length or 0) > self._limit:
                raise web.HTTPRequestEntityTooLarge(self._limit, request.content_length or 0)
            raw = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return self._refuse(hook.name, 413, f"the body has more than {self._limit} bytes")
        return await self._take(hook, request, raw)

    async def _take(self, hook: Hook, request: web.Request, raw: bytes) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        query = dict(request.query)
        now = utc(self._clock.time())
        try:
            checked = await self._check_sender(hook, Delivery(request.method, headers, query, raw, None, now))
        except SenderRefused as error:
            return self._refuse(hook.name, 401, error.message)
        try:
            body = decode(raw, headers.get("content-type", ""), dict(checked.query))
        except UnreadableBody as error:
            return self._refuse(hook.name, 400, error.message, raw)
        delivery = Delivery(request.method, checked.headers, checked.query, raw, body, now)
        if answer := _handshake(hook, delivery):
            return web.Response(status=answer.status, text=answer.body, content_type=answer.content_type)
        idle = hook.name.removeprefix("scenario:") if hook.name.startswith("scenario:") else ""
        try:
            accepted = await self._intake.accept(hook.name, hook.listeners, delivery, idle)
        except StoreError:
            return self._refuse(hook.name, 503, "the store cannot take it now", retry_after=RETRY_AFTER)
        self._accepted(accepted)
        return web.Response(
            status=202, body=b'{"receipt":"%s"}' % show(accepted.receipt_id).encode(), content_type="application/json"
        )

    def _refuse(
        self, webhook: str, status: int, reason: str, body: bytes = b"", *, retry_after: int | None = None
    ) -> web.Response:
        self._refusals.add(webhook, status, reason, body)
        headers = {"Retry-After": str(retry_after)} if retry_after is not None else None
        return web.Response(
            status=status, body=jsontext.dumps({"error": reason}), headers=headers, content_type="application/json"
        )


def _handshake(hook: Hook, delivery: Delivery) -> Answer | None:
    """The answer to a vendor's challenge, when a listener's trigger knows one."""
    for plan in hook.listeners:
        if plan.trigger is not None and plan.trigger.module.handshake is not None:
            answer = plan.trigger.module.handshake(delivery)
            if answer is not None:
                return answer
    return None
