"""Starting a scenario by hand or from another program: checked first, stored durably, once for each key."""

from __future__ import annotations

from collections.abc import Mapping

from engine.runtime.catalog import Catalog
from engine.runtime.intake import Accepted, Intake
from engine.runtime.rundata import START, START_KEY
from engine.scenario.diagnostics import did_you_mean
from engine.scenario.plan import Scenario
from engine.sdk import jsontext
from engine.sdk.clock import Clock, utc
from engine.sdk.errors import EngineError
from engine.sdk.modules import Delivery, Json
from engine.store import ids
from engine.store.interface import Store
from engine.store.records import DeliveryState

#: longest key
LONGEST_KEY = 255


class UnknownScenario(EngineError):
    """A scenario is to be started that the process does not know."""

    code = "unknown-scenario"


class NotStartable(EngineError):
    """A scenario cannot be started by hand: it is not active, or its trigger starts it and it declares no inputs."""

    code = "not-startable"


class KeyReused(EngineError):
    """A key that has started a scenario before comes again with other inputs. Nothing is started."""

    code = "key-reused"


class BadKey(EngineError):
    """The key of a start is empty, too long, or holds what is no printable character of ASCII."""

    code = "bad-key"


def startable(plan: Scenario) -> None:
    """Raise ``NotStartable`` unless the scenario may be started by hand."""
    if plan.trigger is not None and not plan.inputs.fields:
        raise NotStartable(
            f"'{plan.name}' is started by its trigger, and declares no `inputs` to start it with",
            hint="`engine run FILE --event EVENT.json` runs it on an event",
        )


def delivery(plan: Scenario, given: Mapping[str, Json], now: float, key: str | None = None) -> Delivery:
    """A start as intake takes it. Raises ``BadInputs``, ``NotStartable``, ``BadKey``."""
    startable(plan)
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise BadKey(f"a key has 1 to {LONGEST_KEY} printable ASCII characters", hint="an order's number, a UUID")
    raw = jsontext.dumps(plan.inputs.complete(plan.name, given))
    headers = {"content-type": "application/json", **({START_KEY: key} if key is not None else {})}
    return Delivery(START, headers, {}, raw, jsontext.loads(raw), utc(now))


#: scenarios that a message names
NAMED = 10


class Starts:
    """Starts scenarios of one executor."""

    def __init__(self, catalog: Catalog, intake: Intake, store: Store, clock: Clock) -> None:
        self._catalog = catalog
        self._intake = intake
        self._store = store
        self._clock = clock

    async def start(self, name: str, given: Mapping[str, Json], key: str | None = None) -> tuple[Accepted, bool]:
        """Start a scenario; what it gives is durable.

        :param key: a start that comes again under it starts nothing, and gives the first one's run.
        :returns: the receipt and the run; and whether the run was started before.
        :raises UnknownScenario: and ``NotStartable``, ``BadInputs``, ``BadKey``, ``KeyReused``.
        """
        plan = self._catalog.current(name)
        if plan is None:
            known = [plan.name for plan in self._catalog.scenarios]
            raise UnknownScenario(
                f"there is no scenario '{name}'",
                hint=did_you_mean(name, known) or f"there are {', '.join(sorted(known)[:NAMED]) or 'none'}",
            )
        if not plan.active:
            raise NotStartable(f"scenario '{name}' is not active", hint="set `active: true` in its file")
        incoming = delivery(plan, given, self._clock.time(), key)
        accepted = await self._intake.accept("start", [plan], incoming)
        [fate] = accepted.deliveries
        if fate.state is not DeliveryState.DUPLICATE:
            return accepted, False
        return await self._first(plan, ids.read(fate.reason or ""), incoming), True

    async def _first(self, plan: Scenario, receipt_id: int, again: Delivery) -> Accepted:
        receipt = await self._store.receipt(receipt_id)
        if receipt is not None and receipt.body != again.raw:
            raise KeyReused(
                f"the key '{again.headers[START_KEY]}' has started '{plan.name}' with other inputs before",
                hint="another start needs another key",
            )
        deliveries = tuple(d for d in await self._store.deliveries([receipt_id]) if d.scenario == plan.name)
        return Accepted(receipt_id, deliveries, tuple(d.run_id for d in deliveries if d.run_id is not None))
