"""Values that stand for what a vendor would give: from the schema of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.runtime.items import all_done
from engine.sdk.modules import Config, Json, Module

#: how deep a schema is followed: one that refers to itself has no end
DEEPEST = 8


def output_of(module: Module, config: Config) -> Json:
    """An output that a module could give under a config; null where its schema says nothing."""
    try:
        schema = module.output_schema(config)
    except Exception:  # noqa: BLE001 - a plugin's mistake: nothing can be made up, and that is no reason to end
        return None
    batch = getattr(module, "batch", None)
    if batch is not None:
        item = schema["properties"]["items"]["items"]["properties"]["output"]
        return all_done(batch, config, value_for(item) if "type" in item else None)
    return value_for(schema) if schema else None


def value_for(schema: Any, top: Any = None, depth: int = 0) -> Json:
    """A value that a schema allows, with all that is required and all that has an example."""
    top = schema if top is None else top
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return {} if depth == 0 else None
    if isinstance(reference := schema.get("$ref"), str):
        return value_for(_referred(top, reference), top, depth + 1)
    for keyword in ("const", "default"):
        if keyword in schema:
            return schema[keyword]
    for keyword in ("examples", "enum"):
        if schema.get(keyword):
            return schema[keyword][0]
    for keyword in ("oneOf", "anyOf"):
        if schema.get(keyword):
            return value_for(schema[keyword][0], top, depth + 1)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object" or (kind is None and (depth == 0 or "properties" in schema)):
        properties = schema.get("properties", {})
        return {name: value_for(inner, top, depth + 1) for name, inner in properties.items()}
    if kind == "array":
        return [value_for(schema["items"], top, depth + 1)] if isinstance(schema.get("items"), Mapping) else []
    if kind == "string":
        return _FORMATS.get(schema.get("format", ""), "text")
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    return True if kind == "boolean" else None


_FORMATS = {
    "email": "ana@example.com",
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "uri": "https://example.com",
}


def _referred(top: Any, reference: str) -> Any:
    found = top
    for part in reference.removeprefix("#").split("/"):
        if part:
            found = found.get(part) if isinstance(found, Mapping) else None
    return found
