"""The module *Retrieve a Profile*."""

from __future__ import annotations

from engine import Action, Call, Effect, Json, Schema
from modules.insider.connection import PROFILE_PATH
from modules.insider.schemas import IDENTIFIERS

CONFIG: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["identifiers"],
    "anyOf": [{"required": ["attributes"]}, {"required": ["events"]}],
    "properties": {
        "identifiers": IDENTIFIERS,
        "attributes": {
            "type": "array",
            "title": "Attributes",
            "description": "Names of the attributes that are wanted; those of your own with the prefix c_.",
            "minItems": 1,
            "items": {"type": "string", "minLength": 1},
        },
        "events": {
            "type": "object",
            "title": "Events",
            "description": "Which events are wanted.",
            "additionalProperties": False,
            "required": ["start_date", "end_date", "wanted"],
            "properties": {
                "start_date": {
                    "type": "integer",
                    "title": "Start Date",
                    "description": "Events from this time on, in Unix seconds.",
                },
                "end_date": {
                    "type": "integer",
                    "title": "End Date",
                    "description": "Events up to this time, in Unix seconds.",
                },
                "wanted": {
                    "type": "array",
                    "title": "Wanted",
                    "description": "Which events, and what of them.",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["event_name", "params"],
                        "properties": {
                            "event_name": {"type": "string", "title": "Event Name", "description": "The event's name."},
                            "params": {
                                "type": "array",
                                "title": "Parameters",
                                "description": "Names of parameters; those of your own with the prefix c_.",
                                "items": {"type": "string"},
                            },
                        },
                    },
                },
            },
        },
        "quota": {
            "type": "boolean",
            "title": "Quota",
            "description": "Whether the answer tells how much of the quota is used.",
        },
    },
}

OUTPUT: Schema = {
    "type": "object",
    "title": "Profile",
    "description": "What was asked for, as far as the vendor has it.",
    "properties": {
        "attributes": {
            "type": "object",
            "title": "Attributes",
            "description": "The attributes by name; those of your own with the prefix c_.",
        },
        "events": {
            "type": "object",
            "title": "Events",
            "description": "By the event's name, the parameters of each.",
            "additionalProperties": {"type": "array", "items": {"type": "object"}},
        },
        "quota": {"title": "Quota", "description": "How much of the quota is used, in the vendor's own form."},
    },
}


async def run(call: Call) -> Json:
    response = await call.http.request("POST", PROFILE_PATH, json=dict(call.config))
    return response.json()


RETRIEVE_PROFILE = Action(
    name="retrieve_profile",
    title="Retrieve a Profile",
    description="Reads attributes and events of one user. A user whom the vendor does not have is NotFound.",
    connection="insider",
    config=CONFIG,
    output=OUTPUT,
    effect=Effect.READ,
    run=run,
    example={"identifiers": {"email": "ana@example.com"}, "attributes": ["name", "c_yotpo_point_balance"]},
)
