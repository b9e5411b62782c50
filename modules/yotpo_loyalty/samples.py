"""Made-up records that the simulator starts with."""

from __future__ import annotations

from typing import Any


def customer(email: str, first_name: str, last_name: str, number: int, **changes: Any) -> dict[str, Any]:
    """A customer as the vendor answers it, with referral code and history.

    :param number: makes the identifiers and the phone number unique: 100 to 999.
    """
    identity = f"700{number}"
    code = f"k7q{number}"
    spent = {"amount_cents_needed": 7500, "amount_cents_needed_in_customer_currency": 7500}
    nothing = {
        "points_needed": 0,
        "amount_cents_needed": 0,
        "amount_cents_needed_in_customer_currency": 0,
        "purchases_needed": 0,
        "referrals_needed": 0,
        "campaigns_needed": [],
    }
    counters = ("facebook_shares", "twitter_shares", "email_shares", "emails_sent", "emails_viewed")
    clicks = ("links_clicked_from_email", "links_clicked_from_twitter", "links_clicked_from_facebook")
    return {
        "total_spend_cents": 12500,
        "total_purchases": 3,
        "perks_redeemed": 2,
        "last_purchase_at": "2024-03-02T10:15:00.000Z",
        "first_name": first_name,
        "last_name": last_name,
        "phone_number": f"+15550{number}",
        "email": email,
        "points_balance": 640,
        "points_earned": 900,
        "last_seen_at": "2024-03-05T09:00:00.000Z",
        "thirty_party_id": identity,
        "third_party_id": identity,
        "pos_account_id": None,
        "has_store_account": True,
        "credit_balance": "$6.40",
        "credit_balance_in_customer_currency": "$6.40",
        "opt_in": True,
        "opted_in_at": "2023-10-15T00:00:00.000Z",
        "points_expire_at": None,
        "next_points_expire_on": "2024-08-01",
        "next_points_expire_amount": 150,
        "birthday_month": 5,
        "birth_day": 8,
        "birthday_year": None,
        "vip_tier_name": "SILVER",
        "vip_tier_entry_date": "2023-12-01T00:00:00.000Z",
        "vip_tier_expiration": "2024-12-31T00:00:00.000Z",
        "vip_tier_actions_completed": {
            "points_earned": 900,
            "amount_spent_cents": 12500,
            "amount_spent_cents_in_customer_currency": 12500,
            "purchases_made": 3,
            "referrals_completed": 0,
            "campaigns_completed": [],
        },
        "vip_tier_maintenance_requirements": nothing,
        "vip_tier_upgrade_requirements": {**nothing, **spent},
        "referral_code": {
            "code": code,
            "shares": 0,
            **dict.fromkeys(counters + clicks, 0),
            "orders": 0,
            "amount_cents": 0,
            "average_amount_cents": 0,
            "expires_at": None,
            "expired": False,
            "completed_referral_customers": [],
            "email": email,
            "unique_clicks": 0,
            "total_clicks": 0,
        },
        "referral_link": {
            "link": f"https://shop.example.com/r/{code}",
            "code": code,
            "expired": False,
            "customer_id": number,
        },
        "history_items": [
            {
                "created_at": "2024-03-05T09:00:00.000Z",
                "completed_at": "2024-03-05T09:00:00.000Z",
                "date": "2024-03-05",
                "action": "Create an account",
                "points": 200,
                "status": "Approved",
            },
            {
                "created_at": "2024-03-05T09:10:00.000Z",
                "date": "2024-03-05",
                "action": "$5.00 Off",
                "points": -500,
                "status": "SAVE5-9XK2",
            },
        ],
        **changes,
    }


def customers() -> dict[str, dict[str, Any]]:
    """By e-mail: the two people of the vendor's sample events."""
    people = (
        customer("ana@example.com", "Ana", "Example", 100),
        customer("ben@example.com", "Ben", "Sample", 101, vip_tier_name=None, points_balance=0),
    )
    return {person["email"]: person for person in people}


def new_customer(email: str, number: int) -> dict[str, Any]:
    """A customer of whom nothing is known but the e-mail."""
    blank = customer(email, "", "", number)
    for key in ("vip_tier_name", "vip_tier_entry_date", "vip_tier_expiration"):
        blank[key] = None
    return {
        **blank,
        **dict.fromkeys(
            ("total_spend_cents", "total_purchases", "perks_redeemed", "points_balance", "points_earned"), 0
        ),
        **dict.fromkeys(("first_name", "last_name", "phone_number", "last_purchase_at", "opted_in_at"), None),
        **dict.fromkeys(("thirty_party_id", "third_party_id", "birthday_month", "birth_day", "birthday_year"), None),
        **dict.fromkeys(("next_points_expire_on", "next_points_expire_amount"), None),
        "vip_tier_actions_completed": {
            key: [] if value == [] else 0 for key, value in blank["vip_tier_actions_completed"].items()
        },
        "credit_balance": "$0.00",
        "credit_balance_in_customer_currency": "$0.00",
        "has_store_account": False,
        "opt_in": False,
        "history_items": [],
    }


#: of the Custom Action campaign that the simulator starts with
ACTION_NAME = "instagram_mention"
ACTION_POINTS = 50
#: inferred: the vendor's lists of campaign types do not have it
ACTION_CAMPAIGN = "CustomActionCampaign"


#: more of them: what is done, by its action name, and what it is worth
MORE_ACTIONS = {"social_follow": ("Follow us", 25), "review_written": ("Write a review", 75)}


def custom_actions() -> list[dict[str, Any]]:
    """All active campaigns that reward what a merchant's own systems report."""
    more = [
        {
            **custom_action(),
            "id": 9 + number,
            "title": title,
            "details": f"Get {points} points",
            "icon": "fa-star",
            "reward_text": f"{points} Points",
            "display_order": 3 + number,
            "action_name": name,
        }
        for number, (name, (title, points)) in enumerate(MORE_ACTIONS.items())
    ]
    return [custom_action(), *more]


def custom_action() -> dict[str, Any]:
    """An active campaign that rewards what a merchant's own system reports."""
    return {
        **campaign(),
        "id": 8,
        "title": "Mention us",
        "details": f"Get {ACTION_POINTS} points",
        "type": ACTION_CAMPAIGN,
        "cta_text": None,
        "icon": "fa-camera",
        "reward_text": f"{ACTION_POINTS} Points",
        "max_completions_per_user": None,
        "display_order": 2,
        "action_name": ACTION_NAME,
    }


def campaign() -> dict[str, Any]:
    """An active campaign."""
    return {
        "id": 7,
        "title": "Refer a friend",
        "details": "Get 500 points",
        "type": "ReferralCampaign",
        "cta_text": "Share",
        "url": None,
        "icon": "fa-share",
        "reward_text": "500 Points",
        "expires_at": None,
        "created_at": "2023-10-01T00:00:00.000Z",
        "updated_at": "2023-10-01T00:00:00.000Z",
        "max_completions_per_user": 1,
        "display_order": 1,
        "action_name": None,
    }


#: what ``with_status`` adds to a campaign
CAMPAIGN_STATUS = {
    "global_completions_left": None,
    "customer_actions_completed": 0,
    "customer_times_completed": 0,
    "customer_minutes_until_next_action": 0,
    "customer_minutes_until_next_completion": 0,
}


def redemption_options() -> list[dict[str, Any]]:
    """The options of the vendor's sample events, and one in which the customer chooses how many points."""
    return [
        _option(149, "$5.00 Off", 500, "fixed_amount", discount_amount_cents=500),
        _option(152, "10% Off", 0, "percentage", discount_percentage=10),
        _option(160, "Points for Dollars", None, "variable", discount_rate_cents=1),
    ]


def _option(number: int, name: str, points: int | None, kind: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "description": f"{name} your next purchase",
        "icon": "fa-dollar",
        "cost_text": "Any number of points" if points is None else f"{points} Points",
        "amount": points,
        "type": "Coupon",
        "discount_type": kind,
        "discount_amount_cents": None,
        "discount_rate_cents": None,
        "discount_percentage": None,
        "discount_value_cents": None,
        "applies_to_product_type": "ALL",
        "duration": "single_use",
        "cart_greater_than": None,
        "discount_with_currency": None,
        "unrendered_name": name,
        "unrendered_description": None,
        **changes,
    }


def vip_tiers() -> list[dict[str, Any]]:
    """The tiers of the vendor's sample events."""
    return [_tier(1, "SILVER", 5000, "1.2"), _tier(2, "GOLD", 10000, 1.5)]


def _tier(number: int, name: str, cents: int, multiplier: str | float) -> dict[str, Any]:
    spent = {"points_earned": 0, "amount_spent_cents": cents, "purchases_made": 0, "referrals_completed": 0}
    return {
        "id": number,
        "name": name,
        "description": f"{name} tier",
        "type": "VipTier",
        # text or number: the vendor was seen to send both
        "points_multiplier": multiplier,
        "points_reward": None,
        "coupon_reward": None,
        "entry_threshold": spent,
        "retain_threshold": spent,
        "regain_threshold": spent,
    }
