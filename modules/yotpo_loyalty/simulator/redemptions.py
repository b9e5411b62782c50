"""Redemption options, and redemptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from engine import Behaviour
from modules.yotpo_loyalty.simulator.reading import Kinds, body_of, flag, one_of, query_of, refused
from modules.yotpo_loyalty.simulator.room import Room, Route
from modules.yotpo_loyalty.simulator.state import Redeemed

_FILTERS = ("customer_email", "customer_id", "phone_number")
_IDENTIFICATION = (*_FILTERS, "pos_account_id")
_KINDS: Kinds = {
    "redemption_option_id": int,
    **dict.fromkeys(_IDENTIFICATION, str),
    "delay_points_deduction": bool,
    "currency": str,
    "points_to_redeem": int,
}


class Redemptions(Room):
    behaviours = (
        Behaviour("discount_type chooses among the redemption options", "verified"),
        Behaviour("is_offline and the customer leave the list of redemption options as it is", "assumed"),
        Behaviour("a redemption names its customer by exactly one identification, else 400", "assumed"),
        Behaviour("a redemption deducts the option's points and answers a coupon code in reward_text", "verified"),
        Behaviour("a redemption stands in the history with negative points and its code as status", "verified"),
        Behaviour("a redemption is approved at once, and is_pos where pos_account_id names the customer", "assumed"),
        Behaviour("a redemption without enough points is answered 422", "assumed"),
        Behaviour("a redemption of an unknown option is answered 404", "assumed"),
        Behaviour("an option of type variable needs points_to_redeem, any other takes none, else 400", "assumed"),
        Behaviour("delay_points_deduction deducts when an order with the code arrives", "verified"),
    )

    def routes(self) -> Sequence[Route]:
        return [
            Route("GET", "/redemption_options", self._options),
            Route("POST", "/redemptions", self._redeem),
        ]

    async def _options(self, request: web.Request) -> Any:
        query = query_of(request, (*_FILTERS, "is_offline", "discount_type"))
        flag(query, "is_offline")
        wanted = {name: query[name] for name in _FILTERS if query.get(name)}
        if wanted:
            self.state.customer(wanted)
        kind = query.get("discount_type")
        return [one for one in self.state.redemption_options if kind is None or one["discount_type"] == kind]

    async def _redeem(self, request: web.Request) -> Any:
        body = await body_of(request, _KINDS, required=("redemption_option_id",))
        wanted = one_of(body, _IDENTIFICATION)
        if len(wanted) > 1:
            raise refused(400, f"only one of {', '.join(wanted)} may be given")
        person = self.state.customer(wanted)
        option = next((one for one in self.state.redemption_options if one["id"] == body["redemption_option_id"]), None)
        if option is None:
            raise refused(404, "Could not find redemption option")
        points = _cost(option, body.get("points_to_redeem"))
        if person["points_balance"] < points:
            raise refused(422, "insufficient points balance")
        number = self.state.number()
        code = f"SAVE-{number}"
        if body.get("delay_points_deduction"):
            self.state.delayed[code] = (person, points, option["name"])
        else:
            self.state.book(person, -points, option["name"], earned=False, status=code)
        person["perks_redeemed"] += 1
        now = self.state.now()
        redemption = {
            "id": number,
            "reward_text": code,
            "approved": True,
            "approved_at": now,
            "created_at": now,
            "updated_at": now,
            "code": code,
            "third_party_id": None,
            "third_party_rule_id": None,
            "token": None,
            "is_admin": False,
            "is_pos": "pos_account_id" in wanted,
            "at_checkout": False,
        }
        self.state.tell(Redeemed(person, option, redemption))
        return redemption


def _cost(option: dict[str, Any], chosen: int | None) -> int:
    variable = option["discount_type"] == "variable"
    if variable != (chosen is not None):
        raise refused(400, f"points_to_redeem is {'required' if variable else 'not allowed'} for this option")
    points = chosen if chosen is not None else int(option["amount"])
    if points < 0 or (variable and points == 0):
        raise refused(400, "points_to_redeem must be positive")
    return points
