"""The module *Create or Update a Custom Customer Event*."""

from __future__ import annotations

import uuid
from datetime import UTC

from engine import Action, Call, Config, Effect, Request, Schema, field, options
from modules.yotpo_core.names import STORE
from modules.yotpo_messaging import schemas as s

#: the space in which events without ``unique_id`` get one from the effect's key
EVENT_IDS = uuid.uuid5(uuid.NAMESPACE_OID, "yotpo_messaging.create_or_update_custom_event")

_SNAKE_CASE: Schema = {"type": "string", "pattern": "^[a-z0-9]+(_[a-z0-9]+)*$", "minLength": 1, "maxLength": 255}

CUSTOMER: Schema = {
    **options(
        external_id=field("External ID", "The customer's identifier in your system.", s.TEXT),
        email=field("Email", "The customer's e-mail address.", s.EMAIL),
        phone_number=field("Phone Number", s.IN_E_164, s.E_164),
        custom_properties=field(
            "Custom Properties", "Properties of the customer. Null is not supported.", s.CUSTOM_PROPERTIES
        ),
    ),
    "anyOf": [
        {"required": ["external_id"]},
        {"required": ["email"], "not": {"required": ["phone_number"]}},
        {"required": ["phone_number"], "not": {"required": ["email"]}},
    ],
}

CONFIG = options(
    "action_name",
    "customer",
    source=field("Source", "The tool that sends it, in snake case.", _SNAKE_CASE),
    action_name=field(
        "Action Name", "The kind of event, in snake case: what the merchant sees under Custom Triggers.", _SNAKE_CASE
    ),
    action_time=field(
        "Action Time",
        "When it happened, such as 2024-03-05T09:00:00Z. The first try's time when left out.",
        type="string",
        pattern=s.ISO_8601,
    ),
    unique_id=field(
        "Unique ID",
        "The event's identity, best a UUID: a second event of the same id overwrites the first. When left out, one "
        "that is the same in every repetition of this call.",
        s.TEXT,
    ),
    customer=field("Customer", "Whom it is about: external_id, else only one of email and phone_number.", CUSTOMER),
    event_properties=field(
        "Event Properties",
        "What flows may show or segment by: flat, no lists or objects.",
        type="object",
        additionalProperties=s.PRIMITIVE,
    ),
)

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
        "action_time": call.now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "unique_id": str(uuid.uuid5(EVENT_IDS, call.key)),
        **call.config,
    }


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
    request=Request(
        "{connection.custom_event_method}",
        STORE + "{+connection.custom_event_path}",
        # each key under the vendor's name of it, where the connection has another
        body="to_object(entries(@), &get($.connection.custom_event_keys, key, key), &value)",
        # what the vendor answers is not described, so that nothing is promised of it
        gives="{unique_id: config.unique_id, action_time: config.action_time}",
    ),
    example={
        "source": "creator_hub",
        "action_name": "instagram_mention",
        "customer": {"email": "ana@example.com", "custom_properties": {"follower_count": 1200}},
        "event_properties": {"post_url": "https://social.example.com/p/1", "followers": 1200},
    },
)
