"""Group commit: one thread writes, in one transaction, all that gathered while it wrote the last one.

Two sides. The event loop's side gathers transactions and hands them over as a batch, one batch at a time; the
thread's side applies a batch, commits it with a full fsync, and reports back. While a batch is being written the next
one gathers, so the batches grow with the load and a lone writer waits for nobody.

A batch that cannot be committed breaks the store: everything that waits fails too, because it may rest on what was
lost.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from engine.sdk.errors import LostOwnership, StoreError
from engine.sdk.faults import Faults, SimulatedCrash
from engine.store.apply import Applier
from engine.store.changes import AS_ASKED, Change, Fate, Owner
from engine.store.moved import Files
from engine.store.thread import Thread
from engine.store.trouble import explain, is_of_values, refuse

#: changes, who writes them, who waits for them
Waiting = tuple[tuple[Change, ...], Owner | None, "asyncio.Future[Fate] | None"]
T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Outcome:
    """What became of a batch's transactions, as far as they were not just written."""

    refused: list[tuple[Waiting, LostOwnership | StoreError]] = field(default_factory=list)
    fates: list[tuple[Waiting, Fate]] = field(default_factory=list)


class Writer:
    """The one writer of a file.

    :param connect: opens the connection; called in the writer's thread.
    :param faults: passed at each step of a commit, in the writer's thread.
    """

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection], faults: Faults) -> None:
        self._path = path
        self._connect = connect
        self._faults = faults
        self._thread = Thread("store-writer")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[Waiting] = []
        self._busy = False
        self._quiet: list[asyncio.Future[None]] = []
        #: why nothing is written any more, until ``reopen``
        self.broken: StoreError | None = None
        self.crash: SimulatedCrash | None = None
        # the thread's own
        self._db: sqlite3.Connection | None = None
        self._applier: Applier | None = None
        self._files = Files(path)

    # --------------------------------------------------------- the event loop's side

    async def start(self) -> None:
        """Open the file and begin to write what waits. Raises ``StoreError``."""
        loop = asyncio.get_running_loop()
        await self.job(lambda _db: None)
        self._loop = loop
        if self._waiting:
            self._busy = True
            self._hand_over()

    def add(self, changes: tuple[Change, ...], owner: Owner | None, future: asyncio.Future[Fate] | None) -> None:
        """Put a transaction at the end of the queue."""
        if self.broken is not None:
            self._let_go(owner)
            if future is not None:
                future.set_exception(self.refusal())
            return
        self._waiting.append((changes, owner, future))
        if not self._busy and self._loop is not None:
            self._busy = True
            # not at once: what else this turn of the loop writes shall go along
            self._loop.call_soon(self._hand_over)

    def refusal(self) -> StoreError:
        """Why nothing is written now.

        Another error for each who is refused, or the traceback of one would grow by the frames of all.
        """
        assert self.broken is not None
        return StoreError(self.broken.message, place=self.broken.place, hint=self.broken.hint)

    async def job(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something with the connection between two batches. Raises ``StoreError``."""

        def guarded() -> T:
            try:
                return work(self._opened())
            except SimulatedCrash as crash:
                self._die(crash)
                raise
            except (sqlite3.Error, OSError) as error:
                self._roll_back()
                raise explain(self._path, error) from error

        return await self._thread.call(guarded)

    async def quiet(self) -> None:
        """Return when everything that waited is committed or has failed."""
        while self._busy:
            future = asyncio.get_running_loop().create_future()
            self._quiet.append(future)
            await future

    async def mend(self, prove: Callable[[sqlite3.Connection], None]) -> None:
        """Open the file anew and write again, if ``prove`` succeeds. Raises ``StoreError``."""
        await self._thread.call(self._close_file)
        await self.job(prove)
        self.broken = None

    async def stop(self) -> None:
        """Close the file and end the thread."""
        self._loop = None
        if self.crash is None:
            await self._thread.call(self._close_file)
        self._thread.stop()

    def _hand_over(self) -> None:
        batch, self._waiting = self._waiting, []
        self._thread.submit(partial(self._write, batch))

    def _committed(self, batch: list[Waiting], outcome: _Outcome) -> None:
        for (_, owner, future), error in outcome.refused:
            if future is not None:
                if not future.done():
                    future.set_exception(error)
            elif not isinstance(error, LostOwnership) and owner is None:
                # nobody waits for it and no owner will be told
                _log.error("a write was not kept: %s", error)
        for (_, _, future), fate in outcome.fates:
            if future is not None and not future.done():
                future.set_result(fate)
        for _, _, future in batch:
            if future is not None and not future.done():
                future.set_result(AS_ASKED)
        self._go_on()

    def _failed(self, batch: list[Waiting], error: StoreError) -> None:
        # first of all: whatever fails in what follows, nobody takes the store for whole
        self.broken = error
        _log.error("the store is broken: %s", error)
        gathered, self._waiting = self._waiting, []
        for _, owner, future in (*batch, *gathered):
            self._let_go(owner)
            if future is not None and not future.done():
                future.set_exception(self.refusal())
        self._go_on()

    def _go_on(self) -> None:
        if self._waiting:
            self._hand_over()
            return
        self._busy = False
        waiters, self._quiet = self._quiet, []
        for future in waiters:
            if not future.done():
                future.set_result(None)

    def _crashed(self, crash: SimulatedCrash) -> None:
        self.crash = crash
        for future in self._quiet:
            if not future.done():
                future.set_exception(crash)

    def _let_go(self, owner: Owner | None) -> None:
        if owner is not None and self._applier is not None:
            self._applier.let_go.add(owner.run_id)

    # --------------------------------------------------------- the thread's side

    def _write(self, batch: list[Waiting]) -> None:
        try:
            outcome = self._commit(batch)
        except SimulatedCrash as crash:
            self._die(crash)
            self._tell(self._crashed, crash)
        except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            self._roll_back()
            self._tell(self._failed, batch, explain(self._path, error))
        else:
            self._tell(self._committed, batch, outcome)

    def _commit(self, batch: list[Waiting]) -> _Outcome:
        self._faults.hit("store.begin")
        db, applier = self._opened(), self._applier
        assert applier is not None
        before = frozenset(applier.let_go)
        try:
            db.execute("begin immediate")
            applier.begin()
            outcome = _Outcome()
            for waiting in batch:
                try:
                    if (fate := applier.apply(waiting[0], waiting[1])) is not AS_ASKED:
                        outcome.fates.append((waiting, fate))
                except (LostOwnership, StoreError) as error:
                    outcome.refused.append((waiting, error))
                except Exception as error:
                    if not is_of_values(error):
                        raise
                    # what it changed before it failed must go, and nothing else: all again, each with a savepoint
                    applier.let_go.update(before)
                    applier.forget()
                    db.execute("rollback")
                    outcome = self._commit_each(db, applier, batch)
                    break
            self._faults.hit("store.commit")
            self._files.check()
            db.execute("commit")
        except BaseException:
            applier.let_go.update(before)
            applier.forget()
            raise
        self._faults.hit("store.committed")
        return outcome

    def _commit_each(self, db: sqlite3.Connection, applier: Applier, batch: list[Waiting]) -> _Outcome:
        outcome = _Outcome()
        db.execute("begin immediate")
        for waiting in batch:
            changes, owner, _ = waiting
            db.execute("savepoint one")
            try:
                if (fate := applier.apply(changes, owner)) is not AS_ASKED:
                    outcome.fates.append((waiting, fate))
            except (LostOwnership, StoreError) as error:
                outcome.refused.append((waiting, error))
            except Exception as error:
                if not is_of_values(error):
                    raise
                applier.forget()
                db.execute("rollback to one")
                if owner is not None:
                    applier.let_go.add(owner.run_id)
                outcome.refused.append((waiting, refuse(self._path, error)))
            db.execute("release one")
        return outcome

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            db = self._connect()
            try:
                self._files.opened()
            except BaseException:
                db.close()
                raise
            self._db = db
            let_go = self._applier.let_go if self._applier is not None else set()
            self._applier = Applier(self._db)
            self._applier.let_go = let_go
        return self._db

    def _roll_back(self) -> None:
        if self._db is not None and self._db.in_transaction:
            try:
                self._db.execute("rollback")
            except sqlite3.Error as error:
                # the file is opened anew before anything else is written
                _log.warning("could not roll back: %s", error)

    def _close_file(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def _die(self, crash: SimulatedCrash) -> None:
        self.crash = crash
        self._close_file()

    def _tell(self, callback: Callable[..., None], *arguments: object) -> None:
        loop = self._loop
        try:
            if loop is not None:
                loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError as error:
            # the loop was closed in the meantime, so nobody waits any more
            _log.debug("the event loop is gone: %s", error)
