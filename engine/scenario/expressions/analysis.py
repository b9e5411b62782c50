"""What the tree of an expression tells without evaluating it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.sdk.functions import Function

_SELECTS = frozenset(("multi_select_list", "multi_select_dict", "let"))
#: what returns these is never larger than a text, whose size is bounded where it is made
_SCALARS = frozenset(("string", "number", "integer", "boolean", "null", "omit"))
_PROJECTIONS = frozenset(("projection", "filter_projection", "value_projection"))
_BRACKETS = _PROJECTIONS | {"index_expression", "flatten"}


@dataclass(frozen=True, slots=True)
class Reference:
    """A look into the root scope: ``customer.address.city`` has the path ``("customer", "address", "city")``.

    :param path: the name at the root, then the fields that follow it without anything between.
    :param starts: where each part of the path stands in the text.
    """

    path: tuple[str, ...]
    starts: tuple[int, ...]


def nodes(tree: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every node, parents before their children."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        if node["type"] != "slice":
            pending.extend(reversed(node["children"]))


def called(tree: Mapping[str, Any]) -> frozenset[str]:
    """The functions that are called."""
    return frozenset(node["value"] for node in nodes(tree) if node["type"] == "function_expression")


def constructs(tree: Mapping[str, Any], known: Mapping[str, Function]) -> bool:
    """Whether the result can be larger than what went in."""
    seen = {node["type"] for node in nodes(tree)}
    return bool(seen & _SELECTS) or not all(_SCALARS.issuperset(known[n].returns.split("|")) for n in called(tree))


def meets_outputs(tree: Mapping[str, Any], found: Iterable[Reference]) -> bool:
    """Whether outputs can be met in other ways than by name: the scope as a value, or how a step ended."""
    ended = any(reference.path[0] == "steps" and len(reference.path) < 3 for reference in found)
    return ended or _meets_scope(tree, at_root=True)


def _meets_scope(node: Mapping[str, Any], *, at_root: bool) -> bool:
    kind, children = node["type"], node["children"]
    if kind in ("current", "identity", "root"):
        return at_root or kind == "root"
    if kind == "slice":
        return False
    if (
        kind == "subexpression"
        and children[0]["type"] in ("current", "root")
        and _leftmost(children[1])["type"] == "field"
    ):
        # the scope is looked into at once
        children = children[1:]
        at_root = False
    if kind in _PROJECTIONS or kind in ("subexpression", "pipe", "index_expression", "expref"):
        inner = children if kind == "expref" else children[1:]
        first = [] if kind == "expref" else children[:1]
        return any(_meets_scope(child, at_root=at_root) for child in first) or any(
            _meets_scope(child, at_root=False) for child in inner
        )
    return any(_meets_scope(child, at_root=at_root) for child in children)


def needs_plain_scope(tree: Mapping[str, Any]) -> bool:
    """Whether the root scope itself can be met as a value, and not only through its names."""
    # the parents tell: in `$.trigger` and `@.trigger` the root is looked into at once
    harmless = {
        id(node["children"][0])
        for node in nodes(tree)
        if node["type"] == "subexpression" and node["children"][1]["type"] == "field"
    }
    return any(node["type"] in ("current", "root", "identity") and id(node) not in harmless for node in nodes(tree))


def references(tree: Mapping[str, Any]) -> tuple[Reference, ...]:
    """Where the root scope is looked into, in the order of the text."""
    found = list(_references(tree, at_root=True))
    return tuple(sorted(found, key=lambda reference: reference.starts))


def _references(node: Mapping[str, Any], *, at_root: bool) -> Iterator[Reference]:
    kind, children = node["type"], node["children"]
    if kind == "field":
        if at_root:
            yield Reference((node["value"],), (node["start"],))
    elif kind == "subexpression":
        yield from _chain(children, at_root=at_root)
    elif kind in _PROJECTIONS or kind in ("pipe", "index_expression"):
        # only the first child still sees the value that the node itself sees
        yield from _references(children[0], at_root=at_root)
        for child in children[1:]:
            yield from _references(child, at_root=False)
    elif kind == "expref":
        yield from _references(children[0], at_root=False)
    elif kind != "slice":
        for child in children:
            yield from _references(child, at_root=at_root)


def _chain(children: list[Mapping[str, Any]], *, at_root: bool) -> Iterator[Reference]:
    head, *rest = children
    if head["type"] == "root" or (head["type"] == "current" and at_root):
        head, *rest = rest
        is_root = True
    else:
        is_root = at_root
    if head["type"] != "field" or not is_root:
        yield from _references(head, at_root=is_root)
        for child in rest:
            yield from _references(child, at_root=False)
        return
    fields = [head]
    for child in rest:
        name = _leftmost(child)
        if name["type"] != "field":
            break
        fields.append(name)
        if name is not child:
            break
    yield Reference(tuple(f["value"] for f in fields), tuple(f["start"] for f in fields))
    for child in rest:
        yield from _references(child, at_root=False)


def _leftmost(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a bracket after a field is attached to: in ``a.b[0].c`` the library reads ``a . b[0] . c``."""
    while node["type"] in _BRACKETS:
        node = node["children"][0]
    return node
