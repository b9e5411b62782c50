"""The vendor's webhook events: every topic whose body is known, and its schema.

The topics are spelled as the vendor spells them: not all begin with ``swell/``, and the tier status has a slash where
one expects an underscore.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine import Schema
from modules.yotpo_loyalty import schemas as s

_WITH_EMAIL: Mapping[str, Schema] = {"name": s.STRING, "email": s.STRING}
_ABOUT_CUSTOMER: Mapping[str, Schema] = {**_WITH_EMAIL, "customer": s.CUSTOMER}
_REWARD: Mapping[str, Schema] = {
    **_ABOUT_CUSTOMER,
    "perk": s.PERK,
    "redemption": s.REDEMPTION,
    "redemption_option": s.REDEMPTION_OPTION,
}

_Parts = tuple[Mapping[str, Schema], Mapping[str, Schema]]

#: by topic: the parts that are always there, and the parts that may be absent
_PARTS: Mapping[str, _Parts] = {
    "swell/points/earned": ({**_ABOUT_CUSTOMER, "perk": s.PERK}, {}),
    # The vendor's page names these parts; the forms of their values are inferred.
    "swell/points/changed": (
        {
            **_ABOUT_CUSTOMER,
            "previous_balance": s.INTEGER,
            "current_balance": s.INTEGER,
            "difference": s.INTEGER,
            "added_or_removed": {"type": "string", "examples": ["added", "removed"]},
            "points_changed_reason": {
                "type": "string",
                "description": "A campaign's title, the text of a manual adjustment, or one of the examples",
                "examples": ["Points Expired", "Refund made", "Import", "Redemption Made"],
            },
        },
        {},
    ),
    "swell/redemption/created": (
        {**_ABOUT_CUSTOMER, "redemption": s.REDEMPTION, "redemption_option": s.REDEMPTION_OPTION},
        {"perk": {**s.PERK, "description": "There when a campaign gave the coupon"}},
    ),
    "swell/points/reminder": (
        {**_ABOUT_CUSTOMER, "points_needed": s.INTEGER, "redemption_option": s.REDEMPTION_OPTION},
        {},
    ),
    "swell/redemption/reminder": ({**_ABOUT_CUSTOMER, "redemption_option": s.REDEMPTION_OPTION}, {}),
    "swell/customer/birthday": (_REWARD, {}),
    "swell/customer/anniversary": (_REWARD, {}),
    "swell/referral/completed": (
        {
            **_WITH_EMAIL,
            "perk": s.PERK,
            "referrer": s.CUSTOMER,
            "referral_code": s.LONG_REFERRAL_CODE,
            "referred_customer": s.CUSTOMER,
        },
        {"redemption": s.REDEMPTION, "redemption_option": s.REDEMPTION_OPTION},
    ),
    "swell/referral/share": (
        {
            **_ABOUT_CUSTOMER,
            "email": {"type": "string", "description": "The friend; the customer who shares is `from`"},
            "from": s.STRING,
            "referral_link": s.STRING,
        },
        {
            "product_referral_link": s.or_null(s.STRING),
            "product": s.record({}, {"id": {"type": ["integer", "string"]}, "name": s.STRING}),
        },
    ),
    "swell/tier/earned": (
        {**_ABOUT_CUSTOMER, "new_tier": s.TIER},
        {"old_tier": {**s.TIER, "description": "Absent when it is the first tier"}},
    ),
    "swell/tier/lost": (
        {**_ABOUT_CUSTOMER, "old_tier": s.TIER},
        {"new_tier": {**s.TIER, "description": "Absent when no tier is left"}},
    ),
    "swell/tier/status/changed": (
        {
            **_ABOUT_CUSTOMER,
            "vip_stats": s.VIP_STATS,
            "vip_stats_needed_maintain": s.VIP_STATS_NEEDED,
            "vip_stats_needed_next": s.VIP_STATS_NEEDED,
        },
        {},
    ),
    "loyalty/opt_in": (_ABOUT_CUSTOMER, {}),
    "loyalty/opt_out": (_ABOUT_CUSTOMER, {}),
    # The last three are listed by the vendor without their place; that it is the top level is inferred.
    "loyalty/expiration/reminder": (
        {
            **_ABOUT_CUSTOMER,
            "website_url": s.STRING,
            "store_name": s.STRING,
            "loyalty_next_points_expire_on": s.DATE,
            "loyalty_next_points_expire_amount": s.INTEGER,
            "days_to_point_expiration": s.INTEGER,
        },
        {},
    ),
    "swell/redemption_code/below_threshold": (
        {
            "name": s.STRING,
            "redemption_option": s.LONG_REDEMPTION_OPTION,
            "redemption_option_id": s.INTEGER,
            "redemption_option_name": s.STRING,
            "number_of_unused_codes": s.INTEGER,
        },
        {},
    ),
    "swell/point_redemption/cancellation_request": (
        {"name": s.STRING, "point_redemption_id": s.STRING, "reward_text": s.STRING, "customer": s.CUSTOMER},
        {},
    ),
}

#: every topic whose body is known, in the vendor's spelling
TOPICS: tuple[str, ...] = tuple(_PARTS)

_SCHEMAS: Mapping[str, Schema] = {
    topic: s.record({"topic": {"type": "string", "const": topic}, **required}, optional)
    for topic, (required, optional) in _PARTS.items()
}

#: What is known of an event whose topic is newer than this list: the common shape, all of it optional.
OTHER: Schema = s.record(
    {"topic": {"type": "string", "not": {"enum": list(TOPICS)}}},
    {"name": s.STRING, "email": s.or_null(s.STRING), "customer": s.CUSTOMER},
)


def event_schema(topics: Iterable[str] | None = None) -> Schema:
    """The schema of an event of one of these topics; None: of any topic, the ones that are not known included."""
    if topics is None:
        return {"anyOf": [*_SCHEMAS.values(), OTHER]}
    chosen = [_SCHEMAS[topic] for topic in dict.fromkeys(topics) if topic in _SCHEMAS]
    if not chosen:
        return event_schema()
    return chosen[0] if len(chosen) == 1 else {"anyOf": chosen}
