"""What a condition tells of the values that it names, where it is true and where it is not.

``trigger.topic == 'order'`` leaves the events of which that can be; ``customer.phone != null`` leaves the null out.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.scenario import types
from engine.scenario.expressions import FUNCTIONS
from engine.sdk.modules import Json, Schema

Ast = Mapping[str, Any]

_ORDERINGS: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Fact:
    """What is known of the value at a path: it is one of some values, or none of them."""

    path: tuple[str, ...]
    one_of: bool
    values: tuple[Json, ...]

    def keep(self, one: Schema) -> Schema | None:
        """An alternative of the value's type as far as the fact leaves it."""
        if one["type"] == "null":
            return one if (None in self.values) is self.one_of else None
        known = [one["const"]] if "const" in one else one.get("enum")
        if known is not None:
            left = [value for value in known if any(same(value, other) for other in self.values) is self.one_of]
            return {"type": one["type"], "enum": left} if left else None
        if not self.one_of:
            return one
        left = [value for value in self.values if _can_be(one, value)]
        if not left:
            return None
        return {**one, "enum": left} if one["type"] not in ("object", "array") else one


#: what was narrowed lately; the schema is kept, so that its id stays its own
_LATELY: dict[tuple[int, tuple[str, ...], bool, str], tuple[Schema, Schema | None]] = {}
_MOST_LATELY = 2048


def narrowed(schema: Schema, path: tuple[str, ...], fact: Fact) -> Schema | None:
    """A value where what stands at a path in it fits a fact; None where nothing fits."""
    key = (id(schema), path, fact.one_of, repr(fact.values))
    known = _LATELY.get(key)
    if known is not None:
        return known[1]
    if len(_LATELY) >= _MOST_LATELY:
        _LATELY.clear()
    found = types.narrow(schema, path, fact.keep)
    _LATELY[key] = schema, found
    return found


def same(left: Json, right: Json) -> bool:
    """JSON's equality: true is not 1."""
    return left == right and isinstance(left, bool) is isinstance(right, bool)


def _can_be(schema: Schema, value: Json) -> bool:
    kind = types.type_name(value)
    if kind != schema["type"] and not (kind in ("integer", "number") and schema["type"] in ("integer", "number")):
        return False
    forbidden = schema.get("not")
    if isinstance(forbidden, Mapping):
        none_of = forbidden.get("enum", [forbidden["const"]] if "const" in forbidden else [])
        return not any(same(value, other) for other in none_of)
    return True


def not_null(path: tuple[str, ...]) -> Fact:
    return Fact(path, one_of=False, values=(None,))


def facts(node: Ast, *, truth: bool) -> list[Fact]:
    """What is known of the values that an expression names where it is true, or where it is not."""
    kind, children = node["type"], node["children"]
    if kind == "not_expression":
        return facts(children[0], truth=not truth)
    if kind in ("and_expression", "or_expression"):
        left, right = (facts(child, truth=truth) for child in children)
        return [*left, *right] if (kind == "and_expression") is truth else list(_either(left, right))
    if kind == "comparator":
        return _compared(node["value"], *children, truth=truth)
    path = path_of(node)
    if path is not None:
        return [Fact(path, one_of=False, values=(None, False))] if truth else []
    if kind == "function_expression" and truth:
        if node["value"] == "contains" and (listed := literals(children[0])) and (path := path_of(children[1])):
            return [Fact(path, one_of=True, values=tuple(listed))]
        return [not_null(path) for path in _needed(node)]
    return []


def path_of(node: Ast) -> tuple[str, ...] | None:
    """The path that an expression looks up, where that is all it does."""
    if node["type"] == "field":
        return (node["value"],)
    if node["type"] != "subexpression":
        return None
    head, *rest = node["children"]
    start = () if head["type"] in ("root", "current", "identity") else path_of(head)
    if start is None or any(child["type"] != "field" for child in rest):
        return None
    return (*start, *(child["value"] for child in rest))


def literals(node: Ast) -> list[Json] | None:
    """The items of a list that is written out; None where it is none."""
    if node["type"] == "literal":
        return node["value"] if isinstance(node["value"], list) else None
    if node["type"] != "multi_select_list" or any(child["type"] != "literal" for child in node["children"]):
        return None
    return [child["value"] for child in node["children"]]


def _either(left: list[Fact], right: list[Fact]) -> Iterator[Fact]:
    """What both say."""
    for one in left:
        for other in right:
            if one.path != other.path:
                continue
            if one.one_of and other.one_of:
                yield Fact(one.path, one_of=True, values=(*one.values, *other.values))
            elif not one.one_of and not other.one_of:
                yield Fact(one.path, one_of=False, values=tuple(v for v in one.values if v in other.values))
            else:
                is_, is_not = (one, other) if one.one_of else (other, one)
                kept = tuple(v for v in is_not.values if not any(same(v, w) for w in is_.values))
                yield Fact(one.path, one_of=False, values=kept)


def _compared(operation: str, left: Ast, right: Ast, *, truth: bool) -> list[Fact]:
    if operation in _ORDERINGS:
        # beside a null there is no order, so that the comparison is not true
        if not truth:
            return []
        return [not_null(path) for side in (left, right) for path in _needed(side)] + [
            not_null(path) for path in _measured(operation, left, right)
        ]
    equal = (operation == "eq") is truth
    for side, other in ((left, right), (right, left)):
        if other["type"] != "literal" or isinstance(other["value"], list | dict):
            continue
        value = other["value"]
        path = path_of(side)
        if path is not None:
            return [Fact(path, one_of=equal, values=(value,))]
        if equal is (value is not None):
            return [not_null(path) for path in _needed(side)]
    return []


def _measured(operation: str, side: Ast, limit: Ast) -> Iterator[tuple[str, ...]]:
    """What is not null because its length is such."""
    if side["type"] != "function_expression" or side["value"] != "length" or limit["type"] != "literal":
        return
    path = path_of(side["children"][0])
    number = limit["value"]
    if path is not None and isinstance(number, int | float) and not _ORDERINGS[operation](0, number):
        yield path


def _needed(node: Ast) -> Iterator[tuple[str, ...]]:
    """The paths that are not null where the expression is not."""
    path = path_of(node)
    kind = node["type"]
    if path is not None:
        yield path
    elif kind in ("arithmetic", "negate"):
        for child in node["children"]:
            yield from _needed(child)
    elif kind == "function_expression":
        function = FUNCTIONS.get(node["value"])
        if function is None or function.on_null is not None or function.skips_null:
            return
        for parameter, child in zip(function.parameters, node["children"], strict=False):
            if parameter.kinds and "null" not in parameter.kinds and not parameter.expression:
                yield from _needed(child)
    elif kind in ("index_expression", "projection", "filter_projection", "subexpression"):
        yield from _needed(node["children"][0])
