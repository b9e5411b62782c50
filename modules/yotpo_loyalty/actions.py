"""The module *Record a Customer Action*."""

from __future__ import annotations

from datetime import datetime

from engine import Action, Call, Config, Effect, Happened, ProbeResult, Schema, field, options
from modules.yotpo_loyalty import fields as f

#: the only type that the vendor's documentation names
CUSTOM_ACTION = "CustomAction"

CONFIG: Schema = {
    **options(
        "action_name",
        type=field("Type", "The kind of action.", type="string", default=CUSTOM_ACTION, minLength=1),
        customer_email=f.CUSTOMER_EMAIL,
        customer_id=f.CUSTOMER_ID,
        action_name=field(
            "Action Name",
            "Letter for letter the action name of a Custom Action campaign in the Loyalty admin.",
            type="string",
            minLength=1,
        ),
        ip_address=field(
            "IP Address",
            "The customer's; needed when the action completes a referral.",
            type="string",
            pattern="^[0-9A-Fa-f.:]+$",
        ),
        user_agent=field(
            "User Agent",
            "The customer's browser; recommended when the action completes a referral.",
            type="string",
            minLength=1,
        ),
        created_at=field(
            "Created At",
            "When it happened, such as 2024-03-05T09:00:00Z; the time of the call when left out.",
            f.MOMENT,
        ),
        reward_points=field("Reward Points", "Points in place of the campaign's.", type="integer", minimum=0),
        history_title=field(
            "History Title", "What the customer's history says, in place of the campaign's text.", f.HISTORY_TITLE
        ),
        unique_history_title=f.UNIQUE_TITLE,
    ),
    "anyOf": [{"required": ["customer_email"]}, {"required": ["customer_id"]}],
    "allOf": [f.TITLE_FOR_UNIQUE],
}


def prepare(call: Call) -> Config:
    f.require_times(call.config, ("created_at",))
    return f.with_texts({"type": CUSTOM_ACTION, **call.config}, ("customer_id",))


async def probe(call: Call, _sent_at: datetime) -> Happened | ProbeResult:
    return await f.find_in_history(call, {"status": None, "body": None})


RECORD_CUSTOMER_ACTION = Action(
    name="record_customer_action",
    title="Record a Customer Action",
    description="Records that a customer did what a Custom Action campaign rewards, and so gives the points.",
    connection="yotpo_loyalty",
    config=CONFIG,
    output=f.ACCEPTED_OR_FOUND,
    # the vendor takes no identity of an action: the same call again gives the points again
    effect=Effect.WRITE,
    prepare=prepare,
    request=f.sent("/actions", f.WITHOUT_OWN),
    probe=probe,
    settle_after=f.shown_after,
    example={
        "customer_email": "ana@example.com",
        "action_name": "instagram_mention",
        "reward_points": 50,
        "history_title": "Mentioned us in post 17",
        "unique_history_title": True,
    },
)
