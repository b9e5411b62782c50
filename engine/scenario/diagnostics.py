"""What the checker says: where, which check, what is wrong, what to write instead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from engine.sdk.errors import EngineError

#: how alike two words are, from 0 to 1, when one is taken for a slip in writing the other
_SLIP = 0.8
#: how alike they must be for a hint at all
_NEAR = 0.6
#: the share of a name that a word must be to call the name to mind
_PART = 0.25
#: how many names that have the word as a part are told
_MOST_WHOLES = 3


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    HINT = "hint"

    @property
    def rank(self) -> int:
        """From 0, the most severe."""
        return [*Severity].index(self)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file. Lines and columns count from 1; ``length`` is what the caret underlines."""

    file: str
    line: int
    column: int
    length: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def moved(self, columns: int, length: int = 1) -> Place:
        """A place further on in the same line."""
        return Place(self.file, self.line, self.column + columns, length)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake.

    :param code: a key of ``engine.scenario.codes.CODES``.
    :param hint: what to do, often a *did you mean*.
    """

    code: str
    message: str
    place: Place
    hint: str | None = None
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        tail = f" ({self.hint})" if self.hint else ""
        return f"{self.place}: {self.severity}[{self.code}]: {self.message}{tail}"

    def to_json(self) -> dict[str, Any]:
        return {
            "file": self.place.file,
            "line": self.place.line,
            "column": self.place.column,
            "length": self.place.length,
            "severity": str(self.severity),
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
        }


class ScenarioError(EngineError):
    """A scenario file has mistakes; nothing of it was run. All are listed."""

    code = "scenario-mistakes"

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        errors = [d for d in self.diagnostics if d.severity is Severity.ERROR]
        first = errors[0] if errors else self.diagnostics[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{first.message}{more}", place=str(first.place), hint="see `engine check`")


def is_slip(word: str, known: Iterable[str]) -> bool:
    """Whether a word is surely a known one that is misspelled."""
    known = list(known)
    return any(name.lower() == word.lower() for name in known) or bool(get_close_matches(word, known, 1, _SLIP))


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A hint that names the nearest known word, those of which it is a part, or None."""
    known = list(known)
    slip = [name for name in known if name.lower() == word.lower()] or get_close_matches(word, known, 1, _SLIP)
    if slip:
        return f"did you mean '{slip[0]}'?"
    part = re.compile(rf"(?:^|[._-]){re.escape(word)}(?:$|[._-])", re.IGNORECASE)
    wholes = [name for name in known if len(word) >= _PART * len(name) and part.search(name)][:_MOST_WHOLES]
    if len(wholes) > 1:
        return f"did you mean one of {', '.join(wholes)}?"
    near = wholes or get_close_matches(word, known, 1, _NEAR)
    return f"did you mean '{near[0]}'?" if near else None


def render(diagnostics: Sequence[Diagnostic], sources: Mapping[str, str]) -> str:
    """All diagnostics as text: the head line, the source line, a caret under the place."""
    blocks = []
    for d in diagnostics:
        lines = sources.get(d.place.file, "").splitlines()
        block = [str(d)]
        if 0 < d.place.line <= len(lines):
            line = lines[d.place.line - 1]
            before = "".join("\t" if c == "\t" else " " for c in line[: d.place.column - 1])
            width = max(1, min(d.place.length, len(line) - d.place.column + 1))
            block += [f"    {line}", f"    {before}{'^' * width}"]
        blocks.append("\n".join(block))
    return "\n".join(blocks)
