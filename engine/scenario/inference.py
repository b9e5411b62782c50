"""What is known of the value that an expression gives, and what cannot be right in it.

Nothing is said about what is not known: a field of an open object, the result of a function that may be anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet

from engine.scenario import types
from engine.scenario.diagnostics import did_you_mean
from engine.scenario.expressions import FUNCTIONS, Function
from engine.scenario.expressions.names import elsewhere
from engine.scenario.narrowing import facts, narrowed, path_of, same
from engine.scenario.references import Ast, Names
from engine.scenario.results import RESULTS, Given
from engine.scenario.types import BOOLEAN, NULL, NUMBER, STRING, UNKNOWN, Missing
from engine.sdk.modules import Json, Schema

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: told of each mistake: its code, message, position in the expression, length, hint
Tell = Callable[[str, str, int, int, str | None], None]

#: stands for the root of the data where a node's current value is meant; compared by identity
_ROOT: Schema = {"title": "the data of the run"}
#: what ``omit()`` gives: nothing at all; compared by identity
OMITTED: Schema = {"not": {}, "title": "left out"}
_RESULTS: Mapping[str, Schema] = {
    "number": NUMBER,
    "integer": {"type": "integer"},
    "boolean": BOOLEAN,
    "string": STRING,
    "array": {"type": "array"},
    "object": {"type": "object"},
}
#: functions whose ``&expression`` is applied to each item of the list beside it
_PER_ITEM = frozenset({"map", "sort_by", "min_by", "max_by", "group_by", "unique_by", "to_object"})
_SYMBOLS = {"eq": "==", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


def infer(ast: Ast, names: Names, tell: Tell, known: Mapping[str, Function] = FUNCTIONS) -> Schema:
    """What is known of an expression's value. Every name and field that cannot be there is told.

    :param known: what can be called.
    """
    return _Inference(names, tell, known).of(ast, _ROOT)


def kinds(schema: Schema) -> AbstractSet[str] | None:
    """The types that a value can have beside null, as expressions tell them apart; None: any."""
    found = types.types_of(schema)
    return None if found is None else frozenset("number" if kind == "integer" else kind for kind in found) - {"null"}


class _Inference:
    def __init__(self, names: Names, tell: Tell, known: Mapping[str, Function]) -> None:
        self._names = names
        self._functions = known
        self._tell = tell
        self._variables: dict[str, Schema] = {}

    def of(self, node: Ast, current: Schema) -> Schema:
        rule = getattr(self, "_" + node["type"], None)
        if rule is None:
            for child in node["children"]:
                self.of(child, UNKNOWN)
            return UNKNOWN
        found: Schema = rule(node, current)
        return found

    def _at(self, code: str, message: str, node: Ast, hint: str | None = None) -> None:
        self._tell(code, message, node["start"], max(1, node["end"] - node["start"]), hint)

    # names and fields

    def _field(self, node: Ast, current: Schema) -> Schema:
        name = node["value"]
        if current is _ROOT:
            found = self._names.lookup(name)
            return self._unknown_name(node) if found is None else found
        picked = types.field(current, name)
        if isinstance(picked, Missing):
            return self._unknown_field(node, picked)
        if why := types.why_never(picked):
            self._at("always-null", why, node)
        return picked

    def _unknown_name(self, node: Ast) -> Schema:
        name = node["value"]
        if name in self._names.absent:
            self._absent(name, node)
        else:
            known = [*self._names.known, *self._names.steps, "steps"]
            if name == "error":
                hint = "it is known in the steps of an `on_error`, in its `resume`, and in `on_failure`"
                hint += "; elsewhere `steps.<id>.error` tells it"
            elif node.get("quoted"):
                hint = f"a text stands in single quotes: '{name}'"
            else:
                said = self._said_by_a_function(name) or did_you_mean(name, known)
                hint = said or f"known here: {', '.join(known)}"
            self._at("unknown-name", f"nothing is named '{name}' here", node, hint)
        return UNKNOWN

    def _said_by_a_function(self, name: str) -> str | None:
        """What to write for a name that other languages have, such as ``now`` and ``emptystring``."""
        function = self._functions.get(name)
        if function is not None:
            return None if any(not one.optional for one in function.parameters) else f"it is a function: {name}()"
        return elsewhere(name)

    def _unknown_field(self, node: Ast, missing: Missing) -> Schema:
        name = node["value"]
        if name in self._names.absent and missing.known is not None and {*missing.known} == {*self._names.steps}:
            self._absent(name, node)
        elif missing.known is None:
            hint = _of_a_list(name) if missing.kind == types.words(["array"]) else None
            self._at("unknown-field", f"no '{name}' here: this is {missing.kind}", node, hint)
        else:
            hint = did_you_mean(name, missing.known) or _listing(missing.known)
            self._at("unknown-field", f"there is no field '{name}' here", node, hint)
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
        self._list(node, current, f"[{node['value']}]")
        return types.item(_known(current), node["value"])

    def _slice(self, _node: Ast, current: Schema) -> Schema:
        return _known(current)

    # projections

    def _list(self, node: Ast, schema: Schema, what: str) -> None:
        """Note that something is done to a list that is none."""
        found = kinds(_known(schema))
        if found and "array" not in found:
            message = f"`{what}` of {types.words(sorted(found))} is always null, it wants a list"
            self._at("not-a-list", message, node)

    def _projection(self, node: Ast, current: Schema) -> Schema:
        left, right = node["children"]
        given = self.of(left, current)
        if left["type"] != "index_expression":
            # else it may be a slice, also of a text
            self._list(left, given, "[]" if left["type"] == "flatten" else "[*]")
        return types.array_of(self.of(right, types.items(_known(given))))

    def _filter_projection(self, node: Ast, current: Schema) -> Schema:
        left, right, condition = node["children"]
        given = self.of(left, current)
        self._list(left, given, "[?…]")
        item = types.items(_known(given))
        self.of(condition, item)
        for fact in facts(condition, truth=True):
            item = narrowed(item, fact.path, fact) or item
        return types.array_of(self.of(right, item))

    def _value_projection(self, node: Ast, current: Schema) -> Schema:
        left, right = node["children"]
        self.of(left, current)
        return types.array_of(self.of(right, UNKNOWN))

    def _flatten(self, node: Ast, current: Schema) -> Schema:
        child = node["children"][0]
        given = self.of(child, current)
        self._list(child, given, "[]")
        return types.flattened(_known(given))

    # operators

    def _comparator(self, node: Ast, current: Schema) -> Schema:
        left, right = (
            STRING if self._meant_as_text(child, current) else _known(self.of(child, current))
            for child in node["children"]
        )
        if node["value"] in ("eq", "ne"):
            return self._equality(node, left, right)
        found = kinds(left), kinds(right)
        if not found[0] or not found[1]:
            return BOOLEAN
        orders = {"number", "string"}
        if not found[0] & found[1] & orders:
            self._unlike(node, found[0], found[1])
        return BOOLEAN

    def _equality(self, node: Ast, left: Schema, right: Schema) -> Schema:
        sides = left, right
        found = kinds(left), kinds(right)
        equal = node["value"] == "eq"
        if not found[0] or not found[1]:
            return BOOLEAN
        if not found[0] & found[1]:
            if not all(types.nullable(side) for side in sides):
                self._unlike(node, found[0], found[1])
            return BOOLEAN
        values = types.values_of(left), types.values_of(right)
        if values[0] is None or values[1] is None:
            return BOOLEAN
        literals = [index for index, child in enumerate(node["children"]) if child["type"] == "literal"]
        can_be = any(same(one, other) for one in values[0] for other in values[1])
        if len(literals) == 2:
            return _constant(can_be is equal)
        # what must be so by a condition before it is no mistake: authors write out the last of several cases
        if literals and not can_be:
            self._impossible(node, literals[0], values[1 - literals[0]] or [])
        return BOOLEAN

    def _unlike(self, node: Ast, left: AbstractSet[str], right: AbstractSet[str]) -> None:
        symbol = _SYMBOLS[node["value"]]
        message = f"`{symbol}` compares {types.words(sorted(left))} with {types.words(sorted(right))}"
        hint = None
        for side, other, child in zip((left, right), (right, left), node["children"], strict=True):
            if side == {"string"} and other == {"number"}:
                number = child["type"] == "literal" and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", str(child["value"]))
                hint = f"write {child['value']} without quotes" if number else "make a number of the text: to_number(…)"
            elif side == {"string"} and other == {"boolean"} and child["type"] == "literal":
                hint = f"the value itself is the condition: leave {symbol} {child['value']!r} out, or write `true`"
        if symbol in ("==", "!="):
            message += f", which is always {'false' if symbol == '==' else 'true'}"
        self._at("unlike-types", message, node, hint)

    def _impossible(self, node: Ast, literal: int, possible: list[Json]) -> None:
        child = node["children"][literal]
        value = child["value"]
        texts = [one for one in possible if isinstance(one, str)]
        near = did_you_mean(value, texts) if isinstance(value, str) else None
        listing = f"it can be {', '.join(str(one) for one in possible[:8])}{' and more' if len(possible) > 8 else ''}"
        path = path_of(node["children"][1 - literal])
        what = f"`{'.'.join(path)}`" if path else "the other side"
        shown = f"'{value}'" if isinstance(value, str) else str(value).lower()
        self._at("impossible-value", f"{what} is never {shown} here", child, near or listing)

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
        given = _known(self.of(node["children"][0], current))
        values = types.values_of(given)
        if values is not None and len(values) == 1 and isinstance(values[0], bool) and not types.nullable(given):
            return _constant(not values[0])
        return BOOLEAN

    def _absent(self, name: str, node: Ast) -> None:
        why = self._names.absent[name]
        hint = "move this step below it" if "runs later" in why else None
        self._at("step-not-run", f"'{name}' cannot be used here: {why}", node, hint)

    def _arithmetic(self, node: Ast, current: Schema) -> Schema:
        symbol = node.get("value", "-")
        given = [_known(self.of(child, current)) for child in node["children"]]
        found = [kinds(schema) for schema in given]
        for child, schema, kind in zip(node["children"], given, found, strict=True):
            if kind and "number" not in kind:
                message = f"`{symbol}` wants numbers, this is {types.words(sorted(kind))}"
                # whoever writes a text that is no number beside a plus means to join
                joins = any(_joins(one) for one in (child, node["children"][0]))
                texts = symbol == "+" and (joins or all(one == {"string"} for one in found))
                hint = "make a number of it: to_number(…)" if kind == {"string"} else None
                self._at("wrong-operand", message, child, "join texts by join('', [a, b])" if texts else hint)
                return UNKNOWN
            if kind is not None and types.nullable(schema) and not (child["type"] == "literal" and not kind):
                why = f" ({reason})" if (reason := types.why_null(schema)) else ""
                message = f"this can be null{why}, and `{symbol}` of null fails"
                self._at("null-operand", message, child, "say what then: (… || 0)")
        return NUMBER

    _negate = _arithmetic

    def _or_expression(self, node: Ast, current: Schema) -> Schema:
        left, right = node["children"]
        given = _known(self.of(left, current))
        other = self._under(left, right, current, truth=False)
        if other is OMITTED:
            return _true(given)
        return types.union([_true(given), _known(other)])

    def _and_expression(self, node: Ast, current: Schema) -> Schema:
        left, right = node["children"]
        given = _known(self.of(left, current))
        other = _known(self._under(left, right, current, truth=True))
        for one, rest in ((given, other), (other, given)):
            values = types.values_of(one)
            if values == [False] and not types.nullable(one):
                return one
            if values == [True] and not types.nullable(one):
                return rest
        if kinds(given) == {"boolean"} and kinds(other) == {"boolean"}:
            return BOOLEAN
        return types.union([_false(given), other])

    def _under(self, condition: Ast, node: Ast, current: Schema, *, truth: bool) -> Schema:
        """A part that is looked at only where a condition before it is true, or is not."""
        if current is not _ROOT:
            for fact in facts(condition, truth=truth):
                current = narrowed(current, fact.path, fact) or current
            return self.of(node, current)
        names = self._names
        self._names = names.where(condition, truth=truth)
        try:
            return self.of(node, current)
        finally:
            self._names = names

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

    # functions

    def _function_expression(self, node: Ast, current: Schema) -> Schema:
        name = node["value"]
        children = node["children"]
        given = [None if child["type"] == "expref" else self.of(child, current) for child in children]
        plain = [_known(schema) for schema in given if schema is not None]
        item = types.items(plain[0]) if name in _PER_ITEM and plain else UNKNOWN
        results = [self.of(child["children"][0], item) for child in children if child["type"] == "expref"]
        if name == "approval_link":
            self._approval(children[0])
        function = self._functions.get(name)
        if function is None:
            return UNKNOWN
        for index, (child, schema) in enumerate(zip(children, given, strict=True)):
            if schema is not None:
                self._argument(function, index, child, _known(schema))
        return self._result(function, plain, [_known(result) for result in results])

    def _argument(self, function: Function, index: int, child: Ast, schema: Schema) -> None:
        if not function.parameters:
            return
        parameter = function.parameters[min(index, len(function.parameters) - 1)]
        found = kinds(schema)
        if not parameter.kinds or not found:
            return
        if not found & {"number" if kind == "integer" else kind for kind in parameter.kinds}:
            wanted = types.words(parameter.kinds)
            message = f"{function.name}() wants {wanted} for `{parameter.name}`, this is {types.words(sorted(found))}"
            self._at("wrong-argument", message, child, _conversion(parameter.kinds, found) or function.signature)
            return
        items = kinds(types.items(schema)) if parameter.items and found == {"array"} else None
        if items and not items & {*parameter.items}:
            wanted = types.words(parameter.items)
            message = f"{function.name}() wants a list with {wanted} in it, this has {types.words(sorted(items))}"
            self._at("wrong-argument", message, child, function.signature)

    def _result(self, function: Function, plain: list[Schema], results: list[Schema]) -> Schema:
        if function.name == "omit":
            return OMITTED
        rule = RESULTS.get(function.name)
        found = _result_type(function.returns) if rule is None else rule(Given(plain, results))
        # most functions give null for null
        takes_null = function.on_null is not None or function.skips_null
        if found and not takes_null and function.parameters and self._null_through(function, plain):
            return types.union([found, NULL])
        return found

    @staticmethod
    def _null_through(function: Function, plain: list[Schema]) -> bool:
        written = [parameter for parameter in function.parameters if not parameter.expression]
        last = len(written) - 1
        parameters = (written[min(index, last)] for index in range(len(plain)))
        return any(
            parameter.kinds and not parameter.optional and "null" not in parameter.kinds and types.nullable(schema)
            for parameter, schema in zip(parameters, plain, strict=True)
        )

    def _approval(self, node: Ast) -> None:
        step = node["value"] if node["type"] == "literal" else None
        if isinstance(step, str) and step not in self._names.approvals:
            message = f"no step '{step}' asks for approval"
            known = ", ".join(self._names.approvals)
            hint = did_you_mean(step, self._names.approvals) or (f"those that do: {known}" if known else None)
            self._at("approval-unknown", message, node, hint)


def _result_type(returns: str) -> Schema:
    """The schema of what a function returns, as it says: ``string``, ``number or null``, ``array of strings``."""
    parts = [part.strip() for part in re.split(r"\s+or\s+|\|", returns)]
    found: list[Schema] = []
    for part in parts:
        kind, _, of = part.partition(" of ")
        if kind == "null":
            found.append(NULL)
        elif kind == "array" and of:
            found.append(types.array_of(_RESULTS.get(of.removesuffix("s"), UNKNOWN)))
        elif kind in _RESULTS:
            found.append(_RESULTS[kind])
        else:
            return UNKNOWN
    return types.union(found)


def _conversion(wanted: tuple[str, ...], found: AbstractSet[str]) -> str | None:
    if set(wanted) <= {"number", "integer"} and found == {"string"}:
        return "make a number of it: to_number(…)"
    if wanted == ("string",):
        return "make a text of it: to_string(…)"
    return None


def _joins(node: Ast) -> bool:
    """Whether it is a text that is no number, or something is added to such a text."""
    if node["type"] == "literal":
        return not str(node["value"]).strip().lstrip("-").replace(".", "", 1).isdigit()
    return node["type"] == "arithmetic" and node.get("value") == "+" and any(map(_joins, node["children"]))


def _constant(value: bool) -> Schema:
    return {"type": "boolean", "const": value}


def _true(schema: Schema) -> Schema:
    """What is left of a value before `||`: null and false are not taken."""
    found = types.alternatives(schema)
    if found is None:
        return UNKNOWN
    left = [_constant(True) if one["type"] == "boolean" else one for one in found if one["type"] != "null"]
    return types.union([one for one in left if one.get("const") is not False]) if left else UNKNOWN


def _false(schema: Schema) -> Schema:
    """What is left of a value before `&&` where the other side is not taken."""
    found = types.alternatives(schema)
    if found is None:
        return UNKNOWN
    left = [_constant(False) if one["type"] == "boolean" else one for one in found if one["type"] != "number"]
    return types.union(left) if left else UNKNOWN


def _known(schema: Schema) -> Schema:
    """The root of the data as a value: an object of which nothing more is said."""
    return UNKNOWN if schema is _ROOT or schema is OMITTED else schema


def _of_a_list(name: str) -> str:
    """What to write where a list was taken for an object."""
    if name in ("length", "size", "count"):
        return "write length(…)"
    return f"of each item it is `[].{name}`, of the first one `[0].{name}`"


def _listing(known: tuple[str, ...]) -> str:
    if not known:
        return "it has no fields"
    shown = ", ".join(known[:12])
    return f"it has {shown}{' and more' if len(known) > 12 else ''}"
