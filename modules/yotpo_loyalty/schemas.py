"""Building blocks of JSON Schemas, and the parts that the vendor's events and answers share.

Objects are open: the vendor adds keys. Times are ISO 8601, most in UTC with ``Z``, some without zone, some with an
offset; money is in integer cents but for ``credit_balance*``, which are formatted text such as ``"$25.00"``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import Schema

INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
STRING: Schema = {"type": "string"}
TIME: Schema = {"type": "string", "description": "ISO 8601 date and time"}
DATE: Schema = {"type": "string", "description": "YYYY-MM-DD", "pattern": "^\\d{4}-\\d{2}-\\d{2}$"}


def or_null(schema: Schema) -> Schema:
    """The same, or null."""
    return {**schema, "type": [schema["type"], "null"]}


def record(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, **more: Any) -> Schema:
    """An object with keys that are always there, and keys that may be absent."""
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}, **more}


def items(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


_SHARES: Mapping[str, Schema] = {
    "code": STRING,
    "shares": INTEGER,
    "facebook_shares": INTEGER,
    "twitter_shares": INTEGER,
    "email_shares": INTEGER,
    "emails_sent": INTEGER,
    "emails_viewed": INTEGER,
    "links_clicked_from_email": INTEGER,
    "links_clicked_from_twitter": INTEGER,
    "links_clicked_from_facebook": INTEGER,
    "orders": INTEGER,
    "amount_cents": INTEGER,
    "average_amount_cents": INTEGER,
    "expires_at": or_null(TIME),
    "expired": BOOLEAN,
    "completed_referral_customers": items(
        record(
            {
                "email": STRING,
                "first_name": or_null(STRING),
                "last_name": or_null(STRING),
                "referral_points_contributed": INTEGER,
                "last_seen_at": or_null(TIME),
            }
        )
    ),
    "email": STRING,
}

#: the counters of a customer's referral code
REFERRAL_CODE = record({**_SHARES, "unique_clicks": INTEGER, "total_clicks": INTEGER})

#: the long form that a completed referral carries
LONG_REFERRAL_CODE = record(
    {
        **_SHARES,
        "id": INTEGER,
        "campaign_id": or_null(INTEGER),
        "clicks": INTEGER,
        "invalid_clicks": INTEGER,
        "customer_id": INTEGER,
        "links_clicked": INTEGER,
        "target_referrals": or_null(INTEGER),
    },
    {
        "customer": record(
            {"id": INTEGER, "email": STRING},
            {
                "user_id": or_null(INTEGER),
                "merchant_id": INTEGER,
                "total_purchases": INTEGER,
                "perks_redeemed": INTEGER,
                "last_purchase_at": or_null(TIME),
                "is_member": BOOLEAN,
                "name": or_null(STRING),
                "total_spend_cents": INTEGER,
                "subscribed": BOOLEAN,
                "points_earned": INTEGER,
                "points_balance": INTEGER,
                "source": or_null(STRING),
                "points_expire_at": or_null(TIME),
                "first_name": or_null(STRING),
                "last_name": or_null(STRING),
                "prettyTotalSpend": STRING,
                "last_seen_at": or_null(TIME),
            },
        )
    },
)

#: A customer inside an event. The required keys are in the vendor's oldest and newest samples alike.
CUSTOMER = record(
    {
        "total_spend_cents": INTEGER,
        "total_purchases": INTEGER,
        "perks_redeemed": INTEGER,
        "last_purchase_at": or_null(TIME),
        "email": STRING,
        "points_earned": INTEGER,
        "points_balance": INTEGER,
        "points_expire_at": {**or_null(TIME), "description": "ISO 8601 date and time; null: never"},
        "first_name": or_null(STRING),
        "last_name": or_null(STRING),
        "last_seen_at": or_null(TIME),
    },
    {
        # only null was ever seen, so that their types are left open
        "referred_by": {},
        "referred_by_customer": {},
        "third_party_id": or_null(STRING),
        "thirty_party_id": {**or_null(STRING), "description": "The vendor's spelling; same value as third_party_id"},
        "referral_code": REFERRAL_CODE,
        "referral_link": or_null(STRING),
        "referral_discount_code": or_null(STRING),
        "is_member": BOOLEAN,
        "accepts_marketing": BOOLEAN,
        "has_store_account": BOOLEAN,
        "credit_balance": STRING,
        "credit_balance_in_customer_currency": STRING,
        "is_affiliate": BOOLEAN,
        "vip_tier_name": or_null(STRING),
        "vip_tier_ends_at": or_null(DATE),
        "is_opt_in": BOOLEAN,
        "loyalty_opt_in_date": or_null(DATE),
    },
)

REDEMPTION = record(
    {
        "id": INTEGER,
        "created_at": TIME,
        "updated_at": TIME,
        "reward_text": {"type": "string", "description": "The coupon code"},
        "approved": BOOLEAN,
        "approved_at": or_null(TIME),
    },
    {"is_admin": BOOLEAN, "is_pos": BOOLEAN, "at_checkout": BOOLEAN},
)

_OPTION: Mapping[str, Schema] = {
    "id": INTEGER,
    "name": STRING,
    "description": or_null(STRING),
    "icon": or_null(STRING),
    "cost_text": or_null(STRING),
    "amount": {"type": "integer", "description": "Points"},
}

REDEMPTION_OPTION = record(_OPTION)

LONG_REDEMPTION_OPTION = record(
    {**_OPTION, "discount_type": STRING},
    {
        "applies_to_product_type": or_null(STRING),
        "duration": or_null(STRING),
        "type": STRING,
        "discount_amount_cents": or_null(INTEGER),
        "discount_rate_cents": or_null(INTEGER),
        "discount_percentage": or_null(NUMBER),
    },
)

PERK = record(
    {
        "id": INTEGER,
        "campaign_id": or_null(INTEGER),
        "merchant_id": INTEGER,
        "customer_id": INTEGER,
        "reward_points": INTEGER,
        "completed": BOOLEAN,
        "completed_at": or_null(TIME),
        "awarded": BOOLEAN,
        "awarded_at": or_null(TIME),
        "pending": BOOLEAN,
        "reversed": BOOLEAN,
        "reversed_at": or_null(TIME),
        "expired": BOOLEAN,
        "expired_at": or_null(TIME),
        "expires_at": or_null(TIME),
        "redemption_option_id": or_null(INTEGER),
        "history_title": or_null(STRING),
        "created_at": TIME,
    },
    {"redemption_option": REDEMPTION_OPTION},
)

TIER = record(
    {
        "id": INTEGER,
        "name": STRING,
        "description": or_null(STRING),
        "points_earned": INTEGER,
        "amount_spent_cents": INTEGER,
        "purchases_made": INTEGER,
        "points_multiplier": NUMBER,
        "rank": INTEGER,
    }
)

#: camel case here, snake case in ``VIP_STATS_NEEDED``: both are the vendor's, in one payload
VIP_STATS = record(
    {"pointsEarned": INTEGER, "amountSpentCents": INTEGER, "purchasesMade": INTEGER, "referralsCompleted": INTEGER}
)

VIP_STATS_NEEDED = record(
    {"points_needed": INTEGER, "amount_cents_needed": INTEGER, "purchases_needed": INTEGER, "referrals_needed": INTEGER}
)
