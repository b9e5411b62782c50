"""The store's questions to the SQLite file, each a function of the connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from engine.store.folds import spans
from engine.store.lanes import ACTIVE, Standing
from engine.store.lanes_sql import SqlLaneRows
from engine.store.large import places, whole
from engine.store.records import (
    Delivery,
    DeliveryState,
    EffectFilter,
    EffectRecord,
    EffectState,
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
from engine.store.sql import queries

_LARGEST = 2**63 - 1


def _run(row: tuple[Any, ...]) -> Run:
    values = (*row[:9], bool(row[9]), *row[10:])
    return Run(*values)


def _delivery(row: tuple[Any, ...]) -> Delivery:
    values = (*row[:3], DeliveryState(row[3]), *row[4:])
    return Delivery(*values)


def _effect(row: tuple[Any, ...]) -> EffectRecord:
    values = (*row[:9], EffectState(row[9]), *row[10:])
    return EffectRecord(*values)


def _any_of(states: Sequence[str] | None) -> str | None:
    # a list as one text, for the instr() of the queries
    return None if states is None else "".join(f",{s}" for s in states) + ","


def _all(db: sqlite3.Connection, name: str, values: Any = ()) -> list[tuple[Any, ...]]:
    rows = db.execute(queries()[name], values).fetchall()
    return [whole(db, name, row) for row in rows] if places(name) else rows


def _one(db: sqlite3.Connection, name: str, values: Any = ()) -> Any:
    row = db.execute(queries()[name], values).fetchone()
    return whole(db, name, row) if row is not None else None


def run(db: sqlite3.Connection, run_id: int) -> Run | None:
    row = _one(db, "run", (run_id,))
    return row and _run(row)


def runs(db: sqlite3.Connection, wanted: RunFilter) -> Sequence[Run]:
    limit = wanted.page.limit
    values: dict[str, Any] = {
        "before": _LARGEST if wanted.page.before is None else wanted.page.before,
        "limit": limit,
        "scenario": wanted.scenario,
        "subject": wanted.subject,
        "receipt_id": wanted.receipt_id,
        "states": _any_of(wanted.states),
    }
    if wanted.receipt_id is not None:
        return [_run(row) for row in _all(db, "runs_by_receipt", values)]
    if wanted.subject is not None:
        return [_run(row) for row in _all(db, "runs_by_subject", values)]
    if wanted.states is None:
        return [_run(row) for row in _all(db, "runs_any", values)]
    # the index on states gives each part in order, so that the newest few of a million cost nothing
    rows: list[tuple[Any, ...]] = []
    for state in set(wanted.states):
        for simulated in (0, 1):
            for query in ("runs_in_state", "runs_waiting_in_state"):
                rows += _all(db, query, {**values, "state": state, "simulated": simulated})
    rows.sort(reverse=True, key=_id)
    return [_run(row) for row in rows[:limit]]


def _id(row: tuple[Any, ...]) -> int:
    number: int = row[0]
    return number


def run_counts(db: sqlite3.Connection) -> Mapping[str, int]:
    return dict(_all(db, "run_counts"))


def queued_scenarios(db: sqlite3.Connection, simulated: bool) -> Sequence[str]:
    return [name for (name,) in _all(db, "queued_scenarios", {"simulated": simulated})]


def queued_runs(db: sqlite3.Connection, simulated: bool, shares: Mapping[str, int]) -> Sequence[Run]:
    rows = (row for name, share in shares.items() for row in _all(db, "queued_runs", (simulated, name, share)))
    return [_run(row) for row in rows]


def due_runs(db: sqlite3.Connection, states: Sequence[str], simulated: bool, now: float, limit: int) -> Sequence[Run]:
    found = [_run(row) for state in states for row in _all(db, "due_runs", (state, simulated, now, limit))]
    return sorted(found, key=lambda run: run.due_at or 0.0)[:limit]


def started_since(db: sqlite3.Connection, scenario: str, moment: float) -> int:
    return int(_one(db, "started_since", (scenario, moment))[0])


def pasts(db: sqlite3.Connection, wanted: Sequence[Run]) -> Sequence[Past]:
    return [_past(db, run) for run in wanted]


def _past(db: sqlite3.Connection, run: Run) -> Past:
    rows = tuple(records(db, run.id))
    wanted = spans(rows)
    if wanted is None:
        writes = tuple(effects(db, EffectFilter(run_id=run.id)))
    else:
        found = [_effect(row) for low, high in wanted for row in _all(db, "effects_within", (run.id, low, high))]
        writes = tuple(sorted(found, key=attrgetter("position", "key")))
    delivered = delivery(db, run.receipt_id, run.scenario, run.number)
    return Past(receipt(db, run.receipt_id), delivered, rows, writes)


def lane(db: sqlite3.Connection, run_id: int) -> Standing | None:
    return SqlLaneRows(db.cursor()).lane_of(run_id)


def lane_holder(db: sqlite3.Connection, key: str) -> Standing | None:
    return SqlLaneRows(db.cursor()).first(key, ACTIVE)


def next_due(db: sqlite3.Connection, states: Sequence[str], simulated: bool) -> float | None:
    moments = [_one(db, "next_due", (state, simulated))[0] for state in states]
    return min((moment for moment in moments if moment is not None), default=None)


def due_held(db: sqlite3.Connection, simulated: bool, now: float, full: Sequence[str], limit: int) -> Sequence[Run]:
    values = {"simulated": simulated, "now": now, "full": _any_of(full), "limit": limit}
    found = (run(db, run_id) for (run_id,) in _all(db, "due_held_runs", values))
    return [one for one in found if one is not None]


def last_words(db: sqlite3.Connection, simulated: bool) -> Sequence[tuple[int, str, bytes | None]]:
    return [(run_id, scenario, word) for run_id, scenario, word in _all(db, "last_words", (simulated,))]


def orphans(db: sqlite3.Connection, epoch: int, simulated: bool) -> Sequence[Run]:
    return [_run(row) for row in _all(db, "orphans", (simulated, epoch))]


def records(db: sqlite3.Connection, run_id: int) -> Sequence[Record]:
    return [Record(*row) for row in _all(db, "records", (run_id,))]


def effects(db: sqlite3.Connection, wanted: EffectFilter) -> Sequence[EffectRecord]:
    values: dict[str, Any] = {
        "before": _LARGEST if wanted.page.before is None else wanted.page.before,
        "limit": wanted.page.limit,
        "scenario": wanted.scenario,
        "subject": wanted.subject,
        "states": _any_of(wanted.states),
    }
    if wanted.run_id is not None:
        run_ids = [(wanted.run_id,)]
    elif wanted.states is not None and EffectState.DONE not in wanted.states:
        run_ids = _all(db, "effect_runs_not_done", values)
    elif wanted.subject is not None:
        run_ids = _all(db, "effect_runs_by_subject", values)
    else:
        run_ids = _all(db, "effect_runs", values)
    return [_effect(row) for (run_id,) in run_ids for row in _all(db, "effects_of_run", {**values, "run_id": run_id})]


def effect_counts(db: sqlite3.Connection) -> Mapping[str, int]:
    counts: dict[str, int] = dict(_all(db, "effect_counts_not_done"))
    done = _one(db, "effect_count")[0] - sum(counts.values())
    return {**counts, **({EffectState.DONE.value: done} if done else {})}


def effects_by_key(db: sqlite3.Connection, effect_key: str) -> Sequence[EffectRecord]:
    return [_effect(row) for row in _all(db, "effects_by_key", (effect_key,))]


def receipt(db: sqlite3.Connection, receipt_id: int) -> Receipt | None:
    row = _one(db, "receipt", (receipt_id,))
    return row and Receipt(*row)


def receipts(db: sqlite3.Connection, wanted: ReceiptFilter) -> Sequence[Receipt]:
    values: dict[str, Any] = {
        "before": _LARGEST if wanted.page.before is None else wanted.page.before,
        "limit": wanted.page.limit,
        "source": wanted.source,
        "subject": wanted.subject,
        "state": None if wanted.state is None else wanted.state.value,
    }
    if wanted.subject is not None:
        name = "receipts_by_subject"
    elif wanted.state is not None and wanted.state is not DeliveryState.RUN:
        name = "receipts_without_run"
    else:
        name = "receipts_any"
    return [Receipt(*row) for row in _all(db, name, values)]


def delivery(db: sqlite3.Connection, receipt_id: int, scenario: str, number: int) -> Delivery | None:
    row = _one(db, "delivery", (receipt_id, scenario, number))
    return row and _delivery(row)


def deliveries(db: sqlite3.Connection, receipt_ids: Sequence[int]) -> Sequence[Delivery]:
    return [_delivery(row) for receipt_id in sorted(set(receipt_ids)) for row in _all(db, "deliveries", (receipt_id,))]


def delivery_counts(db: sqlite3.Connection) -> Mapping[str, int]:
    counts: dict[str, int] = dict(_all(db, "delivery_counts_without_run"))
    made_runs = _one(db, "delivery_count")[0] - sum(counts.values())
    if made_runs:
        counts[DeliveryState.RUN.value] = made_runs
    return {**counts, "receipts": _one(db, "receipt_count")[0]}


def version(db: sqlite3.Connection, wanted: str) -> bytes | None:
    row = _one(db, "version", (wanted,))
    return None if row is None else bytes(row[0])


def webhooks(db: sqlite3.Connection) -> Sequence[Webhook]:
    return [Webhook(*row) for row in _all(db, "webhooks")]


def polls(db: sqlite3.Connection) -> Sequence[Poll]:
    return [Poll(row[0], bool(row[1]), *row[2:]) for row in _all(db, "polls")]


def poll_items(db: sqlite3.Connection, scenario: str, simulated: bool) -> Sequence[PollItem]:
    return [PollItem(*row) for row in _all(db, "poll_items", (scenario, simulated))]


def secrets(db: sqlite3.Connection) -> Mapping[str, bytes]:
    return dict(_all(db, "secrets"))


def refusals(db: sqlite3.Connection) -> tuple[Sequence[tuple[str, int, int]], Sequence[Refusal]]:
    return [(w, s, n) for w, s, n in _all(db, "refusal_counts")], [Refusal(*row) for row in _all(db, "refusals")]
