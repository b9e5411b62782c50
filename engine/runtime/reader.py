"""Reading a settings file: every mistake at once, each with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from engine.scenario.diagnostics import Diagnostic, Place, ScenarioError, Severity, did_you_mean, render
from engine.scenario.durations import EXAMPLES, parse_duration
from engine.scenario.nodes import Mapping as MappingNode
from engine.scenario.nodes import Node, Scalar
from engine.scenario.nodes import Sequence as SequenceNode
from engine.scenario.yaml import parse, read
from engine.sdk.errors import ConfigError

_T = TypeVar("_T")

_SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_SIZE = re.compile(r"(\d+)\s*([KMG]i?B|B)?", re.IGNORECASE)
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")


class SettingsError(ConfigError):
    """``engine.yaml`` or ``connections.yaml`` has mistakes. All are listed.

    :param sources: texts of the files by name, for ``render``.
    """

    def __init__(self, diagnostics: Sequence[Diagnostic], sources: Mapping[str, str]) -> None:
        self.diagnostics = tuple(diagnostics)
        self.sources = dict(sources)
        more = f" (and {len(diagnostics) - 1} more)" if len(diagnostics) > 1 else ""
        first = diagnostics[0]
        super().__init__(f"{first.message}{more}", place=str(first.place), hint=first.hint)

    def render(self) -> str:
        """All mistakes as text, with source lines and carets."""
        return render(self.diagnostics, self.sources)


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a value comes from: the environment (``env``) or the encrypted store (``secret``)."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"environment variable {self.name}" if self.kind == "env" else f"secret '{self.name}' of the store"


class Reader:
    """Takes a file apart and notes what is wrong; values that are wrong become None."""

    def __init__(self, path: Path) -> None:
        self.file = str(path)
        self.source = ""
        #: texts of other files that mistakes may be in
        self.others: dict[str, str] = {}
        self.diagnostics: list[Diagnostic] = []

    @classmethod
    def open(cls, path: Path) -> tuple[Reader, Node | None]:
        """The reader of a file, and what the file holds; None when it is empty or broken."""
        reader = cls(path)
        try:
            reader.source = read(path.read_bytes(), reader.file)
            node = parse(reader.source, reader.file)
        except ScenarioError as error:
            reader.diagnostics += error.diagnostics
            return reader, None
        except OSError as error:
            raise ConfigError(f"the file cannot be read: {error.strerror}", place=reader.file) from None
        return reader, None if isinstance(node, Scalar) and node.value is None else node

    def finish(self) -> None:
        """Raise ``SettingsError`` when there are mistakes."""
        errors = [d for d in self.diagnostics if d.severity is Severity.ERROR]
        if errors:
            errors.sort(key=lambda d: (d.place.line, d.place.column))
            raise SettingsError(errors, {self.file: self.source, **self.others})

    def report(self, code: str, place: Place, message: str, hint: str | None = None) -> None:
        self.diagnostics.append(Diagnostic(code, message, place, hint))

    def mapping(self, node: Node | None, what: str, known: Collection[str] | None) -> dict[str, Node]:
        """The entries of a mapping; keys that are not ``known`` are mistakes. None: any key."""
        if node is None or (isinstance(node, Scalar) and node.value is None):
            return {}
        if not isinstance(node, MappingNode):
            self._wrong(node, what, "keys with values")
            return {}
        found = {}
        for key, value in node.entries:
            if known is not None and key.text not in known:
                hint = did_you_mean(key.text, known) or f"{what} knows {', '.join(sorted(known))}"
                self.report("unknown-key", key.place, f"{what} has no key '{key.text}'", hint)
            else:
                found[key.text] = value
        return found

    def text(self, node: Node | None, what: str) -> str | None:
        if node is None:
            return None
        if isinstance(node, Scalar) and isinstance(node.value, str) and node.value:
            return node.value
        self._wrong(node, what, "a text")
        return None

    def number(self, node: Node | None, what: str, least: float, most: float) -> int | None:
        if node is None:
            return None
        if isinstance(node, Scalar) and type(node.value) is int and least <= node.value <= most:
            return node.value
        self._wrong(node, what, f"a whole number from {least:g} to {most:g}")
        return None

    def rate(self, node: Node | None, what: str) -> float | None:
        if node is None:
            return None
        if isinstance(node, Scalar) and type(node.value) in (int, float) and float(node.value or 0) > 0:
            return float(node.value or 0)
        self._wrong(node, what, "a number above 0")
        return None

    def seconds(self, node: Node | None, what: str) -> float | None:
        if node is None:
            return None
        text = node.value if isinstance(node, Scalar) and isinstance(node.value, str) else ""
        seconds = parse_duration(text)
        if seconds:
            return seconds
        self._wrong(node, what, f"a duration such as {EXAMPLES}")
        return None

    def size(self, node: Node | None, what: str) -> int | None:
        if node is None:
            return None
        text = str(node.value) if isinstance(node, Scalar) and type(node.value) in (int, str) else ""
        match = _SIZE.fullmatch(text)
        if match and int(match[1]) > 0:
            return int(match[1]) * _SIZES[(match[2] or "").upper()]
        self._wrong(node, what, "a size such as 5MB or a number of bytes")
        return None

    def choice(self, node: Node | None, what: str, words: Collection[str]) -> str | None:
        text = self.text(node, what)
        if text is None or node is None or text in words:
            return text
        hint = did_you_mean(text, words) or f"use one of {', '.join(sorted(words))}"
        self.report("bad-value", node.place, f"{what} cannot be '{text}'", hint)
        return None

    def items(self, node: Node | None, what: str, one: Callable[[Node, str], _T | None]) -> tuple[_T, ...] | None:
        if node is None:
            return None
        if not isinstance(node, SequenceNode):
            self._wrong(node, what, "a list")
            return None
        return tuple(v for v in (one(item, what) for item in node.items) if v is not None)

    def reference(self, node: Node) -> SecretRef | None:
        """``{env: NAME}`` or ``{secret: NAME}``; None for anything else, which is no mistake here."""
        if not isinstance(node, MappingNode) or len(node.entries) != 1:
            return None
        (key, value) = node.entries[0]
        pattern = {"env": _ENVIRONMENT_NAME, "secret": _SECRET_NAME}.get(key.text)
        if pattern and isinstance(value, Scalar) and isinstance(value.value, str) and pattern.fullmatch(value.value):
            return SecretRef(key.text, value.value)
        return None

    def secret(self, node: Node | None, what: str, place: Place) -> SecretRef | None:
        """A secret: only by reference. ``place``: where it is missing."""
        if node is None:
            self.report("missing-key", place, f"{what} is missing", "name its source: {env: NAME} or {secret: NAME}")
            return None
        reference = self.reference(node)
        if reference is None and isinstance(node, MappingNode):
            hint = "names consist of letters, digits and _; those of stored secrets also of . and -"
            self.report("bad-value", node.place, f"{what} must be {{env: NAME}} or {{secret: NAME}}", hint)
        elif reference is None:
            self.report(
                "secret-in-file",
                node.place,
                f"{what} is a secret, and secrets are not kept in files",
                "name its source: {env: NAME} or {secret: NAME}; `engine connections add` stores a secret",
            )
        return reference

    def _wrong(self, node: Node, what: str, wanted: str) -> None:
        self.report("bad-value", node.place, f"{what} must be {wanted}")
