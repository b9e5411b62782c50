"""Checks silenced by a comment that names them: ``# engine: ignore[null-in-text] the name is optional``.

The comment stands at the end of the line in which the mistake is, or alone in a line above it. What the plan cannot be
made without is not silenced, and neither is anything by a comment that names no check. A comment that silences nothing
is a hint itself, so that none is left behind when its reason is gone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.scenario.codes import CODES
from engine.scenario.comments import Comment, comments_of
from engine.scenario.diagnostics import Diagnostic, Place, did_you_mean

#: a look before the file is read a second time for its comments
_HINTED = re.compile(r"#\s*engine\s*:\s*ignore")
_FORM = re.compile(r"#\s*engine\s*:\s*ignore\b\s*(?:\[(?P<codes>[^\]]*)\])?")
_UNUSED = "unused-ignore"
_EXAMPLE = "write `# engine: ignore[null-in-text] why`"


@dataclass
class _Ignore:
    """One comment that silences.

    :param line: the line that it is about.
    :param codes: the checks that it names, with their places.
    """

    comment: Comment
    line: int
    codes: dict[str, Place]
    used: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)


def silence(diagnostics: Sequence[Diagnostic], source: str, file: str) -> list[Diagnostic]:
    """What is left of the diagnostics of a file, with a hint for each comment that silences nothing."""
    if not _HINTED.search(source):
        return list(diagnostics)
    comments = comments_of(source, file)
    ignores = [_read(comment, comments.found, source) for comment in comments.found if _FORM.match(comment.text)]
    left = []
    for found in diagnostics:
        lines = {found.place.line, comments.home(found.place.line)}
        about = [ignore for ignore in ignores if ignore.line in lines and found.code in ignore.codes]
        if about and CODES[found.code].silenceable:
            for ignore in about:
                ignore.used.add(found.code)
            continue
        for ignore in about:
            ignore.refused.add(found.code)
        left.append(found)
    left += [hint for ignore in ignores for hint in _unused(ignore)]
    return sorted(left, key=lambda d: (d.place.line, d.place.column))


def _read(comment: Comment, comments: Sequence[Comment], source: str) -> _Ignore:
    match = _FORM.match(comment.text)
    assert match is not None
    codes: dict[str, Place] = {}
    for part in re.finditer(r"[^,\s]+", match["codes"] or ""):
        codes[part[0]] = comment.place.moved(match.start("codes") + part.start(), len(part[0]))
    return _Ignore(comment, _below(comment, comments, source) if comment.alone else comment.place.line, codes)


def _below(comment: Comment, comments: Sequence[Comment], source: str) -> int:
    """The next line that says something."""
    lines = re.split(r"\r\n|\r|\n", source)
    alone = {other.place.line for other in comments if other.alone}
    line = comment.place.line + 1
    while line <= len(lines) and (line in alone or not lines[line - 1].strip()):
        line += 1
    return line


def _unused(ignore: _Ignore) -> list[Diagnostic]:
    if not ignore.codes:
        return [_hint("the comment names no check, so that it silences nothing", ignore.comment.place, _EXAMPLE)]
    found = []
    for code, place in ignore.codes.items():
        if code in ignore.refused:
            found.append(_hint(f"'{code}' cannot be silenced: there is no plan without it", place, "mend it"))
        elif code not in CODES:
            found.append(_hint(f"there is no check '{code}'", place, did_you_mean(code, CODES) or _EXAMPLE))
        elif code not in ignore.used:
            found.append(_hint(f"there is no '{code}' here to silence", place, "take the comment away"))
    return found


def _hint(message: str, place: Place, hint: str) -> Diagnostic:
    return Diagnostic(_UNUSED, message, place, hint, CODES[_UNUSED].severity)
