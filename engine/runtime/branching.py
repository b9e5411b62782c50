"""The ways of a scenario: which list of a group or router is taken, branches side by side, and rounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.runtime.beside import TROUBLES, settle, side_by_side
from engine.runtime.loops import YIELD_EVERY
from engine.runtime.outcomes import Hold, MustHold, StepFailed
from engine.runtime.scope import Scope
from engine.scenario.expressions import Context, Expression, ExpressionError
from engine.scenario.plan import Alternative, GroupStep, ParallelStep, RepeatStep, RouteStep, Step
from engine.sdk.errors import EngineError

if TYPE_CHECKING:
    from engine.runtime.interpreter import Interpreter

#: what the decision of a router calls its ``otherwise``
OTHERWISE = "otherwise"
#: what follows a router's path in the key of its decision
ROUTES = ".routes"


class RepeatLimit(EngineError):
    """A `repeat` needs more rounds than its `max`."""

    code = "repeat-limit"


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


async def repeat(walk: Interpreter, step: RepeatStep, path: str, _loop: str, scope: Scope) -> int:
    """Do the steps again and again; gives the number of rounds.

    Rounds go on in the scope around: variables stay set from one to the next, and after the last one.
    """
    effects = walk.effects
    times = _times(walk, step, path, scope) if step.times is not None else None
    outer = scope.names.get("index")
    numbered = "index" in scope.names
    index = 0
    try:
        while times is None or index < times:
            loop = f"{path}[{index}]/"
            scope.names["index"] = index
            if step.wanted is not None and not _decided(walk, step.wanted, f"{loop}while", scope):
                break
            if times is None and step.most is not None and index >= step.most:
                raise _too_many(step, path, f"after {index} rounds `while` is still true")
            scope.forget(step.ids)
            await walk.steps(step.steps, loop, "", scope)
            index += 1
            effects.hit("repeat.round")
            if step.until is not None:
                if _decided(walk, step.until, f"{loop}until", scope):
                    break
                if index == step.most:
                    raise _too_many(step, path, f"after {index} rounds `until` is still not true")
            if index % YIELD_EVERY == 0:
                # rounds that wait for nothing would keep every other run waiting
                await asyncio.sleep(0)
    finally:
        if numbered:
            scope.names["index"] = outer
        else:
            scope.names.pop("index", None)
    return index


def _times(walk: Interpreter, step: RepeatStep, path: str, scope: Scope) -> int:
    times = step.times
    assert times is not None
    text, context = times.text, walk.effects.context(path)

    def compute() -> int:
        number = times.evaluate(scope.names, context)
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise ExpressionError("`times` must be a whole number, 0 or more", text, 0, number)
        return number

    number: int = walk.effects.decide(f"{path}.times", compute)
    if step.most is not None and number > step.most:
        raise _too_many(step, path, f"`times` is {number}")
    return number


def _decided(walk: Interpreter, condition: Expression, key: str, scope: Scope) -> bool:
    # each round has a `now` of its own
    context = walk.effects.context(key)
    return bool(walk.effects.decide(key, lambda: condition.test(scope.names, context)))


def _too_many(step: RepeatStep, path: str, what: str) -> StepFailed:
    hint = "raise `max`, or see why the rounds do not come to their end; `on_error` says what happens then"
    error = RepeatLimit(f"{what}, and `max` is {step.most}", place=str(step.place), hint=hint)
    return StepFailed(path, error.to_json())
