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
