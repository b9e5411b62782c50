"""Modules about rewards: *Get Active Redemption Options*, *Create a Redemption*."""

from __future__ import annotations

from collections.abc import Mapping

from engine import Action, Call, Config, Effect, Json, VendorError, field, options
from modules.yotpo_loyalty import fields as f
from modules.yotpo_loyalty import schemas as s

#: seen in the vendor's documentation of options and of events
DISCOUNT_TYPES = ("fixed_amount", "percentage", "variable", "shipping", "product", "custom")

_EMAIL = field("Customer Email", "E-mail address, such as ana@example.com.", f.EMAIL)
_PHONE = field("Phone Number", "In E.164 format, such as +15550100.", type="string", pattern=f.E164)

OPTION = s.record(
    {"id": s.INTEGER, "name": s.STRING},
    {
        "description": s.or_null(s.STRING),
        "icon": s.or_null(s.STRING),
        "cost_text": s.or_null(s.STRING),
        "amount": {**s.or_null(s.INTEGER), "description": "Points"},
        "type": s.or_null(s.STRING),
        "discount_type": {**s.or_null(s.STRING), "description": ", ".join(DISCOUNT_TYPES)},
        "discount_amount_cents": s.or_null(s.INTEGER),
        "discount_rate_cents": s.or_null(s.INTEGER),
        "discount_percentage": s.or_null(s.NUMBER),
        "discount_value_cents": s.or_null(s.INTEGER),
        "applies_to_product_type": s.or_null(s.STRING),
        "duration": s.or_null(s.STRING),
        "cart_greater_than": {},
        "discount_with_currency": {},
        "unrendered_name": s.or_null(s.STRING),
        "unrendered_description": s.or_null(s.STRING),
        "variant_id": {},
        "quantity": s.or_null(s.INTEGER),
    },
)

#: what the call answers: what an event's redemption has, and the code's identities
CREATED = s.record(
    {name: s.REDEMPTION["properties"][name] for name in s.REDEMPTION["required"]},
    {
        "is_admin": s.BOOLEAN,
        "is_pos": s.BOOLEAN,
        "at_checkout": s.BOOLEAN,
        "code": {**s.or_null(s.STRING), "description": "The coupon code, as in reward_text"},
        "third_party_id": {"type": ["string", "integer", "null"], "description": "Of the coupon in the shop"},
        "third_party_rule_id": {"type": ["string", "integer", "null"]},
        "token": s.or_null(s.STRING),
    },
)


def prepare(call: Call) -> Config:
    return f.with_texts(call.config, ("customer_id", "pos_account_id"))


async def redeem(call: Call) -> Json:
    response = await call.http.request("POST", "/redemptions", json=dict(call.config))
    redemption = f.body_of(response)
    f.warn_of_errors(call, redemption)
    if not isinstance(redemption, Mapping):
        # the points are gone: the engine takes the step for done, without output, and says so
        raise VendorError("the answer is not a redemption", status=response.status, detail=response.readable)
    return redemption


LIST_REDEMPTION_OPTIONS = Action(
    name="list_redemption_options",
    title="Get Active Redemption Options",
    description="Reads what customers may redeem their points for; of one customer, where one is named.",
    connection="yotpo_loyalty",
    config=options(
        customer_email=_EMAIL,
        customer_id=f.CUSTOMER_ID,
        phone_number=_PHONE,
        is_offline=field("Is Offline", "Only options that are, or are not, for offline use.", type="boolean"),
        discount_type=field("Discount Type", "Only options of this type.", type="string", enum=list(DISCOUNT_TYPES)),
    ),
    output=s.items(OPTION),
    effect=Effect.READ,
    run=f.read_list("/redemption_options"),
    example={"customer_email": "ana@example.com"},
)

CREATE_REDEMPTION = Action(
    name="create_redemption",
    title="Create a Redemption",
    description="Redeems a customer's points for a redemption option, and gives the coupon code.",
    connection="yotpo_loyalty",
    config={
        **options(
            "redemption_option_id",
            redemption_option_id=field(
                "Redemption Option ID",
                "The id of an option, as Get Active Redemption Options gives it.",
                type="integer",
            ),
            customer_email=_EMAIL,
            customer_id=f.CUSTOMER_ID,
            phone_number=_PHONE,
            pos_account_id=f.POS_ACCOUNT_ID,
            delay_points_deduction=field(
                "Delay Points Deduction",
                "Whether to deduct the points only when the order that uses the code arrives.",
                type="boolean",
            ),
            currency=field(
                "Currency",
                "ISO 4217 code, for an account with several currencies.",
                type="string",
                pattern="^[A-Z]{3}$",
            ),
            points_to_redeem=field(
                "Points to Redeem", "How many points, for an option of type variable.", type="integer", minimum=1
            ),
        ),
        # the vendor wants one, and only one
        "oneOf": [{"required": [name]} for name in f.IDENTIFICATION],
    },
    output=CREATED,
    # No probe: the customer's history shows a redemption by title, points and code, none of which this call can know
    # beforehand, so that a second redemption of the same option could not be told from the first.
    effect=Effect.WRITE,
    prepare=prepare,
    run=redeem,
    example={"customer_email": "ana@example.com", "redemption_option_id": 149},
)
