"""A walk that somebody looks at: it is told to stop before or after steps, with what a step there could see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from engine.runtime.interpreter import Interpreter
from engine.runtime.outcomes import Hold, MustHold
from engine.runtime.scope import Scope
from engine.scenario.expressions import plain_names
from engine.scenario.plan import Step


class Stops(Protocol):
    """Asked at each step. It may take its time, or raise ``MustHold``."""

    async def before(self, step: Step, path: str, names: Mapping[str, Any]) -> None:
        """A step is about to be looked at: its ``if`` was not tested yet."""
        ...

    async def after(self, step: Step, path: str, names: Mapping[str, Any]) -> None:
        """A step is through: done, skipped, or made up for by its ``on_error``."""
        ...


def left(step: Step, path: str, side: str) -> MustHold:
    """What leaves a run where it stopped.

    :param side: of the step: ``before`` or ``after`` it.
    """
    return MustHold(Hold("break", f"stopped {side} {path}, as --break-at says", path, place=str(step.place)))


def stepping(stops: Stops) -> type[Interpreter]:
    """A kind of walk that asks ``stops``; one over the journal alone asks nobody."""

    class Walk(Interpreter):
        async def through(self, step: Step, path: str, loop: str, scope: Scope) -> None:
            if self.over:
                return await super().through(step, path, loop, scope)
            await stops.before(step, path, plain_names(scope.names))
            await super().through(step, path, loop, scope)
            await stops.after(step, path, plain_names(scope.names))
            return None

    return Walk
