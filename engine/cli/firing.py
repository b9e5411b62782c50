"""When a schedule fires, in words."""

from __future__ import annotations

from collections.abc import Sequence

import click

from engine.cli.console import bold, dim, note, print_json
from engine.scenario.plan import Scenario, Scheduled
from engine.scenario.timetables import show_moment

#: how many of the next moments are shown
SHOWN = 3


def shown(trigger: Scheduled, coming: Sequence[float]) -> str:
    """The next moments, in the schedule's time zone."""
    return ", ".join(show_moment(moment, trigger.timetable.zone) for moment in coming) or "never again"


def invite(plan: Scenario, trigger: Scheduled, coming: Sequence[float], *, as_json: bool) -> None:
    """Say what is waited for."""
    if as_json:
        print_json({"next": [show_moment(moment, trigger.timetable.zone) for moment in coming]}, line=True)
    else:
        click.echo(f"{bold(plan.name)} ({trigger.timetable}) fires {shown(trigger, coming)}")
    note(dim("--now runs it once and at once, in place of waiting"))
    note(dim("Ctrl-C stops; a run that is not through by then goes on at the next start"))


def say_next(trigger: Scheduled, coming: Sequence[float]) -> None:
    """Say when it fires next."""
    note(dim(f"next: {shown(trigger, coming)}"))
