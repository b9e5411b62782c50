"""The module *Fetch VIP Tiers*."""

from __future__ import annotations

from engine import Action, Effect, Request, options
from modules.yotpo_loyalty import schemas as s
from modules.yotpo_loyalty.connection import LIST_ERRORS

_THRESHOLD = {
    **s.record(
        {},
        {
            "points_earned": s.or_null(s.INTEGER),
            "amount_spent_cents": s.or_null(s.INTEGER),
            "purchases_made": s.or_null(s.INTEGER),
            "referrals_completed": s.or_null(s.INTEGER),
        },
    ),
    "type": ["object", "null"],
}

TIER = s.record(
    {"id": s.INTEGER, "name": s.STRING},
    {
        "description": s.or_null(s.STRING),
        "type": s.or_null(s.STRING),
        "points_multiplier": {"type": ["string", "number", "null"], "description": "Text on some accounts"},
        "points_reward": {"description": "Given on entry"},
        "coupon_reward": {"description": "Given on entry"},
        "entry_threshold": {**_THRESHOLD, "description": "To come in"},
        "retain_threshold": {**_THRESHOLD, "description": "To stay"},
        "regain_threshold": {**_THRESHOLD, "description": "To come back"},
    },
)


LIST_VIP_TIERS = Action(
    name="list_vip_tiers",
    title="Fetch VIP Tiers",
    description="Reads the program's tiers, each with what it takes to come in, to stay and to come back.",
    connection="yotpo_loyalty",
    config=options(),
    output=s.items(TIER),
    effect=Effect.READ,
    request=Request("GET", "/vip_tiers", errors=LIST_ERRORS),
    example={},
)
