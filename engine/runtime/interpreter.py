"""Plan and bundle to result.

Theory of operation. The interpreter walks the plan from its start, always. What was done before is not done again,
because each outside call, decision and pure output is asked of ``Effects`` under a key that depends on the plan and
the data alone, and ``Effects`` answers from the journal where it can. Going on after a crash, a sleep or a person's
word is therefore the same walk again; there is no second way. So nothing here may look at a clock, a random source
or a store, and nothing may depend on the order in which side-by-side branches happen to finish.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from engine.runtime.effects import Effects
from engine.runtime.outcomes import (
    Diverged,
    Failed,
    Held,
    Hold,
    Interrupted,
    MustHold,
    Outcome,
    StepFailed,
    Stopped,
    Succeeded,
    UnknownOutcome,
)
from engine.runtime.scope import Scope
from engine.runtime.waits import WaitSteps
from engine.scenario.expressions import OMIT, ExpressionError
from engine.scenario.plan import (
    ForeachStep,
    GroupStep,
    ModuleStep,
    OnError,
    Scenario,
    SetStep,
    SleepStep,
    Step,
    StopStep,
)
from engine.sdk import errors
from engine.sdk.errors import EngineError, ModuleError

#: items of a loop after which other runs get a turn
YIELD_EVERY = 50


class Interpreter:
    """One run of one plan."""

    def __init__(self, plan: Scenario, effects: Effects) -> None:
        self._plan = plan
        self._effects = effects
        self._kinds: Mapping[type[Step], Callable[[Any, str, str, Scope], Coroutine[Any, Any, Any]]] = {
            ModuleStep: self._module,
            GroupStep: self._group,
            ForeachStep: self._foreach,
            SetStep: self._set,
            StopStep: self._stop,
            SleepStep: WaitSteps(effects).sleep,
        }

    async def run(self, data: Mapping[str, Any]) -> Outcome:
        """Walk the plan.

        :param data: ``trigger``, ``request`` and ``run``.
        """
        scope = Scope.of(data)
        try:
            self._variables(scope)
            await self._steps(self._plan.steps, "", "", scope)
        except Stopped as stop:
            return stop.outcome
        except StepFailed as failure:
            return Failed(failure.error)
        except MustHold as hold:
            return Held(hold.holds)
        except ExpressionError as error:
            return Failed({**error.to_json(), "step": "vars", "place": str(self._plan.place)})
        return Succeeded()

    def _variables(self, scope: Scope) -> None:
        context = self._effects.context("vars")
        for name, template in self._plan.variables.items():
            value = self._effects.decide(f"vars.{name}", partial(template.evaluate, scope.names, context))
            if value is not OMIT:
                scope.set_variable(name, value)

    async def _steps(self, steps: Sequence[Step], loop: str, group: str, scope: Scope) -> None:
        for step in steps:
            await self._step(step, loop, group, scope)

    async def _step(self, step: Step, loop: str, group: str, scope: Scope) -> None:
        # Ids are unique in a scenario, so a step with one keeps its key when it is moved into another group;
        # a step without one is named by its place.
        path = f"{loop}{step.id}" if step.id else f"{loop}{group}{step.path}"
        try:
            word = self._effects.verdict(path, 0) if self._effects.round else None
            if word is not None and word.choice != "again":
                # before the step's own condition, because that may be what failed
                output = word.output
            elif self._wanted(step, path, scope):
                output = await self._work(step, path, loop, scope)
            else:
                scope.finish(step.id, "skipped")
                self._effects.finished(step, path, "skipped", None)
                return
        except ExpressionError as error:
            self._failed(step, path, scope, StepFailed(path, {**error.to_json(), "place": str(step.place)}))
        except StepFailed as failure:
            self._failed(step, path, scope, failure)
        else:
            scope.finish(step.id, "done", output)
            self._effects.finished(step, path, "done", output)

    def _wanted(self, step: Step, path: str, scope: Scope) -> bool:
        condition = step.condition
        if condition is None or isinstance(step, GroupStep):
            return True
        context = self._effects.context(path)
        return bool(self._effects.decide(f"{path}?", lambda: condition.test(scope.names, context)))

    async def _work(self, step: Step, path: str, loop: str, scope: Scope) -> Any:
        work = self._kinds[type(step)](step, path, loop, scope)
        return await (work if step.timeout is None else self._within(step, path, loop, work))

    async def _within(self, step: Step, path: str, loop: str, work: Coroutine[Any, Any, Any]) -> Any:
        """Do a step's work within its time, which goes on while the process does not run."""
        assert step.timeout is not None
        effects = self._effects
        error = errors.TimeoutError(f"not finished within {step.timeout:g} s", place=str(step.place))
        mark = f"{path}@{effects.round}"
        race = self._race(path)
        if race == "timeout":
            work.close()
            raise StepFailed(path, error.to_json())
        if race is not None:
            return await work
        deadline = effects.decide(f"{mark}.start", effects.now) + step.timeout
        try:
            async with effects.timeout(max(0.0, deadline - effects.now())):
                return await self._in_time(mark, work)
        except TimeoutError:
            unsettled = effects.unsettled(loop, frozenset(_callers(step)))
            if unsettled:
                raise MustHold(
                    *(Hold("unknown", e.message, own, attempt, e.to_json()) for own, attempt, e in unsettled)
                ) from None
            effects.decide(f"{mark}.race", lambda: "timeout")
            raise StepFailed(path, error.to_json()) from None

    async def _in_time(self, mark: str, work: Coroutine[Any, Any, Any]) -> Any:
        """Do the work, and remember that it came to an end before its time did."""
        try:
            output = await work
        except (StepFailed, ExpressionError):
            self._effects.decide(f"{mark}.race", lambda: "failed")
            raise
        except Stopped:
            self._effects.decide(f"{mark}.race", lambda: "done")
            raise
        self._effects.decide(f"{mark}.race", lambda: "done")
        return output

    def _race(self, path: str) -> str | None:
        """How the race between a step and its time ended when it was run before.

        A person's word on any step begins a new round, in which everything has its time anew. Only what had run out of
        time stays so, unless the word was on that very step.
        """
        effects = self._effects
        for number in range(effects.renewed(path), effects.round + 1):
            race: str | None = effects.decided(f"{path}@{number}.race")
            if race == "timeout" or (race is not None and number == effects.round):
                return race
        return None

    def _failed(self, step: Step, path: str, scope: Scope, failure: StepFailed) -> None:
        if step.on_error is OnError.IGNORE:
            scope.finish(step.id, "failed", None, failure.error)
            self._effects.finished(step, path, "ignored", failure.error)
            return
        self._effects.finished(step, path, "failed", failure.error)
        if step.on_error is OnError.HOLD:
            raise MustHold(
                Hold("failed", str(failure.error.get("message")), failure.step, failure.attempt, failure.error)
            )
        raise failure

    # ------------------------------------------------------------------ kinds

    async def _module(self, step: ModuleStep, path: str, _loop: str, scope: Scope) -> Any:
        config = step.config.evaluate(scope.names, self._effects.context(path))
        tries = 0
        attempt = 0
        while True:
            attempt += 1
            tries += 1
            self._effects.started(step, path, attempt, config)
            try:
                return await self._effects.call(step, path, attempt, config)
            except Interrupted:
                tries -= 1
                continue
            except Diverged as other:
                raise MustHold(Hold("diverged", str(other), path, attempt)) from None
            except UnknownOutcome as unknown:
                verdict = self._effects.verdict(path, attempt)
                if verdict is None and step.on_error is not OnError.IGNORE:
                    raise MustHold(
                        Hold("unknown", unknown.cause.message, path, attempt, unknown.cause.to_json())
                    ) from None
                cause: EngineError = unknown.cause
            except ModuleError as failure:
                cause = failure
                if tries < step.retry.attempts and step.retry.covers(failure):
                    wait = step.retry.wait(tries, self._effects.chance(f"{path}#{attempt}"), failure.retry_after)
                    due = self._effects.failed_at(path, attempt) + wait
                    self._effects.retrying(step, path, attempt, self._placed(failure, step), due)
                    await self._effects.sleep_until(due)
                    continue
                verdict = self._effects.verdict(path, attempt)
            if verdict is None:
                raise StepFailed(path, self._placed(cause, step), attempt)
            if verdict.choice == "again":
                tries = 0
                continue
            return verdict.output

    @staticmethod
    def _placed(error: EngineError, step: Step) -> dict[str, Any]:
        return {**error.to_json(), "place": error.place or str(step.place)}

    async def _group(self, step: GroupStep, path: str, loop: str, scope: Scope) -> None:
        taken = True
        if step.condition is not None:
            condition = step.condition
            context = self._effects.context(path)
            taken = self._effects.decide(f"{path}?", lambda: condition.test(scope.names, context))
        group = path[len(loop) :] + "/"
        if taken:
            await self._steps(step.steps, loop, group, scope)
        else:
            await self._steps(step.otherwise, loop, group, scope)

    async def _foreach(self, step: ForeachStep, path: str, _loop: str, scope: Scope) -> Any:
        items = step.items.evaluate(scope.names, self._effects.context(path))
        if items is None:
            items = []
        if not isinstance(items, list):
            raise ExpressionError("foreach needs a list", step.items.text, 0, items, hint="wrap one value: `[x]`")
        scopes = [scope.item(step.variable, item, index) for index, item in enumerate(items)]
        loops = [f"{path}[{key}]/" for key in self._keys(step, path, scopes)]
        collected: list[Any] = [OMIT] * len(items)
        troubles: dict[int, Exception] = {}
        following = iter(range(len(items)))

        async def work() -> None:
            for index in following:
                if troubles:
                    return
                if index % YIELD_EVERY == YIELD_EVERY - 1:
                    # items that wait for nothing would keep every other run waiting
                    await asyncio.sleep(0)
                try:
                    await self._steps(step.steps, loops[index], "", scopes[index])
                    if step.collect is not None:
                        context = self._effects.context(f"{loops[index]}collect")
                        collected[index] = step.collect.evaluate(scopes[index].names, context)
                except (StepFailed, MustHold, Stopped, ExpressionError) as trouble:
                    troubles[index] = trouble

        workers = min(step.concurrency, len(items))
        if workers <= 1:
            await work()
        else:
            await self._side_by_side(work, workers)
        self._settle(troubles)
        return [value for value in collected if value is not OMIT] if step.collect is not None else None

    def _keys(self, step: ForeachStep, path: str, scopes: Sequence[Scope]) -> list[str]:
        if step.key is None:
            return [str(index) for index in range(len(scopes))]
        keys: list[str] = []
        for index, scope in enumerate(scopes):
            key = step.key.evaluate(scope.names, self._effects.context(f"{path}[{index}]/key"))
            if isinstance(key, bool) or not isinstance(key, str | int):
                raise ExpressionError("a foreach key must be text or a whole number", step.key.text, 0, key)
            keys.append(str(key).replace("%", "%25").replace("/", "%2F").replace("[", "%5B").replace("]", "%5D"))
        if len(set(keys)) < len(keys):
            twice = next(key for index, key in enumerate(keys) if key in keys[:index])
            raise ExpressionError(
                "two items have the same foreach key",
                step.key.text,
                0,
                twice,
                hint="choose a key that tells them apart",
            )
        return keys

    async def _side_by_side(self, work: Callable[[], Coroutine[Any, Any, None]], workers: int) -> None:
        # the caller waits meanwhile, so it is not a branch of its own
        self._effects.branches(workers - 1)
        tasks = [asyncio.ensure_future(work()) for _ in range(workers)]
        left = set(tasks)

        def ended(task: asyncio.Task[None]) -> None:
            left.discard(task)
            # the caller goes on in place of the last one
            if left:
                self._effects.branches(-1)

        for task in tasks:
            # not in the task: one that is cancelled before its first turn never runs
            task.add_done_callback(ended)
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    @staticmethod
    def _settle(troubles: Mapping[int, Exception]) -> None:
        """Raise what went wrong in a loop: a hold goes before a failure, the first item before the later ones."""
        if not troubles:
            return
        holds = [hold for _, t in sorted(troubles.items()) if isinstance(t, MustHold) for hold in t.holds]
        if holds:
            raise MustHold(*holds)
        raise troubles[min(troubles)]

    async def _set(self, step: SetStep, path: str, _loop: str, scope: Scope) -> Any:
        context = self._effects.context(path)

        def compute() -> dict[str, Any]:
            values = {name: value.evaluate(scope.names, context) for name, value in step.values.items()}
            return {name: value for name, value in values.items() if value is not OMIT}

        values: dict[str, Any] = self._effects.decide(path, compute)
        for name, value in values.items():
            scope.set_variable(name, value)
        return values

    async def _stop(self, step: StopStep, path: str, _loop: str, scope: Scope) -> None:
        context = self._effects.context(path)

        def said(name: str, key: str) -> Any:
            template = getattr(step, name)
            if template is None:
                return None
            return self._effects.decide(key, lambda: _present(template.evaluate(scope.names, context)))

        # the first key is that of the value which an ending cannot do without
        if step.success:
            output, message = said("output", path), said("message", f"{path}.message")
            outcome: Succeeded | Failed = Succeeded(output, message)
        else:
            message, output = said("message", path), said("output", f"{path}.output")
            error = {"code": "stopped", "message": message or "stopped", "place": str(step.place), "step": path}
            outcome = Failed(error, output)
        self._effects.finished(step, path, "done", message)
        raise Stopped(outcome)


def _present(value: Any) -> Any:
    return None if value is OMIT else value


def _callers(step: Step) -> Iterator[str]:
    """Ids of the steps in a step that call modules and whose failure is not ignored."""
    if step.on_error is OnError.IGNORE:
        return
    if isinstance(step, ModuleStep):
        yield step.id or step.path
    for inner in getattr(step, "steps", ()) + getattr(step, "otherwise", ()):
        yield from _callers(inner)
