"""``engine test``: each scenario on the events beside it, offline; ``--crash``: the engine dies everywhere."""

from __future__ import annotations

import functools
import importlib.util
import logging
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
from tabulate import tabulate

from engine.cli.aio import run_async
from engine.cli.console import coloured, counted, dim, excerpt, note, print_json, table, took, warn
from engine.cli.failures import Failure, Finished
from engine.cli.given import EventUnreadable, read_event
from engine.cli.options import json_option
from engine.cli.session import Session
from engine.cli.workspace import Workspace, refuse, shorten
from engine.plugins import Registry
from engine.scenario.plan import Scenario
from engine.scenario.together import calls_in
from engine.sdk import jsontext
from engine.store.records import DeliveryState, EffectState
from engine.testing import RunResult, SimulatedHarness
from engine.testing.beside import events_beside, play_of, several
from engine.testing.crash import HEADERS, Everywhere, FaultAt, Life, Play, Report, live

#: how many of the lives in which something went wrong are told one by one
TOLD = 20
ROWS = ("scenario", "ended", "events", "calls", "writes", "waited", "")
#: ends that are as they should be; a run that waits for somebody waits
WELL = ("succeeded", "filtered", "duplicate", "waiting", "cancelled")


@click.command(epilog="\b\nExamples:\n  engine test\n  engine test --crash scenarios/tier-to-sms")
@click.argument("paths", type=click.Path(exists=True, path_type=Path), nargs=-1, metavar="[PATH]...")
@click.option("--crash", is_flag=True, help="Let the engine fail at each point that a run passes, in each way.")
@json_option
@click.pass_obj
def test(session: Session, paths: tuple[Path, ...], crash: bool) -> None:
    """Try scenarios offline, on the events beside them; --crash kills them everywhere.

    Every app answers from its simulator. A scenario runs on the events beside it: event.json or *.event.json in its
    folder, or what is in events/ there; NAME.event.json beside NAME.yaml. Without any, a polling trigger is swept, a
    schedule has its next moment, and what is started by hand is started with its defaults. Scenarios that are called
    are there. Time passes at once. The table says how the runs ended, how many events came, which modules were called
    and how often, how many of the calls were writes, and how long the longest run waited. Exit code 1: a run failed or
    is held, an event is rejected, or a test of the project fails: without PATH, what is in tests/ is run by pytest,
    where that is installed.

    With --crash the run is made once to find the points that it passes; then once for each point and each way to fail
    there (the process dies, the engine's code raises, the task is cancelled), followed by a restart. Exit code 1:
    something was lost or doubled, or the books do not add up.
    """
    workspace = Workspace.of(session, paths[0] if paths else None)
    registry = workspace.registry()
    plays: dict[str, Play] = {}
    loaded = workspace.loaded(registry, paths, simulate=True)
    known = {plan.name: plan for plan in (*loaded.scenarios, *loaded.called)}
    for plan in loaded.scenarios:
        play = _play(workspace, registry, plan, _callees(plan, known))
        if play is None:
            note(f"{plan.name} is left out: there is no event beside {shorten(Path(plan.file))}")
        else:
            plays[plan.name] = play
    if crash:
        raise Finished(_crash(session, plays))
    good = not plays or _once(session, plays)
    tests = None if paths else project_tests(workspace.project.root, quiet=session.as_json)
    if not plays and tests is None:
        raise _nothing()
    raise Finished(good and tests is not False)


def _nothing() -> Failure:
    return refuse("nothing-to-test", "there is no scenario to run here", "put an event.json beside a scenario")


def _once(session: Session, plays: dict[str, Play]) -> bool:
    lives = run_async(_lives(plays))
    tried = [_tried(name, plays[name], life) for name, life in lives.items()]
    if session.as_json:
        print_json([one.to_json() for one in tried])
        return all(one.well for one in tried)
    click.echo(table([one.row() for one in tried], ROWS))
    if len(tried) > 1:
        calls, writes = sum(one.calls.total() for one in tried), sum(one.writes.total() for one in tried)
        good = sum(one.well for one in tried)
        note(
            f"\n{good} of {counted(len(tried), 'scenario')} well: {counted(calls, 'call')} to simulators, "
            f"{counted(writes, 'write')} among them, and no other network; waits passed at once"
        )
    return all(one.well for one in tried)


class _Tried(NamedTuple):
    """What one scenario did.

    :param events: how many came; in words where none did.
    :param runs: how each of its runs ended, and what became of events without one; of runs that it called, those that
        went wrong; each with what there is to say of it.
    :param waited: seconds that its longest run took, by the virtual clock.
    """

    name: str
    events: str
    calls: Counter[str]
    writes: Counter[str]
    waited: float
    runs: Sequence[tuple[str, str]]

    @property
    def ended(self) -> str:
        """``succeeded``; of several ``16 succeeded, 1 filtered``."""
        found = Counter(ended for ended, _ in self.runs)
        if len(found) == 1 and found.total() == 1:
            return self.runs[0][0]
        return ", ".join(f"{number} {state}" for state, number in found.items()) or "nothing"

    @property
    def well(self) -> bool:
        """Whether all ended as they should."""
        return all(ended in WELL for ended, _ in self.runs)

    def row(self) -> list[str]:
        """For a table."""
        bad = next((ended for ended, _ in self.runs if ended not in WELL), None)
        state = click.style(self.ended, fg="red") if bad and bad != self.ended else coloured(self.ended)
        if not bad and len(self.runs) > 1:
            state = click.style(self.ended, fg="green")
        calls = "\n".join(name if number == 1 else f"{name} ({number})" for name, number in self.calls.items())
        waited = took(self.waited) if self.waited >= 1 else ""
        about = "; ".join(dict.fromkeys(about for _, about in self.runs if about))
        return [self.name, state, self.events, calls, str(self.writes.total() or ""), waited, excerpt(about, 100)]

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "scenario": self.name,
            "ended": self.ended,
            "well": self.well,
            "events": self.events,
            "calls": dict(self.calls),
            "writes": dict(self.writes),
            "waited": self.waited,
            "runs": [{"ended": ended, "about": about} for ended, about in self.runs],
        }


def _tried(name: str, play: Play, life: Life) -> _Tried:
    events = "a poll" if play.polls else "a moment" if play.ticks else str(len(play.events))
    if play.starts:
        events = "by hand" if len(play.starts) == 1 else f"{len(play.starts)} by hand"
    took_each = [(result.run.ended_at or result.run.created_at) - result.run.created_at for result in life.results]
    made = life.made
    return _Tried(name, events, made.calls, made.writes, max(took_each, default=0.0), _rows(name, life))


async def _lives(plays: dict[str, Play]) -> dict[str, Life]:
    found = {}
    logging.disable(logging.CRITICAL)
    try:
        for name, play in plays.items():
            with tempfile.TemporaryDirectory(prefix="engine-test-") as folder:
                found[name] = await live(play, Path(folder) / "store.db", [FaultAt()])
    finally:
        logging.disable(logging.NOTSET)
    return found


def _rows(name: str, life: Life) -> list[tuple[str, str]]:
    """How each run ended, and what became of the events without one; of runs that it called, those that went wrong."""
    rows = []
    for result in sorted(life.results, key=lambda result: result.run.id):
        own = result.run.scenario == name
        if not own and result.state in WELL:
            continue
        why = "; ".join(hold["message"] for hold in result.holds) if result.holds else ""
        error = result.error or {}
        at = f"{error['step']}: " if error.get("step") else ""
        told = why or (f"{at}{error['message']}" if error.get("message") else _refusals(result))
        rows.append((result.state, told if own else f"{result.run.scenario}, which it calls: {told}"))
    others = [fate for fate in life.fates if fate.state is not DeliveryState.RUN]
    return rows + [(str(fate.state), fate.reason or "") for fate in others]


def _refusals(result: RunResult) -> str:
    """What vendors refused though the run went on: that a loop has come to its end says nothing of its items."""
    refused = [effect for effect in result.effects if effect.state is EffectState.REFUSED]
    return f"{counted(len(refused), 'write')} refused, first at {refused[0].key.partition('#')[0]}" if refused else ""


def project_tests(root: Path, *, quiet: bool) -> bool | None:
    """Run the Python tests of a project, in a process of their own; whether they pass. None: nothing was run."""
    files = sorted((root / "tests").rglob("test_*.py"))
    if not files:
        return None
    if importlib.util.find_spec("pytest") is None:
        warn(
            f"{counted(len(files), 'file')} of tests in {shorten(root / 'tests')} not run: pytest is not installed\n"
            "  next: python -m pip install pytest pytest-asyncio"
        )
        return None
    command = [sys.executable, "-m", "pytest", "-q", "tests"]
    # its output is for people: stdout stays the program's own where JSON is asked for
    done = subprocess.run(command, cwd=root, stdout=sys.stderr if quiet else None, check=False)  # noqa: S603 - the interpreter that runs here, on the project's own tests
    return done.returncode == 0


def _crash(session: Session, plays: dict[str, Play]) -> bool:
    if not plays:
        raise _nothing()
    reports = run_async(_everywhere(plays))
    if session.as_json:
        print_json([_json(report) for report in reports])
    else:
        click.echo(tabulate([report.row() for report in reports], HEADERS, tablefmt="simple"))
    broken = [(report.name, life) for report in reports for life in report.broken]
    for name, life in broken[:TOLD]:
        note(f"{name}, {life.moment}: {life.said}")
    if len(broken) > TOLD:
        note(f"and {len(broken) - TOLD} more")
    return not broken


def _callees(plan: Scenario, known: Mapping[str, Scenario]) -> list[Scenario]:
    """The scenarios that this one calls, and those that they call."""
    found = {plan.name: plan}
    pending = [plan]
    while pending:
        for name in {step.scenario for step in calls_in(pending.pop())} & known.keys() - found.keys():
            found[name] = known[name]
            pending.append(known[name])
    return list(found.values())[1:]


def _play(workspace: Workspace, registry: Registry, plan: Scenario, callees: Sequence[Scenario]) -> Play | None:
    file = Path(plan.file)
    events: list[Any] = []
    for path in events_beside(file):
        found = jsontext.loads(read_event(path))
        if several(path) and not isinstance(found, list):
            raise EventUnreadable("this is no list of events", place=str(path), hint="write [EVENT, …]")
        events += found if several(path) else [found]
    source, settings = file.read_text("utf-8"), workspace.project.settings
    called = [Path(callee.file).read_text("utf-8") for callee in callees]
    new = functools.partial(
        SimulatedHarness,
        [source],
        registry=registry,
        defaults=settings.defaults,
        env=settings.env,
        called=called,
        project=workspace.project,
    )
    return play_of(plan, events, new)


async def _everywhere(plays: dict[str, Play]) -> Sequence[Report]:
    reports = []
    # what fails on purpose is no news
    logging.disable(logging.CRITICAL)
    try:
        for name, play in plays.items():
            note(dim(f"{name} …"))
            with tempfile.TemporaryDirectory(prefix="engine-test-") as folder:
                reports.append(await Everywhere(Path(folder)).run(name, play))
    finally:
        logging.disable(logging.NOTSET)
    return reports


def _json(report: Report) -> dict[str, Any]:
    row = dict(zip(HEADERS, report.row(), strict=True))
    broken = [
        {"at": life.moment, "lost": life.lost, "doubled": life.doubled, "other": life.faults} for life in report.broken
    ]
    return {**{name.replace(" ", "_"): value for name, value in row.items()}, "broken": broken}
