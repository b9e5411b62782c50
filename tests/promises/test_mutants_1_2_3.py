"""More mechanisms behind the first three promises, switched off one by one; see ``test_mutants``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from engine.runtime.catalog import Catalog
from engine.runtime.commands import Choice
from engine.runtime.durable import DurableEffects
from engine.runtime.intake import Intake
from engine.runtime.journal import Journal
from engine.runtime.outcomes import Interrupted
from engine.runtime.runner import Runner
from engine.sdk.errors import TimeoutError  # noqa: A004 - the field's name
from engine.sdk.modules import Action, ProbeResult
from engine.store.changes import AddRecord, AddRun, Fate, MoveRun
from engine.store.memory import MemoryStore
from engine.store.records import EffectState
from engine.testing import DoubleCaller, Harness
from tests.promises import shop_runs, test_1_never_lost, test_3_unknown
from tests.promises.shop_runs import CHARGE, NewHarness, Vendor, crash, settle
from tests.promises.test_mutants import Check
from tests.support.shop import scenario

#: looks at runs that a mutant keeps from coming to rest
LITTLE_PATIENCE = 60

# ---------------------------------------------------------------------- 1 never lost


@contextmanager
def runs_after_their_receipt() -> Iterator[None]:
    """The receipt is durable before the answer, its runs are written afterwards."""

    async def commit(self: Intake, changes: Any) -> Fate:
        fate = await self._store.put(*(c for c in changes if not isinstance(c, AddRun)))
        self._store.ride(*(c for c in changes if isinstance(c, AddRun)))
        return fate

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Intake, "_commit", commit)
        yield


@contextmanager
def no_recovery() -> Iterator[None]:
    """Nobody takes up what a dead owner left."""

    async def recover(self: Runner, *, died: bool = True) -> None:
        pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Runner, "_recover", recover)
        yield


@contextmanager
def recovery_without_a_claim() -> Iterator[None]:
    """Recovery walks what it finds at once, in place of putting it back into the queue."""

    async def recover(self: Runner, *, died: bool = True) -> None:
        orphans = await self._store.orphans(self.epoch, self.simulated)
        for run, past in zip(orphans, await self._store.pasts(orphans), strict=True):
            await self._queue._take_up(run, past)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Runner, "_recover", recover)
        yield


async def nothing_lost_anywhere(new_harness: NewHarness) -> None:
    for point in ("store.begin", "store.commit", "receipt.accepted"):
        for nth in range(2, 7):
            test_1_never_lost.assert_nothing_lost(await crash(new_harness, point, nth))


# ---------------------------------------------------------------------- 2 never again


@contextmanager
def replay_without_reads() -> Iterator[None]:
    """A run that is taken up knows its writes, and not what it read."""
    of = Journal.of
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "of", classmethod(lambda cls, _records, effects, notes: of([], effects, notes)))
        yield


@contextmanager
def replay_without_decisions() -> Iterator[None]:
    """A run that is taken up computes anew what it decided."""
    of = Journal.of

    def forgetful(cls: type[Journal], *rows: Any) -> Journal:
        journal = of(*rows)
        journal.notes.clear()
        return journal

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "of", classmethod(forgetful))
        yield


@contextmanager
def records_after_the_intents_that_rest_on_them() -> Iterator[None]:
    """What a run read is written when it ends; its writes leave before that."""
    put, ride = MemoryStore.put, MemoryStore.ride
    late: list[Any] = []

    def ride_late(self: MemoryStore, *changes: Any, owner: Any = None) -> None:
        if any(isinstance(change, AddRecord) for change in changes):
            late.extend(changes)
        else:
            ride(self, *changes, owner=owner)

    def put_all(self: MemoryStore, *changes: Any, owner: Any = None) -> Any:
        if owner is not None and any(isinstance(change, MoveRun) for change in changes):
            changes = (*late, *changes)
            late.clear()
        return put(self, *changes, owner=owner)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryStore, "ride", ride_late)
        patch.setattr(MemoryStore, "put", put_all)
        yield


@contextmanager
def no_owners() -> Iterator[None]:
    """Whoever walks a run may write for it."""
    put, ride = MemoryStore.put, MemoryStore.ride

    def put_any(self: MemoryStore, *changes: Any, owner: Any = None) -> Any:
        return put(self, *changes)

    def ride_any(self: MemoryStore, *changes: Any, owner: Any = None) -> None:
        ride(self, *changes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryStore, "put", put_any)
        patch.setattr(MemoryStore, "ride", ride_any)
        yield


async def reads_stay_made(new_harness: NewHarness) -> None:
    for nth in range(1, 4):
        crashed = await crash(new_harness, "effect.intended", nth, events=1)
        assert set(crashed.vendor.reads.values()) == {1}, "what a durable intent rests on was read again"


MOMENT = scenario("""
- set: {at: "${{ now() }}"}
- id: tag
  module: shop.put
  with: {at: "${{ vars.at }}"}
- id: charge
  module: shop.charge
  with: {at: "${{ vars.at }}"}
""")


async def decisions_stay_made(new_harness: NewHarness) -> None:
    asked: list[Any] = []

    def charge(config: Mapping[str, Any]) -> Any:
        asked.append(config["at"])
        raise TimeoutError("t")

    async with new_harness(MOMENT, doubles={"shop.put": lambda _: {}, "shop.charge": charge}) as harness:
        held = await harness.run({})
        await harness.clock.advance(3600)
        after = await harness.resume(held.run.id, "happened", output={})
        assert (after.state, len(asked)) == ("succeeded", 1), after.holds


async def the_second_owner_is_not_disturbed(new_harness: NewHarness) -> None:
    """The first owner comes back while the second one makes the write."""
    vendor = Vendor()
    stuck, go_on, charging, charged = (asyncio.Event() for _ in range(4))

    async def get(config: Mapping[str, Any]) -> Any:
        if not stuck.is_set():
            stuck.set()
            await go_on.wait()
        return vendor.get(config)

    async def charge(config: Mapping[str, Any]) -> Any:
        charging.set()
        await charged.wait()
        return vendor.charge(config)

    harness = new_harness(CHARGE, doubles={**vendor.doubles, "shop.get": get, "shop.charge": charge})
    await harness.start()
    [run_id] = (await harness.send({"email": "p@example.com"})).runs
    await stuck.wait()
    first = harness.runner
    harness.runner = second_runner(harness)
    await harness.runner.start()
    await charging.wait()
    go_on.set()
    await harness.clock.settle()
    await first.stop(grace=5)
    charged.set()
    await settle(harness)
    result = await harness.look(run_id)
    await harness.stop()
    assert (result.state, vendor.charges) == ("succeeded", {"p@example.com": 1})


def second_runner(harness: Harness) -> Runner:
    assert harness.registry is not None
    catalog = Catalog(harness.plans, harness.registry, harness.store, harness.clock)
    return Runner(harness.store, catalog, harness._caller, harness.clock)


# ---------------------------------------------------------------------- 3 unknown


@contextmanager
def unknown_is_tried_again() -> Iterator[None]:
    """A write of unknown outcome is repeated like one that was refused."""

    async def unknown(self: DurableEffects, *_: Any) -> Any:
        raise Interrupted("it is sent again", refused=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DurableEffects, "_unknown", unknown)
        yield


@contextmanager
def probe_at_once() -> Iterator[None]:
    """An *absent* counts before the vendor shows its changes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Action, "probed_after", lambda _self, _config: 0.0)
        yield


@contextmanager
def answers_need_an_owner() -> Iterator[None]:
    """What is learned of a write is thrown away when somebody else has the run."""
    settle_effect = DurableEffects._settle

    def settled(self: DurableEffects, *args: Any, **more: Any) -> Any:
        return settle_effect(self, *args, **{**more, "owner": self._owner})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DurableEffects, "_settle", settled)
        yield


@contextmanager
def no_answer_counts_as_absent() -> Iterator[None]:
    """A probe that knows nothing counts as one that found nothing."""

    async def probe(self: Any, *_: Any) -> ProbeResult:
        return ProbeResult.ABSENT

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DoubleCaller, "probe", probe)
        yield


async def an_unknown_write_is_held(new_harness: NewHarness) -> None:
    double = test_3_unknown.Scripted(TimeoutError("t"), {"id": 2})
    harness, result = await test_3_unknown.held(new_harness, double)
    await harness.stop()
    assert (result.state, double.count) == ("held", 1)


async def a_probe_that_knows_nothing_proves_nothing(new_harness: NewHarness) -> None:
    source = test_3_unknown.CHARGE_ONCE.replace("shop.charge", "shop.probed")
    double = test_3_unknown.Scripted(TimeoutError("t"), {"id": 6})
    harness = new_harness(source, doubles={"shop.probed": double})
    harness._caller.probes["shop.probed"] = lambda _config: ProbeResult.UNKNOWN
    async with harness:
        [run_id] = (await harness.send({"email": "a@example.com"})).runs
        result = await harness.result(run_id, advance=90)
        assert (result.state, double.count) == ("held", 1)


async def an_early_absent_is_not_believed(new_harness: NewHarness) -> None:
    source = test_3_unknown.CHARGE_ONCE.replace("shop.charge", "shop.probed")
    double = test_3_unknown.Scripted(TimeoutError("t"), {"id": 6})
    harness = new_harness(source, doubles={"shop.probed": double})
    harness._caller.probes["shop.probed"] = lambda _config: ProbeResult.ABSENT
    async with harness:
        await harness.send({"email": "a@example.com"})
        await settle(harness)
        await harness.clock.advance(59)
        assert double.count == 1


async def a_late_answer_settles_and_does_not_advance(new_harness: NewHarness) -> None:
    """An answer that comes after its run was taken over and held."""
    charging, charged = asyncio.Event(), asyncio.Event()
    count = 0

    async def charge(_config: Mapping[str, Any]) -> Any:
        nonlocal count
        count += 1
        charging.set()
        await charged.wait()
        return {"id": count}

    harness = new_harness(test_3_unknown.CHARGE_ONCE, doubles={"shop.charge": charge})
    await harness.start()
    [run_id] = (await harness.send({"email": "p@example.com"})).runs
    await charging.wait()
    first = harness.runner
    harness.runner = second_runner(harness)
    await harness.runner.start()
    await settle(harness)
    held = await harness.look(run_id)
    charged.set()
    await harness.clock.settle()
    await first.stop(grace=5)
    await harness.written()
    after = await harness.look(run_id)
    assert (held.state, held.effects[0].state) == ("held", EffectState.UNKNOWN)
    assert (after.state, after.effects[0].state) == ("held", EffectState.DONE), "the answer is known, the run waits"
    # a person who has not heard of the answer cannot have it sent twice
    last = await harness.resume(run_id, Choice.AGAIN)
    await harness.stop()
    assert (last.state, last.output, count) == ("succeeded", {"id": 1}, 1)


#: promise, its check, the mechanism that is switched off
MUTANTS: list[tuple[str, Check, Callable[[], Any]]] = [
    ("1 never lost", nothing_lost_anywhere, runs_after_their_receipt),
    ("1 never lost", nothing_lost_anywhere, no_recovery),
    ("1 never lost", nothing_lost_anywhere, recovery_without_a_claim),
    ("2 never again", reads_stay_made, replay_without_reads),
    ("2 never again", reads_stay_made, records_after_the_intents_that_rest_on_them),
    ("2 never again", decisions_stay_made, replay_without_decisions),
    ("2 never again", the_second_owner_is_not_disturbed, no_owners),
    ("3 unknown", an_unknown_write_is_held, unknown_is_tried_again),
    ("3 unknown", a_probe_that_knows_nothing_proves_nothing, no_answer_counts_as_absent),
    ("3 unknown", an_early_absent_is_not_believed, probe_at_once),
    ("3 unknown", a_late_answer_settles_and_does_not_advance, answers_need_an_owner),
]


@pytest.mark.parametrize("new_harness", ["memory"], indirect=True)
@pytest.mark.parametrize(("promise", "check", "mutant"), MUTANTS, ids=lambda value: getattr(value, "__name__", value))
async def test_the_check_fails_without_the_mechanism(
    new_harness: NewHarness,
    monkeypatch: pytest.MonkeyPatch,
    promise: str,
    check: Check,
    mutant: Callable[[], Any],
) -> None:
    await check(new_harness)
    monkeypatch.setattr(shop_runs, "PATIENCE", LITTLE_PATIENCE)
    with mutant(), pytest.raises(AssertionError):
        await check(new_harness)
