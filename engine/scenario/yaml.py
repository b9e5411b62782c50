"""YAML read strictly: the 1.2 core schema, with positions.

PyYAML gives the events; what they mean is decided here. Booleans are ``true`` and ``false`` only; ``on``, ``12:30``,
dates, ``0012`` and ``+15550100`` are text. Whatever could mean two things to two readers (duplicate keys, tags, merge
keys, several documents) is an error, and so is what would take unbounded memory or time.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from engine.scenario.diagnostics import Diagnostic, Place, ScenarioError
from engine.scenario.nodes import PLAIN, Mapping, Node, Scalar, Sequence, place_in, plain
from engine.scenario.yaml_syntax import Last, cut_short, explain, without_dollar

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_NODES",
    "Mapping",
    "Node",
    "Scalar",
    "Sequence",
    "parse",
    "place_in",
    "plain",
    "read",
]

MAX_BYTES = 1_000_000
MAX_DEPTH = 64
#: nodes with every alias counted as what it stands for
MAX_NODES = 20_000

#: libyaml's parser where PyYAML was built with it: ten times quicker, the same events
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: no control characters but tab and line ends; no lone surrogates; none of the line ends of YAML 1.1, which other
#: readers take for ordinary characters, so that line numbers would differ
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"-?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
#: longer ones are not numbers that anybody means, and Python refuses to read them
_MAX_DIGITS = 1000


def read(data: bytes, file: str) -> str:
    """The text of a file: UTF-8, with or without a byte order mark. Raises ``ScenarioError``."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        message = f"the file is not UTF-8: byte 0x{data[error.start]:02x} cannot be read"
        raise ScenarioError(
            [Diagnostic("yaml-encoding", message, Place(file, line, column), "save the file as UTF-8")]
        ) from None


def parse(text: str, file: str) -> Node:
    """Read one YAML document; an empty one is null.

    :param file: its name, for places.
    :raises ScenarioError: with every mistake that can be told; a mistake of syntax ends the reading.
    """
    text = text.removeprefix("\ufeff")
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        message = f"the file has more than {MAX_BYTES:,} bytes"
        raise ScenarioError([Diagnostic("yaml-size", message, Place(file, 1, 1), "split it into several files")])
    if found := _FORBIDDEN.search(text):
        before = text[: found.start()]
        place = Place(file, before.count("\n") + 1, found.start() - before.rfind("\n"))
        hint = f'in double quotes, write it as "\\u{ord(found[0]):04x}"'
        message = f"the character U+{ord(found[0]):04X} may not stand in a file"
        raise ScenarioError([Diagnostic("yaml-character", message, place, hint)])
    composer = _Composer(text, file)
    try:
        composer.compose()
    except yaml.MarkedYAMLError as error:
        composer.syntax(error)
    except _Refused:
        pass
    if composer.diagnostics:
        raise ScenarioError(composer.diagnostics)
    return composer.root or Scalar(None, Place(file, 1, 1))


def _marks(event: yaml.Event) -> tuple[Any, Any]:
    assert event.start_mark is not None
    assert event.end_mark is not None
    return event.start_mark, event.end_mark


class _Refused(Exception):
    """The rest is not worth reading; why is among the diagnostics."""


@dataclass(slots=True)
class _Frame:
    """A collection that is not closed yet.

    :param size: nodes in it, itself included, aliases counted in full.
    :param height: levels of collections in it, itself included.
    """

    place: Place
    is_mapping: bool
    in_flow: bool
    anchor: str | None
    items: list[Node] = field(default_factory=list)
    keys: list[Scalar] = field(default_factory=list)
    seen: dict[str, Place] = field(default_factory=dict)
    size: int = 1
    height: int = 1

    @property
    def wants_key(self) -> bool:
        return self.is_mapping and len(self.keys) == len(self.items)


class _Composer:
    """Builds nodes from events with a stack of its own, so that depth costs no recursion."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.root: Node | None = None
        self.diagnostics: list[Diagnostic] = []
        self._last: Last | None = None
        self._frames: list[_Frame] = []
        #: node, size, height; None while the node is being read
        self._anchors: dict[str, tuple[Node, int, int] | None] = {}
        self._total = 0
        self._documents = 0

    def compose(self) -> None:
        for event in yaml.parse(self.text, Loader=_LOADER):
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._open(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._close()
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.DocumentStartEvent):
                self._document(event)

    def syntax(self, error: yaml.MarkedYAMLError) -> None:
        """Note a mistake of syntax, unless it only follows from an expression that was cut short just before."""
        if self.diagnostics and self._last and self.diagnostics[-1].place == self._last.scalar.place:
            return
        in_flow = bool(self._frames) and self._frames[-1].in_flow
        self.diagnostics.append(explain(error, self.text, self.file, in_flow=in_flow, last=self._last))

    def _report(self, code: str, message: str, place: Place, hint: str | None = None) -> None:
        self.diagnostics.append(Diagnostic(code, message, place, hint))

    def _place(self, event: yaml.Event) -> Place:
        start, end = _marks(event)
        if isinstance(event, yaml.CollectionStartEvent):
            length = 1
        elif end.line == start.line:
            length = max(1, end.column - start.column)
        else:
            length = max(1, len(self.text[start.index : end.index].splitlines()[0].rstrip()))
        return Place(self.file, start.line + 1, start.column + 1, length)

    def _document(self, event: yaml.DocumentStartEvent) -> None:
        self._documents += 1
        if event.version or event.tags:
            self._report("yaml-directive", "a '%' directive may not stand here", self._place(event), "leave it out")
        if self._documents > 1:
            hint = "one file holds one scenario; move the rest into a file of its own"
            self._report("yaml-documents", "a second document begins here", self._place(event), hint)
            raise _Refused

    def _check_tag(self, event: yaml.NodeEvent) -> None:
        tag = getattr(event, "tag", None)
        if tag is not None:
            hint = "leave it out; quotes make a text of anything"
            self._report("yaml-tag", f"the tag '{tag}' means nothing here", self._place(event), hint)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._check_tag(event)
        style = event.style or PLAIN
        place = self._place(event)
        start, end = (mark.index for mark in _marks(event))
        scalar = Scalar(event.value, place, event.value, style, self.text[start:end])
        self._last = Last(scalar, start, end)
        if style == PLAIN and (mistake := cut_short(self._last, self.text, is_key=self._is_key())):
            self.diagnostics.append(mistake)
        elif style == PLAIN and not self._is_key():
            scalar = replace(scalar, value=self._core(scalar))
        if event.anchor:
            self._anchors[event.anchor] = (scalar, 1, 0)
        self._count(1, place)
        self._add(scalar, 1, 0)

    def _is_key(self) -> bool:
        return bool(self._frames) and self._frames[-1].wants_key

    def _core(self, scalar: Scalar) -> str | int | float | bool | None:
        """The value of a plain scalar under the core schema."""
        text = scalar.text
        if text in _WORDS:
            return _WORDS[text]
        number: int | float
        if len(text) > _MAX_DIGITS:
            return text
        if _INTEGER.fullmatch(text):
            return int(text)
        if _OTHER_BASE.fullmatch(text):
            return int(text, 0)
        if _FLOAT.fullmatch(text):
            number = float(text)
        elif _NOT_FINITE.fullmatch(text):
            number = math.inf
        else:
            return text
        if not math.isfinite(number):
            self._report("yaml-number", f"'{text}' is no number that JSON can say", scalar.place, "quote it for a text")
        return number

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        self._check_tag(event)
        place = self._place(event)
        if len(self._frames) >= MAX_DEPTH:
            self._too_deep(place)
        if self._is_key():
            around = len(self._frames) > 1 and self._frames[-2].in_flow
            meant = without_dollar(self.text, _marks(event)[0].index, place, in_flow=around)
            if meant is not None:
                self.diagnostics.append(meant)
            else:
                self._report("yaml-key", "a key must be a text", place, "quote it, if it is a text")
            # an expression that was meant as a value reads as a mapping in the place of a key: one mistake, one report
            raise _Refused
        if event.anchor:
            self._anchors[event.anchor] = None
        mapping = isinstance(event, yaml.MappingStartEvent)
        self._count(1, place)
        self._frames.append(_Frame(place, mapping, bool(event.flow_style), event.anchor))

    def _close(self) -> None:
        frame = self._frames.pop()
        node: Node
        if frame.is_mapping:
            pairs = zip(frame.keys, frame.items, strict=True)
            node = Mapping(tuple((k, v) for k, v in pairs if frame.seen.get(k.text) is k.place), frame.place)
        else:
            node = Sequence(tuple(frame.items), frame.place)
        if frame.anchor:
            self._anchors[frame.anchor] = (node, frame.size, frame.height)
        self._add(node, frame.size, frame.height)

    def _alias(self, event: yaml.AliasEvent) -> None:
        place = self._place(event)
        anchor = event.anchor or ""
        if self._is_key():
            self._report("yaml-key", "an alias may not stand for a key", place, "write the key out")
            self._add(Scalar(anchor, place, anchor), 1, 0)
            return
        target = self._anchors.get(anchor)
        if target is None:
            inside = anchor in self._anchors
            message = (
                f"'*{anchor}' stands inside of what it stands for"
                if inside
                else f"'*{anchor}' refers to nothing: no '&{anchor}' before it"
            )
            self._report("yaml-alias", message, place, None if inside else "quote it, if it is a text")
            self._add(Scalar(None, place), 1, 0)
            return
        node, size, height = target
        if len(self._frames) + height > MAX_DEPTH:
            self._too_deep(place)
        self._count(size, place)
        self._add(node, size, height)

    def _too_deep(self, place: Place) -> None:
        self._report("yaml-depth", f"nested more than {MAX_DEPTH} levels deep", place)
        raise _Refused

    def _count(self, nodes: int, place: Place) -> None:
        self._total += nodes
        if self._total > MAX_NODES:
            message = f"more than {MAX_NODES:,} values, with each alias counted as what it stands for"
            self._report("yaml-nodes", message, place, "repeat less through aliases, or split the file")
            raise _Refused

    def _add(self, node: Node, size: int, height: int) -> None:
        if not self._frames:
            self.root = node
            return
        frame = self._frames[-1]
        frame.size += size
        frame.height = max(frame.height, height + 1)
        if frame.wants_key:
            assert isinstance(node, Scalar)
            self._add_key(frame, node)
        else:
            frame.items.append(node)

    def _add_key(self, frame: _Frame, key: Scalar) -> None:
        frame.keys.append(key)
        if key.style == PLAIN and key.text == "<<":
            self._report("yaml-merge", "the merge key '<<' is not part of YAML 1.2", key.place, "write the keys out")
        elif key.style == PLAIN and key.text in ("", "~"):
            self._report("yaml-key", "a key must be a text", key.place, "quote it, if it is a text")
        if key.text in frame.seen:
            first = frame.seen[key.text]
            message = f"the key '{key.text}' stands here twice; first in line {first.line}"
            self._report("yaml-duplicate-key", message, key.place, "keep one of the two")
        else:
            frame.seen[key.text] = key.place
