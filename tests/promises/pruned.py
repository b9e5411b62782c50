"""What the tests of promise 7 share: a store full of history, and what of it must stay whatever is pruned."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from engine.runtime.pruning import FRESH, Pruner
from engine.runtime.settings import DAY, HistorySettings
from engine.runtime.states import FINAL, State
from engine.scenario.plan import Keep
from engine.sdk.faults import NO_FAULTS, Faults, SimulatedCrash
from engine.store.changes import (
    AddDelivery,
    AddEffect,
    AddReceipt,
    AddRecord,
    AddRun,
    AddVersion,
    Change,
    MoveRun,
    Pruned,
    SettleEffect,
)
from engine.store.history import Versions
from engine.store.large import LARGE
from engine.store.records import (
    Delivery,
    DeliveryState,
    EffectFilter,
    EffectRecord,
    EffectState,
    Identity,
    Page,
    Receipt,
    ReceiptFilter,
    Record,
    Run,
    RunFilter,
)
from tests.promises.shop_runs import until_death
from tests.store.conftest import AnyStore, Backend
from tests.store.rows import delivery, effect, receipt, record, run

#: each clock runs out at another time, so that none stands for another
SETTINGS = HistorySettings(keep=Keep(seconds=2 * DAY), effects_for=4 * DAY, dedupe_for=6 * DAY, parked_for=5 * DAY)
SCENARIOS = ("welcome", "other")
#: the version of the scenario that is loaded
CURRENT = "v9"
OPEN = (EffectState.INTENDED, EffectState.UNKNOWN)
ALL = Page(100_000)
#: large values, some of which several rows have
VALUES = (b'{"n":1}', b'"' + b"x" * LARGE + b'"', b'"' + b"y" * LARGE + b'"')


@dataclass(frozen=True)
class Kept:
    """All of a store's history at a moment, as its reader sees it."""

    runs: dict[int, Run]
    records: dict[int, list[Record]]
    effects: dict[int, list[EffectRecord]]
    receipts: dict[int, Receipt]
    deliveries: dict[tuple[int, str, int], Delivery]
    versions: set[str]

    def idle(self) -> list[Delivery]:
        """The deliveries that a command may still run."""
        return [d for d in self.deliveries.values() if d.state in (DeliveryState.PARKED, DeliveryState.REJECTED)]


@dataclass
class World:
    """A store with history, and a clock. Times are days."""

    backend: Backend
    store: AnyStore
    settings: HistorySettings = SETTINGS
    identities: dict[tuple[str, str], float] = field(default_factory=dict)
    number: int = 0

    @classmethod
    async def new(cls, backend: Backend) -> World:
        world = cls(backend, await backend.open())
        await world.store.put(AddVersion(CURRENT, "welcome", b"source", world.now))
        return world

    @property
    def now(self) -> float:
        return self.backend.clock.now

    def passes(self, days: float) -> None:
        self.backend.clock.now += days * DAY

    async def came(
        self, *scenarios: str, state: DeliveryState = DeliveryState.RUN, key: str | None = None, value: int = 0
    ) -> int:
        """An event comes for these scenarios; the number of the receipt. Its first run has the same number."""
        receipt_id, version = self.store.new_id(), f"v{value}"
        changes: list[Change] = [AddVersion(version, scenarios[0], b"source", self.now)]
        changes.append(AddReceipt(receipt(receipt_id, received_at=self.now, body=VALUES[value])))
        for scenario in scenarios:
            run_id = receipt_id if scenario == scenarios[0] else self.store.new_id()
            made = run_id if state is DeliveryState.RUN else None
            identity = None if key is None else Identity(key, self.now, self.now + self.settings.dedupe_for)
            if identity is not None and self.identities.get((scenario, identity.key), 0.0) <= self.now:
                self.identities[scenario, identity.key] = identity.until
            row = delivery(receipt_id, scenario=scenario, state=state, run_id=made, event=VALUES[value])
            changes.append(AddDelivery(row, identity))
            if made is not None:
                fields = {"receipt_id": receipt_id, "scenario": scenario, "version": version, "created_at": self.now}
                changes.append(AddRun(run(run_id, **fields)))
        await self.store.put(*changes)
        return receipt_id

    async def moved(self, run_id: int, state: State) -> None:
        ended = state in FINAL
        await self.store.put(MoveRun(run_id, tuple(State), state, self.now, ended=ended, result=VALUES[1]))

    async def ended(self, **fields: Any) -> int:
        """A run with a read and a write ends well; gives its number."""
        run_id = await self.came("welcome", **fields)
        await self.read(run_id, fields.get("value", 0))
        await self.wrote(run_id, EffectState.DONE, fields.get("value", 0))
        await self.moved(run_id, State.SUCCEEDED)
        return run_id

    async def read(self, run_id: int, value: int = 0) -> None:
        self.number += 1
        await self.store.put(AddRecord(record(run_id, f"get{self.number}#1", self.number, output=VALUES[value])))

    async def wrote(self, run_id: int, state: EffectState, value: int = 0) -> str:
        self.number += 1
        key = f"put{self.number}#1"
        intent = effect(run_id, key, self.number, intended_at=self.now, request=VALUES[value])
        await self.store.put(AddEffect(intent))
        if state is not EffectState.INTENDED:
            await self.store.put(SettleEffect(run_id, key, state, self.now, "vendor", VALUES[value]))
        return key

    async def settled(self, run_id: int, key: str, state: EffectState) -> None:
        await self.store.put(SettleEffect(run_id, key, state, self.now, "person:ana", VALUES[2]))

    def pruner(self, faults: Faults = NO_FAULTS, keep: Keep | None = None) -> Pruner:
        return Pruner(
            self.store, self.settings, lambda _: keep, lambda: frozenset({CURRENT}), self.backend.clock, faults=faults
        )

    async def prune(self, faults: Faults = NO_FAULTS, keep: Keep | None = None) -> Pruned:
        return await self.pruner(faults, keep).look()

    async def prune_and_die(self, faults: Any) -> None:
        """Prune, die where ``faults`` says, and open what is left as a new process."""
        await self.store.close()
        self.store = await self.backend.open(faults)
        await until_death(_as_none(self.pruner(faults).look()), faults)
        if self.backend.kind == "sqlite":
            # a process that died has closed nothing; the connection of this one only lets go of the file
            with suppress(SimulatedCrash):
                await self.store.close()
        self.store = await self.backend.open()

    async def look(self) -> Kept:
        store = self.store
        runs = {r.id: r for r in await store.runs(RunFilter(page=ALL))}
        receipts = {r.id: r for r in await store.receipts(ReceiptFilter(page=ALL))}
        effects: dict[int, list[EffectRecord]] = {}
        for own in await store.effects(EffectFilter(page=ALL)):
            effects.setdefault(own.run_id, []).append(own)
        records = {run_id: list(await store.records(run_id)) for run_id in runs}
        deliveries = {(d.receipt_id, d.scenario, d.number): d for d in await store.deliveries(list(receipts))}
        return Kept(runs, records, effects, receipts, deliveries, set(await store.ask(Versions())))


async def _as_none(look: Any) -> None:
    await look


def must_stay(kept: Kept, now: float, settings: HistorySettings, run_id: int) -> bool:
    """Whether a run may not go: it has not ended, or not long ago, or a write of it has no known outcome."""
    found = kept.runs[run_id]
    unsettled = any(effect.state in OPEN for effect in kept.effects.get(run_id, ()))
    young = found.ended_at is not None and found.ended_at >= now - max(FRESH, settings.keep.seconds or 0.0)
    return found.state not in FINAL or unsettled or young


def assert_nothing_needed_went(before: Kept, after: Kept, now: float, settings: HistorySettings = SETTINGS) -> None:
    """What promise 7 says is never removed."""
    for run_id, found in before.runs.items():
        if not must_stay(before, now, settings, run_id):
            continue
        assert after.runs.get(run_id) == found, "a run went that is needed"
        assert after.records[run_id] == before.records[run_id], "a run that is needed lost records"
        assert after.effects.get(run_id) == before.effects.get(run_id), "a run that is needed lost writes"
        own = (found.receipt_id, found.scenario, found.number)
        assert after.deliveries.get(own) == before.deliveries.get(own), "a run that is needed lost its delivery"
    for found in after.runs.values():
        assert found.receipt_id in after.receipts, "a receipt went whose run is there"
        assert found.version in after.versions, "a version went whose run is there"
    assert CURRENT in after.versions, "the version that is loaded went"
    for own, row in before.receipts.items():
        assert after.receipts.get(own, row) == row, "what a receipt holds has changed"
    idle = [d for d in before.idle() if before.receipts[d.receipt_id].received_at >= now - settings.parked_for]
    for d in idle:
        assert (d.receipt_id, d.scenario, d.number) in after.deliveries, "a delivery went that a command may still run"
        assert d.receipt_id in after.receipts, "a receipt went of which a delivery is left"
    for own_run, effects in before.effects.items():
        left = {e.key: e for e in after.effects.get(own_run, ())}
        for e in effects:
            if e.state is EffectState.DONE and e.intended_at >= now - settings.effects_for:
                assert e.key in left, "a finished write does not answer for its key any more"
                assert left[e.key].output == e.output, "the output of a finished write is gone"


async def assert_known_again(world: World) -> None:
    """Each event whose time is not over is a duplicate when it comes again."""
    for (scenario, key), until in tuple(world.identities.items()):
        if until > world.now:
            row = delivery(number := world.store.new_id(), scenario=scenario, run_id=None)
            fate = await world.store.put(
                AddReceipt(receipt(number)), AddDelivery(row, Identity(key, world.now, world.now + DAY))
            )
            assert fate.redirected, "an event is not known any more before its time is over"
