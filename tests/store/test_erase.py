"""Erasing a subject, in both stores: what it blanks, what stands, and what is in its way."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from engine.runtime import erasing
from engine.runtime.commands import CommandRefused
from engine.runtime.erasing import MARK, EraseRefused, token
from engine.sdk.faults import SimulatedCrash
from engine.store.changes import (
    AddDelivery,
    AddEffect,
    AddReceipt,
    AddRecord,
    AddRun,
    CountRefusals,
    MoveRun,
    SettleEffect,
)
from engine.store.large import LARGE, LargeSizes
from engine.store.records import (
    DeliveryState,
    EffectFilter,
    EffectState,
    ReceiptFilter,
    Refusal,
    RunFilter,
)
from engine.testing import CrashAt
from tests.promises.shop_runs import until_death
from tests.store.conftest import AnyStore, Backend
from tests.store.rows import NOW, delivery, effect, receipt, record, run

ANA, BO = "ana@example.com", "bo@example.com"
TOKEN = MARK + "0123"
LARGE_ANA = b'"' + b"ana@example.com " * (LARGE // 16 + 1) + b'"'


async def add(store: AnyStore, number: int, who: str, *, state: str = "succeeded", whole: bool = True) -> int:
    """A receipt about a subject, its run with a read and a write, everything full of the subject's name."""
    run_id, text = number + 1000, b'{"email":"' + who.encode() + b'"}'
    event = None if whole else text
    await store.put(
        AddReceipt(receipt(number, subject=who, headers=text, query=text, body=text)),
        AddDelivery(delivery(number, event=event, event_id=who)),
        AddRun(run(run_id, state=state, subject=who, started_at=NOW, ended_at=NOW)),
        AddRecord(record(run_id, "get#1", 1, output=text, notes=text)),
        AddRecord(record(run_id, "get#2", 2, kind="failed", output=None, error=text)),
        AddEffect(effect(run_id, "put#1", 3, request=text, notes=text, subject=who)),
        SettleEffect(run_id, "put#1", EffectState.DONE, NOW, "vendor", text),
        MoveRun(run_id, (state,), state, NOW, result=text, notes=text),
    )
    return run_id


async def everything(store: AnyStore) -> str:
    """All that the store's readers show, as text."""
    runs = await store.runs(RunFilter())
    receipts = await store.receipts(ReceiptFilter())
    records = [await store.records(r.id) for r in runs]
    deliveries = await store.deliveries([r.id for r in receipts])
    return repr((runs, receipts, records, deliveries, await store.effects(EffectFilter()), await store.refusals()))


async def erase(store: AnyStore, subject: str = ANA, *, cancel: bool = False) -> None:
    while (await erasing.erase(store, subject, TOKEN, NOW, cancel=cancel)).more:
        pass


async def test_nothing_tells_of_the_subject_any_more_and_the_rows_stand(store: AnyStore) -> None:
    await add(store, 1, ANA)
    await add(store, 2, BO)
    await add(store, 3, ANA, state="failed", whole=False)
    await store.put(CountRefusals((("hook", 400, 1),), (Refusal(NOW, "hook", 400, "no JSON", "{ana@example.com"),)))
    sums = [await store.run_counts(), await store.effect_counts(), await store.delivery_counts()]
    assert ANA in await everything(store)
    await erase(store)
    text = await everything(store)
    assert ANA not in text
    assert text.count(BO) > 10, "what is about others stays"
    assert [await store.run_counts(), await store.effect_counts(), await store.delivery_counts()] == sums
    assert len(await store.runs(RunFilter(subject=TOKEN))) == 2, "runs of one subject are still known as such"
    assert [r.subject for r in await store.receipts(ReceiptFilter())] == [TOKEN, BO, TOKEN]


async def test_nothing_tells_of_it_in_the_file_either(backend: Backend) -> None:
    store = await backend.open()
    if backend.kind == "memory":
        return
    await add(store, 1, ANA)
    await store.put(AddReceipt(receipt(5, subject=ANA, body=LARGE_ANA)))
    await erase(store)
    assert await store.ask(LargeSizes()) == (0, 0)
    await store.close()
    # the last one who closes the file copies the log into it and removes the log
    assert ANA.encode() not in backend.path.read_bytes()


async def test_a_run_that_has_not_ended_is_in_the_way(store: AnyStore) -> None:
    await add(store, 1, ANA)
    held = await add(store, 2, ANA, state="held")
    before = await everything(store)
    with pytest.raises(EraseRefused, match="have not ended"):
        await erase(store)
    assert await everything(store) == before
    await erase(store, cancel=True)
    assert ANA not in await everything(store)
    found = await store.run(held)
    assert found is not None
    assert found.state == "cancelled"


async def test_a_running_one_is_not_cancelled(store: AnyStore) -> None:
    await add(store, 1, ANA, state="running")
    with pytest.raises(CommandRefused, match="running"):
        await erase(store, cancel=True)
    assert ANA in await everything(store)


async def test_a_run_that_begins_meanwhile_keeps_its_receipt(store: AnyStore) -> None:
    run_id = await add(store, 1, ANA, state="failed")
    step = erasing.Erase(subject=ANA, token=TOKEN, final=("succeeded", "failed"), receipt=1)
    store.ride(MoveRun(run_id, ("failed",), "queued", NOW))
    await store.put(step)
    assert (step.report.receipts, step.report.runs) == (0, 0)
    found = await store.receipt(1)
    assert found is not None
    assert ANA.encode() in found.body


async def batch(store: AnyStore, state: str) -> None:
    """A request with two events, one about each."""
    both = b'["ana@example.com","bo@example.com"]'
    await store.put(
        AddReceipt(receipt(1, subject=ANA, body=both)),
        *(AddDelivery(delivery(1, n, run_id=1001 + n, event=e)) for n, e in enumerate((b'"ana"', LARGE_ANA))),
        AddRun(run(1001, receipt_id=1, state="succeeded", subject=ANA)),
        AddRun(run(1002, receipt_id=1, number=1, state=state, subject=BO)),
        AddRecord(record(1002, "get#1", 1, output=b'"bo"')),
    )


async def test_what_came_by_the_same_request_about_somebody_else_stays(store: AnyStore) -> None:
    await batch(store, "succeeded")
    await erase(store)
    assert [d.event for d in await store.deliveries([1])] == [None, LARGE_ANA], "its event is the other's own"
    assert [r.output for r in await store.records(1002)] == [b'"bo"']
    assert [r.subject for r in await store.runs(RunFilter())] == [BO, TOKEN]


async def test_while_the_other_has_not_ended_the_request_stays(store: AnyStore) -> None:
    await batch(store, "held")
    for cancel in (False, True):
        with pytest.raises(EraseRefused):
            await erase(store, cancel=cancel)
    found = await store.run(1002)
    assert found is not None
    assert found.state == "held", "nobody ends another one's run for it"


async def test_events_that_a_run_gathered_go_with_it(store: AnyStore) -> None:
    run_id = await add(store, 2, ANA)
    await store.put(
        AddReceipt(receipt(1, body=b'"ana@example.com"')),
        AddDelivery(delivery(1, run_id=run_id, reason="gathered")),
    )
    await erase(store)
    assert ANA not in await everything(store)
    assert [d.reason for d in await store.deliveries([1])] == ["gathered"]


async def test_writes_of_runs_that_are_gone_are_blanked_too(store: AnyStore) -> None:
    await store.put(AddEffect(effect(1001, "put#1", subject=ANA, request=b'"ana@example.com"')))
    await store.put(SettleEffect(1001, "put#1", EffectState.DONE, NOW, "vendor", b'"ana@example.com"'))
    await erase(store)
    [left] = await store.effects(EffectFilter())
    assert (left.request, left.output, left.subject, left.state) == (b"null", None, TOKEN, EffectState.DONE)


async def test_a_parked_delivery_is_blanked(store: AnyStore) -> None:
    parked = delivery(1, state=DeliveryState.PARKED, run_id=None)
    await store.put(AddReceipt(receipt(1, subject=ANA, body=b'"ana@example.com"')), AddDelivery(parked))
    await erase(store)
    assert ANA not in await everything(store)
    assert (await store.delivery_counts())[DeliveryState.PARKED] == 1


@pytest.mark.parametrize("point", ["erase.step", "store.commit", "store.committed"])
async def test_erasing_is_cut_off_and_begun_again(backend: Backend, point: str) -> None:
    store = await backend.open()
    for number in range(1, 6):
        await add(store, number, ANA)
    await store.close()
    faults = CrashAt(point, 3)
    store = await backend.open(faults)

    async def cut_off() -> None:
        await erasing.erase(store, ANA, TOKEN, NOW, faults=faults)

    await until_death(cut_off(), faults)
    assert faults.crashed
    if backend.kind == "sqlite":
        with suppress(SimulatedCrash):
            await store.close()
    store = await backend.open()
    counts = await store.run_counts()
    assert ANA in await everything(store)
    await erase(store)
    assert ANA not in await everything(store)
    assert await store.run_counts() == counts


def test_a_token_is_always_the_same_and_needs_the_key_of_the_folder(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    assert token(one, ANA) == token(one, ANA)
    assert len({token(one, ANA), token(one, BO), token(other, ANA)}) == 3
    assert (one / "erased.key").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in one.iterdir()] == ["erased.key"]
