"""Building blocks of JSON Schemas that several modules share. Source: the vendor's pages on customers and events."""

from __future__ import annotations

from typing import Any

from engine import Schema

PRIMITIVE: Schema = {"type": ["string", "number", "boolean"]}
EMAIL: Schema = {"type": "string", "minLength": 3, "pattern": "@"}
E_164: Schema = {
    "type": "string",
    "description": "In E.164 format, such as +15550100.",
    "pattern": "^\\+[1-9]\\d{1,14}$",
}
ISO_8601 = (
    "^\\d{4}-\\d{2}-\\d{2}"  # date
    "([T ]\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?"  # time
    "(Z|[+-]\\d{2}:?\\d{2})?)?$"  # zone
)
#: names have letters, digits and underscores; the vendor supports no null in them
CUSTOM_PROPERTIES: Schema = {
    "type": "object",
    "description": "Properties of the customer. Null is not supported.",
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


def titled(title: str, schema: Schema, description: str | None = None) -> Schema:
    """The same with a title, and with another description where one is given."""
    return {**schema, "title": title, **({"description": description} if description else {})}
