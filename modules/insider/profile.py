"""The module *Retrieve a Profile*."""

from __future__ import annotations

from engine import Action, Effect, Request, Schema, field, options
from modules.insider.connection import PROFILE_PATH
from modules.insider.schemas import IDENTIFIERS

_SECONDS: Schema = {"type": "integer"}
_WANTED = options(
    "event_name",
    "params",
    event_name=field("Event Name", "The event's name.", type="string"),
    params=field(
        "Parameters",
        "Names of parameters; those of your own with the prefix c_.",
        type="array",
        items={"type": "string"},
    ),
)
_EVENTS = options(
    "start_date",
    "end_date",
    "wanted",
    start_date=field("Start Date", "Events from this time on, in Unix seconds.", _SECONDS),
    end_date=field("End Date", "Events up to this time, in Unix seconds.", _SECONDS),
    wanted=field("Wanted", "Which events, and what of them.", type="array", minItems=1, items=_WANTED),
)
CONFIG: Schema = {
    **options(
        "identifiers",
        identifiers=IDENTIFIERS,
        attributes=field(
            "Attributes",
            "Names of the attributes that are wanted; those of your own with the prefix c_.",
            type="array",
            minItems=1,
            items={"type": "string", "minLength": 1},
        ),
        events=field("Events", "Which events are wanted.", _EVENTS),
        quota=field("Quota", "Whether the answer tells how much of the quota is used.", type="boolean"),
    ),
    "anyOf": [{"required": ["attributes"]}, {"required": ["events"]}],
}
OUTPUT: Schema = {
    "type": "object",
    "title": "Profile",
    "description": "What was asked for, as far as the vendor has it.",
    "properties": {
        "attributes": field(
            "Attributes", "The attributes by name; those of your own with the prefix c_.", type="object"
        ),
        "events": field(
            "Events",
            "By the event's name, the parameters of each.",
            type="object",
            additionalProperties={"type": "array", "items": {"type": "object"}},
        ),
        "quota": field("Quota", "How much of the quota is used, in the vendor's own form."),
    },
}

RETRIEVE_PROFILE = Action(
    name="retrieve_profile",
    title="Retrieve a Profile",
    description="Reads attributes and events of one user. A user whom the vendor does not have is NotFound.",
    connection="insider",
    config=CONFIG,
    output=OUTPUT,
    effect=Effect.READ,
    request=Request("POST", PROFILE_PATH, body="@"),
    example={"identifiers": {"email": "ana@example.com"}, "attributes": ["name", "c_yotpo_point_balance"]},
)
