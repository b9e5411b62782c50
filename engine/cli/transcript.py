"""What a run looks like on the screen."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click

from engine.cli.console import bold, coloured, dim, excerpt, moment, took, width
from engine.cli.watch import StepReport
from engine.runtime.effects import Progress
from engine.scenario.inside import parts, path_of
from engine.scenario.plan import GroupStep, ModuleStep, ParallelStep, RepeatStep, RouteStep, Scenario, Step
from engine.store.ids import show
from engine.store.records import Run

_MARKS = {
    "done": ("✓", "green"),
    "skipped": ("-", None),
    "failed": ("✗", "red"),
    "ignored": ("✗", "yellow"),
    "handled": ("✗", "yellow"),
    "held": ("?", "yellow"),
    "shown": ("○", "cyan"),
}
_STATE_MARKS = {
    "succeeded": ("✓", "green"),
    "held": ("?", "yellow"),
    "cancelled": ("-", "yellow"),
    "blocked": ("…", "yellow"),
}
_INDENT = "      "
_ERASE = "\r\x1b[2K"


def layout(plans: Sequence[Scenario]) -> tuple[int, int]:
    """Columns that the paths and modules of these scenarios take."""
    found = [pair for plan in plans for pair in _names(plan.steps)]
    return (
        min(40, max((len(path) for path, _ in found), default=0)),
        min(50, max((len(module) for _, module in found), default=0)),
    )


def _names(steps: Sequence[Step], loop: str = "", group: str = "") -> Iterator[tuple[str, str]]:
    for step in steps:
        path = path_of(step, loop, group)
        if isinstance(step, ModuleStep):
            yield path, step.module_name
        elif not isinstance(step, GroupStep | ParallelStep):
            yield path, step.kind
        for part in parts(step):
            if not part.aside:
                yield from _names(part.steps, *part.paths(path, loop))


class Transcript:
    """Prints steps as they happen.

    :param err: to stderr, because stdout is for JSON.
    :param columns: widths of path and module.
    :param whole: print the steps of a run together when it ends, because several may go on side by side.
    """

    def __init__(self, columns: tuple[int, int], *, err: bool = False, whole: bool = False) -> None:
        self._err = err
        self._columns = columns
        self._whole = whole
        self._live = (sys.stderr if err else sys.stdout).isatty() and not whole
        self._pending = False

    def say(self, text: str = "") -> None:
        if self._pending:
            click.echo(_ERASE, nl=False, err=self._err)
            self._pending = False
        click.echo(text, err=self._err)

    # ------------------------------------------------------------------ engine.cli.watch.Screen

    def step_began(self, run: Run, report: StepReport) -> None:
        if self._live:
            self.say_nothing_yet(f"  … {report.path}  {report.module}")

    def say_nothing_yet(self, text: str) -> None:
        """A line that the next one takes the place of."""
        erase = _ERASE if self._pending else ""
        click.echo(erase + dim(text[: width() - 1]), nl=False, err=self._err)
        self._pending = True

    def step_ended(self, run: Run, report: StepReport) -> None:
        if not self._whole:
            self._step(report)

    def retrying(self, run: Run, report: StepReport, attempt: int, error: dict[str, Any], seconds: float) -> None:
        if self._whole:
            return
        self.say(f"  {click.style('↻', fg='yellow')} {self._names(report)}  retry {attempt} in {took(seconds)}")
        self.say(f"{_INDENT}{self._excerpt(_sentence(error))}")

    def progressed(self, run: Run, path: str, progress: Progress) -> None:
        if self._live:
            self.say_nothing_yet(f"  … {path}  {how_far(progress)}")

    def sleeping(self, run: Run, due: float, *, waits: bool) -> None:
        what = "waits" if waits else f"sleeps until {moment(due)}"
        self.say(f"  {click.style('…', fg='yellow')} run {show(run.id)} {what}")

    def resting(self, run: Run, path: str, names: Sequence[str]) -> None:
        if not self._whole:
            self.say(click.style(f"  ○ {path}: what it decides may rest on {_made_up(names)}", fg="cyan"))

    def ended(self, run: Run, steps: list[StepReport]) -> None:
        if self._whole:
            for report in steps:
                self._step(report)

    # ------------------------------------------------------------------ lines

    def _step(self, report: StepReport) -> None:
        if report.earlier:
            self.say(dim(f"  ✓ {self._names(report)}  done before"))
            return
        mark, colour = _MARKS.get(report.status, ("·", None))
        if report.status == "skipped":
            self.say(dim(f"  {mark} {self._names(report)}  skipped{f': {report.reason}' if report.reason else ''}"))
            return
        tries = f"  {report.attempts} attempts" if report.attempts > 1 else ""
        outcome = f"{_outcome(report):<14}  {took(report.seconds):>7}{tries}".rstrip()
        self.say(f"  {click.style(mark, fg=colour, bold=True)} {self._names(report)}  {outcome}".rstrip())
        for line in self._value(report):
            self.say(f"{_INDENT}{line}")
        if report.rests_on:
            self.say(click.style(f"{_INDENT}may rest on {_made_up(report.rests_on)}", fg="cyan"))

    def _names(self, report: StepReport) -> str:
        path, module = self._columns
        return f"{report.path:<{path}}  {report.module:<{module}}"

    def _value(self, report: StepReport) -> Iterator[str]:
        value = report.value
        if report.status in ("failed", "ignored", "handled", "held") and isinstance(value, dict):
            yield self._excerpt(_sentence(value), colour="red" if report.status == "failed" else "yellow")
            if value.get("detail"):
                yield self._excerpt(f"answer: {excerpt(value['detail'], 2000)}")
            if value.get("place"):
                yield dim(f"at {value['place']}")
            if value.get("hint"):
                yield f"next: {value['hint']}"
        elif report.status == "shown":
            would = report.request if isinstance(report.request, str) else f"send {excerpt(report.request, 4000)}"
            yield self._excerpt(f"would {would}", cut=False)
            what = "the simulator gives" if report.source == "simulator" else "made up"
            yield self._excerpt(f"{what}: {excerpt(value, 2000)}")
        elif report.module == RouteStep.kind and isinstance(value, list):
            yield dim(f"took {', '.join(map(str, value))}" if value else "no route was taken")
        elif report.module == RepeatStep.kind and isinstance(value, int):
            yield dim(f"{value} {'round' if value == 1 else 'rounds'}")
        elif value is not None:
            yield self._excerpt(excerpt(value, 2000))

    def _excerpt(self, text: str, colour: str | None = None, *, cut: bool = True) -> str:
        line = excerpt(text, max(40, width() - len(_INDENT) - 1)) if cut else text
        return click.style(line, fg=colour) if colour else dim(line)

    def result(self, run: Run, error: dict[str, Any] | None, output: Any, seconds: float | None) -> None:
        """The last lines about a run."""
        mark, colour = _STATE_MARKS.get(run.state, ("✗", "red"))
        self.say(
            f"{click.style(mark, fg=colour, bold=True)} {bold(run.scenario)} {coloured(run.state)}"
            f"{f' in {took(seconds)}' if seconds is not None else ''}  run {show(run.id)}"
            f"{f'  about {run.subject}' if run.subject else ''}"
        )
        if error is not None:
            at = f" at {error['step']}" if error.get("step") else ""
            self.say(f"    {self._excerpt(_sentence(error) + at, colour='red')}")
        if output is not None:
            self.say(f"    output {self._excerpt(excerpt(output, 2000))}")


def _made_up(names: Sequence[str]) -> str:
    return f"what was made up for {', '.join(names)}"


def how_far(progress: Progress) -> str:
    """How far a loop has come, in words."""
    failed = f", {progress.failed:,} failed or held" if progress.failed else ""
    return f"{progress.done:,} items over{failed}{f', of {progress.total:,}' if progress.total is not None else ''}"


def _sentence(error: dict[str, Any]) -> str:
    code = error.get("code")
    return f"{f'{code}: ' if code else ''}{error.get('message') or 'failed'}"


def _outcome(report: StepReport) -> str:
    effect = report.effect
    if report.status == "shown":
        if isinstance(report.request, str):
            return "not waited for"
        return "read not made" if effect == "read" else "write not sent"
    if effect in ("write", "idempotent", "keyed"):
        if report.status == "done":
            return "write done"
        error = report.value if isinstance(report.value, dict) else {}
        return "write refused" if error.get("refused") else "write unknown"
    return effect or ""
