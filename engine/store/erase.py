"""Erasing a subject: its personal values go from every row that is about it; rows, states and sums stand.

A step blanks one receipt with the runs that had its events, in one transaction. It looks at the runs again inside:
while one of them has not ended, nothing of the receipt is touched. What is done is not found again, so erasing may be
cut off anywhere and begun anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from engine.store.large import Spill
from engine.store.records import DeliveryState
from engine.store.sql import queries

if TYPE_CHECKING:
    from engine.store.tables import Tables, Transaction

#: how the token begins that takes the place of a subject
MARK = "erased:"
#: what takes the place of an error
ERROR = b'{"error":{"code":"erased","message":"the subject was erased"}}'
_STEP_ERROR = b'{"code":"erased","message":"the subject was erased"}'
_NULL, _EMPTY = b"null", b"{}"


@dataclass(slots=True)
class Erased:
    """What a step blanked; filled in when it is applied."""

    receipts: int = 0
    runs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Erase:
    """One step of erasing a subject.

    :param token: what takes the place of the subject.
    :param final: the states in which a run may be blanked.
    :param receipt: of which the events go; None: none.
    :param left: a run that is gone, of whose writes some are left.
    """

    subject: str
    token: str
    final: tuple[str, ...]
    receipt: int | None = None
    left: int | None = None
    report: Erased = field(default_factory=Erased)


class OfReceipt(NamedTuple):
    """A run that had an event of a receipt; ``whole``: the receipt's body was that event."""

    run_id: int
    state: str
    subject: str | None
    whole: bool


@dataclass(frozen=True, slots=True)
class About:
    """What is about a subject: receipts, and runs that are gone of which writes are left; so many at most of each."""

    subject: str
    limit: int

    def of_file(self, db: sqlite3.Connection) -> tuple[Sequence[int], Sequence[int]]:
        values = {"subject": self.subject, "mark": MARK, "limit": self.limit}
        receipts, left = (
            [row[0] for row in db.execute(queries()[name], values)] for name in ("receipts_about", "effects_about")
        )
        return receipts, left

    def of_tables(self, tables: Tables) -> tuple[Sequence[int], Sequence[int]]:
        own = {run.id for run in tables.runs.values() if run.subject == self.subject}
        found = {r.id for r in tables.receipts.values() if r.subject == self.subject}
        found |= {tables.runs[run_id].receipt_id for run_id in own}
        gathered = (d.receipt_id for d in tables.deliveries.values() if d.run_id in own and d.reason)
        found |= {n for n in gathered if not (tables.receipts[n].subject or "").startswith(MARK)}
        left = {run_id for (run_id, _), e in tables.effects.items() if e.subject == self.subject}
        return sorted(found)[: self.limit], sorted(left - tables.runs.keys())[: self.limit]


@dataclass(frozen=True, slots=True)
class RunsOfReceipt:
    """The runs that had an event of a receipt."""

    receipt_id: int

    def of_file(self, db: sqlite3.Connection) -> Sequence[OfReceipt]:
        return _runs(db.execute(queries()["runs_of_receipt"], (self.receipt_id,)))

    def of_tables(self, tables: Tables) -> Sequence[OfReceipt]:
        return _runs_in(tables, self.receipt_id)


def _runs(rows: sqlite3.Cursor) -> list[OfReceipt]:
    return [OfReceipt(run_id, state, subject, bool(whole)) for run_id, state, subject, whole in rows]


def theirs(run: OfReceipt, subject: str) -> bool:
    """Whether a run that had an event of a subject's receipt is about the subject: by its name, or by its event."""
    return run.subject == subject or run.whole


# ------------------------------------------------------------------ in the file


class FileErasing:
    """Applies ``Erase`` through a cursor, inside the transaction of a batch."""

    def __init__(self, execute: Callable[..., sqlite3.Cursor], large: Spill) -> None:
        self._execute = execute
        self._large = large
        self._sql = queries()

    def apply(self, step: Erase) -> None:
        # a batch may be applied twice
        step.report.receipts = step.report.runs = 0
        # what is overwritten must not stay readable in the file; a statement that is not read to its end keeps locks
        self._execute("pragma secure_delete = on").fetchall()
        try:
            if step.receipt is not None:
                self._receipt(step, step.receipt)
            if step.left is not None:
                self._do("erase_effects", step.token, _STEP_ERROR, step.left)
                self._large.drop(step.left)
            self._do("erase_refusals", step.subject)
        finally:
            self._execute("pragma secure_delete = off").fetchall()

    def _do(self, name: str, *values: object) -> None:
        given = values[0] if values and isinstance(values[0], dict) else values
        self._execute(self._sql[name], given)

    def _receipt(self, step: Erase, receipt_id: int) -> None:
        runs = _runs(self._execute(self._sql["runs_of_receipt"], (receipt_id,)))
        if any(run.state not in step.final for run in runs):
            return
        own = [run.run_id for run in runs if theirs(run, step.subject)]
        for run_id in own:
            self._do("erase_journal", _STEP_ERROR, run_id)
            self._do("erase_loop_items", run_id)
            self._do("erase_effects", step.token, _STEP_ERROR, run_id)
            self._do("erase_waits", run_id)
            self._do("leave_lane", run_id)
            self._do("erase_run", receipt_id, step.token, ERROR, run_id)
            self._large.drop(run_id)
        for number in own or (0,):
            self._do("erase_delivery", {"receipt": receipt_id, "run": number})
        self._do("erase_receipt", step.token, receipt_id)
        for (digest,) in self._execute(self._sql["large_of_erased"], {"id": receipt_id}).fetchall():
            self._do("disown_large", -receipt_id, digest)
            self._do("drop_large", {"hash": digest})
        step.report.receipts, step.report.runs = 1, len(own)


# ------------------------------------------------------------------ in memory


def _runs_in(tables: Tables, receipt_id: int) -> list[OfReceipt]:
    found = [
        OfReceipt(run.id, run.state, run.subject, d.event is None)
        for key, d in tables.deliveries.items()
        if key[0] == receipt_id and d.state is DeliveryState.RUN
        if d.run_id is not None and (run := tables.runs.get(d.run_id)) is not None
    ]
    return sorted(found)


def erase_tables(transaction: Transaction, step: Erase) -> None:
    """The same on the tables of the double."""
    tables = transaction.tables
    step.report.receipts = step.report.runs = 0
    if step.receipt is not None:
        _erase_receipt(transaction, step, step.receipt)
    if step.left is not None:
        _erase_effects(transaction, step, step.left)
    for number in [n for n, refusal in tables.refusals.items() if step.subject in refusal.excerpt]:
        transaction.remove(tables.refusals, number)


def _erase_receipt(transaction: Transaction, step: Erase, receipt_id: int) -> None:
    tables = transaction.tables
    runs = _runs_in(tables, receipt_id)
    if any(run.state not in step.final for run in runs):
        return
    own = [run.run_id for run in runs if theirs(run, step.subject)]
    for run_id in own:
        _erase_run(transaction, step, receipt_id, run_id)
    for key, d in [(k, d) for k, d in tables.deliveries.items() if k[0] == receipt_id]:
        if d.state is not DeliveryState.RUN or d.run_id in own:
            reason = d.reason if d.state in (DeliveryState.RUN, DeliveryState.DUPLICATE) else None
            transaction.set(tables.deliveries, key, d._replace(event=None, event_id=None, reason=reason))
    receipt = tables.receipts.get(receipt_id)
    if receipt is not None:
        blank = receipt._replace(headers=_EMPTY, query=_EMPTY, body=_NULL, subject=step.token)
        transaction.set(tables.receipts, receipt_id, blank)
    step.report.receipts, step.report.runs = 1, len(own)


def _erase_run(transaction: Transaction, step: Erase, receipt_id: int, run_id: int) -> None:
    tables = transaction.tables
    for key, record in [(k, r) for k, r in tables.journal.items() if k[0] == run_id]:
        error = None if record.error is None else _STEP_ERROR
        blank = record._replace(output=_NULL, request_hash=None, notes=None, error=error)
        transaction.set(tables.journal, key, blank)
    for name in [key for key in tables.loop_items if key[0] == run_id]:
        transaction.remove(tables.loop_items, name)
    _erase_effects(transaction, step, run_id)
    for own, wait in [(k, w) for k, w in tables.waiting.waits.items() if k[0] == run_id]:
        gone = wait._replace(match="", token=None, detail=None, answer=None, answered_by=None)
        transaction.set(tables.waiting.waits, own, gone)
    transaction.remove(tables.lanes, run_id)
    run = tables.runs[run_id]
    result = ERROR if run.state == "failed" else None
    subject = step.token if run.receipt_id == receipt_id else run.subject
    transaction.set(tables.runs, run_id, run._replace(subject=subject, hold=None, notes=None, result=result))


def _erase_effects(transaction: Transaction, step: Erase, run_id: int) -> None:
    effects = transaction.tables.effects
    for key, effect in [(k, e) for k, e in effects.items() if k[0] == run_id]:
        blank = effect._replace(
            request=_NULL,
            request_hash="",
            output=None,
            reason=None,
            notes=None,
            subject=None if effect.subject is None else step.token,
            error=None if effect.error is None else _STEP_ERROR,
        )
        transaction.set(effects, key, blank)
