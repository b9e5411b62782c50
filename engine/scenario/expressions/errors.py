"""What goes wrong in an expression, with the place in it and the value met."""

from __future__ import annotations

from typing import Any

from engine.scenario.expressions.values import heavier_than, kind
from engine.sdk import jsontext
from engine.sdk.errors import EngineError

_EXCERPT = 80


class ExpressionSyntaxError(EngineError):
    """An expression cannot be read. ``position`` counts characters of the expression from 0."""

    code = "expression-syntax"

    def __init__(self, message: str, text: str, position: int, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.text = text
        self.position = position


class ExpressionError(EngineError):
    """An expression met a value that it cannot work with. Names the expression, the place in it, and the value."""

    code = "expression-error"

    def __init__(self, message: str, text: str, position: int, value: Any, *, hint: str | None = None) -> None:
        super().__init__(f"{message}: in `{text}` at character {position + 1}, met {excerpt(value)}", hint=hint)
        self.reason = message
        self.text = text
        self.position = position
        self.value = value


class ExpressionTooLongError(ExpressionError):
    """An expression takes more steps than one evaluation may: it visits too many items, or too long texts."""

    code = "expression-too-long"


class ExpressionTooLargeError(ExpressionError):
    """An expression makes a text, or a value, that is larger than a result may be."""

    code = "expression-too-large"


def excerpt(value: Any) -> str:
    """A value for a message: its JSON, cut to 80 characters."""
    if isinstance(value, str):
        value = value[: _EXCERPT + 1]
    elif isinstance(value, (dict, list)) and heavier_than(value, 4096):
        return f"{'an object' if isinstance(value, dict) else 'an array'} of {len(value)} entries"
    try:
        text = jsontext.dumps(value).decode("utf-8", "replace")
    except (TypeError, RecursionError):
        text = kind(value) if kind(value) != "unknown" else type(value).__name__
    return text if len(text) <= _EXCERPT else text[: _EXCERPT - 3] + "..."
