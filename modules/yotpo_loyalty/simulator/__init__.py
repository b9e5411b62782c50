"""Yotpo Loyalty in small: one file a room, all of them over one merchant's state."""

from __future__ import annotations

import hmac
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from engine import Behaviour, Clock, WebhookSample
from modules.simulation import Handler as WebHandler
from modules.simulation import SimulatedVendor
from modules.yotpo_loyalty.simulator.campaigns import Campaigns
from modules.yotpo_loyalty.simulator.orders import Orders
from modules.yotpo_loyalty.simulator.people import People
from modules.yotpo_loyalty.simulator.points import Points
from modules.yotpo_loyalty.simulator.reading import refused
from modules.yotpo_loyalty.simulator.redemptions import Redemptions
from modules.yotpo_loyalty.simulator.room import Created, Handler, Room
from modules.yotpo_loyalty.simulator.state import News, State
from modules.yotpo_loyalty.simulator.tiers import Tiers
from modules.yotpo_loyalty.simulator.webhooks import BEHAVIOURS as WEBHOOK_BEHAVIOURS
from modules.yotpo_loyalty.simulator.webhooks import Webhooks

#: where the API stands below the simulator's URL
PREFIX = "/api/v2"
#: the vendor's newer documentation; an older copy says 5
PER_SECOND = 10
#: requests that are remembered, so that a simulator that runs for days stays small
REMEMBERED = 1000

#: whoever adds routes adds a room
ROOMS: tuple[type[Room], ...] = (People, Points, Campaigns, Redemptions, Tiers, Orders)

_BEHAVIOURS = (
    Behaviour("x-guid and x-api-key name the merchant", "verified"),
    Behaviour("guid and api_key are accepted in the query too", "assumed"),
    Behaviour("a missing or wrong key is answered 401", "assumed"),
    Behaviour("more than the allowed requests in a second are answered 429, with the rate headers", "verified"),
    Behaviour("the allowed requests are 10 a second for one merchant; 5 by an older copy of its page", "verified"),
    Behaviour("the headers of a minute count sixty times those of a second", "assumed"),
    Behaviour("a parameter of a wrong form, or one that is not documented, is answered 400", "assumed"),
)


@dataclass(frozen=True, slots=True)
class Received:
    """A request that was let in, as it came.

    :param path: below the API's base.
    """

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


class LoyaltySimulator(SimulatedVendor):
    """A merchant's loyalty program.

    ``state`` (customers, campaigns and what else the rooms keep) may be changed at any time; ``content_type`` is a
    setting, because both were seen.
    """

    behaviours: Sequence[Behaviour] = (
        *_BEHAVIOURS,
        *(one for room in ROOMS for one in room.behaviours),
        *WEBHOOK_BEHAVIOURS,
    )

    def __init__(
        self,
        clock: Clock,
        *,
        guid: str = "simulated-guid",
        api_key: str = "simulated-api-key",
        per_second: int | None = PER_SECOND,
    ) -> None:
        super().__init__(clock, per_second=per_second)
        self.guid = guid
        self.api_key = api_key
        self.state = State(clock)
        self.rooms = [room(self.state) for room in ROOMS]
        #: takes the webhooks that a change causes
        self.send: Callable[[WebhookSample], None] = lambda _sample: None
        self._webhooks = Webhooks(self.state)
        self.state.tell = self._tell
        #: the last requests, oldest first; those that were then refused included
        self.received: deque[Received] = deque(maxlen=REMEMBERED)
        #: the vendor was seen to send JSON as text/plain
        self.content_type = "application/json"

    def connection(self, base_url: str) -> Mapping[str, Any]:
        return {"guid": self.guid, "api_key": self.api_key, "base_url": base_url.rstrip("/") + PREFIX}

    @property
    def webhooks(self) -> Mapping[str, WebhookSample]:
        return self._webhooks.samples()

    def _tell(self, news: News) -> None:
        for sample in self._webhooks.caused_by(news):
            self.send(sample)

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.route(route.method, PREFIX + route.path, self._answering(route.handler))
            for room in self.rooms
            for route in room.routes()
        ]

    def admit(self, request: web.Request) -> None:
        guid = request.headers.get("x-guid") or request.query.get("guid", "")
        key = request.headers.get("x-api-key") or request.query.get("api_key", "")
        if not (_same(guid, self.guid) and _same(key, self.api_key)):
            raise refused(401, "the GUID or the API key is not valid")

    def rate_headers(self, limit: int, remaining: int, reset: int) -> Mapping[str, str]:
        return {
            "ratelimit-limit": str(limit),
            "ratelimit-remaining": str(remaining),
            "ratelimit-reset": str(reset),
            "x-ratelimit-limit-minute": str(limit * 60),
            "x-ratelimit-remaining-minute": str(limit * 59 + remaining),
        }

    def _answering(self, handler: Handler) -> WebHandler:
        async def answer(request: web.Request) -> web.StreamResponse:
            path = request.path.removeprefix(PREFIX)
            self.received.append(Received(request.method, path, dict(request.query), await request.read()))
            body, status = await handler(request), 200
            if isinstance(body, Created):
                body, status = body.body, 201
            return web.Response(body=json.dumps(body).encode(), status=status, content_type=self.content_type)

        return answer


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
