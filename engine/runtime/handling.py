"""What happens when a step has failed (``on_error``), and when it has ended in any way (``finally``)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from engine.runtime.back import ROLLBACK, Done
from engine.runtime.outcomes import CutOff, Failed, Hold, MustHold, RollBack, StepFailed, Stopped, Succeeded
from engine.runtime.payload import About
from engine.runtime.scope import Scope
from engine.scenario.expressions import OMIT, ExpressionError
from engine.scenario.plan import OnError, Step
from engine.store.folds import PAGE

if TYPE_CHECKING:
    from engine.runtime.interpreter import Interpreter


async def handle(walk: Interpreter, step: Step, path: str, scope: Scope, failure: StepFailed) -> None:
    """Do what the step's ``on_error`` says; return where the run goes on."""
    how = step.on_error
    if step.inherited and failure.step != path and not failure.step.startswith(f"{path}{PAGE}"):
        # a default is about what fails in the step itself; a step in it has had its own say
        how = OnError.FAIL
    # how the step itself ended can be seen by those that handle it
    output = failure.output if failure.step == path else None
    scope.finish(step.id, "failed", output, failure.error)
    if step.undo and output is not None and output["done"] and walk.back is not None:
        # some items of a batch are done, and to be undone
        walk.back.done.append(Done(step, path, scope.copy()))
    if how is OnError.IGNORE:
        walk.effects.finished(step, path, "ignored", failure.error)
    elif how is OnError.RESUME:
        _handled(walk, step, path, scope, failure, _substitute(walk, step, path, scope, failure))
    elif how is OnError.HANDLE:
        await _handler(walk, step, path, scope, failure)
        _handled(walk, step, path, scope, failure, None)
    else:
        walk.effects.finished(step, path, "failed", failure.error)
        _give_up(walk, step, path, how, failure)


def _handled(walk: Interpreter, step: Step, path: str, scope: Scope, failure: StepFailed, output: Any) -> None:
    scope.finish(step.id, "handled", output, failure.error)
    walk.effects.finished(step, path, "handled", failure.error)


def _substitute(walk: Interpreter, step: Step, path: str, scope: Scope, failure: StepFailed) -> Any:
    assert step.substitute is not None
    context = walk.effects.context(path)
    with scope.failing(failure.error):
        compute = partial(step.substitute.evaluate, scope.names, context)
        try:
            about = About("the output given in place of the step's", path, str(step.place))
            return walk.effects.keep(f"{path}!resume", lambda: None if (value := compute()) is OMIT else value, about)
        except ExpressionError as error:
            walk.effects.finished(step, path, "failed", failure.error)
            raise StepFailed(path, {**walk.told(error, step), "handling": failure.error}) from None


async def _handler(walk: Interpreter, step: Step, path: str, scope: Scope, failure: StepFailed) -> None:
    try:
        with scope.failing(failure.error):
            await walk.steps(step.handler, f"{path}!handler/", "", scope)
    except StepFailed as worse:
        walk.effects.finished(step, path, "failed", failure.error)
        raise StepFailed(worse.step, {**worse.error, "handling": failure.error}, worse.attempt) from None


def _give_up(walk: Interpreter, step: Step, path: str, how: OnError, failure: StepFailed) -> NoReturn:
    if how is OnError.COMMIT:
        raise Stopped(Succeeded(committed=path))
    if how is OnError.FAIL:
        raise failure
    if walk.over:
        # a walk over the journal begins nothing
        raise CutOff
    if how is OnError.HOLD:
        raise MustHold(failed_hold(failure, step))
    walk.effects.decide(ROLLBACK, lambda: {"step": path, "error": failure.error})
    walk.closing = True
    walk.effects.hurry(on=True)
    raise RollBack


def failed_hold(failure: StepFailed, step: Step) -> Hold:
    """What a run waits for whose step failed, where the author says that it is to wait."""
    message, place = str(failure.error.get("message")), failure.error.get("place") or str(step.place)
    return Hold("failed", message, failure.step, failure.attempt, failure.error, step.schedule, place)


async def cleaned(walk: Interpreter, step: Step, path: str, loop: str, scope: Scope) -> None:
    """Go through a step, and then through its ``finally``, however it ended.

    Not when it is held, for then it has not ended; nor when the run goes back or the step's time is over: the walk over
    the journal, which follows, makes up for it.
    """
    ending: Exception | None = None
    try:
        await walk.through(step, path, loop, scope)
    except (StepFailed, Stopped) as end:
        ending = end
    except CutOff as end:
        if not walk.over:
            raise
        ending = end
    # one that was skipped, or never reached, has nothing to clean up
    if walk.effects.decided(f"{path}.begun"):
        try:
            await walk.forward().steps(step.cleanup, f"{path}!finally/", "", scope)
        except StepFailed as trouble:
            scope.finish(step.id, "failed", None, trouble.error)
            walk.effects.finished(step, path, "failed", trouble.error)
            ending = _worse(walk, ending, trouble)
    if ending is not None:
        raise ending


def _worse(walk: Interpreter, ending: Exception | None, trouble: StepFailed) -> Exception:
    """How a step ends whose ``finally`` failed: what it failed of before stays the cause."""
    if isinstance(ending, StepFailed):
        return StepFailed(ending.step, {**ending.error, "finally": trouble.error}, ending.attempt)
    if isinstance(ending, Stopped) and isinstance(ending.outcome, Failed):
        return Stopped(replace(ending.outcome, error={**ending.outcome.error, "finally": trouble.error}))
    if isinstance(ending, CutOff):
        if walk.back is not None:
            walk.back.beside.append(trouble.error)
        return ending
    return trouble
