"""The store's interface. Every backend passes ``tests/store/test_behaviour.py``."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from engine.store.alerts_reads import AlertReads
from engine.store.changes import Change, Fate, Owner
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
from engine.store.waits import WaitReads

if TYPE_CHECKING:
    from engine.store.tables import Tables

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Question(Protocol[T_co]):
    """Something that one room alone asks of the store, with an answer from each backend."""

    def of_file(self, db: sqlite3.Connection) -> T_co: ...

    def of_tables(self, tables: Tables) -> T_co: ...


class Store(AlertReads, Protocol):
    """Keeps what must outlive the process.

    Writes go through one queue in the order of the calls; many transactions share one commit with a full fsync.
    Reads see what is committed.

    When a commit fails (disk full, I/O error), the store is *broken*: that write, all that wait, and all later ones
    raise ``StoreError``, so that no later record can stand without an earlier one. ``reopen`` mends it; whoever
    holds a run in memory must let go of it and take it up again from the store. Owners who lost a write that way are
    refused with ``LostOwnership`` until a ``MoveRun`` without owner moves their run.

    A transaction whose own values cannot be kept (a row that exists already) fails alone, with ``StoreError``.
    """

    @property
    def broken(self) -> bool: ...

    @property
    def waits(self) -> WaitReads:
        """Questions about what runs wait for."""
        ...

    async def open(self) -> None:
        """Open or create, and migrate. Raises ``StoreError``, naming file and cause."""
        ...

    async def reopen(self) -> None:
        """Try to mend a broken store; raises ``StoreError`` while that fails."""
        ...

    async def close(self) -> None:
        """Commit what waits, and close."""
        ...

    def new_id(self) -> int:
        """An id that is larger than every id given out or stored before."""
        ...

    async def begin_epoch(self) -> int:
        """Start an executor session: its number is larger than all earlier ones, durably."""
        ...

    # ---------------------------------------------------------------- writing

    def put(self, *changes: Change, owner: Owner | None = None) -> asyncio.Future[Fate]:
        """Write the changes as one transaction; the future is done when they are durable.

        It gives what the transaction came to beyond what was asked.

        With ``owner``, the whole transaction is refused with ``LostOwnership`` unless the run is running in that
        epoch. Whoever needs durability awaits; whoever does not, uses ``ride``.
        """
        ...

    def ride(self, *changes: Change, owner: Owner | None = None) -> None:
        """As ``put``, for changes that go along with the next commit and nobody waits for.

        A failure breaks the store or shows at the owner's next ``put``; without an owner, values that cannot be
        kept are logged.
        """
        ...

    # ---------------------------------------------------------------- reading

    async def ask(self, question: Question[T]) -> T:
        """The answer to a question, from one state of the store."""
        ...

    async def run(self, run_id: int) -> Run | None: ...

    async def runs(self, wanted: RunFilter) -> Sequence[Run]:
        """Newest first."""
        ...

    async def run_counts(self) -> Mapping[str, int]:
        """Number of runs by state."""
        ...

    async def queued_scenarios(self, simulated: bool) -> Sequence[str]:
        """Scenarios with queued runs of this kind."""
        ...

    async def queued_runs(self, simulated: bool, shares: Mapping[str, int]) -> Sequence[Run]:
        """Queued runs of this kind: of each scenario so many at most, its oldest first."""
        ...

    async def due_runs(self, states: Sequence[str], simulated: bool, now: float, limit: int) -> Sequence[Run]:
        """Runs in these states, of this kind, whose ``due_at`` is not after ``now``, the earliest first."""
        ...

    async def started_since(self, scenario: str, moment: float) -> int:
        """How many runs of a scenario began after a moment, among the newest 20,000 runs of the store."""
        ...

    async def pasts(self, wanted: Sequence[Run]) -> Sequence[Past]:
        """What these runs remember, all at one moment: see ``Past``."""
        ...

    async def lane(self, run_id: int) -> Standing | None:
        """Where a run stands in its lane."""
        ...

    async def lane_holder(self, key: str) -> Standing | None:
        """The oldest run that has a place in a lane."""
        ...

    async def next_due(self, states: Sequence[str], simulated: bool) -> float | None:
        """The earliest ``due_at`` of the runs in these states."""
        ...

    async def due_held(self, simulated: bool, now: float, full: Sequence[str], limit: int) -> Sequence[Run]:
        """Held runs of this kind whose ``due_at`` is not after ``now``, due first before the others.

        :param full: scenarios whose runs are left out.
        """
        ...

    async def last_words(self, simulated: bool) -> Sequence[tuple[int, str, bytes | None]]:
        """Runs of this kind that were begun and are queued or running: id, scenario, the last word on it (JSON)."""
        ...

    async def orphans(self, epoch: int, simulated: bool) -> Sequence[Run]:
        """Runs in state ``running`` whose epoch is an earlier one, oldest first."""
        ...

    async def records(self, run_id: int) -> Sequence[Record]:
        """A run's journal, by position."""
        ...

    async def effects(self, wanted: EffectFilter) -> Sequence[EffectRecord]:
        """Newest run first; within a run by position. With ``run_id``, all of that run's."""
        ...

    async def effect_counts(self) -> Mapping[str, int]:
        """Number of effects by state."""
        ...

    async def effects_by_key(self, effect_key: str) -> Sequence[EffectRecord]:
        """All attempts of an effect, of whichever run, oldest first."""
        ...

    async def receipt(self, receipt_id: int) -> Receipt | None: ...

    async def receipts(self, wanted: ReceiptFilter) -> Sequence[Receipt]:
        """Newest first."""
        ...

    async def delivery(self, receipt_id: int, scenario: str, number: int) -> Delivery | None:
        """One event of a receipt for one scenario; a page of a poll has thousands."""
        ...

    async def deliveries(self, receipt_ids: Sequence[int]) -> Sequence[Delivery]:
        """All deliveries of these receipts, by receipt, scenario and number."""
        ...

    async def delivery_counts(self) -> Mapping[str, int]:
        """Number of deliveries by state, and of receipts under ``receipts``."""
        ...

    async def version(self, version: str) -> bytes | None:
        """The source of a scenario version."""
        ...

    async def webhooks(self) -> Sequence[Webhook]:
        """All tokens, the oldest first."""
        ...

    async def polls(self) -> Sequence[Poll]:
        """Where all polling triggers stand, by scenario, the real one before the simulated."""
        ...

    async def poll_items(self, scenario: str, simulated: bool) -> Sequence[PollItem]:
        """The records that a scenario's polling trigger has seen and must know again, by id."""
        ...

    async def schedules(self) -> Sequence[Schedule]:
        """Where all schedules stand, by scenario, the real one before the simulated."""
        ...

    async def gone_triggers(self) -> Mapping[str, float]:
        """Since when scenarios are not loaded whose triggers' standing is kept."""
        ...

    async def secrets(self) -> Mapping[str, bytes]:
        """All encrypted values by name."""
        ...

    async def refusals(self) -> tuple[Sequence[tuple[str, int, int]], Sequence[Refusal]]:
        """Counters (webhook, status, how many), and the last refused requests, newest first."""
        ...
