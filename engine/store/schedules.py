"""Where schedules stand, and which triggers belong to scenarios that are gone: rows, changes, questions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from engine.store.sql import queries


@dataclass(frozen=True, slots=True)
class Schedule:
    """Where a scenario's schedule stands.

    :param timetable: the schedule as text; under another one it begins anew.
    :param at: up to which moment, this one included, its moments are accounted for.
    :param tick: the last moment that an event was made for; None: none yet.
    """

    scenario: str
    simulated: bool
    timetable: str
    at: float
    tick: float | None = None


@dataclass(frozen=True, slots=True)
class PutSchedule:
    """Says where a scenario's schedule stands now."""

    schedule: Schedule


@dataclass(frozen=True, slots=True)
class DropSchedule:
    """Forgets where a scenario's schedule stands."""

    scenario: str
    simulated: bool


@dataclass(frozen=True, slots=True)
class MarkGone:
    """Notes since when a scenario is not loaded; None: it is."""

    scenario: str
    since: float | None


@dataclass(frozen=True, slots=True)
class ForgetTrigger:
    """Forgets where the triggers of a scenario stand, real and simulated, and that it is gone."""

    scenario: str


ScheduleChange = PutSchedule | DropSchedule | MarkGone | ForgetTrigger


# ---------------------------------------------------------------------- the file


def on_file(run: Callable[[str, tuple[Any, ...]], object]) -> dict[type, Callable[[Any], object]]:
    """What each change does to the file.

    :param run: executes a statement.
    """
    sql = queries()

    def put(change: PutSchedule) -> None:
        s = change.schedule
        run(sql["put_schedule"], (s.scenario, s.simulated, s.timetable, s.at, s.tick))

    def drop(change: DropSchedule) -> None:
        run(sql["drop_schedule"], (change.scenario, change.simulated))

    def mark(change: MarkGone) -> None:
        if change.since is None:
            run(sql["drop_gone_trigger"], (change.scenario,))
        else:
            run(sql["put_gone_trigger"], (change.scenario, change.since))

    def forget(change: ForgetTrigger) -> None:
        for name in ("forget_schedules", "forget_polls", "forget_poll_items", "drop_gone_trigger"):
            run(sql[name], (change.scenario,))

    return {PutSchedule: put, DropSchedule: drop, MarkGone: mark, ForgetTrigger: forget}


def schedules(db: sqlite3.Connection) -> Sequence[Schedule]:
    """Where all schedules stand."""
    return [Schedule(row[0], bool(row[1]), *row[2:]) for row in db.execute(queries()["schedules"])]


def gone_triggers(db: sqlite3.Connection) -> Mapping[str, float]:
    """Since when scenarios are not loaded."""
    return dict(db.execute(queries()["gone_triggers"]).fetchall())


# ---------------------------------------------------------------------- the double in memory


class _Rows(Protocol):
    schedules: dict[tuple[str, bool], Schedule]
    gone_triggers: dict[str, float]
    polls: dict[tuple[str, bool], Any]
    poll_items: dict[tuple[str, bool, str], Any]


def in_memory(
    tables: _Rows, put: Callable[[dict[Any, Any], object, object], None], drop: Callable[[dict[Any, Any], object], None]
) -> dict[type, Callable[[Any], None]]:
    """What each change does to the tables in memory.

    :param put: sets a row so that it can be undone.
    :param drop: removes one likewise.
    """

    def put_schedule(change: PutSchedule) -> None:
        put(tables.schedules, (change.schedule.scenario, change.schedule.simulated), change.schedule)

    def drop_schedule(change: DropSchedule) -> None:
        drop(tables.schedules, (change.scenario, change.simulated))

    def mark(change: MarkGone) -> None:
        if change.since is None:
            drop(tables.gone_triggers, change.scenario)
        else:
            put(tables.gone_triggers, change.scenario, change.since)

    def forget(change: ForgetTrigger) -> None:
        rows: tuple[dict[Any, Any], ...] = (tables.schedules, tables.polls, tables.poll_items)
        for table in rows:
            for key in [key for key in table if key[0] == change.scenario]:
                drop(table, key)
        drop(tables.gone_triggers, change.scenario)

    return {PutSchedule: put_schedule, DropSchedule: drop_schedule, MarkGone: mark, ForgetTrigger: forget}
