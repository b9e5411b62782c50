"""The JSON Schemas that every app writes: what a module takes, and what it gives."""

from __future__ import annotations

from typing import Any

from engine.sdk.modules import Schema


def options(*required: str, **properties: Schema) -> Schema:
    """The schema of a ``with:``, or of a connection's fields: these keys and no others.

    :param required: the names of those that have to be given.
    """
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": properties,
    }


def record(*required: str, **properties: Schema) -> Schema:
    """The schema of what a vendor answers: these keys, and others that the vendor may add.

    :param required: the names of those that are always there.
    """
    return {
        "type": "object",
        "additionalProperties": True,
        "required": list(required),
        "properties": properties,
    }


def field(title: str, description: str, schema: Schema | None = None, /, **keywords: Any) -> Schema:
    """The schema of one field, as forms and pages show it: ``field("Points", "How many.", type="integer")``.

    :param schema: what several fields share, such as ``EMAIL``; for keywords that Python does not take (``not``) too.
    :param keywords: of JSON Schema: ``type``, ``minLength``, ``default``…; they go before those of ``schema``.
    """
    return {**(schema or {}), **keywords, "title": title, "description": description}
