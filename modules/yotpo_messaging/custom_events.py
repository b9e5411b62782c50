"""The module *Create or Update a Custom Customer Event*."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from engine import Action, Call, Config, Effect, Json, Schema
from modules.yotpo_messaging import schemas as s
from modules.yotpo_messaging.connection import CUSTOM_EVENT_KEYS, CUSTOM_EVENT_METHOD, CUSTOM_EVENT_PATH, core

#: the space in which events without ``unique_id`` get one from the effect's key
EVENT_IDS = uuid.uuid5(uuid.NAMESPACE_OID, "yotpo_messaging.create_or_update_custom_event")

_SNAKE_CASE: Schema = {
    "type": "string",
    "pattern": "^[a-z0-9]+(_[a-z0-9]+)*$",
    "minLength": 1,
    "maxLength": 255,
}

CUSTOMER: Schema = {
    "type": "object",
    "title": "Customer",
    "description": "Whom it is about: external_id, else only one of email and phone_number.",
    "additionalProperties": False,
    "anyOf": [
        {"required": ["external_id"]},
        {"required": ["email"], "not": {"required": ["phone_number"]}},
        {"required": ["phone_number"], "not": {"required": ["email"]}},
    ],
    "properties": {
        "external_id": s.titled(
            "External ID", {"type": "string", "minLength": 1}, "The customer's identifier in your system."
        ),
        "email": s.titled("Email", s.EMAIL, "The customer's e-mail address."),
        "phone_number": s.titled("Phone Number", s.E_164),
        "custom_properties": s.titled("Custom Properties", s.CUSTOM_PROPERTIES),
    },
}

CONFIG: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["action_name", "customer"],
    "properties": {
        "source": {**_SNAKE_CASE, "title": "Source", "description": "The tool that sends it, in snake case."},
        "action_name": {
            **_SNAKE_CASE,
            "title": "Action Name",
            "description": "The kind of event, in snake case: what the merchant sees under Custom Triggers.",
        },
        "action_time": {
            "type": "string",
            "title": "Action Time",
            "description": "When it happened, such as 2024-03-05T09:00:00Z. The first try's time when left out.",
            "pattern": s.ISO_8601,
        },
        "unique_id": {
            "type": "string",
            "title": "Unique ID",
            "description": (
                "The event's identity, best a UUID: a second event of the same id overwrites the first. When left "
                "out, one that is the same in every repetition of this call."
            ),
            "minLength": 1,
        },
        "customer": CUSTOMER,
        "event_properties": {
            "type": "object",
            "title": "Event Properties",
            "description": "What flows may show or segment by: flat, no lists or objects.",
            "additionalProperties": s.PRIMITIVE,
        },
    },
}

OUTPUT: Schema = {
    "type": "object",
    "required": ["unique_id", "action_time"],
    "properties": {
        "unique_id": {"type": "string", "description": "The id under which the vendor keeps the event"},
        "action_time": {"type": "string", "description": "ISO 8601"},
    },
}


def prepare(call: Call) -> Config:
    """Settle id and time before the request is stored, so that a repetition sends the same event."""
    return {
        "action_time": _iso(call.now),
        "unique_id": str(uuid.uuid5(EVENT_IDS, call.key)),
        **call.config,
    }


async def run(call: Call) -> Json:
    names: dict[str, str] = {**{key: key for key in CUSTOM_EVENT_KEYS}, **call.connection.get("custom_event_keys", {})}
    body: dict[str, Any] = {names.get(key, key): value for key, value in call.config.items()}
    await call.http.request(
        call.connection.get("custom_event_method", CUSTOM_EVENT_METHOD),
        core(call, call.connection.get("custom_event_path", CUSTOM_EVENT_PATH)),
        json=body,
    )
    # what the vendor answers is not described, so that nothing is promised of it
    return {"unique_id": call.config["unique_id"], "action_time": call.config["action_time"]}


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


CREATE_OR_UPDATE_CUSTOM_EVENT = Action(
    name="create_or_update_custom_event",
    title="Create or Update a Custom Customer Event",
    description=(
        "Sends an event about a customer, on which the merchant's flows can start. The merchant finds it under "
        "Flows & Automations > Custom Triggers and switches on *Display as a trigger* once."
    ),
    connection="yotpo_messaging",
    config=CONFIG,
    output=OUTPUT,
    # A second event of the same id overwrites the first. That the id's key is called so is inferred; the vendor wants
    # one, so that under another name the call would be refused rather than be two events.
    effect=Effect.IDEMPOTENT,
    prepare=prepare,
    run=run,
    example={
        "source": "creator_hub",
        "action_name": "instagram_mention",
        "customer": {"email": "ana@example.com", "custom_properties": {"follower_count": 1200}},
        "event_properties": {"post_url": "https://social.example.com/p/1", "followers": 1200},
    },
)
