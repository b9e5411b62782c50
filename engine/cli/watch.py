"""Watches runs: notes each step as it happens, for whoever prints it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from engine.runtime.callers import effect_of
from engine.runtime.effects import Progress
from engine.runtime.outcomes import Held, Outcome, Sleeping, Waiting
from engine.runtime.redact import Redactor
from engine.scenario.expressions import plain
from engine.scenario.inside import Part, parts, path_of
from engine.scenario.plan import (
    ForeachStep,
    GroupStep,
    ModuleStep,
    ParallelStep,
    RepeatStep,
    RouteStep,
    SetStep,
    Step,
    StopStep,
)
from engine.sdk.clock import Clock
from engine.sdk.modules import Action, Config, Effect
from engine.store.folds import PAGE
from engine.store.records import Run

#: what the paths of all steps begin with that stand beside a step: the item, handler or cleaning up around it
_AROUND = re.compile(r".*(?:\]|!handler|!finally|^on_failure)/")


@dataclass
class StepReport:
    """One step of one run.

    :param status: ``done``, ``skipped``, ``failed``, ``ignored``, ``handled``, ``held``, or
        ``shown`` (a write of a dry run).
    :param effect: ``read``, ``write``, …; empty where the step has none, None where it depends on the config.
    :param seconds: from its first attempt to its end.
    :param value: output, error, or request of a write that was only shown; redacted.
    :param reason: why it was skipped.
    :param request: what a dry run would have sent; redacted. Its value is then what stands in place of the answer.
    :param source: of that: ``made up``, or ``simulator``.
    :param rests_on: in a dry run, the steps whose made-up outputs its expressions may rest on.
    :param earlier: whether it is known from before, so that it was not done now.
    """

    path: str
    module: str
    effect: str | None = None
    status: str = "running"
    attempts: int = 0
    began: float = 0.0
    seconds: float | None = None
    value: Any = None
    reason: str | None = None
    earlier: bool = False
    request: Any = None
    source: str | None = None
    rests_on: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        key = {"failed": "error", "ignored": "error", "handled": "error", "held": "error"}.get(self.status, "output")
        about: dict[str, Any] = {
            "path": self.path,
            "module": self.module,
            "effect": self.effect or None,
            "status": self.status,
        }
        about |= {"attempts": self.attempts, "seconds": self.seconds, key: self.value}
        if self.source:
            about |= {"request": self.request, "output_from": self.source}
        if self.rests_on:
            about["rests_on"] = list(self.rests_on)
        return about | ({"reason": self.reason} if self.reason else {})


class Screen(Protocol):
    """Prints what is watched."""

    def step_began(self, run: Run, report: StepReport) -> None: ...

    def step_ended(self, run: Run, report: StepReport) -> None: ...

    def retrying(self, run: Run, report: StepReport, attempt: int, error: dict[str, Any], seconds: float) -> None: ...

    def progressed(self, run: Run, path: str, progress: Progress) -> None: ...

    def sleeping(self, run: Run, due: float, *, waits: bool) -> None: ...

    def resting(self, run: Run, path: str, names: Sequence[str]) -> None: ...

    def ended(self, run: Run, steps: list[StepReport]) -> None: ...


@dataclass
class Watcher:
    """The observer of the commands that execute.

    :param screen: told of everything; None: nothing is printed.
    :param wants: which runs are of interest.
    :param news: set when something happened.
    :param known: steps that were done before this process, by run.
    """

    wants_steps: ClassVar[bool] = True

    clock: Clock
    news: asyncio.Event
    screen: Screen | None = None
    wants: Callable[[Run], bool] = lambda _run: False
    redactor: Redactor = field(default_factory=Redactor)
    known: dict[int, set[str]] = field(default_factory=dict)
    steps: dict[int, dict[str, StepReport]] = field(default_factory=dict)
    _shown: dict[tuple[int, str], tuple[Any, str]] = field(default_factory=dict)
    _leaning: dict[tuple[int, str], Sequence[str]] = field(default_factory=dict)

    # ------------------------------------------------------------------ what a dry run does not do

    def would_send(self, run: Run, path: str, request: Config, output: Any, *, simulated: bool) -> None:
        """The end of the step follows at once."""
        self._shown[run.id, path] = (self.redactor.json(request), "simulator" if simulated else "made up")

    def would_wait(self, run: Run, path: str, what: str, value: Any) -> None:
        self._shown[run.id, path] = (self.redactor.text(what), "made up")

    def rests_on(self, run: Run, step: Step, path: str, names: Sequence[str]) -> None:
        if isinstance(step, ModuleStep | StopStep | SetStep):
            self._leaning[run.id, path] = names
        elif self.wants(run) and self.screen is not None:
            self.screen.resting(run, path, names)

    # ------------------------------------------------------------------ what the engine tells

    def run_started(self, run: Run) -> None:
        """A walk begins; nothing is printed until a step is reached."""

    def step_started(self, run: Run, step: ModuleStep, path: str, attempt: int, config: Any) -> None:
        if not self.wants(run):
            return
        report = self._report(run, step, path)
        report.effect = _effect(step, config)
        if report.status == "running":
            report.attempts = max(report.attempts, attempt)
            if self.screen is not None and not report.earlier:
                self.screen.step_began(run, report)

    def step_retrying(self, run: Run, step: Step, path: str, attempt: int, error: dict[str, Any], due: float) -> None:
        if self.wants(run) and self.screen is not None:
            seconds = due - self.clock.time()
            self.screen.retrying(run, self._report(run, step, path), attempt, self.redactor.json(error), seconds)

    def step_finished(self, run: Run, step: Step, path: str, status: str, value: Any) -> None:
        if not self.wants(run):
            return
        value = plain(value)
        if isinstance(step, GroupStep | RouteStep) and status == "done":
            self._ways(run, step, path, value)
        if _says_nothing(step, path, status, value):
            return
        report = self._report(run, step, path)
        if report.status != "running":
            return  # the walk after a wait comes by what was told before
        report.rests_on = self._leaning.pop((run.id, path), ())
        shown = self._shown.pop((run.id, path), None)
        if shown is not None:
            report.request, report.source = shown
            status = "shown" if status == "done" else status
        if isinstance(value, dict) and status in ("failed", "ignored", "handled"):
            report.attempts = max(report.attempts, value.get("attempt") or 0)
        if status == "skipped":
            report.reason = f"`if: {step.condition.text}` is false" if step.condition else None
        self._end(run, report, status, value)

    def loop_progressed(self, run: Run, step: Step, path: str, progress: Progress) -> None:
        if not self.wants(run):
            return
        # nothing more is told of these items, and there may be millions
        steps = self.steps.get(run.id, {})
        for old in [key for key in steps if key.startswith((f"{path}[", f"{path}{PAGE}"))]:
            if steps[old].status != "running":
                del steps[old]
        if self.screen is not None:
            self.screen.progressed(run, path, progress)

    def run_ended(self, run: Run, outcome: Outcome) -> None:
        self.news.set()
        if not self.wants(run):
            return
        if isinstance(outcome, Sleeping):
            if self.screen is not None:
                self.screen.sleeping(run, outcome.due, waits=isinstance(outcome, Waiting))
            return
        steps = self.steps.setdefault(run.id, {})
        if isinstance(outcome, Held):
            for hold in outcome.holds:
                report = steps.get(hold.step)
                if report is not None and report.status == "running":
                    self._end(run, report, "held", {"message": hold.message, **(hold.error or {})})
        if self.screen is not None:
            self.screen.ended(run, list(steps.values()))

    def forget(self, run_id: int) -> None:
        """Let go of a run that was reported."""
        self.steps.pop(run_id, None)

    # ------------------------------------------------------------------ inside

    def _report(self, run: Run, step: Step, path: str) -> StepReport:
        steps = self.steps.setdefault(run.id, {})
        if path not in steps:
            module = step.module_name if isinstance(step, ModuleStep) else step.kind
            earlier = path in self.known.get(run.id, ())
            steps[path] = StepReport(path, module, _declared(step), began=self.clock.time(), earlier=earlier)
        return steps[path]

    def _end(self, run: Run, report: StepReport, status: str, value: Any) -> None:
        report.status = status
        report.value = self.redactor.json(value)
        report.seconds = self.clock.time() - report.began if report.attempts and not report.earlier else None
        if self.screen is not None:
            self.screen.step_ended(run, report)

    def _ways(self, run: Run, step: GroupStep | RouteStep, path: str, value: Any) -> None:
        """Steps of the lists that were not taken are told as skipped."""
        if isinstance(step, GroupStep) and step.condition is None:
            return
        seen = self.steps.get(run.id, {})
        loop = _AROUND.match(path)
        for part in parts(step):
            leaves = [] if part.aside else list(_leaves(part, path, loop[0] if loop else ""))
            if _taken(part, value) if isinstance(step, RouteStep) else any(inner in seen for inner, _ in leaves):
                continue
            reason = _not_taken(step, part, value)
            for inner_path, inner in leaves:
                if isinstance(inner, ModuleStep | ForeachStep | RepeatStep):
                    report = self._report(run, inner, inner_path)
                    report.reason = reason
                    self._end(run, report, "skipped", None)


def _not_taken(step: GroupStep | RouteStep, part: Part, names: Any) -> str:
    """Why a list of steps was left out."""
    if isinstance(step, RouteStep):
        return f"the route taken is {_names(names)}"
    if part.key != "steps" and step.others:
        return "another branch is taken"
    text = step.condition.text if step.condition is not None else ""
    return f"`if: {text}` is {'true' if part.key == 'else' else 'false'}"


def _taken(part: Part, names: Any) -> bool:
    """Whether a router's list is among those that were taken."""
    return (part.name or part.key) in (names or ())


def _names(names: Any) -> str:
    return ", ".join(map(str, names)) if names else "none"


def _leaves(part: Part, path: str, loop: str) -> Iterator[tuple[str, Step]]:
    """The steps of a branch that are no groups, with their paths."""
    inner_loop, group = part.paths(path, loop)
    for step in part.steps:
        inner_path = path_of(step, inner_loop, group)
        if isinstance(step, GroupStep | RouteStep | ParallelStep):
            for inner in parts(step):
                if not inner.aside:
                    yield from _leaves(inner, inner_path, inner_loop)
        else:
            yield inner_path, step


def _says_nothing(step: Step, path: str, status: str, value: Any) -> bool:
    """Whether the end of a step is only that of what is in it."""
    if not isinstance(step, GroupStep | ForeachStep | RouteStep | ParallelStep | RepeatStep):
        return False
    if status in ("failed", "ignored", "handled"):
        return isinstance(value, dict) and value.get("step", path) != path and status == "failed"
    return isinstance(step, GroupStep | ParallelStep)


def _declared(step: Step) -> str | None:
    """The effect of a step that was not reached; None where its config decides."""
    if not isinstance(step, ModuleStep):
        return ""
    if isinstance(step.module, Action) and callable(step.module.effect):
        return None
    return _effect(step, {})


def _effect(step: ModuleStep, config: Config) -> str | None:
    try:
        effect = effect_of(step.module, config)
    except Exception:  # noqa: BLE001 - an app's function that fails here fails in the run too, and is reported there
        return None
    return "" if effect is Effect.NONE else str(effect)
