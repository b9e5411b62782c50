"""Modules about purchases: *Create an Order*, *Create a Refund*."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import Action, Call, Config, Effect, Json, Schema, field, options
from modules.yotpo_loyalty import fields as f
from modules.yotpo_loyalty import schemas as s

#: keys whose lists the vendor takes as one text with commas, wherever they stand
_COMMA_LISTS = frozenset({"tags", "customer_tags", "coupon_code", "collections"})
#: keys that the vendor takes as text, wherever they stand; shops often have numbers
_IDENTIFIERS = frozenset({"id", "order_id", "customer_id", "clerk_employee_id"})


_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_YES: Schema = {"type": "boolean"}


def _cents(title: str, description: str, minimum: int = 0) -> Schema:
    return field(title, f"{description} In cents.", type="integer", minimum=minimum)


def _commas(title: str, description: str) -> Schema:
    items = {"type": "string", "pattern": "^[^,]+$"}
    return field(title, f"{description} A list, or one text with commas.", type=["array", "string"], items=items)


def _time(title: str, description: str) -> Schema:
    return field(title, f"{description} ISO 8601, such as 2024-03-05T09:00:00Z.", f.MOMENT)


_CURRENCY = "^[A-Z]{3}$"
_HOW_MANY = field("Quantity", "How many.", type="integer", minimum=1)

_ADDRESS = options(
    first_name=field("First Name", "Given name.", _TEXT),
    last_name=field("Last Name", "Family name.", _TEXT),
    country_code=field("Country Code", "Two letters, such as US.", _TEXT, pattern="^[A-Za-z]{2}$"),
    address1=field("Address 1", "Street and number.", _TEXT),
    address2=field("Address 2", "What else belongs to it.", _TEXT, minLength=0),
    city=field("City", "Town.", _TEXT),
    state=field("State", "State or province.", _TEXT),
    zip=field("Zip", "Postal code.", _TEXT),
    phone=field("Phone", "Phone number.", _TEXT),
)
_ITEM = options(
    id=field("ID", "The product's identifier in your system.", f.ID),
    name=field("Name", "What customers call it.", _TEXT),
    quantity=_HOW_MANY,
    price_cents=_cents("Price", "Of one."),
    collections=_commas("Collections", "Collections or tags that it belongs to."),
    type=field("Type", "Category, for the rules of campaigns.", _TEXT),
    vendor=field("Vendor", "Who makes it.", _TEXT),
)
_CUSTOMER = options(
    tags=_commas("Tags", "Tags of the customer, for campaigns that include or exclude by them."),
    has_account=field("Has Account", "Whether the customer has an account with the platform.", _YES),
    opted_in=field("Opted In", "Whether the customer should be opted into the loyalty program.", _YES),
    opted_in_at=_time("Opted In At", "When the customer opted in."),
)

ORDER: Schema = {
    **options(
        *("customer_email", "order_id", "total_amount_cents", "currency_code"),
        customer_email=field("Customer Email", "The e-mail address of the customer who bought.", f.EMAIL),
        customer_id=f.CUSTOMER_ID,
        order_id=field("Order ID", "The order's identifier in your system; a refund names it.", f.ID),
        total_amount_cents=_cents("Total Amount", "What the customer spent."),
        currency_code=field("Currency Code", "ISO 4217, such as USD.", _TEXT, pattern=_CURRENCY),
        ip_address=field("IP Address", "Where the customer ordered from. Needed unless ignore_ip_ua is true.", _TEXT),
        user_agent=field("User Agent", "The customer's browser. Needed unless ignore_ip_ua is true.", _TEXT),
        ignore_ip_ua=field(
            "Ignore IP and User Agent", "Whether to skip the fraud checks by IP address and user agent.", _YES
        ),
        status=field("Status", "The order's state in the words of your shop, by which campaigns count it.", _TEXT),
        created_at=_time("Created At", "When it was ordered."),
        coupon_code=_commas("Coupon Code", "Coupon codes that were used."),
        discount_amount_cents=_cents("Discount Amount", "What discounts took off."),
        shipping_amount_cents=_cents("Shipping Amount", "What was paid for shipping."),
        tax_amount_cents=_cents("Tax Amount", "What was paid for taxes."),
        total_refunded_cents=_cents("Total Refunded", "What was refunded so far."),
        tags=_commas("Tags", "Tags of the order."),
        customer_tags=_commas("Customer Tags", "Tags of the customer, as older accounts take them."),
        customer=field("Customer", "What else to know of the customer.", _CUSTOMER),
        items=field(
            "Items", "What was bought.", type="array", items=field("Item", "A product that was bought.", _ITEM)
        ),
        billing_address=field("Billing Address", "Whom the invoice went to.", _ADDRESS),
        shipping_address=field("Shipping Address", "Where it was sent to.", _ADDRESS),
        channel_type=field("Channel Type", "Where it was bought.", type="string", enum=["online", "offline"]),
        clerk_employee_id=field("Clerk Employee ID", "The employee number of who sold it in a store.", f.ID),
        clerk_name=field("Clerk Name", "The name of who sold it in a store.", _TEXT),
        store_address=field("Store Address", "Street of the store.", _TEXT),
        store_city=field("Store City", "Town of the store.", _TEXT),
        store_state=field("Store State", "State or province of the store.", _TEXT),
    ),
    # the vendor looks for fraud by address and browser, unless it is told not to
    "anyOf": [
        {"required": ["ip_address", "user_agent"]},
        {"required": ["ignore_ip_ua"], "properties": {"ignore_ip_ua": {"const": True}}},
    ],
}
_RETURNED = options("id", id=field("ID", "The product's identifier, as in the order.", f.ID), quantity=_HOW_MANY)
REFUND = options(
    "order_id",
    "total_amount_cents",
    order_id=field("Order ID", "The order's identifier in your system, as the order was created with it.", f.ID),
    total_amount_cents=_cents("Total Amount", "What the customer got back.", minimum=1),
    id=field("Refund ID", "The refund's identifier in your system.", f.ID),
    currency=field("Currency", "ISO 4217; needed on an account with several currencies.", _TEXT, pattern=_CURRENCY),
    items=field("Items", "What came back.", type="array", items=field("Item", "A product that came back.", _RETURNED)),
)

#: the vendor does not describe these answers
OUTPUT = s.record(
    {"status": s.INTEGER, "body": {"description": "The vendor's answer as it came, null when it was empty"}}
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
    request=f.sent("/orders"),
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
    request=f.sent("/refunds"),
    example={"order_id": "1001", "total_amount_cents": 6250, "items": [{"id": "mug", "quantity": 1}]},
)
