"""Alerts in the SQLite file: how their changes are applied, and the questions about them."""

from __future__ import annotations

import math
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from engine.sdk import jsontext
from engine.store.alerts_rows import (
    Alert,
    DropHeard,
    DropStanding,
    DropTroubles,
    Heard,
    PruneAlerts,
    PutStanding,
    RaiseAlert,
    SettleAlert,
    Standing,
    Trouble,
    TryAlert,
    Waiting,
)
from engine.store.sql import queries

P = ParamSpec("P")
T = TypeVar("T")

_LARGEST = 2**63 - 1


class _Run(Protocol):
    def __call__(self, sql: str, values: Any = ..., /) -> sqlite3.Cursor: ...


def appliers(run: _Run, dropped: set[tuple[int, str, int]]) -> Mapping[type, Callable[[Any], object]]:
    """What each change does, through the cursor of a batch.

    :param dropped: deliveries of the transaction that turned out to be duplicates.
    """
    sql = queries()

    def raise_alert(change: RaiseAlert) -> None:
        alert = change.alert
        group = (alert.channel, alert.kind, alert.event, alert.scenario, alert.simulated)
        if run(sql["count_alert"], {**alert._asdict(), "every": change.every}).rowcount:
            return
        (last,) = run(sql["last_try"], (*group, alert.first_at)).fetchone()
        due = alert.first_at if last is None else max(alert.first_at, last + change.every)
        run(sql["add_alert"], alert._replace(due_at=due))

    def settle(change: SettleAlert) -> None:
        ended = None if change.state == "waiting" else change.at
        values = {"id": change.id, "state": change.state, "due_at": change.due_at, "error": change.error}
        run(sql["settle_alert"], {**values, "ended_at": ended})

    def heard(change: Heard) -> None:
        if change.delivery is None or change.delivery not in dropped:
            run(sql["add_heard"], (change.scenario, change.simulated, change.at))

    return {
        RaiseAlert: raise_alert,
        SettleAlert: settle,
        Heard: heard,
        TryAlert: lambda c: run(sql["try_alert"], {"id": c.id, "at": c.at}),
        PruneAlerts: lambda c: run(sql["prune_alerts"], (c.before,)),
        DropTroubles: lambda c: run(sql["drop_troubles"], (c.simulated, c.upto)),
        PutStanding: lambda c: run(sql["put_standing"], c.standing),
        DropStanding: lambda c: run(sql["drop_standing"], (c.kind, c.scenario, c.simulated)),
        DropHeard: lambda c: run(sql["drop_heard"], (c.scenario, c.simulated, c.before)),
    }


def _alert(row: tuple[Any, ...]) -> Alert:
    values = (*row[:5], bool(row[5]), *row[6:])
    return Alert(*values)


def _troubles(db: sqlite3.Connection, simulated: bool, limit: int) -> Sequence[Trouble]:
    return [Trouble(*row) for row in db.execute(queries()["troubles"], (simulated, limit))]


def _alerts(db: sqlite3.Connection, limit: int, before: int | None) -> Sequence[Alert]:
    return [_alert(row) for row in db.execute(queries()["alerts"], (_LARGEST if before is None else before, limit))]


def _alert_of(db: sqlite3.Connection, name: str, values: tuple[Any, ...]) -> Alert | None:
    row = db.execute(queries()[name], values).fetchone()
    return None if row is None else _alert(row)


def _due(db: sqlite3.Connection, now: float, limit: int, busy: Iterable[str], far: float) -> Sequence[Alert]:
    values = {"now": now, "limit": limit, "busy": jsontext.dumps(sorted(busy)).decode(), "far": far}
    return [_alert(row) for row in db.execute(queries()["due_alerts"], values)]


def _next(db: sqlite3.Connection) -> float | None:
    moment: float | None = db.execute(queries()["next_alert"]).fetchone()[0]
    return moment


def _heard(db: sqlite3.Connection, scenario: str, simulated: bool, after: float) -> int:
    return int(db.execute(queries()["heard"], (scenario, simulated, after)).fetchone()[0])


def _standings(db: sqlite3.Connection) -> Sequence[Standing]:
    return [Standing(row[0], row[1], bool(row[2]), *row[3:]) for row in db.execute(queries()["standings"])]


def _waiting(db: sqlite3.Connection, name: str, values: tuple[Any, ...]) -> Waiting | None:
    row = db.execute(queries()[name], values).fetchone()
    return None if row is None else Waiting(*row)


def _stranded(db: sqlite3.Connection, simulated: bool, limit: int) -> Sequence[Waiting]:
    return [Waiting(*row) for row in db.execute(queries()["stranded_runs"], (simulated, limit))]


def _running(db: sqlite3.Connection, simulated: bool) -> Mapping[int, int]:
    return dict(db.execute(queries()["running_runs"], (simulated,)).fetchall())


def _open_counts(db: sqlite3.Connection, simulated: bool) -> Mapping[str, int]:
    return dict(db.execute(queries()["open_counts"], (simulated,)).fetchall())


class AlertsInFile(ABC):
    """The questions about alerts to a SQLite file; see ``AlertReads``."""

    @abstractmethod
    async def _read(
        self, ask: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T: ...

    async def troubles(self, simulated: bool, limit: int) -> Sequence[Trouble]:
        return await self._read(_troubles, simulated, limit)

    async def alerts(self, limit: int, before: int | None = None) -> Sequence[Alert]:
        return await self._read(_alerts, limit, before)

    async def alert(self, alert_id: int) -> Alert | None:
        return await self._read(_alert_of, "alert", (alert_id,))

    async def failed_alert(self) -> Alert | None:
        return await self._read(_alert_of, "failed_alert", ())

    async def due_alerts(
        self, now: float, limit: int, busy: Iterable[str] = (), far: float = math.inf
    ) -> Sequence[Alert]:
        return await self._read(_due, now, limit, busy, far)

    async def next_alert(self) -> float | None:
        return await self._read(_next)

    async def standings(self) -> Sequence[Standing]:
        return await self._read(_standings)

    async def heard(self, scenario: str, simulated: bool, after: float) -> int:
        return await self._read(_heard, scenario, simulated, after)

    async def oldest_queued(self, simulated: bool) -> Waiting | None:
        return await self._read(_waiting, "oldest_queued", (simulated,))

    async def oldest_in(self, state: str, simulated: bool) -> Waiting | None:
        return await self._read(_waiting, "oldest_in", (state, simulated))

    async def overdue(self, state: str, simulated: bool, before: float) -> Waiting | None:
        return await self._read(_waiting, "overdue_runs", (state, simulated, before))

    async def stranded(self, simulated: bool, limit: int) -> Sequence[Waiting]:
        return await self._read(_stranded, simulated, limit)

    async def open_counts(self, simulated: bool) -> Mapping[str, int]:
        return await self._read(_open_counts, simulated)

    async def running(self, simulated: bool) -> Mapping[int, int]:
        return await self._read(_running, simulated)
