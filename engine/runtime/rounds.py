"""Rounds: the same steps again and again, by number or by a condition."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from engine.runtime.effects import Checkpoint, Progress
from engine.runtime.loops import YIELD_EVERY
from engine.runtime.outcomes import StepFailed
from engine.runtime.scope import Scope
from engine.scenario.expressions import Expression, ExpressionError, plain_ended
from engine.scenario.plan import RepeatStep
from engine.sdk.errors import EngineError

if TYPE_CHECKING:
    from engine.runtime.interpreter import Interpreter

#: rounds after which a checkpoint takes their place in the journal
FOLD_EVERY = 50


class RepeatLimit(EngineError):
    """A `repeat` needs more rounds than its `max`."""

    code = "repeat-limit"


async def repeat(walk: Interpreter, step: RepeatStep, path: str, _loop: str, scope: Scope) -> int:
    """Do the steps again and again; gives the number of rounds.

    Rounds go on in the scope around: variables stay set from one to the next, and after the last one.
    """
    times = _times(walk, step, path, scope) if step.times is not None else None
    outer, numbered = scope.names.get("index"), "index" in scope.names
    try:
        return await _rounds(walk, step, path, scope, times)
    finally:
        if numbered:
            scope.names["index"] = outer
        else:
            scope.names.pop("index", None)


async def _rounds(walk: Interpreter, step: RepeatStep, path: str, scope: Scope, times: int | None) -> int:
    before = dict(scope.names["vars"])
    limit = _Limit(walk, step, path)
    index = folded = _taken_up(walk, path, scope, limit)
    while times is None or index < times:
        loop = f"{path}[{index}]/"
        scope.names["index"] = index
        if step.wanted is not None and not _decided(walk, step.wanted, f"{loop}while", scope):
            break
        if step.wanted is not None:
            limit.check(index, "`while` is still true")
        scope.forget(step.ids)
        await walk.steps(step.steps, loop, "", scope)
        index += 1
        walk.effects.hit("repeat.round")
        if step.until is not None:
            if _decided(walk, step.until, f"{loop}until", scope):
                break
            limit.check(index, "`until` is still not true")
        if index - folded >= FOLD_EVERY and step.folds and not walk.over:
            state = {**_seen(step, scope, before), "limit": limit.to_json()}
            if await walk.effects.fold(path, _checkpoint(index, times, state)):
                folded = index
                walk.effects.progressed(step, path, Progress(index, total=times))
        elif index % YIELD_EVERY == 0:
            # rounds that wait for nothing would keep every other run waiting
            await asyncio.sleep(0)
    return index


class _Limit:
    """How many rounds there may be. Who lets a repeat go on that came to its ``max`` lets it have as many again."""

    def __init__(self, walk: Interpreter, step: RepeatStep, path: str) -> None:
        self._walk = walk
        self._step = step
        self._path = path
        self._from = 0
        #: the person's word that was used up last
        self._word = 0

    def check(self, index: int, why: str) -> None:
        """Raise ``StepFailed`` where one more round would be too many."""
        if self._step.most is None or index - self._from < self._step.most:
            return
        effects, key = self._walk.effects, f"{self._path}.anew@{index}"
        word = effects.decided(key) if effects.remembers(key) else effects.renewed(self._path)
        if word <= self._word:
            raise _too_many(self._step, self._path, f"after {index} rounds {why}")
        self._from, self._word = index, effects.decide(key, lambda: word)

    def to_json(self) -> list[int]:
        return [self._from, self._word]

    def take_up(self, state: list[int]) -> None:
        """Go on as a checkpoint has it."""
        self._from, self._word = state


def _seen(step: RepeatStep, scope: Scope, before: dict[str, Any]) -> dict[str, Any]:
    """What a new round, or what comes after the last one, can see of those that are over."""
    names = scope.names
    return {
        "vars": {name: value for name, value in names["vars"].items() if before.get(name, before) is not value},
        "steps": {name: plain_ended(names["steps"][name]) for name in step.ids if name in names["steps"]},
    }


def _checkpoint(done: int, times: int | None, state: dict[str, Any]) -> Checkpoint:
    """What stands for the rounds that are over."""
    state = {**state, "at": {"done": done, "failed": 0, "open": []}, "total": times}
    # twice as many as are over by the next one, which may have to wait for a write to be settled
    rest = [str(number) for number in range(done, done + 2 * FOLD_EVERY)]
    return Checkpoint(state, rest)


def _taken_up(walk: Interpreter, path: str, scope: Scope, limit: _Limit) -> int:
    """See what was to be seen at the last checkpoint; gives the number of rounds that were over."""
    known = walk.effects.folded(path)
    if known is None:
        return 0
    scope.names["vars"].update(known["vars"])
    for name, ended in known["steps"].items():
        scope.names["steps"][name], scope.names[name] = ended, ended["output"]
    limit.take_up(known["limit"])
    done: int = known["at"]["done"]
    return done


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
