"""The part of Yotpo's Core API that SMS & Email uses, in small."""

from __future__ import annotations

import hmac
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from aiohttp import web

from engine import Behaviour, Clock
from modules.simulation import Refused, SimulatedVendor
from modules.yotpo_messaging.connection import CUSTOM_EVENT_PATH

PREFIX = "/core/v3/stores"
#: seconds that a token lives: 14 days
TOKEN_LIFETIME = 14 * 86_400.0
#: for one store
PER_SECOND = 5
#: where a test or a person reads what was stored; no part of the vendor's API
DEBUG_EVENTS = "/_simulator/custom_events"

_SNAKE_CASE = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")
_PROPERTY = re.compile(r"[A-Za-z0-9_]+")
_E_164 = re.compile(r"\+[1-9]\d{1,14}")
_KEYS = frozenset({"source", "action_name", "action_time", "unique_id", "customer", "event_properties"})

_BEHAVIOURS = (
    Behaviour("a secret is exchanged for a token at access_tokens", "verified"),
    Behaviour("a token lives 14 days", "verified"),
    Behaviour("a bad or expired token is answered 401", "verified"),
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
    Behaviour("customers are listed with limit (at most 100) and external_ids", "verified"),
)


class MessagingSimulator(SimulatedVendor):
    """A store's SMS & Email account.

    :ivar events: what was stored, by ``unique_id``.
    :ivar writes: how often each ``unique_id`` was written.
    :ivar customers: what ``GET /customers`` lists.
    """

    behaviours: Sequence[Behaviour] = _BEHAVIOURS

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
        self.customers: list[dict[str, Any]] = [{"external_id": "700100", "email": "ana@example.com"}]
        #: by token: when it expires, in Unix seconds
        self.tokens: dict[str, float] = {}
        self._issued = 0

    def connection(self, base_url: str) -> Mapping[str, Any]:
        base_url = f"{base_url.rstrip('/')}{PREFIX}/{self.store_id}"
        return {"store_id": self.store_id, "secret": self.secret, "base_url": base_url}

    def routes(self) -> Sequence[web.RouteDef]:
        store = PREFIX + "/{store_id}"
        return [
            web.post(f"{store}/access_tokens", self._token),
            web.get(f"{store}/customers", self._customers),
            web.post(f"{store}{CUSTOM_EVENT_PATH}", self._custom_event),
            web.get(DEBUG_EVENTS, self._stored),
        ]

    def admit(self, request: web.Request) -> None:
        if request.path == DEBUG_EVENTS:
            return
        if request.match_info.get("store_id", self.store_id) != self.store_id:
            raise Refused(401, self.error_body("the store is not known"))
        if request.path.endswith("/access_tokens"):
            return
        expires = self.tokens.get(request.headers.get("X-Yotpo-Token", ""))
        if expires is None or expires <= self.clock.time():
            raise Refused(401, self.error_body("the access token is not valid"))

    async def _token(self, request: web.Request) -> web.Response:
        body = await self.body_of(request)
        secret = body.get("secret") if isinstance(body, dict) else None
        if not isinstance(secret, str) or not hmac.compare_digest(secret.encode(), self.secret.encode()):
            raise Refused(401, self.error_body("the secret is not valid"))
        self._issued += 1
        token = f"simulated-token-{self._issued}"
        self.tokens[token] = self.clock.time() + TOKEN_LIFETIME
        return web.json_response({"access_token": token})

    async def _customers(self, request: web.Request) -> web.Response:
        unknown = sorted(set(request.query) - {"limit", "external_ids"})
        if unknown:
            raise self._bad(f"unknown parameter {', '.join(unknown)}")
        limit = request.query.get("limit", "100")
        if not limit.isdecimal() or not 1 <= int(limit) <= 100:
            raise self._bad("limit must be a number from 1 to 100")
        wanted = {one for value in request.query.getall("external_ids", []) for one in value.split(",")}
        found = [person for person in self.customers if not wanted or person.get("external_id") in wanted]
        return web.json_response({"customers": found[: int(limit)], "pagination": {"next_page_info": None}})

    async def _custom_event(self, request: web.Request) -> web.Response:
        event = await self.body_of(request)
        if not isinstance(event, dict):
            raise self._bad("the body must be an object")
        self._check_event(event)
        self.events[event["unique_id"]] = event
        self.writes[event["unique_id"]] += 1
        return web.json_response({})

    async def _stored(self, _request: web.Request) -> web.Response:
        return web.json_response({"custom_events": list(self.events.values()), "writes": dict(self.writes)})

    def _bad(self, message: str) -> Refused:
        return Refused(400, self.error_body(message))

    def _check_event(self, event: dict[str, Any]) -> None:
        unknown = sorted(set(event) - _KEYS)
        if unknown:
            raise self._bad(f"unknown key {', '.join(unknown)}")
        for key in ("action_name", "action_time", "unique_id"):
            if not isinstance(event.get(key), str) or not event[key]:
                raise self._bad(f"{key} is required and must be text")
        for key in ("action_name", "source"):
            if key in event and not _is_snake_case(event[key]):
                raise self._bad(f"{key} must be snake case of 1 to 255 characters")
        try:
            datetime.fromisoformat(event["action_time"])
        except ValueError:
            raise self._bad("action_time must be an ISO 8601 time") from None
        self._check_customer(event.get("customer"))
        if "event_properties" in event:
            self._check_properties("event_properties", event["event_properties"])

    def _check_customer(self, customer: Any) -> None:
        if not isinstance(customer, dict):
            raise self._bad("customer is required and must be an object")
        unknown = sorted(set(customer) - {"external_id", "email", "phone_number", "custom_properties"})
        if unknown:
            raise self._bad(f"unknown key customer.{', customer.'.join(unknown)}")
        named = [key for key in ("external_id", "email", "phone_number") if key in customer]
        if any(not isinstance(customer[key], str) or not customer[key] for key in named):
            raise self._bad("an identifier of the customer must be text")
        if "external_id" not in named and len(named) != 1:
            raise self._bad("a customer is named by external_id, else by only one of email and phone_number")
        if "phone_number" in customer and not _E_164.fullmatch(customer["phone_number"]):
            raise self._bad("customer.phone_number must be in E.164 format")
        if "custom_properties" in customer:
            self._check_properties("customer.custom_properties", customer["custom_properties"])
            if not all(_PROPERTY.fullmatch(name) for name in customer["custom_properties"]):
                raise self._bad("names of custom properties use letters, digits and underscores")

    def _check_properties(self, where: str, properties: Any) -> None:
        if not isinstance(properties, dict):
            raise self._bad(f"{where} must be an object")
        for name, value in properties.items():
            if not isinstance(value, str | int | float | bool):
                raise self._bad(f"{where}.{name} must be text, a number or a boolean")


def _is_snake_case(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 255 and _SNAKE_CASE.fullmatch(value) is not None
