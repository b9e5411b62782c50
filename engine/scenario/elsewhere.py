"""What other integrators and workflow languages call the keys of ours, for the hint at a key that is not there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

#: by the word in small letters, without - and _: what stands for it here, the first that is known in its place
_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "action": ("module",),
        "actions": ("steps",),
        "aggregate": ("collect",),
        "aggregator": ("collect",),
        "app": ("module",),
        "branches": ("parallel", "route"),
        "catch": ("on_error",),
        "code": ("status",),
        "condition": ("if",),
        "config": ("with",),
        "count": ("times",),
        "default": ("otherwise", "else"),
        "delay": ("sleep",),
        "do": ("steps",),
        "each": ("foreach",),
        "else": ("otherwise",),
        "elseif": ("else_if",),
        "elif": ("else_if",),
        "errorhandler": ("on_error",),
        "fallback": ("otherwise",),
        "filter": ("if",),
        "flow": ("steps",),
        "foreach": ("foreach",),
        "iterator": ("foreach",),
        "jobs": ("steps",),
        "loop": ("foreach",),
        "mapper": ("with",),
        "mapping": ("with",),
        "modules": ("steps",),
        "name": ("scenario",),
        "onerror": ("on_error",),
        "options": ("with",),
        "parameters": ("with",),
        "params": ("with",),
        "pause": ("sleep",),
        "repeater": ("repeat",),
        "response": ("respond",),
        "router": ("route",),
        "routes": ("route",),
        "tasks": ("steps",),
        "then": ("steps",),
        "type": ("module",),
        "uses": ("module",),
        "variables": ("vars", "set"),
        "when": ("if",),
        "while": ("repeat",),
    }
)
#: keys that stand in another one, by their words
_BELOW: Mapping[str, str] = MappingProxyType(
    {"at": "schedule", "cron": "schedule", "schedule": "trigger", "timezone": "schedule"}
)
#: what a value looks like where a mapping is wanted, by the key in backticks
_SHAPES: Mapping[str, str] = MappingProxyType(
    {
        "`parallel`": "a name and its steps for each branch: `first: [{…}]`",
        "`repeat`": "such as `{times: 3}`, or `{until: ${{ … }}, max: 60}`",
        "`respond`": "such as `{status: 200, body: …}`",
        "`retry`": "such as `{attempts: 3}`",
        "`schedule`": 'such as `{cron: "0 6 * * 1-5"}` or `{every: 15m}`',
        "`set`": "a name and a value for each variable",
        "`wait_for`": 'such as `{signal: NAME}` or `{approval: "Shall we?", timeout: 2d}`',
    }
)


def called_here(word: str, known: Collection[str]) -> str | None:
    """The key that stands for a word of another language.

    :param known: the keys that can stand in its place.
    """
    return next((key for key in _WORDS.get(word.lower().replace("_", "").replace("-", ""), ()) if key in known), None)


def below(word: str, known: Collection[str]) -> str | None:
    """The key of those that are known under which a key stands that is none of them."""
    return found if (found := _BELOW.get(word)) in known else None


def shape_of(what: str) -> str | None:
    """What to write under a key that wants a mapping."""
    return _SHAPES.get(what)
