"""How history ends: what is old enough to go, and how it goes, in steps that take a few milliseconds each.

Whoever prunes asks first, beside the writer, and names rows in a ``Prune``. The step looks at each of them again
inside its transaction, so that nothing goes that must stay: a run that is not at its end, or with a write of which
nobody knows the outcome; a receipt while anything is left of what it brought.

Keys have clocks of their own. What answers for an effect key stays without the rest of its run, and ``kept_keys`` says
until when; what tells a duplicate has a table of its own anyway.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.store.changes import DeliveryKey, Prune
from engine.store.large import Spill
from engine.store.records import DeliveryState, EffectState
from engine.store.sql import queries

if TYPE_CHECKING:
    from engine.store.tables import Tables, Transaction

#: rows of one run that a step removes at most; a longer journal goes in several steps
MOST_ROWS = 1000
#: kinds of what stays of runs that are gone
EFFECTS, JOURNAL = "effects", "journal"
#: tables with rows of a run that go with it
OF_A_RUN = ("deliveries", "journal", "effects", "loop_items", "waits", "lanes", "gatherings", "calls")
_OPEN = (EffectState.INTENDED, EffectState.UNKNOWN)


class Place(NamedTuple):
    """A place in the order of the runs that ended."""

    ended_at: float = -1.0
    run_id: int = 0


FIRST = Place()


@dataclass(frozen=True, slots=True)
class EndedScenarios:
    """The scenarios that have runs which ended."""

    def of_file(self, db: sqlite3.Connection) -> Sequence[str]:
        return [row[0] for row in db.execute(queries()["ended_scenarios"])]

    def of_tables(self, tables: Tables) -> Sequence[str]:
        return sorted({run.scenario for run in tables.runs.values() if run.ended_at is not None})


@dataclass(frozen=True, slots=True)
class EndedRuns:
    """The runs of a scenario that ended in this state before a moment, oldest first."""

    scenario: str
    state: str
    before: float
    limit: int
    after: Place = FIRST

    def of_file(self, db: sqlite3.Connection) -> Sequence[Place]:
        values = {
            "scenario": self.scenario,
            "state": self.state,
            "before": self.before,
            "after_at": self.after.ended_at,
            "after_id": self.after.run_id,
            "limit": self.limit,
        }
        return [Place(*row) for row in db.execute(queries()["ended_runs"], values)]

    def of_tables(self, tables: Tables) -> Sequence[Place]:
        found = (
            Place(run.ended_at, run.id)
            for run in tables.runs.values()
            if (run.scenario, run.state) == (self.scenario, self.state)
            and run.ended_at is not None
            and run.ended_at < self.before
        )
        return sorted(place for place in found if place > self.after)[: self.limit]


@dataclass(frozen=True, slots=True)
class EndedCount:
    """How many runs of a scenario ended in these states."""

    scenario: str
    states: tuple[str, ...]

    def of_file(self, db: sqlite3.Connection) -> int:
        return sum(db.execute(queries()["ended_count"], (self.scenario, state)).fetchone()[0] for state in self.states)

    def of_tables(self, tables: Tables) -> int:
        return sum(
            run.scenario == self.scenario and run.state in self.states and run.ended_at is not None
            for run in tables.runs.values()
        )


@dataclass(frozen=True, slots=True)
class OldDeliveries:
    """Deliveries in a state that makes no run, of receipts before an id, oldest first."""

    state: DeliveryState
    before: int
    limit: int
    after: DeliveryKey = (-1, "", 0)

    def of_file(self, db: sqlite3.Connection) -> Sequence[DeliveryKey]:
        receipt, scenario, number = self.after
        values = {
            "state": self.state.value,
            "before": self.before,
            "after_receipt": receipt,
            "after_scenario": scenario,
            "after_number": number,
            "limit": self.limit,
        }
        return db.execute(queries()["old_deliveries"], values).fetchall()

    def of_tables(self, tables: Tables) -> Sequence[DeliveryKey]:
        found = (key for key, d in tables.deliveries.items() if d.state is self.state and key[0] < self.before)
        return sorted(key for key in found if key > self.after)[: self.limit]


@dataclass(frozen=True, slots=True)
class KeptKeys:
    """What stayed of runs that are gone, of one kind, from before a moment: (since when, id)."""

    kind: str
    before: float
    limit: int

    def of_file(self, db: sqlite3.Connection) -> Sequence[tuple[float, int]]:
        return db.execute(queries()["kept_keys"], (self.kind, self.before, self.limit)).fetchall()

    def of_tables(self, tables: Tables) -> Sequence[tuple[float, int]]:
        found = ((at, number) for kind, at, number in tables.kept_keys if kind == self.kind and at < self.before)
        return sorted(found)[: self.limit]


@dataclass(frozen=True, slots=True)
class Versions:
    """All scenario versions."""

    def of_file(self, db: sqlite3.Connection) -> Sequence[str]:
        return [row[0] for row in db.execute(queries()["version_names"])]

    def of_tables(self, tables: Tables) -> Sequence[str]:
        return sorted(tables.versions)


@dataclass(frozen=True, slots=True)
class VersionsOfRuns:
    """The versions of the runs after an id, a step of so many; and the last id of the step, None at the end."""

    after: int
    limit: int

    def of_file(self, db: sqlite3.Connection) -> tuple[frozenset[str], int | None]:
        return self._of(db.execute(queries()["versions_of_runs"], (self.after, self.limit)).fetchall())

    def of_tables(self, tables: Tables) -> tuple[frozenset[str], int | None]:
        rows = sorted((run.id, run.version) for run in tables.runs.values() if run.id > self.after)
        return self._of(rows[: self.limit])

    @staticmethod
    def _of(rows: Sequence[tuple[int, str]]) -> tuple[frozenset[str], int | None]:
        return frozenset(version for _, version in rows), rows[-1][0] if rows else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What the store holds and takes.

    :param file: bytes of the file; 0 in memory.
    :param free: bytes of it that are free for new rows.
    :param log: bytes of its write-ahead log.
    :param kept: runs and receipts that are gone but for their keys, by kind.
    """

    file: int = 0
    free: int = 0
    log: int = 0
    oldest_run: float | None = None
    oldest_receipt: float | None = None
    kept: dict[str, int]
    versions: int


@dataclass(frozen=True, slots=True)
class HowLarge:
    """How large the store is, and how far back it goes."""

    def of_file(self, db: sqlite3.Connection) -> Size:
        (page,), (pages,), (free,) = (
            db.execute(f"pragma {name}").fetchone() for name in ("page_size", "page_count", "freelist_count")
        )
        path = Path(db.execute("pragma database_list").fetchone()[2])
        log = path.with_name(path.name + "-wal")
        return Size(
            file=page * pages,
            free=page * free,
            log=log.stat().st_size if log.exists() else 0,
            oldest_run=(db.execute(queries()["oldest_run"]).fetchone() or (None,))[0],
            oldest_receipt=(db.execute(queries()["oldest_receipt"]).fetchone() or (None,))[0],
            kept=dict(db.execute(queries()["kept_key_counts"])),
            versions=len(Versions().of_file(db)),
        )

    def of_tables(self, tables: Tables) -> Size:
        kinds = [kind for kind, _, _ in tables.kept_keys]
        return Size(
            oldest_run=tables.runs[min(tables.runs)].created_at if tables.runs else None,
            oldest_receipt=tables.receipts[min(tables.receipts)].received_at if tables.receipts else None,
            kept={kind: kinds.count(kind) for kind in sorted(set(kinds))},
            versions=len(tables.versions),
        )


# ------------------------------------------------------------------ one step, in the file


class FilePruning:
    """Applies ``Prune`` through a cursor, inside the transaction of a batch."""

    def __init__(self, execute: Callable[..., sqlite3.Cursor], large: Spill) -> None:
        self._execute = execute
        self._large = large
        self._sql = queries()

    def apply(self, step: Prune) -> None:
        began = time.perf_counter()
        done = step.report
        # a batch may be applied twice
        done.runs = done.deliveries = done.receipts = done.keys = done.versions = 0
        states = "".join(f",{state}" for state in step.final) + ","
        for run_id in step.runs:
            self._run(step, run_id, states)
        for state, key in step.deliveries:
            if self._do("prune_idle_delivery", *key, state.value):
                done.deliveries += 1
                done.receipts += self._receipt(key[0])
        for kind, at, number in step.keys:
            self._key(step, kind, at, number)
        for version in step.versions:
            done.versions += self._do("prune_version", version)
        if step.identities:
            done.keys += self._do("forget_identities", step.identities_until, step.identities)
        done.seconds = time.perf_counter() - began

    def _do(self, name: str, *values: Any) -> int:
        """Execute a statement; how many rows it changed."""
        given = values[0] if values and isinstance(values[0], dict) else values
        return self._execute(self._sql[name], given).rowcount

    def _one(self, name: str, *values: Any) -> Any:
        return self._execute(self._sql[name], values).fetchone()

    def _run(self, step: Prune, run_id: int, states: str) -> None:
        found = self._one("prunable_run", run_id, states, step.ended_before)
        if found is None:
            return
        receipt_id, scenario, number = found
        effects, unsettled, last_done = self._one("effects_of_ended_run", run_id)
        if unsettled:
            return
        if self._journal(run_id):
            self._do("keep_key", JOURNAL, 0.0, run_id)
        if effects:
            self._effects(step, run_id, effects, last_done)
        self._large.drop(run_id)
        self._do("prune_waits", run_id)
        self._do("prune_call", {"id": run_id})
        self._do("leave_lane", run_id)
        self._do("end_gathering", run_id)
        self._do("prune_run", run_id)
        self._do("prune_delivery", receipt_id, scenario, number, run_id)
        receipts = {row[0] for row in self._execute(self._sql["gathered_receipts"], (run_id,))} | {receipt_id}
        self._do("prune_gathered", run_id)
        step.report.runs += 1
        step.report.receipts += sum(self._receipt(number) for number in receipts)

    def _journal(self, run_id: int) -> bool:
        """Remove rows of a run's journal, and names of its loops' items. True: there may be more."""
        rows = self._do("prune_journal", run_id, MOST_ROWS)
        return MOST_ROWS in (rows, self._do("prune_loop_items", run_id, MOST_ROWS))

    def _receipt(self, receipt_id: int) -> int:
        gone = self._do("prune_receipt", {"id": receipt_id})
        if gone:
            self._large.drop(-receipt_id)
        return gone

    def _effects(self, step: Prune, run_id: int, effects: int, last_done: float | None) -> None:
        if effects > MOST_ROWS:
            # they go in steps of their own, those that are over at once
            self._do("keep_key", EFFECTS, last_done or 0.0, run_id)
            return
        if self._do("prune_effects", run_id, step.effects_before) < effects:
            self._do("blank_effects", run_id)
            self._do("keep_key", EFFECTS, last_done, run_id)

    def _key(self, step: Prune, kind: str, at: float, number: int) -> None:
        if kind == JOURNAL:
            if self._journal(number):
                return
        elif self._do("expire_effects", {"id": number, "limit": MOST_ROWS}) == MOST_ROWS:
            return
        else:
            self._large.drop(number)
        self._do("drop_key", kind, at, number)
        step.report.keys += 1


# ------------------------------------------------------------------ one step, in memory


def prune_tables(transaction: Transaction, step: Prune) -> None:
    """The same on the tables of the double."""
    done = step.report
    done.runs = done.deliveries = done.receipts = done.keys = done.versions = 0
    tables = transaction.tables
    for run_id in step.runs:
        _prune_run(transaction, step, run_id)
    for state, key in step.deliveries:
        delivery = tables.deliveries.get(key)
        if delivery is not None and delivery.state is state:
            transaction.remove(tables.deliveries, key)
            done.deliveries += 1
            done.receipts += _prune_receipt(transaction, key[0])
    for kind, at, number in step.keys:
        if kind == EFFECTS and number not in tables.runs:
            for own in [k for k, e in tables.effects.items() if k[0] == number and e.state not in _OPEN]:
                transaction.remove(tables.effects, own)
        transaction.remove(tables.kept_keys, (kind, at, number))
        done.keys += 1
    for version in step.versions:
        done.versions += version in tables.versions
        transaction.remove(tables.versions, version)
    over = sorted((until, key) for key, (_, until) in tables.identities.items() if until <= step.identities_until)
    for _, identity in over[: step.identities]:
        transaction.remove(tables.identities, identity)
        done.keys += 1


def _prune_run(transaction: Transaction, step: Prune, run_id: int) -> None:
    tables = transaction.tables
    run = tables.runs.get(run_id)
    if run is None or run.state not in step.final or run.ended_at is None or run.ended_at >= step.ended_before:
        return
    effects = {key: e for key, e in tables.effects.items() if key[0] == run_id}
    if any(e.state in _OPEN for e in effects.values()):
        return
    for own in [key for key in tables.waiting.waits if key[0] == run_id]:
        transaction.remove(tables.waiting.waits, own)
    transaction.remove(tables.lanes, run_id)
    _prune_calls(transaction, run_id)
    for own in [key for key in tables.journal if key[0] == run_id]:
        transaction.remove(tables.journal, own)
    for name in [key for key in tables.loop_items if key[0] == run_id]:
        transaction.remove(tables.loop_items, name)
    for own, effect in effects.items():
        if effect.state is EffectState.DONE and effect.intended_at >= step.effects_before:
            transaction.set(tables.effects, own, effect._replace(request=b"null", error=None, notes=None))
        else:
            transaction.remove(tables.effects, own)
    if any(key[0] == run_id for key in tables.effects):
        last = max(e.intended_at for e in effects.values() if e.state is EffectState.DONE)
        transaction.set(tables.kept_keys, (EFFECTS, last, run_id), True)
    transaction.remove(tables.runs, run_id)
    key = (run.receipt_id, run.scenario, run.number)
    delivery = tables.deliveries.get(key)
    if delivery is not None and delivery.run_id == run_id:
        transaction.remove(tables.deliveries, key)
    gathered = [
        k for k, d in tables.deliveries.items() if d.run_id == run_id and d.state is DeliveryState.RUN and d.reason
    ]
    for other in gathered:
        transaction.remove(tables.deliveries, other)
    step.report.runs += 1
    receipts = {run.receipt_id, *(number for number, _, _ in gathered)}
    step.report.receipts += sum(_prune_receipt(transaction, number) for number in receipts)


def _prune_calls(transaction: Transaction, run_id: int) -> None:
    tables = transaction.tables
    for call in list(tables.calls.values()):
        other = {call.run_id: call.caller_id, call.caller_id: call.run_id}.get(run_id)
        if other is not None and other not in tables.runs:
            transaction.remove(tables.calls, call.run_id)


def _prune_receipt(transaction: Transaction, receipt_id: int) -> int:
    tables = transaction.tables
    runs = any(run.receipt_id == receipt_id for run in tables.runs.values())
    left = any(k[0] == receipt_id and d.state is not DeliveryState.RUN for k, d in tables.deliveries.items())
    if runs or left or receipt_id not in tables.receipts:
        return 0
    transaction.remove(tables.receipts, receipt_id)
    return 1
