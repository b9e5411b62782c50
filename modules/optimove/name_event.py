"""The module *Name a Loyalty Event*."""

from __future__ import annotations

from engine import Config, Json, Schema, Transform
from modules.optimove.loyalty import named, schemas

_NOTHING: Schema = {"type": "null"}
NO_CUSTOMER = "the event has no customer: nobody's e-mail address is in it"
NO_EVENT = "Optimove has no event for this topic"


def apply(config: Config) -> Json:
    body = config["body"]
    found = named(body)
    topic = body.get("topic")
    if found.event is None or found.customer is None:
        reason = NO_EVENT if found.event is None else NO_CUSTOMER
        return {"event": None, "topic": topic, "customer": None, "context": {}, "left_out": [], "reason": reason}
    return {
        "event": found.event.name,
        "title": found.event.title,
        "topic": topic,
        "customer": found.customer,
        "context": found.context,
        "left_out": found.left_out,
        "reason": None,
    }


OUTPUT: Schema = {
    "anyOf": [
        *schemas(None, {"reason": _NOTHING}),
        {
            "type": "object",
            "required": ["event", "topic", "customer", "context", "left_out", "reason"],
            "properties": {
                "event": _NOTHING,
                "topic": {},
                "customer": _NOTHING,
                "context": {"type": "object", "maxProperties": 0},
                "left_out": {"type": "array", "maxItems": 0},
                "reason": {
                    "type": "string",
                    "description": "Why there is nothing to send",
                    "enum": [NO_CUSTOMER, NO_EVENT],
                },
            },
        },
    ]
}

NAME_LOYALTY_EVENT = Transform(
    name="name_loyalty_event",
    title="Name a Loyalty Event",
    description=(
        "Turns an event of Yotpo Loyalty into one of the twelve that Optimove takes from Yotpo: its name, the "
        "customer's e-mail address, and flat, typed parameters. Where Optimove has no such event, or the event has no "
        "customer, `event` is null and `reason` says why."
    ),
    config={
        "type": "object",
        "additionalProperties": False,
        "required": ["body"],
        "properties": {
            "body": {
                "type": "object",
                "title": "Body",
                "description": "An event of Yotpo Loyalty as it came, such as ${{ trigger }}.",
            }
        },
    },
    output=OUTPUT,
    apply=apply,
    example={"body": {"topic": "loyalty/opt_in", "email": "ana@example.com", "customer": {"first_name": "Ana"}}},
)
