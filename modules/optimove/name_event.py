"""The module *Name a Loyalty Event*."""

from __future__ import annotations

from engine import Config, Json, Schema, Transform, field, options
from modules.optimove.loyalty import named, schemas

NO_CUSTOMER = "the event has no customer: nobody's e-mail address is in it"
NO_EVENT = "Optimove has no event for this topic"


def apply(config: Config) -> Json:
    body = config["body"]
    found = named(body)
    if found.event is None:
        nothing: dict[str, Json] = {"event": None, "title": None, "customer": None, "context": {}, "left_out": []}
        return {**nothing, "topic": body.get("topic"), "reason": NO_EVENT}
    return {
        "event": found.event.name,
        "title": found.event.title,
        "topic": body["topic"],
        "customer": found.customer,
        "context": found.context,
        "left_out": list(found.left_out),
        "reason": NO_CUSTOMER if found.customer is None else None,
    }


_NULL: Schema = {"type": "null"}
_REASON: Schema = {"type": ["string", "null"], "description": "Why there is nothing to send; null: there is"}
_PERHAPS_A_CUSTOMER: Schema = {"type": ["string", "null"], "description": "E-mail address; null: about nobody"}
_OTHER: Schema = {
    "type": "object",
    "required": ["event", "title", "topic", "customer", "context", "left_out", "reason"],
    "properties": {
        "event": _NULL,
        "title": _NULL,
        "topic": {},
        "customer": _NULL,
        "context": {"type": "object", "maxProperties": 0},
        "left_out": {"type": "array", "maxItems": 0},
        "reason": {"type": "string"},
    },
}
OUTPUT: Schema = {"anyOf": [*schemas(None, {"customer": _PERHAPS_A_CUSTOMER, "reason": _REASON}), _OTHER]}

NAME_LOYALTY_EVENT = Transform(
    name="name_loyalty_event",
    title="Name a Loyalty Event",
    description=(
        "Turns an event of Yotpo Loyalty into one of the twelve that Optimove takes from Yotpo: its name, the "
        "customer's e-mail address, and flat, typed parameters. Where Optimove has no such event, `event` is null; "
        "where the event is about nobody, `customer` is."
    ),
    config=options(
        "body", body=field("Body", "An event of Yotpo Loyalty as it came, such as ${{ trigger }}.", type="object")
    ),
    output=OUTPUT,
    apply=apply,
    example={"body": {"topic": "loyalty/opt_in", "email": "ana@example.com", "customer": {"first_name": "Ana"}}},
)
