"""What became of the events: the store and the vendor's counts, held against what the sender was told."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.runtime.clock import SystemClock
from engine.runtime.states import State
from engine.sdk import jsontext
from engine.store.ids import show
from engine.store.records import DeliveryState, Page, ReceiptFilter, Run, RunFilter
from engine.store.sqlite import SqliteStore

#: more rows than any crash test makes
ALL = Page(limit=10_000_000)


@dataclass(frozen=True, slots=True)
class Books:
    """What the store says. Read while no engine runs, or while all is at rest."""

    runs: Sequence[Run]
    receipts: frozenset[str]
    deliveries: Mapping[str, int]
    integrity: str


async def read(path: Path) -> Books:
    """Read the store."""
    store = SqliteStore(path, clock=SystemClock())
    await store.open()
    try:
        runs = await store.runs(RunFilter(page=ALL))
        receipts = frozenset(show(receipt.id) for receipt in await store.receipts(ReceiptFilter(page=ALL)))
        deliveries = await store.delivery_counts()
    finally:
        await store.close()
    with closing(sqlite3.connect(path)) as db:
        (integrity,) = db.execute("pragma integrity_check").fetchone()
    return Books(runs, receipts, deliveries, integrity)


def holds(run: Run) -> list[dict[str, Any]]:
    """Why a run is held."""
    found: list[dict[str, Any]] = jsontext.loads(run.hold) if run.hold else []
    return found


@dataclass(frozen=True, slots=True)
class Audit:
    """The sums, and the events for which a promise was broken.

    :param lost: acknowledged, and neither finished nor held.
    :param doubled: charged twice or more.
    :param faults: whatever else must not be; a sentence each.
    """

    runs: int
    duplicates: int
    acknowledged: int
    finished: int
    unknown: int
    poison: int
    applied: int
    charged: int
    lost: Sequence[str]
    doubled: Sequence[str]
    faults: Sequence[str]

    @property
    def held_share(self) -> float:
        """Runs held as unknown, of all runs."""
        return self.unknown / max(1, self.runs)


def audit(books: Books, acknowledged: Mapping[str, str], vendor: Mapping[str, Any]) -> Audit:
    """Compare.

    :param acknowledged: event to receipt, as the sender was answered.
    :param vendor: ``vendor.Vendor.counts``.
    """
    charges: Mapping[str, Sequence[str]] = vendor["charges"]
    by_event: defaultdict[str, list[Run]] = defaultdict(list)
    for run in books.runs:
        by_event[str(run.subject)].append(run)
    codes = Counter("+".join(hold["code"] for hold in holds(run)) for run in books.runs if run.state == State.HELD)
    unknown = [run for run in books.runs if run.state == State.HELD and [h["code"] for h in holds(run)] == ["unknown"]]
    at_rest = (State.SUCCEEDED, State.HELD)
    return Audit(
        runs=len(books.runs),
        duplicates=books.deliveries.get(DeliveryState.DUPLICATE, 0),
        acknowledged=len(acknowledged),
        finished=sum(run.state == State.SUCCEEDED for run in books.runs),
        unknown=len(unknown),
        poison=codes["poison"],
        applied=sum(str(run.subject) in charges for run in unknown),
        charged=len(charges),
        lost=sorted(
            event for event in acknowledged if not any(run.state in at_rest for run in by_event.get(event, []))
        ),
        doubled=sorted(event for event, receipts in charges.items() if len(receipts) > 1),
        faults=[*_faults(books, acknowledged, vendor, by_event), *_odd_holds(codes)],
    )


def _odd_holds(codes: Counter[str]) -> list[str]:
    return [
        f"{number} runs are held as '{code}'" for code, number in codes.items() if code not in ("unknown", "poison")
    ]


def _faults(
    books: Books,
    acknowledged: Mapping[str, str],
    vendor: Mapping[str, Any],
    by_event: Mapping[str, Sequence[Run]],
) -> list[str]:
    """What must not be, beside lost and doubled events."""
    charges = vendor["charges"]
    uncharged = [r for r in books.runs if r.state == State.SUCCEEDED and not charges.get(str(r.subject))]
    astray = [r for r in books.runs if r.state == State.SUCCEEDED and _output(r) not in charges.get(str(r.subject), ())]
    found = {
        "events with more than one run": [event for event, runs in by_event.items() if len(runs) > 1],
        "charges for events that have no run": [event for event in charges if event not in by_event],
        "runs that ended in another state": [
            f"{show(r.id)} ({r.state})" for r in books.runs if r.state not in (State.SUCCEEDED, State.HELD)
        ],
        "runs that succeeded without a charge": [show(run.id) for run in uncharged],
        "runs whose output is not the vendor's answer": [show(run.id) for run in astray],
        "acknowledged receipts that are not there": [r for r in acknowledged.values() if r and r not in books.receipts],
        "events whose writes contradict each other": vendor["contradicting"],
    }
    faults = [f"{what}: {len(items)}, such as {items[:5]}" for what, items in found.items() if items]
    states = {state: number for state, number in books.deliveries.items() if state != "receipts"}
    if sum(states.values()) != books.deliveries["receipts"] or set(states) - {"run", "duplicate"}:
        faults.append(f"the deliveries do not add up: {dict(books.deliveries)}")
    if states.get(DeliveryState.RUN, 0) != len(books.runs):
        faults.append(
            f"{states.get(DeliveryState.RUN, 0)} deliveries became runs, and there are {len(books.runs)} runs"
        )
    if books.integrity != "ok":
        faults.append(f"the file is damaged: {books.integrity}")
    return faults


def _output(run: Run) -> Any:
    return jsontext.loads(run.result)["output"] if run.result else None
