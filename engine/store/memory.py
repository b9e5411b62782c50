"""The store's double in memory, for tests: the same behaviour, no file, and a crash at will."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

from engine.sdk.clock import Clock
from engine.sdk.errors import LostOwnership, StoreError
from engine.sdk.faults import NO_FAULTS, Faults, SimulatedCrash
from engine.store.alerts_memory import AlertsInMemory, AlertTables
from engine.store.apply import RUNNING, lost
from engine.store.changes import AS_ASKED, Change, Fate, MoveRun, Owner
from engine.store.folds import spans, within
from engine.store.ids import IdSource
from engine.store.interface import Question
from engine.store.lanes import ACTIVE, Standing
from engine.store.records import (
    Delivery,
    EffectFilter,
    EffectRecord,
    Page,
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
from engine.store.tables import Tables, Transaction
from engine.store.trouble import explain, refuse
from engine.store.waits_memory import MemoryWaits

_PLACE = Path("(memory)")
_id = attrgetter("id")
T = TypeVar("T", Run, Receipt)
Answer = TypeVar("Answer")


class MemoryStore(AlertsInMemory):
    """``engine.store.interface.Store`` without a file.

    What is written becomes durable on the next turn of the event loop, all that gathered in one commit, past the
    same fault points as in the file's store. An ordinary exception from a fault point breaks the store as a full
    disk would; a ``SimulatedCrash`` drops what was not durable.

    :param clock: where the time in ids comes from.
    :param faults: where tests make a commit fail.
    """

    def __init__(self, *, clock: Clock, faults: Faults = NO_FAULTS, tables: Tables | None = None) -> None:
        self._clock = clock
        self._faults = faults
        self._tables = tables if tables is not None else Tables()
        self._waiting: list[tuple[tuple[Change, ...], Owner | None, asyncio.Future[Fate] | None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._busy = False
        self._ids: IdSource | None = None
        self._closed = False
        self._error: StoreError | None = None
        self._crash: SimulatedCrash | None = None
        self._let_go: set[int] = set()
        #: questions about waits
        self.waits = MemoryWaits(self._usable, self._tables.waiting)

    # ---------------------------------------------------------------- life

    @property
    def broken(self) -> bool:
        """Whether writes fail until ``reopen``."""
        return self._error is not None or self._crash is not None

    async def open(self) -> None:
        """Begin to write what waits."""
        self._alive()
        self._loop = asyncio.get_running_loop()
        tables = self._tables
        known = (tables.receipts, tables.runs, tables.alerts.alerts, tables.waiting.signals)
        self._ids = IdSource(max((number for rows in known for number in rows), default=0), self._clock.time)
        if self._waiting:
            self._busy = True
            self._loop.call_soon(self._commit)

    async def reopen(self) -> None:
        """Try to mend a broken store; raises ``StoreError`` while that fails."""
        self._alive()
        if self._error is not None:
            try:
                for point in ("store.begin", "store.commit", "store.committed"):
                    self._faults.hit(point)
            except SimulatedCrash as crash:
                self._crash = crash
                raise
            except Exception as error:
                raise explain(_PLACE, error) from error
            self._error = None

    async def close(self) -> None:
        """Commit what waits, and close."""
        if self._crash is None and self._ids is not None and self._waiting:
            self._commit()
            self._alive()
        self._closed = True

    def crash(self) -> None:
        """Die: what is not durable is dropped, nobody who waits is answered, everything afterwards raises."""
        self._crash = SimulatedCrash("the test killed the store")
        self._waiting.clear()

    def reborn(self, faults: Faults = NO_FAULTS) -> MemoryStore:
        """What a restarted process would see: a new store over what is durable. This one dies, if it lives."""
        if self._crash is None:
            self.crash()
        return MemoryStore(clock=self._clock, faults=faults, tables=self._tables)

    def new_id(self) -> int:
        """An id that is larger than every id given out or stored before. Raises ``StoreError`` before ``open``."""
        self._alive()
        if self._ids is None:
            raise self._unusable()
        return self._ids()

    async def begin_epoch(self) -> int:
        """Start an executor session: its number is larger than all earlier ones, durably. Raises ``StoreError``."""
        self._usable()
        if self._error is not None:
            raise self._error
        self._tables.epoch += 1
        return self._tables.epoch

    # ---------------------------------------------------------------- writing

    def put(self, *changes: Change, owner: Owner | None = None) -> asyncio.Future[Fate]:
        """Write the changes as one transaction; the future is done when they are durable."""
        self._alive()
        future: asyncio.Future[Fate] = asyncio.get_running_loop().create_future()
        if self._closed:
            future.set_exception(self._unusable())
        else:
            self._take(changes, owner, future)
        return future

    def ride(self, *changes: Change, owner: Owner | None = None) -> None:
        """As ``put``, for changes that go along with the next commit and nobody waits for."""
        self._alive()
        if not self._closed:
            self._take(changes, owner, None)

    def _take(self, changes: tuple[Change, ...], owner: Owner | None, future: asyncio.Future[Fate] | None) -> None:
        if self._error is not None:
            if owner is not None:
                self._let_go.add(owner.run_id)
            if future is not None:
                future.set_exception(self._error)
            return
        self._waiting.append((changes, owner, future))
        if not self._busy and self._loop is not None:
            self._busy = True
            self._loop.call_soon(self._commit)

    def _commit(self) -> None:
        self._busy = False
        if self._crash is not None or not self._waiting:
            return
        batch, self._waiting = self._waiting, []
        results: list[Exception | Fate] = [AS_ASKED] * len(batch)
        try:
            self._faults.hit("store.begin")
            self._faults.hit("store.commit")
            for number, (changes, owner, _) in enumerate(batch):
                results[number] = self._apply(changes, owner)
            self._faults.hit("store.committed")
        except SimulatedCrash as crash:
            self._crash = crash
            return
        except Exception as error:  # noqa: BLE001 - a test may raise whatever a disk can do
            self._error = explain(_PLACE, error)
            results = [self._error] * len(batch)
            self._let_go.update(owner.run_id for _, owner, _ in batch if owner is not None)
        for (_, _, future), result in zip(batch, results, strict=True):
            if future is None or future.done():
                continue
            if isinstance(result, Fate):
                future.set_result(result)
            else:
                future.set_exception(result)

    def _apply(self, changes: tuple[Change, ...], owner: Owner | None) -> Exception | Fate:
        try:
            if owner is not None and owner.run_id in self._let_go:
                raise lost(owner.run_id, "has an earlier record that could not be written")
            fate = Transaction(self._tables).apply(changes, owner)
        except (LostOwnership, StoreError) as error:
            return error
        except KeyError as error:
            if owner is not None:
                self._let_go.add(owner.run_id)
            return refuse(_PLACE, error)
        if owner is None:
            self._let_go.difference_update(c.run_id for c in changes if isinstance(c, MoveRun))
        return fate

    # ---------------------------------------------------------------- reading

    async def ask(self, question: Question[Answer]) -> Answer:
        """The answer to a question, from one state of the store."""
        self._usable()
        return question.of_tables(self._tables)

    async def run(self, run_id: int) -> Run | None:
        self._usable()
        return self._tables.runs.get(run_id)

    async def runs(self, wanted: RunFilter) -> Sequence[Run]:
        """Newest first."""
        self._usable()
        found = (
            run
            for run in self._tables.runs.values()
            if (wanted.states is None or run.state in wanted.states)
            and wanted.scenario in (None, run.scenario)
            and wanted.subject in (None, run.subject)
            and wanted.receipt_id in (None, run.receipt_id)
        )
        return _page(found, wanted.page)

    async def run_counts(self) -> Mapping[str, int]:
        """Number of runs by state."""
        self._usable()
        return Counter(run.state for run in self._tables.runs.values())

    async def queued_scenarios(self, simulated: bool) -> Sequence[str]:
        """Scenarios with queued runs of this kind."""
        self._usable()
        return sorted({run.scenario for run in self._of(("queued",), simulated)})

    async def queued_runs(self, simulated: bool, shares: Mapping[str, int]) -> Sequence[Run]:
        """Queued runs of this kind: of each scenario so many at most, its oldest first."""
        self._usable()
        queued = sorted(self._of(("queued",), simulated), key=_id)
        return [run for name, share in shares.items() for run in [r for r in queued if r.scenario == name][:share]]

    async def due_runs(self, states: Sequence[str], simulated: bool, now: float, limit: int) -> Sequence[Run]:
        """Runs in these states, of this kind, whose ``due_at`` is not after ``now``, the earliest first."""
        self._usable()
        due = [(run.due_at, run) for run in self._of(states, simulated) if run.due_at is not None and run.due_at <= now]
        return [run for _, run in sorted(due, key=lambda found: found[0])][:limit]

    async def started_since(self, scenario: str, moment: float) -> int:
        """How many runs of a scenario began after a moment, among the newest 20,000 runs of the store."""
        self._usable()
        newest = sorted(self._tables.runs.values(), key=_id)[-20_000:]
        return sum(run.scenario == scenario and (run.started_at or 0.0) > moment for run in newest)

    async def pasts(self, wanted: Sequence[Run]) -> Sequence[Past]:
        """What these runs remember, all at one moment."""
        spans_of = {run.id: spans(await self.records(run.id)) for run in wanted}
        return [
            Past(
                await self.receipt(run.receipt_id),
                await self.delivery(run.receipt_id, run.scenario, run.number),
                tuple(await self.records(run.id)),
                tuple(e for e in await self.effects(EffectFilter(run_id=run.id)) if within(e.key, spans_of[run.id])),
            )
            for run in wanted
        ]

    async def lane(self, run_id: int) -> Standing | None:
        """Where a run stands in its lane."""
        self._usable()
        return self._tables.lanes.get(run_id)

    async def lane_holder(self, key: str) -> Standing | None:
        """The oldest run that has a place in a lane."""
        self._usable()
        active = [row for row in self._tables.lanes.values() if (row.lane, row.standing) == (key, ACTIVE)]
        return min(active, key=attrgetter("run_id"), default=None)

    async def next_due(self, states: Sequence[str], simulated: bool) -> float | None:
        """The earliest ``due_at`` of the runs in these states."""
        self._usable()
        return min((run.due_at for run in self._of(states, simulated) if run.due_at is not None), default=None)

    async def due_held(self, simulated: bool, now: float, full: Sequence[str], limit: int) -> Sequence[Run]:
        """Held runs of this kind whose ``due_at`` is not after ``now``, due first before the others."""
        self._usable()
        held = self._of(("held",), simulated)
        due = [(run.due_at, run.id, run) for run in held if run.due_at is not None and run.scenario not in full]
        return [run for moment, _, run in sorted(due, key=lambda row: row[:2]) if moment <= now][:limit]

    async def last_words(self, simulated: bool) -> Sequence[tuple[int, str, bytes | None]]:
        """Runs of this kind that were begun and are queued or running: id, scenario, the last word on it (JSON)."""
        self._usable()
        found: list[tuple[int, str, bytes | None]] = []
        for run in self._of(("queued", RUNNING), simulated):
            if run.started_at is not None:
                words = [record for record in await self.records(run.id) if record.kind == "settled"]
                found.append((run.id, run.scenario, words[-1].output if words else None))
        return found

    async def orphans(self, epoch: int, simulated: bool) -> Sequence[Run]:
        """Runs in state ``running`` whose epoch is an earlier one, oldest first."""
        self._usable()
        return sorted((run for run in self._of((RUNNING,), simulated) if run.epoch < epoch), key=_id)

    def _of(self, states: Sequence[str], simulated: bool) -> Iterable[Run]:
        return (run for run in self._tables.runs.values() if run.state in states and run.simulated == simulated)

    async def records(self, run_id: int) -> Sequence[Record]:
        """A run's journal, by position."""
        self._usable()
        return sorted(
            (r for r in self._tables.journal.values() if r.run_id == run_id), key=attrgetter("position", "key")
        )

    async def effects(self, wanted: EffectFilter) -> Sequence[EffectRecord]:
        """Newest run first; within a run by position."""
        self._usable()
        found = [
            e
            for e in self._tables.effects.values()
            if (wanted.states is None or e.state in wanted.states)
            and wanted.scenario in (None, e.scenario)
            and wanted.subject in (None, e.subject)
            and wanted.run_id in (None, e.run_id)
        ]
        if wanted.run_id is None:
            page = wanted.page
            run_ids = sorted({e.run_id for e in found if page.before is None or e.run_id < page.before}, reverse=True)
            chosen = set(run_ids[: page.limit])
            found = [e for e in found if e.run_id in chosen]
        return sorted(found, key=lambda e: (-e.run_id, e.position, e.key))

    async def effect_counts(self) -> Mapping[str, int]:
        """Number of effects by state."""
        self._usable()
        return Counter(e.state.value for e in self._tables.effects.values())

    async def effects_by_key(self, effect_key: str) -> Sequence[EffectRecord]:
        """All attempts of an effect, of whichever run, oldest first."""
        self._usable()
        found = (e for e in self._tables.effects.values() if e.effect_key == effect_key)
        return sorted(found, key=attrgetter("run_id", "position", "key"))

    async def receipt(self, receipt_id: int) -> Receipt | None:
        self._usable()
        return self._tables.receipts.get(receipt_id)

    async def receipts(self, wanted: ReceiptFilter) -> Sequence[Receipt]:
        """Newest first."""
        self._usable()
        in_state = {d.receipt_id for d in self._tables.deliveries.values() if d.state is wanted.state}
        found = (
            receipt
            for receipt in self._tables.receipts.values()
            if wanted.source in (None, receipt.source)
            and wanted.subject in (None, receipt.subject)
            and (wanted.state is None or receipt.id in in_state)
        )
        return _page(found, wanted.page)

    async def delivery(self, receipt_id: int, scenario: str, number: int) -> Delivery | None:
        self._usable()
        return self._tables.deliveries.get((receipt_id, scenario, number))

    async def deliveries(self, receipt_ids: Sequence[int]) -> Sequence[Delivery]:
        """All deliveries of these receipts, by receipt, scenario and number."""
        self._usable()
        wanted = set(receipt_ids)
        found = (d for d in self._tables.deliveries.values() if d.receipt_id in wanted)
        return sorted(found, key=attrgetter("receipt_id", "scenario", "number"))

    async def delivery_counts(self) -> Mapping[str, int]:
        """Number of deliveries by state, and of receipts under ``receipts``."""
        self._usable()
        counts = Counter(d.state.value for d in self._tables.deliveries.values())
        return {**counts, "receipts": len(self._tables.receipts)}

    async def version(self, version: str) -> bytes | None:
        """The source of a scenario version."""
        self._usable()
        return self._tables.versions.get(version)

    async def webhooks(self) -> Sequence[Webhook]:
        """All tokens, the oldest first."""
        self._usable()
        return sorted(self._tables.webhooks.values(), key=attrgetter("created_at", "token"))

    async def polls(self) -> Sequence[Poll]:
        """Where all polling triggers stand, by scenario, the real one before the simulated."""
        self._usable()
        return [poll for _, poll in sorted(self._tables.polls.items())]

    async def poll_items(self, scenario: str, simulated: bool) -> Sequence[PollItem]:
        """The records that a scenario's polling trigger has seen and must know again, by id."""
        self._usable()
        own = (item for key, item in self._tables.poll_items.items() if key[:2] == (scenario, simulated))
        return sorted(own, key=_id)

    async def schedules(self) -> Sequence[Schedule]:
        """Where all schedules stand, by scenario, the real one before the simulated."""
        self._usable()
        return [row for _, row in sorted(self._tables.schedules.items())]

    async def gone_triggers(self) -> Mapping[str, float]:
        """Since when scenarios are not loaded whose triggers' standing is kept."""
        self._usable()
        return dict(sorted(self._tables.gone_triggers.items()))

    async def secrets(self) -> Mapping[str, bytes]:
        """All encrypted values by name."""
        self._usable()
        return dict(self._tables.secrets)

    def _alerts(self) -> tuple[AlertTables, Iterable[Run]]:
        self._usable()
        return self._tables.alerts, self._tables.runs.values()

    async def refusals(self) -> tuple[Sequence[tuple[str, int, int]], Sequence[Refusal]]:
        """Counters (webhook, status, how many), and the last refused requests, newest first."""
        self._usable()
        counts = [(webhook, status, n) for (webhook, status), n in sorted(self._tables.refusal_counts.items())]
        kept = [(r.at, number, r) for number, r in self._tables.refusals.items()]
        return counts, [r for _, _, r in sorted(kept, key=lambda k: k[:2], reverse=True)]

    def _usable(self) -> None:
        self._alive()
        if self._ids is None or self._closed:
            raise self._unusable()

    def _alive(self) -> None:
        if self._crash is not None:
            raise SimulatedCrash(*self._crash.args)

    def _unusable(self) -> StoreError:
        state = "closed" if self._closed else "not open"
        return StoreError(f"the store is {state}", place=str(_PLACE), hint="open it first")


def _page(found: Iterable[T], page: Page) -> Sequence[T]:
    older = (row for row in found if page.before is None or row.id < page.before)
    return sorted(older, key=_id, reverse=True)[: page.limit]
