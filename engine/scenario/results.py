"""What functions give, where it depends on what they are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from engine.scenario import types
from engine.scenario.types import NULL, STRING, UNKNOWN
from engine.sdk.modules import Schema


class Given(NamedTuple):
    """What is known of the arguments of a call.

    :param plain: of each that is no ``&expression``.
    :param keys: of what each ``&expression`` gives for an item.
    """

    plain: Sequence[Schema]
    keys: Sequence[Schema]

    @property
    def item(self) -> Schema:
        """An item of the list."""
        return types.items(self.plain[0])


def _first_there(given: Given) -> Schema:
    *before, last = given.plain
    if not before:
        return UNKNOWN
    return types.union([*(types.without_null(one) for one in before), last])


def _if(given: Given) -> Schema:
    return types.union([*given.plain[1:], *([NULL] if len(given.plain) < 3 else [])])


def _switch(given: Given) -> Schema:
    _value, *rest = given.plain
    results = [rest[index + 1] for index in range(0, len(rest) - 1, 2)]
    return types.union([*results, rest[-1] if len(rest) % 2 else NULL])


def _same(given: Given) -> Schema:
    return given.plain[0]


def _item_or_null(given: Given) -> Schema:
    return types.union([given.item, NULL]) if given.item else UNKNOWN


def _with_items(given: Given) -> Schema:
    return types.array_of(types.union([given.item, *given.plain[1:]]))


def _of_all(given: Given) -> Schema:
    return types.array_of(types.union([types.items(one) for one in given.plain]))


def _by_key(value: Schema) -> Schema:
    return {"type": "object", "additionalProperties": value}


_MATCH = types.closed(
    {
        "match": STRING,
        "start": {"type": "integer"},
        "end": {"type": "integer"},
        "groups": types.array_of(types.union([STRING, NULL])),
        "named": _by_key(types.union([STRING, NULL])),
    }
)

RESULTS: Mapping[str, Callable[[Given], Schema]] = MappingProxyType(
    {
        **dict.fromkeys(("coalesce", "if_empty", "not_null"), _first_there),
        "if": _if,
        "switch": _switch,
        **dict.fromkeys(
            ("difference", "intersection", "remove", "reverse", "shuffle", "slice", "sort", "sort_by"), _same
        ),
        **dict.fromkeys(("unique", "unique_by"), _same),
        **dict.fromkeys(("at", "first", "last", "max_by", "min_by"), _item_or_null),
        "append": _with_items,
        **dict.fromkeys(("symmetric_difference", "union"), _of_all),
        "map": lambda given: types.array_of(given.keys[0]),
        "chunk": lambda given: types.array_of(given.plain[0]),
        "group_by": lambda given: _by_key(types.without_null(given.plain[0])),
        "to_object": lambda given: _by_key(given.keys[1]),
        "entries": lambda _given: types.array_of(types.closed({"key": STRING, "value": UNKNOWN})),
        "match": lambda _given: types.union([_MATCH, NULL]),
        "match_all": lambda _given: types.array_of(_MATCH),
    }
)
