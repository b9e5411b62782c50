"""Trying expressions out: what one comes to, how that is shown, and what may stand where the cursor is."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click

from engine.cli.console import dim, excerpt
from engine.scenario.expressions import FUNCTIONS, OMIT, ExpressionError, ExpressionSyntaxError, compile_expression
from engine.scenario.expressions.values import kind
from engine.sdk import jsontext
from engine.sdk.clock import Clock, iso

#: where what was typed is kept, in the data folder
HISTORY = "expressions"
#: what an author may copy along with an expression
_HOLE = re.compile(r"^\s*\$\{\{(.*)\}\}\s*$", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: the path that the cursor is at the end of: names, indexes and projections, then the beginning of another name
_PATH = re.compile(
    r'(?P<path>(?:(?:\$|@|[A-Za-z_]\w*|"[^"]*")(?:\[[^\[\]]*\])*)(?:\.(?:[A-Za-z_]\w*|"[^"]*")(?:\[[^\[\]]*\])*)*)?'
    r'(?P<dot>\.)?(?P<part>"?\w*)$'
)
_PART = re.compile(r'\$|@|[A-Za-z_]\w*|"[^"]*"|\[[^\[\]]*\]')


class Live:
    """What impure functions see where no run is: the time now, and a new id each time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> str:
        return iso(self._clock.time())

    def uuid(self) -> str:
        return str(uuid.uuid4())

    def approval_link(self, step: str) -> str | None:
        return None


@dataclass(frozen=True, slots=True)
class Answer:
    """What an expression came to.

    :param kind: its JSON type; ``omit``.
    :param error: why it came to nothing.
    """

    text: str
    kind: str = ""
    value: Any = None
    error: ExpressionError | ExpressionSyntaxError | None = None

    def to_json(self) -> dict[str, Any]:
        if self.error is not None:
            return {"expression": self.text, "error": self.error.to_json(), "position": self.error.position}
        return {"expression": self.text, "type": self.kind, "value": self.value}


def evaluate(text: str, names: Mapping[str, Any], clock: Clock) -> Answer:
    """What an expression comes to; the braces around it may be left out."""
    text = bare(text)
    try:
        value = compile_expression(text).evaluate(names, Live(clock))
    except (ExpressionError, ExpressionSyntaxError) as error:
        return Answer(text, error=error)
    return Answer(text, "omit") if value is OMIT else Answer(text, kind(value), value)


def bare(text: str) -> str:
    """An expression without the ``${{ }}`` around it."""
    inner = _HOLE.match(text)
    return (inner[1] if inner else text).strip()


def shown(answer: Answer) -> Iterator[str]:
    """The lines that tell it to a person."""
    if (error := answer.error) is not None:
        line, column = _place(answer.text, error.position)
        yield f"{click.style('error', fg='red', bold=True)}[{error.code}]: {error.message}"
        yield f"  {line}"
        yield f"  {' ' * column}{click.style('^', fg='red', bold=True)}"
        if isinstance(error, ExpressionError) and error.value is not None:
            yield f"  met:  {excerpt(error.value, 200)}"
        if error.hint:
            yield f"  next: {error.hint}"
        return
    if answer.kind == "omit":
        yield dim("omit: the key is left out")
        return
    import json  # noqa: PLC0415 - only here; the fast writer knows no indents of its own

    yield f"{json.dumps(answer.value, indent=2, ensure_ascii=False)}  {dim(_kind(answer))}"


def _kind(answer: Answer) -> str:
    if isinstance(answer.value, list | dict):
        return f"{answer.kind} of {len(answer.value)}"
    return answer.kind


def _place(text: str, position: int) -> tuple[str, int]:
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    return text[start : end if end >= 0 else len(text)], position - start


def unfinished(text: str) -> bool:
    """Whether a bracket or a quote of an expression is still open."""
    depth, quote, escaped = 0, "", False
    for character in text:
        if quote:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == quote:
                quote = ""
        elif character in "'\"`":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
    return bool(quote) or depth > 0


def listed(found: Mapping[str, Any]) -> list[str]:
    """The names with the beginnings of their values."""
    column = max((len(name) for name in found), default=0)
    return [f"  {name:<{column}}  {dim(excerpt(value, 100))}" for name, value in found.items()]


# ---------------------------------------------------------------------- completion


@dataclass(frozen=True, slots=True)
class Offer:
    """What may stand at the cursor.

    :param text: in place of what was begun.
    :param begun: how many characters that is.
    :param meta: a field's type and value, a function's signature.
    """

    text: str
    begun: int
    meta: str = ""


def offers(before: str, names: Mapping[str, Any]) -> Iterator[Offer]:
    """What may stand at the cursor: fields of the data that is there, and functions.

    :param before: the expression up to the cursor.
    """
    if _in_text(before):
        return
    item = _item(before, names)
    found = _PATH.search(before)
    if found is None:
        return
    path, dotted, begun = found["path"], found["dot"], found["part"]
    if path and not dotted:
        # the last name of the path is what is being written
        path, _, begun = path.rpartition(".") if "." in path else ("", "", path)
        if begun.endswith("]"):
            return
        dotted = "." if path else None
    root = item if isinstance(item, dict) else names
    value = _at(path, names, item) if dotted else root
    wanted = begun.strip('"')
    if isinstance(value, dict):
        for key, inner in value.items():
            if key.startswith(wanted):
                yield Offer(_written(key), len(begun), _about(inner))
    if not dotted:
        for function in FUNCTIONS.values():
            if function.name.startswith(wanted) and not begun.startswith('"'):
                yield Offer(f"{function.name}(", len(begun), function.signature)


def _in_text(before: str) -> bool:
    """Whether the cursor is in a text or a literal, where nothing is completed."""
    quote = ""
    for character in before:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'`":
            quote = character
    return bool(quote)


def _item(before: str, names: Mapping[str, Any]) -> Any:
    """What ``@`` is at the cursor: an item of the list whose filter is being written; None outside of filters."""
    depth = 0
    for position in range(len(before) - 1, -1, -1):
        if before[position] == "]":
            depth += 1
        elif before[position] == "[":
            if depth == 0 and before.startswith("[?", position):
                found = _PATH.search(before[:position])
                path = found[0] if found else ""
                values = _at(path, names, _item(before[:position], names))
                return values[0] if isinstance(values, list) and values else {}
            depth -= 1
    return None


def _at(path: str, names: Mapping[str, Any], item: Any) -> Any:
    value: Any = item if isinstance(item, dict) else names
    for number, part in enumerate(_PART.findall(path)):
        if part == "$" or (part == "@" and item is None):
            value = names
        elif part == "@":
            value = item
        elif part.startswith("["):
            inner = part[1:-1].strip()
            value = value if isinstance(value, list) else []
            index = int(inner) if re.fullmatch(r"-?\d+", inner) else 0
            value = value[index] if -len(value) <= index < len(value) else None
        else:
            key = part.strip('"')
            if number == 0 and isinstance(item, dict) and key not in item:
                return None
            value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _written(key: str) -> str:
    return key if _NAME.fullmatch(key) else jsontext.dumps(key).decode()


def _about(value: Any) -> str:
    if isinstance(value, list | dict):
        return f"{kind(value)} of {len(value)}"
    return f"{kind(value)}  {excerpt(value, 40)}"
