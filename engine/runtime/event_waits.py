"""Which waiting runs want an event that has come.

An event costs nothing where no run has ever waited at its webhook. Else, for each way in which such events are read,
the values of the fields that runs are found by lead to the few that may want it, whatever their number; their ``match``
is then tested with what was kept of their data.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.runtime.event_sources import match_of
from engine.scenario.expressions import ExpressionError
from engine.sdk import jsontext
from engine.sdk.errors import LostOwnership
from engine.sdk.modules import Delivery as Incoming
from engine.sdk.modules import Event, WebhookTrigger
from engine.store.changes import AddDelivery, Change, Fate
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.records import Delivery, DeliveryState
from engine.store.waits import AnswerWait, Wait, WaitSource

if TYPE_CHECKING:
    from engine.runtime.runner import Runner

#: runs that one event is tested against, of those that its fields lead to
MOST = 1000
#: how often the runs are looked for anew because another answer was there first
TRIES = 5

log = logging.getLogger(__name__)


class Wanted(NamedTuple):
    """A wait, and the event that it wants, as JSON."""

    wait: Wait
    event: bytes


class Answers:
    """The open waits that want an event of a delivery."""

    def __init__(
        self, store: Store, runner: Runner, name: str, incoming: Incoming, receipt_id: int, now: float, most: int
    ) -> None:
        self._store = store
        self._runner = runner
        self._name = name
        self._incoming = incoming
        self._receipt_id = receipt_id
        self._now = now
        self._most = most
        self.found: Sequence[Wanted] = ()

    @classmethod
    async def of(
        cls, store: Store, runner: Runner, name: str, incoming: Incoming, receipt_id: int, now: float, most: int
    ) -> Answers:
        """
        :param name: of the webhook that the delivery came to.
        :param most: bytes of an event as JSON; a larger one answers nothing.
        """
        answers = cls(store, runner, name, incoming, receipt_id, now, most)
        await answers.look()
        return answers

    async def look(self) -> None:
        """Find them; of several events, each gets the first that fits."""
        found: dict[tuple[int, str], Wanted] = {}
        for source in self._runner.sources.of(self._name):
            for event in _events(self._runner, source, self._incoming):
                for wait in await _open(self._store, source, event, self._runner.simulated):
                    if (wait.run_id, wait.key) not in found and _fits(wait, event, self._runner):
                        text = jsontext.dumps(event)
                        if event is self._incoming.body or len(text) <= self._most:
                            found[wait.run_id, wait.key] = Wanted(wait, text)
                        else:
                            log.warning(
                                "run %s goes on waiting: the event of receipt %s is larger than `limits.body`",
                                show(wait.run_id),
                                show(self._receipt_id),
                                extra={"action": "event_too_large"},
                            )
        self.found = list(found.values())

    async def commit(
        self,
        commit: Callable[[Sequence[Change]], Awaitable[Fate]],
        changes: Sequence[Change],
        deliveries: Sequence[Delivery],
    ) -> tuple[Fate, Sequence[Delivery]]:
        """Answer them in the transaction of these changes.

        :param deliveries: what the delivery comes to besides.
        :returns: the fate of the transaction, and a delivery for each wait, which says which run it went to.
        """
        left = TRIES
        while True:
            answered = [*self._answering(deliveries)]
            try:
                fate = await commit([*changes, *answered])
            except LostOwnership:
                left -= 1
                if not left or not answered:
                    raise
                # one of them was answered by something else in the meantime
                await self.look()
            else:
                return fate, [change.delivery for change in answered if isinstance(change, AddDelivery)]

    def _answering(self, deliveries: Sequence[Delivery]) -> Iterator[Change]:
        numbers: dict[str, int] = {}
        for delivery in deliveries:
            numbers[delivery.scenario] = max(numbers.get(delivery.scenario, -1), delivery.number)
        by = f"receipt:{show(self._receipt_id)}"
        for wait, event in self.found:
            number = numbers[wait.scenario] = numbers.get(wait.scenario, -1) + 1
            reason = f"answers what step '{wait.key.rpartition('#')[0]}' of the run waits for"
            state = DeliveryState.RUN
            yield AddDelivery(
                Delivery(self._receipt_id, wait.scenario, number, state, wait.run_id, event, None, reason)
            )
            yield AnswerWait(wait.run_id, wait.key, event, self._now, by, must=True)


async def _open(store: Store, source: WaitSource, event: Any, simulated: bool) -> Sequence[Wait]:
    values = [_at(event, path) for path in jsontext.loads(source.paths)]
    if None in values:
        return ()
    return await store.waits.open("event", source.source, match_of(source.id, values), simulated, MOST)


def _at(value: Any, path: Sequence[str]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _events(runner: Runner, source: WaitSource, incoming: Incoming) -> list[Any]:
    """The events of a delivery, as the trigger reads them that the step names."""
    if source.module is None:
        return [incoming.body]
    module = runner.module(source.module)
    if not isinstance(module, WebhookTrigger):
        return []
    config = jsontext.loads(source.config)
    try:
        events = list(module.parse(incoming))
        if module.identify:
            events = [module.identify(config, incoming, event) for event in events]
        chosen = [event for event in events if module.accepts(config, event)]
        return [jsontext.loads(jsontext.dumps(event.body)) for event in chosen if isinstance(event, Event)]
    except Exception as error:  # noqa: BLE001 - a plugin's mistake, or a body that is no event of this kind
        log.info("%s reads no event that a run waits for: %s: %s", source.module, type(error).__name__, error)
        return []


def _fits(wait: Wait, event: Any, runner: Runner) -> bool:
    detail = jsontext.loads(wait.detail) if wait.detail else {}
    if "match" not in detail:
        return True
    try:
        return runner.expression(detail["match"]).test({**detail["names"], "event": event})
    except ExpressionError as error:
        log.warning("run %s cannot tell whether it waits for an event: %s", show(wait.run_id), error.message)
        return False
