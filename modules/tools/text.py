"""*Aggregate Text* and *Compose a Text*."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine import Config, Json, Schema, Transform
from modules.tools.items import GROUP_BY, ITEMS, VALUE, aggregated, output, text_of

_SEPARATOR: Schema = {
    "type": "string",
    "title": "Separator",
    "description": "What stands between two texts.",
    "default": "\n",
}
_SKIP: Schema = {
    "type": "boolean",
    "title": "Skip empty",
    "description": "Leave out what is null or an empty text.",
    "default": False,
}


def aggregate_text(config: Config) -> Json:
    """Join the values as texts."""

    def join(values: Sequence[Json]) -> dict[str, Any]:
        texts = [text_of(value) for value in values]
        if config.get("skip_empty", False):
            texts = [text for text in texts if text]
        return {"text": config.get("separator", "\n").join(texts), "count": len(texts)}

    return aggregated(config, join)


AGGREGATE_TEXT = Transform(
    name="aggregate_text",
    title="Aggregate Text",
    description="Makes one text of many, with a separator between them.",
    config={
        "type": "object",
        "additionalProperties": False,
        "required": ["items"],
        "properties": {
            "items": ITEMS,
            "value": VALUE,
            "separator": _SEPARATOR,
            "skip_empty": _SKIP,
            "group_by": GROUP_BY,
        },
    },
    output=output({"text": {"type": "string"}, "count": {"type": "integer"}}),
    example={"items": [{"name": "Ana"}, {"name": "Ben"}], "value": "name", "separator": ", "},
    apply=aggregate_text,
)

COMPOSE = Transform(
    name="compose",
    title="Compose a Text",
    description="Gives a text under the step's id, for other steps to use: a long message that is written once.",
    config={
        "type": "object",
        "additionalProperties": False,
        "required": ["text"],
        "properties": {
            "text": {
                "title": "Text",
                "description": "The text, with expressions in it; another value becomes text as it does inside one.",
            }
        },
    },
    output={"type": "string"},
    example={"text": "Hello Ana"},
    apply=lambda config: text_of(config["text"]),
)
