"""Alerts in the in-memory double."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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
from engine.store.records import Run
from engine.store.waits_memory import MemoryWaits


@dataclass(slots=True)
class AlertTables:
    """What would be in the file."""

    #: run, scenario, whether it is simulated, state, moment
    troubles: dict[int, tuple[int, str, bool, str, float]] = field(default_factory=dict)
    alerts: dict[int, Alert] = field(default_factory=dict)
    standings: dict[tuple[str, str, bool], Standing] = field(default_factory=dict)
    heard: dict[tuple[str, bool, float], int] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))


def _group(alert: Alert) -> tuple[object, ...]:
    return (alert.channel, alert.kind, alert.event, alert.scenario, alert.simulated)


class AlertChanges:
    """What each change does; see ``alerts_file.appliers``.

    :param put: sets a row so that it can be undone; ``remove`` likewise.
    :param dropped: deliveries of the transaction that turned out to be duplicates.
    """

    def __init__(
        self,
        tables: AlertTables,
        put: Callable[[dict[Any, Any], object, object], None],
        remove: Callable[[dict[Any, Any], object], None],
        dropped: set[tuple[int, str, int]],
    ) -> None:
        self._tables = tables
        self._put = put
        self._remove = remove
        self._dropped = dropped

    def appliers(self) -> Mapping[type, Callable[[Any], None]]:
        return {
            RaiseAlert: self._raise_alert,
            TryAlert: self._attempt,
            SettleAlert: self._settle,
            PruneAlerts: self._prune,
            DropTroubles: self._drop_troubles,
            PutStanding: lambda c: self._put(self._tables.standings, c.standing[:3], c.standing),
            DropStanding: lambda c: self._remove(self._tables.standings, (c.kind, c.scenario, c.simulated)),
            Heard: self._heard,
            DropHeard: self._drop_heard,
        }

    def _raise_alert(self, change: RaiseAlert) -> None:
        new = change.alert
        same = [alert for alert in self._tables.alerts.values() if _group(alert) == _group(new)]
        open_ = [
            alert
            for alert in same
            if alert.state == new.state
            and alert.attempts == 0
            and (alert.state == "waiting" or alert.first_at + change.every > new.first_at)
        ]
        if open_:
            for alert in open_:
                more = alert._replace(times=alert.times + new.times, last_at=new.last_at, detail=new.detail)
                self._put(self._tables.alerts, alert.id, more)
            return
        tried = [alert.first_at if alert.tried_at is None else alert.tried_at for alert in same]
        tried = [moment for moment in tried if moment <= new.first_at]
        due = max(new.first_at, max(tried) + change.every) if tried else new.first_at
        if new.id not in self._tables.alerts:
            self._put(self._tables.alerts, new.id, new._replace(due_at=due))

    def _attempt(self, change: TryAlert) -> None:
        alert = self._tables.alerts.get(change.id)
        if alert is not None and alert.state == "waiting":
            tried = change.at if alert.tried_at is None else alert.tried_at
            self._put(self._tables.alerts, alert.id, alert._replace(attempts=alert.attempts + 1, tried_at=tried))

    def _settle(self, change: SettleAlert) -> None:
        alert = self._tables.alerts.get(change.id)
        if alert is not None and alert.state == "waiting":
            ended = None if change.state == "waiting" else change.at
            settled = alert._replace(state=change.state, ended_at=ended, due_at=change.due_at, error=change.error)
            self._put(self._tables.alerts, alert.id, settled)

    def _prune(self, change: PruneAlerts) -> None:
        for alert in tuple(self._tables.alerts.values()):
            if alert.state != "waiting" and alert.last_at < change.before:
                self._remove(self._tables.alerts, alert.id)

    def _drop_troubles(self, change: DropTroubles) -> None:
        for number, row in tuple(self._tables.troubles.items()):
            if number <= change.upto and row[2] == change.simulated:
                self._remove(self._tables.troubles, number)

    def _heard(self, change: Heard) -> None:
        if change.delivery is None or change.delivery not in self._dropped:
            key = (change.scenario, change.simulated, change.at)
            self._put(self._tables.heard, key, self._tables.heard.get(key, 0) + 1)

    def _drop_heard(self, change: DropHeard) -> None:
        for key in tuple(self._tables.heard):
            if key[:2] == (change.scenario, change.simulated) and key[2] < change.before:
                self._remove(self._tables.heard, key)


class AlertsInMemory(ABC):
    """The questions about alerts to the double; see ``AlertReads``."""

    waits: MemoryWaits

    @abstractmethod
    def _alerts(self) -> tuple[AlertTables, Iterable[Run]]: ...

    async def troubles(self, simulated: bool, limit: int) -> Sequence[Trouble]:
        rows = sorted(self._alerts()[0].troubles.items())
        return [Trouble(number, *row[:2], *row[3:]) for number, row in rows if row[2] == simulated][:limit]

    async def alerts(self, limit: int, before: int | None = None) -> Sequence[Alert]:
        return [alert for alert in self._newest() if before is None or alert.id < before][:limit]

    async def alert(self, alert_id: int) -> Alert | None:
        return self._alerts()[0].alerts.get(alert_id)

    async def failed_alert(self) -> Alert | None:
        return next((alert for alert in self._newest() if alert.error is not None), None)

    async def due_alerts(
        self, now: float, limit: int, busy: Iterable[str] = (), far: float = math.inf
    ) -> Sequence[Alert]:
        due = [one for one in self._in_turn() if (one.due_at <= now or one.due_at > far) and one.channel not in busy]
        return sorted(due, key=lambda alert: (alert.due_at, alert.id))[:limit]

    async def next_alert(self) -> float | None:
        return min((alert.due_at for alert in self._in_turn()), default=None)

    def _in_turn(self) -> Iterable[Alert]:
        oldest: dict[tuple[object, ...], Alert] = {}
        for alert in self._newest():
            if alert.state == "waiting":
                oldest[alert.channel, alert.kind, alert.scenario, alert.simulated] = alert
        return oldest.values()

    async def standings(self) -> Sequence[Standing]:
        return [standing for _, standing in sorted(self._alerts()[0].standings.items())]

    async def heard(self, scenario: str, simulated: bool, after: float) -> int:
        rows = self._alerts()[0].heard.items()
        return sum(n for (name, kind, at), n in rows if (name, kind) == (scenario, simulated) and at > after)

    async def oldest_queued(self, simulated: bool) -> Waiting | None:
        found = (run for run in self._in("queued", simulated) if run.due_at is None and run.started_at is None)
        run = min(found, key=lambda run: run.id, default=None)
        return None if run is None else Waiting(run.id, run.scenario, run.created_at)

    async def oldest_in(self, state: str, simulated: bool) -> Waiting | None:
        found = (run for run in self._in(state, simulated) if run.due_at is None)
        run = min(found, key=lambda run: run.id, default=None)
        return None if run is None else Waiting(run.id, run.scenario, run.started_at or 0.0)

    async def overdue(self, state: str, simulated: bool, before: float) -> Waiting | None:
        found = [(run.due_at, run.id, run.scenario) for run in self._in(state, simulated) if run.due_at is not None]
        due, run_id, scenario = min(found, default=(before + 1, 0, ""))
        return Waiting(run_id, scenario, due) if due <= before else None

    async def stranded(self, simulated: bool, limit: int) -> Sequence[Waiting]:
        found = [run for run in self._in("waiting", simulated) if run.due_at is None]
        lost = [run for run in found if all(wait.state != "open" for wait in await self.waits.of_run(run.id))]
        return [Waiting(run.id, run.scenario, run.started_at or 0.0) for run in lost][:limit]

    async def open_counts(self, simulated: bool) -> Mapping[str, int]:
        open_ = ("queued", "gathering", "blocked", "running", "sleeping", "waiting", "held")
        runs = self._alerts()[1]
        return Counter(run.state for run in runs if run.state in open_ and run.simulated == simulated)

    async def running(self, simulated: bool) -> Mapping[int, int]:
        return {run.id: run.epoch for run in self._in("running", simulated)}

    def _newest(self) -> Sequence[Alert]:
        return sorted(self._alerts()[0].alerts.values(), key=lambda alert: alert.id, reverse=True)

    def _in(self, state: str, simulated: bool) -> Iterable[Run]:
        return (run for run in self._alerts()[1] if run.state == state and run.simulated == simulated)
