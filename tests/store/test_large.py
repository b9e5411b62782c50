"""Large values stand in the file once, by their hash, and go with the last row that refers to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.store.changes import (
    AddDelivery,
    AddEffect,
    AddReceipt,
    AddRecord,
    AddRun,
    MoveRun,
    Prune,
    SettleEffect,
)
from engine.store.large import LARGE, LargeSizes, places
from engine.store.records import DeliveryState, EffectFilter, EffectState, ReceiptFilter, RunFilter
from engine.store.sqlite import SqliteStore
from tests.store.conftest import AnyStore
from tests.store.rows import NOW, delivery, effect, receipt, record, run

BIG = b'"' + b"x" * LARGE + b'"'
OTHER = b'"' + b"y" * LARGE + b'"'


async def fill(store: AnyStore) -> None:
    """The same value in each column that may be large."""
    await store.put(
        AddReceipt(receipt(1, body=BIG)),
        AddDelivery(delivery(1, event=BIG)),
        AddRun(run(1001, state="running")),
        AddRecord(record(1001, "get#1", 1, output=BIG, notes=BIG)),
        AddEffect(effect(1001, "put#1", 2, request=BIG, notes=BIG)),
        SettleEffect(1001, "put#1", EffectState.DONE, NOW, "vendor", BIG),
        MoveRun(1001, ("running",), "succeeded", NOW, result=BIG, notes=BIG, ended=True),
    )


async def test_it_comes_back_as_it_was(store: AnyStore) -> None:
    await fill(store)
    kept = await store.receipt(1)
    assert kept is not None
    assert kept.body == BIG
    assert [r.body for r in await store.receipts(ReceiptFilter())] == [BIG]
    assert [d.event for d in await store.deliveries([1])] == [BIG]
    assert [(r.output, r.notes) for r in await store.records(1001)] == [(BIG, BIG)]
    rows = [*await store.effects(EffectFilter(run_id=1001)), *await store.effects_by_key("welcome:1001:put#1")]
    assert [(e.request, e.output, e.notes) for e in rows] == [(BIG, BIG, BIG)] * 2
    assert [(r.result, r.notes) for r in await store.runs(RunFilter())] == [(BIG, BIG)]


async def opened(open_file: Callable[..., SqliteStore]) -> SqliteStore:
    store = open_file()
    await store.open()
    return store


async def prune(store: SqliteStore, **fields: Any) -> None:
    await store.put(Prune(final=("succeeded",), ended_before=NOW + 1, **fields))


async def test_it_is_kept_once_and_goes_with_its_last_owner(open_file: Callable[..., SqliteStore]) -> None:
    store = await opened(open_file)
    await fill(store)
    assert await store.ask(LargeSizes()) == (1, len(BIG))
    await store.put(AddReceipt(receipt(2, body=BIG)))
    await store.put(AddDelivery(delivery(2, state=DeliveryState.FILTERED, run_id=None)))
    await prune(store, runs=(1001,), effects_before=NOW + 1)
    assert await store.receipt(1) is None
    assert await store.ask(LargeSizes()) == (1, len(BIG)), "another receipt has it"
    await prune(store, deliveries=((DeliveryState.FILTERED, (2, "welcome", 0)),))
    assert await store.ask(LargeSizes()) == (0, 0)


async def test_the_output_of_a_write_stays_with_its_key(open_file: Callable[..., SqliteStore]) -> None:
    store = await opened(open_file)
    await store.put(
        AddRun(run(1001, state="succeeded", ended_at=NOW)),
        AddRecord(record(1001, "get#1", 1, output=OTHER)),
        AddEffect(effect(1001, "put#1", 2, request=OTHER)),
        SettleEffect(1001, "put#1", EffectState.DONE, NOW, "vendor", BIG),
    )
    await prune(store, runs=(1001,), effects_before=NOW)
    assert [e.output for e in await store.effects_by_key("welcome:1001:put#1")] == [BIG]
    assert await store.ask(LargeSizes()) == (1, len(BIG))
    await prune(store, keys=(("effects", NOW, 1001),))
    assert await store.ask(LargeSizes()) == (0, 0)


async def test_what_was_replaced_goes_with_the_run(open_file: Callable[..., SqliteStore]) -> None:
    store = await opened(open_file)
    await store.put(AddRun(run(1001, state="running")), AddRecord(record(1001, "get#1", 1, output=BIG)))
    await store.put(AddRecord(record(1001, "get#1", 1, output=OTHER)))
    assert [r.output for r in await store.records(1001)] == [OTHER]
    await store.put(MoveRun(1001, ("running",), "succeeded", NOW, ended=True))
    await prune(store, runs=(1001,))
    assert await store.ask(LargeSizes()) == (0, 0)


async def test_an_outcome_that_is_not_taken_leaves_nothing(open_file: Callable[..., SqliteStore]) -> None:
    store = await opened(open_file)
    await store.put(AddRun(run(1001)), AddEffect(effect(1001, "put#1", state=EffectState.DONE)))
    await store.put(SettleEffect(1001, "put#1", EffectState.DONE, NOW, "vendor", BIG))
    assert await store.ask(LargeSizes()) == (0, 0)


async def test_a_value_that_is_taken_again_while_it_goes_is_not_lost(open_file: Callable[..., SqliteStore]) -> None:
    store = await opened(open_file)
    await fill(store)
    # in one batch, and so in one commit
    going = store.put(Prune(runs=(1001,), final=("succeeded",), ended_before=NOW + 1, effects_before=NOW + 1))
    await store.put(AddReceipt(receipt(2, body=BIG)))
    await going
    kept = await store.receipt(2)
    assert kept is not None
    assert kept.body == BIG


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("receipt", (6,)),
        ("receipts_without_run", (6,)),
        ("delivery", (5,)),
        ("records", (7, 9)),
        ("effects_of_run", (7, 14, 17)),
        ("version", ()),
    ],
)
def test_where_hashes_may_stand(query: str, wanted: Any) -> None:
    assert places(query) == wanted
