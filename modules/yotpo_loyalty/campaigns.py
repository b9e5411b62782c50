"""The module *Get Active Campaigns*."""

from __future__ import annotations

from collections.abc import Mapping

from engine import Action, Config, Effect, Schema, field, options
from modules.yotpo_loyalty import fields as f
from modules.yotpo_loyalty import schemas as s

_TEXTS = (
    "title",
    "details",
    "cta_text",
    "share_text",
    "url",
    "username",
    "icon",
    "reward_text",
    "hashtags",
    "question",
    "default_email_body",
    "extra_copy_1",
    "extra_copy_2",
    "unrendered_title",
    "unrendered_details",
    "admin_display_name",
)

_OPTIONAL: Mapping[str, Schema] = {
    **{name: s.or_null(s.STRING) for name in _TEXTS},
    "action_name": {**s.or_null(s.STRING), "description": "What an action names to count for a Custom Action campaign"},
    "entity_id": {"type": ["string", "integer", "null"]},
    "expires_at": s.or_null(s.TIME),
    "ends_at": s.or_null(s.TIME),
    "created_at": s.TIME,
    "updated_at": s.TIME,
    "max_completions_per_user": s.or_null(s.INTEGER),
    "min_actions_required": s.or_null(s.INTEGER),
    "display_order": s.or_null(s.INTEGER),
    # their forms are not described
    "ask_year": {},
    "include_audience_ids": {},
    "include_audience_names": {},
    "exclude_audience_ids": {},
    "exclude_audience_names": {},
}

_STATUS = s.record(
    {},
    {
        name: s.or_null(s.INTEGER)
        for name in (
            "global_completions_left",
            "customer_actions_completed",
            "customer_times_completed",
            "customer_minutes_until_next_action",
            "customer_minutes_until_next_completion",
        )
    },
)


def output(config: Config) -> Schema:
    """A campaign has a status only where one is asked for; what the load cannot know may be."""
    required = {"id": s.INTEGER, "type": s.STRING}
    if config.get("with_status") is True:
        required["status"] = _STATUS
    return s.items(s.record(required, {**_OPTIONAL, "status": _STATUS}))


LIST_CAMPAIGNS = Action(
    name="list_campaigns",
    title="Get Active Campaigns",
    description="Reads the ways to earn that are active; with a customer's standing in each, if wanted.",
    connection="yotpo_loyalty",
    config=options(
        with_status=field(
            "With Status",
            "Whether to retrieve the status of each campaign: the customer's, where one is named.",
            type="boolean",
            default=False,
        ),
        customer_email=field(
            "Customer Email", "The e-mail address of the customer whose campaigns are wanted.", f.EMAIL
        ),
        customer_id=f.CUSTOMER_ID,
    ),
    output=output,
    effect=Effect.READ,
    run=f.read_list("/campaigns"),
    example={"with_status": True, "customer_email": "ana@example.com"},
)
