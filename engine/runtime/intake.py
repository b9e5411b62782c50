"""From a delivery to receipts and runs, in one transaction, before anybody is told that it was taken."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from engine.runtime.event_waits import Answers
from engine.runtime.eventkeys import IDENTITY_KEPT, NO_KEYS, Keys, event_keys, identity_alone
from engine.runtime.outcomes import Held, Hold
from engine.runtime.payload import DEFAULT_LIMITS, shown
from engine.runtime.rundata import BY_HAND, START_KEY, is_json, names, opening, request_name
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
from engine.store.alerts_rows import Heard
from engine.store.changes import AddDelivery, AddReceipt, AddRun, Change, Fate, SetDelivery
from engine.store.interface import Store
from engine.store.records import SETTABLE, Delivery, DeliveryState, Identity, Receipt, Run

log = logging.getLogger(__name__)

#: the method of a receipt that a polling trigger made; its body is the list of items
POLL = "POLL"


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a delivery that was taken.

    :param runs: ids of the runs that were made, whatever their state.
    :param held: those of them that a person has to let begin.
    """

    receipt_id: int
    deliveries: tuple[Delivery, ...]
    runs: tuple[int, ...]
    held: frozenset[int] = frozenset()


class Start(NamedTuple):
    """A run that is to begin, with all that it needs for that."""

    run: Run
    plan: Scenario
    data: dict[str, Any]
    size: int
    keys: Keys


class _Fate(NamedTuple):
    """What one event comes to for one scenario, as far as it can be told before it is stored."""

    delivery: Delivery
    start: Start | None = None
    subject: str | None = None

    @property
    def identity(self) -> Identity | None:
        return self.start.keys.identity if self.start is not None else None


class Intake:
    """Takes deliveries.

    :param most: bytes of an event as JSON.
    :param known_for: seconds for which an event is known again by its sender's identity.
    """

    def __init__(
        self,
        store: Store,
        runner: Runner,
        clock: Clock,
        faults: Faults = NO_FAULTS,
        *,
        known_for: float = IDENTITY_KEPT,
        most: int = DEFAULT_LIMITS.body,
    ) -> None:
        self.most = most
        self.known_for = known_for
        self._store = store
        self._runner = runner
        self._clock = clock
        self._faults = faults

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
        fates: list[_Fate] = []
        answers: Answers | None = None
        if self._runner.sources.of(source):
            # before room is kept for new runs
            answers = await Answers.of(self._store, self._runner, source, incoming, receipt_id, now, self.most)
        for plan in listeners:
            fates += _Sorter(self, plan, receipt_id, now, request, incoming).sort()
        if not listeners and not (answers is not None and answers.found):
            reason = f"scenario '{idle}' is not loaded" if idle else "no scenario listens to this webhook"
            fates.append(_Fate(Delivery(receipt_id, idle, 0, DeliveryState.PARKED, reason=reason)))
        receipt = Receipt(
            receipt_id,
            source,
            now,
            incoming.method,
            jsontext.dumps(dict(incoming.headers)),
            jsontext.dumps(dict(incoming.query)),
            incoming.raw,
            next((fate.subject for fate in fates if fate.subject), None),
        )
        self._faults.hit("receipt.taken")
        # nothing may fail between this and the commit, or the room would be kept for ever
        fates = [self._admitted(fate, now) for fate in fates]
        changes: list[Change] = [AddReceipt(receipt)]
        for fate in fates:
            changes.append(AddDelivery(fate.delivery, fate.identity))
            if fate.start is not None:
                changes += _added(fate.start)
        changes += also
        return await self._stored(receipt_id, fates, changes, answers)

    async def _stored(
        self, receipt_id: int, fates: Sequence[_Fate], changes: Sequence[Change], answers: Answers | None = None
    ) -> Accepted:
        """Store a delivery, start its runs, and let those go on that waited for it."""
        starts = [fate.start for fate in fates if fate.start is not None]
        deliveries = [fate.delivery for fate in fates]
        answered: Sequence[Delivery] = ()
        begun: set[int] = set()
        try:
            if answers is not None and answers.found:
                fate, answered = await answers.commit(self._commit, changes, deliveries)
            else:
                fate = await self._commit(changes)
            if fate.redirected:
                # which of them are duplicates, or were gathered, was decided in the transaction
                deliveries = await self._decided(receipt_id, deliveries)
            self._faults.hit("receipt.accepted")
            made = {d.run_id for d in deliveries if d.run_id is not None and d.state is DeliveryState.RUN}
            begun = made.difference(fate.blocked) if fate.blocked else made
            for start in starts:
                if start.run.id in begun:
                    self._begin(start)
            if answered:
                self._runner.answered(fate.released)
            elif fate.released:
                self._runner.released(fate)
        finally:
            for start in starts:
                if start.run.state == State.RUNNING:
                    self._runner.came(start.plan, begun=start.run.id in begun)
        held = frozenset(start.run.id for start in starts if start.run.state == State.HELD)
        return Accepted(receipt_id, (*deliveries, *answered), tuple(sorted(made)), held)

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
        deliveries = await self._store.deliveries([receipt.id])
        known = {(d.scenario, d.number): d.state for d in deliveries}
        apart = receipt.method == POLL or in_parts(deliveries, plan.name)
        now = self._clock.time()
        sorter = _Sorter(self, plan, receipt.id, now, request, incoming, by_command=True)
        changes: list[Change] = []
        fates: list[_Fate] = []
        for sorted_fate in sorter.sort():
            delivery = sorted_fate.delivery
            state = known.get((delivery.scenario, delivery.number))
            if apart and state is not None and state not in SETTABLE:
                # they have fates of their own; those that are settled stay so
                continue
            fate = self._admitted(sorted_fate, now)
            fates.append(fate)
            kind = AddDelivery if state is None else SetDelivery
            changes.append(kind(delivery, fate.identity))
            if fate.start is not None:
                changes += _added(fate.start)
        return await self._stored(receipt.id, fates, changes)

    def _admitted(self, fate: _Fate, now: float) -> _Fate:
        """The fate of an event whose run begins at once, where there is room: it is kept until the runner is told that
        the run came."""
        start = fate.start
        if start is None or start.run.state != State.QUEUED or not self._runner.admits(start.plan):
            return fate
        run = start.run._replace(state=State.RUNNING, started_at=now)
        return _Fate(fate.delivery, Start(run, start.plan, start.data, start.size, start.keys), fate.subject)

    async def _commit(self, changes: Sequence[Change]) -> Fate:
        try:
            return await self._store.put(*changes)
        except StoreError:
            if self._store.broken:
                self._runner.broke()
            raise

    def called(
        self, plan: Scenario, incoming: Incoming, origin: str, subject: str | None
    ) -> tuple[list[Change], Start]:
        """What makes a run that another one starts. It comes to the queue when ``begin_called`` is told.

        It is no event: nothing is its duplicate, and no ``debounce`` gathers it.

        :param origin: the base of its effects' keys.
        :param subject: whom it is about where its scenario does not say.
        """
        now, receipt_id = self._clock.time(), self._store.new_id()
        request = request_name(incoming.method, incoming.headers, incoming.query, now)
        [fate] = _Sorter(self, plan, receipt_id, now, request, incoming).sort()
        assert fate.start is not None
        run = fate.start.run._replace(origin=origin, subject=fate.subject or subject)
        if run.state == State.GATHERING:
            run = run._replace(state=State.QUEUED, due_at=None)
        start = fate.start._replace(run=run, keys=fate.start.keys._replace(gather=None))
        headers, query = jsontext.dumps(dict(incoming.headers)), jsontext.dumps(dict(incoming.query))
        receipt = Receipt(receipt_id, "call", now, incoming.method, headers, query, incoming.raw, run.subject)
        return [AddReceipt(receipt), AddDelivery(fate.delivery), *_added(start)], start

    def begin_called(self, start: Start, fate: Fate) -> None:
        """A called run is durable."""
        if start.run.id not in fate.blocked:
            self._begin(start)

    def _begin(self, start: Start) -> None:
        if start.run.state == State.RUNNING:
            self._runner.begin(start.run, start.plan, start.data)
        elif start.run.state == State.QUEUED:
            self._runner.queue(start.run, start.plan, start.data, start.size)
        elif start.run.state == State.GATHERING:
            # its moment may be the next
            self._runner.wake(())

    def keys(self, plan: Scenario, scope: dict[str, Any], event_id: str | None, now: float) -> Keys:
        """The keys of an event. Raises ``ExpressionError``."""
        return event_keys(plan, scope, event_id, now, simulated=self._runner.simulated, known_for=self.known_for)

    def known(self, plan: Scenario, scope: dict[str, Any], event_id: str | None, now: float) -> Keys:
        """As ``keys``, but the identity alone, and none where it cannot be computed."""
        return identity_alone(plan, scope, event_id, now, simulated=self._runner.simulated, known_for=self.known_for)

    def new_run(
        self, plan: Scenario, receipt_id: int, number: int, now: float, subject: str | None, *, held: bool
    ) -> Run:
        """A run of an event, as it is stored where there is no room for it."""
        run_id = self._store.new_id()
        due = None
        if held:
            state = State.HELD
        elif plan.debounce is not None:
            state, due = State.GATHERING, now + plan.debounce.quiet
        else:
            state = State.QUEUED
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
            due_at=due,
        )


def in_parts(deliveries: Sequence[Delivery], scenario: str) -> bool:
    """Whether a scenario has some events of a delivery, and others were rejected."""
    # those with a reason were gathered, or answer what another run waits for
    own = [
        d for d in deliveries if d.scenario == scenario and not (d.state is DeliveryState.RUN and d.reason is not None)
    ]
    return len(own) > 1 and any(d.state is DeliveryState.REJECTED for d in own)


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

    def sort(self) -> list[_Fate]:
        plan, trigger = self._plan, self._plan.trigger
        if self._incoming.method in BY_HAND:
            return [self._one(0, self._by_hand())]
        if isinstance(trigger, Polling):
            return [self._item(trigger, number, item) for number, item in enumerate(self._incoming.body)]
        if self._incoming.method == SCHEDULE:
            return list(self._moments())
        try:
            events = self._events()
        except DataError as error:
            return [_Fate(self._delivery(0, DeliveryState.REJECTED, reason=error.message))]
        except Exception as error:  # noqa: BLE001 - a plugin's mistake; the receipt keeps the body, and says what happened
            parser = trigger.module_name if isinstance(trigger, ModuleTrigger) else ""
            reason = f"the parser of {parser} raised {type(error).__name__}: {error}"
            return [_Fate(self._delivery(0, DeliveryState.REJECTED, reason=reason))]
        if not events:
            return [_Fate(self._delivery(0, DeliveryState.FILTERED, reason="the delivery holds no event"))]
        if not plan.active and not self._by_command:
            parked = self._delivery(0, DeliveryState.PARKED, reason=f"scenario '{plan.name}' is inactive")
            return [_Fate(parked, subject=events[0][0].subject)]
        return [self._sized(number, event, size) for number, (event, size) in enumerate(events)]

    def _sized(self, number: int, event: Event, size: int) -> _Fate:
        """The fate of an event of so many bytes; one that is too large stops no other."""
        if size <= self._intake.most:
            return self._one(number, event, size)
        reason = (
            f"the event would be {shown(size)} as JSON, more than `limits.body` ({shown(self._intake.most)}); "
            "raise the limit in engine.yaml, restart the engine, and deliver the receipt again"
        )
        return _Fate(self._delivery(number, DeliveryState.REJECTED, reason=reason))

    def _events(self) -> list[tuple[Event, int]]:
        """The delivery's events as the app gives them, and the bytes of those that it made.

        Raises whatever the app's code raises.
        """
        trigger = self._plan.trigger
        if not isinstance(trigger, Listening):
            return [(Event(self._incoming.body), 0)]
        events = list(trigger.module.parse(self._incoming))
        if identify := trigger.module.identify:
            events = [identify(trigger.config, self._incoming, event) for event in events]
        stored = []
        for event in events:
            body, size = self._storable(event.body)
            event_id = None if event.id is None else str(event.id)
            stored.append((Event(body, event_id, None if event.subject is None else str(event.subject)), size))
        return stored

    def _item(self, trigger: Polling, number: int, item: Any) -> _Fate:
        """The fate of one item of a poll: one that the app cannot read stops no other."""
        try:
            event = trigger.module.identify(trigger.config, item)
            body, size = self._storable(event.body)
        except DataError as error:
            return _Fate(self._delivery(number, DeliveryState.REJECTED, reason=error.message))
        except Exception as error:  # noqa: BLE001 - a plugin's mistake; the receipt keeps the item, and says what happened
            reason = f"{trigger.module_name} raised {type(error).__name__}: {error}"
            return _Fate(self._delivery(number, DeliveryState.REJECTED, reason=reason))
        # a record that changes keeps its id, so the id tells no duplicates: the poll's cursor does
        subject = None if event.subject is None else str(event.subject)
        return self._sized(number, replace(event, body=body, id=None, subject=subject), size)

    def _by_hand(self) -> Event:
        key = self._incoming.headers.get(START_KEY)
        return Event(self._incoming.body, None if key is None else f"start:{key}")

    def _moments(self) -> Iterator[_Fate]:
        """The moments of a schedule; those that were left out have one fate together."""
        number = 0
        for number, moment in enumerate(self._incoming.body["moments"], 1):
            yield self._one(number - 1, Event(moment["event"], moment["id"]))
        if reason := self._incoming.body["left_out"]:
            yield _Fate(self._delivery(number, DeliveryState.FILTERED, reason=reason))

    def _storable(self, body: Any) -> tuple[Any, int]:
        """An event's body as the store will hold it, so that a run sees the same now and later; and its bytes."""
        if body is self._incoming.body:
            # the listener has measured it
            return body, 0
        # what cannot be stored is found out here, where it is still the app's mistake
        text = jsontext.dumps(body)
        return jsontext.loads(text), len(text)

    def _one(self, number: int, event: Event, size: int = 0) -> _Fate:
        plan = self._plan
        scope = opening(plan, event.body, self._request)
        trouble: Hold | None = None
        keys = NO_KEYS
        subject = event.subject
        try:
            reason = self._filtered(event, scope)
            if reason is not None:
                return _Fate(self._delivery(number, DeliveryState.FILTERED, event, reason=reason), subject=subject)
            if plan.subject is not None:
                value = plan.subject.evaluate(scope)
                subject = None if value is None else str(value)
            keys = self._intake.keys(plan, scope, event.id, self._now)
        except ExpressionError as error:
            trouble = Hold("trigger", error.message, "trigger", 0, error.to_json())
        except Exception as error:  # noqa: BLE001 - a plugin's mistake in its filter; the event is held, not lost
            trouble = Hold("trigger", f"the trigger's filter raised {type(error).__name__}: {error}", "trigger")
        run = self._intake.new_run(plan, self._receipt_id, number, self._now, subject, held=trouble is not None)
        if trouble is not None:
            # it is one event still, and no second run of it may come to be
            keys = self._intake.known(plan, scope, event.id, self._now)
            run = run._replace(hold=jsontext.dumps(Held((trouble,)).to_json()))
        delivery = self._delivery(number, DeliveryState.RUN, event, run_id=run.id, keys=keys)
        start = Start(run, plan, names(run, scope), max(size, len(self._incoming.raw)), keys)
        return _Fate(delivery, start, subject)

    def _filtered(self, event: Event, scope: dict[str, Any]) -> str | None:
        trigger = self._plan.trigger
        if trigger is None or self._incoming.method in BY_HAND:
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
        keys: Keys = NO_KEYS,
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
            keys.identity.key if keys.identity is not None else None,
            reason,
        )

    def _kept_as_it_is(self) -> bool:
        """Whether the receipt's bytes, read as JSON, give the body again."""
        raw = self._incoming.raw
        return is_json(self._incoming.headers.get("content-type", "")) and raw[:1] not in (b"", b"\xef")


def _added(start: Start) -> list[Change]:
    """A new run; it counts where its scenario says how many there should be."""
    run, expect = start.run, start.plan.expect
    added = AddRun(run, start.keys.lane, start.keys.gather)
    if expect is None or expect.successes:
        return [added]
    moment = expect.moment(run.created_at)
    return [added, Heard(run.scenario, run.simulated, moment, (run.receipt_id, run.scenario, run.number))]
