"""The ways through a list of steps: what is known behind a step, on whichever of its ways a run came there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.scenario import types
from engine.scenario.expressions import Expression
from engine.scenario.inside import steps_within
from engine.scenario.narrowing import Fact, facts
from engine.scenario.nodes import Mapping as MappingNode
from engine.scenario.nodes import Node
from engine.scenario.plan import Alternative, GroupStep, ParallelStep, RouteStep, Step, StopStep
from engine.scenario.types import UNKNOWN
from engine.sdk.modules import Schema

if TYPE_CHECKING:
    from engine.scenario.steps import _Scope

_VARS = "vars"


def ends(steps: Iterable[Step]) -> bool:
    """Whether a run never comes behind these steps."""
    return any(_ends(step) for step in steps)


def _ends(step: Step) -> bool:
    match step:
        case StopStep():
            return step.condition is None
        case GroupStep() if step.condition is None:
            return ends(step.steps)
        case GroupStep():
            return all(ends(way) for way in (step.steps, *(other.steps for other in step.others), step.otherwise))
        case RouteStep() if step.condition is None and not step.every:
            return all(ends(way) for way in (*(route.steps for route in step.routes), step.otherwise))
        case ParallelStep() if step.condition is None:
            return any(ends(branch) for branch in step.branches.values())
    return False


def known_behind(step: Step) -> list[Fact]:
    """What is known behind a step because a run on some of its ways does not come there."""
    if isinstance(step, StopStep):
        return _not(step.condition)
    if isinstance(step, GroupStep) and step.condition is not None:
        first = Alternative("", step.condition, step.steps)
        found = list(_passed([first, *step.others]))
        if not step.others and ends(step.otherwise) and not found:
            found = facts(step.condition.ast, truth=True)
        return found
    if isinstance(step, RouteStep) and step.condition is None:
        if not step.every:
            return list(_passed(step.routes))
        return [fact for route in step.routes if ends(route.steps) for fact in _not(route.condition)]
    return []


def _passed(ways: Sequence[Alternative]) -> Iterator[Fact]:
    """The first ways of several, as long as a run does not come back from them: their conditions are not true."""
    for way in ways:
        if not ends(way.steps):
            return
        yield from _not(way.condition)


def _not(condition: Expression | None) -> list[Fact]:
    return [] if condition is None else facts(condition.ast, truth=False)


def variables_within(*nodes: Node | None) -> frozenset[str]:
    """The variables that some lists of steps set, at whatever depth."""
    return frozenset(
        key.text
        for node in nodes
        for step in steps_within(node)
        if isinstance(values := step.get("set"), MappingNode)
        for key, _ in values.entries
    )


def never(variables: Iterable[str]) -> dict[str, Schema]:
    """Variables that are not set on any way to here."""
    return {
        name: types.never(f"`vars.{name}` is set only later, on another way, or for an item of a loop")
        for name in variables
    }


def unknown(scope: _Scope, variables: Iterable[str]) -> None:
    """Forget what is known of variables: they may have been set again, or not."""
    for name in variables:
        scope.variables[name] = UNKNOWN
    forget(scope, variables)


def forget(scope: _Scope, variables: Iterable[str]) -> None:
    """Forget what conditions told of variables that were set since."""
    gone = {*variables}
    if gone:
        kept = tuple(fact for fact in scope.names.facts if fact.path[:1] != (_VARS,) or not gone & {*fact.path[1:2]})
        scope.names = replace(scope.names, facts=kept)


def optional(
    before: Mapping[str, Schema], after: Mapping[str, Schema], why: str, guard: str | None
) -> dict[str, Schema]:
    """Outputs that are there only where something was done.

    :param guard: the text of the condition under which it is.
    """
    return {
        name: schema if name in before else types.union([schema, types.absent(why, guard)])
        for name, schema in after.items()
    }


class Ways:
    """Several lists of which one is done, or none."""

    def __init__(self, scope: _Scope) -> None:
        self._scope = scope
        self._taken: list[tuple[_Scope, str | None, bool]] = []

    def add(self, inner: _Scope, guard: Expression | None, steps: Sequence[Step]) -> None:
        """One of them, read.

        :param inner: what is known at its end.
        """
        self._taken.append((inner, guard.text if guard is not None else None, ends(steps)))

    def join(self, *, complete: bool) -> None:
        """What is known behind all of them.

        :param complete: one of them is done in any case.
        """
        scope = self._scope
        through = [inner for inner, _, ended in self._taken if not ended]
        only = complete and len(through) == 1
        for inner, guard, _ in self._taken:
            new = {name: schema for name, schema in inner.outputs.items() if name not in scope.outputs}
            here = new if only and inner is through[0] else optional({}, new, "its step is done on one way only", guard)
            scope.outputs.update(here)
        ends_of = [inner.variables for inner in through] or [scope.variables]
        if not complete and through:
            ends_of.append(scope.variables)
        before = scope.variables
        scope.variables = {}
        changed = []
        for name in dict.fromkeys(name for known in ends_of for name in known):
            values = [known.get(name, before.get(name, UNKNOWN)) for known in ends_of]
            same = all(value is values[0] for value in values)
            scope.variables[name] = values[0] if same else types.union([types.unset(value, name) for value in values])
            if scope.variables[name] is not before.get(name):
                changed.append(name)
        forget(scope, changed)
