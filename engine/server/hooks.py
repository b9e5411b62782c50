"""The webhook receiver.

What is answered: 202 with the receipt's id once it is durable, or what a scenario that listens answers itself; 400 for
a body that cannot be read; 401 for a sender that fails its check; 404 for an unknown token; 405 for a method that
delivers nothing; 408 for a body that does not come; 410 for a retired token; 413 for a body that is too large; 429 over
the accept rate; 503 only when the store cannot take it. 500 says that the sender is not at fault: the check could not
be made, or an app's code failed; the reason is for the operator alone. The listener is opened when every scenario is
loaded, not before.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from aiohttp import ClientError, web

from engine.runtime.consents import CALLBACK
from engine.runtime.intake import Accepted, Intake
from engine.runtime.responding import Response, Responses
from engine.runtime.webhooks import Hook, Webhooks
from engine.scenario.plan import Listening
from engine.sdk import jsontext
from engine.sdk.clock import Clock, utc
from engine.sdk.errors import EngineError, StoreError
from engine.sdk.modules import Answer, Delivery
from engine.server.approvals import PREFIX as APPROVALS
from engine.server.bodies import UnreadableBody, decode
from engine.server.refusals import Refusals
from engine.store.ids import show
from engine.store.records import DeliveryState

#: seconds after which a sender should try again when the store cannot take its event
RETRY_AFTER = 5
#: seconds in which a body must have come
BODY_WITHIN = 30.0
#: below it stand the tokens
PREFIX = "/hooks/"
METHODS = ("GET", "POST", "PUT", "PATCH")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Checked:
    """A delivery that passed its sender check, without the check's secret."""

    headers: Mapping[str, str]
    query: Mapping[str, str]


class SenderRefused(EngineError):
    """A webhook's sender did not prove itself."""

    code = "sender-refused"


class CheckBroken(EngineError):
    """A webhook's sender could not be checked: the secret is missing, or the app's own check raised."""

    code = "check-broken"


class _Refused(Exception):
    """A request is not taken."""

    def __init__(
        self, status: int, answer: str, *, reason: str = "", body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(answer)
        self.status = status
        self.answer = answer
        self.reason = reason or answer
        self.body = body
        self.headers = headers


#: checks a delivery's sender; gives what may be stored, or raises ``SenderRefused`` or ``CheckBroken``
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
    """The webhook listener.

    :param body_limit: bytes.
    :param idle_after: seconds after which a connection that sends no whole request head is closed.
    :param accepted: told of everything that was taken, after the answer is decided.
    :param responses: what runs answer.
    :param consents: takes what comes back through browsers when connections are authorized.
    :param approvals: shows the pages behind the links of approvals, and takes their answers.
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
        idle_after: float,
        accept_rate: float | None = None,
        accepted: Callable[[Accepted], None] = lambda _accepted: None,
        approvals: Callable[[web.BaseRequest], Awaitable[web.Response]] | None = None,
        responses: Responses | None = None,
        consents: Callable[[web.BaseRequest], Awaitable[web.Response]] | None = None,
    ) -> None:
        self._consents = consents
        self._responses = responses
        self._webhooks = webhooks
        self._intake = intake
        self._check_sender = check_sender
        self._refusals = refusals
        self._clock = clock
        self._limit = body_limit
        self._idle_after = idle_after
        self._rate = Rate(accept_rate, clock)
        self._accepted = accepted
        self._approvals = approvals

    def server(self) -> web.Server:
        """The listener's HTTP server: one kind of path needs no router, and each event is spared its cost."""
        request = partial(web.BaseRequest, loop=asyncio.get_running_loop(), client_max_size=self._limit)
        return web.Server(self._hook, request_factory=request, access_log=None, keepalive_timeout=self._idle_after)

    async def _hook(self, request: web.BaseRequest) -> web.Response:
        if not request.path.startswith(PREFIX):
            if self._approvals is not None and request.path.startswith(APPROVALS):
                return await self._approvals(request)
            if self._consents is not None and request.path == CALLBACK:
                return await self._consents(request)
            # not even an attempt to deliver: whoever scans the port is not counted
            return web.Response(status=404, text="there is nothing here but webhooks\n")
        found = self._webhooks.find(request.path.removeprefix(PREFIX))
        name = found[0].name if found is not None else "?"
        try:
            hook = self._open(request, found)
            raw = await self._body(request)
            # the scenarios may be others by the time that the body is there
            hook = self._webhooks.hooks.get(name, hook)
            return await self._take(hook, request, raw)
        except _Refused as refused:
            return self._refuse(name, refused)
        except Exception as error:
            log.exception("a delivery to webhook '%s' failed", name, extra={"action": "delivery_failed"})
            return self._refuse(name, _Refused(500, "the engine failed", reason=f"{type(error).__name__}: {error}"))

    def _open(self, request: web.BaseRequest, found: tuple[Hook, bool] | None) -> Hook:
        """The webhook, if this request may be read at all."""
        if found is None:
            raise _Refused(404, "unknown webhook token")
        hook, valid = found
        if not valid:
            raise _Refused(410, "this webhook URL was retired")
        if request.method not in METHODS:
            allow = {"Allow": ", ".join(METHODS)}
            raise _Refused(405, f"{request.method} is no way to deliver an event", headers=allow)
        if wait := self._rate.wait():
            raise _Refused(429, "over the accept rate", headers={"Retry-After": str(math.ceil(wait))})
        return hook

    async def _body(self, request: web.BaseRequest) -> bytes:
        large = _Refused(413, f"the body has more than {self._limit} bytes")
        if (request.content_length or 0) > self._limit:
            raise large
        try:
            if request.content.is_eof():
                # it came with the head, as most do: there is nothing to wait for
                return await request.read()
            async with self._clock.timeout(BODY_WITHIN):
                return await request.read()
        except web.HTTPRequestEntityTooLarge:
            raise large from None
        except TimeoutError:
            raise _Refused(408, f"the body did not come within {BODY_WITHIN:g} s") from None
        except (ClientError, web.RequestPayloadError, ConnectionError) as error:
            # nobody may be there to read the answer; the operator reads the reason
            raise _Refused(400, "the body did not come whole", reason=f"the body did not come whole: {error}") from None

    async def _take(self, hook: Hook, request: web.BaseRequest, raw: bytes) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        query = dict(request.query) if request.query_string else {}
        now = utc(self._clock.time())
        try:
            checked = await self._check_sender(hook, Delivery(request.method, headers, query, raw, None, now))
        except SenderRefused as error:
            raise _Refused(401, error.message) from None
        except CheckBroken as error:
            raise _Refused(500, "the sender could not be checked", reason=error.message) from None
        kept = {name: _readable(value) for name, value in checked.headers.items()}
        try:
            body = decode(raw, kept.get("content-type", ""), dict(checked.query))
        except UnreadableBody as error:
            raise _Refused(400, error.message, body=raw) from None
        delivery = Delivery(request.method, kept, checked.query, raw, body, now)
        if answer := _handshake(hook, delivery):
            return web.Response(
                status=answer.status, body=answer.body.encode(), headers={"Content-Type": answer.content_type}
            )
        idle = hook.name.removeprefix("scenario:") if hook.name.startswith("scenario:") else ""
        try:
            accepted = await self._intake.accept(hook.name, hook.listeners, delivery, idle)
        except StoreError as error:
            again = {"Retry-After": str(RETRY_AFTER)}
            raise _Refused(503, "the store cannot take it now", reason=error.message, headers=again) from None
        self._accepted(accepted)
        if self._responses is not None and any(plan.responds for plan in hook.listeners):
            response = await self._respond(hook, accepted)
            if response is not None:
                return _answered(response)
        return web.Response(
            status=202, body=b'{"receipt":"%s"}' % show(accepted.receipt_id).encode(), content_type="application/json"
        )

    async def _respond(self, hook: Hook, accepted: Accepted) -> Response | None:
        """What a scenario answers; None: nobody does in time."""
        within = {
            plan.name: plan.trigger.respond_within
            for plan in hook.listeners
            if plan.responds and isinstance(plan.trigger, Listening)
        }
        made = [d for d in accepted.deliveries if d.state is DeliveryState.RUN and d.reason is None]
        made = [d for d in made if d.run_id not in accepted.held]
        own = {d.run_id: within[d.scenario] for d in made if d.run_id is not None and d.scenario in within}
        if not own or self._responses is None:
            return None
        # none of the runs has had a turn of the loop since they were begun
        expected = self._responses.expect(own)
        try:
            async with self._clock.timeout(max(own.values())):
                return await expected.answer
        except TimeoutError:
            return None
        finally:
            self._responses.leave(expected)

    def _refuse(self, webhook: str, refused: _Refused) -> web.Response:
        self._refusals.add(webhook, refused.status, refused.reason, refused.body)
        return web.Response(
            status=refused.status,
            body=jsontext.dumps({"error": _readable(refused.answer)}),
            headers=refused.headers,
            content_type="application/json",
        )


def _answered(response: Response) -> web.Response:
    body, kind = response.encoded()
    headers = {**response.headers, **({"Content-Type": kind} if kind is not None else {})}
    return web.Response(status=response.status, headers=headers, body=body or None)


def _readable(text: str) -> str:
    """A header's value as text: bytes that are no UTF-8 are read as Latin-1, which HTTP began with."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape").decode("latin-1")
    return text


def _handshake(hook: Hook, delivery: Delivery) -> Answer | None:
    """The answer to a vendor's challenge, when a listener's trigger knows one."""
    for plan in hook.listeners:
        trigger = plan.trigger
        if not isinstance(trigger, Listening) or trigger.module.handshake is None:
            continue
        try:
            answer = trigger.module.handshake(delivery)
        except Exception:
            # it may be an event, and events are not lost over an app's mistake
            log.exception(
                "the handshake of %s failed; the delivery is taken as an event",
                trigger.module_name,
                extra={"action": "handshake_failed"},
            )
            continue
        if answer is not None:
            return answer
    return None
