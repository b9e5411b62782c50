"""The module *Adjust a Customer's Points*."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from engine import (
    Action,
    Call,
    Config,
    Conflict,
    DataError,
    Effect,
    Happened,
    Json,
    ProbeResult,
    Schema,
    field,
    options,
)
from modules.yotpo_loyalty import fields as f
from modules.yotpo_loyalty import schemas as s

CONFIG: Schema = {
    **options(
        "point_adjustment_amount",
        customer_email=f.CUSTOMER_EMAIL,
        customer_id=f.CUSTOMER_ID,
        point_adjustment_amount=field(
            "Point Adjustment Amount", "Points to give; negative to take away.", type="integer"
        ),
        apply_adjustment_to_points_earned=field(
            "Apply Adjustment to Points Earned",
            "Whether the points ever earned, on which tiers rest, change too: true for a reward and for taking one "
            "back, false for what was spent, expired or is given back. Say it: the vendor does not tell what holds "
            "when it is left out.",
            type="boolean",
        ),
        history_title=f.HISTORY_TITLE,
        visible_to_customer=field(
            "Visible to Customer",
            "Whether the customer sees it in the history; the vendor takes true when left out.",
            type="boolean",
            default=True,
        ),
        unique_history_title=f.UNIQUE_TITLE,
    ),
    "anyOf": [{"required": ["customer_email"]}, {"required": ["customer_id"]}],
    "allOf": [f.TITLE_FOR_UNIQUE],
}

#: keys by which an integration publishes the answer in camelCase; the spelling here is inferred, so that none is sure
OUTPUT: Schema = s.record(
    {},
    {
        "id": {"type": ["integer", "string"], "description": "Of the adjustment"},
        "customer_id": {"type": ["integer", "string"]},
        "merchant_id": {"type": ["integer", "string"]},
        "name": s.or_null(s.STRING),
        "type": s.or_null(s.STRING),
        "referral_id": {"type": ["integer", "string", "null"]},
        "created_at": s.or_null(s.TIME),
        "updated_at": s.or_null(s.TIME),
    },
)

#: what an adjustment's own statuses mean
_TOO_FEW = "the customer has too few points for this, or a value is not accepted; nothing was changed"
_BUSY = "the customer's record is busy; nothing was changed: try again later, with `retry: {on: [Conflict]}`"


def prepare(call: Call) -> Config:
    return f.with_texts(call.config, ("customer_id",))


async def run(call: Call) -> Json:
    body = {key: value for key, value in call.config.items() if key not in f.OWN}
    try:
        response = await call.http.request("POST", "/points/adjust", json=body)
    except (DataError, Conflict) as error:
        if error.status in (422, 423):
            error.hint = _TOO_FEW if error.status == 422 else _BUSY
        raise
    answer = f.body_of(response)
    f.warn_of_errors(call, answer)
    if not isinstance(answer, Mapping):
        call.warn("the points were adjusted, but the answer is not an object, so that the output is empty")
        return {}
    return answer


async def probe(call: Call, _sent_at: datetime) -> Happened | ProbeResult:
    return await f.find_in_history(call, {})


ADJUST_POINTS = Action(
    name="adjust_points",
    title="Adjust a Customer's Points",
    description="Gives points to a customer, or takes them away.",
    connection="yotpo_loyalty",
    config=CONFIG,
    output=OUTPUT,
    # the vendor takes no identity of an adjustment: the same call again adjusts again
    effect=Effect.WRITE,
    prepare=prepare,
    run=run,
    probe=probe,
    settle_after=f.shown_after,
    example={
        "customer_email": "ana@example.com",
        "point_adjustment_amount": 100,
        "apply_adjustment_to_points_earned": True,
        "history_title": "Goodwill for order 1001",
    },
)
