"""What a YAML file is made of: scalars, sequences and mappings, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.scenario.diagnostics import Place
from engine.sdk.modules import Json

PLAIN, SINGLE, DOUBLE, LITERAL, FOLDED = "", "'", '"', "|", ">"

_ANCHOR = re.compile(r"&[^\s]*\s*")
_BLANK = " \t\r\n"
#: how many hexadecimal digits follow an escape of a double-quoted scalar
_HEX = {"x": 2, "u": 4, "U": 8}
#: the escapes that stand for something other than the character itself
_ESCAPES = {"0": "\0", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPES |= {"N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029", "\n": "\n", "\r": "\r"}


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, number, boolean or null.

    :param value: as YAML 1.2 core reads it.
    :param text: as written, with quotes, escapes and folding resolved.
    :param style: empty for plain, else ``'``, ``"``, ``|`` or ``>``.
    :param raw: the source from the place on.
    """

    value: str | int | float | bool | None
    place: Place
    text: str = ""
    style: str = PLAIN
    raw: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Mapping:
    """Entries in file order. Keys are texts and occur once."""

    entries: tuple[tuple[Scalar, Node], ...]
    place: Place

    def get(self, key: str) -> Node | None:
        """The value of a key, or None when the key is absent."""
        for name, value in self.entries:
            if name.text == key:
                return value
        return None


Node = Scalar | Sequence | Mapping


def plain(node: Node) -> Json:
    """The node as a JSON value."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {key.text: plain(value) for key, value in node.entries}


def quoted(text: str) -> str:
    """A quoted YAML scalar that says just this text."""
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'


def place_in(scalar: Scalar, offset: int, length: int = 1) -> Place:
    """The place in the file of a character of ``scalar.text``; the scalar's own place where it cannot be told.

    Folding and escapes change white space only, or turn several characters into one; so the characters that are not
    white space are counted off against the source.

    :param offset: from 0; the end of the text is allowed.
    :param length: what to underline.
    """
    text = scalar.text
    wanted = min(offset, len(text))
    # white space and the end of the text have no place of their own: they are found behind the character before them
    behind = 0
    while wanted > 0 and (wanted == len(text) or text[wanted] in _BLANK):
        wanted -= 1
        behind += 1
    if wanted == len(text) or text[wanted] in _BLANK:
        return scalar.place
    seen = (character for character in text[: wanted + 1] if character not in _BLANK)
    position = -1
    units = _units(scalar)
    for expected in seen:
        position, character = next(units, (-1, ""))
        if character != expected:
            return scalar.place
    return _place_at(scalar, position + behind, length)


def _place_at(scalar: Scalar, position: int, length: int) -> Place:
    before = scalar.raw[:position]
    lines = re.split(r"\r\n|\r|\n", before)
    column = len(lines[-1]) + (scalar.place.column if len(lines) == 1 else 1)
    return Place(scalar.place.file, scalar.place.line + len(lines) - 1, column, length)


def _units(scalar: Scalar) -> Iterator[tuple[int, str]]:
    """Positions in the source of the scalar's characters that are not white space."""
    raw = scalar.raw
    anchor = _ANCHOR.match(raw)
    position = anchor.end() if anchor else 0
    if scalar.style in (LITERAL, FOLDED):
        end = re.compile(r"\r\n|\r|\n").search(raw, position)
        position = end.end() if end else len(raw)
    elif scalar.style:
        position += 1
    while position < len(raw):
        width, character = 1, raw[position]
        if scalar.style == SINGLE and character == "'":
            width = 2
        elif scalar.style == DOUBLE and character == "\\":
            width, character = _escape(raw, position)
        if character not in _BLANK:
            yield position, character
        position += width


def _escape(raw: str, position: int) -> tuple[int, str]:
    letter = raw[position + 1]
    if letter in _HEX:
        width = 2 + _HEX[letter]
        return width, chr(int(raw[position + 2 : position + width], 16))
    return 2, _ESCAPES.get(letter, letter)
