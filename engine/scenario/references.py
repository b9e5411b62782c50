"""Which names an expression may use where it stands, and what is known of their values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.scenario import types
from engine.scenario.narrowing import Fact, facts, narrowed
from engine.scenario.types import NUMBER, STRING, UNKNOWN
from engine.sdk.modules import Schema

Ast = Mapping[str, Any]

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


_MAYBE_ERROR: Schema = types.union([ERROR, types.NULL])


@dataclass(frozen=True)
class Names:
    """What stands at the root of an expression.

    :param known: schema by name.
    :param steps: schema of the output by step id; these names are known too.
    :param absent: why a name that exists in the scenario cannot be used here.
    :param guards: texts of the conditions that are true here.
    :param approvals: ids of the steps that ask for approval.
    :param facts: what the conditions tell that are true here.
    :param firm: ids of the steps after whose failure nothing here runs.
    """

    known: Mapping[str, Schema]
    steps: Mapping[str, Schema] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    guards: tuple[str, ...] = ()
    approvals: tuple[str, ...] = ()
    firm: frozenset[str] = frozenset()
    facts: tuple[Fact, ...] = ()

    def lookup(self, name: str) -> Schema | None:
        if name == "steps":
            return types.closed({step: self._ended(step, output) for step, output in self.steps.items()})
        return self.known.get(name, self.steps.get(name))

    def _ended(self, step: str, output: Schema) -> Schema:
        error = _MAYBE_ERROR
        if step in self.firm:
            error = types.never(f"the run ends where '{step}' fails, so that its error is not seen here")
        return types.closed({"status": STRING, "output": output, "error": error})

    def where(self, condition: Ast, *, truth: bool = True) -> Names:
        """The same where a condition is true, or is not."""
        return self.knowing(facts(condition, truth=truth))

    def knowing(self, known: Iterable[Fact]) -> Names:
        """The same where some facts are known."""
        names, steps = self.known, self.steps
        for fact in known:
            name, *path = fact.path
            if name in names:
                names = _with(names, name, path, fact)
            elif name in steps:
                steps = _with(steps, name, path, fact)
        if names is self.known and steps is self.steps:
            return self
        return replace(self, known=names, steps=steps)


def _with(names: Mapping[str, Schema], name: str, path: list[str], fact: Fact) -> Mapping[str, Schema]:
    schema = narrowed(names[name], tuple(path), fact)
    # where nothing is left the condition contradicts itself, which is told where it stands
    return names if schema is None or schema is names[name] else {**names, name: schema}
