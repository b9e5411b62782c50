"""Which steps rest on what: the names that a step's expressions lead back to, over variables and loops.

It is about what may be, not about what was: a variable leads to every step that sets it. A dry run tells with it where
something made up went into.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from engine.scenario.expressions import Expression, Reference, Template
from engine.scenario.inside import every, parts
from engine.scenario.plan import ForeachStep, Scenario, SetStep, Step

#: how a variable is told from a step
_VARIABLE = "vars."


class Leaning:
    """What the steps of a scenario lead back to."""

    def __init__(self, plan: Scenario) -> None:
        self._from: dict[str, set[str]] = {}
        for name, template in plan.variables.items():
            self._add(f"{_VARIABLE}{name}", _names(template))
        for step in every(plan.steps, plan.on_failure):
            own = own_names(step)
            if isinstance(step, SetStep):
                for name, value in step.values.items():
                    self._add(f"{_VARIABLE}{name}", set(_names(value)))
            if isinstance(step, ForeachStep):
                self._add(step.variable, own)
            if step.id:
                self._add(step.id, own | {inner.id for part in parts(step) for inner in every(part.steps) if inner.id})

    def _add(self, name: str, names: set[str] | frozenset[str]) -> None:
        self._from.setdefault(name, set()).update(names)

    def on(self, step: Step, made_up: set[str]) -> list[str]:
        """Those of the steps with a made-up output that this one may rest on, sorted."""
        return self._reached(own_names(step), made_up)

    def text_on(self, expression: Expression | Template, made_up: set[str]) -> list[str]:
        """The same for an expression."""
        return self._reached(set(_names(expression)), made_up)

    def _reached(self, names: set[str], made_up: set[str]) -> list[str]:
        seen: set[str] = set()
        pending = list(names)
        while pending:
            name = pending.pop()
            if name not in seen:
                seen.add(name)
                pending += self._from.get(name, ())
        return sorted(seen & made_up)


def own_names(step: Step) -> set[str]:
    """The names that a step's own expressions look up: ids, ``vars.x``, loop variables; not those of steps inside."""
    return {name for each in fields(step) for name in _names(getattr(step, each.name))}


def _names(value: Any) -> frozenset[str]:
    return frozenset(name for reference in _references(value) if (name := _name(reference)) is not None)


def _name(reference: Reference) -> str | None:
    root, *rest = reference.path
    if root == "steps":
        return rest[0] if rest else None
    if root == "vars":
        return f"{_VARIABLE}{rest[0]}" if rest else None
    return root


def _references(value: Any) -> Iterator[Reference]:
    if isinstance(value, Expression):
        yield from value.references
    elif isinstance(value, Template):
        for placed in value.expressions:
            yield from placed.expression.references
    elif isinstance(value, Step | type):
        return
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from _references(inner)
    elif is_dataclass(value) and type(value).__module__.startswith("engine.scenario"):
        for each in fields(value):
            yield from _references(getattr(value, each.name))
