"""Going back: walking what was done once more, and undoing it in reverse.

A run that goes back is walked again from its start, as always, but over its journal alone: whatever would begin
something new cuts its branch off instead. So the steps that ended are known, with the scope that each of them ended
in, however the run came to its decision: in one go, after a crash, or after a person's word. Branches that were open
are brought to a known end on the way: a write without an outcome is asked about, or sent again where twice is once,
or else holds the run.

The same walk tells what a step had done when its time ran out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from engine.runtime.effects import COLLECTED, Ask, CallReply, Effects, Progress, Reply
from engine.runtime.outcomes import (
    CutOff,
    Failed,
    Held,
    Hold,
    Interrupted,
    MustHold,
    Outcome,
    RollBack,
    StepFailed,
    Stopped,
)
from engine.runtime.payload import About
from engine.runtime.responding import Response
from engine.runtime.scope import Scope
from engine.scenario.expressions import ExpressionError
from engine.scenario.plan import CallStep, ModuleStep, RespondStep, Step

if TYPE_CHECKING:
    from engine.runtime.interpreter import Interpreter

#: the decision's key in the journal
ROLLBACK = "!rollback"
#: how a walk over the journal ends where it does not come to its end
ENDINGS = (CutOff, StepFailed, Stopped, ExpressionError, RollBack)


@dataclass(frozen=True, slots=True)
class Done:
    """A step that ended well, in the scope that it ended in."""

    step: Step
    path: str
    scope: Scope


@dataclass(slots=True)
class Back:
    """What a walk over the journal found.

    :param done: steps with an ``undo``, in the order of plan and items.
    :param beside: errors of the ``finally`` steps that were made up for.
    """

    done: list[Done] = field(default_factory=list)
    beside: list[dict[str, Any]] = field(default_factory=list)


class Past:
    """The ``Effects`` of a walk over the journal. What it does not name is as in the run's own.

    :param settling: whether a write that was cut off, and may be repeated, is brought to its end.
    """

    def __init__(self, effects: Effects, *, settling: bool) -> None:
        self._effects = effects
        self._settling = settling
        self._again: set[tuple[str, int]] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._effects, name)

    def decide(self, key: str, compute: Callable[[], Any]) -> Any:
        if not self._effects.remembers(key):
            raise CutOff
        return self._effects.decide(key, compute)

    def keep(self, key: str, compute: Callable[[], Any], about: About) -> Any:
        if not self._effects.remembers(key):
            raise CutOff
        return self._effects.keep(key, compute, about)

    def gathers(self, key: str, size: int, what: str = COLLECTED) -> None:
        # the items come in another order than they did, so that only what was decided counts
        if self._effects.remembers(key):
            self._effects.gathers(key, size, what)

    async def call(self, step: ModuleStep, path: str, attempt: int, config: Any) -> Any:
        if not (self._effects.begun(path, attempt) or (path, attempt) in self._again):
            raise CutOff
        try:
            return await self._effects.call(step, path, attempt, config)
        except Interrupted as cut:
            if self._settling and not cut.refused:
                self._again.add((path, attempt + 1))
            raise

    async def pause(self, key: str, due: float) -> None:
        if not self._effects.remembers(f"{key}@woke"):
            raise CutOff

    async def rest(self, path: str, due: Callable[[], float]) -> None:
        if not self._effects.remembers(f"{path}@woke"):
            raise CutOff

    async def wait(self, path: str, ask: Callable[[], Ask]) -> Reply:
        reply = self._effects.replied(path)
        if reply is None:
            raise CutOff
        return reply

    async def call_scenario(self, step: CallStep, path: str, given: Any) -> CallReply:
        reply = self._effects.called(step, path)
        if reply is None:
            raise CutOff
        return reply

    async def respond(self, step: RespondStep, path: str, made: Callable[[], Response]) -> Any:
        if not self._effects.begun(path, 1):
            raise CutOff
        return await self._effects.respond(step, path, made)

    def branches(self, change: int) -> None: ...

    def started(self, step: ModuleStep, path: str, attempt: int, config: Any) -> None: ...

    def retrying(self, step: Step, path: str, attempt: int, error: dict[str, Any], due: float) -> None: ...

    def progressed(self, step: Step, path: str, progress: Progress) -> None: ...

    def finished(self, step: Step, path: str, status: str, value: Any) -> None: ...


def past(effects: Effects, *, settling: bool) -> Effects:
    """The effects of a walk over the journal."""
    return cast("Effects", Past(effects, settling=settling))


async def retrace(
    walk: Interpreter, step: Step, path: str, loop: str, scope: Scope
) -> tuple[bool, Any, list[dict[str, Any]]]:
    """Walk a step whose time ran out over the journal, so that what it left open is settled and cleaned up.

    :returns: whether it had come to its end after all, with which output, and the errors of cleaning up.
    :raises MustHold: a write in it has no known outcome.
    """
    back = walk.back if walk.over and walk.back else Back()
    walker = walk if walk.over else walk.another(past(walk.effects, settling=False), back)
    try:
        return True, await walker.work(step, path, loop, scope), back.beside
    except ENDINGS:
        return False, None, back.beside


async def roll_back(walk: Interpreter, data: Mapping[str, Any]) -> tuple[Outcome, Scope]:
    """Undo what was done, in reverse; the decision is in the journal.

    :returns: ``Failed``, or ``Held`` where something has no known outcome or cannot be undone; and the names.
    """
    effects, scope, back = walk.effects, Scope.of(data), Back()
    walker = walk.another(past(effects, settling=True), back)
    try:
        walker.variables(scope)
        await walker.steps(walk.plan.steps, "", "", scope)
    except ENDINGS:
        pass
    except MustHold as hold:
        return Held(hold.holds), scope
    effects.hit("run.rolling_back")
    for done in reversed(back.done):
        effects.hit("undo.before")
        try:
            await walk.another(effects).steps(done.step.undo, f"undo/{done.path}/", "", done.scope)
        except StepFailed as failure:
            message = str(failure.error.get("message"))
            return Held((Hold("undo", message, failure.step, failure.attempt, failure.error),)), scope
        except MustHold as hold:
            return Held(tuple(_of_undo(one) for one in hold.holds)), scope
    error = dict(effects.decided(ROLLBACK)["error"])
    if back.beside:
        error.setdefault("finally", back.beside[0])
    return Failed(error, rolled_back=True), scope


def _of_undo(hold: Hold) -> Hold:
    return replace(hold, code="undo") if hold.code in ("unknown", "failed") else hold
