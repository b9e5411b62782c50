"""From a delivery to receipts and runs, in one transaction, before anybody is told that it was taken."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.runtime.outcomes import Held, Hold
from engine.runtime.rundata import is_json, names, request_name
from engine.runtime.runner import Runner
from engine.runtime.states import State
from engine.runtime.ticks import SCHEDULE
from engine.scenario.expressions import ExpressionError
from engine.scenario.plan import Listening, ModuleTrigger, Polling, Scenario
from engine.sdk import jsontext
from engine.sdk.clock import Clock
from engine.sdk.errors import DataError, StoreError
from engine.sdk.faults import NO_FAULTS, Faults
from engine.sdk.modules import Delivery as Incoming
from engine.sdk.modules import Event
from engine.store.changes import AddDelivery, AddReceipt, AddRun, Change, SetDelivery
from engine.store.interface import Store
from engine.store.records import SETTABLE, Delivery, DeliveryState, Receipt, Run

log = logging.getLogger(__name__)

#: the method of a receipt that a polling trigger made; its body is the list of items
POLL = "POLL"


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a delivery that was taken.

    :param runs: ids of the runs that were made, whatever their state.
    """

    receipt_id: int
    deliveries: tuple[Delivery, ...]
    runs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Start:
    run: Run
    plan: Scenario
    data: dict[str, Any]
    size: int


class Intake:
    """Takes deliveries."""

    def __init__(self, store: Store, runner: Runner, clock: Clock, faults: Faults = NO_FAULTS) -> None:
        self._store = store
        self._runner = runner
        self._clock = clock
        self._faults = faults
        #: runs of the delivery at hand that shall be in memory as soon as they are stored
        self._coming = 0

    async def accept(
        self,
        source: str,
        listeners: Sequence[Scenario],
        incoming: Incoming,
        idle: str = "",
        also: Sequence[Change] = (),
    ) -> Accepted:
        """Store a delivery, durably, with the fate it has for each listener; then start the runs.

        :param source: the webhook's name.
        :param listeners: the scenarios that listen now, inactive ones included.
        :param idle: for a webhook that nobody listens to, the scenario that it was made for.
        :param also: what belongs into the same transaction.
        :raises StoreError: it is not stored, and must not be acknowledged.
        """
        now = self._clock.time()
        receipt_id = self._store.new_id()
        request = request_name(incoming.method, incoming.headers, incoming.query, now)
        deliveries: list[Delivery] = []
        starts: list[_Start] = []
        runs: list[Run] = []
        subject: str | None = None
        self._coming = 0
        for plan in listeners:
            sorter = _Sorter(self, plan, receipt_id, now, request, incoming)
            for delivery, start, about in sorter.sort():
                deliveries.append(delivery)
                subject = subject or about
                if start is not None:
                    runs.append(start.run)
                    starts.append(start)
        if not listeners:
            reason = f"scenario '{idle}' is not loaded" if idle else "no scenario listens to this webhook"
            deliveries.append(Delivery(receipt_id, idle, 0, DeliveryState.PARKED, reason=reason))
        receipt = Receipt(
            receipt_id,
            source,
            now,
            incoming.method,
            jsontext.dumps(dict(incoming.headers)),
            jsontext.dumps(dict(incoming.query)),
            incoming.raw,
            subject,
        )
        changes: list[Change] = [AddReceipt(receipt)]
        made = {run.id: run for run in runs}
        for delivery in deliveries:
            changes.append(AddDelivery(delivery))
            if delivery.run_id is not None:
                changes.append(AddRun(made[delivery.run_id]))
        self._faults.hit("receipt.taken")
        duplicates = await self._commit([*changes, *also])
        self._faults.hit("receipt.accepted")
        return await self._started(receipt_id, deliveries, starts, duplicates)

    async def _started(
        self, receipt_id: int, deliveries: list[Delivery], starts: Sequence[_Start], duplicates: bool
    ) -> Accepted:
        """Start the runs of deliveries that were stored.

        :param duplicates: whether there are any among them.
        """
        if duplicates:
            # which of them was decided in the transaction
            deliveries = await self._decided(receipt_id, deliveries)
        ids = tuple(d.run_id for d in deliveries if d.run_id is not None and d.state is DeliveryState.RUN)
        made = frozenset(ids)
        self._begin([start for start in starts if start.run.id in made])
        return Accepted(receipt_id, tuple(deliveries), ids)

    async def _decided(self, receipt_id: int, planned: list[Delivery]) -> list[Delivery]:
        try:
            numbers = {(delivery.scenario, delivery.number) for delivery in planned}
            stored = await self._store.deliveries([receipt_id])
            return [delivery for delivery in stored if (delivery.scenario, delivery.number) in numbers]
        except StoreError as error:
            # it is stored, so it is taken; a run that turns out to be a duplicate's has no owner and can write nothing
            log.warning("a receipt cannot be read back: %s", error.message, extra={"action": "receipt_unread"})
            return planned

    async def deliver(self, receipt: Receipt, plan: Scenario, incoming: Incoming) -> Accepted:
        """By command: give a parked or rejected receipt to a scenario as if it came now; its time stays."""
        request = request_name(incoming.method, incoming.headers, incoming.query, receipt.received_at)
        known = {(d.scenario, d.number): d.state for d in await self._store.deliveries([receipt.id])}
        sorter = _Sorter(self, plan, receipt.id, self._clock.time(), request, incoming, by_command=True)
        changes: list[Change] = []
        starts: list[_Start] = []
        deliveries: list[Delivery] = []
        self._coming = 0
        for delivery, start, _ in sorter.sort():
            state = known.get((delivery.scenario, delivery.number))
            if receipt.method == POLL and state is not None and state not in SETTABLE:
                # the items of a poll have fates of their own; those that are settled stay so
                continue
            deliveries.append(delivery)
            there = state is not None
            changes.append(SetDelivery(delivery) if there else AddDelivery(delivery))
            if start is not None:
                changes.append(AddRun(start.run))
                starts.append(start)
        duplicates = await self._commit(changes)
        return await self._started(receipt.id, deliveries, starts, duplicates)

    async def _commit(self, changes: Sequence[Change]) -> bool:
        try:
            return await self._store.put(*changes)
        except StoreError:
            if self._store.broken:
                self._runner.broke()
            raise

    def _begin(self, starts: Sequence[_Start]) -> None:
        for start in starts:
            if start.run.state == State.RUNNING:
                self._runner.begin(start.run, start.plan, start.data)
            elif start.run.state == State.QUEUED:
                self._runner.queue(start.run, start.plan, start.data, start.size)

    def identity(self, event_id: str) -> str:
        """An event's identity in the store: what is simulated is no duplicate of what is real, nor the other way."""
        return f"simulated:{event_id}" if self._runner.simulated else event_id

    def new_run(self, plan: Scenario, receipt_id: int, number: int, now: float, subject: str | None) -> Run:
        run_id = self._store.new_id()
        state = State.RUNNING if self._runner.has_room(self._coming) else State.QUEUED
        # a page of a poll may bring more than there is room for
        self._coming += state is State.RUNNING
        return Run(
            run_id,
            plan.name,
            plan.version,
            receipt_id,
            number,
            f"{receipt_id}:{number}",
            state,
            self._runner.epoch,
            now,
            self._runner.simulated,
            subject,
            now if state is State.RUNNING else None,
        )


class _Sorter:
    """Finds the fate of each event of a delivery for one scenario."""

    def __init__(
        self,
        intake: Intake,
        plan: Scenario,
        receipt_id: int,
        now: float,
        request: dict[str, Any],
        incoming: Incoming,
        *,
        by_command: bool = False,
    ) -> None:
        self._intake = intake
        self._plan = plan
        self._receipt_id = receipt_id
        self._now = now
        self._request = request
        self._incoming = incoming
        self._by_command = by_command

    def sort(self) -> list[tuple[Delivery, _Start | None, str | None]]:
        plan, trigger = self._plan, self._plan.trigger
        if isinstance(trigger, Polling):
            return [self._item(trigger, number, item) for number, item in enumerate(self._incoming.body)]
        if self._incoming.method == SCHEDULE:
            return list(self._moments())
        try:
            events = self._events()
        except DataError as error:
            return [(self._delivery(0, DeliveryState.REJECTED, reason=error.message), None, None)]
        except Exception as error:  # noqa: BLE001 - a plugin's mistake; the receipt keeps the body, and says what happened
            parser = trigger.module_name if isinstance(trigger, ModuleTrigger) else ""
            reason = f"the parser of {parser} raised {type(error).__name__}: {error}"
            return [(self._delivery(0, DeliveryState.REJECTED, reason=reason), None, None)]
        if not events:
            return [(self._delivery(0, DeliveryState.FILTERED, reason="the delivery holds no event"), None, None)]
        if not plan.active and not self._by_command:
            parked = self._delivery(0, DeliveryState.PARKED, reason=f"scenario '{plan.name}' is inactive")
            return [(parked, None, events[0].subject)]
        return [self._one(number, event) for number, event in enumerate(events)]

    def _events(self) -> list[Event]:
        """The delivery's events as the app gives them. Raises whatever the app's code raises."""
        trigger = self._plan.trigger
        if not isinstance(trigger, Listening):
            return [Event(self._incoming.body)]
        events = list(trigger.module.parse(self._incoming))
        if identify := trigger.module.identify:
            events = [identify(trigger.config, self._incoming, event) for event in events]
        return [
            Event(
                self._storable(event.body),
                None if event.id is None else self._intake.identity(str(event.id)),
                None if event.subject is None else str(event.subject),
            )
            for event in events
        ]

    def _item(self, trigger: Polling, number: int, item: Any) -> tuple[Delivery, _Start | None, str | None]:
        """The fate of one item of a poll: one that the app cannot read stops no other."""
        try:
            event = trigger.module.identify(trigger.config, item)
            body = self._storable(event.body)
        except DataError as error:
            return self._delivery(number, DeliveryState.REJECTED, reason=error.message), None, None
        except Exception as error:  # noqa: BLE001 - a plugin's mistake; the receipt keeps the item, and says what happened
            reason = f"{trigger.module_name} raised {type(error).__name__}: {error}"
            return self._delivery(number, DeliveryState.REJECTED, reason=reason), None, None
        # a record that changes keeps its id, so the id tells no duplicates: the poll's cursor does
        subject = None if event.subject is None else str(event.subject)
        return self._one(number, replace(event, body=body, id=None, subject=subject))

    def _moments(self) -> Iterator[tuple[Delivery, _Start | None, str | None]]:
        """The moments of a schedule; those that were left out have one fate together."""
        number = 0
        for number, moment in enumerate(self._incoming.body["moments"], 1):
            yield self._one(number - 1, Event(moment["event"], self._intake.identity(moment["id"])))
        if reason := self._incoming.body["left_out"]:
            yield self._delivery(number, DeliveryState.FILTERED, reason=reason), None, None

    def _storable(self, body: Any) -> Any:
        """An event's body as the store will hold it, so that a run sees the same now and later."""
        # what cannot be stored is found out here, where it is still the app's mistake
        return body if body is self._incoming.body else jsontext.loads(jsontext.dumps(body))

    def _one(self, number: int, event: Event) -> tuple[Delivery, _Start | None, str | None]:
        plan = self._plan
        scope = {"trigger": event.body, "request": self._request}
        trouble: Hold | None = None
        subject = event.subject
        try:
            reason = self._filtered(event, scope)
            if reason is not None:
                return self._delivery(number, DeliveryState.FILTERED, event, reason=reason), None, subject
            if plan.subject is not None:
                value = plan.subject.evaluate(scope)
                subject = None if value is None else str(value)
        except ExpressionError as error:
            trouble = Hold("trigger", error.message, "trigger", 0, error.to_json())
        except Exception as error:  # noqa: BLE001 - a plugin's mistake in its filter; the event is held, not lost
            trouble = Hold("trigger", f"the trigger's filter raised {type(error).__name__}: {error}", "trigger")
        run = self._intake.new_run(plan, self._receipt_id, number, self._now, subject)
        if trouble is not None:
            run = _held(run, trouble)
        delivery = self._delivery(number, DeliveryState.RUN, event, run_id=run.id)
        return delivery, _Start(run, plan, names(run, event.body, self._request), len(self._incoming.raw)), subject

    def _filtered(self, event: Event, scope: dict[str, Any]) -> str | None:
        trigger = self._plan.trigger
        if trigger is None:
            return None
        if isinstance(trigger, Listening) and not trigger.module.accepts(trigger.config, event):
            return "the trigger's configuration does not ask for it"
        if trigger.condition is not None and not trigger.condition.test(scope):
            return "the trigger's `if` is false"
        return None

    def _delivery(
        self,
        number: int,
        state: DeliveryState,
        event: Event | None = None,
        *,
        run_id: int | None = None,
        reason: str | None = None,
    ) -> Delivery:
        own = None
        if event is not None and not (event.body is self._incoming.body and self._kept_as_it_is()):
            own = jsontext.dumps(event.body)
        return Delivery(
            self._receipt_id,
            self._plan.name,
            number,
            state,
            run_id,
            own,
            event.id if event is not None and state is DeliveryState.RUN else None,
            reason,
        )

    def _kept_as_it_is(self) -> bool:
        """Whether the receipt's bytes, read as JSON, give the body again."""
        raw = self._incoming.raw
        return is_json(self._incoming.headers.get("content-type", "")) and raw[:1] not in (b"", b"\xef")


def _held(run: Run, trouble: Hold) -> Run:
    return run._replace(state=State.HELD, started_at=None, hold=jsontext.dumps(Held((trouble,)).to_json()))
