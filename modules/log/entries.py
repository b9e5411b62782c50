"""The module *Write a Log Entry*."""

from __future__ import annotations

import json
import logging

from engine import Action, Call, Effect, Json, Schema

LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

#: below the engine's own logger, whose handlers it shares
LOG = logging.getLogger("engine.log")
# an entry was asked for by name, so it is shown however quiet the engine itself is
LOG.setLevel(logging.INFO)


async def write(call: Call) -> Json:
    """Write the entry: one line, whatever is in the message, with its fields, scenario and run as JSON."""
    message, level = call.config["message"], call.config.get("level", "info")
    fields = call.config.get("fields", {})
    about = {**({"fields": fields} if fields else {}), "scenario": call.run.scenario, "run": call.run.id}
    # what a vendor sent must not be able to forge a line, nor to steer a terminal
    shown = "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in message)
    LOG.log(LEVELS[level], "%s %s", shown, json.dumps(about), extra={"action": "log", "entry": about})
    return {"message": message, "level": level, "fields": fields}


_MESSAGE: Schema = {
    "type": "string",
    "title": "Message",
    "description": "What happened, in one sentence. Signs that cannot be printed, such as line ends, are escaped.",
    "minLength": 1,
    "maxLength": 10_000,
}
_LEVEL: Schema = {
    "type": "string",
    "title": "Level",
    "description": "How much it matters to who operates the engine.",
    "enum": list(LEVELS),
    "default": "info",
}
_FIELDS: Schema = {
    "type": "object",
    "title": "Fields",
    "description": "Values that belong to it, by name.",
}

WRITE_ENTRY = Action(
    name="write_entry",
    title="Write a Log Entry",
    description="Writes a line on the engine's log; the journal of the run keeps the entry too.",
    # Touches nothing outside: a process that dies before the step is recorded writes the line again, which is harmless,
    # and a dry run writes it as well.
    effect=Effect.NONE,
    config={
        "type": "object",
        "additionalProperties": False,
        "required": ["message"],
        "properties": {"message": _MESSAGE, "level": _LEVEL, "fields": _FIELDS},
    },
    output={
        "type": "object",
        "required": ["message", "level", "fields"],
        "properties": {
            "message": {"type": "string"},
            "level": {"enum": list(LEVELS)},
            "fields": {"type": "object"},
        },
    },
    example={"message": "a tier was earned", "level": "info", "fields": {"tier": "GOLD"}},
    run=write,
)
