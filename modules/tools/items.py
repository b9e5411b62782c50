"""What aggregators share: the items, which of their fields is meant, and groups."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine import Config, DataError, Json, Schema

ITEMS: Schema = {
    "type": "array",
    "title": "Items",
    "description": "The list to go over: what a loop collected, or a step's output.",
}
VALUE: Schema = {
    "type": "string",
    "title": "Value",
    "description": "Name of the field to take of each item, dots for fields in fields; the item itself if left out.",
    "minLength": 1,
}
GROUP_BY: Schema = {
    "type": "string",
    "title": "Group by",
    "description": "Name of a field of the items: gives `groups`, one for each value, in the order in which they came.",
    "minLength": 1,
}
#: what an aggregator makes of some values
Aggregate = Callable[[Sequence[Json]], dict[str, Any]]


def field(item: Json, path: str) -> Json:
    """The field of an item; null where there is none."""
    for name in path.split("."):
        item = item.get(name) if isinstance(item, Mapping) else None
    return item


def aggregated(config: Config, aggregate: Aggregate) -> Json:
    """One aggregate, or one for each group."""
    path = config.get("value")
    if "group_by" not in config:
        return aggregate(_values(config["items"], path))
    groups: dict[str, tuple[Json, list[Json]]] = {}
    for item in config["items"]:
        key = field(item, config["group_by"])
        groups.setdefault(json.dumps(key, sort_keys=True), (key, []))[1].append(item)
    return {"groups": [{"key": key, **aggregate(_values(items, path))} for key, items in groups.values()]}


def _values(items: Sequence[Json], path: str | None) -> list[Json]:
    return list(items) if path is None else [field(item, path) for item in items]


def output(properties: Mapping[str, Schema]) -> Callable[[Config], Schema]:
    """The output's schema: that of an aggregate, or of its groups."""
    one: Schema = {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
    grouped: Schema = {**one, "properties": {"key": {}, **properties}, "required": ["key", *properties]}
    groups: Schema = {
        "type": "object",
        "properties": {"groups": {"type": "array", "items": grouped}},
        "required": ["groups"],
        "additionalProperties": False,
    }
    return lambda config: groups if "group_by" in config else one


def text_of(value: Json) -> str:
    """A value as text: as in a text around an expression, null is empty, objects and lists are JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def refuse(message: str, hint: str) -> DataError:
    """A mistake in what was given."""
    return DataError(message, refused=True, hint=hint)
