"""How a transaction is applied to the SQLite file: the checks that may refuse it first, then its changes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from engine.sdk.errors import LostOwnership, StoreError
from engine.store import alerts_file, schedules
from engine.store.alerts_rows import is_trouble
from engine.store.calls import AddCall, Calls, SqlCallRows
from engine.store.changes import (
    AS_ASKED,
    AddDelivery,
    AddEffect,
    AddLoopItems,
    AddReceipt,
    AddRecord,
    AddRun,
    AddVersion,
    AddWebhook,
    Change,
    CountRefusals,
    DropPollItems,
    DropRecords,
    Fate,
    MoveRun,
    OnlyRun,
    Owner,
    Prune,
    PutPoll,
    PutPollItems,
    PutSecret,
    RetireWebhook,
    SetDelivery,
    SettleEffect,
    SetVersion,
    StillHeld,
    TellWebhook,
)
from engine.store.data import ChangeData, DataStores, DropData, SqlDataRows
from engine.store.erase import Erase, FileErasing
from engine.store.folds import FileFolding
from engine.store.history import FilePruning
from engine.store.ids import show
from engine.store.lanes import Lanes
from engine.store.lanes_sql import SqlLaneRows
from engine.store.large import LARGE, Spill
from engine.store.records import SETTABLE, Delivery, DeliveryState, EffectRecord, EffectState, Identity
from engine.store.sql import queries
from engine.store.waits import AnswerWait, CloseWaits
from engine.store.waits_sql import WaitWriter

#: the state in which a run has an owner
RUNNING = "running"
#: why a word on a hold is refused
NOT_AS_BEFORE = "is not held as it was when it was looked at"

#: refused requests kept for each webhook
REFUSALS_KEPT = 20

# one call in C gives the values of a row; ``_value_`` spares the enum's property
_RECEIPT = attrgetter("id", "source", "received_at", "method", "headers", "query", "body", "subject")
_DELIVERY = attrgetter("receipt_id", "scenario", "number", "state._value_", "run_id", "event", "event_id", "reason")
_RUN = attrgetter(
    *("id", "scenario", "version", "receipt_id", "number", "origin", "state", "epoch", "created_at", "simulated"),
    *("subject", "started_at", "ended_at", "due_at", "recoveries", "hold", "result", "notes"),
)
_RECORD = attrgetter(
    *("run_id", "key", "position", "kind", "at", "module", "request_hash", "output", "error", "notes"),
)
_EFFECT = attrgetter(
    *("run_id", "key", "position", "effect_key", "scenario", "module", "effect", "request", "request_hash"),
    *("state._value_", "intended_at", "subject", "settled_at", "settled_by", "output", "error", "reason", "notes"),
)
_SETTLED = attrgetter("state._value_", "at", "by", "output", "error", "reason", "notes", "run_id", "key")


def lost(run_id: int, why: str) -> LostOwnership:
    """The refusal of a transaction for a run."""
    return LostOwnership(f"run {show(run_id)} {why}", hint="take the run up again from the store")


def not_alone(other: int, state: str) -> str:
    """Why a word on a run is refused whose event another run answers to."""
    return f"is not alone: run {show(other)} of the same event is {state}"


def not_settable(delivery_state: str | None) -> StoreError:
    """The refusal of a command that would change a delivery's fate twice."""
    now = "does not exist" if delivery_state is None else f"is '{delivery_state}'"
    return StoreError(f"the delivery {now}, and only a parked or rejected one changes", hint="see `engine receipts`")


class Applier:
    """Applies transactions through one connection, inside the transaction of a batch that the caller holds open.

    A transaction that raises ``LostOwnership`` or ``StoreError`` has changed nothing; one that raises anything else may
    have changed something.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._cursor = db.cursor()
        self._run = self._cursor.execute
        self._sql = queries()
        self._spill = Spill(self._run)
        #: runs some record of which was not written: their owners are refused until somebody takes them up again
        self.let_go: set[int] = set()
        self._dropped: set[tuple[int, str, int]] = set()
        #: the owners' epochs of runs that this connection saw running, and those among them without recoveries
        self._running: dict[int, int] = {}
        self._fresh: set[int] = set()
        #: runs that this connection added without a lane
        self._free: set[int] = set()
        #: the states that runs had before the transaction moves them
        self._before: dict[int, str] = {}
        self._lane_rows = SqlLaneRows(self._cursor)
        self._plain = True
        self._data_version = -1
        self._do: dict[type, Callable[[Any], object]] = {
            AddReceipt: self._add_receipt,
            AddDelivery: self._add_delivery,
            SetDelivery: self._set_delivery,
            AddRun: self._add_run,
            MoveRun: self._move_run,
            StillHeld: lambda _change: None,
            OnlyRun: lambda _change: None,
            SetVersion: lambda c: self._run(self._sql["set_version"], (c.version, c.run_id)),
            AddRecord: self._add_record,
            AddEffect: self._add_effect,
            SettleEffect: self._settle_effect,
            AddVersion: self._add_version,
            AddWebhook: self._add_webhook,
            RetireWebhook: self._retire_webhook,
            TellWebhook: self._tell_webhook,
            PutSecret: self._put_secret,
            CountRefusals: self._count_refusals,
            **alerts_file.appliers(self._run, self._dropped),
            PutPoll: self._put_poll,
            PutPollItems: self._put_poll_items,
            DropPollItems: self._drop_poll_items,
            Prune: FilePruning(self._run, self._spill).apply,
            Erase: FileErasing(self._run, self._spill).apply,
            **schedules.on_file(self._run),
        }
        folding = FileFolding(self._cursor)
        self._do.update({DropRecords: folding.drop, AddLoopItems: folding.add})
        self._waits = WaitWriter(self._run, self._queue_answered)
        self._do.update(self._waits.handlers)
        self._lanes = Lanes(self._lane_rows, self._move_other, self._do[CloseWaits])
        self._call_rows = SqlCallRows(self._run)
        self._calls = Calls(self._call_rows, self._do[AnswerWait])
        self._do[AddCall] = self._add_call
        data = SqlDataRows(self._run)
        self._do[ChangeData] = DataStores(data, self._keep_effect).apply
        self._do[DropData] = data.forget
        # looked up once: these are the hot ones
        self._sql_add_receipt = self._sql["add_receipt"]
        self._sql_add_delivery = self._sql["add_delivery"]
        self._sql_add_run = self._sql["add_run"]
        self._sql_run_state = self._sql["run_state"]
        self._sql_move_run = self._sql["move_run"]
        self._sql_add_record = self._sql["add_record"]
        self._sql_progress_run = self._sql["progress_run"]
        self._sql_add_effect = self._sql["add_effect"]
        self._sql_settle_effect = self._sql["settle_effect"]

    def begin(self) -> None:
        """At the beginning of a batch, in its transaction: forget what another process may have changed."""
        (version,) = self._run("pragma data_version").fetchone()
        if version != self._data_version:
            self._data_version = version
            self.forget()

    def forget(self) -> None:
        """What was applied was rolled back: the file is looked at anew."""
        self._running.clear()
        self._fresh.clear()
        self._free.clear()
        self._call_rows.any = None

    def apply(self, changes: tuple[Change, ...], owner: Owner | None) -> Fate:
        """Apply one transaction.

        Raises ``LostOwnership`` or ``StoreError`` when it is refused.
        """
        self._check(changes, owner)
        if not self._plain:
            self._dropped.clear()
            self._lanes.begin()
            self._calls.answered.clear()
            self._plain = True
        do = self._do
        for change in changes:
            do[type(change)](change)
        if self.let_go and owner is None:
            # who moves a run without being its owner claims it, or lets everybody see that nobody has it
            self.let_go.difference_update([c.run_id for c in changes if type(c) is MoveRun])
        if self._plain:
            return AS_ASKED
        lanes = self._lanes
        redirected = bool(self._dropped) or lanes.redirected
        return Fate(redirected, tuple(lanes.blocked), tuple(lanes.released), tuple(self._calls.answered))

    # The checks come first, so that a refused transaction needs no undoing and the batch around it no savepoints.

    def _check(self, changes: tuple[Change, ...], owner: Owner | None) -> None:
        states: dict[int, str] = {}
        if owner is not None:
            run_id = owner.run_id
            if run_id in self.let_go:
                raise lost(run_id, "has an earlier record that could not be written")
            if self._running.get(run_id) != owner.epoch:
                state, epoch = self._run(self._sql_run_state, (run_id,)).fetchone() or (None, None)
                if state != RUNNING or epoch != owner.epoch:
                    raise lost(run_id, "belongs to another owner now" if state == RUNNING else f"is {state or 'gone'}")
                self._running[run_id] = owner.epoch
            states[run_id] = RUNNING
            self._before = {run_id: RUNNING}
        else:
            self._before = {}
        for change in changes:
            kind = type(change)
            if kind is MoveRun:
                self._check_move(change, states)  # type: ignore[arg-type]  # `type() is` is the quick test; mypy cannot follow it
            elif kind is AddRun:
                states[change.run.id] = change.run.state  # type: ignore[union-attr]  # as above
            elif kind is SetDelivery:
                self._check_delivery(change)  # type: ignore[arg-type]  # as above
            elif kind is AnswerWait and change.must and not self._waits.is_open(change.run_id, change.key):  # type: ignore[union-attr]  # as above
                raise lost(change.run_id, "does not wait for this any more")  # type: ignore[union-attr]  # as above
            elif kind is StillHeld:
                self._check_hold(change)  # type: ignore[arg-type]  # as above
            elif kind is OnlyRun:
                self._check_only(change)  # type: ignore[arg-type]  # as above

    def _check_move(self, move: MoveRun, states: dict[int, str]) -> None:
        state = states.get(move.run_id)
        if state is None:
            (state,) = (self._run(self._sql_run_state, (move.run_id,)).fetchone() or (None,))[:1]
        if state not in move.sources:
            raise lost(move.run_id, f"is {state or 'gone'}, not {' or '.join(move.sources)}")
        states[move.run_id] = move.state
        self._before.setdefault(move.run_id, state)

    def _check_hold(self, change: StillHeld) -> None:
        (hold,) = self._run(self._sql["hold_of_run"], (change.run_id,)).fetchone() or (None,)
        if hold != change.hold:
            raise lost(change.run_id, NOT_AS_BEFORE)

    def _check_only(self, change: OnlyRun) -> None:
        found = self._run(self._sql["event_of_run"], (change.run_id,)).fetchone()
        state, *event = found if found is not None else (None,)
        if state not in change.states:
            raise lost(change.run_id, f"is {state or 'gone'}, not {' or '.join(change.states)}")
        over = "".join(f",{name}" for name in change.over) + ","
        if other := self._run(self._sql["other_run_of_event"], (*event, change.run_id, over)).fetchone():
            raise lost(change.run_id, not_alone(*other))

    def _check_delivery(self, change: SetDelivery) -> None:
        d = change.delivery
        (state,) = self._run(self._sql["delivery_state"], (d.receipt_id, d.scenario, d.number)).fetchone() or (None,)
        if state not in SETTABLE:
            raise not_settable(state)

    # ------------------------------------------------------------- one change each

    def _add_receipt(self, change: AddReceipt) -> None:
        row = _RECEIPT(change.receipt)
        self._run(
            self._sql_add_receipt, row if len(change.receipt.body) <= LARGE else self._spill(row, -change.receipt.id, 6)
        )

    def _add_delivery(self, change: AddDelivery) -> None:
        d = change.delivery
        if change.identity is not None:
            d = self._known(d, change.identity)
        event = d.event
        self._run(
            self._sql_add_delivery,
            _DELIVERY(d) if event is None or len(event) <= LARGE else self._spill(_DELIVERY(d), -d.receipt_id, 5),
        )

    def _known(self, d: Delivery, identity: Identity) -> Delivery:
        """The delivery, or what it becomes when its event came before."""
        original = self._lane_rows.know(d.scenario, d.receipt_id, identity)
        if original is None:
            return d
        self._plain = False
        self._dropped.add((d.receipt_id, d.scenario, d.number))
        return d._replace(state=DeliveryState.DUPLICATE, run_id=None, reason=show(original))

    def _set_delivery(self, change: SetDelivery) -> None:
        d = change.delivery
        if change.identity is not None:
            d = self._known(d, change.identity)
        row = (d.state.value, d.run_id, d.event, d.event_id, d.reason, d.receipt_id, d.scenario, d.number)
        self._run(self._sql["set_delivery"], self._spill(row, -d.receipt_id, 2))

    def _add_run(self, change: AddRun) -> None:
        run = change.run
        if self._dropped and (run.receipt_id, run.scenario, run.number) in self._dropped:
            return
        if change.lane is None and change.gather is None:
            self._free.add(run.id)
        else:
            self._plain = False
            stored = self._lanes.add(change)
            if stored is None:
                return
            run = stored
        self._before[run.id] = run.state
        self._run(self._sql_add_run, _RUN(run))
        if run.state == RUNNING:
            self._running[run.id] = run.epoch
            if run.recoveries == 0:
                self._fresh.add(run.id)
        elif is_trouble(run.state, run.due_at):
            self._run(self._sql["add_trouble"], (run.state, run.created_at, run.id))

    def _add_call(self, change: AddCall) -> None:
        self._plain = False
        # its end is somebody's answer
        self._free.discard(change.call.run_id)
        self._calls.add(change)

    def _move_other(self, move: MoveRun, before: str) -> None:
        self._before[move.run_id] = before
        self._move_run(move)

    def _queue_answered(self, move: MoveRun, scenario: str) -> None:
        self._plain = False
        self._move_run(move)
        self._lanes.released.append(scenario)

    def _move_run(self, m: MoveRun) -> None:
        free = m.run_id in self._free
        if free:
            # it may be far away when it is moved next
            self._free.discard(m.run_id)
        else:
            self._plain = False
            m = self._lanes.moving(m, self._before.get(m.run_id, ""))
        self._before[m.run_id] = m.state
        # the next owner is looked up in the file
        self._running.pop(m.run_id, None)
        self._fresh.discard(m.run_id)
        started = m.at if m.state == RUNNING else None
        ended = m.at if m.ended else None
        row = (m.state, m.epoch, m.due_at, m.hold, m.result, m.notes, 1 if m.recovered else 0, started, ended, m.run_id)
        if (m.result is not None and len(m.result) > LARGE) or (m.notes is not None and len(m.notes) > LARGE):
            self._run(self._sql_move_run, self._spill(row, m.run_id, 4, 5))
        else:
            self._run(self._sql_move_run, row)
        if is_trouble(m.state, m.due_at, m.sources, m.hold):
            self._run(self._sql["add_trouble"], (m.state, m.at, m.run_id))
        if m.ended and not free:
            self._calls.ended(m.run_id, m.state, m.result, m.at)

    def _add_record(self, change: AddRecord) -> None:
        row = _RECORD(change.record)
        output, notes = row[7], row[9]
        if (output is not None and len(output) > LARGE) or (notes is not None and len(notes) > LARGE):
            row = self._spill(row, row[0], 7, 9)
        self._run(self._sql_add_record, row)
        self._progress(change.record.run_id)

    def _add_effect(self, change: AddEffect) -> None:
        row, output, notes = _EFFECT(change.effect), change.effect.output, change.effect.notes
        large = len(change.effect.request) > LARGE or (notes is not None and len(notes) > LARGE)
        if large or (output is not None and len(output) > LARGE):
            row = self._spill(row, row[0], 7, 14, 17)
        self._run(self._sql_add_effect, row)

    def _keep_effect(self, effect: EffectRecord) -> None:
        self._add_effect(AddEffect(effect))
        self._progress(effect.run_id)

    def _settle_effect(self, change: SettleEffect) -> None:
        row = _SETTLED(change)
        output, notes = row[3], row[6]
        if (output is not None and len(output) > LARGE) or (notes is not None and len(notes) > LARGE):
            row = self._spill.settled(row, change.run_id, change.key)
        self._run(self._sql_settle_effect, row)
        if change.state is EffectState.DONE:
            self._progress(change.run_id)

    def _progress(self, run_id: int) -> None:
        if run_id not in self._fresh:
            self._run(self._sql_progress_run, (run_id,))
            if run_id in self._running:
                self._fresh.add(run_id)

    def _add_version(self, change: AddVersion) -> None:
        self._run(self._sql["add_version"], (change.version, change.scenario, change.source, change.at))

    def _add_webhook(self, change: AddWebhook) -> None:
        w = change.webhook
        self._run(self._sql["add_webhook"], (w.token, w.name, w.created_at, w.valid_until, w.told_over, w.told_url))

    def _retire_webhook(self, change: RetireWebhook) -> None:
        self._run(self._sql["retire_webhook"], (change.valid_until, change.name))

    def _tell_webhook(self, change: TellWebhook) -> None:
        self._run(self._sql["tell_webhook"], (change.connection, change.url, change.token))

    def _put_secret(self, change: PutSecret) -> None:
        if change.value is None:
            self._run(self._sql["remove_secret"], (change.name,))
        else:
            self._run(self._sql["put_secret"], (change.name, change.value, change.at))

    def _count_refusals(self, change: CountRefusals) -> None:
        for row in change.counts:
            self._run(self._sql["count_refusals"], row)
        for r in change.latest:
            kept = (r.at, r.webhook, r.status, clean(r.reason), clean(r.excerpt))
            self._run(self._sql["add_refusal"], kept)
        for webhook in {r.webhook for r in change.latest}:
            self._run(self._sql["trim_refusals"], (webhook, webhook, REFUSALS_KEPT))

    def _put_poll(self, change: PutPoll) -> None:
        p = change.poll
        self._run(self._sql["put_poll"], (p.scenario, p.simulated, p.trigger, p.at, p.mark, p.sweep))

    def _put_poll_items(self, change: PutPollItems) -> None:
        own = (change.scenario, change.simulated)
        rows = [(*own, item.id, item.content, item.position, item.gone_at) for item in change.items]
        self._cursor.executemany(self._sql["put_poll_item"], rows)

    def _drop_poll_items(self, change: DropPollItems) -> None:
        own = (change.scenario, change.simulated)
        if change.ids is None:
            self._run(self._sql["drop_poll_items"], own)
        else:
            self._cursor.executemany(self._sql["drop_poll_item"], [(*own, item_id) for item_id in change.ids])


def clean(text: str) -> str:
    """A stranger's text as UTF-8 can say it."""
    # strangers write these texts; what UTF-8 cannot say must not cost the write
    return text.encode("utf-8", "replace").decode("utf-8")
