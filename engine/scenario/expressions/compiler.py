"""The compiler: a visitor over the tree that turns each node into a closure, once.

Each closure is called with the current value and the frame. What the library's interpreter decides on every visit
(which node is this, which child comes next) is decided here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.scenario.diagnostics import did_you_mean
from engine.scenario.expressions import operators
from engine.scenario.expressions.analysis import Reference
from engine.scenario.expressions.calls import call, wrong_choice
from engine.scenario.expressions.declare import Call, Function, Refused
from engine.scenario.expressions.errors import ExpressionSyntaxError
from engine.scenario.expressions.frame import Frame, Spot
from engine.scenario.expressions.functions import FUNCTIONS
from engine.scenario.expressions.later import Later
from engine.scenario.expressions.names import hint_for
from engine.scenario.expressions.parser import Node
from engine.scenario.expressions.values import kind, truthy
from engine.sdk import jsontext
from engine.sdk.functions import Parameter

Run = Callable[[Any, Frame], Any]

#: characters of a part that is evaluated for each item, for which a visit of an item counts one step more
_CHARACTERS_PER_VISIT = 32
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: functions of which an argument is the result, and from which on: there ``omit()`` makes sense
_PASS_ON = {"if": 1, "switch": 2, "if_empty": 0, "coalesce": 0}


class Compiler:
    """Turns nodes into closures, by type of node.

    :param found: where the expression looks into the root scope; there alone it can meet what is for later.
    """

    def __init__(
        self, text: str, functions: Mapping[str, Function] = FUNCTIONS, found: Sequence[Reference] = ()
    ) -> None:
        self.text = text
        self.functions = functions
        self._at_root = frozenset(reference.starts[0] for reference in found)
        self.slots = 0
        #: let variables in sight, the innermost last, each with its place in ``Frame.slots``
        self._variables: list[tuple[str, int]] = []
        #: whether the node at hand gives the value of the whole expression, where alone ``omit()`` makes sense
        self._result = False

    def compile(self, node: Node, *, result: bool = False) -> Run:
        """The closure of a node; ``result``: its value is that of the whole expression."""
        outer, self._result = self._result, result
        run: Run = getattr(self, f"_compile_{node['type']}")(node)
        self._result = outer
        return run

    def _pair(self, node: Node) -> tuple[Run, Run]:
        left, right = node["children"]
        return self.compile(left), self.compile(right)

    def _spot(self, node: Node) -> Spot:
        return Spot(self.text, node["start"], node["end"])

    def _visit(self, *nodes: Node) -> int:
        """The steps of visiting one item, by how much is done with it."""
        written: int = sum(node["end"] - node["start"] for node in nodes)
        return 1 + written // _CHARACTERS_PER_VISIT

    # looking things up

    def _compile_field(self, node: Node) -> Run:
        return _fields([node["value"]], plain=node["start"] in self._at_root)

    def _compile_subexpression(self, node: Node, *, plain: bool = True) -> Run:
        """With ``plain`` off, the value may be one for later."""
        runs: list[Run] = []
        names: list[str] = []
        rooted = False
        for child in node["children"]:
            if child["type"] == "field":
                names.append(child["value"])
                rooted = rooted or child["start"] in self._at_root
                continue
            if names:
                runs.append(_fields(names, plain=rooted and not _is_item_of_field(child)))
                names, rooted = [], False
            runs.append(self.compile(child))
        if names:
            runs.append(_fields(names, plain=plain and rooted))
        return _sequence(runs)

    def _compile_index_expression(self, node: Node) -> Run:
        base, *indexes = node["children"]
        # of what is for later, an item is had without the rest
        return _sequence([self._maybe_later(base), *map(self.compile, indexes)])

    def _maybe_later(self, node: Node) -> Run:
        """As ``compile``, for who can do with what is for later."""
        if node["type"] == "field":
            return _fields([node["value"]])
        if node["type"] == "subexpression":
            return self._compile_subexpression(node, plain=False)
        return self.compile(node)

    def _compile_index(self, node: Node) -> Run:
        index = node["value"]

        def run(value: Any, _frame: Frame) -> Any:
            if isinstance(value, list) and -len(value) <= index < len(value):
                return value[index]
            return value.at(index) if value.__class__ is Later else None

        return run

    def _compile_slice(self, node: Node) -> Run:
        part = slice(*node["children"])

        def run(value: Any, _frame: Frame) -> Any:
            if isinstance(value, list):
                return value[part]
            return value.at(part) if value.__class__ is Later else None

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
        base, each = node["children"]
        return _projection(self._maybe_later(base), self.compile(each), None, self._visit(each))

    def _compile_filter_projection(self, node: Node) -> Run:
        base, *inner = node["children"]
        each, condition = (self.compile(child) for child in inner)
        return _projection(self._maybe_later(base), each, condition, self._visit(*inner))

    def _compile_value_projection(self, node: Node) -> Run:
        base, each = self._pair(node)
        visit = self._visit(node["children"][1])

        def run(value: Any, frame: Frame) -> Any:
            found = base(value, frame)
            if not isinstance(found, dict):
                return None
            frame.spend(len(found) * visit)
            return [item for part in found.values() if (item := each(part, frame)) is not None]

        return run

    def _compile_flatten(self, node: Node) -> Run:
        base = self._maybe_later(node["children"][0])

        def run(value: Any, frame: Frame) -> Any:
            found = _items(base(value, frame))
            if found is None:
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
        count = len(parts)

        def run(value: Any, frame: Frame) -> Any:
            if value is None:
                return None
            frame.spend(count)
            return [part(value, frame) for part in parts]

        return run

    def _compile_multi_select_dict(self, node: Node) -> Run:
        pairs = [(pair["value"], self.compile(pair["children"][0])) for pair in node["children"]]
        count = len(pairs)

        def run(value: Any, frame: Frame) -> Any:
            if value is None:
                return None
            frame.spend(count)
            return {key: part(value, frame) for key, part in pairs}

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
        result = self._result
        function = self.functions.get(name)
        if function is None:
            hint = hint_for(name, self.functions)
            raise ExpressionSyntaxError(f"there is no function {name}()", self.text, node["start"], hint=hint)
        self._check_count(function, node)
        if name == "omit" and not result:
            raise ExpressionSyntaxError(
                "omit() can only be the result of the whole expression",
                self.text,
                node["start"],
                hint="write value || omit(), or if(condition, value, omit())",
            )
        children = node["children"]
        parameters = [function.parameters[min(at, len(function.parameters) - 1)] for at in range(len(children))]
        passed_on = _PASS_ON.get(name, len(children)) if result else len(children)
        self._check_order(function, node)
        arguments = [
            self._argument(function, parameter, child, result=at >= passed_on and _is_result(name, at, len(children)))
            for at, (parameter, child) in enumerate(zip(parameters, children, strict=True))
        ]
        spots = tuple(self._spot(child) for child in children)
        each = self._visit(*(child for child in children if child["type"] == "expref"))
        made = call(function, arguments, Call(name, spots, self._spot(node)), each)
        return self._length(children[0], made) if name == "length" else made

    def _check_order(self, function: Function, node: Node) -> None:
        """Note an expression that stands behind the list where the function wants it before it."""
        children = node["children"]
        if function.name != "map" or [child["type"] == "expref" for child in children] != [False, True]:
            return
        listed, key = (self.text[child["start"] : child["end"]] for child in children)
        raise ExpressionSyntaxError(
            f"{function.name}() takes the expression first, and the list behind it",
            self.text,
            children[0]["start"],
            hint=f"write {function.name}({key}, {listed})",
        )

    def _length(self, node: Node, made: Run) -> Run:
        """The length of what is for later is known without it."""
        if node["type"] not in ("field", "subexpression"):
            return made
        found = self._maybe_later(node)

        def run(value: Any, frame: Frame) -> Any:
            met = found(value, frame)
            return len(met) if met.__class__ is Later else made(value, frame)

        return run

    def _check_count(self, function: Function, node: Node) -> None:
        given, least, most = len(node["children"]), function.least, function.most
        if least <= given and (most is None or given <= most):
            return
        wanted = f"{least}" if most == least else f"at least {least}" if most is None else f"{least} to {most}"
        count = most if most is not None else least
        hint = function.signature
        if function.name == "omit":
            hint = "it leaves out the key that it stands at; an object without some keys is omit_keys(object, 'key')"
        raise ExpressionSyntaxError(
            f"{function.name}() takes {wanted} argument{'' if count == 1 else 's'}, not {given}",
            self.text,
            node["start"],
            hint=hint,
        )

    def _argument(self, function: Function, parameter: Parameter, node: Node, *, result: bool) -> Run:
        if not parameter.expression:
            if node["type"] == "literal":
                self._check_literal(function, parameter, node)
            return self.compile(node, result=result)
        if node["type"] != "expref":
            source = self.text[node["start"] : node["end"]]
            if node["type"] == "literal" and _IDENTIFIER.fullmatch(str(node["value"])):
                # the name of a field in quotes would be the same text for each item
                source = str(node["value"])
            raise ExpressionSyntaxError(
                f"{function.name}() takes an expression for `{parameter.name}`, with & before it",
                self.text,
                node["start"],
                hint=f"write &{source}",
            )
        key = self.compile(node["children"][0])
        # the key is the argument, not its value
        return lambda _value, _frame: key

    def _check_literal(self, function: Function, parameter: Parameter, node: Node) -> None:
        """A value that is written out is looked at before anything runs: a zone, a format, a pattern."""
        value = node["value"]
        if value is None:
            return
        problem: tuple[str, str | None] | None = None
        if parameter.choices and isinstance(value, str) and value not in parameter.choices:
            problem = wrong_choice(parameter, value)
        elif parameter.check is not None and kind(value) in parameter.kinds:
            try:
                parameter.check(value)
            except Refused as error:
                problem = (error.message, error.hint)
            except ValueError as error:
                problem = (str(error), None)
        if problem is not None:
            message = f"{function.name}(): {problem[0]}"
            raise ExpressionSyntaxError(message, self.text, node["start"], hint=problem[1])


def _is_result(name: str, at: int, count: int) -> bool:
    """Whether an argument is what the function may give as it is; of ``switch``, cases are not."""
    return name != "switch" or at % 2 == 0 or at == count - 1


def _current(value: Any, _frame: Frame) -> Any:
    return value


def _is_item_of_field(node: Node) -> bool:
    return bool(node["type"] == "index_expression" and node["children"][0]["type"] == "field")


def _items(value: Any) -> Sequence[Any] | Later | None:
    """What can be gone through, once: a list, or one for later, which is not made for that."""
    if isinstance(value, list) or (value.__class__ is Later and value.is_list):
        return value
    return None


def _fields(names: list[str], *, plain: bool = False) -> Run:
    """A chain of fields. Only objects have a ``get`` among JSON values, and asking is quicker than looking first.

    :param plain: it begins at the root, and what it leads to may be for later.
    """
    if plain:
        return _plain_fields(tuple(names))
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


def _plain_fields(names: tuple[str, ...]) -> Run:
    if len(names) == 1:
        (only,) = names

        def run_one(value: Any, _frame: Frame) -> Any:
            try:
                value = value.get(only)
            except AttributeError:
                return None
            return value.whole() if value.__class__ is Later else value

        return run_one

    if len(names) == 2:
        first, second = names

        def run_two(value: Any, _frame: Frame) -> Any:
            try:
                value = value.get(first).get(second)
            except AttributeError:
                return None
            return value.whole() if value.__class__ is Later else value

        return run_two

    def run(value: Any, _frame: Frame) -> Any:
        try:
            for name in names:
                value = value.get(name)
        except AttributeError:
            return None
        return value.whole() if value.__class__ is Later else value

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


def _projection(base: Run, each: Run, condition: Run | None, visit: int) -> Run:
    def run(value: Any, frame: Frame) -> Any:
        found: Any = base(value, frame)
        if not isinstance(found, list) and _items(found) is None:
            return None
        frame.spend(len(found) * visit)
        if condition is not None:
            found = [part for part in found if truthy(condition(part, frame))]
        if each is _current:
            return [part for part in found if part is not None]
        return [item for part in found if (item := each(part, frame)) is not None]

    return run
