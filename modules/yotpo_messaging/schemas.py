"""Building blocks of JSON Schemas that several modules share. Source: the vendor's pages on customers and events."""

from __future__ import annotations

from typing import Any

from engine import Schema, field

TEXT: Schema = {"type": "string", "minLength": 1}
PRIMITIVE: Schema = {"type": ["string", "number", "boolean"]}
EMAIL: Schema = {"type": "string", "minLength": 3, "pattern": "@"}
E_164: Schema = {"type": "string", "pattern": "^\\+[1-9]\\d{1,14}$"}
#: as a description
IN_E_164 = "In E.164 format, such as +15550100."
ISO_8601 = (
    "^\\d{4}-\\d{2}-\\d{2}"  # date
    "([T ]\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?"  # time
    "(Z|[+-]\\d{2}:?\\d{2})?)?$"  # zone
)
#: names have letters, digits and underscores; the vendor supports no null in them
CUSTOM_PROPERTIES: Schema = {
    "type": "object",
    "propertyNames": {"pattern": "^[A-Za-z0-9_]+$"},
    "additionalProperties": PRIMITIVE,
}


def or_null(schema: Schema) -> dict[str, Any]:
    """The same, or null."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    with_null: dict[str, Any] = {**schema, "type": [*kinds, "null"]}
    if "enum" in schema:
        with_null["enum"] = [*schema["enum"], None]
    return with_null


def limit(what: str) -> Schema:
    """How many items a search gives."""
    return field("Limit", f"How many {what} at most; all when left out.", type="integer", minimum=1)


def visible_at(what: str, seconds: float) -> Schema:
    """When a change shows, as an output has it."""
    told = f"From when on the vendor shows {what}: {seconds:.0f} s after the call, ISO 8601"
    return {"type": "string", "description": told}
