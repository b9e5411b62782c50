"""The comments of a YAML file, with their places: YAML's own reader drops them."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

import yaml

from engine.scenario.diagnostics import Place

#: libyaml's parser where PyYAML was built with it
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BLOCK = "|>"
_MARK = re.compile(r"(?<!\S)#")
_REST = re.compile(r"[^\n\r]*")


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment.

    :param text: from its ``#`` to the end of the line.
    :param alone: nothing else stands in its line.
    """

    text: str
    place: Place
    alone: bool


@dataclass(frozen=True, slots=True)
class Comments:
    """All comments of a file.

    :param begins: by a line inside of a text over several lines, in which no comment can stand: the text's first line.
    """

    found: tuple[Comment, ...] = ()
    begins: dict[int, int] | None = None

    def home(self, line: int) -> int:
        """The line at which a comment on this line can stand."""
        return (self.begins or {}).get(line, line)


def comments_of(text: str, file: str) -> Comments:
    """The comments of a file that ``parse`` can read."""
    text = text.removeprefix("\ufeff")
    starts: list[int] = []
    ends: list[int] = []
    begins: dict[int, int] = {}
    for event in yaml.parse(text, Loader=_LOADER):
        if not isinstance(event, yaml.ScalarEvent):
            continue
        start, end = event.start_mark, event.end_mark
        assert start is not None
        assert end is not None
        first = start.index
        if event.style and event.style in _BLOCK:
            # behind the sign that begins the text a comment can stand
            first = text.find("\n", first, end.index)
        starts.append(first if first >= 0 else end.index)
        ends.append(end.index)
        last = start.line + text.count("\n", start.index, end.index) - (text[end.index - 1 : end.index] == "\n")
        begins.update(dict.fromkeys(range(start.line + 2, last + 2), start.line + 1))
    found = []
    lines = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]
    behind = 0
    for match in _MARK.finditer(text):
        position = match.start()
        around = bisect_right(starts, position) - 1
        if position < behind or (around >= 0 and position < ends[around]):
            continue
        rest = _REST.match(text, position)
        assert rest is not None
        behind = rest.end()
        number = bisect_right(lines, position)
        begin = lines[number - 1]
        comment = rest[0].rstrip()
        place = Place(file, number, position - begin + 1, len(comment))
        found.append(Comment(comment, place, not text[begin:position].strip()))
    return Comments(tuple(found), begins)
