"""What is wrong with broken YAML, in words for people; above all where an expression broke it."""

from __future__ import annotations

import re
from typing import NamedTuple

import yaml

from engine.scenario.braces import spelled
from engine.scenario.diagnostics import Diagnostic, Place
from engine.scenario.nodes import DOUBLE, PLAIN, SINGLE, Scalar, quoted

_OPEN, _CLOSE = "${{", "}}"
_LINE_END = re.compile(r"[\r\n]|\Z")

_IN_FLOW = "an expression inside {…} or […] must be quoted: YAML takes its braces for its own"
_BEFORE_COLON = "': ' after or inside an expression that is not quoted makes a key of what stands before it"
_CUT_BY_COMMENT = "' #' begins a comment, which cuts the expression short"

#: what the parser says, and what that means to the person who wrote the file
_SENTENCES: tuple[tuple[str, str, str], ...] = (
    ("mapping values are not allowed", "a ': ' cannot stand here", "quote the text, or mend the indentation"),
    ("',' or '}'", "',' or '}' is missing before this", "a text with { } [ ] or ',' in it must be quoted"),
    ("',' or ']'", "',' or ']' is missing before this", "a text with { } [ ] or ',' in it must be quoted"),
    ("expected key", "this does not fit what stands above it", "mend the indentation, or look for a quote too many"),
    ("<block end>", "this does not fit what stands above it", "mend the indentation, or look for a quote too many"),
    ("'-' indicator", "a list item ('- …') is wanted here", "mend the indentation"),
    ("node content", "a value is wanted here", "a text that begins with a sign of YAML must be quoted"),
    ("escape character", "no such escape in double quotes", "write \\\\ for a backslash, or use single quotes"),
    ("document start", "nothing may follow here", "mend the indentation, or look for a quote too many"),
)


class Last(NamedTuple):
    """The last scalar that was read, and where it stands in the text."""

    scalar: Scalar
    start: int
    end: int


def cut_short(last: Last, text: str, *, is_key: bool) -> Diagnostic | None:
    """The mistake of a plain scalar in which an expression begins and does not end, where YAML is the reason."""
    if not _unclosed(last.scalar.text):
        return None
    if re.match(r"[ \t]+#", _line(text, last.end)):
        return _quote_it("yaml-expression-comment", _CUT_BY_COMMENT, last.scalar.place, _line(text, last.start))
    if is_key:
        return _quote_it("yaml-expression-colon", _BEFORE_COLON, last.scalar.place, _line(text, last.start))
    return None


def without_dollar(text: str, index: int, place: Place, *, in_flow: bool) -> Diagnostic | None:
    """The mistake of ``{{ x }}`` that is not quoted, which reads as a mapping in the place of a key.

    :param index: of the second brace.
    :param place: of the second brace.
    :param in_flow: whether it stands inside ``{…}`` or ``[…]``.
    """
    line = _line(text, max(index - 1, 0))
    end = line.find(_CLOSE)
    expression = line[2:end].strip()
    if not line.startswith("{{") or end < 0 or not expression:
        return None
    at = place.moved(-1, end + len(_CLOSE))
    message = f"`{line[: end + len(_CLOSE)]}` is a mapping to YAML: an expression begins with `{_OPEN}`"
    return Diagnostic("yaml-expression-dollar", message, at, spelled(expression, quote=in_flow))


def explain(error: yaml.MarkedYAMLError, text: str, file: str, *, in_flow: bool, last: Last | None) -> Diagnostic:
    """The diagnostic for a mistake of syntax, which ends the reading.

    :param in_flow: whether the reader was inside ``{…}`` or ``[…]``.
    """
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Diagnostic("yaml-syntax", str(error), Place(file, 1, 1))
    place = Place(file, mark.line + 1, mark.column + 1)
    if mark.index >= len(text.rstrip()) and not (last and mark.index == last.end):
        # the parser points behind the last line; a person looks for the last character
        before = re.split(r"\r\n|\r|\n", text.rstrip())
        place = Place(file, len(before), len(before[-1]) + 1)
    return (
        (last and _broken_expression(text, mark.index, last, place, in_flow=in_flow))
        or _comment_between(text, mark.index, file)
        or _usual(error, text, mark.index, place)
    )


def _broken_expression(text: str, index: int, last: Last, place: Place, *, in_flow: bool) -> Diagnostic | None:
    scalar = last.scalar
    if scalar.style in (SINGLE, DOUBLE) and _unclosed(scalar.text) and index == last.end:
        whole = _line(text, last.start)
        inner = whole[1:].removesuffix(scalar.style).replace('"', "'")
        hint = f'quotes inside an expression are single ones: "{inner}"'
        return Diagnostic("yaml-expression-quotes", "the quotes end inside the expression", place, hint)
    if scalar.style != PLAIN:
        return None
    if in_flow and scalar.raw.endswith("$") and text.startswith("{{", last.end):
        return _quote_it("yaml-expression-flow", _IN_FLOW, scalar.place, _flow_value(text, last))
    if _OPEN in scalar.text and text[index : index + 1] == ":" and index == last.end:
        return _quote_it("yaml-expression-colon", _BEFORE_COLON, scalar.place, _line(text, last.start))
    return None


def _comment_between(text: str, index: int, file: str) -> Diagnostic | None:
    """An expression over several lines, with a comment in it, which is more than a plain scalar can hold."""
    start = text.rfind(_OPEN, 0, index)
    inside = text[start:index]
    if start <= 0 or _CLOSE in inside or text[start - 1] in "\"'" or not re.search(r"\s#", inside):
        return None
    column = start - max(text.rfind("\n", 0, start), text.rfind("\r", 0, start))
    place = Place(file, text.count("\n", 0, start) + 1, column, len(_OPEN))
    hint = "write it without comments, or behind `>-` on lines of their own"
    return Diagnostic("yaml-expression-comment", _CUT_BY_COMMENT, place, hint)


def _usual(error: yaml.MarkedYAMLError, text: str, index: int, place: Place) -> Diagnostic:
    problem = error.problem or "this cannot be read"
    character = text[index : index + 1]
    if character == "\t" or "tab" in problem.split():
        return Diagnostic("yaml-tab", "a tab may not indent", place, "use spaces")
    if "tag" in problem:
        return Diagnostic("yaml-tag", "a tag ('!…') means nothing here", place, "quote it, if it is a text")
    if "directive" in problem or "incompatible" in problem:
        return Diagnostic("yaml-directive", "a '%' directive may not stand here", place, "leave it out")
    if "start any token" in problem:
        hint = f"quote it: {quoted(_line(text, index))}"
        return Diagnostic("yaml-syntax", f"a value may not begin with '{character}'", place, hint)
    mark = error.context_mark
    if mark is not None and ("end of stream" in problem or (index >= len(text.rstrip()) and "or" in problem)):
        at = Place(place.file, mark.line + 1, mark.column + 1)
        return Diagnostic("yaml-syntax", f"what {text[mark.index]} opens here is never closed", at)
    if "expected ':'" in problem and mark is not None:
        at = Place(place.file, mark.line + 1, mark.column + 1)
        return Diagnostic("yaml-syntax", "a key without its ':'", at, "write `key: value`")
    for words, message, hint in _SENTENCES:
        if words in problem:
            return Diagnostic("yaml-syntax", message, place, hint)
    context = f"{error.context}: " if error.context else ""
    return Diagnostic("yaml-syntax", f"{context}{problem}", place)


def _unclosed(text: str) -> bool:
    start = text.rfind(_OPEN)
    return start >= 0 and _CLOSE not in text[start:]


def _line(text: str, start: int) -> str:
    end = _LINE_END.search(text, start)
    return text[start : end.start() if end else None].rstrip()


def _flow_value(text: str, last: Last) -> str:
    """What was meant as one value of a flow collection: up to the braces' end, and on to a ``,``, ``]``, ``}``."""
    line = _line(text, last.start)
    depth, end = 0, len(line)
    for position, character in enumerate(line):
        depth += (character == "{") - (character == "}")
        if depth == 0 and character == "}":
            tail = re.match(r"[^,\]}]*", line[position + 1 :])
            end = position + 1 + (tail.end() if tail else 0)
            break
    return line[:end].rstrip()


def _quote_it(code: str, message: str, place: Place, fix: str) -> Diagnostic:
    return Diagnostic(code, message, place, f"quote this expression: {quoted(fix)}")
