"""The module *Send an Event*."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from engine import Action, Call, Config, DataError, Effect, Json, Schema, field, options
from modules.optimove.connection import LONGEST_TEXT, SNAKE_CASE, event_id

_DATE, _TIME = "\\d{4}-\\d{2}-\\d{2}", "\\d{2}:\\d{2}:\\d{2}"
#: the vendor's form; its page on standard events shows six decimals
VENDORS_TIME = f"^{_DATE} {_TIME}\\.\\d{{3}}(\\d{{3}})? UTC$"
_ISO_TIME = f"^{_DATE}[T ]{_TIME}(\\.\\d+)?(Z|[+-]\\d{{2}}:?\\d{{2}})$"

_TEXT: Schema = {"type": "string", "minLength": 1}
_EITHER = "give customer or visitor, and not both"

CONFIG: Schema = {
    **options(
        "event",
        event=field(
            "Event", "Its name, in snake case; it must be set up in Optimove before.", type="string", pattern=SNAKE_CASE
        ),
        customer=field(
            "Customer", "Customer ID in Optimove: the e-mail address, for loyalty events. Not beside visitor.", _TEXT
        ),
        visitor=field("Visitor", "Visitor ID of somebody who is no customer yet. Not beside customer.", _TEXT),
        timestamp=field(
            "Timestamp",
            "When it happened: ISO 8601 with a zone, such as 2024-03-05T09:00:00Z, or the vendor's form, such as "
            "2024-03-05 09:00:00.000 UTC. The first try's time when left out.",
            type="string",
            anyOf=[{"pattern": VENDORS_TIME}, {"pattern": _ISO_TIME}],
        ),
        context=field(
            "Context",
            f"The event's parameters, set up in Optimove before: texts of up to {LONGEST_TEXT} characters, numbers, "
            "booleans. No null: write omit() for a value that can be null.",
            type="object",
            propertyNames={"pattern": SNAKE_CASE},
            additionalProperties={"type": ["string", "number", "boolean"]},
        ),
        cut_long_texts=field(
            "Cut Long Texts",
            f"Not sent. Cuts texts in context that have more than {LONGEST_TEXT} characters, and warns of each. "
            "Otherwise such an event is an error.",
            type="boolean",
            default=False,
        ),
    ),
    "oneOf": [{"required": [name], "description": _EITHER} for name in ("customer", "visitor")],
    "if": {"required": ["cut_long_texts"], "properties": {"cut_long_texts": {"const": True}}},
    "else": {"properties": {"context": {"additionalProperties": {"maxLength": LONGEST_TEXT}}}},
}
OUTPUT: Schema = {
    "type": "object",
    "required": ["id", "event", "timestamp"],
    "properties": {
        "id": {"type": "string", "description": "The vendor's number of the event"},
        "event": {"type": "string", "description": "The name under which it was sent"},
        "timestamp": {"type": "string", "description": "As it was sent"},
    },
}


def vendors_time(moment: datetime) -> str:
    """A moment as the vendor writes it: ``2024-03-05 09:00:00.000 UTC``."""
    return moment.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds").replace("+00:00", " UTC")


def prepare(call: Call) -> Config:
    """Settle the time before the request is stored, so that a repetition sends the same event."""
    given = call.config.get("timestamp")
    timestamp = vendors_time(call.now) if given is None else _in_vendors_form(given)
    return {"context": {}, **call.config, "timestamp": timestamp}


def _in_vendors_form(text: str) -> str:
    bare = text.removesuffix(" UTC")
    try:
        moment = datetime.fromisoformat(bare)
    except ValueError:
        raise DataError(f"timestamp: there is no time '{text}'; nothing was sent", refused=True) from None
    return text if bare != text else vendors_time(moment)


async def run(call: Call) -> Json:
    config = call.config
    name = call.connection.get("event_names", {}).get(config["event"], config["event"])
    whose = {key: config[key] for key in ("customer", "visitor") if key in config}
    body = {
        "tenant": call.connection["tenant"],
        "event": name,
        **whose,
        "timestamp": config["timestamp"],
        "context": _cut(call, config["context"]),
    }
    taken = event_id(await call.http.request("POST", "", json=body))
    return {"id": taken, "event": name, "timestamp": config["timestamp"]}


def _cut(call: Call, context: Config) -> dict[str, Any]:
    """The parameters with texts that the vendor takes; what is lost is told."""
    cut = dict(context)
    for name, value in context.items():
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            cut[name] = value[:LONGEST_TEXT]
            call.warn(f"context.{name} has {len(value)} characters; the first {LONGEST_TEXT} were sent")
    return cut


SEND_EVENT = Action(
    name="send_event",
    title="Send an Event",
    description=(
        "Reports something that a customer or visitor did, for triggers, segments and personalization. The event and "
        "its parameters are set up in Optimove before."
    ),
    connection="optimove",
    config=CONFIG,
    output=OUTPUT,
    # The vendor takes no identity of an event and shows none: the same call again is a second event, and nothing can
    # be asked whether the first arrived.
    effect=Effect.WRITE,
    prepare=prepare,
    run=run,
    example={
        "event": "points_changed",
        "customer": "ana@example.com",
        "timestamp": "2024-03-05T09:00:00Z",
        "context": {"current_balance": 640, "difference": 200, "added_or_removed": "added"},
    },
)
