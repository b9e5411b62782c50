"""What changes points from outside: recorded actions and adjustments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from engine import Behaviour
from modules.yotpo_loyalty.simulator.reading import Kinds, body_of, moment, one_of, refused
from modules.yotpo_loyalty.simulator.room import Room, Route

_IDENTIFICATION = ("customer_email", "customer_id")
_ACTION: Kinds = {
    "type": str,
    "customer_email": str,
    "customer_id": str,
    "action_name": str,
    "ip_address": str,
    "user_agent": str,
    "created_at": str,
    "reward_points": int,
    "history_title": str,
}
_ADJUSTMENT: Kinds = {
    "customer_email": str,
    "customer_id": str,
    "point_adjustment_amount": int,
    "apply_adjustment_to_points_earned": bool,
    "history_title": str,
    "visible_to_customer": bool,
}
#: in an adjustment's answer
_MERCHANT = 4242


class Points(Room):
    behaviours = (
        Behaviour("an action is counted for the Custom Action campaign of exactly its action_name", "verified"),
        Behaviour("an action_name that no Custom Action campaign has is answered 400", "assumed"),
        Behaviour("a type other than CustomAction is answered 400", "assumed"),
        Behaviour("reward_points and history_title take the place of the campaign's", "verified"),
        Behaviour("an action gives its points at once, and each time that it is sent", "assumed"),
        Behaviour("an action is answered 200 with an empty object", "assumed"),
        Behaviour("an action or adjustment for an unknown customer is answered 404", "assumed"),
        Behaviour(
            "an adjustment changes the balance, and with apply_adjustment_to_points_earned=true the points "
            "ever earned too",
            "verified",
        ),
        Behaviour("apply_adjustment_to_points_earned is false when it is left out", "assumed"),
        Behaviour(
            "a change of points stands in the history under its title; with visible_to_customer=false it does not",
            "assumed",
        ),
        Behaviour("a change that would take the balance below zero is answered 422", "assumed"),
        Behaviour("an adjustment is answered 200, 422 or 423", "verified"),
        Behaviour("423 says that the record is busy", "assumed"),
        Behaviour("an action on a record that is busy is answered 423 too", "assumed"),
        Behaviour(
            "an adjustment is answered 200 with id, customer_id, merchant_id, name, type, referral_id, "
            "created_at and updated_at, in snake case",
            "assumed",
        ),
    )

    def routes(self) -> Sequence[Route]:
        return [Route("POST", "/actions", self._act), Route("POST", "/points/adjust", self._adjust)]

    async def _act(self, request: web.Request) -> Any:
        action = await body_of(request, _ACTION, required=("action_name",))
        wanted = one_of(action, _IDENTIFICATION)
        if action.get("type", "CustomAction") != "CustomAction":
            raise refused(400, "type must be CustomAction")
        name = action["action_name"]
        campaign = next((one for one in self.state.campaigns if one.get("action_name") == name), None)
        if campaign is None:
            raise refused(400, f"no Custom Action campaign has the action name {name}")
        created_at = moment(action, "created_at")
        person = self.state.customer(wanted)
        self.state.book(
            person,
            action.get("reward_points", self.state.action_points.get(name, 0)),
            action.get("history_title", campaign["title"]),
            earned=True,
            created_at=created_at,
        )
        return {}

    async def _adjust(self, request: web.Request) -> Any:
        wanted_change = await body_of(request, _ADJUSTMENT, required=("point_adjustment_amount",))
        person = self.state.customer(one_of(wanted_change, _IDENTIFICATION))
        self.state.book(
            person,
            wanted_change["point_adjustment_amount"],
            wanted_change.get("history_title", "Points adjusted"),
            earned=wanted_change.get("apply_adjustment_to_points_earned", False),
            visible=wanted_change.get("visible_to_customer", True),
        )
        now = self.state.now()
        return {
            "id": self.state.number(),
            "customer_id": self.state.number_of(person),
            "merchant_id": _MERCHANT,
            "name": "Point Adjustment",
            "type": "PointAdjustment",
            "referral_id": None,
            "created_at": now,
            "updated_at": now,
        }
