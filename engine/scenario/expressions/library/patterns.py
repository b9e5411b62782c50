"""Regular expressions, in the syntax of RE2: their time grows with the text alone, whatever the pattern.

Trying a pattern at every place is the exception: what was looked at behind a match is looked at again. So each match
costs steps by the text behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import re2

from engine.scenario.expressions.declare import Call, Function, Refused, define, room, text
from engine.scenario.expressions.frame import Frame

_FLAGS = frozenset("ims")
#: characters of a pattern
_MAX_PATTERN = 1000
#: bytes that a pattern and its states may take
_MAX_MEMORY = 8 << 20
#: steps for each match, and characters behind it for one step more
_PER_MATCH = 4
_BEHIND = 1024
_REFERENCE = re.compile(r"\$(?:(\$)|(&)|([0-9]{1,2})|\{(\w+)\}|<(\w+)>)")
_EMOJI = (
    r"(?:[\x{1F1E6}-\x{1F1FF}]{2}|[#*0-9]\x{FE0F}?\x{20E3}"
    r"|(?:[\x{1F000}-\x{1FAFF}\x{2600}-\x{27BF}\x{2B05}-\x{2B07}\x{2B1B}\x{2B1C}\x{2B50}\x{2B55}\x{231A}\x{231B}\x{2328}"
    r"\x{23CF}\x{23E9}-\x{23F3}\x{23F8}-\x{23FA}\x{25AA}\x{25AB}\x{25B6}\x{25C0}\x{25FB}-\x{25FE}\x{2934}\x{2935}\x{3030}"
    r"\x{303D}\x{3297}\x{3299}]|[\x{00A9}\x{00AE}\x{203C}\x{2049}\x{2122}\x{2139}\x{2194}-\x{2199}\x{21A9}\x{21AA}]\x{FE0F})"
    r"[\x{FE0F}\x{1F3FB}-\x{1F3FF}]?[\x{E0020}-\x{E007F}]*"
    r"(?:\x{200D}[\x{1F000}-\x{1FAFF}\x{2600}-\x{27BF}][\x{FE0F}\x{1F3FB}-\x{1F3FF}]?)*)"
)


@lru_cache(256)
def _compiled(pattern: str, flags: str, argument: int = 1) -> Any:
    if len(pattern) > _MAX_PATTERN:
        raise Refused(f"a pattern has at most {_MAX_PATTERN:,} characters", argument)
    if unknown := set(flags) - _FLAGS:
        message = f"there is no flag '{min(unknown)}'"
        raise Refused(
            message, argument + 1, "i: small and capital letters are the same; m: ^ and $ at each line; s: . is any"
        )
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    try:
        return re2.compile(f"(?{flags}){pattern}" if flags else pattern, options)
    except re2.error as error:
        told = error.args[0] if error.args else ""
        reason = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
        raise Refused(f"the pattern cannot be read: {reason}", argument, _hint(pattern)) from None


def _hint(pattern: str) -> str | None:
    if re.search(r"\(\?<?[=!]", pattern):
        return "patterns cannot look ahead or behind: take the part that you want as a group"
    if re.search(r"\\[1-9]", pattern):
        return "patterns cannot refer back to a group"
    if pattern.startswith("/") and pattern.rstrip("gimsuy").endswith("/"):
        return "write the pattern without slashes, and flags as an argument of their own"
    return None


def check_pattern(pattern: str) -> None:
    """Raises ``Refused`` when it cannot be read."""
    _compiled(pattern, "")


def _check_flags(flags: str) -> None:
    _compiled("", flags)


def _subject(written: str) -> str:
    try:
        written.encode()
    except UnicodeEncodeError:
        raise Refused("the text holds half a character, which no pattern can be matched with") from None
    return written


def _all(frame: Frame, written: str, pattern: Any) -> Iterator[Any]:
    for found in pattern.finditer(_subject(written)):
        frame.spend(_PER_MATCH + (len(written) - found.start()) // _BEHIND)
        yield found


def _shown(found: Any) -> dict[str, Any]:
    return {
        "match": found.group(),
        "start": found.start(),
        "end": found.end(),
        "groups": list(found.groups()),
        "named": found.groupdict(),
    }


def _matches(written: str, pattern: str, flags: str) -> bool:
    return _compiled(pattern, flags).search(_subject(written)) is not None


def _match(written: str, pattern: str, flags: str) -> dict[str, Any] | None:
    found = _compiled(pattern, flags).search(_subject(written))
    return None if found is None else _shown(found)


def _match_all(_call: Call, frame: Frame, written: str, pattern: str, flags: str) -> list[dict[str, Any]]:
    return [_shown(found) for found in _all(frame, written, _compiled(pattern, flags))]


def _split(_call: Call, frame: Frame, written: str, pattern: str, flags: str) -> list[str]:
    parts: list[str] = []
    position = 0
    for found in _all(frame, written, _compiled(pattern, flags)):
        if found.end() == found.start() and found.start() in (0, len(written)):
            continue
        parts.append(written[position : found.start()])
        position = found.end()
    return [*parts, written[position:]]


def _expanded(template: str, found: Any, pattern: Any) -> str:
    def part(reference: re.Match[str]) -> str:
        dollar, whole, number, name = reference[1], reference[2], reference[3], reference[4] or reference[5]
        if dollar:
            return "$"
        if whole:
            return str(found.group())
        group: Any = name or int(number)
        if (name and name not in pattern.groupindex) or (not name and int(number) > pattern.groups):
            raise Refused(f"the pattern has no group '{group}'", 2)
        return found.group(group) or ""

    return _REFERENCE.sub(part, template)


def _replace(_call: Call, frame: Frame, written: str, pattern: str, template: str, flags: str) -> str:
    compiled = _compiled(pattern, flags)
    plain = "$" not in template
    return _substituted(frame, written, compiled, template, plain=plain)


def _substituted(frame: Frame, written: str, compiled: Any, template: str, *, plain: bool) -> str:
    parts: list[str] = []
    position = size = 0
    for found in _all(frame, written, compiled):
        parts += (written[position : found.start()], template if plain else _expanded(template, found, compiled))
        position = found.end()
        size += len(parts[-1])
        room(size)
    room(size + len(written))
    return "".join([*parts, written[position:]])


def _replace_emoji(_call: Call, frame: Frame, written: str, template: str) -> str:
    return _substituted(frame, written, _compiled(_EMOJI, ""), template, plain=True)


_PATTERN = text("pattern", check=check_pattern)
_FLAG = text("flags", "", check=_check_flags)
_FOUND = {"match": "A-17", "start": 6, "end": 10, "groups": ["A", "17"], "named": {"kind": "A"}}

FUNCTIONS: tuple[Function, ...] = (
    define(
        "matches",
        (text(), _PATTERN, _FLAG),
        "boolean",
        "Whether the pattern is found in the text; `^…$` for all of it.",
        _matches,
        ("matches(sku, '^[A-Z]{2}[0-9]+$')", {"sku": "AB12"}, True),
        ("matches('GOLD', 'gold', 'i')", {}, True),
    ),
    define(
        "match",
        (text(), _PATTERN, _FLAG),
        "object|null",
        "Where the pattern is found first: `match`, `start`, `end`, `groups`, `named`. Null where it is not.",
        _match,
        ("match('order A-17', '(?P<kind>[A-Z])-([0-9]+)')", {}, _FOUND),
        ("match('order A-17', '[A-Z]-([0-9]+)').groups[0]", {}, "17"),
    ),
    define(
        "match_all",
        (text(), _PATTERN, _FLAG),
        "array of objects",
        "Each place where the pattern is found, as `match` tells it.",
        _match_all,
        ("match_all('a1 b22', '[0-9]+')[*].match", {}, ["1", "22"]),
        inner=True,
    ),
    define(
        "replace_pattern",
        (text(), _PATTERN, text("with"), _FLAG),
        "string",
        "With a text in place of each match; in it `$1` or `${name}` is a group, `$&` the match, `$$` a dollar sign.",
        _replace,
        ("replace_pattern('2026-01-02', '([0-9]+)-([0-9]+)-([0-9]+)', '$3.$2.$1')", {}, "02.01.2026"),
        ("replace_pattern(t, '\\s+', ' ')", {"t": "a  b \n c"}, "a b c"),
        inner=True,
    ),
    define(
        "split_pattern",
        (text(), _PATTERN, _FLAG),
        "array of strings",
        "The parts between the matches.",
        _split,
        ("split_pattern('a, b;c', '[,;] *')", {}, ["a", "b", "c"]),
        inner=True,
    ),
    define(
        "replace_emoji",
        (text(), text("with", "")),
        "string",
        "With a text, or nothing, in place of each emoji.",
        _replace_emoji,
        ("replace_emoji('Hi 👋🏽 Ada ❤️', '')", {}, "Hi  Ada "),
        inner=True,
    ),
)
