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
    SetDelivery,
    SettleEffect,
)
from engine.store.large import LARGE, LargeSizes, UnusedLarge, places
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


async def test_it_is_kept_once_and_goes_with_the_last(open_file: Callable[..., SqliteStore]) -> None:
    store = open_file()
    await store.open()
    await fill(store)
    assert await store.ask(LargeSizes()) == (1, len(BIG), 9 * len(BIG))
    await store.put(AddReceipt(receipt(2, body=BIG)))
    await store.put(Prune(runs=(1001,), final=("succeeded",), ended_before=NOW + 1, effects_before=NOW + 1))
    assert await store.ask(LargeSizes()) == (1, len(BIG), len(BIG)), "another receipt has it"
    await store._writer.job(lambda db: db.execute("delete from receipts"))
    assert await store.ask(LargeSizes()) == (0, 0, 0)


async def test_a_value_that_takes_the_place_of_another_is_counted(open_file: Callable[..., SqliteStore]) -> None:
    store = open_file()
    await store.open()
    await store.put(AddRun(run(1001)), AddRecord(record(1001, "get#1", 1, output=BIG)))
    await store.put(AddRecord(record(1001, "get#1", 1, output=OTHER)))
    assert await store.ask(LargeSizes()) == (1, len(OTHER), len(OTHER))
    await store.put(AddRecord(record(1001, "get#1", 1, output=b"1")))
    assert await store.ask(LargeSizes()) == (0, 0, 0)
    await store.put(MoveRun(1001, ("queued",), "queued", NOW, notes=BIG))
    await store.put(MoveRun(1001, ("queued",), "queued", NOW, notes=OTHER))
    assert await store.ask(LargeSizes()) == (1, len(OTHER), len(OTHER))
    await store.put(AddDelivery(delivery(1, state=DeliveryState.PARKED, run_id=None, event=BIG)))
    await store.put(SetDelivery(delivery(1, event=OTHER)))
    assert await store.ask(LargeSizes()) == (1, len(OTHER), 2 * len(OTHER))


async def test_a_value_without_a_row_is_pruned_unless_a_row_comes(open_file: Callable[..., SqliteStore]) -> None:
    store = open_file()
    await store.open()
    # settled already: the row takes no other outcome, and the value was written before that showed
    await store.put(AddRun(run(1001)), AddEffect(effect(1001, "put#1", state=EffectState.DONE)))
    await store.put(SettleEffect(1001, "put#1", EffectState.DONE, NOW, "vendor", BIG))
    unused = await store.ask(UnusedLarge(9))
    assert len(unused) == 1
    step = Prune(values=tuple(unused))
    await store.put(AddRecord(record(1001, "get#1", output=BIG)), step)
    assert [r.output for r in await store.records(1001)] == [BIG], "referred to again before the step: it stays"
    await store.put(AddRecord(record(1001, "get#1", output=b"1")))
    assert await store.ask(LargeSizes()) == (0, 0, 0)


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
