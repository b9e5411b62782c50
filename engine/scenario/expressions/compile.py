"""Expressions, compiled once into closures that are quick to call.

Each node becomes a function of the current value and the frame. What the library's interpreter decides on every visit
(which node is this, which child comes next) is decided here, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.scenario.diagnostics import did_you_mean
from engine.scenario.expressions import operators
from engine.scenario.expressions.analysis import Reference, called, constructs, needs_plain_scope, references
from engine.scenario.expressions.errors import ExpressionError, ExpressionSyntaxError
from engine.scenario.expressions.frame import Context, Frame, Spot
from engine.scenario.expressions.functions import FUNCTIONS, OMIT, Call, Function, Parameter
from engine.scenario.expressions.parser import Node, parse
from engine.scenario.expressions.values import kind, truthy
from engine.sdk import jsontext

Run = Callable[[Any, Frame], Any]

#: an empty frame: what such nodes alone are made of neither fails nor spends
_FRAMELESS = frozenset(("field", "subexpression"))


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """An expression, ready to be evaluated again and again.

    :param text: as it was written.
    :param ast: the library's tree: nodes with ``type``, ``children``, ``value``, and the characters from ``start`` to
        ``end`` that they were read from. See ``parser`` for the node types that the library does not know.
    :param names: what is looked up in the root scope.
    :param functions: what is called.
    :param references: where the root scope is looked into, and how deep.
    """

    text: str
    ast: Mapping[str, Any]
    names: frozenset[str]
    functions: frozenset[str]
    references: tuple[Reference, ...]
    _run: Run = field(repr=False)
    _slots: int = field(repr=False)
    _frameless: bool = field(repr=False)
    _constructs: bool = field(repr=False)
    _plain_scope: bool = field(repr=False)

    def evaluate(self, scope: Mapping[str, Any], context: Context | None = None) -> Any:
        """The value of the expression, or ``OMIT``.

        :param scope: the names at the root; its values are JSON, and are neither copied nor changed.
        :param context: what ``now()`` and ``uuid()`` ask.
        :raises ExpressionError: a value is not of the kind that the expression needs, or a bound is met.
        """
        if self._frameless:
            return self._run(scope, None)  # type: ignore[arg-type]  # such nodes pass the frame on, and never look at it
        if self._plain_scope and not isinstance(scope, dict) and isinstance(scope, Mapping):
            scope = dict(scope)
        frame = Frame(self.text, scope, self._slots, context)
        try:
            result = self._run(scope, frame)
        except RecursionError:
            raise ExpressionError("a value is nested too deeply", self.text, 0, None) from None
        if self._constructs and isinstance(result, (list, dict)):
            Spot(self.text, 0, len(self.text)).check_size(result)
        return result

    def test(self, scope: Mapping[str, Any], context: Context | None = None) -> bool:
        """The value as a condition: a boolean, or null, which counts as false.

        :raises ExpressionError: as for ``evaluate``, and where the value is of another type.
        """
        value = self.evaluate(scope, context)
        if value is True:
            return True
        if value is False or value is None:
            return False
        raise ExpressionError(
            f"a condition must be true or false, this is of type {'omit' if value is OMIT else kind(value)}",
            self.text,
            0,
            None if value is OMIT else value,
            hint=_condition_hint(self, value),
        )


def _condition_hint(expression: Expression, value: Any) -> str:
    text = expression.text.strip()
    if expression.ast["type"] not in ("field", "subexpression", "function_expression", "index_expression"):
        text = f"({text})"
    match kind(value):
        case "string" if len(value) <= 40 and "'" not in value:
            return f"write {text} == '{value}', or {text} != null"
        case "number":
            return f"write {text} > 0, or {text} != null"
        case "array":
            return f"write length({text}) > 0"
        case _:
            return f"write {text} != null"


def compile_expression(text: str) -> Expression:
    """Read an expression, without the ``${{ }}`` around it.

    :raises ExpressionSyntaxError: it cannot be read, calls an unknown function, or calls one with too few or too many
        arguments.
    """
    tree = parse(text)
    compiler = _Compiler(text)
    run = compiler.compile(tree, result=True)
    found = references(tree)
    return Expression(
        text=text,
        ast=tree,
        names=frozenset(reference.path[0] for reference in found),
        functions=called(tree),
        references=found,
        _run=run,
        _slots=compiler.slots,
        _frameless=tree["type"] in _FRAMELESS and all(child["type"] == "field" for child in tree["children"]),
        _constructs=constructs(tree),
        _plain_scope=needs_plain_scope(tree),
    )


class _Compiler:
    """Turns nodes into closures, by type of node."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.slots = 0
        #: let variables in sight, the innermost last, each with its place in ``Frame.slots``
        self._variables: list[tuple[str, int]] = []
        #: whether the node at hand gives the value of the whole expression, where alone ``omit()`` makes sense
        self._result = False

    def compile(self, node: Node, *, result: bool = False) -> Run:
        outer, self._result = self._result, result
        run: Run = getattr(self, f"_compile_{node['type']}")(node)
        self._result = outer
        return run

    def _pair(self, node: Node) -> tuple[Run, Run]:
        left, right = node["children"]
        return self.compile(left), self.compile(right)

    def _spot(self, node: Node) -> Spot:
        return Spot(self.text, node["start"], node["end"])

    # looking things up

    def _compile_field(self, node: Node) -> Run:
        return _fields([node["value"]])

    def _compile_subexpression(self, node: Node) -> Run:
        runs: list[Run] = []
        names: list[str] = []
        for child in node["children"]:
            if child["type"] == "field":
                names.append(child["value"])
                continue
            if names:
                runs.append(_fields(names))
                names = []
            runs.append(self.compile(child))
        if names:
            runs.append(_fields(names))
        return _sequence(runs)

    def _compile_index_expression(self, node: Node) -> Run:
        return _sequence([self.compile(child) for child in node["children"]])

    def _compile_index(self, node: Node) -> Run:
        index = node["value"]

        def run(value: Any, _frame: Frame) -> Any:
            if isinstance(value, list) and -len(value) <= index < len(value):
                return value[index]
            return None

        return run

    def _compile_slice(self, node: Node) -> Run:
        part = slice(*node["children"])

        def run(value: Any, _frame: Frame) -> Any:
            return value[part] if isinstance(value, list) else None

        return run

    def _compile_current(self, _node: Node) -> Run:
        return _current

    _compile_identity = _compile_current

    def _compile_root(self, _node: Node) -> Run:
        def run(_value: Any, frame: Frame) -> Any:
            return frame.root

        return run

    def _compile_literal(self, node: Node) -> Run:
        literal = node["value"]
        if isinstance(literal, (list, dict)):
            # made anew each time: who gets it may change it
            source = jsontext.dumps(literal)
            return lambda _value, _frame: jsontext.loads(source)
        return lambda _value, _frame: literal

    # projections

    def _compile_projection(self, node: Node) -> Run:
        base, each = self._pair(node)
        return _projection(base, each, None)

    def _compile_filter_projection(self, node: Node) -> Run:
        base, each, condition = (self.compile(child) for child in node["children"])
        return _projection(base, each, condition)

    def _compile_value_projection(self, node: Node) -> Run:
        base, each = self._pair(node)

        def run(value: Any, frame: Frame) -> Any:
            found = base(value, frame)
            if not isinstance(found, dict):
                return None
            frame.spend(len(found))
            return [item for part in found.values() if (item := each(part, frame)) is not None]

        return run

    def _compile_flatten(self, node: Node) -> Run:
        base = self.compile(node["children"][0])

        def run(value: Any, frame: Frame) -> Any:
            found = base(value, frame)
            if not isinstance(found, list):
                return None
            flat: list[Any] = []
            for item in found:
                if isinstance(item, list):
                    frame.spend(len(item))
                    flat.extend(item)
                else:
                    flat.append(item)
            frame.spend(len(found))
            return flat

        return run

    # making things

    def _compile_multi_select_list(self, node: Node) -> Run:
        parts = [self.compile(child) for child in node["children"]]

        def run(value: Any, frame: Frame) -> Any:
            return None if value is None else [part(value, frame) for part in parts]

        return run

    def _compile_multi_select_dict(self, node: Node) -> Run:
        pairs = [(pair["value"], self.compile(pair["children"][0])) for pair in node["children"]]

        def run(value: Any, frame: Frame) -> Any:
            return None if value is None else {key: part(value, frame) for key, part in pairs}

        return run

    # logic

    def _compile_or_expression(self, node: Node) -> Run:
        result = self._result
        left = self.compile(node["children"][0])
        right = self.compile(node["children"][1], result=result)

        def run(value: Any, frame: Frame) -> Any:
            found = left(value, frame)
            return found if truthy(found) else right(value, frame)

        return run

    def _compile_and_expression(self, node: Node) -> Run:
        result = self._result
        left = self.compile(node["children"][0])
        right = self.compile(node["children"][1], result=result)

        def run(value: Any, frame: Frame) -> Any:
            found = left(value, frame)
            return right(value, frame) if truthy(found) else found

        return run

    def _compile_not_expression(self, node: Node) -> Run:
        operand = self.compile(node["children"][0])
        return lambda value, frame: not truthy(operand(value, frame))

    def _compile_comparator(self, node: Node) -> Run:
        left, right = self._pair(node)
        first, second = node["children"]
        if node["value"] not in ("eq", "ne"):
            return operators.ordering(node["value"], left, right, (self._spot(first), self._spot(second)))
        negated = node["value"] == "ne"
        if second["type"] == "literal" and isinstance(second["value"], str):
            return operators.equality_with_text(left, second["value"], negated=negated)
        if second["type"] == "literal" and second["value"] is None:
            return operators.equality_with_null(left, negated=negated)
        return operators.equality(left, right, negated=negated)

    def _compile_arithmetic(self, node: Node) -> Run:
        left, right = self._pair(node)
        first, second = node["children"]
        spots = (self._spot(first), self._spot(second))
        return operators.arithmetic(node["value"], left, right, spots, self._spot(node))

    def _compile_negate(self, node: Node) -> Run:
        operand = node["children"][0]
        return operators.negate(self.compile(operand), self._spot(operand))

    def _compile_pipe(self, node: Node) -> Run:
        result = self._result
        left = self.compile(node["children"][0])
        return _sequence([left, self.compile(node["children"][1], result=result)])

    # let

    def _compile_let(self, node: Node) -> Run:
        result = self._result
        *bindings, body = node["children"]
        compiled = [(binding["value"], self.compile(binding["children"][0])) for binding in bindings]
        sight = len(self._variables)
        stores: list[tuple[int, Run]] = []
        for name, run in compiled:
            self._variables.append((name, self.slots))
            stores.append((self.slots, run))
            self.slots += 1
        inner = self.compile(body, result=result)
        del self._variables[sight:]

        def run_let(value: Any, frame: Frame) -> Any:
            for slot, bind in stores:
                frame.slots[slot] = bind(value, frame)
            return inner(value, frame)

        return run_let

    def _compile_variable(self, node: Node) -> Run:
        name = node["value"]
        slot = next((slot for known, slot in reversed(self._variables) if known == name), None)
        if slot is None:
            hint = did_you_mean(name, [known for known, _ in self._variables])
            hint = hint or f"write let ${name} = … in …; for a field of the root, write $.{name}"
            raise ExpressionSyntaxError(f"the variable ${name} is not known here", self.text, node["start"], hint=hint)
        return lambda _value, frame: frame.slots[slot]

    # functions

    def _compile_expref(self, node: Node) -> Run:
        raise ExpressionSyntaxError(
            "an expression with & before it can only be an argument of map, sort_by, min_by or max_by",
            self.text,
            node["start"],
        )

    def _compile_function_expression(self, node: Node) -> Run:
        name = node["value"]
        function = FUNCTIONS.get(name)
        if function is None:
            raise ExpressionSyntaxError(
                f"there is no function {name}()", self.text, node["start"], hint=did_you_mean(name, FUNCTIONS)
            )
        if name == "omit" and not self._result:
            raise ExpressionSyntaxError(
                "omit() can only be the result of the whole expression",
                self.text,
                node["start"],
                hint="write value || omit()",
            )
        self._check_count(function, node)
        arguments = [
            self._argument(function, function.parameters[min(index, len(function.parameters) - 1)], child)
            for index, child in enumerate(node["children"])
        ]
        spots = tuple(self._spot(child) for child in node["children"])
        return _call(function, arguments, Call(name, spots, self._spot(node)))

    def _check_count(self, function: Function, node: Node) -> None:
        given, least = len(node["children"]), len(function.parameters)
        if given == least or (given > least and function.variadic):
            return
        wanted = f"{'at least ' if function.variadic else ''}{least} argument{'' if least == 1 else 's'}"
        raise ExpressionSyntaxError(
            f"{function.name}() takes {wanted}, not {given}", self.text, node["start"], hint=function.signature
        )

    def _argument(self, function: Function, parameter: Parameter, node: Node) -> Run:
        if not parameter.expression:
            return self.compile(node)
        if node["type"] != "expref":
            source = self.text[node["start"] : node["end"]]
            raise ExpressionSyntaxError(
                f"{function.name}() takes an expression for `{parameter.name}`, with & before it",
                self.text,
                node["start"],
                hint=f"write &{source}",
            )
        key = self.compile(node["children"][0])
        # the key is the argument, not its value
        return lambda _value, _frame: key


def _current(value: Any, _frame: Frame) -> Any:
    return value


def _fields(names: list[str]) -> Run:
    """A chain of fields. Only objects have a ``get`` among JSON values, and asking is quicker than looking first."""
    if len(names) == 1:
        (only,) = names

        def run_one(value: Any, _frame: Frame) -> Any:
            try:
                return value.get(only)
            except AttributeError:
                return None

        return run_one

    if len(names) == 2:
        first, second = names

        def run_two(value: Any, _frame: Frame) -> Any:
            try:
                return value.get(first).get(second)
            except AttributeError:
                return None

        return run_two

    chain = tuple(names)

    def run(value: Any, _frame: Frame) -> Any:
        try:
            for name in chain:
                value = value.get(name)
        except AttributeError:
            return None
        return value

    return run


def _sequence(runs: list[Run]) -> Run:
    if len(runs) == 1:
        return runs[0]
    first, *others = runs

    def run(value: Any, frame: Frame) -> Any:
        value = first(value, frame)
        for step in others:
            value = step(value, frame)
        return value

    return run


def _projection(base: Run, each: Run, condition: Run | None) -> Run:
    def run(value: Any, frame: Frame) -> Any:
        found = base(value, frame)
        if not isinstance(found, list):
            return None
        frame.spend(len(found))
        if condition is not None:
            found = [part for part in found if truthy(condition(part, frame))]
        if each is _current:
            return [part for part in found if part is not None]
        return [item for part in found if (item := each(part, frame)) is not None]

    return run


def _call(function: Function, arguments: list[Run], call: Call) -> Run:
    implementation = function.run
    parameters = function.parameters
    last = len(parameters) - 1
    checks = [parameters[min(index, last)] for index in range(len(arguments))]

    def run(value: Any, frame: Frame) -> Any:
        frame.spend(1)
        given: list[Any] = []
        for index, argument in enumerate(arguments):
            parameter = checks[index]
            met = argument(value, frame)
            if parameter.kinds and not parameter.expression:
                found = kind(met)
                if found not in parameter.kinds:
                    if met is None:
                        if function.skips_null:
                            continue
                        return function.on_null
                    raise _wrong_kind(call, parameter, index, met)
                if found == "array":
                    frame.spend(len(met))
                    if parameter.items:
                        _check_items(call, parameter, index, met)
            given.append(met)
        return implementation(call, frame, *given)

    return run


def _wrong_kind(call: Call, parameter: Parameter, index: int, met: Any) -> ExpressionError:
    spot = call.spots[index]
    hint = f"write to_number({spot.source})" if parameter.kinds == ("number",) and isinstance(met, str) else None
    if parameter.kinds == ("string",) and kind(met) in ("number", "boolean"):
        hint = f"write to_string({spot.source})"
    return spot.error(
        f"{call.name}() takes {' or '.join(parameter.kinds)} for `{parameter.name}`, not {kind(met)}", met, hint
    )


def _check_items(call: Call, parameter: Parameter, index: int, items: list[Any]) -> None:
    kinds = {kind(item) for item in items}
    if len(kinds) <= 1 and kinds <= set(parameter.items):
        return
    wanted = kind(items[0]) if kind(items[0]) in parameter.items else parameter.items[0]
    odd = next(item for item in items if kind(item) != wanted)
    source = call.spots[index].source
    hint = f"leave nulls out: {source}[?@ != null]" if odd is None else None
    if wanted == "string" and odd is not None:
        hint = f"make them texts: map(&to_string(@), {source})"
    raise call.spots[index].error(
        f"{call.name}() takes a list of {' or of '.join(f'{name}s' for name in parameter.items)}", odd, hint
    )
