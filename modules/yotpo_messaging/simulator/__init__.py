"""The part of Yotpo's Core API that SMS & Email uses, and its messaging API, in small."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from engine import Behaviour, Clock, WebhookSample
from modules.simulation import Refused, SimulatedVendor
from modules.yotpo_core.names import CORE
from modules.yotpo_messaging.connection import CUSTOM_EVENT_PATH, CUSTOMERS_PATH
from modules.yotpo_messaging.simulator.customers import Customers
from modules.yotpo_messaging.simulator.rules import check_customer, check_event, error_body
from modules.yotpo_messaging.simulator.subscribers import BEHAVIOURS as SUBSCRIBERS
from modules.yotpo_messaging.simulator.subscribers import Subscribers
from modules.yotpo_messaging.simulator.webhooks import BEHAVIOURS as WEBHOOKS
from modules.yotpo_messaging.simulator.webhooks import Subscriptions

#: seconds that a token lives: 14 days
TOKEN_LIFETIME = 14 * 86_400.0
#: for one store
PER_SECOND = 5
#: where a test or a person reads what was stored; no part of the vendor's API
DEBUG_EVENTS = "/_simulator/custom_events"
DEBUG_CUSTOMERS = "/_simulator/customers"
DEBUG_SUBSCRIBERS = "/_simulator/subscribers"
DEBUG_WEBHOOKS = "/_simulator/webhooks"

_BEHAVIOURS = (
    Behaviour("a secret is exchanged for a token at access_tokens", "verified"),
    Behaviour("a token lives 14 days", "verified"),
    Behaviour("a bad or expired token is answered 401; 403 is a setting, both are the vendor's", "verified"),
    Behaviour("a wrong secret, or a store that is not known, is answered 401", "assumed"),
    Behaviour("more than 5 requests in a second are answered 429, with the rate headers", "verified"),
    Behaviour("an event of the same unique_id overwrites the first", "verified"),
    Behaviour("action_name, action_time, unique_id and customer are required", "verified"),
    Behaviour("source and action_name are snake case of 1 to 255 characters", "verified"),
    Behaviour("a customer is named by external_id, else by only one of email and phone_number", "verified"),
    Behaviour("event_properties are flat and hold primitives", "verified"),
    Behaviour("custom properties have names with underscores and no null", "verified"),
    Behaviour("path, verb and key names of the event call", "assumed"),
    Behaviour("a body that breaks a rule, or has a key that is not documented, is answered 400", "assumed"),
    Behaviour("a stored event is answered 200 with an empty object", "assumed"),
    Behaviour("a customer is created or changed by PATCH with a wrapper customer", "verified"),
    Behaviour("a change of a customer shows after 60 seconds, on the engine's clock", "verified"),
    Behaviour("a null leaves a field of a customer as it is", "verified"),
    Behaviour(
        "gender, account_status, default_language, default_currency, phone_number have the documented forms", "verified"
    ),
    Behaviour("a customer who is not known is created", "verified"),
    Behaviour("with an external_id, a customer without one is found by e-mail or phone number and gets it", "assumed"),
    Behaviour("tags and address are replaced as a whole, custom properties one by one", "assumed"),
    Behaviour("a changed customer is answered 200 with an empty object", "assumed"),
    Behaviour("customers are listed with limit (at most 100) and external_ids", "verified"),
    Behaviour("several external_ids stand in one parameter, with commas between them", "assumed"),
    Behaviour("customers are listed by email and phone_number on this host too", "assumed"),
    Behaviour("the next page is asked for with page_info; a filter beside it is answered 400", "verified"),
    Behaviour("a customer shows lists, the consent of each channel, and account_updated_at", "verified"),
    Behaviour("a customer shows the fields of the write under their own names", "assumed"),
    Behaviour("who never agreed nor objected shows the consent never_subscribed", "assumed"),
)


class MessagingSimulator(SimulatedVendor):
    """A store's SMS & Email account.

    :ivar events: what was stored, by ``unique_id``.
    :ivar writes: how often each ``unique_id`` was written.
    :ivar customers: what was written, and what of it shows.
    :ivar subscribers: lists, their contacts, and the welcome messages that were sent.
    :ivar subscriptions: which events are sent where.
    :ivar bad_token_status: how a bad token is answered: 401, or 403.
    """

    behaviours: Sequence[Behaviour] = (*_BEHAVIOURS, *SUBSCRIBERS, *WEBHOOKS)

    def __init__(
        self,
        clock: Clock,
        *,
        store_id: str = "simulated-store",
        secret: str = "simulated-secret",  # noqa: S107 - what the simulator accepts; opens nothing
        per_second: int | None = PER_SECOND,
    ) -> None:
        super().__init__(clock, per_second=per_second)
        self.store_id = store_id
        self.secret = secret
        self.events: dict[str, dict[str, Any]] = {}
        self.writes: Counter[str] = Counter()
        self.customers = Customers(clock)
        self.subscribers = Subscribers(self.customers, self.body_of)
        #: takes the webhooks that an event causes
        self.send: Callable[[WebhookSample], None] = lambda _sample: None
        self.subscriptions = Subscriptions(clock, self.body_of, self._tell)
        self.bad_token_status = 401
        #: by token: when it expires, in Unix seconds
        self.tokens: dict[str, float] = {}
        self._issued = 0

    def connection(self, base_url: str) -> Mapping[str, Any]:
        return {"store_id": self.store_id, "secret": self.secret, "base_url": base_url.rstrip("/")}

    @property
    def webhooks(self) -> Mapping[str, WebhookSample]:
        return self.subscriptions.samples()

    def _tell(self, sample: WebhookSample) -> None:
        self.send(sample)

    def routes(self) -> Sequence[web.RouteDef]:
        store = CORE + "/{store_id}"
        return [
            web.post(f"{store}/access_tokens", self._token),
            web.get(f"{store}{CUSTOMERS_PATH}", self._list_customers),
            web.patch(f"{store}{CUSTOMERS_PATH}", self._change_customer),
            web.post(f"{store}{CUSTOM_EVENT_PATH}", self._custom_event),
            web.get(DEBUG_EVENTS, self._stored_events),
            *self.subscribers.routes(),
            *self.subscriptions.routes(),
            web.get(DEBUG_CUSTOMERS, self._stored_customers),
            web.get(DEBUG_SUBSCRIBERS, self._stored_subscribers),
            web.get(DEBUG_WEBHOOKS, self.subscriptions.stored),
            web.post(DEBUG_WEBHOOKS, self.subscriptions.happened),
        ]

    def admit(self, request: web.Request) -> None:
        if request.path in (DEBUG_EVENTS, DEBUG_CUSTOMERS, DEBUG_SUBSCRIBERS, DEBUG_WEBHOOKS):
            return
        if request.match_info.get("store_id", self.store_id) != self.store_id:
            raise Refused(401, error_body("the store is not known"))
        if request.path.endswith("/access_tokens"):
            return
        expires = self.tokens.get(request.headers.get("X-Yotpo-Token", ""))
        if expires is None or expires <= self.clock.time():
            raise Refused(self.bad_token_status, error_body("the access token is not valid"))

    async def _token(self, request: web.Request) -> web.Response:
        body = await self.body_of(request)
        secret = body.get("secret") if isinstance(body, dict) else None
        if not isinstance(secret, str) or not hmac.compare_digest(secret.encode(), self.secret.encode()):
            raise Refused(401, error_body("the secret is not valid"))
        self._issued += 1
        token = f"simulated-token-{self._issued}"
        self.tokens[token] = self.clock.time() + TOKEN_LIFETIME
        return web.json_response({"access_token": token})

    async def _list_customers(self, request: web.Request) -> web.Response:
        return web.json_response(self.customers.page(request.query))

    async def _change_customer(self, request: web.Request) -> web.Response:
        self.customers.change(check_customer(await self.body_of(request)))
        return web.json_response({})

    async def _custom_event(self, request: web.Request) -> web.Response:
        event = check_event(await self.body_of(request))
        self.events[event["unique_id"]] = event
        self.writes[event["unique_id"]] += 1
        return web.json_response({})

    async def _stored_events(self, _request: web.Request) -> web.Response:
        return web.json_response({"custom_events": list(self.events.values()), "writes": dict(self.writes)})

    async def _stored_customers(self, _request: web.Request) -> web.Response:
        return web.json_response({"customers": self.customers.latest()})

    async def _stored_subscribers(self, _request: web.Request) -> web.Response:
        welcomed = [{"channel": channel, "address": address} for channel, address in self.subscribers.welcomed]
        contacts = {name: sorted(known) for name, known in self.subscribers.contacts.items()}
        return web.json_response(
            {"lists": list(self.subscribers.lists.values()), "contacts": contacts, "welcomed": welcomed}
        )
