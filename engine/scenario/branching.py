"""The steps that choose ways (``if``, ``route``, ``parallel``, ``repeat``), read, checked and made part of the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from engine.scenario import types
from engine.scenario.diagnostics import Place, did_you_mean
from engine.scenario.expressions import Expression, compile_expression
from engine.scenario.inside import every, lists, steps_within
from engine.scenario.keys import ELSE_IF, IDENTIFIER, REPEAT, REPEAT_KINDS, ROUTE, Reader, check_keys
from engine.scenario.narrowing import facts
from engine.scenario.nodes import Mapping, Node, Scalar, Sequence
from engine.scenario.plan import Alternative, GroupStep, ParallelStep, RepeatStep, RouteStep, Step
from engine.scenario.references import Names
from engine.scenario.report import Report
from engine.scenario.types import UNKNOWN
from engine.scenario.values import Values, has_expression
from engine.scenario.ways import Ways, optional, unknown, variables_within
from engine.sdk.modules import Schema

if TYPE_CHECKING:
    from engine.scenario.steps import _Read, _Scope

#: the schema of ``index``
INDEX: Schema = {"type": "integer"}
#: what a router calls its ``otherwise`` where it tells which routes were taken
OTHERWISE = "otherwise"


@dataclass(frozen=True)
class Lists:
    """How lists of steps are read.

    :param read: gives the steps of a list; the third argument is what their paths begin with.
    :param names: what expressions see in a scope.
    :param absent: why a step's id cannot be used at this moment; changed while the file is read.
    """

    read: Callable[[Node | None, _Scope, str], tuple[Step, ...]]
    names: Callable[[Names, _Scope], Names]
    absent: dict[str, str]


class BranchReader:
    """Reads them and notes what is wrong with them."""

    def __init__(self, report: Report, values: Values, lists: Lists) -> None:
        self._report = report
        self._values = values
        self._lists = lists
        self._reader = Reader(report)

    # ------------------------------------------------------------------ one of several lists

    def group(self, read: _Read) -> tuple[Step | None, Schema]:
        """``steps`` with what stands beside it: ``if``, ``else_if``, ``else``."""
        node, scope = read.node, read.scope
        for key, _ in node.entries:
            if key.text in ("else_if", "else") and node.get("if") is None:
                hint = "add `if: ${{ … }}` to the group"
                self._report.add("step-kind", f"`{key.text}` needs an `if`", key.place, hint)
        apart = "it is in the other branch, of which only one runs"
        ways, passed = Ways(scope), scope.inner()
        steps = self._way(node.get("steps"), read.condition, scope, "", ways, apart)
        self._pass(passed, read.condition)
        others: list[Alternative] = []
        for number, item in enumerate(self._entries(node.get("else_if"), "`else_if`"), 1):
            condition, inner = self._condition(item, ELSE_IF, "an `else_if`", passed)
            other = self._way(inner, condition, passed, f"else_if.{number}.", ways, apart)
            others.append(Alternative(f"else_if.{number}", condition, other))
            self._pass(passed, condition)
        otherwise = self._way(node.get("else"), None, passed, "else.", ways, apart)
        ways.join(complete=read.condition is None or node.get("else") is not None)
        return GroupStep(**read.common, steps=steps, others=tuple(others), otherwise=otherwise), UNKNOWN

    def route(self, read: _Read) -> tuple[Step | None, Schema]:
        """A router; its output are the names of the routes that were taken."""
        node, scope = read.node, read.scope
        every_one = self._reader.choice(node.get("match"), "`match`", ("first", "all"), "first") == "all"
        apart = "it is in another route, of which only one runs"
        if every_one:
            apart = "it is in another route, and which are taken is decided before the first of them begins"
        ways, passed = Ways(scope), scope.inner()
        routes: list[Alternative] = []
        for number, item in enumerate(self._entries(node.get("route"), "`route`"), 1):
            # all the conditions are asked before the first route begins
            asked = scope if every_one else passed
            condition, inner = self._condition(item, ROUTE, "a route", asked, must=not every_one)
            name = self._route_name(item, number, routes)
            taken = Ways(passed) if every_one else ways
            steps = self._way(inner, condition, passed, f"{number}.", taken, apart)
            routes.append(Alternative(name, condition, steps))
            if every_one:
                # the routes run one after another
                taken.join(complete=condition is None)
            else:
                self._pass(passed, condition)
        for name in passed.outputs.keys() - scope.outputs.keys():
            self._lists.absent[name] = "it is in a route, and these steps run when none is taken"
        otherwise = node.get("otherwise")
        always = next((one.name for one in routes if every_one and one.condition is None), None)
        if otherwise is not None and always is not None:
            message = f"`otherwise` is never done: the route '{always}' has no `if`, so it is always taken"
            self._report.add(
                "wrong-value", message, otherwise.place, "give the route an `if`, or leave `otherwise` out"
            )
        if every_one:
            ways.add(passed, None, ())
        rest = self._way(otherwise, None, scope if every_one else passed, "otherwise.", ways)
        ways.join(complete=every_one or otherwise is not None)
        step = RouteStep(**read.common, routes=tuple(routes), every=every_one, otherwise=rest)
        return step, types.array_of(types.STRING)

    def _entries(self, node: Node | None, what: str) -> Iterator[Mapping]:
        if node is None:
            return
        if not isinstance(node, Sequence) or not node.items:
            self._report.add("wrong-value", f"{what} must be a list", node.place, "each begins with `- if: ${{ … }}`")
            return
        for item in node.items:
            if isinstance(item, Mapping):
                yield item
            else:
                hint = "such as `- if: ${{ … }}` with `steps`"
                self._report.add("wrong-value", f"{what} is a list of mappings", item.place, hint)

    def _condition(
        self, item: Mapping, keys: tuple[str, ...], what: str, scope: _Scope, *, must: bool = True
    ) -> tuple[Expression | None, Node | None]:
        """The condition and the list of steps of one of several."""
        check_keys(item, keys, what, self._report)
        given, steps = item.get("if"), item.get("steps")
        if steps is None:
            self._report.add("missing-key", f"{what} needs `steps`", item.place, "what to do; `[]`: nothing")
        if given is None:
            if must:
                other = "otherwise" if "name" in keys else "else"
                hint = f"what is done in all other cases stands under `{other}`"
                self._report.add("missing-key", f"{what} needs an `if`", item.place, hint)
            return None, steps
        return self._values.condition(given, self._lists.names(scope.names, scope)), steps

    def _route_name(self, item: Mapping, number: int, before: list[Alternative]) -> str:
        node = item.get("name")
        name = self._reader.text(node, "`name`") or str(number)
        if any(one.name == name for one in before) or name == OTHERWISE:
            place = node.place if node is not None else item.place
            taken = "what is done when no route is taken" if name == OTHERWISE else "another route"
            message = f"'{name}' is the name of {taken}"
            hint = "the names tell which routes were taken; one without a name has its number"
            self._report.add("duplicate-id", message, place, hint)
            return f"{name} ({number})"
        return name

    def _way(
        self,
        node: Node | None,
        guard: Expression | None,
        scope: _Scope,
        prefix: str,
        ways: Ways,
        apart: str | None = None,
    ) -> tuple[Step, ...]:
        """One of several lists.

        :param ways: all of them; this one is added.
        :param apart: why what comes next cannot use that; None: it can.
        """
        inner = scope.inner(guard)
        steps = self._lists.read(node, inner, prefix)
        if node is not None:
            ways.add(inner, guard, steps)
        for name in inner.outputs.keys() - scope.outputs.keys():
            if apart is not None:
                self._lists.absent[name] = apart
        return steps

    @staticmethod
    def _pass(scope: _Scope, condition: Expression | None) -> None:
        """What comes after a condition in a choice is done where it is not true."""
        if condition is not None:
            told = (*scope.names.facts, *facts(condition.ast, truth=False))
            scope.names = replace(scope.names, facts=told)

    # ------------------------------------------------------------------ side by side

    def parallel(self, read: _Read) -> tuple[Step | None, Schema]:
        """Branches side by side. It has no output: what is in the branches has."""
        node = self._reader.mapping(read.node.get("parallel"), "`parallel`")
        if node is None:
            return None, types.NULL
        if not node.entries:
            hint = "a name and a list of steps for each branch"
            self._report.add("wrong-value", "`parallel` has no branches", node.place, hint)
        scope, absent, place = read.scope, self._lists.absent, read.place
        ids = {key.text: _ids(steps) for key, steps in node.entries}
        before = {name: absent[name] for names in ids.values() for name in names if name in absent}
        branches: dict[str, tuple[Step, ...]] = {}
        outputs: dict[str, Schema] = {}
        variables: dict[str, Schema] = {}
        # what one branch can undo may have been done when another fails
        around = replace(scope, loops=(*scope.loops, place))
        for key, steps in node.entries:
            if not IDENTIFIER.fullmatch(key.text):
                hint = "small letters, digits and _, a letter first"
                self._report.add("bad-id", f"'{key.text}' cannot be the name of a branch", key.place, hint)
            for other, names in ids.items():
                side = f"it runs at the side, in the branch '{other}'; what it gives is known after the `parallel`"
                absent.update({name: before.get(name, side) if other == key.text else side for name in names})
            inner = around.inner()
            branches[key.text] = self._lists.read(steps, inner, f"{key.text}.")
            outputs.update(inner.outputs)
            variables.update({name: inner.variables[name] for name in variables_within(steps)})
        scope.outputs.update(outputs)
        scope.variables.update(variables)
        self._one_branch_sets(node)
        return ParallelStep(**read.common, branches=branches), types.NULL

    def _one_branch_sets(self, node: Mapping) -> None:
        """Note variables that more than one branch sets: which value were left would be anybody's guess."""
        first: dict[str, str] = {}
        for branch, steps in node.entries:
            for name, place in dict(_variables(steps)).items():
                if first.setdefault(name, branch.text) != branch.text:
                    message = f"the branches '{first[name]}' and '{branch.text}' both set `{name}`"
                    hint = "set two variables, and make one of them after the `parallel`"
                    self._report.add("parallel-variable", message, place, hint)

    # ------------------------------------------------------------------ rounds

    def repeat(self, read: _Read) -> tuple[Step | None, Schema]:
        """Rounds; the output is how many there were."""
        at = read.node.get("repeat")
        node = self._reader.mapping(at, "`repeat`")
        if node is None:
            return None, INDEX
        check_keys(node, REPEAT, "`repeat`", self._report)
        names = replace(read.names, known={**read.names.known, "index": INDEX})
        inner = replace(read.scope.inner(), names=replace(read.scope.names, known=names.known))
        inner = replace(inner, loops=(*inner.loops, read.place))
        set_inside = variables_within(read.node.get("steps"))
        unknown(inner, set_inside)
        if read.node.get("steps") is None:
            self._report.add("missing-key", "`repeat` needs `steps`", node.place, "what to do in each round")
        kind = self._repeat_kind(node)
        most = self._most(node, kind)
        times = self._times(node.get("times"), most, node.get("max"), read.names) if kind == "times" else None
        steps = self._lists.read(read.node.get("steps"), inner, "")
        # a condition sees what the steps gave in the round before it
        seen = self._lists.names(inner.names, inner)
        conditions = {key: self._tested(node.get(key), seen) for key in ("while", "until")}
        before = read.scope.outputs
        done = kind == "until" or (times is not None and times.ast["type"] == "literal")
        read.scope.outputs.update(
            inner.outputs if done else optional(before, inner.outputs, "there may be no round", None)
        )
        unknown(read.scope, set_inside)
        if kind is None or (times or conditions["while"] or conditions["until"]) is None:
            return None, INDEX
        step = RepeatStep(
            **read.common,
            times=times,
            wanted=conditions["while"],
            until=conditions["until"],
            most=most,
            steps=steps,
            ids=tuple(one.id for one in every(steps) if one.id is not None),
            folds=not any(one.undo for one in every(steps)),
        )
        return step, INDEX

    def _repeat_kind(self, node: Mapping) -> str | None:
        present = [key for key in REPEAT_KINDS if node.get(key) is not None]
        if len(present) == 1:
            return present[0]
        if present:
            shown = " and ".join(f"`{key}`" for key in present)
            message = f"`repeat` goes by one thing: here are {shown}"
        else:
            message = "`repeat` does not say how often"
        wrong = next((key.text for key, _ in node.entries), None)
        hint = (did_you_mean(wrong, REPEAT_KINDS) if wrong and not present else None) or _KINDS
        self._report.add("repeat-kind", message, node.place, hint)
        return None

    def _most(self, node: Mapping, kind: str | None) -> int | None:
        given = node.get("max")
        if given is None:
            if kind in ("while", "until"):
                message = f"`repeat` with `{kind}` needs `max`: after how many rounds it fails"
                self._report.add("missing-key", message, node.place, "such as `max: 100`")
            return None
        return self._reader.integer(given, "`max`", least=1, default=1)

    def _times(self, node: Node | None, most: int | None, at: Node | None, names: Names) -> Expression | None:
        assert node is not None
        if isinstance(node, Scalar) and has_expression(node):
            found = self._values.expression(node, names, "`times`")
            kinds = types.types_of(found[1]) if found is not None else None
            if kinds and not kinds & {"integer", "number"}:
                message = f"`times` must be a whole number, this is {types.words(sorted(kinds))}"
                self._report.add("wrong-value", message, node.place, "a list has as many items as `length(list)` says")
            return found[0] if found is not None else None
        times = self._reader.integer(node, "`times`", least=0, default=0)
        if most is not None and times > most and at is not None:
            message = f"`max` is less than `times`, which is {times}"
            self._report.add("wrong-value", message, at.place, "leave `max` out")
        return compile_expression(str(times))

    def _tested(self, node: Node | None, names: Names) -> Expression | None:
        return None if node is None else self._values.condition(node, names)


_KINDS = "one of `times`, `while` and `until`"


def _ids(node: Node) -> list[str]:
    found = (step.get("id") for step in steps_within(node))
    return [name.text for name in found if isinstance(name, Scalar)]


def _variables(node: Node | None) -> Iterator[tuple[str, Place]]:
    """The variables that are set by a list of steps and seen after it, and where."""
    for item in node.items if isinstance(node, Sequence) else ():
        if not isinstance(item, Mapping):
            continue
        values: Any = item.get("set")
        if isinstance(values, Mapping):
            yield from ((key.text, key.place) for key, _ in values.entries)
        for key, inner in lists(item):
            # what is set inside a loop stays inside; what an `undo` sets nobody sees
            if key != "undo" and not (key == "steps" and item.get("foreach") is not None):
                yield from _variables(inner)
