"""What one evaluation carries along: the root scope, let variables, the context, and how much work is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from engine.scenario.expressions.errors import ExpressionError, ExpressionTooLargeError, ExpressionTooLongError
from engine.scenario.expressions.values import CHARACTERS_PER_STEP, heavier_than, kind

#: items that one evaluation may visit in projections, functions and comparisons
MAX_STEPS = 1_000_000
#: characters, about, that a text or the whole result may have
MAX_OUTPUT = 16 * 1024 * 1024
#: texts with more characters than this cost steps where they are looked through
LONG = 1024


class Context(Protocol):
    """What functions see that are not pure."""

    def now(self) -> str:
        """The time: ISO 8601, UTC, to the millisecond."""
        ...

    def uuid(self) -> str:
        """A UUID that is the same again when the run is replayed."""
        ...

    def approval_link(self, step: str) -> str | None:
        """The link under which a person answers a step that asks for approval; None where there is no such step."""
        ...


class Frame:
    """One evaluation under way."""

    __slots__ = ("context", "left", "root", "slots", "text")

    def __init__(self, text: str, root: Mapping[str, Any], slots: int, context: Context | None) -> None:
        self.text = text
        self.root = root
        self.slots: list[Any] = [None] * slots
        self.context = context
        self.left = MAX_STEPS

    def spend(self, steps: int) -> None:
        """Take ``steps`` from the budget. Raises ``ExpressionError`` when none are left."""
        self.left -= steps
        if self.left < 0:
            raise ExpressionTooLongError(
                f"more than {MAX_STEPS:,} steps",
                self.text,
                0,
                None,
                hint="filter the list first, or do the work in several steps",
            )


@dataclass(frozen=True, slots=True)
class Spot:
    """A part of an expression, for messages."""

    text: str
    start: int
    end: int

    @property
    def source(self) -> str:
        """The part as it was written."""
        return self.text[self.start : self.end]

    def error(self, message: str, value: Any, hint: str | None = None) -> ExpressionError:
        return ExpressionError(message, self.text, self.start, value, hint=hint)

    def check_size(self, value: Any) -> None:
        """Raises ``ExpressionTooLargeError`` when a value is too large to be written down."""
        if heavier_than(value, MAX_OUTPUT):
            raise self.too_large(value)

    def too_large(self, value: Any, message: str = "") -> ExpressionTooLargeError:
        """The error for what is larger than a result may be."""
        message = message or f"the result has more than {MAX_OUTPUT:,} characters"
        return ExpressionTooLargeError(message, self.text, self.start, value, hint="take less at a time")


def equal(first: Any, second: Any, frame: Frame) -> bool:
    """JSON equality, however deep: 1 equals 1.0, true does not equal 1, the order of keys does not count."""
    pending = [(first, second)]
    while pending:
        a, b = pending.pop()
        if a is b:
            continue
        if kind(a) != kind(b):
            return False
        if isinstance(a, list):
            if len(a) != len(b):
                return False
            frame.spend(len(a))
            pending.extend(zip(a, b, strict=True))
        elif isinstance(a, dict):
            if a.keys() != b.keys():
                return False
            frame.spend(len(a))
            pending.extend((item, b[key]) for key, item in a.items())
        else:
            if isinstance(a, str) and len(a) > LONG:
                frame.spend(len(a) // CHARACTERS_PER_STEP)
            if a != b:
                return False
    return True
