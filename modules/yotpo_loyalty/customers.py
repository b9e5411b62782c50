"""The modules *Create or Update a Customer Record* and *Retrieve a Customer*."""

from __future__ import annotations

from collections.abc import Mapping

from engine import Action, Call, Config, Effect, Json, Schema, VendorError, field, options
from modules.yotpo_loyalty import fields as f
from modules.yotpo_loyalty import schemas as s

_COUNTRY: Schema = {"type": "string", "pattern": "^[A-Za-z]{2}$"}

CONFIG: Schema = {
    **options(
        customer_email=field("Customer Email", "E-mail address, such as ana@example.com.", type="string", minLength=1),
        customer_id=f.CUSTOMER_ID,
        pos_account_id=f.POS_ACCOUNT_ID,
        phone_number=field("Phone Number", "In E.164 format, such as +15550100.", type="string", minLength=1),
        country_iso_code=field("Country ISO Code", "Only for a phone number that is not in E.164 format.", _COUNTRY),
        with_referral_code=field(
            "With Referral Code", "Whether to retrieve the customer's referral code too.", type="boolean", default=False
        ),
        with_history=field(
            "With History",
            "Whether to retrieve the history of points earned and redeemed too.",
            type="boolean",
            default=False,
        ),
    ),
    "anyOf": [{"required": [name]} for name in f.IDENTIFICATION],
}

_VIP_REQUIREMENTS = s.record(
    {
        "points_needed": s.INTEGER,
        "amount_cents_needed": s.INTEGER,
        "amount_cents_needed_in_customer_currency": s.INTEGER,
        "purchases_needed": s.INTEGER,
        "referrals_needed": s.INTEGER,
        "campaigns_needed": {"type": "array"},
    }
)

_ALWAYS: Mapping[str, Schema] = {
    "total_spend_cents": s.INTEGER,
    "total_purchases": s.INTEGER,
    "perks_redeemed": s.INTEGER,
    "points_balance": s.INTEGER,
    "points_earned": s.INTEGER,
    "last_purchase_at": s.or_null(s.TIME),
    "points_expire_at": s.or_null(s.TIME),
    "opted_in_at": s.or_null(s.TIME),
    "last_seen_at": s.TIME,
    "first_name": s.or_null(s.STRING),
    "last_name": s.or_null(s.STRING),
    "phone_number": s.or_null(s.STRING),
    "pos_account_id": s.or_null(s.STRING),
    "email": s.STRING,
    "thirty_party_id": {**s.or_null(s.STRING), "description": "The vendor's spelling; same value as third_party_id"},
    "third_party_id": s.or_null(s.STRING),
    "has_store_account": s.BOOLEAN,
    "opt_in": s.BOOLEAN,
    "credit_balance": s.STRING,
    "credit_balance_in_customer_currency": s.STRING,
}

_SOMETIMES: Mapping[str, Schema] = {
    "next_points_expire_on": s.or_null(s.DATE),
    "next_points_expire_amount": s.or_null(s.INTEGER),
    "birthday_month": s.or_null(s.INTEGER),
    "birth_day": s.or_null(s.INTEGER),
    "birthday_year": s.or_null(s.INTEGER),
    "vip_tier_name": {**s.or_null(s.STRING), "description": "Absent when the program has no tiers"},
    "vip_tier_entry_date": s.or_null(s.TIME),
    "vip_tier_expiration": s.or_null(s.TIME),
    "vip_tier_actions_completed": s.record(
        {
            "points_earned": s.INTEGER,
            "amount_spent_cents": s.INTEGER,
            "amount_spent_cents_in_customer_currency": s.INTEGER,
            "purchases_made": s.INTEGER,
            "referrals_completed": s.INTEGER,
            "campaigns_completed": {"type": "array"},
        }
    ),
    "vip_tier_maintenance_requirements": _VIP_REQUIREMENTS,
    "vip_tier_upgrade_requirements": _VIP_REQUIREMENTS,
    "yotpo_customer_id": {"type": ["integer", "string"]},
    # Seen in the vendor's answers; what is in them is not described.
    "referral_receipts": {"type": "array"},
    "point_redemptions": {"type": "array"},
    "purchases": {"type": "array"},
    "referrer": {"type": ["object", "null"]},
}

#: a customer of the list of recent ones: no history, referral and credit
RECENT_CUSTOMER = s.record(
    {key: schema for key, schema in _ALWAYS.items() if not key.startswith("credit_")},
    {key: schema for key, schema in _SOMETIMES.items() if not key.startswith("referr")},
)

_REFERRAL_LINK = s.record(
    {"link": s.STRING}, {"code": s.STRING, "expired": s.BOOLEAN, "customer_id": {"type": ["integer", "string"]}}
)

_HISTORY = s.items(
    s.record(
        {
            "action": s.STRING,
            "created_at": s.TIME,
            "date": s.STRING,
            "points": {"type": "integer", "description": "Negative for a redemption"},
            "status": {
                "type": "string",
                "description": "Approved, Pending, Reversed; for a redemption its coupon code",
            },
        },
        {"completed_at": s.or_null(s.TIME), "credits": {}},
    )
)


def output(config: Config) -> Schema:
    """What is asked for is there, what is switched off is not, and what the load cannot know may be."""
    always, sometimes = dict(_ALWAYS), dict(_SOMETIMES)
    for switch, key, schema in (
        ("with_referral_code", "referral_code", s.REFERRAL_CODE),
        ("with_history", "history_items", _HISTORY),
    ):
        if config.get(switch) is True:
            always[key] = schema
        elif config.get(switch) is None:
            sometimes[key] = schema
    if config.get("with_referral_code") is not False:
        # accounts from before August 2024 have none
        sometimes["referral_link"] = _REFERRAL_LINK
    return s.record(always, sometimes)


async def run(call: Call) -> Json:
    # the vendor's documentation has two defaults for with_history: so both switches are always sent
    query = {"with_referral_code": False, "with_history": False, **call.config}
    if "country_iso_code" in query:
        query["country_iso_code"] = query["country_iso_code"].upper()
    answer, customer = await f.read(call, "/customers", query)
    if not isinstance(customer, Mapping):
        raise VendorError("the answer is not a customer", status=answer.status, detail=answer.readable)
    return customer


UPSERT_CONFIG: Schema = {
    **options(
        "email",
        email=field("Email", "E-mail address, such as ana@example.com.", f.EMAIL),
        first_name=field("First Name", "The customer's first name.", type="string"),
        last_name=field("Last Name", "The customer's last name.", type="string"),
        id=field(
            "Customer ID",
            "The customer's identifier in your system. Required only for a generic e-commerce integration.",
            f.ID,
        ),
        phone_number=field(
            "Phone Number",
            "In E.164 format, such as +15550100; another format needs country_iso_code.",
            type="string",
            pattern="^\\+?[0-9][0-9 ()./-]{3,}$|^\\([0-9][0-9 ()./-]{3,}$",
        ),
        country_iso_code=field(
            "Country ISO Code",
            "Only for a phone number that is not in E.164 format: two letters, such as US.",
            _COUNTRY,
        ),
        has_account=field("Has Account", "Whether the customer has an account with the platform.", type="boolean"),
        platform_account_created_at=field(
            "Platform Account Created At",
            "When the customer's account was made, such as 2024-03-05 or 2024-03-05T09:00:00Z.",
            f.DATE_OR_MOMENT,
        ),
        opted_in=field(
            "Opted In",
            "Whether the customer is opted into the loyalty program; null leaves it to the account's setting.",
            type=["boolean", "null"],
        ),
        pos_account_id=field("Pos Account ID", "The customer's unique account identifier at the point of sale.", f.ID),
        tags=field(
            "Tags",
            "The tags that the customer belongs to: a list, or one text with commas between them. They overwrite the "
            "tags that the customer has; an empty list removes all. No tag has a comma in it.",
            type=["string", "array"],
            items={
                "type": "string",
                "pattern": "^[^,]*[^,\\s][^,]*$",
                "description": "a tag has no comma in it, and is not empty",
            },
        ),
        opted_in_at=field(
            "Opted in at",
            "When the customer opted into the loyalty program: ISO 8601, such as 2024-03-05T09:00:00Z.",
            f.MOMENT,
        ),
    ),
    # the vendor ignores the country of a number in E.164 format, and wants one for any other
    "if": {"required": ["phone_number"], "not": {"required": ["country_iso_code"]}},
    "then": {"properties": {"phone_number": {"pattern": f.E164}}},
}


def prepare(call: Call) -> Config:
    """What the vendor wants as text becomes text before the request is stored."""
    f.require_times(call.config, ("platform_account_created_at", "opted_in_at"))
    record = f.with_texts(call.config, ("id", "pos_account_id"))
    if "country_iso_code" in record:
        record["country_iso_code"] = record["country_iso_code"].upper()
    if "tags" in record:
        tags = record["tags"].split(",") if isinstance(record["tags"], str) else record["tags"]
        record["tags"] = ",".join(tag.strip() for tag in tags if tag.strip())
    return record


CREATE_OR_UPDATE_CUSTOMER = Action(
    name="create_or_update_customer",
    title="Create or Update a Customer Record",
    description="Makes the customer of an e-mail address, or changes what is given of the one that is there.",
    connection="yotpo_loyalty",
    config=UPSERT_CONFIG,
    output=f.ACCEPTED,
    # The e-mail says whose record it is, and what is given is set rather than added, so that twice is once. That a
    # reward for signing up is given once per customer is inferred.
    effect=Effect.IDEMPOTENT,
    prepare=prepare,
    request=f.sent("/customers"),
    example={
        "email": "ana@example.com",
        "first_name": "Ana",
        "phone_number": "+15550100",
        "opted_in": True,
        "tags": ["creator", "newsletter"],
    },
)

RETRIEVE_CUSTOMER = Action(
    name="retrieve_customer",
    title="Retrieve a Customer",
    description="Reads one customer with points, tier and, if wanted, referral code and history.",
    connection="yotpo_loyalty",
    config=CONFIG,
    output=output,
    effect=Effect.READ,
    run=run,
    example={"customer_email": "ana@example.com", "with_history": False},
)
