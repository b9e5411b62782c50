"""The ways of a scenario: which list of a group or router is taken, and branches side by side."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.runtime.beside import TROUBLES, settle, side_by_side
from engine.runtime.outcomes import Hold, MustHold
from engine.runtime.scope import Scope
from engine.scenario.expressions import Context
from engine.scenario.plan import Alternative, GroupStep, ParallelStep, RouteStep, Step

if TYPE_CHECKING:
    from engine.runtime.interpreter import Interpreter

#: what the decision of a router calls its ``otherwise``
OTHERWISE = "otherwise"
#: what follows a router's path in the key of its decision
ROUTES = ".routes"


async def group(walk: Interpreter, step: GroupStep, path: str, loop: str, scope: Scope) -> None:
    """Do the list of steps whose condition is the first that is true."""
    taken: bool | str = True
    if step.condition is not None:
        condition, context = step.condition, walk.effects.context(path)

        def choose() -> bool | str:
            # what stands behind a condition that is true is not asked
            return condition.test(scope.names, context) or next(_true(step.others, scope, context), False)

        taken = walk.effects.decide(f"{path}?", choose)
    inside = path[len(loop) :] + "/"
    if taken is True:
        await walk.steps(step.steps, loop, inside, scope)
    elif taken:
        await walk.steps(_named(step, step.others, str(taken), path).steps, loop, inside, scope)
    else:
        await walk.steps(step.otherwise, loop, inside, scope)


async def route(walk: Interpreter, step: RouteStep, path: str, loop: str, scope: Scope) -> list[str]:
    """Do the routes that are taken, one after another; gives their names.

    Which they are is one decision, made before the first of them begins: what a route does changes nothing about it.
    """
    context = walk.effects.context(path)

    def choose() -> list[str]:
        true = _true(step.routes, scope, context)
        names = list(true) if step.every else [name for name in (next(true, None),) if name is not None]
        return names or ([OTHERWISE] if step.otherwise else [])

    names: list[str] = walk.effects.decide(f"{path}{ROUTES}", choose)
    inside = path[len(loop) :] + "/"
    for name in names:
        steps = step.otherwise if name == OTHERWISE else _named(step, step.routes, name, path).steps
        await walk.steps(steps, loop, inside, scope)
    return names


def _true(alternatives: Sequence[Alternative], scope: Scope, context: Context) -> Any:
    for one in alternatives:
        if one.condition is None or one.condition.test(scope.names, context):
            yield one.name


def _named(step: Step, alternatives: Sequence[Alternative], name: str, path: str) -> Alternative:
    found = next((one for one in alternatives if one.name == name), None)
    if found is None:
        message = f"the journal has it that '{name}' was taken here, the scenario has no such list now"
        raise MustHold(Hold("diverged", message, path, place=str(step.place)))
    return found


async def parallel(walk: Interpreter, step: ParallelStep, path: str, loop: str, scope: Scope) -> None:
    """Do the branches side by side; each sees what was before, and after them all is seen what each has done.

    All of them come to their end, or to where a person is needed, whatever the others come to: so it does not depend on
    who was faster.
    """
    inside = path[len(loop) :] + "/"
    scopes = [scope.copy() for _ in step.branches]
    troubles: dict[int, Exception] = {}

    async def work(number: int, steps: Sequence[Step]) -> None:
        try:
            await walk.steps(steps, loop, inside, scopes[number])
        except TROUBLES as trouble:
            troubles[number] = trouble

    works: list[Callable[[], Coroutine[Any, Any, None]]]
    works = [partial(work, number, steps) for number, steps in enumerate(step.branches.values())]
    if walk.over:
        # a walk over the journal takes what was done side by side in the order of the file
        for one in works:
            await one()
    else:
        await side_by_side(walk, works)
    before = scope.copy()
    for branch in scopes:
        scope.join(branch, before)
    settle(troubles)
    walk.effects.hit("branches.rested")
    walk.effects.decide(f"{path}.joined", lambda: True)
