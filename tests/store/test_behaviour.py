"""What every store does. A new backend joins by being added to ``Backend``."""

from __future__ import annotations

import asyncio

import pytest

from engine.sdk.errors import LostOwnership, StoreError
from engine.sdk.faults import SimulatedCrash
from engine.store.changes import (
    AS_ASKED,
    AddDelivery,
    AddEffect,
    AddReceipt,
    AddRecord,
    AddRun,
    AddVersion,
    AddWebhook,
    CountRefusals,
    Fate,
    MoveRun,
    Owner,
    PutSecret,
    RetireWebhook,
    SetDelivery,
    SettleEffect,
    TellWebhook,
)
from engine.store.ids import show
from engine.store.records import (
    DeliveryState,
    EffectFilter,
    EffectState,
    Identity,
    Page,
    ReceiptFilter,
    Refusal,
    RunFilter,
    Webhook,
)
from tests.store.conftest import AnyStore, Backend
from tests.store.rows import NOW, FailAt, delivery, effect, receipt, record, run

FULL = OSError(28, "No space left on device")


async def running(store: AnyStore, number: int = 1001, epoch: int = 1) -> Owner:
    await store.put(AddRun(run(number, state="running", epoch=epoch)))
    return Owner(number, epoch)


# ---------------------------------------------------------------- receipts and deliveries


async def test_a_receipt_comes_back_as_it_was(store: AnyStore) -> None:
    r = receipt(1, headers=b'{"a":"b"}', query=b'{"q":"1"}', body=b"\x00\xff", subject="ana@example.com")
    d = delivery(1, event=b'{"n":1}', event_id="e1")
    await store.put(AddReceipt(r), AddDelivery(d), AddRun(run(1001, subject="ana@example.com")))
    assert await store.receipt(1) == r
    assert await store.deliveries([1]) == [d]
    assert await store.delivery(1, d.scenario, d.number) == d
    assert await store.delivery(1, d.scenario, d.number + 1) is None
    assert await store.run(1001) == run(1001, subject="ana@example.com")
    assert await store.delivery_counts() == {"run": 1, "receipts": 1}


async def test_the_same_event_is_a_duplicate_and_makes_no_run(store: AnyStore) -> None:
    said = [
        await store.put(
            AddReceipt(receipt(n)),
            AddDelivery(delivery(n, event_id="e1", event=b"{}"), Identity("e1", NOW, NOW + 9)),
            AddRun(run(n + 1000)),
            MoveRun(n + 1000, ("queued",), "running", NOW, epoch=1),
        )
        for n in (1, 2)
    ]
    assert said == [AS_ASKED, Fate(redirected=True)]
    (second,) = await store.deliveries([2])
    assert second.state is DeliveryState.DUPLICATE
    assert (second.run_id, second.reason, second.event) == (None, show(1), b"{}")
    assert await store.run(1002) is None
    assert await store.run_counts() == {"running": 1}
    assert await store.delivery_counts() == {"run": 1, "duplicate": 1, "receipts": 2}


async def test_an_event_is_a_duplicate_per_scenario_and_within_a_receipt(store: AnyStore) -> None:
    await store.put(
        AddReceipt(receipt(1)),
        AddDelivery(delivery(1, 0, run_id=1001), Identity("e1", NOW, NOW + 9)),
        AddRun(run(1001)),
        AddDelivery(delivery(1, 1, run_id=1002), Identity("e1", NOW, NOW + 9)),
        AddRun(run(1002, receipt_id=1, number=1)),
        AddDelivery(delivery(1, 0, run_id=1003, scenario="other"), Identity("e1", NOW, NOW + 9)),
        AddRun(run(1003, receipt_id=1, scenario="other")),
    )
    states = [(d.scenario, d.number, d.state.value) for d in await store.deliveries([1])]
    assert states == [("other", 0, "run"), ("welcome", 0, "run"), ("welcome", 1, "duplicate")]
    assert {r.id for r in await store.runs(RunFilter(receipt_id=1))} == {1001, 1003}


async def test_without_an_identity_two_deliveries_are_two_events(store: AnyStore) -> None:
    for n in (1, 2):
        await store.put(AddReceipt(receipt(n)), AddDelivery(delivery(n)), AddRun(run(n + 1000)))
    assert await store.run_counts() == {"queued": 2}


async def test_a_parked_delivery_gets_a_run_by_command_once(store: AnyStore) -> None:
    await store.put(AddReceipt(receipt(1)), AddDelivery(delivery(1, state=DeliveryState.PARKED, run_id=None)))
    now = delivery(1, run_id=1001)
    await store.put(SetDelivery(now), AddRun(run(1001)))
    assert await store.deliveries([1]) == [now]
    with pytest.raises(StoreError, match="only a parked or rejected one"):
        await store.put(SetDelivery(now._replace(run_id=1002)), AddRun(run(1002)))
    assert await store.run(1002) is None
    with pytest.raises(StoreError, match="does not exist"):
        await store.put(SetDelivery(delivery(9)))


async def test_receipts_are_listed_newest_first_by_what_became_of_them(store: AnyStore) -> None:
    await store.put(AddReceipt(receipt(1)), AddDelivery(delivery(1)))
    await store.put(AddReceipt(receipt(2, subject="ana")), AddDelivery(delivery(2, state=DeliveryState.PARKED)))
    await store.put(
        AddReceipt(receipt(3, source="cli", subject="ana")),
        AddDelivery(delivery(3, state=DeliveryState.FILTERED)),
        AddDelivery(delivery(3, scenario="b", state=DeliveryState.PARKED)),
        AddDelivery(delivery(3, scenario="c", state=DeliveryState.PARKED)),
    )

    async def ids(wanted: ReceiptFilter) -> list[int]:
        return [r.id for r in await store.receipts(wanted)]

    assert await ids(ReceiptFilter()) == [3, 2, 1]
    assert await ids(ReceiptFilter(page=Page(limit=1))) == [3]
    assert await ids(ReceiptFilter(page=Page(before=3))) == [2, 1]
    assert await ids(ReceiptFilter(source="cli")) == [3]
    assert await ids(ReceiptFilter(subject="ana")) == [3, 2]
    assert await ids(ReceiptFilter(state=DeliveryState.PARKED)) == [3, 2]
    assert await ids(ReceiptFilter(state=DeliveryState.PARKED, page=Page(limit=1))) == [3]
    assert await ids(ReceiptFilter(state=DeliveryState.RUN)) == [1]
    assert await ids(ReceiptFilter(state=DeliveryState.PARKED, subject="ana", source="hook")) == [2]


# ---------------------------------------------------------------- runs


async def test_a_move_writes_what_it_names(store: AnyStore) -> None:
    await store.put(AddRun(run(1001)))
    await store.put(MoveRun(1001, ("queued",), "running", NOW + 1, epoch=7))
    await store.put(MoveRun(1001, ("running",), "sleeping", NOW + 2, due_at=NOW + 60, notes=b"{}", hold=b"1"))
    assert await store.run(1001) == run(
        1001, state="sleeping", epoch=7, started_at=NOW + 1, due_at=NOW + 60, notes=b"{}", hold=b"1"
    )
    await store.put(MoveRun(1001, ("sleeping", "queued"), "running", NOW + 61, epoch=8, recovered=True))
    await store.put(MoveRun(1001, ("running",), "done", NOW + 62, result=b"2", ended=True))
    assert await store.run(1001) == run(
        1001, state="done", epoch=8, started_at=NOW + 1, ended_at=NOW + 62, notes=b"{}", result=b"2", recoveries=1
    )


async def test_a_move_from_another_state_changes_nothing(store: AnyStore) -> None:
    await store.put(AddRun(run(1001)))
    with pytest.raises(LostOwnership, match="is queued, not running or held"):
        await store.put(AddReceipt(receipt(1)), MoveRun(1001, ("running", "held"), "done", NOW))
    with pytest.raises(LostOwnership, match="gone"):
        await store.put(MoveRun(1002, ("queued",), "running", NOW))
    assert await store.receipt(1) is None
    assert await store.run(1001) == run(1001)


async def test_of_two_claims_one_wins(store: AnyStore) -> None:
    await store.put(AddRun(run(1001)))
    claims = [store.put(MoveRun(1001, ("queued",), "running", NOW, epoch=e)) for e in (1, 2)]
    first, second = await asyncio.gather(*claims, return_exceptions=True)
    assert first is AS_ASKED
    assert isinstance(second, LostOwnership)
    won = await store.run(1001)
    assert won is not None
    assert won.epoch == 1


async def test_moves_within_a_transaction_see_each_other(store: AnyStore) -> None:
    await store.put(
        AddRun(run(1001)),
        MoveRun(1001, ("queued",), "running", NOW, epoch=1),
        MoveRun(1001, ("running",), "done", NOW, ended=True),
    )
    assert await store.run_counts() == {"done": 1}
    with pytest.raises(LostOwnership):
        await store.put(
            AddRun(run(1002)),
            MoveRun(1002, ("queued",), "running", NOW),
            MoveRun(1002, ("queued",), "running", NOW),
        )
    assert await store.run(1002) is None


async def test_the_queue_gives_each_scenario_its_oldest(store: AnyStore) -> None:
    await store.put(
        AddRun(run(1005)),
        AddRun(run(1002)),
        AddRun(run(1001, scenario="other")),
        AddRun(run(1003, state="done")),
        AddRun(run(1004, simulated=True)),
        AddRun(run(1006, scenario="third", state="sleeping", due_at=NOW)),
    )

    async def ids(simulated: bool, **shares: int) -> list[int]:
        return [r.id for r in await store.queued_runs(simulated, shares)]

    assert await store.queued_scenarios(False) == ["other", "welcome"]
    assert await store.queued_scenarios(True) == ["welcome"]
    assert await ids(False, welcome=9, other=9) == [1002, 1005, 1001]
    assert await ids(False, other=1, welcome=1, third=1) == [1001, 1002]
    assert await ids(True, welcome=1, other=1) == [1004]


async def test_due_runs_come_in_the_order_of_their_moments(store: AnyStore) -> None:
    await store.put(
        AddRun(run(1001, state="sleeping", due_at=NOW + 10)),
        AddRun(run(1002, state="gathering", due_at=NOW + 5)),
        AddRun(run(1003, state="held", due_at=NOW)),
        AddRun(run(1004, state="sleeping", due_at=NOW, simulated=True)),
    )

    async def ids(now: float, limit: int = 9, simulated: bool = False) -> list[int]:
        return [r.id for r in await store.due_runs(("gathering", "sleeping"), simulated, now, limit)]

    assert await ids(NOW) == []
    assert await ids(NOW + 5) == [1002]
    assert await ids(NOW + 10) == [1002, 1001]
    assert await ids(NOW + 10, limit=1) == [1002]
    assert await ids(NOW + 10, simulated=True) == [1004]
    assert await store.next_due(("sleeping", "gathering"), False) == NOW + 5
    assert await store.next_due(("gathering", "queued"), True) is None
    assert await store.next_due(("queued",), False) is None


async def test_orphans_are_running_runs_of_earlier_epochs(store: AnyStore) -> None:
    await store.put(
        AddRun(run(1003, state="running", epoch=1)),
        AddRun(run(1001, state="running", epoch=2)),
        AddRun(run(1002, state="running", epoch=3)),
        AddRun(run(1004, state="running", epoch=1, simulated=True)),
        AddRun(run(1005, state="held", epoch=1)),
    )
    assert [r.id for r in await store.orphans(3, False)] == [1001, 1003]
    assert [r.id for r in await store.orphans(3, True)] == [1004]


async def test_runs_are_listed_newest_first_by_every_filter(store: AnyStore) -> None:
    await store.put(
        AddRun(run(1001, state="done", subject="ana")),
        AddRun(run(1002, state="failed", simulated=True)),
        AddRun(run(1003, state="sleeping", due_at=NOW, scenario="other", subject="ana")),
        AddRun(run(1004, state="done", receipt_id=3)),
    )

    async def ids(**wanted: object) -> list[int]:
        return [r.id for r in await store.runs(RunFilter(**wanted))]  # type: ignore[arg-type]

    assert await ids() == [1004, 1003, 1002, 1001]
    assert await ids(page=Page(limit=2, before=1004)) == [1003, 1002]
    assert await ids(states=("done",)) == [1004, 1001]
    assert await ids(states=("done", "sleeping", "failed"), page=Page(limit=3)) == [1004, 1003, 1002]
    assert await ids(states=("done", "sleeping", "failed"), page=Page(before=1003)) == [1002, 1001]
    assert await ids(states=()) == []
    assert await ids(scenario="other") == [1003]
    assert await ids(states=("done",), scenario="other") == []
    assert await ids(subject="ana") == [1003, 1001]
    assert await ids(subject="ana", states=("done",)) == [1001]
    assert await ids(receipt_id=3) == [1004, 1003]
    assert await ids(receipt_id=3, subject="ana", states=("sleeping",)) == [1003]
    assert await store.run_counts() == {"done": 2, "failed": 1, "sleeping": 1}
    simulated = await store.run(1002)
    assert simulated is not None
    assert simulated.simulated is True


# ---------------------------------------------------------------- journal and effects


async def test_the_journal_comes_back_by_position(store: AnyStore) -> None:
    owner = await running(store)
    rows = [record(1001, "b", 0, notes=b"{}"), record(1001, "a", 1, kind="failed", output=None, error=b"{}")]
    for row in reversed(rows):
        store.ride(AddRecord(row), owner=owner)
    await store.put(AddRecord(record(1001, "c", 2)), owner=owner)
    await store.put(AddRecord(record(1001, "c", 2, kind="settled")), owner=owner)
    assert await store.records(1001) == [*rows, record(1001, "c", 2, kind="settled")]
    assert await store.records(1002) == []


async def test_a_record_is_progress(store: AnyStore) -> None:
    await store.put(AddRun(run(1001, state="running", recoveries=2)))
    await store.put(AddRecord(record(1001, "a")), owner=Owner(1001, 0))
    now = await store.run(1001)
    assert now is not None
    assert now.recoveries == 0


async def test_an_effect_is_settled_once(store: AnyStore) -> None:
    owner = await running(store)
    intent = effect(1001, "send", notes=b'{"if":1}', subject="ana")
    await store.put(AddEffect(intent), owner=owner)
    await store.put(SettleEffect(1001, "send", EffectState.UNKNOWN, NOW + 1, "vendor", error=b"{}"))
    (unknown,) = await store.effects_by_key(intent.effect_key)
    assert unknown == intent._replace(state=EffectState.UNKNOWN, settled_at=NOW + 1, settled_by="vendor", error=b"{}")
    await store.put(SettleEffect(1001, "send", EffectState.DONE, NOW + 2, "ana", output=b"1", reason="seen there"))
    await store.put(SettleEffect(1001, "send", EffectState.REFUSED, NOW + 3, "vendor"))
    assert await store.effects(EffectFilter(run_id=1001)) == [
        intent._replace(
            state=EffectState.DONE,
            settled_at=NOW + 2,
            settled_by="ana",
            output=b"1",
            reason="seen there",
        )
    ]
    assert await store.effect_counts() == {"done": 1}


async def test_effects_are_paged_by_runs_and_never_torn(store: AnyStore) -> None:
    for n in (1001, 1002, 1003):
        await store.put(
            AddEffect(effect(n, "b", 1, state=EffectState.UNKNOWN)),
            AddEffect(effect(n, "a", 2, state=EffectState.DONE, subject="ana")),
            AddEffect(effect(n, "c", 0, scenario="other", state=EffectState.REFUSED)),
        )

    async def keys(**wanted: object) -> list[tuple[int, str]]:
        return [(e.run_id, e.key) for e in await store.effects(EffectFilter(**wanted))]  # type: ignore[arg-type]

    assert await keys(page=Page(limit=1)) == [(1003, "c"), (1003, "b"), (1003, "a")]
    assert await keys(page=Page(limit=1, before=1003)) == [(1002, "c"), (1002, "b"), (1002, "a")]
    unknown_or_refused = (EffectState.UNKNOWN, EffectState.REFUSED)
    assert await keys(states=unknown_or_refused, page=Page(limit=2)) == [
        (1003, "c"),
        (1003, "b"),
        (1002, "c"),
        (1002, "b"),
    ]
    assert await keys(states=(EffectState.DONE,), page=Page(before=1002)) == [(1001, "a")]
    assert await keys(states=(EffectState.DONE, EffectState.UNKNOWN), subject="ana") == [
        (1003, "a"),
        (1002, "a"),
        (1001, "a"),
    ]
    assert await keys(scenario="other", states=(EffectState.REFUSED,)) == [(1003, "c"), (1002, "c"), (1001, "c")]
    assert await keys(run_id=1002, states=(EffectState.UNKNOWN,)) == [(1002, "b")]
    assert await keys(run_id=1002, scenario="other") == [(1002, "c")]
    assert await store.effect_counts() == {"unknown": 3, "done": 3, "refused": 3}


# ---------------------------------------------------------------- owners


async def test_only_the_owner_writes_for_a_run(store: AnyStore) -> None:
    owner = await running(store, epoch=2)
    with pytest.raises(LostOwnership, match="another owner"):
        await store.put(AddRecord(record(1001, "a")), owner=Owner(1001, 1))
    await store.put(AddRecord(record(1001, "b")), owner=owner)
    await store.put(MoveRun(1001, ("running",), "held", NOW), owner=owner)
    with pytest.raises(LostOwnership, match="held"):
        await store.put(AddRecord(record(1001, "c")), owner=owner)
    with pytest.raises(LostOwnership, match="gone"):
        await store.put(AddRecord(record(1002, "c")), owner=Owner(1002, 1))
    assert [r.key for r in await store.records(1001)] == ["b"]


async def test_a_refused_transaction_does_not_disturb_the_others(store: AnyStore) -> None:
    owner = await running(store, epoch=2)
    results = await asyncio.gather(
        store.put(AddRecord(record(1001, "a", 0)), owner=owner),
        store.put(AddReceipt(receipt(1)), AddRecord(record(1001, "b", 1)), owner=Owner(1001, 1)),
        store.put(AddRecord(record(1001, "c", 2)), owner=owner),
        return_exceptions=True,
    )
    assert [type(r) for r in results] == [Fate, LostOwnership, Fate]
    assert [r.key for r in await store.records(1001)] == ["a", "c"]
    assert await store.receipt(1) is None


async def test_a_refused_ride_shows_at_the_next_put(store: AnyStore) -> None:
    await running(store, epoch=2)
    store.ride(AddRecord(record(1001, "a")), owner=Owner(1001, 1))
    with pytest.raises(LostOwnership):
        await store.put(AddRecord(record(1001, "b")), owner=Owner(1001, 1))
    assert await store.records(1001) == []


# ---------------------------------------------------------------- values that cannot be kept


async def test_a_row_that_exists_refuses_its_transaction_alone(store: AnyStore) -> None:
    await store.put(AddReceipt(receipt(1)))
    results = await asyncio.gather(
        store.put(AddReceipt(receipt(2))),
        store.put(AddReceipt(receipt(3)), AddReceipt(receipt(1)), AddReceipt(receipt(4))),
        store.put(AddReceipt(receipt(5))),
        return_exceptions=True,
    )
    assert [type(r) for r in results] == [Fate, StoreError, Fate]
    assert [r.id for r in await store.receipts(ReceiptFilter())] == [5, 2, 1]
    assert not store.broken


async def test_after_a_ride_that_could_not_be_kept_its_owner_is_refused(store: AnyStore) -> None:
    owner = await running(store)
    await store.put(AddEffect(effect(1001, "send")), owner=owner)
    store.ride(AddEffect(effect(1001, "send")), AddRecord(record(1001, "a")), owner=owner)
    with pytest.raises(LostOwnership, match="could not be written"):
        await store.put(AddRecord(record(1001, "b")), owner=owner)
    # whoever takes the run up again may write for it
    await store.put(MoveRun(1001, ("running",), "running", NOW, epoch=2))
    await store.put(AddRecord(record(1001, "c")), owner=Owner(1001, 2))
    assert [r.key for r in await store.records(1001)] == ["c"]


# ---------------------------------------------------------------- the rest


async def test_versions_secrets_and_webhooks(store: AnyStore) -> None:
    await store.put(AddVersion("v1", "welcome", b"steps: []", NOW))
    await store.put(AddVersion("v1", "welcome", b"other", NOW))
    assert await store.version("v1") == b"steps: []"
    assert await store.version("v2") is None

    await store.put(PutSecret("a", b"1", NOW), PutSecret("b", b"2", NOW))
    await store.put(PutSecret("a", b"3", NOW), PutSecret("b", None, NOW), PutSecret("c", None, NOW))
    assert await store.secrets() == {"a": b"3"}

    await store.put(AddWebhook(Webhook("t2", "hook", NOW + 1)), AddWebhook(Webhook("t1", "hook", NOW, NOW + 5)))
    await store.put(AddWebhook(Webhook("t3", "other", NOW + 2)))
    await store.put(RetireWebhook("hook", NOW + 9))
    await store.put(TellWebhook("t1", "app", "https://a/t1"), TellWebhook("t3", "app", "https://a/t3"))
    await store.put(TellWebhook("t1", None, None), TellWebhook("t4", "app", "https://a/t4"))
    assert await store.webhooks() == [
        Webhook("t1", "hook", NOW, NOW + 5),
        Webhook("t2", "hook", NOW + 1, NOW + 9),
        Webhook("t3", "other", NOW + 2, None, "app", "https://a/t3"),
    ]


async def test_the_newest_refusals_of_each_webhook_are_kept(store: AnyStore) -> None:
    old = Refusal(NOW, "quiet", 404, "no such webhook", "x\ud800y")
    await store.put(CountRefusals((("quiet", 404, 1),), (old,)))
    for n in range(1, 31):
        await store.put(CountRefusals((("hook", 401, 2),), (Refusal(NOW + n, "hook", 401, f"no {n}"),)))
    counts, last = await store.refusals()
    assert counts == [("hook", 401, 60), ("quiet", 404, 1)]
    assert [r.reason for r in last] == [*(f"no {n}" for n in range(30, 10, -1)), "no such webhook"]
    assert last[-1].excerpt == "x?y"


async def test_ids_and_epochs_grow_over_restarts(backend: Backend) -> None:
    store = await backend.open()
    first = [store.new_id(), store.new_id()]
    await store.put(AddReceipt(receipt(first[0])), AddRun(run(first[1])))
    epoch = await store.begin_epoch()
    await store.close()
    backend.clock.now -= 3600
    store = await backend.open()
    assert first[0] < first[1] < store.new_id() < store.new_id()
    assert await store.begin_epoch() > epoch > 0


async def test_what_rides_before_the_store_is_open_is_written(backend: Backend) -> None:
    store = backend.new()
    store.ride(AddReceipt(receipt(1)))
    await store.open()
    await store.put(AddReceipt(receipt(2)))
    assert await store.receipt(1) == receipt(1)


async def test_close_commits_what_waits(backend: Backend) -> None:
    store = await backend.open()
    waiting = store.put(AddReceipt(receipt(1)))
    store.ride(AddReceipt(receipt(2)))
    await store.close()
    assert waiting.done()
    with pytest.raises(StoreError, match="closed"):
        await store.put(AddReceipt(receipt(3)))
    with pytest.raises(StoreError, match="closed"):
        await store.receipt(1)
    store = await backend.open()
    assert [r.id for r in await store.receipts(ReceiptFilter())] == [2, 1]


async def test_a_closed_store_that_was_never_opened_says_so(backend: Backend) -> None:
    store = backend.new()
    with pytest.raises(StoreError, match="not open"):
        await store.run(1)
    with pytest.raises(StoreError, match="not open"):
        store.new_id()
    await store.close()


# ---------------------------------------------------------------- group commit, failure, crash


async def test_what_is_written_together_is_committed_together(backend: Backend) -> None:
    faults = FailAt()
    store = await backend.open(faults)
    await asyncio.gather(*(store.put(AddReceipt(receipt(n))) for n in range(1, 65)))
    assert faults.hits.count("store.commit") == 1
    assert (await store.delivery_counts())["receipts"] == 64


async def test_a_ride_before_a_put_is_durable_with_it(backend: Backend) -> None:
    store = await backend.open()
    owner = await running(store)
    store.ride(AddRecord(record(1001, "read", 0)), owner=owner)
    await store.put(AddEffect(effect(1001, "send", 1)), owner=owner)
    if backend.kind == "memory":
        store.crash()  # type: ignore[union-attr]
    else:
        await store.close()
    store = await backend.open()
    assert [r.key for r in await store.records(1001)] == ["read"]


@pytest.mark.parametrize("point", ["store.begin", "store.commit", "store.committed"])
async def test_a_failed_commit_breaks_the_store_until_it_is_reopened(backend: Backend, point: str) -> None:
    faults = FailAt(point)
    store = await backend.open(faults)
    owner = await running(store)
    faults.error = FULL
    batch = store.put(AddRecord(record(1001, "a", 0)), owner=owner)
    other = store.put(AddReceipt(receipt(1)))
    for future in (batch, other):
        with pytest.raises(StoreError, match="disk is full") as caught:
            await future
        assert caught.value.hint
    assert store.broken
    # what comes later fails at once, and rides vanish
    later = store.put(AddReceipt(receipt(2)))
    assert later.done()
    with pytest.raises(StoreError):
        await later
    store.ride(AddRecord(record(1001, "b", 1)), owner=owner)
    with pytest.raises(StoreError):
        await store.begin_epoch()
    # reading goes on
    assert await store.run(1001) is not None
    with pytest.raises(StoreError):
        await store.reopen()
    assert store.broken

    faults.error = None
    await store.reopen()
    assert not store.broken
    await store.put(AddReceipt(receipt(3)))
    kept = [r.id for r in await store.receipts(ReceiptFilter())]
    assert kept == ([3, 1] if point == "store.committed" else [3])
    # the owner lost a record, so nothing of it may stand behind that one
    with pytest.raises(LostOwnership):
        await store.put(AddRecord(record(1001, "c", 2)), owner=owner)
    await store.put(MoveRun(1001, ("running",), "running", NOW, epoch=2))
    await store.put(AddRecord(record(1001, "d", 0)), owner=Owner(1001, 2))


async def test_a_claim_that_failed_gives_nobody_the_run(backend: Backend) -> None:
    faults = FailAt("store.commit")
    store = await backend.open(faults)
    owner = await running(store)
    faults.error = FULL
    with pytest.raises(StoreError):
        await store.put(AddRecord(record(1001, "a")), owner=owner)
    faults.error = None
    await store.reopen()
    faults.error = FULL
    with pytest.raises(StoreError):
        await store.put(MoveRun(1001, ("running",), "queued", NOW))
    faults.error = None
    await store.reopen()
    with pytest.raises(LostOwnership, match="could not be written"):
        await store.put(AddRecord(record(1001, "b")), owner=owner)


@pytest.mark.parametrize(
    ("point", "kept"), [("store.begin", False), ("store.commit", False), ("store.committed", True)]
)
async def test_a_crash_answers_nobody_and_keeps_what_was_committed(backend: Backend, point: str, kept: bool) -> None:
    faults = FailAt()
    reached = asyncio.Event()
    loop = asyncio.get_running_loop()
    store = await backend.open(faults)
    await store.put(AddReceipt(receipt(1)))

    class Crash:
        def hit(self, name: str) -> None:
            if name == point:
                loop.call_soon_threadsafe(reached.set)
                raise SimulatedCrash(name)

    await store.close()
    store = await backend.open(Crash())
    waiting = store.put(AddReceipt(receipt(2)))
    await reached.wait()
    async with asyncio.timeout(30):
        # the thread that dies has a few instructions left after it said so
        while not store.broken:  # noqa: ASYNC110 - a dead process sets no event
            await asyncio.sleep(0)
    assert not waiting.done()
    with pytest.raises(SimulatedCrash):
        store.put(AddReceipt(receipt(3)))
    with pytest.raises(SimulatedCrash):
        store.ride(AddReceipt(receipt(3)))
    with pytest.raises(SimulatedCrash):
        await store.receipt(1)
    with pytest.raises(SimulatedCrash):
        await store.reopen()
    assert not waiting.done()

    store = await backend.open()
    assert [r.id for r in await store.receipts(ReceiptFilter())] == ([2, 1] if kept else [1])
