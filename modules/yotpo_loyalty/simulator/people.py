"""Customers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from engine import Behaviour
from modules.yotpo_loyalty.simulator.reading import flag, one_of, query_of
from modules.yotpo_loyalty.simulator.room import Room, Route

_IDENTIFICATION = ("customer_email", "customer_id", "pos_account_id", "phone_number")
_LOOKUP = (*_IDENTIFICATION, "country_iso_code", "with_referral_code", "with_history")


class People(Room):
    behaviours = (
        Behaviour("a customer is found by customer_email, customer_id, phone_number or pos_account_id", "verified"),
        Behaviour("referral_code is answered only with with_referral_code=true", "verified"),
        Behaviour("history_items are answered only with with_history=true", "verified"),
        Behaviour("an unknown customer is answered 404 with a top-level errors key", "assumed"),
        Behaviour("a lookup without identification is answered 400", "assumed"),
        Behaviour("e-mail addresses are compared without regard to case", "assumed"),
    )

    def routes(self) -> Sequence[Route]:
        return [Route("GET", "/customers", self._customer)]

    async def _customer(self, request: web.Request) -> Any:
        query = query_of(request, _LOOKUP)
        wanted = one_of(query, _IDENTIFICATION)
        left_out: set[str] = set()
        if not flag(query, "with_referral_code"):
            left_out |= {"referral_code", "referral_link"}
        if not flag(query, "with_history"):
            left_out.add("history_items")
        found = self.state.customer(wanted, query.get("country_iso_code"))
        return {key: value for key, value in found.items() if key not in left_out}
