"""Optimove in small: its endpoint for server-side events, and the one that takes Yotpo's."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from engine import Behaviour, Clock
from modules.optimove.connection import MOST_PARAMETERS, REQUESTS_PER_SECOND
from modules.optimove.loyalty import EVENTS, named
from modules.optimove.send_event import vendors_time
from modules.optimove.simulator.rules import error_body, invalid, problem_of
from modules.simulation import Refused, SimulatedVendor

#: where server-side events are sent to; each tenant is given a URL of its own
ENDPOINT = "/reportEvent"
#: where Yotpo sends its events: ``https://server-<tenant ID>.optimove.net/yotpo``
YOTPO = "/yotpo"
#: where a test or a person reads what was recorded; no part of the vendor's API
DEBUG_EVENTS = "/_simulator/events"
#: the name of the header is not known
TOKEN_HEADER = "X-Simulated-Token"  # noqa: S105 - a header's name
#: the first of the numbers that the vendor answers with
_FIRST_ID = 1147206418897270

_BEHAVIOURS = (
    Behaviour("an event is one JSON POST with tenant, event, customer or visitor, timestamp and context", "verified"),
    Behaviour("exactly one of customer and visitor is given", "verified"),
    Behaviour("timestamp is UTC with three decimals, or with six", "verified"),
    Behaviour("context holds texts of up to 255 characters, numbers and booleans, and nothing else", "verified"),
    Behaviour("events and parameters must be set up before; their names are snake case, and case counts", "verified"),
    Behaviour("names are lower case", "assumed"),
    Behaviour("an event that is taken is answered with status success and a numeric id as message", "verified"),
    Behaviour("a tenant that is missing or wrong is answered with status error, in the documented words", "verified"),
    Behaviour("other refusals begin with the same words; how they go on is made up", "assumed"),
    Behaviour("a refusal has HTTP status 200; another is a setting", "assumed"),
    Behaviour("the tenant is looked at before the event", "assumed"),
    Behaviour("a key that is not documented is refused", "assumed"),
    Behaviour("an event has at most 50 parameters, as in the vendor's mobile SDKs", "assumed"),
    Behaviour("the real-time token is in a header, and a wrong one is refused like a wrong tenant", "assumed"),
    Behaviour("more than 10 requests in a second are answered 429", "assumed"),
    Behaviour("the same event twice is two events", "assumed"),
    Behaviour(
        "an event of a customer whom the site does not know is taken; that it is refused is a setting", "assumed"
    ),
    Behaviour("a URL that ends in /yotpo is entered into Yotpo, of whose events twelve are taken", "verified"),
    Behaviour("what comes to /yotpo is a body of Yotpo's own", "assumed"),
    Behaviour("names and parameters of the twelve events are those of this app", "assumed"),
    Behaviour(
        "what comes to /yotpo and is none of the twelve, or is about nobody, is answered 200 and dropped", "assumed"
    ),
)


class OptimoveSimulator(SimulatedVendor):
    """A site with Track & Trigger.

    :ivar catalogue: the events that are set up, with the types of their parameters; at first the twelve loyalty events.
    :ivar events: what was recorded, oldest first.
    :ivar error_status: HTTP status of a refusal.
    :ivar customers: the customer ids that the site knows; None: it takes any.
    """

    behaviours: Sequence[Behaviour] = _BEHAVIOURS

    def __init__(
        self,
        clock: Clock,
        *,
        tenant: int = 999,
        token: str = "simulated-token",  # noqa: S107 - what the simulator accepts; opens nothing
        per_second: int | None = REQUESTS_PER_SECOND,
    ) -> None:
        super().__init__(clock, per_second=per_second)
        self.tenant = tenant
        self.token = token
        self.catalogue: dict[str, dict[str, str]] = {
            event.name: {one.name: one.kind for one in event.parameters} for event in EVENTS
        }
        self.events: list[dict[str, Any]] = []
        self.error_status = 200
        self.customers: set[str] | None = None
        self.most_parameters = MOST_PARAMETERS

    def connection(self, base_url: str) -> Mapping[str, Any]:
        return {
            "tenant": self.tenant,
            "base_url": base_url.rstrip("/") + ENDPOINT,
            "token": self.token,
            "token_header": TOKEN_HEADER,
        }

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.post(ENDPOINT, self._event),
            web.post(YOTPO, self._yotpo),
            web.get(DEBUG_EVENTS, self._recorded),
        ]

    def error_body(self, message: str) -> Any:
        return error_body(message)

    def admit(self, request: web.Request) -> None:
        if request.path != ENDPOINT:
            return
        token = request.headers.get(TOKEN_HEADER, "")
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            raise invalid(self.error_status, "token is missing or invalid")

    async def _event(self, request: web.Request) -> web.Response:
        body = await self.body_of(request)
        problem = problem_of(body, self.tenant, self.catalogue, self.most_parameters)
        if problem is None and self.customers is not None and body.get("customer") not in {*self.customers, None}:
            problem = "customer is not known"
        if problem is not None:
            raise invalid(self.error_status, problem)
        return self._record(body)

    async def _yotpo(self, request: web.Request) -> web.Response:
        body = await self.body_of(request)
        if not isinstance(body, dict):
            raise Refused(400, error_body("the body is not an object"))
        found = named(body)
        known = self.customers is None or found.customer in self.customers
        if found.event is None or found.customer is None or not known:
            return web.json_response({})
        moment = datetime.fromtimestamp(self.clock.time(), UTC)
        return self._record(
            {
                "tenant": self.tenant,
                "event": found.event.name,
                "customer": found.customer,
                "timestamp": vendors_time(moment),
                "context": dict(found.context),
            }
        )

    def _record(self, event: dict[str, Any]) -> web.Response:
        self.events.append(event)
        return web.json_response({"status": "success", "message": str(_FIRST_ID + len(self.events) - 1)})

    async def _recorded(self, _request: web.Request) -> web.Response:
        return web.json_response({"events": self.events})
