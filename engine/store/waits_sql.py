"""Waits in the SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from engine.store.changes import MoveRun
from engine.store.sql import queries
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

#: the state of a run whose branches all wait
WAITING = "waiting"
QUEUED = "queued"


def _wait(row: Sequence[Any]) -> Wait:
    values = (*row[:5], WaitState(row[5]), row[6], bool(row[7]), *row[8:])
    return Wait(*values)


def _signal(row: Sequence[Any]) -> Signal:
    values = (*row[:3], bool(row[3]), *row[4:])
    return Signal(*values)


class WaitWriter:
    """Applies the changes of waits, inside the caller's transaction.

    :param queue: applies the move of a run into the queue, told of its scenario.
    """

    def __init__(self, run: Callable[..., sqlite3.Cursor], queue: Callable[[MoveRun, str], None]) -> None:
        self._run = run
        self._sql = queries()
        self._queue = queue

    @property
    def handlers(self) -> Mapping[type, Callable[[Any], object]]:
        return {
            OpenWait: self._open,
            AnnounceWait: self._announce,
            AnswerWait: self._answer_change,
            TimeOutWait: self._time_out,
            TimeOutDue: self._time_out_due,
            CloseWaits: self._close,
            RecheckWaits: self._recheck,
            SendSignal: self._send,
            AddWaitSource: self._add_source,
        }

    def is_open(self, run_id: int, key: str) -> bool:
        found = self._find(run_id, key)
        return found is not None and found.state is WaitState.OPEN

    def _find(self, run_id: int, key: str) -> Wait | None:
        row = self._run(self._sql["wait"], (run_id, key)).fetchone()
        return None if row is None else _wait(row)

    def _put(self, wait: Wait) -> None:
        self._run(self._sql["put_wait"], wait)

    def _open(self, change: OpenWait) -> None:
        wait = change.wait
        before = self._find(wait.run_id, wait.key)
        if before is not None and before.state is WaitState.EARLY:
            wait = wait._replace(answer=before.answer, answered_at=before.answered_at, answered_by=before.answered_by)
        elif wait.kind == "signal" and (kept := self._kept(wait)):
            by = f"signal:{kept.id}"
            wait = wait._replace(answer=kept.data, answered_at=wait.opened_at, answered_by=by)
            self._run(self._sql["reach_signal"], (1, kept.id))
        if wait.answer is not None:
            wait = wait._replace(state=WaitState.ANSWERED)
            row = (WaitState.ANSWERED, wait.opened_at, wait.answer, wait.run_id, wait.key)
            self._run(self._sql["end_wait_record"], row)
        if wait.token is not None:
            self._run(self._sql["release_token"], (wait.token, wait.run_id, wait.key))
        self._put(wait)

    def _kept(self, wait: Wait) -> Signal | None:
        values = (wait.name, wait.match, wait.simulated, wait.opened_at)
        row = self._run(self._sql["kept_signal"], values).fetchone()
        return None if row is None else _signal(row)

    def _announce(self, change: AnnounceWait) -> None:
        before = self._find(change.wait.run_id, change.wait.key)
        if before is None or before.state is WaitState.ANNOUNCED:
            self._put(change.wait)

    def _answer_change(self, change: AnswerWait) -> None:
        found = self._find(change.run_id, change.key)
        if found is None:
            return
        if found.state is WaitState.ANNOUNCED:
            row = (WaitState.EARLY, change.answer, change.at, change.by, change.run_id, change.key)
            self._run(self._sql["end_wait"], row)
        elif found.state is WaitState.OPEN:
            self._end(change.run_id, change.key, WaitState.ANSWERED, change.at, change.answer, change.by)
            self._wake(found, change.at)

    def _end(
        self, run_id: int, key: str, state: WaitState, at: float, answer: bytes | None = None, by: str | None = None
    ) -> None:
        self._run(self._sql["end_wait"], (state, answer, at, by, run_id, key))
        self._run(self._sql["end_wait_record"], (state, at, answer, run_id, key))

    def _wake(self, wait: Wait, at: float) -> None:
        (state,) = (self._run(self._sql["run_state"], (wait.run_id,)).fetchone() or (None,))[:1]
        if state == WAITING:
            self._queue(MoveRun(wait.run_id, (WAITING,), QUEUED, at), wait.scenario)

    def _time_out(self, change: TimeOutWait) -> None:
        if self.is_open(change.run_id, change.key):
            self._end(change.run_id, change.key, WaitState.TIMED_OUT, change.at)

    def _time_out_due(self, change: TimeOutDue) -> None:
        rows = self._run(self._sql["waits_of_run"], (change.run_id,)).fetchall()
        for wait in map(_wait, rows):
            if wait.state is WaitState.OPEN and wait.due_at is not None and wait.due_at <= change.at:
                self._end(wait.run_id, wait.key, WaitState.TIMED_OUT, change.at)

    def _close(self, change: CloseWaits) -> None:
        rows = self._run(self._sql["waits_of_run"], (change.run_id,)).fetchall()
        for wait in map(_wait, rows):
            wanted = change.keys is None or wait.key in change.keys
            if wanted and wait.state in (WaitState.OPEN, WaitState.ANNOUNCED, WaitState.EARLY):
                self._end(wait.run_id, wait.key, WaitState.CLOSED, change.at)

    def _recheck(self, change: RecheckWaits) -> None:
        waits = [wait for key in change.keys if (wait := self._find(change.run_id, key))]
        if over := [wait for wait in waits if wait.state is not WaitState.OPEN]:
            self._wake(over[0], change.at)

    def _send(self, change: SendSignal) -> None:
        signal = change.signal
        self._run(self._sql["add_signal"], signal)
        values = ("signal", signal.name, signal.match, signal.simulated, AT_ONCE)
        reached = [_wait(row) for row in self._run(self._sql["open_waits"], values).fetchall()]
        for wait in reached:
            by = f"signal:{signal.id}"
            self._end(wait.run_id, wait.key, WaitState.ANSWERED, signal.sent_at, signal.data, by)
            self._wake(wait, signal.sent_at)
        if reached:
            self._run(self._sql["reach_signal"], (len(reached), signal.id))
        self._run(self._sql["drop_signals"], (signal.sent_at - SIGNAL_KEPT,))

    def _add_source(self, change: AddWaitSource) -> None:
        self._run(self._sql["add_wait_source"], change.source)


class SqliteWaits:
    """``engine.store.waits.WaitReads``.

    :param read: asks a question of the file, on the reader's thread.
    """

    def __init__(self, read: Callable[..., Awaitable[Any]]) -> None:
        self._read = read

    async def _all(self, name: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        def ask(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
            return db.execute(queries()[name], values).fetchall()

        found: list[tuple[Any, ...]] = await self._read(ask)
        return found

    async def get(self, run_id: int, key: str) -> Wait | None:
        return next(map(_wait, await self._all("wait", (run_id, key))), None)

    async def by_token(self, token: str) -> Wait | None:
        return next(map(_wait, await self._all("wait_by_token", (token,))), None)

    async def of_run(self, run_id: int) -> Sequence[Wait]:
        """All waits of a run, by key."""
        return [_wait(row) for row in await self._all("waits_of_run", (run_id,))]

    async def open(self, kind: str, name: str, match: str, simulated: bool, limit: int) -> Sequence[Wait]:
        """Open waits for one thing, the oldest run first."""
        return [_wait(row) for row in await self._all("open_waits", (kind, name, match, simulated, limit))]

    async def listed(self, kind: str, name: str | None, limit: int) -> Sequence[Wait]:
        """Some open waits of a kind, for anything of this name."""
        if name is None:
            return [_wait(row) for row in await self._all("open_waits_of_kind", (kind, limit))]
        return [_wait(row) for row in await self._all("open_waits_by_name", (kind, name, limit))]

    async def signal(self, signal_id: int) -> Signal | None:
        return next(map(_signal, await self._all("signal", (signal_id,))), None)

    async def sources(self) -> Sequence[WaitSource]:
        """What is read of events that runs wait for, or have waited for."""
        return [WaitSource(*row) for row in await self._all("wait_sources")]
