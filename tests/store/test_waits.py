"""What runs wait for, in every store: a wait leaves *open* once, whatever comes first."""

from __future__ import annotations

from typing import Any

import pytest

from engine.sdk import jsontext
from engine.sdk.errors import LostOwnership
from engine.store.changes import AddRecord, AddRun, MoveRun, Owner
from engine.store.waits import (
    AddWaitSource,
    AnnounceWait,
    AnswerWait,
    CloseWaits,
    OpenWait,
    RecheckWaits,
    SendSignal,
    Signal,
    TimeOutDue,
    TimeOutWait,
    Wait,
    WaitSource,
    WaitState,
)
from tests.store.conftest import AnyStore
from tests.store.rows import NOW, record, run

KEY = "ok#1"


def wait(run_id: int = 1001, **fields: Any) -> Wait:
    given = {"kind": "signal", "name": "stock", "match": "sku1", "state": WaitState.OPEN, "scenario": "welcome"}
    return Wait(**{"run_id": run_id, "key": KEY, "simulated": False, "opened_at": NOW, **given, **fields})


def signal(number: int, **fields: Any) -> Signal:
    given = {"name": "stock", "match": "sku1", "simulated": False, "data": b'{"n":1}', "sent_at": NOW, "until": NOW}
    return Signal(id=number, **{**given, **fields})


async def waiting(store: AnyStore, *run_ids: int, **fields: Any) -> None:
    """Runs that have left memory, each with an open wait."""
    for run_id in run_ids:
        await store.put(AddRun(run(run_id, state="running", epoch=1)))
        await open_wait(store, run_id, **fields)
        await store.put(MoveRun(run_id, ("running",), "waiting", NOW, due_at=NOW + 60), owner=Owner(run_id, 1))


async def open_wait(store: AnyStore, run_id: int, **fields: Any) -> None:
    row = record(run_id, KEY, 1, kind="waiting", module=None, request_hash=None, output=b'{"due":null}')
    await store.put(AddRecord(row), OpenWait(wait(run_id, **fields)), owner=Owner(run_id, 1))


def answer(run_id: int = 1001, value: Any = "yes", **more: Any) -> AnswerWait:
    return AnswerWait(run_id, KEY, jsontext.dumps(value), NOW + 1, "ana", **more)


async def state(store: AnyStore, run_id: int = 1001) -> tuple[str, str, str, bytes | None]:
    """Of run, wait and journal row, and what the row holds."""
    found, one, [row] = await store.run(run_id), await store.waits.get(run_id, KEY), await store.records(run_id)
    assert found is not None
    assert one is not None
    return found.state, one.state, row.kind, row.output


async def test_an_answer_ends_the_wait_in_the_journal_and_queues_the_run(store: AnyStore) -> None:
    await waiting(store, 1001)
    await store.put(answer())
    assert await state(store) == ("queued", "answered", "answered", b'"yes"')
    found = await store.run(1001)
    assert found is not None
    assert found.due_at is None


async def test_the_second_answer_and_the_timeout_change_nothing(store: AnyStore) -> None:
    await waiting(store, 1001)
    await store.put(answer())
    await store.put(answer(value="no"))
    await store.put(TimeOutWait(1001, KEY, NOW + 2))
    assert await state(store) == ("queued", "answered", "answered", b'"yes"')
    with pytest.raises(LostOwnership):
        await store.put(answer(must=True))


async def test_a_timeout_goes_before_the_answer_that_comes_later(store: AnyStore) -> None:
    await waiting(store, 1001)
    await store.put(MoveRun(1001, ("waiting",), "running", NOW, epoch=1))
    await store.put(TimeOutWait(1001, KEY, NOW + 60), owner=Owner(1001, 1))
    await store.put(answer())
    assert await state(store) == ("running", "timed-out", "timed-out", b'{"due":null}')


async def test_an_answer_to_a_run_that_is_walked_moves_nothing(store: AnyStore) -> None:
    await store.put(AddRun(run(1001, state="running", epoch=1)))
    await open_wait(store, 1001)
    await store.put(answer())
    assert await state(store) == ("running", "answered", "answered", b'"yes"')


async def test_a_run_that_leaves_memory_with_an_answered_wait_is_queued_at_once(store: AnyStore) -> None:
    await store.put(AddRun(run(1001, state="running", epoch=1)))
    await open_wait(store, 1001)
    await store.put(answer())
    move = MoveRun(1001, ("running",), "waiting", NOW, due_at=NOW + 60)
    await store.put(move, RecheckWaits(1001, (KEY,), NOW), owner=Owner(1001, 1))
    assert (await state(store))[0] == "queued"


async def test_a_run_that_leaves_memory_with_open_waits_waits(store: AnyStore) -> None:
    await store.put(AddRun(run(1001, state="running", epoch=1)))
    await open_wait(store, 1001)
    move = MoveRun(1001, ("running",), "waiting", NOW, due_at=NOW + 60)
    await store.put(move, RecheckWaits(1001, (KEY,), NOW), owner=Owner(1001, 1))
    assert (await state(store))[0] == "waiting"


async def test_a_signal_reaches_all_that_wait_for_it_and_nobody_else(store: AnyStore) -> None:
    await waiting(store, 1001, 1002)
    await waiting(store, 1003, match="sku2")
    await waiting(store, 1004, name="other")
    await waiting(store, 1005, simulated=True)
    await store.put(SendSignal(signal(7)))
    assert [(await state(store, run_id))[0] for run_id in range(1001, 1006)] == ["queued"] * 2 + ["waiting"] * 3
    found = await store.waits.signal(7)
    assert found is not None
    assert found.reached == 2


async def test_a_kept_signal_is_delivered_once_and_in_order(store: AnyStore) -> None:
    await store.put(SendSignal(signal(7, until=NOW + 60)), SendSignal(signal(8, data=b"8", until=NOW + 60)))
    await waiting(store, 1001, 1002, 1003)
    assert [(await state(store, run_id))[2:] for run_id in (1001, 1002, 1003)] == [
        ("answered", b'{"n":1}'),
        ("answered", b"8"),
        ("waiting", b'{"due":null}'),
    ]


async def test_a_signal_whose_time_is_over_is_not_delivered_and_is_forgotten(store: AnyStore) -> None:
    await store.put(SendSignal(signal(7, until=NOW)))
    await waiting(store, 1001)
    assert (await state(store))[1] == "open"
    await store.put(SendSignal(signal(8, sent_at=NOW + 86_401, match="x", until=NOW)))
    assert await store.waits.signal(7) is None


async def test_an_answer_before_the_wait_is_open_is_kept_for_it(store: AnyStore) -> None:
    await store.put(AddRun(run(1001, state="running", epoch=1)))
    announced = wait(kind="approval", name="ok", match="", state=WaitState.ANNOUNCED, token="t")
    await store.put(AnnounceWait(announced))
    await store.put(answer())
    found = await store.waits.by_token("t")
    assert found is not None
    assert (found.state, found.answer) == (WaitState.EARLY, b'"yes"')
    await open_wait(store, 1001, kind="approval", name="ok", match="", token="t")
    assert await state(store) == ("running", "answered", "answered", b'"yes"')


async def test_a_link_leads_to_the_wait_that_took_it_last(store: AnyStore) -> None:
    await store.put(AddRun(run(1001, state="running", epoch=1)))
    await open_wait(store, 1001, token="t")
    await store.put(OpenWait(wait(key="ok#2", token="t")))
    found = await store.waits.by_token("t")
    assert found is not None
    assert found.key == "ok#2"


async def test_closing_ends_what_is_open_and_leaves_what_was_answered(store: AnyStore) -> None:
    await waiting(store, 1001)
    await store.put(OpenWait(wait(key="b#1")), OpenWait(wait(key="c#1")))
    await store.put(AnswerWait(1001, "b#1", b"1", NOW, "ana"))
    await store.put(CloseWaits(1001, NOW, ("c#1",)))
    assert [w.state for w in await store.waits.of_run(1001)] == ["answered", "closed", "open"]
    await store.put(CloseWaits(1001, NOW))
    assert [w.state for w in await store.waits.of_run(1001)] == ["answered", "closed", "closed"]
    assert (await state(store))[2] == "closed"


async def test_open_waits_are_found_by_what_they_are_for(store: AnyStore) -> None:
    await waiting(store, 1002, 1001)
    await waiting(store, 1003, match="sku2")
    assert [w.run_id for w in await store.waits.open("signal", "stock", "sku1", False, 10)] == [1001, 1002]
    assert [w.run_id for w in await store.waits.open("signal", "stock", "sku1", False, 1)] == [1001]
    assert {w.run_id for w in await store.waits.listed("signal", "stock", 10)} == {1001, 1002, 1003}
    assert {w.run_id for w in await store.waits.listed("signal", None, 10)} == {1001, 1002, 1003}
    assert await store.waits.listed("approval", None, 10) == []
    assert await store.waits.get(1009, KEY) is None


async def test_what_is_read_of_events_is_remembered_once(store: AnyStore) -> None:
    source = WaitSource("scenario:pay", "f1", None, None, b"{}", b"[]")
    await store.put(AddWaitSource(source), AddWaitSource(source))
    assert await store.waits.sources() == [source]


async def test_a_refused_transaction_answers_nothing(store: AnyStore) -> None:
    await waiting(store, 1001)
    await waiting(store, 1002, match="sku2")
    with pytest.raises(LostOwnership):
        await store.put(answer(1001), answer(1002), MoveRun(1002, ("held",), "queued", NOW))
    assert (await state(store, 1001))[:2] == ("waiting", "open")


async def test_who_claims_a_run_ends_those_of_its_waits_whose_time_is_over(store: AnyStore) -> None:
    await waiting(store, 1001, due_at=NOW + 60)
    claim = MoveRun(1001, ("waiting",), "running", NOW + 61, epoch=1)
    await store.put(claim._replace(state="queued"), TimeOutDue(1001, NOW + 59))
    assert (await state(store))[:2] == ("queued", "open")
    await store.put(claim._replace(sources=("queued",)), TimeOutDue(1001, NOW + 61))
    assert (await state(store))[:3] == ("running", "timed-out", "timed-out")
    await store.put(answer())
    assert (await state(store))[1] == "timed-out"


async def test_an_answer_that_came_first_stays_one_when_the_run_is_claimed(store: AnyStore) -> None:
    await waiting(store, 1001, due_at=NOW + 60)
    await store.put(answer())
    with pytest.raises(LostOwnership):
        await store.put(MoveRun(1001, ("waiting",), "running", NOW + 61, epoch=1), TimeOutDue(1001, NOW + 61))
    assert (await state(store))[:2] == ("queued", "answered")


async def test_who_waits_for_nothing(store: AnyStore) -> None:
    for number, due in ((1001, None), (1002, None), (1003, NOW + 9), (1004, None)):
        await store.put(AddRun(run(number, state="waiting", due_at=due)))
    await store.put(OpenWait(wait(1001)))
    await store.put(OpenWait(wait(1004)), CloseWaits(1004, NOW))
    assert [one.run_id for one in await store.stranded(False, 10)] == [1002, 1004]
    assert await store.stranded(True, 10) == []
