"""A step and its time: what was over stays over, what was in time stays in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.runtime.back import retrace
from engine.runtime.effects import Effects
from engine.runtime.outcomes import MustHold, StepFailed, Stopped
from engine.runtime.scope import Scope
from engine.scenario.expressions import ExpressionError
from engine.scenario.plan import Step
from engine.sdk import errors

if TYPE_CHECKING:
    from engine.runtime.interpreter import Interpreter


async def within(walk: Interpreter, step: Step, path: str, loop: str, scope: Scope) -> Any:
    """Do a step's work within its time, which goes on while the process does not run."""
    assert step.timeout is not None
    effects = walk.effects
    mark = f"{path}@{effects.round}"
    race = _ended(effects, path)
    if race == "timeout":
        _, _, beside = await _traced(walk, step, path, loop, scope.copy())
        raise _over(step, path, beside)
    if race is not None or walk.over:
        return await walk.work(step, path, loop, scope)
    deadline = effects.decide(f"{mark}.start", effects.now) + step.timeout
    # what a step did that was cut off is not seen by those after it: it is not known alike on every walk
    inner = scope.copy()
    try:
        # a clock that was set back since gives nobody more than the whole time
        async with effects.timeout(min(step.timeout, max(0.0, deadline - effects.now()))):
            output = await _in_time(walk, step, path, loop, inner)
    except TimeoutError:
        ended, output, beside = await _traced(walk, step, path, loop, inner := scope.copy())
        effects.decide(f"{mark}.race", lambda: "done" if ended else "timeout")
        if not ended:
            raise _over(step, path, beside) from None
    except Exception:
        scope.adopt(inner)
        raise
    scope.adopt(inner)
    return output


async def _in_time(walk: Interpreter, step: Step, path: str, loop: str, scope: Scope) -> Any:
    """Do the work, and remember that it came to an end before its time did."""
    effects = walk.effects
    mark = f"{path}@{effects.round}"
    try:
        output = await walk.work(step, path, loop, scope)
    except (StepFailed, ExpressionError):
        effects.decide(f"{mark}.race", lambda: "failed")
        raise
    except Stopped:
        effects.decide(f"{mark}.race", lambda: "done")
        raise
    effects.decide(f"{mark}.race", lambda: "done")
    return output


async def _traced(
    walk: Interpreter, step: Step, path: str, loop: str, scope: Scope
) -> tuple[bool, Any, list[dict[str, Any]]]:
    """What the step had done, once it is settled and cleaned up."""
    try:
        return await retrace(walk, step, path, loop, scope)
    except MustHold as hold:
        # the author has said that the step's failure does not matter; cleaning up does
        holds = [one for one in hold.holds if not step.on_error.goes_on or "!finally/" in one.step]
        if holds:
            raise MustHold(*holds) from None
        return False, None, []


def _over(step: Step, path: str, beside: list[dict[str, Any]]) -> StepFailed:
    error = errors.TimeoutError(f"not finished within {step.timeout:g} s", place=str(step.place)).to_json()
    return StepFailed(path, {**error, "finally": beside[0]} if beside else error)


def _ended(effects: Effects, path: str) -> str | None:
    """How the race between a step and its time ended when it was run before.

    A person's word on any step begins a new round, in which everything has its time anew. Only what had run out of
    time stays so, unless the word was on that very step.
    """
    for number in range(effects.renewed(path), effects.round + 1):
        race: str | None = effects.decided(f"{path}@{number}.race")
        if race == "timeout" or (race is not None and number == effects.round):
            return race
    return None
