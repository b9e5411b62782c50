"""The store in a SQLite file: the default."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from engine.sdk.clock import Clock
from engine.sdk.errors import StoreError
from engine.sdk.faults import NO_FAULTS, Faults, SimulatedCrash
from engine.store import reads, schedules
from engine.store.alerts_file import AlertsInFile
from engine.store.changes import Change, Fate, Owner
from engine.store.file import alone, claim, connect, create, migrate
from engine.store.ids import IdSource
from engine.store.interface import Question
from engine.store.lanes import Standing
from engine.store.records import (
    Delivery,
    EffectFilter,
    EffectRecord,
    Past,
    Poll,
    PollItem,
    Receipt,
    ReceiptFilter,
    Record,
    Refusal,
    Run,
    RunFilter,
    Webhook,
)
from engine.store.schedules import Schedule
from engine.store.sql import queries
from engine.store.trouble import explain
from engine.store.waits_sql import SqliteWaits
from engine.store.writer import Writer

P = ParamSpec("P")
T = TypeVar("T")


class SqliteStore(AlertsInFile):
    """``engine.store.interface.Store`` in one file.

    Two connections, each with a thread of its own: one writes (see ``writer.py``), one reads. Other processes may have
    the same file open, to read and for short writes.

    :param path: the file; it and its folder are made when they are not there, for this user only.
    :param clock: where the time in ids comes from.
    :param faults: where tests make a commit fail.
    :param vfs: name of a registered SQLite VFS to open the file with; None: the system's.
    :param environment: the environment that the file is opened for, "" for none of them; whoever opens it first decides
        whose it is. None: it is not asked.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        faults: Faults = NO_FAULTS,
        vfs: str | None = None,
        environment: str | None = None,
    ) -> None:
        self._path = path
        self._environment = environment
        self._clock = clock
        self._faults = faults
        self._vfs = vfs
        self._writer = Writer(path, self._open_file, faults)
        self._reader = ThreadPoolExecutor(1, "store-reader")
        self._reading: sqlite3.Connection | None = None
        self._ids: IdSource | None = None
        self._closed = False
        self._mending = asyncio.Lock()
        #: questions about waits
        self.waits = SqliteWaits(self._read)

    @property
    def broken(self) -> bool:
        """Whether writes fail until ``reopen``."""
        return self._writer.broken is not None or self._writer.crash is not None

    async def open(self) -> None:
        """Open or create, and migrate. Raises ``StoreError``; ``WrongEnvironment``: it is another environment's."""
        try:
            await self._on_reader(lambda: create(self._path))
            await self._writer.start()
            if (environment := self._environment) is not None:
                await self._writer.job(lambda db: claim(db, self._path, environment))
        except BaseException:
            await self.close()
            raise
        largest = await self._writer.job(lambda db: int(db.execute(queries()["largest_id"]).fetchone()[0]))
        # processes that share the file start each millisecond at a number of their own, or their ids would meet
        spread = os.getpid() * 0x9E3779B1 % 2**20
        self._ids = IdSource(largest, self._clock.time, spread)

    async def reopen(self) -> None:
        """Try to mend a broken store; raises ``StoreError`` while that fails."""
        self._alive()
        async with self._mending:
            if self._writer.broken is not None:
                await self._on_reader(self._close_reading)
                await self._writer.mend(self._prove)

    async def close(self) -> None:
        """Commit what waits, and close. After a simulated crash it only lets go of the file."""
        if self._closed:
            return
        if self._writer.crash is None and self._ids is not None:
            # it may come to a simulated crash while what waits is committed
            with suppress(SimulatedCrash):
                await self._writer.quiet()
        self._closed = True
        await self._on_reader(self._close_reading)
        self._reader.shutdown(wait=False)
        await self._writer.stop()

    def new_id(self) -> int:
        """An id that is larger than every id given out or stored before. Raises ``StoreError`` before ``open``."""
        self._alive()
        if self._ids is None:
            raise self._unusable()
        return self._ids()

    async def begin_epoch(self) -> int:
        """Start an executor session: its number is larger than all earlier ones, durably. Raises ``StoreError``."""
        self._alive()
        if self._writer.broken is not None:
            raise self._writer.refusal()
        if self._ids is None or self._closed:
            raise self._unusable()
        at = self._clock.time()

        def begin(db: sqlite3.Connection) -> int:
            # a statement by itself is a transaction of its own
            return db.execute(queries()["add_epoch"], (at,)).lastrowid or 0

        return await self._writer.job(begin)

    # ---------------------------------------------------------------- writing

    def put(self, *changes: Change, owner: Owner | None = None) -> asyncio.Future[Fate]:
        """Write the changes as one transaction; the future is done when they are durable."""
        self._alive()
        future: asyncio.Future[Fate] = asyncio.get_running_loop().create_future()
        if self._closed:
            future.set_exception(self._unusable())
        else:
            self._writer.add(changes, owner, future)
        return future

    def ride(self, *changes: Change, owner: Owner | None = None) -> None:
        """As ``put``, for changes that go along with the next commit and nobody waits for."""
        self._alive()
        if not self._closed:
            self._writer.add(changes, owner, None)

    # ---------------------------------------------------------------- reading

    async def ask(self, question: Question[T]) -> T:
        """The answer to a question, from one state of the store."""
        return await self._read(question.of_file)

    async def run(self, run_id: int) -> Run | None:
        return await self._read(reads.run, run_id)

    async def runs(self, wanted: RunFilter) -> Sequence[Run]:
        """Newest first."""
        return await self._read(reads.runs, wanted)

    async def run_counts(self) -> Mapping[str, int]:
        """Number of runs by state."""
        return await self._read(reads.run_counts)

    async def queued_scenarios(self, simulated: bool) -> Sequence[str]:
        """Scenarios with queued runs of this kind."""
        return await self._read(reads.queued_scenarios, simulated)

    async def queued_runs(self, simulated: bool, shares: Mapping[str, int]) -> Sequence[Run]:
        """Queued runs of this kind: of each scenario so many at most, its oldest first."""
        return await self._read(reads.queued_runs, simulated, shares)

    async def due_runs(self, states: Sequence[str], simulated: bool, now: float, limit: int) -> Sequence[Run]:
        """Runs in these states, of this kind, whose ``due_at`` is not after ``now``, the earliest first."""
        return await self._read(reads.due_runs, states, simulated, now, limit)

    async def started_since(self, scenario: str, moment: float) -> int:
        """How many runs of a scenario began after a moment, among the newest 20,000 runs of the store."""
        return await self._read(reads.started_since, scenario, moment)

    async def pasts(self, wanted: Sequence[Run]) -> Sequence[Past]:
        """What there is of these runs, all at one moment."""
        return await self._read(reads.pasts, wanted)

    async def lane(self, run_id: int) -> Standing | None:
        """Where a run stands in its lane."""
        return await self._read(reads.lane, run_id)

    async def lane_holder(self, key: str) -> Standing | None:
        """The oldest run that has a place in a lane."""
        return await self._read(reads.lane_holder, key)

    async def next_due(self, states: Sequence[str], simulated: bool) -> float | None:
        """The earliest ``due_at`` of the runs in these states."""
        return await self._read(reads.next_due, states, simulated)

    async def due_held(self, simulated: bool, now: float, full: Sequence[str], limit: int) -> Sequence[Run]:
        """Held runs of this kind whose ``due_at`` is not after ``now``, due first before the others."""
        return await self._read(reads.due_held, simulated, now, full, limit)

    async def last_words(self, simulated: bool) -> Sequence[tuple[int, str, bytes | None]]:
        """Runs of this kind that were begun and are queued or running: id, scenario, the last word on it (JSON)."""
        return await self._read(reads.last_words, simulated)

    async def orphans(self, epoch: int, simulated: bool) -> Sequence[Run]:
        """Runs in state ``running`` whose epoch is an earlier one, oldest first."""
        return await self._read(reads.orphans, epoch, simulated)

    async def records(self, run_id: int) -> Sequence[Record]:
        """A run's journal, by position."""
        return await self._read(reads.records, run_id)

    async def effects(self, wanted: EffectFilter) -> Sequence[EffectRecord]:
        """Newest run first; within a run by position."""
        return await self._read(reads.effects, wanted)

    async def effect_counts(self) -> Mapping[str, int]:
        """Number of effects by state."""
        return await self._read(reads.effect_counts)

    async def effects_by_key(self, effect_key: str) -> Sequence[EffectRecord]:
        """All attempts of an effect, of whichever run, oldest first."""
        return await self._read(reads.effects_by_key, effect_key)

    async def receipt(self, receipt_id: int) -> Receipt | None:
        return await self._read(reads.receipt, receipt_id)

    async def receipts(self, wanted: ReceiptFilter) -> Sequence[Receipt]:
        """Newest first."""
        return await self._read(reads.receipts, wanted)

    async def delivery(self, receipt_id: int, scenario: str, number: int) -> Delivery | None:
        return await self._read(reads.delivery, receipt_id, scenario, number)

    async def deliveries(self, receipt_ids: Sequence[int]) -> Sequence[Delivery]:
        """All deliveries of these receipts, by receipt, scenario and number."""
        return await self._read(reads.deliveries, receipt_ids)

    async def delivery_counts(self) -> Mapping[str, int]:
        """Number of deliveries by state, and of receipts under ``receipts``."""
        return await self._read(reads.delivery_counts)

    async def version(self, version: str) -> bytes | None:
        """The source of a scenario version."""
        return await self._read(reads.version, version)

    async def webhooks(self) -> Sequence[Webhook]:
        """All tokens, the oldest first."""
        return await self._read(reads.webhooks)

    async def polls(self) -> Sequence[Poll]:
        """Where all polling triggers stand, by scenario, the real one before the simulated."""
        return await self._read(reads.polls)

    async def poll_items(self, scenario: str, simulated: bool) -> Sequence[PollItem]:
        """The records that a scenario's polling trigger has seen and must know again, by id."""
        return await self._read(reads.poll_items, scenario, simulated)

    async def schedules(self) -> Sequence[Schedule]:
        """Where all schedules stand, by scenario, the real one before the simulated."""
        return await self._read(schedules.schedules)

    async def gone_triggers(self) -> Mapping[str, float]:
        """Since when scenarios are not loaded whose triggers' standing is kept."""
        return await self._read(schedules.gone_triggers)

    async def secrets(self) -> Mapping[str, bytes]:
        """All encrypted values by name."""
        return await self._read(reads.secrets)

    async def refusals(self) -> tuple[Sequence[tuple[str, int, int]], Sequence[Refusal]]:
        """Counters (webhook, status, how many), and the last refused requests, newest first."""
        return await self._read(reads.refusals)

    # ---------------------------------------------------------------- inside

    async def _read(self, ask: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        self._alive()
        if self._ids is None or self._closed:
            raise self._unusable()

        def read() -> T:
            try:
                if self._reading is None:
                    self._reading = connect(self._path, self._vfs, writer=False)
                db = self._reading
                # one answer may take several statements; they see one state of the file
                db.execute("begin")
                try:
                    return ask(db, *args, **kwargs)
                finally:
                    if db.in_transaction:
                        db.execute("rollback")
            except (sqlite3.Error, OSError) as error:
                raise explain(self._path, error) from error

        return await self._on_reader(read)

    async def _on_reader(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reader, work)

    def _close_reading(self) -> None:
        db, self._reading = self._reading, None
        if db is not None:
            db.close()

    def _open_file(self) -> sqlite3.Connection:
        # never made here: a store whose file went away while it was open is broken, not new
        with alone(self._path.parent):
            db = connect(self._path, self._vfs, writer=True)
            try:
                migrate(db, self._path)
            except BaseException:
                db.close()
                raise
            return db

    def _prove(self, db: sqlite3.Connection) -> None:
        # After a failed fsync the log may hold frames that look whole and are not on the disk. Everything is copied
        # into the database and synced there, so that what comes next does not rest on them.
        busy, _, _ = db.execute("pragma wal_checkpoint(truncate)").fetchone()
        if busy:
            raise StoreError(
                "another process keeps the store busy, so that it cannot be mended",
                place=str(self._path),
                hint="the engine tries again by itself",
            )
        self._faults.hit("store.begin")
        db.execute("begin immediate")
        db.execute(queries()["prove"], (self._clock.time(),))
        self._faults.hit("store.commit")
        db.execute("commit")
        self._faults.hit("store.committed")

    def _alive(self) -> None:
        if self._writer.crash is not None:
            raise SimulatedCrash(*self._writer.crash.args)

    def _unusable(self) -> StoreError:
        state = "closed" if self._closed else "not open"
        return StoreError(f"the store is {state}", place=str(self._path), hint="open it first")
