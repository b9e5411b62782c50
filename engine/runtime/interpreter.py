"""Plan and bundle to result.

Theory of operation. The interpreter walks the plan from its start, always. What was done before is not done again,
because each outside call, decision and pure output is asked of ``Effects`` under a key that depends on the plan and
the data alone, and ``Effects`` answers from the journal where it can. Going on after a crash, a sleep or a person's
word is therefore the same walk again; there is no second way. So nothing here may look at a clock, a random source
or a store, and nothing may depend on the order in which side-by-side branches happen to finish.

Going back (``on_error: rollback``) is such a walk too, over the journal alone: see ``engine.runtime.back``.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from engine.runtime.back import ROLLBACK, Back, Done, roll_back
from engine.runtime.batches import PartOfBatch
from engine.runtime.branching import group, parallel, route
from engine.runtime.calls import call_scenario
from engine.runtime.effects import Effects
from engine.runtime.elsewhere import Differs
from engine.runtime.handling import cleaned, handle
from engine.runtime.journal import attempt_key
from engine.runtime.loops import foreach
from engine.runtime.outcomes import (
    CutOff,
    Diverged,
    Failed,
    Held,
    Hold,
    Interrupted,
    MustHold,
    Outcome,
    RollBack,
    StepFailed,
    Stopped,
    Succeeded,
    UnknownOutcome,
    Verdict,
)
from engine.runtime.payload import About, largest
from engine.runtime.racing import within
from engine.runtime.responding import respond
from engine.runtime.rounds import repeat
from engine.runtime.scope import Scope
from engine.runtime.waits import WaitSteps
from engine.scenario.expressions import OMIT, ExpressionError, Template
from engine.scenario.plan import (
    CallStep,
    ForeachStep,
    GroupStep,
    ModuleStep,
    ParallelStep,
    RepeatStep,
    RespondStep,
    RouteStep,
    Scenario,
    SetStep,
    SleepStep,
    Step,
    StopStep,
    WaitStep,
)
from engine.sdk.errors import AuthorizationNeeded, EngineError, ModuleError

#: where a run failed whose ``output`` cannot be computed
OUTPUT = "output"
#: the output of a step that a person has left out: nothing of it is to be undone
LEFT_OUT = object()


class Interpreter:
    """One walk of one run of one plan.

    :param back: where a walk over the journal notes what it finds.
    :ivar over: whether this walk is over the journal alone.
    :ivar closing: whether a branch has decided that the run goes back, so that the others begin nothing new.
    """

    def __init__(self, plan: Scenario, effects: Effects, back: Back | None = None, live: Effects | None = None) -> None:
        self.plan = plan
        self.effects = effects
        self.back = back
        self.over = live is not None
        self.closing = False
        self._live = live if live is not None else effects

    async def run(self, data: Mapping[str, Any]) -> Outcome:
        """Walk the plan.

        :param data: ``trigger``, ``request`` and ``run``.
        """
        scope = Scope.of(data)
        outcome: Outcome = Succeeded()
        if self.effects.decided(ROLLBACK) is None:
            outcome = await self._forward(scope)
        if self.effects.decided(ROLLBACK) is not None:
            self.effects.hurry(on=False)
            outcome, scope = await roll_back(self, data)
        if isinstance(outcome, Failed) and self.plan.on_failure:
            outcome = await self._failed(outcome, scope)
        return outcome

    async def _forward(self, scope: Scope) -> Outcome:
        try:
            if self.plan.variables:
                self.variables(scope)
            await self.steps(self.plan.steps, "", "", scope)
            if self.plan.output is not None:
                return Succeeded(self._output(self.plan.output, scope))
        except Stopped as stop:
            return stop.outcome
        except StepFailed as failure:
            return Failed(failure.error)
        except MustHold as hold:
            return Held(hold.holds)
        except ExpressionError as error:
            return Failed({**error.to_json(), "step": "vars", "place": str(self.plan.place)})
        except (RollBack, CutOff):
            pass
        return Succeeded()

    def _output(self, template: Template, scope: Scope) -> Any:
        """What the run gives at the end of its steps."""
        context, place = self.effects.context(OUTPUT), str(self.plan.place)
        about = About("the scenario's `output`", OUTPUT, place)
        try:
            return self.effects.keep(f"run.{OUTPUT}", lambda: _present(template.evaluate(scope.names, context)), about)
        except ExpressionError as error:
            raise StepFailed(OUTPUT, {**error.to_json(), "type": "ExpressionError", "place": place}) from None

    async def _failed(self, outcome: Failed, scope: Scope) -> Outcome:
        """Do what the scenario does when it has failed for good."""
        error = outcome.error
        seen = {"type": None, "status": None, "detail": None, "attempt": 0, **error}
        # a run that is tried again by command, and fails again, tells of that too
        step, attempt = str(error.get("step")), seen["attempt"]
        which = f"{step}#{attempt}@{self.effects.renewed(step)}"
        first = self.effects.decide("on_failure", lambda: which)
        loop = "on_failure/" if first == which else f"on_failure[{which}]/"
        try:
            with scope.failing(seen):
                await self.another(self.effects).steps(self.plan.on_failure, loop, "", scope)
        except StepFailed as failure:
            return replace(outcome, on_failure=failure.error)
        except MustHold as hold:
            return Held(hold.holds)
        return outcome

    def another(self, effects: Effects, back: Back | None = None) -> Interpreter:
        """Another walk of the same run: over the journal alone where the effects are not the run's own."""
        return type(self)(self.plan, effects, back, None if effects is self._live else self._live)

    def forward(self) -> Interpreter:
        """A walk of the same run that does what was not done yet; what it does is noted as this one's is."""
        return type(self)(self.plan, self._live, self.back) if self.over else self

    def variables(self, scope: Scope) -> None:
        """Set the scenario's own variables."""
        context = self.effects.context("vars")
        for name, template in self.plan.variables.items():
            about = About(f"the value of `{name}`", "vars", str(self.plan.place))
            value = self.effects.keep(f"vars.{name}", partial(template.evaluate, scope.names, context), about)
            if value is not OMIT:
                scope.set_variable(name, value)

    async def steps(self, steps: Sequence[Step], loop: str, group: str, scope: Scope) -> None:
        """Walk a list of steps.

        :param loop: what all their paths begin with.
        :param group: what the paths of those without an id go on with.
        """
        for step in steps:
            if self.closing:
                raise CutOff
            # Ids are unique in a scenario, so a step with one keeps its key when it is moved into another group;
            # a step without one is named by its place.
            path = f"{loop}{step.id}" if step.id else f"{loop}{group}{step.path}"
            if step.cleanup:
                await cleaned(self, step, path, loop, scope)
            else:
                await self.through(step, path, loop, scope)

    async def through(self, step: Step, path: str, loop: str, scope: Scope) -> None:
        """Do a step, and what its ``on_error`` says when it fails."""
        try:
            word = self.effects.verdict(path, 0) if self.effects.round else None
            if word is not None and word.choice != "again":
                # before the step's own condition, because that may be what failed
                self._begin(step, path)
                output = word.output if word.choice == "happened" else LEFT_OUT
            elif self._wanted(step, path, scope):
                self._begin(step, path)
                done = _KINDS[type(step)] if step.timeout is None else within
                output = await done(self, step, path, loop, scope)
            else:
                scope.finish(step.id, "skipped")
                self.effects.finished(step, path, "skipped", None)
                return
        except ExpressionError as error:
            await handle(self, step, path, scope, StepFailed(path, self.told(error, step)))
        except StepFailed as failure:
            await handle(self, step, path, scope, failure)
        else:
            self._end(step, path, scope, output)

    def _begin(self, step: Step, path: str) -> None:
        if step.cleanup:
            self.effects.decide(f"{path}.begun", lambda: True)

    def _end(self, step: Step, path: str, scope: Scope, output: Any) -> None:
        done = output is not LEFT_OUT
        output = output if done else None
        scope.finish(step.id, "done", output)
        self.effects.finished(step, path, "done", output)
        if step.undo and done:
            if not isinstance(step, ModuleStep | CallStep):
                # no row says that it ended
                self.effects.decide(f"{path}.done", lambda: True)
            if self.back is not None:
                self.back.done.append(Done(step, path, scope.copy()))

    def _wanted(self, step: Step, path: str, scope: Scope) -> bool:
        condition = step.condition
        if condition is None or isinstance(step, GroupStep):
            return True
        context = self.effects.context(path)
        return bool(self.effects.decide(f"{path}?", lambda: condition.test(scope.names, context)))

    async def work(self, step: Step, path: str, loop: str, scope: Scope) -> Any:
        """Do what the step is for, whatever time it takes."""
        return await _KINDS[type(step)](self, step, path, loop, scope)

    @staticmethod
    def told(error: ExpressionError, step: Step) -> dict[str, Any]:
        """An expression's error as a step fails with it."""
        return {**error.to_json(), "type": "ExpressionError", "place": str(step.place)}

    # ------------------------------------------------------------------ kinds

    async def module(self, step: ModuleStep, path: str, _loop: str, scope: Scope) -> Any:
        config = step.config.evaluate(scope.names, self.effects.context(path))
        tries = 0
        attempt = 0
        while True:
            attempt += 1
            tries += 1
            self.effects.started(step, path, attempt, config)
            part: PartOfBatch | None = None
            hold, again = None, False
            try:
                return await self.effects.call(step, path, attempt, config)
            except Interrupted:
                tries -= 1
                continue
            except Diverged as other:
                raise MustHold(Hold("diverged", str(other), path, attempt, place=str(step.place))) from None
            except Differs as asked:
                cause: EngineError = asked
                hold = "differs"
            except UnknownOutcome as unknown:
                cause = unknown.cause
                hold = None if step.on_error.goes_on else "unknown"
            except PartOfBatch as failed:
                part, cause, again = failed, failed.error, failed.again
                hold = "unknown" if failed.unknown and not step.on_error.goes_on else None
            except ModuleError as failure:
                cause, again = failure, step.retry.covers(failure)
            if again and tries < step.retry.attempts:
                await self._until_next(step, path, attempt, tries, cause)
                continue
            if part is not None and part.goes_on:
                return part.output
            verdict = self.effects.verdict(path, attempt)
            # one that is noted was about items that are settled by it
            if verdict is None or (part is not None and verdict.noted):
                if hold is not None:
                    raise MustHold(Hold(hold, cause.message, path, attempt, cause.to_json(), place=str(step.place)))
                raise self._failed_of(cause, step, path, attempt, part and part.output)
            if verdict.choice != "again":
                return _said(verdict, part)
            if self.closing:
                raise CutOff
            tries = 0

    async def _until_next(self, step: ModuleStep, path: str, attempt: int, tries: int, failure: EngineError) -> None:
        """Wait for the next try."""
        if self.closing:
            raise CutOff
        asked = getattr(failure, "retry_after", None)
        wait = step.retry.wait(tries, self.effects.chance(f"{path}#{attempt}"), asked)
        due = self.effects.failed_at(path, attempt) + wait
        self.effects.retrying(step, path, attempt, self._placed(failure, step), due)
        await self.effects.pause(attempt_key(path, attempt), due)

    def _failed_of(
        self, cause: EngineError, step: ModuleStep, path: str, attempt: int, output: Any
    ) -> StepFailed | MustHold:
        """How a step fails for good; one whose connection waits for a person waits with it."""
        error = self._placed(cause, step)
        if cause.code == AuthorizationNeeded.code and not step.on_error.goes_on:
            return MustHold(Hold("authorization", cause.message, path, attempt, error, place=str(step.place)))
        return StepFailed(path, error, attempt, output)

    @staticmethod
    def _placed(error: EngineError, step: Step) -> dict[str, Any]:
        return {**error.to_json(), "place": error.place or str(step.place)}

    async def set(self, step: SetStep, path: str, _loop: str, scope: Scope) -> Any:
        context = self.effects.context(path)

        def compute() -> dict[str, Any]:
            values = {name: value.evaluate(scope.names, context) for name, value in step.values.items()}
            return {name: value for name, value in values.items() if value is not OMIT}

        values: dict[str, Any] = self.effects.keep(path, compute, About(largest, path, str(step.place)))
        for name, value in values.items():
            scope.set_variable(name, value)
        return values

    async def stop(self, step: StopStep, path: str, _loop: str, scope: Scope) -> None:
        context = self.effects.context(path)

        def said(name: str, key: str) -> Any:
            template = getattr(step, name)
            if template is None:
                return None
            about = About(f"`stop`'s {name}", path, str(step.place))
            return self.effects.keep(key, lambda: _present(template.evaluate(scope.names, context)), about)

        # the first key is that of the value which an ending cannot do without
        if step.success:
            output, message = said("output", path), said("message", f"{path}.message")
            outcome: Succeeded | Failed = Succeeded(output, message)
        else:
            message, output = said("message", path), said("output", f"{path}.output")
            error = {"code": "stopped", "message": message or "stopped", "place": str(step.place), "step": path}
            outcome = Failed(error, output)
        self.effects.finished(step, path, "done", message)
        raise Stopped(outcome)


def _said(verdict: Verdict, part: PartOfBatch | None) -> Any:
    """A step's output after a word that ends it."""
    if part is not None:
        return part.after(verdict)
    return LEFT_OUT if verdict.choice == "skip" else verdict.output


def _present(value: Any) -> Any:
    return None if value is OMIT else value


async def _sleep(walk: Interpreter, step: SleepStep, path: str, loop: str, scope: Scope) -> None:
    await WaitSteps(walk.plan, walk.effects, walk.steps).sleep(step, path, loop, scope)


async def _wait_for(walk: Interpreter, step: WaitStep, path: str, loop: str, scope: Scope) -> Any:
    return await WaitSteps(walk.plan, walk.effects, walk.steps).wait_for(step, path, loop, scope)


_KINDS: Mapping[type[Step], Callable[[Interpreter, Any, str, str, Scope], Coroutine[Any, Any, Any]]] = {
    ModuleStep: Interpreter.module,
    GroupStep: group,
    RouteStep: route,
    ParallelStep: parallel,
    RepeatStep: repeat,
    ForeachStep: foreach,
    SetStep: Interpreter.set,
    StopStep: Interpreter.stop,
    SleepStep: _sleep,
    WaitStep: _wait_for,
    CallStep: call_scenario,
    RespondStep: respond,
}
