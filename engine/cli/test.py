"""``engine test --crash``: a scenario's engine dies everywhere, and nothing may be lost or doubled."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from tabulate import tabulate

from engine.cli.aio import run_async
from engine.cli.console import dim, note, print_json
from engine.cli.failures import Finished
from engine.cli.options import json_option
from engine.cli.run import EventUnreadable, read_event
from engine.cli.session import Session
from engine.cli.workspace import Workspace, refuse, shorten
from engine.plugins import Registry
from engine.scenario.plan import Scenario
from engine.sdk import jsontext
from engine.testing import SimulatedHarness
from engine.testing.beside import events_beside, play_of, several
from engine.testing.crash import HEADERS, Everywhere, Play, Report

#: how many of the lives in which something went wrong are told one by one
TOLD = 20


@click.command(epilog="\b\nExamples:\n  engine test --crash\n  engine test --crash scenarios/tier-to-sms")
@click.argument("paths", type=click.Path(exists=True, path_type=Path), nargs=-1, metavar="[PATH]...")
@click.option("--crash", is_flag=True, help="Let the engine fail at each point that a run passes, in each way.")
@json_option
@click.pass_obj
def test(session: Session, paths: tuple[Path, ...], crash: bool) -> None:
    """Kill scenarios at each point, offline, and see what is lost or doubled.

    Every app answers from its simulator. A scenario runs on the events beside it: event.json or *.event.json in its
    folder, NAME.event.json beside NAME.yaml. Without any, a polling trigger is swept, a schedule has its next moment,
    and what is started by hand is started with its defaults. The run is made once, to find the points that it passes;
    then once for each point and each way to fail there (the process dies, the engine's code raises, the task is
    cancelled), followed by a restart. Exit code 1: something was lost or doubled, or the books do not add up.
    """
    if not crash:
        raise refuse(
            "test-needs-crash",
            "tests of scenarios with expected results are not there yet; what is there is the crash test",
            "add --crash, or write tests with engine.testing: docs/how-to/test-a-scenario.md",
        )
    workspace = Workspace.of(session, paths[0] if paths else None)
    registry = workspace.registry()
    plays: dict[str, Play] = {}
    for plan in workspace.scenarios(registry, paths, simulate=True):
        play = _play(workspace, registry, plan)
        if play is None:
            note(f"{plan.name} is left out: there is no event beside {shorten(Path(plan.file))}")
        else:
            plays[plan.name] = play
    if not plays:
        raise refuse("nothing-to-crash", "there is no scenario to run here", "put an event.json beside a scenario")
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
    raise Finished(not broken)


def _play(workspace: Workspace, registry: Registry, plan: Scenario) -> Play | None:
    file = Path(plan.file)
    events: list[Any] = []
    for path in events_beside(file):
        found = jsontext.loads(read_event(path))
        if several(path) and not isinstance(found, list):
            raise EventUnreadable("this is no list of events", place=str(path), hint="write [EVENT, …]")
        events += found if several(path) else [found]
    source, defaults = file.read_text("utf-8"), workspace.project.settings.defaults
    return play_of(plan, events, lambda: SimulatedHarness([source], registry=registry, defaults=defaults))


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
