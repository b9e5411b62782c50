"""``engine schedules``: what the clock starts."""

from __future__ import annotations

import asyncio
from itertools import islice
from pathlib import Path
from typing import Any

import click

from engine.cli.console import note, print_json, table
from engine.cli.firing import SHOWN
from engine.cli.options import data_option, json_option
from engine.cli.session import Session
from engine.cli.workspace import Workspace
from engine.runtime.timekeeper import scheduled
from engine.scenario.plan import Scenario
from engine.scenario.timetables import moments, show_moment
from engine.store.schedules import Schedule


@click.command(epilog="\b\nExamples:\n  engine schedules\n  engine schedules scenarios/daily-summary --json")
@click.argument("paths", type=click.Path(exists=True, path_type=Path), nargs=-1, metavar="[PATH]...")
@json_option
@data_option
@click.pass_obj
def schedules(session: Session, paths: tuple[Path, ...]) -> None:
    """Show what the clock starts: last and next.

    LAST is the last moment that started a run; NEXT are the next three, in the schedule's time zone. A moment that is
    due and was not looked at yet, because no process executes the store, is the first of them.
    """
    workspace = Workspace.of(session, paths[0] if paths else None)
    plans = workspace.scenarios(workspace.registry(), paths, simulate=False, tolerant=True)
    plans = [plan for plan in plans if scheduled(plan) is not None]
    rows = asyncio.run(_rows(workspace, plans))
    if session.as_json:
        print_json(rows)
        return
    if not rows:
        note("no scenario has a schedule")
        return
    cells = [
        (row["scenario"], row["schedule"], row["timezone"], row["last"], ", ".join(row["next"]) or _why_never(row))
        for row in rows
    ]
    click.echo(table(cells, ("scenario", "schedule", "zone", "last", "next")))


async def _rows(workspace: Workspace, plans: list[Scenario]) -> list[dict[str, Any]]:
    async with workspace.store() as store:
        kept = {row.scenario: row for row in await store.schedules() if not row.simulated}
    now = workspace.clock.time()
    return [_row(plan, kept.get(plan.name), now) for plan in plans]


def _row(plan: Scenario, kept: Schedule | None, now: float) -> dict[str, Any]:
    trigger = scheduled(plan)
    assert trigger is not None
    timetable = trigger.timetable
    # under another timetable it begins anew
    own = kept if kept is not None and kept.timetable == str(timetable) else None
    coming = islice(moments(timetable, own.at if own is not None else now), SHOWN) if plan.active else ()
    return {
        "scenario": plan.name,
        "schedule": timetable.text,
        "timezone": timetable.zone,
        "missed": str(trigger.missed),
        "active": plan.active,
        "last": show_moment(own.tick, timetable.zone) if own is not None and own.tick is not None else None,
        "next": [show_moment(moment, timetable.zone) for moment in coming],
    }


def _why_never(row: dict[str, Any]) -> str:
    return "never again" if row["active"] else "not active"
