"""What pruning removes, and what it never does, in both stores."""

from __future__ import annotations

import re
from typing import Any

import pytest

from engine.store import history
from engine.store.changes import (
    AS_ASKED,
    AddDelivery,
    AddEffect,
    AddReceipt,
    AddRecord,
    AddRun,
    AddVersion,
    Fate,
    Prune,
    Pruned,
    SettleEffect,
)
from engine.store.history import EndedRuns, HowLarge, KeptKeys, OldDeliveries
from engine.store.records import DeliveryState, EffectFilter, EffectState, Identity, RunFilter
from engine.store.sql import migrations, queries
from tests.store.conftest import AnyStore
from tests.store.rows import NOW, delivery, effect, receipt, record, run

LATER = NOW + 100


async def add(store: AnyStore, number: int = 1, *, event_id: str | None = None, **fields: Any) -> int:
    """A receipt with a run that ended, its journal, and a write that is done."""
    run_id = number + 1000
    given = {"state": "succeeded", "started_at": NOW, "ended_at": NOW, **fields}
    await store.put(
        AddReceipt(receipt(number)),
        AddDelivery(delivery(number, event_id=event_id, event=b'{"personal":1}')),
        AddRun(run(run_id, **given)),
        AddRecord(record(run_id, "get#1", 1)),
        AddEffect(effect(run_id, "charge#1", 2)),
        SettleEffect(run_id, "charge#1", EffectState.DONE, NOW, "vendor", b'{"id":5}'),
    )
    return run_id


async def prune(store: AnyStore, *runs: int, **fields: Any) -> Pruned:
    given = {
        "final": ("succeeded", "failed"),
        "ended_before": LATER,
        "effects_before": LATER,
        **fields,
    }
    step = Prune(runs=runs, **given)
    await store.put(step)
    return step.report


async def test_a_run_goes_with_all_that_was_its_own(store: AnyStore) -> None:
    run_id = await add(store)
    done = await prune(store, run_id)
    assert (done.runs, done.receipts) == (1, 1)
    assert await store.runs(RunFilter()) == []
    assert await store.records(run_id) == []
    assert await store.effects(EffectFilter(run_id=run_id)) == []
    assert await store.receipt(1) is None
    assert await store.deliveries([1]) == []


@pytest.mark.parametrize("state", ["queued", "running", "sleeping", "held"])
async def test_a_run_that_is_not_at_its_end_stays(store: AnyStore, state: str) -> None:
    # a failed run that is tried again has ended once
    run_id = await add(store, state=state)
    assert (await prune(store, run_id)).runs == 0
    assert await store.run(run_id) is not None
    assert await store.receipt(1) is not None


async def test_a_run_that_ended_after_the_moment_stays(store: AnyStore) -> None:
    run_id = await add(store, ended_at=LATER)
    assert (await prune(store, run_id)).runs == 0
    assert (await prune(store, run_id, ended_before=LATER + 1)).runs == 1


@pytest.mark.parametrize("outcome", [EffectState.INTENDED, EffectState.UNKNOWN])
async def test_a_run_with_a_write_of_unknown_outcome_stays(store: AnyStore, outcome: EffectState) -> None:
    run_id = await add(store)
    await store.put(AddEffect(effect(run_id, "ship#1", 3, state=outcome)))
    assert (await prune(store, run_id)).runs == 0
    assert len(await store.effects(EffectFilter(run_id=run_id))) == 2
    await store.put(SettleEffect(run_id, "ship#1", EffectState.DONE, NOW, "person:ana"))
    assert (await prune(store, run_id)).runs == 1


async def test_a_finished_write_answers_for_its_key_until_the_key_is_over(store: AnyStore) -> None:
    run_id = await add(store)
    await store.put(AddEffect(effect(run_id, "ship#1", 3, state=EffectState.REFUSED)))
    await prune(store, run_id, effects_before=NOW)
    (left,) = await store.effects_by_key(f"welcome:{run_id}:charge#1")
    assert (left.state, left.output, left.request) == (EffectState.DONE, b'{"id":5}', b"null")
    assert len(await store.effects(EffectFilter(run_id=run_id))) == 1, "what was refused answers for nothing"
    kept = await store.ask(KeptKeys("effects", LATER, 9))
    assert kept == [(NOW, run_id)]
    assert (await prune(store, keys=tuple(("effects", *key) for key in kept))).keys == 1
    assert await store.effects_by_key(f"welcome:{run_id}:charge#1") == []
    assert await store.ask(KeptKeys("effects", LATER, 9)) == []


async def test_an_event_is_known_again_until_its_time_is_over(store: AnyStore) -> None:
    async def came(number: int, at: float) -> Fate:
        identity = Identity("e1", at, NOW + 10)
        return await store.put(AddReceipt(receipt(number)), AddDelivery(delivery(number), identity))

    run_id = await add(store)
    assert await came(2, NOW) == AS_ASKED
    assert (await prune(store, run_id, identities=9, identities_until=NOW + 9)).keys == 0
    assert (await came(3, NOW + 9)).redirected
    assert (await prune(store, identities=9, identities_until=NOW + 10)).keys == 1
    assert await came(4, NOW) == AS_ASKED, "it is forgotten, not only over"


async def test_a_receipt_stays_while_anything_that_it_brought_does(store: AnyStore) -> None:
    run_id = await add(store)
    await store.put(
        AddDelivery(delivery(1, scenario="other", run_id=2001)),
        AddRun(run(2001, receipt_id=1, scenario="other", state="held")),
        AddDelivery(delivery(1, scenario="third", state=DeliveryState.PARKED, run_id=None)),
    )
    assert (await prune(store, run_id)).receipts == 0
    parked = ((DeliveryState.PARKED, (1, "third", 0)),)
    done = await prune(store, deliveries=parked)
    assert (done.deliveries, done.receipts) == (1, 0)
    assert [d.scenario for d in await store.deliveries([1])] == ["other"]
    assert (await store.receipt(1)) is not None


async def test_a_receipt_stays_for_a_parked_delivery_alone(store: AnyStore) -> None:
    run_id = await add(store)
    await store.put(AddDelivery(delivery(1, scenario="third", state=DeliveryState.PARKED, run_id=None)))
    assert (await prune(store, run_id)).receipts == 0
    assert await store.receipt(1) is not None, "a command may still run it"
    assert (await prune(store, deliveries=((DeliveryState.PARKED, (1, "third", 0)),))).receipts == 1


async def test_a_parked_delivery_that_was_run_meanwhile_stays(store: AnyStore) -> None:
    await add(store)
    assert (await prune(store, deliveries=((DeliveryState.PARKED, (1, "welcome", 0)),))).deliveries == 0
    assert len(await store.deliveries([1])) == 1


async def test_what_is_old_is_found_in_its_order(store: AnyStore) -> None:
    for number, ended in ((1, NOW + 2), (2, NOW), (3, NOW + 1)):
        await add(store, number, ended_at=ended)
    first = await store.ask(EndedRuns("welcome", "succeeded", LATER, 2))
    assert [place.run_id for place in first] == [1002, 1003]
    rest = await store.ask(EndedRuns("welcome", "succeeded", LATER, 2, first[-1]))
    assert [place.run_id for place in rest] == [1001]
    assert await store.ask(EndedRuns("welcome", "succeeded", NOW, 2)) == []


async def test_a_version_goes_when_it_is_named(store: AnyStore) -> None:
    await store.put(AddVersion("v1", "welcome", b"a", NOW), AddVersion("v2", "welcome", b"b", NOW))
    assert (await prune(store, versions=("v1",))).versions == 1
    assert [await store.version(v) for v in ("v1", "v2")] == [None, b"b"]


async def test_how_large_it_is(store: AnyStore) -> None:
    await add(store)
    size = await store.ask(HowLarge())
    assert (size.oldest_run, size.oldest_receipt, size.kept, size.versions) == (NOW, NOW, {}, 0)


async def test_a_long_journal_goes_in_steps(open_file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_ROWS", 3)
    store = open_file()
    await store.open()
    run_id = await add(store)
    await store.put(*[AddRecord(record(run_id, f"each[{n}]#1", n)) for n in range(8)])
    assert (await prune(store, run_id)).runs == 1
    left = []
    while kept := await store.ask(KeptKeys("journal", LATER, 9)):
        left.append(len(await store.records(run_id)))
        await prune(store, keys=tuple(("journal", *key) for key in kept))
    assert left == [6, 3, 0]


def test_every_table_of_runs_is_known_to_pruning() -> None:
    schema = "\n".join(text for _, text in migrations())
    tables = re.findall(r"create table (\w+)\((.*?)\)(?: without rowid)?;", schema, re.DOTALL)
    of_runs = {name for name, columns in tables if re.search(r"^\s*run_id\b", columns, re.MULTILINE)}
    assert of_runs == set(history.OF_A_RUN), "a table with rows of a run is removed with it: engine/store/history.py"


#: every statement of pruning that looks for rows, and the index that it must find them by
PLANS = {
    "ended_scenarios": "runs_ended",
    "ended_runs": "runs_ended (scenario=? AND state=? AND",
    "ended_count": "COVERING INDEX runs_ended",
    "old_deliveries": "deliveries_without_run (state=? AND",
    "kept_keys": "PRIMARY KEY (kind=? AND at<?)",
    "versions_of_runs": "INTEGER PRIMARY KEY (rowid>?)",
    "prunable_run": "INTEGER PRIMARY KEY (rowid=?)",
    "effects_of_ended_run": "(run_id=?",
    "prune_journal": "(run_id=?",
    "prune_effects": "(run_id=?",
    "prune_waits": "PRIMARY KEY (run_id=?",
    "blank_effects": "(run_id=?",
    "prune_delivery": "PRIMARY KEY (receipt_id=?",
    "gathered_receipts": "deliveries_gathered",
    "prune_gathered": "deliveries_gathered",
    "prune_receipt": "INTEGER PRIMARY KEY (rowid=?)",
    "expire_effects": "(run_id=?",
    "forget_identities": "identities_by_end",
}


@pytest.mark.parametrize("name", PLANS)
async def test_pruning_finds_its_rows_without_looking_through_a_table(open_file: Any, name: str) -> None:
    store = open_file()
    await store.open()
    text = queries()[name]
    named = dict.fromkeys(re.findall(r":(\w+)", text), 1)
    values = named or [1] * text.count("?")
    plan = await store._writer.job(lambda db: db.execute("explain query plan " + text, values).fetchall())
    steps = [row[3] for row in plan]
    assert any(PLANS[name] in step for step in steps), steps
    assert not [s for s in steps if s.startswith("SCAN") and not s.startswith(("SCAN found", "SCAN CONSTANT"))], steps


async def test_only_the_deliveries_of_old_receipts_are_found(store: AnyStore) -> None:
    for number in (1, 2, 3):
        await store.put(AddReceipt(receipt(number)), AddDelivery(delivery(number, state=DeliveryState.FILTERED)))
    found = await store.ask(OldDeliveries(DeliveryState.FILTERED, 3, 9))
    assert [key[0] for key in found] == [1, 2]
    assert [key[0] for key in await store.ask(OldDeliveries(DeliveryState.FILTERED, 3, 9, found[0]))] == [2]
