"""What the steps of a run could see: its walk once more, over its journal alone."""

from __future__ import annotations

from typing import Any

from engine.runtime.catalog import Catalog
from engine.runtime.commands import CommandRefused
from engine.runtime.current import Rehearsal, walk_over
from engine.runtime.interpreter import Interpreter
from engine.runtime.journal import Journal
from engine.runtime.rundata import past_data
from engine.runtime.scope import Scope
from engine.scenario.expressions import plain_names
from engine.scenario.plan import Step
from engine.sdk.clock import Clock
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.records import Run


class NotSeen(CommandRefused):
    """A run never came by a step that is named, so nothing is known of what that could see."""

    code = "not-seen"


async def seen(store: Store, catalog: Catalog, clock: Clock, run: Run, step: str | None = None) -> dict[str, Any]:
    """The names that expressions of a run see, as far as the run has come.

    :param step: path of a step: as it could see them; None: at the end.
    :raises EventGone: its event was pruned.
    :raises NotSeen: it never came by the step.
    :raises VersionUnavailable: its scenario's version no longer loads.
    """
    plan = await catalog.plan(run.scenario, run.version)
    [past] = await store.pasts([run])
    data = past_data(run, past, plan)
    rehearsal = Rehearsal(run, Journal.of(past.records, past.effects, run.notes), clock, set())
    scopes: dict[str, Scope] = {}
    paths: set[str] = set()

    class Looking(Interpreter):
        async def through(self, step_: Step, path: str, loop: str, scope: Scope) -> None:
            paths.add(path)
            if step is None and not loop:
                scopes[""] = scope
            elif path == step:
                scopes[""] = scope.copy()
            await super().through(step_, path, loop, scope)

    await walk_over(Looking(plan, rehearsal), rehearsal, data)
    if "" not in scopes:
        if step is None:
            return dict(Scope.of(data).names)
        raise NotSeen(f"run {show(run.id)} never came by '{step}'", hint=f"it came by {', '.join(sorted(paths))}")
    return plain_names(dict(scopes[""].names))
