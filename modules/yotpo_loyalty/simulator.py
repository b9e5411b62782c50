"""Yotpo Loyalty in small."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from engine import Behaviour, Clock
from modules.simulation import Refused, SimulatedVendor
from modules.yotpo_loyalty import samples
from modules.yotpo_loyalty.customers import CONFIG, IDENTIFICATION

#: where the API stands below the simulator's URL
PREFIX = "/api/v2"
#: the vendor's newer documentation; an older copy says 5
PER_SECOND = 10
#: the text is the vendor's, its place inside ``errors`` is inferred
ABSENT = "Could not find customer"

_BEHAVIOURS = (
    Behaviour("x-guid and x-api-key name the merchant", "verified"),
    Behaviour("guid and api_key are accepted in the query too", "assumed"),
    Behaviour("a missing or wrong key is answered 401", "assumed"),
    Behaviour("more than the allowed requests in a second are answered 429, with the rate headers", "verified"),
    Behaviour("the allowed requests are 10 a second for one merchant", "verified"),
    Behaviour("a customer is found by customer_email, customer_id, phone_number or pos_account_id", "verified"),
    Behaviour("referral_code is answered only with with_referral_code=true", "verified"),
    Behaviour("history_items are answered only with with_history=true", "verified"),
    Behaviour("an unknown customer is answered 404 with a top-level errors key", "assumed"),
    Behaviour("a lookup without identification is answered 400", "assumed"),
    Behaviour("a parameter of a wrong form, or one that is not documented, is answered 400", "assumed"),
    Behaviour("e-mail addresses are compared without regard to case", "assumed"),
    Behaviour("with_status=true adds a status to each campaign", "verified"),
)


class LoyaltySimulator(SimulatedVendor):
    """A merchant's loyalty program.

    ``customers`` (by e-mail) and ``campaigns`` may be changed at any time; ``absent_status`` and ``content_type``
    are settings, because both were seen to differ.
    """

    behaviours: Sequence[Behaviour] = _BEHAVIOURS

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
        self.customers: dict[str, dict[str, Any]] = samples.customers()
        self.campaigns: list[dict[str, Any]] = [samples.campaign()]
        #: 404, or 200 as older accounts answer
        self.absent_status = 404
        #: the vendor was seen to send JSON as text/plain
        self.content_type = "application/json"

    def connection(self, base_url: str) -> Mapping[str, Any]:
        return {"guid": self.guid, "api_key": self.api_key, "base_url": base_url.rstrip("/") + PREFIX}

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.get(f"{PREFIX}/customers", self._customer),
            web.get(f"{PREFIX}/campaigns", self._campaigns),
        ]

    def admit(self, request: web.Request) -> None:
        guid = request.headers.get("x-guid") or request.query.get("guid", "")
        key = request.headers.get("x-api-key") or request.query.get("api_key", "")
        if not (_same(guid, self.guid) and _same(key, self.api_key)):
            raise Refused(401, self.error_body("the GUID or the API key is not valid"))

    def rate_headers(self, limit: int, remaining: int, reset: int) -> Mapping[str, str]:
        return {
            "ratelimit-limit": str(limit),
            "ratelimit-remaining": str(remaining),
            "ratelimit-reset": str(reset),
            "x-ratelimit-limit-minute": str(limit * 60),
            "x-ratelimit-remaining-minute": str(limit * 59 + remaining),
        }

    async def _customer(self, request: web.Request) -> web.Response:
        query = self._query(request, known=frozenset(CONFIG["properties"]))
        wanted = {name: query[name] for name in IDENTIFICATION if query.get(name)}
        if not wanted:
            raise Refused(400, self.error_body("one of " + ", ".join(IDENTIFICATION) + " is required"))
        with_referral_code = self._boolean(query, "with_referral_code")
        with_history = self._boolean(query, "with_history")
        found = next((person for person in self.customers.values() if _matches(person, wanted, query)), None)
        if found is None:
            raise Refused(self.absent_status, self.error_body(ABSENT))
        left_out: set[str] = set()
        if not with_referral_code:
            left_out |= {"referral_code", "referral_link"}
        if not with_history:
            left_out.add("history_items")
        return self._answered({key: value for key, value in found.items() if key not in left_out})

    async def _campaigns(self, request: web.Request) -> web.Response:
        query = self._query(request, known=frozenset({"with_status", "customer_email", "customer_id"}))
        status = {"status": samples.CAMPAIGN_STATUS} if self._boolean(query, "with_status") else {}
        return self._answered([{**campaign, **status} for campaign in self.campaigns])

    def _query(self, request: web.Request, known: frozenset[str]) -> Mapping[str, str]:
        query = {name: value for name, value in request.query.items() if name not in ("guid", "api_key")}
        unknown = sorted(set(query) - known)
        if unknown:
            raise Refused(400, self.error_body(f"unknown parameter {', '.join(unknown)}"))
        return query

    def _boolean(self, query: Mapping[str, str], name: str) -> bool:
        value = query.get(name, "false")
        if value not in ("true", "false"):
            raise Refused(400, self.error_body(f"{name} must be true or false"))
        return value == "true"

    def _answered(self, body: Any) -> web.Response:
        return web.Response(body=json.dumps(body).encode(), content_type=self.content_type)


def _matches(person: Mapping[str, Any], wanted: Mapping[str, str], query: Mapping[str, str]) -> bool:
    """Whether all identifications that are given lead to this person."""
    for name, value in wanted.items():
        if name == "customer_email":
            same = str(person["email"]).casefold() == value.casefold()
        elif name == "customer_id":
            same = person.get("third_party_id") == value
        elif name == "pos_account_id":
            same = person.get("pos_account_id") == value
        else:
            same = _same_phone(str(person.get("phone_number") or ""), value, query.get("country_iso_code"))
        if not same:
            return False
    return True


def _same_phone(stored: str, asked: str, country: str | None) -> bool:
    if asked.startswith("+") or country is None:
        return stored == asked
    national = "".join(filter(str.isdigit, asked)).lstrip("0")
    return bool(national) and stored.endswith(national)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
