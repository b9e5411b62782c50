"""Calls of runs by runs, in every store: an end is an answer in the transaction in which it happens."""

from __future__ import annotations

import pytest

from engine.sdk import jsontext
from engine.store.calls import AddCall, Call, CallsBy, CallsOf
from engine.store.changes import AS_ASKED, AddRecord, AddRun, MoveRun, Owner, Prune
from engine.store.ids import show
from engine.store.records import Lane
from engine.store.waits import OpenWait, Wait, WaitState
from tests.store.conftest import AnyStore, Backend
from tests.store.rows import NOW, record, run

CALLER, CHILD, KEY = 1001, 1002, "tier#1"
CALL = Call(CHILD, CALLER, KEY, awaited=True, depth=1, root=CALLER)
WAIT = Wait(CALLER, KEY, "call", "tier", "", WaitState.OPEN, "welcome", False, NOW)


async def call(store: AnyStore, *before: object, result: bytes | None = None) -> None:
    """A run that waits for a called one."""
    await store.put(AddRun(run(CALLER, state="running", epoch=1)))
    row = record(CALLER, KEY, 1, kind="waiting", module="call:tier", output=b'{"due":null}')
    child = run(CHILD, scenario="tier", state="running", epoch=1)
    changes = before or (AddRun(child),)
    await store.put(*changes, AddRecord(row), OpenWait(WAIT), AddCall(CALL, NOW), owner=Owner(CALLER, 1))  # type: ignore[arg-type]  # changes are what they are
    await store.put(MoveRun(CALLER, ("running",), "waiting", NOW), owner=Owner(CALLER, 1))


def end(state: str = "succeeded", result: bytes | None = b'{"output":7}') -> MoveRun:
    return MoveRun(CHILD, ("running", "waiting", "queued"), state, NOW + 1, result=result, ended=True)


async def answer(store: AnyStore) -> object:
    [row] = await store.records(CALLER)
    assert row.kind == "answered"
    return jsontext.loads(row.output or b"null")


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
async def test_the_end_of_a_called_run_answers_and_wakes_its_caller(store: AnyStore, state: str) -> None:
    await call(store)
    fate = await store.put(end(state))
    assert (fate.released, fate.answered) == (("welcome",), (CALLER,))
    assert await answer(store) == {"run": show(CHILD), "state": state, "result": {"output": 7}}
    caller = await store.run(CALLER)
    assert caller is not None
    assert caller.state == "queued"
    # nothing is answered twice
    await store.put(MoveRun(CHILD, (state,), "queued", NOW + 2))
    assert (await store.put(end(result=b'{"output":8}'))).released == ()
    assert await answer(store) == {"run": show(CHILD), "state": state, "result": {"output": 7}}


async def test_an_end_after_another_process_has_opened_the_store_is_an_answer(backend: Backend) -> None:
    store = await backend.open()
    await call(store)
    if backend.kind == "sqlite":
        await store.close()
    store = await backend.open()
    await store.put(end(result=None))
    assert await answer(store) == {"run": show(CHILD), "state": "succeeded", "result": {}}


async def test_a_run_that_has_ended_answers_whoever_waits_for_it_then(store: AnyStore) -> None:
    large = b'{"output":"%s"}' % (b"x" * 40_000)
    await store.put(AddRun(run(CHILD, scenario="tier", state="running", epoch=1)))
    await store.put(end("failed", large))
    row = record(CALLER, "other#1", 1)
    await call(store, AddRecord(row))
    found = {r.key: r for r in await store.records(CALLER)}
    assert jsontext.loads(found[KEY].output or b"")["result"] == jsontext.loads(large)
    caller = await store.run(CALLER)
    assert caller is not None
    assert found[KEY].kind == "answered"


async def test_a_run_that_was_not_made_is_an_answer(store: AnyStore) -> None:
    lane = Lane("tier/", 1, busy="skip")
    await store.put(AddRun(run(1000, scenario="tier", state="running", epoch=1), lane))
    await call(store, AddRun(run(CHILD, scenario="tier"), lane))
    assert await answer(store) == {"run": show(CHILD), "state": "skipped", "result": {}}
    assert await store.ask(CallsBy(CALLER)) == []


async def test_a_call_that_is_not_waited_for_is_told_and_no_more(store: AnyStore) -> None:
    await store.put(AddRun(run(CALLER, state="running", epoch=1)))
    child = AddRun(run(CHILD, scenario="tier", state="running", epoch=1))
    await store.put(child, AddCall(CALL._replace(awaited=False), NOW), owner=Owner(CALLER, 1))
    assert (await store.put(end())).answered == ()
    [called] = await store.ask(CallsBy(CALLER))
    assert (called.call.run_id, called.scenario, called.state) == (CHILD, "tier", "succeeded")
    assert (await store.ask(CallsOf([CHILD, CALLER]))).keys() == {CHILD}


async def test_a_run_that_was_not_made_is_told_to_who_does_not_wait_for_it(store: AnyStore) -> None:
    lane = Lane("tier/", 1, busy="skip")
    await store.put(AddRun(run(1000, scenario="tier", state="running", epoch=1), lane))
    await store.put(AddRun(run(CALLER, state="running", epoch=1)))
    row = record(CALLER, KEY, 1, kind="call", module="call:tier", output=b"{}")
    child = AddRun(run(CHILD, scenario="tier"), lane)
    unwaited = AddCall(CALL._replace(awaited=False), NOW)
    assert (await store.put(child, AddRecord(row), unwaited, owner=Owner(CALLER, 1))).redirected
    assert await answer(store) == {"run": show(CHILD), "state": "skipped", "result": {}}


async def test_runs_that_nobody_called_end_as_before(store: AnyStore) -> None:
    await store.put(AddRun(run(CHILD, state="running", epoch=1)))
    assert await store.put(end()) == AS_ASKED


@pytest.mark.parametrize("runs", [(CALLER, CHILD), (CHILD, CALLER)])
async def test_a_call_goes_with_the_last_of_both_runs(store: AnyStore, runs: tuple[int, int]) -> None:
    await call(store)
    await store.put(end())
    await store.put(MoveRun(CALLER, ("running", "waiting", "queued"), "succeeded", NOW + 5, ended=True))
    for run_id, left in zip(runs, (1, 0), strict=True):
        step = Prune(final=("succeeded",), ended_before=NOW + 9, runs=(run_id,))
        await store.put(step)
        assert step.report.runs == 1
        assert len(await store.ask(CallsOf([CHILD]))) == left
