"""Which names an expression may use where it stands, and what is known of the value that it gives."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.scenario import types
from engine.scenario.diagnostics import did_you_mean
from engine.scenario.types import BOOLEAN, NUMBER, STRING, UNKNOWN, Missing
from engine.sdk.modules import Schema

Ast = Mapping[str, Any]
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: told of each mistake: its code, message, position in the expression, length, hint
Tell = Callable[[str, str, int, int, str | None], None]

#: names that the language has and this version does not fill
NOT_YET = frozenset({"env"})

_RETURNS: Mapping[str, Schema] = {
    **dict.fromkeys(("abs", "avg", "ceil", "floor", "length", "sum"), NUMBER),
    **dict.fromkeys(("contains", "ends_with", "starts_with"), BOOLEAN),
    **dict.fromkeys(("join", "to_string", "type", "now", "uuid", "approval_link"), STRING),
    "keys": types.array_of(STRING),
}
_MAYBE_TEXT: Schema = types.union([STRING, types.NULL])
#: the schema of ``error`` where a step or a run has failed
ERROR: Schema = types.closed(
    {
        "code": STRING,
        "message": STRING,
        "type": _MAYBE_TEXT,
        "step": STRING,
        "attempt": NUMBER,
        "status": types.union([NUMBER, types.NULL]),
        "detail": UNKNOWN,
        "place": _MAYBE_TEXT,
        "hint": _MAYBE_TEXT,
        "refused": UNKNOWN,
        "retry_after": UNKNOWN,
        "handling": UNKNOWN,
        "finally": UNKNOWN,
    }
)
_NULL_ARGUMENTS = frozenset({"type", "to_string", "length", "now", "uuid"})
#: functions whose ``&expression`` is applied to each item of the list beside it
_PER_ITEM = frozenset({"map", "sort_by", "min_by", "max_by", "group_by"})


@dataclass(frozen=True)
class Names:
    """What stands at the root of an expression.

    :param known: schema by name.
    :param steps: schema of the output by step id; these names are known too.
    :param absent: why a name that exists in the scenario cannot be used here.
    :param guards: texts of the conditions that are true here.
    :param approvals: ids of the steps that ask for approval.
    """

    known: Mapping[str, Schema]
    steps: Mapping[str, Schema] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    guards: tuple[str, ...] = ()
    approvals: tuple[str, ...] = ()

    def lookup(self, name: str) -> Schema | None:
        if name == "steps":
            return types.closed({step: _ended(output) for step, output in self.steps.items()})
        return self.known.get(name, self.steps.get(name))


def _ended(output: Schema) -> Schema:
    return types.closed({"status": STRING, "output": output, "error": UNKNOWN})


def infer(ast: Ast, names: Names, tell: Tell) -> Schema:
    """What is known of an expression's value. Every name and field that cannot be there is told."""
    return _Inference(names, tell).of(ast, _ROOT)


#: stands for the root of the data where a node's current value is meant; compared by identity
_ROOT: Schema = {"title": "the data of the run"}


class _Inference:
    def __init__(self, names: Names, tell: Tell) -> None:
        self._names = names
        self._tell = tell
        self._variables: dict[str, Schema] = {}

    def of(self, node: Ast, current: Schema) -> Schema:
        rule = getattr(self, f"_{node['type']}", None)
        if rule is None:
            for child in node["children"]:
                self.of(child, UNKNOWN)
            return UNKNOWN
        found: Schema = rule(node, current)
        return found

    # names and fields

    def _field(self, node: Ast, current: Schema) -> Schema:
        name = node["value"]
        if current is _ROOT:
            found = self._names.lookup(name)
            return self._unknown_name(node) if found is None else found
        picked = types.field(current, name)
        return self._unknown_field(node, picked) if isinstance(picked, Missing) else picked

    def _unknown_name(self, node: Ast) -> Schema:
        name = node["value"]
        start, length = node["start"], max(1, node["end"] - node["start"])
        if name in self._names.absent:
            self._tell("step-not-run", f"'{name}' cannot be used here: {self._names.absent[name]}", start, length, None)
        elif name in NOT_YET:
            message = f"the language knows `{name}`, this version of the engine does not fill it yet"
            self._tell("not-yet", message, start, length, None)
        else:
            known = [*self._names.known, *self._names.steps, "steps"]
            if name == "error":
                hint = "it is known in the steps of an `on_error`, in its `resume`, and in `on_failure`"
                hint += "; elsewhere `steps.<id>.error` tells it"
            elif node.get("quoted"):
                hint = f"a text stands in single quotes: '{name}'"
            else:
                hint = did_you_mean(name, known) or f"known here: {', '.join(known)}"
            self._tell("unknown-name", f"nothing is named '{name}' here", start, length, hint)
        return UNKNOWN

    def _unknown_field(self, node: Ast, missing: Missing) -> Schema:
        name = node["value"]
        start, length = node["start"], max(1, node["end"] - node["start"])
        if name in self._names.absent and missing.known is not None and {*missing.known} == {*self._names.steps}:
            self._tell("step-not-run", f"'{name}' cannot be used here: {self._names.absent[name]}", start, length, None)
        elif missing.known is None:
            self._tell("unknown-field", f"no '{name}' here: this is {missing.kind}", start, length, None)
        else:
            hint = did_you_mean(name, missing.known) or _listing(missing.known)
            self._tell("unknown-field", f"there is no field '{name}' here", start, length, hint)
        return UNKNOWN

    def _root(self, _node: Ast, _current: Schema) -> Schema:
        return _ROOT

    def _current(self, _node: Ast, current: Schema) -> Schema:
        return current

    _identity = _current

    def _chain(self, node: Ast, current: Schema) -> Schema:
        for child in node["children"]:
            current = self.of(child, current)
        return current

    _subexpression = _index_expression = _pipe = _chain

    def _index(self, node: Ast, current: Schema) -> Schema:
        return types.item(_known(current), node["value"])

    def _slice(self, _node: Ast, current: Schema) -> Schema:
        return _known(current)

    # projections

    def _projection(self, node: Ast, current: Schema) -> Schema:
        left, right = node["children"]
        return types.array_of(self.of(right, types.items(_known(self.of(left, current)))))

    def _filter_projection(self, node: Ast, current: Schema) -> Schema:
        left, right, condition = node["children"]
        item = types.items(_known(self.of(left, current)))
        self.of(condition, item)
        return types.array_of(self.of(right, item))

    def _value_projection(self, node: Ast, current: Schema) -> Schema:
        left, right = node["children"]
        self.of(left, current)
        return types.array_of(self.of(right, UNKNOWN))

    def _flatten(self, node: Ast, current: Schema) -> Schema:
        return types.flattened(_known(self.of(node["children"][0], current)))

    # operators

    def _comparator(self, node: Ast, current: Schema) -> Schema:
        for child in node["children"]:
            if not self._meant_as_text(child, current):
                self.of(child, current)
        return BOOLEAN

    def _meant_as_text(self, node: Ast, current: Schema) -> bool:
        """Whether one side of a comparison is a name in double quotes that names nothing; tells it."""
        if node["type"] != "field" or not node.get("quoted"):
            return False
        name = node["value"]
        if current is _ROOT:
            named = self._names.lookup(name) is not None or name in self._names.absent
        else:
            picked = types.field(current, name)
            # of unknown data: who writes a field in quotes that needs none means a text
            named = not isinstance(picked, Missing) and (bool(picked) or not _IDENTIFIER.fullmatch(name))
        if not named:
            message = f'"{name}" in double quotes is the name of a field'
            self._tell("quoted-text", message, node["start"], node["end"] - node["start"], f"did you mean '{name}'?")
        return not named

    def _not_expression(self, node: Ast, current: Schema) -> Schema:
        self.of(node["children"][0], current)
        return BOOLEAN

    def _arithmetic(self, node: Ast, current: Schema) -> Schema:
        for child in node["children"]:
            self.of(child, current)
        return NUMBER

    _negate = _arithmetic

    def _or_expression(self, node: Ast, current: Schema) -> Schema:
        left, right = (_known(self.of(child, current)) for child in node["children"])
        return types.union([types.without_null(left), right])

    def _and_expression(self, node: Ast, current: Schema) -> Schema:
        return types.union([_known(self.of(child, current)) for child in node["children"]])

    # values that are made

    def _literal(self, node: Ast, _current: Schema) -> Schema:
        return types.schema_of(node["value"])

    def _multi_select_list(self, node: Ast, current: Schema) -> Schema:
        items = [_known(self.of(child, current)) for child in node["children"]]
        return {"type": "array", "prefixItems": items, "items": False}

    def _multi_select_dict(self, node: Ast, current: Schema) -> Schema:
        pairs = {pair["value"]: _known(self.of(pair["children"][0], current)) for pair in node["children"]}
        return types.closed(pairs)

    def _let(self, node: Ast, current: Schema) -> Schema:
        *bindings, body = node["children"]
        outer = self._variables
        bound = {binding["value"]: self.of(binding["children"][0], current) for binding in bindings}
        self._variables = {**outer, **bound}
        try:
            return self.of(body, current)
        finally:
            self._variables = outer

    def _variable(self, node: Ast, _current: Schema) -> Schema:
        return self._variables.get(node["value"], UNKNOWN)

    def _function_expression(self, node: Ast, current: Schema) -> Schema:
        name = node["value"]
        plain = [_known(self.of(child, current)) for child in node["children"] if child["type"] != "expref"]
        item = types.items(plain[0]) if name in _PER_ITEM and plain else UNKNOWN
        for child in node["children"]:
            if child["type"] == "expref":
                self.of(child["children"][0], item)
        if name == "approval_link":
            self._approval(node["children"][0])
        if name in ("sort_by", "sort", "reverse") and plain:
            return plain[0]
        if name in ("min_by", "max_by"):
            return item
        found = _RETURNS.get(name, UNKNOWN)
        # most functions give null for null
        if found and name not in _NULL_ARGUMENTS and any(types.nullable(argument) for argument in plain):
            return types.union([found, types.NULL])
        return found

    def _approval(self, node: Ast) -> None:
        step = node["value"] if node["type"] == "literal" else None
        if isinstance(step, str) and step not in self._names.approvals:
            message = f"no step '{step}' asks for approval"
            known = ", ".join(self._names.approvals)
            hint = did_you_mean(step, self._names.approvals) or (f"those that do: {known}" if known else None)
            self._tell("approval-unknown", message, node["start"], node["end"] - node["start"], hint)


def _known(schema: Schema) -> Schema:
    """The root of the data as a value: an object of which nothing more is said."""
    return UNKNOWN if schema is _ROOT else schema


def _listing(known: tuple[str, ...]) -> str:
    if not known:
        return "it has no fields"
    shown = ", ".join(known[:12])
    return f"it has {shown}{' and more' if len(known) > 12 else ''}"
