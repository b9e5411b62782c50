"""Modules about purchases: *Create an Order*, *Create a Refund*."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import Action, Call, Config, Effect, Json, Schema
from modules.yotpo_loyalty import fields as f
from modules.yotpo_loyalty import schemas as s

#: keys whose lists the vendor takes as one text with commas, wherever they stand
_COMMA_LISTS = frozenset({"tags", "customer_tags", "coupon_code", "collections"})
#: keys that the vendor takes as text, wherever they stand; shops often have numbers
_IDENTIFIERS = frozenset({"id", "order_id", "customer_id", "clerk_employee_id"})


def _text(title: str, description: str, **more: Any) -> Schema:
    return {"type": "string", "title": title, "description": description, "minLength": 1, **more}


def _identifier(title: str, description: str) -> Schema:
    return {**f.ID, "title": title, "description": description}


def _cents(title: str, description: str, minimum: int = 0) -> Schema:
    return {"type": "integer", "title": title, "description": f"{description} In cents.", "minimum": minimum}


def _commas(title: str, description: str) -> Schema:
    return {
        "type": ["array", "string"],
        "title": title,
        "description": f"{description} A list, or one text with commas.",
        "items": {"type": "string", "pattern": "^[^,]+$"},
    }


def _flag(title: str, description: str) -> Schema:
    return {"type": "boolean", "title": title, "description": description}


def _time(title: str, description: str) -> Schema:
    return {**f.MOMENT, "title": title, "description": f"{description} ISO 8601, such as 2024-03-05T09:00:00Z."}


def _object(title: str, description: str, properties: Mapping[str, Schema], **more: Any) -> Schema:
    return {
        "type": "object",
        "title": title,
        "description": description,
        "additionalProperties": False,
        "properties": dict(properties),
        **more,
    }


_CURRENCY = "^[A-Z]{3}$"

_ADDRESS: Mapping[str, Schema] = {
    "first_name": _text("First Name", "Given name."),
    "last_name": _text("Last Name", "Family name."),
    "country_code": _text("Country Code", "Two letters, such as US.", pattern="^[A-Za-z]{2}$"),
    "address1": _text("Address 1", "Street and number."),
    "address2": {**_text("Address 2", "What else belongs to it."), "minLength": 0},
    "city": _text("City", "Town."),
    "state": _text("State", "State or province."),
    "zip": _text("Zip", "Postal code."),
    "phone": _text("Phone", "Phone number."),
}

_ITEM = _object(
    "Item",
    "A product that was bought.",
    {
        "id": _identifier("ID", "The product's identifier in your system."),
        "name": _text("Name", "What customers call it."),
        "quantity": {"type": "integer", "title": "Quantity", "description": "How many.", "minimum": 1},
        "price_cents": _cents("Price", "Of one."),
        "collections": _commas("Collections", "Collections or tags that it belongs to."),
        "type": _text("Type", "Category, for the rules of campaigns."),
        "vendor": _text("Vendor", "Who makes it."),
    },
)

ORDER: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["customer_email", "order_id", "total_amount_cents", "currency_code"],
    # the vendor looks for fraud by address and browser, unless it is told not to
    "anyOf": [
        {"required": ["ip_address", "user_agent"]},
        {"required": ["ignore_ip_ua"], "properties": {"ignore_ip_ua": {"const": True}}},
    ],
    "properties": {
        "customer_email": {
            **f.EMAIL,
            "title": "Customer Email",
            "description": "The e-mail address of the customer who bought.",
        },
        "customer_id": _identifier("Customer ID", "The customer's identifier in your system."),
        "order_id": _identifier("Order ID", "The order's identifier in your system; a refund names it."),
        "total_amount_cents": _cents("Total Amount", "What the customer spent."),
        "currency_code": _text("Currency Code", "ISO 4217, such as USD.", pattern=_CURRENCY),
        "ip_address": _text("IP Address", "Where the customer ordered from. Needed unless ignore_ip_ua is true."),
        "user_agent": _text("User Agent", "The customer's browser. Needed unless ignore_ip_ua is true."),
        "ignore_ip_ua": _flag(
            "Ignore IP and User Agent", "Whether to skip the fraud checks by IP address and user agent."
        ),
        "status": _text("Status", "The order's state in the words of your shop, by which campaigns count it."),
        "created_at": _time("Created At", "When it was ordered."),
        "coupon_code": _commas("Coupon Code", "Coupon codes that were used."),
        "discount_amount_cents": _cents("Discount Amount", "What discounts took off."),
        "shipping_amount_cents": _cents("Shipping Amount", "What was paid for shipping."),
        "tax_amount_cents": _cents("Tax Amount", "What was paid for taxes."),
        "total_refunded_cents": _cents("Total Refunded", "What was refunded so far."),
        "tags": _commas("Tags", "Tags of the order."),
        "customer_tags": _commas("Customer Tags", "Tags of the customer, as older accounts take them."),
        "customer": _object(
            "Customer",
            "What else to know of the customer.",
            {
                "tags": _commas("Tags", "Tags of the customer, for campaigns that include or exclude by them."),
                "has_account": _flag("Has Account", "Whether the customer has an account with the platform."),
                "opted_in": _flag("Opted In", "Whether the customer should be opted into the loyalty program."),
                "opted_in_at": _time("Opted In At", "When the customer opted in."),
            },
        ),
        "items": {"type": "array", "title": "Items", "description": "What was bought.", "items": _ITEM},
        "billing_address": _object("Billing Address", "Whom the invoice went to.", _ADDRESS),
        "shipping_address": _object("Shipping Address", "Where it was sent to.", _ADDRESS),
        "channel_type": {
            "type": "string",
            "title": "Channel Type",
            "description": "Where it was bought.",
            "enum": ["online", "offline"],
        },
        "clerk_employee_id": _identifier("Clerk Employee ID", "The employee number of who sold it in a store."),
        "clerk_name": _text("Clerk Name", "The name of who sold it in a store."),
        "store_address": _text("Store Address", "Street of the store."),
        "store_city": _text("Store City", "Town of the store."),
        "store_state": _text("Store State", "State or province of the store."),
    },
}

REFUND: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["order_id", "total_amount_cents"],
    "properties": {
        "order_id": _identifier("Order ID", "The order's identifier in your system, as the order was created with it."),
        "total_amount_cents": _cents("Total Amount", "What the customer got back.", minimum=1),
        "id": _identifier("Refund ID", "The refund's identifier in your system."),
        "currency": _text("Currency", "ISO 4217; needed on an account with several currencies.", pattern=_CURRENCY),
        "items": {
            "type": "array",
            "title": "Items",
            "description": "What came back.",
            "items": _object(
                "Item",
                "A product that came back.",
                {
                    "id": _identifier("ID", "The product's identifier, as in the order."),
                    "quantity": {"type": "integer", "title": "Quantity", "description": "How many.", "minimum": 1},
                },
                required=["id"],
            ),
        },
    },
}

#: the vendor does not describe these answers
OUTPUT = s.record(
    {
        "status": s.INTEGER,
        "body": {"description": "The vendor's answer as it came, null when it was empty"},
    }
)


def wire(value: Json, key: str = "") -> Json:
    """A config as the vendor takes it: lists of words as one text with commas, identifiers as text.

    :param key: under which the value stands.
    """
    if key in _COMMA_LISTS and isinstance(value, list):
        return ",".join(value)
    if key in _IDENTIFIERS and isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return {name: wire(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [wire(inner) for inner in value]
    return value


def prepare(call: Call) -> Config:
    f.require_times(call.config, ("created_at",))
    f.require_times(call.config.get("customer", {}), ("opted_in_at",))
    body: Config = wire(call.config)
    return body


async def create_order(call: Call) -> Json:
    return f.accepted(call, await call.http.request("POST", "/orders", json=dict(call.config)))


async def create_refund(call: Call) -> Json:
    return f.accepted(call, await call.http.request("POST", "/refunds", json=dict(call.config)))


# Both are writes that are never repeated blindly. The vendor's documentation does not say what a second order or refund
# of the same identifier does, and both give or take points. There is no probe, because no call of the API reads orders
# or refunds: the customer's totals move with every purchase and cannot tell one from another.

CREATE_ORDER = Action(
    name="create_order",
    title="Create an Order",
    description="Records an order: the vendor counts it in every campaign that fits, and gives the points.",
    connection="yotpo_loyalty",
    config=ORDER,
    output=OUTPUT,
    effect=Effect.WRITE,
    prepare=prepare,
    run=create_order,
    example={
        "customer_email": "ana@example.com",
        "order_id": "1001",
        "total_amount_cents": 12500,
        "currency_code": "USD",
        "status": "paid",
        "ignore_ip_ua": True,
        "items": [{"id": "mug", "name": "Mug", "quantity": 2, "price_cents": 6250, "collections": ["kitchen"]}],
    },
)

CREATE_REFUND = Action(
    name="create_refund",
    title="Create a Refund",
    description="Records a refund of an order: the vendor takes back what the order gave.",
    connection="yotpo_loyalty",
    config=REFUND,
    output=OUTPUT,
    effect=Effect.WRITE,
    prepare=prepare,
    run=create_refund,
    example={"order_id": "1001", "total_amount_cents": 6250, "items": [{"id": "mug", "quantity": 1}]},
)
