"""Orders and refunds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from engine import Behaviour
from modules.yotpo_loyalty.simulator.reading import Kinds, body_of, object_of, refused
from modules.yotpo_loyalty.simulator.room import Room, Route

#: what the simulated program gives for a dollar (or another currency's hundred cents) spent
POINTS_PER_DOLLAR = 1

_CENTS = (
    "total_amount_cents",
    "discount_amount_cents",
    "shipping_amount_cents",
    "tax_amount_cents",
    "total_refunded_cents",
)
_ORDER: Kinds = {
    **dict.fromkeys(_CENTS, int),
    **dict.fromkeys(
        (
            "customer_email",
            "customer_id",
            "order_id",
            "currency_code",
            "ip_address",
            "user_agent",
            "status",
            "created_at",
            "coupon_code",
            "tags",
            "customer_tags",
            "clerk_employee_id",
            "clerk_name",
            "store_address",
            "store_city",
            "store_state",
            "channel_type",
        ),
        str,
    ),
    "ignore_ip_ua": bool,
    "items": list,
    "customer": dict,
    "billing_address": dict,
    "shipping_address": dict,
}
_ITEM: Kinds = {
    **dict.fromkeys(("id", "name", "collections", "type", "vendor"), str),
    "quantity": int,
    "price_cents": int,
}
_CUSTOMER: Kinds = {"tags": str, "has_account": bool, "opted_in": bool, "opted_in_at": str}
_ADDRESS: Kinds = dict.fromkeys(
    ("first_name", "last_name", "country_code", "address1", "address2", "city", "state", "zip", "phone"), str
)
_REFUND: Kinds = {"order_id": str, "total_amount_cents": int, "id": str, "currency": str, "items": list}
_REFUNDED: Kinds = {"id": str, "quantity": int}


@dataclass
class Order:
    """An order as it came, and what it gave."""

    body: dict[str, Any]
    person: dict[str, Any]
    points: int
    refunds: list[dict[str, Any]] = field(default_factory=list)

    @property
    def left(self) -> int:
        """Cents that are not refunded yet."""
        return int(self.body["total_amount_cents"]) - sum(int(one["total_amount_cents"]) for one in self.refunds)


class Orders(Room):
    behaviours = (
        Behaviour("an order needs customer_email, order_id, total_amount_cents and currency_code", "verified"),
        Behaviour("an order needs ip_address and user_agent", "verified"),
        Behaviour("an order with ignore_ip_ua=true may leave ip_address and user_agent out", "assumed"),
        Behaviour("an order gives points, one for each dollar spent", "assumed"),
        Behaviour("an order adds to the customer's total_spend_cents and total_purchases", "assumed"),
        Behaviour("an order of an e-mail that is not known is answered 404", "assumed"),
        Behaviour("an order counts whatever its status is", "assumed"),
        Behaviour("a second order of the same order_id counts again", "assumed"),
        Behaviour("an order or a refund is answered with an empty object", "assumed"),
        Behaviour("a refund needs order_id and total_amount_cents", "verified"),
        Behaviour("a refund takes back what the order gave", "verified"),
        Behaviour("a refund takes points back in proportion, and no more than the customer has", "assumed"),
        Behaviour("a refund of an order that is not known is answered 404", "assumed"),
        Behaviour("a refund of more than is left of the order is answered 422", "assumed"),
        Behaviour("a refunded item is one of the order, else 400", "assumed"),
    )

    def routes(self) -> Sequence[Route]:
        return [Route("POST", "/orders", self._order), Route("POST", "/refunds", self._refund)]

    async def _order(self, request: web.Request) -> Any:
        required = ("customer_email", "order_id", "currency_code", "total_amount_cents")
        body = await body_of(request, _ORDER, required=required)
        if body.get("ignore_ip_ua") is not True:
            object_of(body, _ORDER, required=("ip_address", "user_agent"))
        _check_parts(body)
        person = self.state.customer({"customer_email": body["customer_email"]})
        points = body["total_amount_cents"] // 100 * POINTS_PER_DOLLAR
        self.state.book(person, points, "Made a purchase", earned=True, created_at=body.get("created_at"))
        person["total_spend_cents"] += body["total_amount_cents"]
        person["total_purchases"] += 1
        person["last_purchase_at"] = body.get("created_at") or self.state.now()
        for code in body.get("coupon_code", "").split(","):
            if code in self.state.delayed:
                owner, cost, title = self.state.delayed.pop(code)
                self.state.book(owner, -min(cost, owner["points_balance"]), title, earned=False, status=code)
        self.state.orders.append(Order(body, person, points))
        return {}

    async def _refund(self, request: web.Request) -> Any:
        body = await body_of(request, _REFUND, required=("order_id", "total_amount_cents"))
        order = next((one for one in self.state.orders if one.body["order_id"] == body["order_id"]), None)
        if order is None:
            raise refused(404, "Could not find order")
        amount = body["total_amount_cents"]
        if amount <= 0:
            raise refused(400, "total_amount_cents must be positive")
        if amount > order.left:
            raise refused(422, "the refund is larger than what is left of the order")
        bought = {item.get("id") for item in order.body.get("items", [])}
        for item in body.get("items", []):
            object_of(item, _REFUNDED, required=("id",), what="an item")
            if item["id"] not in bought:
                raise refused(400, f"the order has no item {item['id']}")
        person = order.person
        points = order.points * amount // order.body["total_amount_cents"]
        self.state.book(person, -min(points, person["points_balance"]), "Refund made", earned=True)
        person["total_spend_cents"] -= amount
        order.refunds.append(body)
        return {}


def _check_parts(body: dict[str, Any]) -> None:
    for name in _CENTS:
        if body.get(name, 0) < 0:
            raise refused(400, f"{name} must not be negative")
    for item in body.get("items", []):
        object_of(item, _ITEM, what="an item")
    if "customer" in body:
        object_of(body["customer"], _CUSTOMER, what="customer")
    for name in ("billing_address", "shipping_address"):
        if name in body:
            object_of(body[name], _ADDRESS, what=name)
