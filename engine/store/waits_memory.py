"""Waits in the in-memory double."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from engine.store.changes import MoveRun
from engine.store.waits import (
    AT_ONCE,
    SIGNAL_KEPT,
    AddWaitSource,
    AnnounceWait,
    AnswerWait,
    CloseWaits,
    OpenWait,
    RecheckWaits,
    SendSignal,
    Signal,
    TimeOutDue,
    TimeOutWait,
    Wait,
    WaitSource,
    WaitState,
)
from engine.store.waits_sql import QUEUED, WAITING

if TYPE_CHECKING:
    from engine.store.tables import Tables

_in_order = attrgetter("run_id", "key")


@dataclass(slots=True)
class WaitTables:
    """What would be in the file."""

    waits: dict[tuple[int, str], Wait] = field(default_factory=dict)
    signals: dict[int, Signal] = field(default_factory=dict)
    sources: dict[tuple[str, str], WaitSource] = field(default_factory=dict)


class MemoryWaitWriter:
    """Applies the changes of waits, as ``WaitWriter`` does.

    :param put: sets a row of a table so that it can be undone; ``drop`` removes one so.
    :param queue: applies the move of a run into the queue, told of its scenario.
    """

    def __init__(
        self,
        tables: Tables,
        put: Callable[[dict[Any, Any], object, object], None],
        drop: Callable[[dict[Any, Any], object], None],
        queue: Callable[[MoveRun, str], None],
    ) -> None:
        self._all = tables
        self._tables = tables.waiting
        self._set = put
        self._remove = drop
        self._queue = queue

    @property
    def handlers(self) -> Mapping[type, Callable[[Any], None]]:
        return {
            OpenWait: self._open,
            AnnounceWait: self._announce,
            AnswerWait: self._answer,
            TimeOutWait: self._time_out,
            TimeOutDue: self._time_out_due,
            CloseWaits: self._close,
            RecheckWaits: self._recheck,
            SendSignal: self._send,
            AddWaitSource: self._add_source,
        }

    def is_open(self, run_id: int, key: str) -> bool:
        found = self._tables.waits.get((run_id, key))
        return found is not None and found.state is WaitState.OPEN

    def _put(self, wait: Wait) -> None:
        self._set(self._tables.waits, (wait.run_id, wait.key), wait)

    def _open(self, change: OpenWait) -> None:
        wait = change.wait
        before = self._tables.waits.get((wait.run_id, wait.key))
        if before is not None and before.state is WaitState.EARLY:
            wait = wait._replace(answer=before.answer, answered_at=before.answered_at, answered_by=before.answered_by)
        elif wait.kind == "signal" and (kept := self._kept(wait)):
            by = f"signal:{kept.id}"
            wait = wait._replace(answer=kept.data, answered_at=wait.opened_at, answered_by=by)
            self._set(self._tables.signals, kept.id, kept._replace(reached=kept.reached + 1))
        if wait.answer is not None:
            wait = wait._replace(state=WaitState.ANSWERED)
            self._record(wait.run_id, wait.key, WaitState.ANSWERED, wait.opened_at, wait.answer)
        for other in list(self._tables.waits.values()) if wait.token is not None else []:
            if other.token == wait.token and (other.run_id, other.key) != (wait.run_id, wait.key):
                self._put(other._replace(token=None))
        self._put(wait)

    def _kept(self, wait: Wait) -> Signal | None:
        wanted = (wait.name, wait.match, wait.simulated)
        found = (
            signal
            for signal in self._tables.signals.values()
            if (signal.name, signal.match, signal.simulated) == wanted
            and signal.reached == 0
            and signal.until > wait.opened_at
        )
        return min(found, key=attrgetter("id"), default=None)

    def _announce(self, change: AnnounceWait) -> None:
        before = self._tables.waits.get((change.wait.run_id, change.wait.key))
        if before is None or before.state is WaitState.ANNOUNCED:
            self._put(change.wait)

    def _answer(self, change: AnswerWait) -> None:
        found = self._tables.waits.get((change.run_id, change.key))
        if found is None:
            return
        if found.state is WaitState.ANNOUNCED:
            early = found._replace(
                state=WaitState.EARLY, answer=change.answer, answered_at=change.at, answered_by=change.by
            )
            self._put(early)
        elif found.state is WaitState.OPEN:
            self._end(found, WaitState.ANSWERED, change.at, change.answer, change.by)
            self._wake(found, change.at)

    def _end(self, wait: Wait, state: WaitState, at: float, answer: bytes | None = None, by: str | None = None) -> None:
        self._put(wait._replace(state=state, answer=answer, answered_at=at, answered_by=by))
        self._record(wait.run_id, wait.key, state, at, answer)

    def _record(self, run_id: int, key: str, state: WaitState, at: float, answer: bytes | None) -> None:
        record = self._all.journal.get((run_id, key))
        if record is not None and record.kind == "waiting":
            output = record.output if answer is None else answer
            ended = record._replace(kind=state.value, at=at, output=output)
            self._set(self._all.journal, (run_id, key), ended)

    def _wake(self, wait: Wait, at: float) -> None:
        run = self._all.runs.get(wait.run_id)
        if run is not None and run.state == WAITING:
            self._queue(MoveRun(wait.run_id, (WAITING,), QUEUED, at), wait.scenario)

    def _time_out(self, change: TimeOutWait) -> None:
        if self.is_open(change.run_id, change.key):
            self._end(self._tables.waits[change.run_id, change.key], WaitState.TIMED_OUT, change.at)

    def _time_out_due(self, change: TimeOutDue) -> None:
        for wait in [wait for wait in self._tables.waits.values() if wait.run_id == change.run_id]:
            if wait.state is WaitState.OPEN and wait.due_at is not None and wait.due_at <= change.at:
                self._end(wait, WaitState.TIMED_OUT, change.at)

    def _close(self, change: CloseWaits) -> None:
        for wait in sorted(self._tables.waits.values(), key=_in_order):
            wanted = wait.run_id == change.run_id and (change.keys is None or wait.key in change.keys)
            if wanted and wait.state in (WaitState.OPEN, WaitState.ANNOUNCED, WaitState.EARLY):
                self._end(wait, WaitState.CLOSED, change.at)

    def _recheck(self, change: RecheckWaits) -> None:
        waits = [wait for key in change.keys if (wait := self._tables.waits.get((change.run_id, key)))]
        if over := [wait for wait in waits if wait.state is not WaitState.OPEN]:
            self._wake(over[0], change.at)

    def _send(self, change: SendSignal) -> None:
        signal = self._tables.signals.get(change.signal.id, change.signal)
        found = open_waits(self._tables, "signal", signal.name, signal.match, signal.simulated)
        reached = sorted(found, key=_in_order)[:AT_ONCE]
        for wait in reached:
            self._end(wait, WaitState.ANSWERED, signal.sent_at, signal.data, f"signal:{signal.id}")
            self._wake(wait, signal.sent_at)
        self._set(self._tables.signals, signal.id, signal._replace(reached=signal.reached + len(reached)))
        for old in [s for s in self._tables.signals.values() if s.until < signal.sent_at - SIGNAL_KEPT]:
            self._remove(self._tables.signals, old.id)

    def _add_source(self, change: AddWaitSource) -> None:
        key = (change.source.source, change.source.id)
        if key not in self._tables.sources:
            self._set(self._tables.sources, key, change.source)


def open_waits(
    tables: WaitTables, kind: str, name: str | None = None, match: str | None = None, simulated: bool | None = None
) -> list[Wait]:
    """Open waits, of what is given."""
    return [
        wait
        for wait in tables.waits.values()
        if wait.state is WaitState.OPEN
        and wait.kind == kind
        and name in (None, wait.name)
        and match in (None, wait.match)
        and simulated in (None, wait.simulated)
    ]


class MemoryWaits:
    """``engine.store.waits.WaitReads``.

    :param usable: raises where the store is not open.
    """

    def __init__(self, usable: Callable[[], None], tables: WaitTables) -> None:
        self._usable = usable
        self._tables = tables

    async def get(self, run_id: int, key: str) -> Wait | None:
        self._usable()
        return self._tables.waits.get((run_id, key))

    async def by_token(self, token: str) -> Wait | None:
        self._usable()
        return next((wait for wait in self._tables.waits.values() if wait.token == token), None)

    async def of_run(self, run_id: int) -> Sequence[Wait]:
        """All waits of a run, by key."""
        self._usable()
        return sorted((wait for wait in self._tables.waits.values() if wait.run_id == run_id), key=_in_order)

    async def open(self, kind: str, name: str, match: str, simulated: bool, limit: int) -> Sequence[Wait]:
        """Open waits for one thing, the oldest run first."""
        self._usable()
        return sorted(open_waits(self._tables, kind, name, match, simulated), key=_in_order)[:limit]

    async def listed(self, kind: str, name: str | None, limit: int) -> Sequence[Wait]:
        """Some open waits of a kind, for anything of this name."""
        self._usable()
        return open_waits(self._tables, kind, name)[:limit]

    async def signal(self, signal_id: int) -> Signal | None:
        self._usable()
        return self._tables.signals.get(signal_id)

    async def sources(self) -> Sequence[WaitSource]:
        """What is read of events that runs wait for, or have waited for."""
        self._usable()
        return [source for _, source in sorted(self._tables.sources.items())]
