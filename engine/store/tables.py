"""The tables of the in-memory double, and what each change does to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from engine.store import schedules
from engine.store.alerts_memory import AlertChanges, AlertTables
from engine.store.alerts_rows import is_trouble
from engine.store.apply import NOT_AS_BEFORE, REFUSALS_KEPT, RUNNING, clean, lost, not_alone, not_settable
from engine.store.calls import AddCall, Call, Calls, MemoryCallRows
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
    DeliveryKey,
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
from engine.store.data import ChangeData, DataRow, DataStores, DropData, MemoryDataRows
from engine.store.data import Standing as DataStanding
from engine.store.erase import Erase, erase_tables
from engine.store.folds import digest
from engine.store.history import prune_tables
from engine.store.ids import show
from engine.store.lanes import ACTIVE, BLOCKED, ENDED, RESTING, Lanes, Standing
from engine.store.records import (
    SETTABLE,
    Delivery,
    DeliveryState,
    EffectRecord,
    EffectState,
    Identity,
    Poll,
    PollItem,
    Receipt,
    Record,
    Refusal,
    Run,
    Webhook,
)
from engine.store.schedules import Schedule
from engine.store.waits import AnswerWait, CloseWaits
from engine.store.waits_memory import MemoryWaitWriter, WaitTables

_OPEN = (EffectState.INTENDED, EffectState.UNKNOWN)


@dataclass(slots=True)
class Tables:
    """What would be in the file."""

    receipts: dict[int, Receipt] = field(default_factory=dict)
    deliveries: dict[DeliveryKey, Delivery] = field(default_factory=dict)
    #: by scenario and key: the receipt by which it came first, and until when it is known
    identities: dict[tuple[str, str], tuple[int, float]] = field(default_factory=dict)
    lanes: dict[int, Standing] = field(default_factory=dict)
    gatherings: dict[str, tuple[int, float]] = field(default_factory=dict)
    runs: dict[int, Run] = field(default_factory=dict)
    journal: dict[tuple[int, str], Record] = field(default_factory=dict)
    effects: dict[tuple[int, str], EffectRecord] = field(default_factory=dict)
    loop_items: dict[tuple[int, str, bytes], bool] = field(default_factory=dict)
    versions: dict[str, bytes] = field(default_factory=dict)
    webhooks: dict[str, Webhook] = field(default_factory=dict)
    secrets: dict[str, bytes] = field(default_factory=dict)
    alerts: AlertTables = field(default_factory=AlertTables)
    refusal_counts: dict[tuple[str, int], int] = field(default_factory=dict)
    refusals: dict[int, Refusal] = field(default_factory=dict)
    polls: dict[tuple[str, bool], Poll] = field(default_factory=dict)
    poll_items: dict[tuple[str, bool, str], PollItem] = field(default_factory=dict)
    calls: dict[int, Call] = field(default_factory=dict)
    data: dict[tuple[str, bool, str], DataRow] = field(default_factory=dict)
    data_stores: dict[tuple[str, bool], DataStanding] = field(default_factory=dict)
    waiting: WaitTables = field(default_factory=WaitTables)
    kept_keys: dict[tuple[str, float, int], bool] = field(default_factory=dict)
    schedules: dict[tuple[str, bool], Schedule] = field(default_factory=dict)
    gone_triggers: dict[str, float] = field(default_factory=dict)
    epoch: int = 0


class Transaction:
    """One transaction on the tables: all of it, or nothing."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._undo: list[tuple[dict[Any, Any], object, object]] = []
        self._dropped: set[DeliveryKey] = set()
        self._do: dict[type, Callable[[Any], None]] = {
            AddReceipt: self._add_receipt,
            AddDelivery: self._add_delivery,
            SetDelivery: self._set_delivery,
            AddRun: self._add_run,
            MoveRun: self._move_run,
            StillHeld: lambda _change: None,
            OnlyRun: lambda _change: None,
            SetVersion: self._set_version,
            AddRecord: self._add_record,
            AddEffect: self._add_effect,
            DropRecords: self._drop_records,
            AddLoopItems: self._add_loop_items,
            SettleEffect: self._settle_effect,
            AddVersion: self._add_version,
            AddWebhook: self._add_webhook,
            RetireWebhook: self._retire_webhook,
            TellWebhook: self._tell_webhook,
            PutSecret: self._put_secret,
            CountRefusals: self._count_refusals,
            **AlertChanges(tables.alerts, self._set, self._remove, self._dropped).appliers(),
            PutPoll: self._put_poll,
            PutPollItems: self._put_poll_items,
            DropPollItems: self._drop_poll_items,
            Prune: lambda step: prune_tables(self, step),
            Erase: lambda step: erase_tables(self, step),
            **schedules.in_memory(tables, self._set, self._remove),
        }
        self._waits = MemoryWaitWriter(tables, self._set, self._remove, self._queue_answered)
        self._do.update(self._waits.handlers)
        lane_rows = _LaneRows(tables, self._set, self._remove)
        self._lanes = Lanes(lane_rows, lambda move, _: self._move_run(move), self._do[CloseWaits])
        self._calls = Calls(MemoryCallRows(tables, self._set), self._do[AnswerWait])
        self._do[AddCall] = self._calls.add
        data = MemoryDataRows(tables, self._set, self._remove)
        self._do[ChangeData] = DataStores(data, lambda effect: self._add_effect(AddEffect(effect))).apply
        self._do[DropData] = data.forget

    def apply(self, changes: tuple[Change, ...], owner: Owner | None) -> Fate:
        """Apply the changes.

        Raises ``LostOwnership``, ``StoreError``; ``KeyError``: the row exists.
        """
        if owner is not None:
            run = self._tables.runs.get(owner.run_id)
            if run is None or run.state != RUNNING:
                raise lost(owner.run_id, f"is {run.state if run else 'gone'}")
            if run.epoch != owner.epoch:
                raise lost(owner.run_id, "belongs to another owner now")
        # refusals come before mistakes, as in the file's store
        self._check(changes)
        try:
            for change in changes:
                self._do[type(change)](change)
        except BaseException:
            for table, key, row in reversed(self._undo):
                if row is None:
                    table.pop(key, None)
                else:
                    table[key] = row
            raise
        lanes = self._lanes
        fate = Fate(
            bool(self._dropped) or lanes.redirected,
            tuple(lanes.blocked),
            tuple(lanes.released),
            tuple(self._calls.answered),
        )
        return AS_ASKED if fate == AS_ASKED else fate

    @property
    def tables(self) -> Tables:
        return self._tables

    def set(self, table: dict[Any, Any], key: object, row: object) -> None:
        """Add or replace a row."""
        self._set(table, key, row)

    def remove(self, table: dict[Any, Any], key: object) -> None:
        """Remove a row, if it is there."""
        self._remove(table, key)

    def _set(self, table: dict[Any, Any], key: object, row: object) -> None:
        self._undo.append((table, key, table.get(key)))
        table[key] = row

    def _remove(self, table: dict[Any, Any], key: object) -> None:
        if key in table:
            self._undo.append((table, key, table.pop(key)))

    def _add(self, table: dict[Any, Any], key: object, row: object) -> None:
        if key in table:
            raise KeyError(f"a row {key} exists")
        self._set(table, key, row)

    def _check(self, changes: tuple[Change, ...]) -> None:
        states: dict[int, str] = {}
        for change in changes:
            if isinstance(change, AddRun):
                states[change.run.id] = change.run.state
            elif isinstance(change, MoveRun):
                run = self._tables.runs.get(change.run_id)
                state = states.get(change.run_id, run.state if run else None)
                if state not in change.sources:
                    raise lost(change.run_id, f"is {state or 'gone'}, not {' or '.join(change.sources)}")
                states[change.run_id] = change.state
            elif isinstance(change, StillHeld):
                run = self._tables.runs.get(change.run_id)
                if run is None or run.hold != change.hold:
                    raise lost(change.run_id, NOT_AS_BEFORE)
            elif isinstance(change, OnlyRun):
                self._check_only(change)
            elif isinstance(change, SetDelivery):
                d = change.delivery
                there = self._tables.deliveries.get((d.receipt_id, d.scenario, d.number))
                if there is None or there.state not in SETTABLE:
                    raise not_settable(None if there is None else there.state)
            elif isinstance(change, AnswerWait) and change.must and not self._waits.is_open(change.run_id, change.key):
                raise lost(change.run_id, "does not wait for this any more")

    def _check_only(self, change: OnlyRun) -> None:
        own = self._tables.runs.get(change.run_id)
        if own is None or own.state not in change.states:
            raise lost(change.run_id, f"is {own.state if own else 'gone'}, not {' or '.join(change.states)}")
        event = (own.receipt_id, own.scenario, own.origin)
        for run in self._tables.runs.values():
            same = (run.receipt_id, run.scenario, run.origin) == event and run.id != own.id
            if same and run.state not in change.over:
                raise lost(own.id, not_alone(run.id, run.state))

    def _add_receipt(self, change: AddReceipt) -> None:
        self._add(self._tables.receipts, change.receipt.id, change.receipt)

    def _add_delivery(self, change: AddDelivery) -> None:
        d = change.delivery
        key = (d.receipt_id, d.scenario, d.number)
        if change.identity is not None:
            d = self._known(d, change.identity)
        self._add(self._tables.deliveries, key, d)

    def _known(self, d: Delivery, identity: Identity) -> Delivery:
        """The delivery, or what it becomes when its event came before."""
        key = (d.scenario, identity.key)
        original, until = self._tables.identities.get(key, (0, identity.at))
        if until <= identity.at:
            self._set(self._tables.identities, key, (d.receipt_id, identity.until))
            return d
        self._dropped.add((d.receipt_id, d.scenario, d.number))
        return d._replace(state=DeliveryState.DUPLICATE, run_id=None, reason=show(original))

    def _set_delivery(self, change: SetDelivery) -> None:
        d = change.delivery
        key = (d.receipt_id, d.scenario, d.number)
        if change.identity is not None:
            d = self._known(d, change.identity)
        self._set(self._tables.deliveries, key, d)

    def _add_run(self, change: AddRun) -> None:
        run = change.run
        if (run.receipt_id, run.scenario, run.number) in self._dropped:
            return
        stored = self._lanes.add(change)
        if stored is not None:
            self._add(self._tables.runs, stored.id, stored)
            if is_trouble(stored.state, stored.due_at):
                self._trouble(stored, stored.created_at)

    def _queue_answered(self, move: MoveRun, scenario: str) -> None:
        self._move_run(move)
        self._lanes.released.append(scenario)

    def _move_run(self, move: MoveRun) -> None:
        run = self._tables.runs.get(move.run_id)
        if run is None:
            return  # the move of a run that was dropped with its duplicate delivery
        move = self._lanes.moving(move, run.state)
        moved = run._replace(
            state=move.state,
            epoch=run.epoch if move.epoch is None else move.epoch,
            due_at=move.due_at,
            hold=move.hold,
            result=run.result if move.result is None else move.result,
            notes=run.notes if move.notes is None else move.notes,
            recoveries=run.recoveries + move.recovered,
            started_at=move.at if run.started_at is None and move.state == RUNNING else run.started_at,
            ended_at=move.at if move.ended else run.ended_at,
        )
        self._set(self._tables.runs, run.id, moved)
        if is_trouble(move.state, move.due_at, move.sources, move.hold):
            self._trouble(moved, move.at)
        if move.ended:
            self._calls.ended(run.id, move.state, move.result, move.at)

    def _trouble(self, run: Run, at: float) -> None:
        alerts = self._tables.alerts
        self._set(alerts.troubles, next(alerts.numbers), (run.id, run.scenario, run.simulated, run.state, at))

    def _set_version(self, change: SetVersion) -> None:
        if run := self._tables.runs.get(change.run_id):
            self._set(self._tables.runs, run.id, run._replace(version=change.version))

    def _add_record(self, change: AddRecord) -> None:
        record = change.record
        self._set(self._tables.journal, (record.run_id, record.key), record)
        if run := self._tables.runs.get(record.run_id):
            self._set(self._tables.runs, run.id, run._replace(recoveries=0))

    def _drop_records(self, change: DropRecords) -> None:
        for key in change.keys:
            self._remove(self._tables.journal, (change.run_id, key))

    def _add_loop_items(self, change: AddLoopItems) -> None:
        for name in change.names:
            self._set(self._tables.loop_items, (change.run_id, change.path, digest(name)), True)

    def _add_effect(self, change: AddEffect) -> None:
        self._add(self._tables.effects, (change.effect.run_id, change.effect.key), change.effect)

    def _settle_effect(self, s: SettleEffect) -> None:
        effect = self._tables.effects.get((s.run_id, s.key))
        if effect is not None and effect.state in _OPEN:
            settled = effect._replace(
                state=s.state,
                settled_at=s.at,
                settled_by=s.by,
                output=s.output,
                error=s.error,
                reason=s.reason,
                notes=effect.notes if s.notes is None else s.notes,
            )
            self._set(self._tables.effects, (s.run_id, s.key), settled)
        run = self._tables.runs.get(s.run_id)
        if s.state is EffectState.DONE and run is not None:
            self._set(self._tables.runs, run.id, run._replace(recoveries=0))

    def _add_version(self, change: AddVersion) -> None:
        if change.version not in self._tables.versions:
            self._set(self._tables.versions, change.version, change.source)

    def _add_webhook(self, change: AddWebhook) -> None:
        self._add(self._tables.webhooks, change.webhook.token, change.webhook)

    def _retire_webhook(self, change: RetireWebhook) -> None:
        for token, webhook in tuple(self._tables.webhooks.items()):
            if webhook.name == change.name and webhook.valid_until is None:
                self._set(self._tables.webhooks, token, replace(webhook, valid_until=change.valid_until))

    def _tell_webhook(self, change: TellWebhook) -> None:
        if (webhook := self._tables.webhooks.get(change.token)) is not None:
            told = replace(webhook, told_over=change.connection, told_url=change.url)
            self._set(self._tables.webhooks, change.token, told)

    def _put_secret(self, change: PutSecret) -> None:
        if change.value is None:
            self._remove(self._tables.secrets, change.name)
        else:
            self._set(self._tables.secrets, change.name, change.value)

    def _count_refusals(self, change: CountRefusals) -> None:
        counts, refusals = self._tables.refusal_counts, self._tables.refusals
        for webhook, status, count in change.counts:
            self._set(counts, (webhook, status), counts.get((webhook, status), 0) + count)
        for given in change.latest:
            refusal = replace(given, reason=clean(given.reason), excerpt=clean(given.excerpt))
            self._set(refusals, max(refusals, default=0) + 1, refusal)
            same = sorted(number for number, r in refusals.items() if r.webhook == refusal.webhook)
            for number in same[:-REFUSALS_KEPT]:
                self._remove(refusals, number)

    def _put_poll(self, change: PutPoll) -> None:
        poll = change.poll
        self._set(self._tables.polls, (poll.scenario, poll.simulated), poll)

    def _put_poll_items(self, change: PutPollItems) -> None:
        for item in change.items:
            self._set(self._tables.poll_items, (change.scenario, change.simulated, item.id), item)

    def _drop_poll_items(self, change: DropPollItems) -> None:
        own = (change.scenario, change.simulated)
        if change.ids is not None:
            keys = [(*own, item_id) for item_id in change.ids]
        else:
            keys = [key for key in self._tables.poll_items if key[:2] == own]
        for key in keys:
            self._remove(self._tables.poll_items, key)


class _LaneRows:
    """``engine.store.lanes.LaneRows`` in dictionaries, with the transaction's way to undo."""

    def __init__(
        self,
        tables: Tables,
        put: Callable[[dict[Any, Any], object, object], None],
        remove: Callable[[dict[Any, Any], object], None],
    ) -> None:
        self._tables = tables
        self._put = put
        self._remove = remove

    def gathering(self, key: str) -> tuple[int, float] | None:
        return self._tables.gatherings.get(key)

    def begin_gathering(self, key: str, run_id: int, until: float) -> None:
        self._put(self._tables.gatherings, key, (run_id, until))

    def end_gathering(self, run_id: int) -> None:
        for key in [key for key, (own, _) in self._tables.gatherings.items() if own == run_id]:
            self._remove(self._tables.gatherings, key)

    def gather(self, run_id: int, newer: Run, due_at: float) -> None:
        run = self._tables.runs[run_id]
        given = run._replace(
            receipt_id=newer.receipt_id,
            number=newer.number,
            origin=newer.origin,
            subject=newer.subject,
            due_at=due_at,
        )
        self._put(self._tables.runs, run_id, given)

    def lane_of(self, run_id: int) -> Standing | None:
        return self._tables.lanes.get(run_id)

    def enter(self, row: Standing) -> None:
        self._put(self._tables.lanes, row.run_id, row)

    def stand(self, run_id: int, standing: str) -> None:
        self._put(self._tables.lanes, run_id, self._tables.lanes[run_id]._replace(standing=standing))

    def leave(self, run_id: int) -> None:
        self._remove(self._tables.lanes, run_id)

    def _of(self, lane: str) -> list[Standing]:
        return [self._tables.lanes[run_id] for run_id in sorted(self._tables.lanes) if self._is(run_id, lane)]

    def _is(self, run_id: int, lane: str) -> bool:
        return self._tables.lanes[run_id].lane == lane

    def taken(self, lane: str, most: int) -> int:
        return min(most, sum(row.standing == ACTIVE for row in self._of(lane)))

    def first(self, lane: str, standing: str) -> Standing | None:
        return next((row for row in self._of(lane) if row.standing == standing), None)

    def replacement(self, lane: str, run_id: int) -> int | None:
        newer = [r.run_id for r in self._of(lane) if r.run_id > run_id and r.replaces and r.standing != ENDED]
        return max(newer, default=None)

    def replaceable(self, lane: str, run_id: int) -> list[tuple[int, str]]:
        older = [self._tables.runs[r.run_id] for r in self._of(lane) if r.run_id < run_id and r.standing != ENDED]
        waiting = (BLOCKED, *RESTING[:2])
        return [(r.id, r.state) for r in older if r.state in waiting or (r.state == "queued" and r.started_at is None)]

    def release(self, run_id: int) -> str:
        run = self._tables.runs[run_id]
        self._put(self._tables.runs, run_id, run._replace(state="queued"))
        return run.scenario

    def redirect(self, run: Run, state: str, run_id: int | None, reason: str) -> None:
        key = (run.receipt_id, run.scenario, run.number)
        if delivery := self._tables.deliveries.get(key):
            fate = delivery._replace(state=DeliveryState(state), run_id=run_id, reason=reason)
            self._put(self._tables.deliveries, key, fate)
