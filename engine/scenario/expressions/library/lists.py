"""Lists and objects. Items count from 0; an end is not included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.scenario.expressions.declare import (
    KEY,
    ORDER,
    Call,
    Function,
    Key,
    Refused,
    anything,
    array,
    define,
    integer,
    record,
)
from engine.scenario.expressions.frame import MAX_OUTPUT, Frame, equal
from engine.scenario.expressions.library.numbers import random_fraction
from engine.scenario.expressions.values import CHARACTERS_PER_STEP, kind, weigh
from engine.sdk import jsontext
from engine.sdk.functions import Parameter

_SORTABLE = ("number", "string")
#: objects in objects that `merge_deep` goes down to
_MAX_DEPTH = 64


def _contains(_call: Call, frame: Frame, subject: Any, search: Any) -> bool:
    if isinstance(subject, str):
        return isinstance(search, str) and search in subject
    return any(equal(item, search, frame) for item in subject)


# ---------------------------------------------------------------------- sameness


def _identity(value: Any, frame: Frame) -> Any:
    """Something hashable that is equal for equal JSON values, and for no others."""
    if isinstance(value, bool) or value is None:
        return (type(value), value)
    if isinstance(value, (list, dict)):
        frame.spend(weigh(value, MAX_OUTPUT) // CHARACTERS_PER_STEP)
        return _frozen(value)
    return value


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return (list, *map(_frozen, value))
    if isinstance(value, dict):
        return (dict, frozenset((key, _frozen(item)) for key, item in value.items()))
    return (bool, value) if isinstance(value, bool) else value


def _identities(frame: Frame, items: list[Any]) -> list[Any]:
    return [_identity(item, frame) for item in items]


def _first_of_each(items: list[Any], identities: list[Any]) -> list[Any]:
    seen: dict[Any, Any] = {}
    for item, identity in zip(items, identities, strict=True):
        seen.setdefault(identity, item)
    return list(seen.values())


def _unique(_call: Call, frame: Frame, items: list[Any]) -> list[Any]:
    return _first_of_each(items, _identities(frame, items))


def _unique_by(_call: Call, frame: Frame, items: list[Any], key: Key) -> list[Any]:
    return _first_of_each(items, [_identity(key(item, frame), frame) for item in items])


def _without(_call: Call, frame: Frame, items: list[Any], others: list[Any]) -> list[Any]:
    gone = set(_identities(frame, others))
    return [item for item in items if _identity(item, frame) not in gone]


def _remove(call: Call, frame: Frame, items: list[Any], *values: Any) -> list[Any]:
    return _without(call, frame, items, list(values))


def _intersection(_call: Call, frame: Frame, items: list[Any], others: list[Any]) -> list[Any]:
    there = set(_identities(frame, others))
    kept = [item for item in items if _identity(item, frame) in there]
    return _first_of_each(kept, _identities(frame, kept))


def _union(call: Call, frame: Frame, *lists: list[Any]) -> list[Any]:
    return _unique(call, frame, [item for part in lists for item in part])


def _symmetric(call: Call, frame: Frame, items: list[Any], others: list[Any]) -> list[Any]:
    return [*_without(call, frame, items, others), *_without(call, frame, others, items)]


# ---------------------------------------------------------------------- order


def _sort_keys(call: Call, keys: list[Any], argument: int, frame: Frame) -> list[Any]:
    """Keys that can be compared: all numbers or all strings."""
    kinds = {kind(k) for k in keys}
    if keys and kinds != {"number"} and kinds != {"string"}:
        odd = next((k for k in keys if kind(k) not in ("number", "string")), None)
        if odd is None and "null" not in kinds:
            odd = next(k for k in keys if kind(k) != kind(keys[0]))
        hint = "leave such items out first: list[?key != null]" if odd is None else None
        message = f"{call.name}() needs a number for every item, or a string for every item"
        raise call.spots[argument].error(message, odd, hint)
    if kinds == {"string"}:
        frame.spend(sum(map(len, keys)) // CHARACTERS_PER_STEP)
    return keys


def _ordered(items: list[Any], keys: list[Any], order: str) -> list[Any]:
    if order.endswith(" ci"):
        keys = [key.casefold() if isinstance(key, str) else key for key in keys]
    # `reverse` keeps the order of equal keys
    return [items[i] for i in sorted(range(len(items)), key=keys.__getitem__, reverse=order.startswith("desc"))]


def _sort(items: list[Any], order: str) -> list[Any]:
    return sorted(items) if order == "asc" else _ordered(items, items, order)


def _sort_by(call: Call, frame: Frame, items: list[Any], key: Key, order: str) -> list[Any]:
    return _ordered(items, _sort_keys(call, [key(item, frame) for item in items], 1, frame), order)


def _extreme_by(choose: Callable[..., int]) -> Callable[..., Any]:
    def run(call: Call, frame: Frame, items: list[Any], key: Key) -> Any:
        keys = _sort_keys(call, [key(item, frame) for item in items], 1, frame)
        return items[choose(range(len(items)), key=keys.__getitem__)] if items else None

    return run


def _shuffle(call: Call, frame: Frame, items: list[Any]) -> list[Any]:
    mixed = list(items)
    state = int(random_fraction(call, frame) * (1 << 56))
    for place in range(len(mixed) - 1, 0, -1):
        # a generator with a full period, so that the order is the same on every version of Python
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        other = (state >> 33) % (place + 1)
        mixed[place], mixed[other] = mixed[other], mixed[place]
    return mixed


# ---------------------------------------------------------------------- shape


def _flatten(_call: Call, frame: Frame, items: list[Any], depth: int | None) -> list[Any]:
    left = -1 if depth is None else depth
    if depth is not None and depth < 0:
        raise Refused("the depth cannot be less than 0", 1)
    while left and any(isinstance(item, list) for item in items):
        flat: list[Any] = []
        for item in items:
            if isinstance(item, list):
                frame.spend(len(item) + 1)
                flat.extend(item)
            else:
                flat.append(item)
        frame.spend(len(items))
        items = flat
        left -= 1
    return items


def _chunk(items: list[Any], size: int) -> list[list[Any]]:
    if size < 1:
        raise Refused("the size is at least 1", 1)
    return [items[at : at + size] for at in range(0, len(items), size)]


def _range(_call: Call, frame: Frame, start: int, end: int, step: int) -> list[int]:
    if step == 0:
        raise Refused("the step cannot be 0", 2)
    # counted before it is made
    frame.spend(max(0, (end - start + step - (1 if step > 0 else -1)) // step))
    return list(range(start, end, step))


def _at(items: list[Any], index: int) -> Any:
    return items[index] if -len(items) <= index < len(items) else None


def _zip(*lists: list[Any]) -> list[list[Any]]:
    return [list(row) for row in zip(*lists, strict=False)]


def _reverse(value: Any) -> Any:
    return value[::-1]


# ---------------------------------------------------------------------- objects


def _merge(_call: Call, frame: Frame, *objects: dict[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for part in objects:
        frame.spend(len(part))
        merged.update(part)
    return merged


def _merge_deep(call: Call, frame: Frame, *objects: dict[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for part in objects:
        merged = _merged(call, frame, merged, part, 0)
    return merged


def _merged(call: Call, frame: Frame, low: dict[str, Any], high: dict[str, Any], depth: int) -> dict[str, Any]:
    if depth > _MAX_DEPTH:
        raise call.spot.error(f"more than {_MAX_DEPTH} objects in each other", None)
    frame.spend(len(low) + len(high))
    result = dict(low)
    for key, value in high.items():
        below = result.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        result[key] = _merged(call, frame, below, value, depth + 1) if both and below is not None else value
    return result


def _name(call: Call, argument: int, met: Any) -> str:
    """A value as the key of an object."""
    if isinstance(met, str):
        return met
    if isinstance(met, (bool, int, float)):
        return jsontext.dumps(met).decode()
    hint = "leave such items out first: list[?key != null]" if met is None else None
    raise call.spots[argument].error(f"{call.name}() needs a text or a number as key of every item", met, hint)


def _group_by(call: Call, frame: Frame, items: list[Any], key: Key) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for item in items:
        groups.setdefault(_name(call, 1, key(item, frame)), []).append(item)
    return groups


def _to_object(call: Call, frame: Frame, items: list[Any], key: Key, value: Key) -> dict[str, Any]:
    return {_name(call, 1, key(item, frame)): value(item, frame) for item in items}


def _entries(value: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": item} for key, item in value.items()]


_DATA = {"o": [{"id": 1, "total": 7}, {"id": 2, "total": 5}]}
_VALUE_KEY = Parameter("value", ("expression",))
_OTHERS = array("others")

FUNCTIONS: tuple[Function, ...] = (
    define(
        "contains",
        (Parameter("subject", ("array", "string")), anything("search")),
        "boolean",
        "Whether a list has an item, or a text has another text in it.",
        _contains,
        ("contains(tags, 'vip')", {"tags": ["new", "vip"]}, True),
        inner=True,
    ),
    define(
        "first",
        (array(),),
        "any",
        "The first item; null for an empty list.",
        lambda items: items[0] if items else None,
        ("first([1, 2, 3])", {}, 1),
    ),
    define(
        "last",
        (array(),),
        "any",
        "The last item; null for an empty list.",
        lambda items: items[-1] if items else None,
        ("last([1, 2, 3])", {}, 3),
    ),
    define(
        "at",
        (array(), integer("index")),
        "any",
        "The item at a place that is computed, from 0; -1 is the last. Null where there is none.",
        _at,
        ("at(names, n)", {"names": ["Ada", "Bob"], "n": 1}, "Bob"),
        ("at(['none', 'one', 'two'], 5)", {}, None),
    ),
    define(
        "slice",
        (array(), integer("start"), integer("end", None)),
        "array",
        "The items from `start`, the first being 0, up to but without `end`; negative places count from the end.",
        lambda items, start, end: items[start:end],
        ("slice([1, 2, 3, 4], 1, 3)", {}, [2, 3]),
        ("slice([1, 2, 3, 4], -2)", {}, [3, 4]),
    ),
    define(
        "append",
        (array(), Parameter("value", variadic=True)),
        "array",
        "The list with these items at its end.",
        lambda items, *values: [*items, *values],
        ("append(tags, 'vip')", {"tags": ["new"]}, ["new", "vip"]),
    ),
    define(
        "remove",
        (array(), Parameter("value", variadic=True)),
        "array",
        "The list without these items.",
        _remove,
        ("remove(tags, 'new', 'old')", {"tags": ["new", "vip"]}, ["vip"]),
        inner=True,
    ),
    define(
        "reverse",
        (Parameter("subject", ("array", "string")),),
        "array|string",
        "The list or the text from its end to its beginning.",
        _reverse,
        ("reverse(list)", {"list": [1, 2, 3]}, [3, 2, 1]),
    ),
    define(
        "sort",
        (array("list", *_SORTABLE), ORDER),
        "array",
        "The items in order: `asc` (when left out), `desc`; `asc ci`, `desc ci`: capital and small letters alike.",
        _sort,
        ("sort(names)", {"names": ["Bob", "Ada"]}, ["Ada", "Bob"]),
        ("sort(names, 'desc ci')", {"names": ["a", "C", "b"]}, ["C", "b", "a"]),
    ),
    define(
        "sort_by",
        (array(), KEY, ORDER),
        "array",
        "The items in the order of their keys; items with the same key stay in their order.",
        _sort_by,
        ("sort_by(o, &total)[*].id", _DATA, [2, 1]),
        ("sort_by(o, &total, 'desc')[*].id", _DATA, [1, 2]),
        inner=True,
    ),
    define(
        "max_by",
        (array(), KEY),
        "any",
        "The item with the largest key; null for an empty list.",
        _extreme_by(max),
        ("max_by(o, &total).id", _DATA, 1),
        inner=True,
    ),
    define(
        "min_by",
        (array(), KEY),
        "any",
        "The item with the smallest key; null for an empty list.",
        _extreme_by(min),
        ("min_by(o, &total).id", _DATA, 2),
        inner=True,
    ),
    define(
        "map",
        (KEY, array()),
        "array",
        "What the expression gives for each item, nulls included.",
        lambda _call, frame, key, items: [key(item, frame) for item in items],
        ("map(&price, lines)", {"lines": [{"price": 5}, {}]}, [5, None]),
        inner=True,
    ),
    define(
        "unique",
        (array(),),
        "array",
        "Each item once, where it stood first.",
        _unique,
        ("unique([1, 2, 1, 1.0])", {}, [1, 2]),
        inner=True,
    ),
    define(
        "unique_by",
        (array(), KEY),
        "array",
        "The first item for each key.",
        _unique_by,
        ("unique_by(o, &email)[*].id", {"o": [{"id": 1, "email": "a"}, {"id": 2, "email": "a"}]}, [1]),
        inner=True,
    ),
    define(
        "group_by",
        (array(), KEY),
        "object",
        "An object with a list of items for each key, in the order in which keys come first.",
        _group_by,
        ("group_by(o, &tier)", {"o": [{"tier": "A"}, {"tier": "B"}]}, {"A": [{"tier": "A"}], "B": [{"tier": "B"}]}),
        inner=True,
    ),
    define(
        "chunk",
        (array(), integer("size")),
        "array of arrays",
        "The list in lists of so many items; the last may be shorter.",
        _chunk,
        ("chunk([1, 2, 3], 2)", {}, [[1, 2], [3]]),
    ),
    define(
        "flatten",
        (array(), integer("depth", None)),
        "array",
        "Lists in the list become its items, all the way down or to a depth. `list[]` goes down by one.",
        _flatten,
        ("flatten(list)", {"list": [1, [2, [3]]]}, [1, 2, 3]),
        ("flatten(list, 1)", {"list": [1, [2, [3]]]}, [1, 2, [3]]),
        inner=True,
    ),
    define(
        "zip",
        (Parameter("list", ("array",), variadic=True),),
        "array of arrays",
        "Lists of the first items, of the second items, …; as long as the shortest list.",
        _zip,
        ("zip(['a', 'b'], [1, 2])", {}, [["a", 1], ["b", 2]]),
    ),
    define(
        "range",
        (integer("start"), integer("end"), integer("step", 1)),
        "array of numbers",
        "The whole numbers from `start` up to but without `end`.",
        _range,
        ("range(1, 4)", {}, [1, 2, 3]),
        ("range(10, 0, -5)", {}, [10, 5]),
        inner=True,
    ),
    define(
        "shuffle",
        (array(),),
        "array",
        "The items in a random order; the same again when the run goes on from its journal.",
        _shuffle,
        ("shuffle([1, 2, 3, 4])", {}, [2, 1, 3, 4]),
        inner=True,
        pure=False,
    ),
    define(
        "union",
        (Parameter("list", ("array",), variadic=True),),
        "array",
        "The items of all lists, each once.",
        _union,
        ("union([1, 2], [2, 3])", {}, [1, 2, 3]),
        inner=True,
    ),
    define(
        "intersection",
        (array(), _OTHERS),
        "array",
        "The items that both lists have, each once.",
        _intersection,
        ("intersection([1, 2, 2], [2, 3])", {}, [2]),
        inner=True,
    ),
    define(
        "difference",
        (array(), _OTHERS),
        "array",
        "The items of the first list that the second does not have.",
        _without,
        ("difference([1, 2, 3], [2, 4])", {}, [1, 3]),
        inner=True,
    ),
    define(
        "symmetric_difference",
        (array(), _OTHERS),
        "array",
        "The items that only one of the two lists has.",
        _symmetric,
        ("symmetric_difference([1, 2], [2, 3])", {}, [1, 3]),
        inner=True,
    ),
    define(
        "to_array",
        (anything(),),
        "array",
        "A list as it is; anything else as the only item of a list.",
        lambda value: value if isinstance(value, list) else [value],
        ("to_array(x)", {"x": "a"}, ["a"]),
    ),
)

OBJECTS: tuple[Function, ...] = (
    define(
        "keys",
        (record(),),
        "array of strings",
        "The keys of an object, in their order.",
        list,
        ("keys(o)", {"o": {"a": 1, "b": 2}}, ["a", "b"]),
    ),
    define(
        "values",
        (record(),),
        "array",
        "The values of an object, in the order of its keys.",
        lambda value: list(value.values()),
        ("values(o)", {"o": {"a": 1, "b": 2}}, [1, 2]),
    ),
    define(
        "entries",
        (record(),),
        "array of objects",
        "The keys and values of an object as a list of `{key, value}`.",
        _entries,
        ("entries(o)[?value > 1].key", {"o": {"a": 1, "b": 2}}, ["b"]),
    ),
    define(
        "to_object",
        (array(), KEY, _VALUE_KEY),
        "object",
        "An object made of a list: what is the key of an item, and what its value; of equal keys the last counts.",
        _to_object,
        ("to_object(fields, &name, &value)", {"fields": [{"name": "a", "value": 1}]}, {"a": 1}),
        inner=True,
    ),
    define(
        "merge",
        (Parameter("object", ("object",), variadic=True),),
        "object",
        "One object with the keys of all; later ones win, nulls are skipped.",
        _merge,
        ("merge(a, b)", {"a": {"x": 1, "y": 1}, "b": {"y": 2}}, {"x": 1, "y": 2}),
        skips_null=True,
        inner=True,
    ),
    define(
        "merge_deep",
        (Parameter("object", ("object",), variadic=True),),
        "object",
        "As `merge`, but objects that stand under the same key are merged too.",
        _merge_deep,
        ("merge_deep({a: {x: 1}}, {a: {y: 2}})", {}, {"a": {"x": 1, "y": 2}}),
        skips_null=True,
        inner=True,
    ),
)
