"""Values with expressions in them: ``email: ${{ trigger.email }}``, ``note: "hello ${{ trigger.name }}"``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.scenario.expressions.compile import Expression, compile_expression
from engine.scenario.expressions.declare import OMIT, Function, to_text
from engine.scenario.expressions.errors import ExpressionSyntaxError
from engine.scenario.expressions.frame import MAX_OUTPUT, Context, Spot
from engine.scenario.expressions.functions import FUNCTIONS

OPEN, CLOSE = "${{", "}}"

#: what evaluates a template: called with the scope and the context
Evaluator = Callable[[Mapping[str, Any], Context | None], Any]


class Hole(NamedTuple):
    """An expression inside a text.

    :param text: the expression, without the spaces around it.
    :param start: where it begins in the text that was split.
    :param end: where it ends there.
    """

    text: str
    start: int
    end: int


def split(text: str) -> list[str | Hole]:
    """The literal parts of a text and the expressions between them, in their order; no part is empty.

    :raises ExpressionSyntaxError: a ``${{`` is not closed; its position is the place in ``text``.
    """
    parts: list[str | Hole] = []
    position = 0
    while (opening := text.find(OPEN, position)) >= 0:
        if opening > position:
            parts.append(text[position:opening])
        begin = opening + len(OPEN)
        end = _closing(text, begin)
        if end < 0:
            # somewhere a quote or a brace stays open: the first }} will do, the expression's own error says which
            end = text.find(CLOSE, begin)
        if end < 0:
            raise ExpressionSyntaxError("this ${{ is not closed", text, opening, hint="write }} after the expression")
        inner = text[begin:end]
        start = begin + len(inner) - len(inner.lstrip())
        parts.append(Hole(inner.strip(), start, start + len(inner.strip())))
        position = end + len(CLOSE)
    if position < len(text):
        parts.append(text[position:])
    return parts


def _closing(text: str, position: int) -> int:
    """Where the ``}}`` of a hole stands: not in quotes, not one that closes braces of the expression. -1: nowhere."""
    depth = 0
    while position < len(text):
        character = text[position]
        if character in "'\"`":
            position = _end_of_quote(text, position)
            if position < 0:
                return -1
        elif character == "{":
            depth += 1
        elif character == "}":
            if depth == 0 and text.startswith(CLOSE, position):
                return position
            depth = max(depth - 1, 0)
        position += 1
    return -1


def _end_of_quote(text: str, position: int) -> int:
    quote = text[position]
    position += 1
    while position < len(text) and text[position] != quote:
        position += 2 if text[position] == "\\" else 1
    return position if position < len(text) else -1


class Placed(NamedTuple):
    """An expression of a template.

    :param path: keys and indexes that lead to the text it stands in.
    :param start: where it begins in that text.
    """

    path: tuple[str | int, ...]
    expression: Expression
    start: int


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A value, compiled: its expressions are evaluated, everything else is made anew each time.

    :param literal: it holds no expression.
    :param expressions: those that it holds.
    :param source: of a text with expressions in it: as it is written.
    :param items: of an object: its values.
    """

    literal: bool
    expressions: tuple[Placed, ...]
    evaluator: Evaluator = field(repr=False)
    source: str | None = None
    items: Mapping[str, Template] | None = field(default=None, repr=False)

    def evaluate(self, scope: Mapping[str, Any], context: Context | None = None) -> Any:
        """The value; ``OMIT``: leave it out.

        :raises ExpressionError: an expression cannot work with what it met.
        """
        return self.evaluator(scope, context)

    @staticmethod
    def constant(value: Any) -> Template:
        """A JSON value that is taken as it stands, ``${{`` and all."""
        if isinstance(value, Mapping):
            return Template.mapping({key: Template.constant(item) for key, item in value.items()})
        if isinstance(value, list):
            return Template.sequence([Template.constant(item) for item in value])
        return Template(True, (), lambda _scope, _context: value)

    @staticmethod
    def text(text: str, known: Mapping[str, Function] = FUNCTIONS) -> Template:
        """A text. One that is an expression and nothing else keeps the type of its value.

        Line ends after the expression do not count: YAML's block style adds one.

        :param known: what can be called: ``functions_of`` a project's plugins.

        :raises ExpressionSyntaxError: an expression cannot be read; its position counts from the beginning of the
            expression, which ``split`` tells, or for a hole that is not closed from the beginning of the text.
        """
        if OPEN not in text:
            return Template.constant(text)
        parts = split(text.rstrip("\n"))
        if len(parts) == 1 and isinstance(parts[0], Hole):
            expression = compile_expression(parts[0].text, known)
            return Template(False, (Placed((), expression, parts[0].start),), expression.evaluate)
        pieces: list[str | Expression] = []
        placed: list[Placed] = []
        for part in split(text):
            if isinstance(part, str):
                pieces.append(part)
                continue
            expression = compile_expression(part.text, known)
            if "omit" in expression.functions:
                raise ExpressionSyntaxError(
                    "omit() leaves a whole key out, it cannot be used inside a text",
                    part.text,
                    part.text.index("omit"),
                    hint="null becomes empty text",
                )
            pieces.append(expression)
            placed.append(Placed((), expression, part.start))
        return Template(False, tuple(placed), _interpolation(pieces), text)

    @staticmethod
    def mapping(items: Mapping[str, Template]) -> Template:
        """An object; keys whose value is ``OMIT`` are left out."""
        entries = tuple(items.items())

        def evaluate(scope: Mapping[str, Any], context: Context | None) -> dict[str, Any]:
            return {
                key: value for key, template in entries if (value := template.evaluator(scope, context)) is not OMIT
            }

        return Template(all(t.literal for t in items.values()), _within(entries), evaluate, items=items)

    @staticmethod
    def sequence(items: Sequence[Template]) -> Template:
        """A list; items that are ``OMIT`` are left out."""
        entries = tuple(items)

        def evaluate(scope: Mapping[str, Any], context: Context | None) -> list[Any]:
            return [value for template in entries if (value := template.evaluator(scope, context)) is not OMIT]

        return Template(all(t.literal for t in entries), _within(tuple(enumerate(entries))), evaluate)


def _within(entries: Sequence[tuple[str | int, Template]]) -> tuple[Placed, ...]:
    return tuple(
        placed._replace(path=(key, *placed.path)) for key, template in entries for placed in template.expressions
    )


def _interpolation(pieces: Sequence[str | Expression]) -> Evaluator:
    def evaluate(scope: Mapping[str, Any], context: Context | None) -> str:
        texts: list[str] = []
        size = 0
        for piece in pieces:
            if isinstance(piece, str):
                text = piece
            else:
                value = piece.evaluate(scope, context)
                text = "" if value is None else to_text(value, Spot(piece.text, 0, len(piece.text)))
                size += len(text)
                if size > MAX_OUTPUT:
                    spot = Spot(piece.text, 0, len(piece.text))
                    raise spot.too_large(value, f"the text has more than {MAX_OUTPUT:,} characters")
            texts.append(text)
        return "".join(texts)

    return evaluate


def compile_template(value: Any) -> Template:
    """Compile a JSON-like value; its texts may hold ``${{ }}``, its keys not.

    :raises ExpressionSyntaxError: as ``Template.text``.
    """
    if isinstance(value, str):
        return Template.text(value)
    if isinstance(value, Mapping):
        return Template.mapping({key: compile_template(item) for key, item in value.items()})
    if isinstance(value, list):
        return Template.sequence([compile_template(item) for item in value])
    return Template.constant(value)
