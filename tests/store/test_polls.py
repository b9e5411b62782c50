"""Where polling triggers stand, in every store."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.sdk.errors import StoreError
from engine.store import sql
from engine.store.changes import AddReceipt, AddRun, DropPollItems, PutPoll, PutPollItems
from engine.store.records import Poll, PollItem
from engine.store.sqlite import SqliteStore
from tests.store.conftest import AnyStore, Backend
from tests.store.rows import NOW, receipt, run

POLL = Poll("welcome", False, "t1", NOW, b'"2024-03-05"', b'{"cursor":2}')
ANA = PollItem("ana", "c1", b'"2024-03-05"')
BO = PollItem("bo", "c1", None, NOW)


async def test_a_poll_comes_back_as_it_was_put_last(store: AnyStore) -> None:
    await store.put(PutPoll(POLL))
    later = replace(POLL, trigger="t2", at=NOW + 1, mark=None, sweep=None)
    await store.put(PutPoll(later), PutPoll(replace(POLL, simulated=True)))
    assert await store.polls() == [later, replace(POLL, simulated=True)]


async def test_records_are_replaced_by_id_and_forgotten_one_by_one_or_all(store: AnyStore) -> None:
    await store.put(PutPollItems("welcome", False, (BO, ANA)), PutPollItems("welcome", True, (ANA,)))
    assert await store.poll_items("welcome", False) == [ANA, BO]
    await store.put(PutPollItems("welcome", False, (replace(ANA, content="c2"),)))
    assert await store.poll_items("welcome", False) == [replace(ANA, content="c2"), BO]
    await store.put(DropPollItems("welcome", False, ("ana", "nobody")))
    assert await store.poll_items("welcome", False) == [BO]
    await store.put(DropPollItems("welcome", False))
    assert await store.poll_items("welcome", False) == []
    assert await store.poll_items("welcome", True) == [ANA]
    assert await store.poll_items("other", True) == []


async def test_a_refused_transaction_moves_no_poll(store: AnyStore) -> None:
    await store.put(PutPoll(POLL), PutPollItems("welcome", False, (ANA,)), AddRun(run(1001)))
    moved = replace(POLL, mark=b"9")
    with pytest.raises(StoreError):
        await store.put(
            AddReceipt(receipt(1)),
            PutPoll(moved),
            PutPollItems("welcome", False, (BO,)),
            DropPollItems("welcome", False, ("ana",)),
            AddRun(run(1001)),
        )
    assert await store.polls() == [POLL]
    assert await store.poll_items("welcome", False) == [ANA]
    assert await store.receipt(1) is None


async def test_a_poll_outlives_its_process(backend: Backend) -> None:
    store = await backend.open()
    await store.put(PutPoll(POLL), PutPollItems("welcome", False, (ANA,)))
    await store.close()
    store = await backend.open()
    assert await store.polls() == [POLL]
    assert await store.poll_items("welcome", False) == [ANA]


async def test_a_file_from_before_there_was_polling_takes_polls(
    tmp_path: Path, open_file: Callable[..., SqliteStore]
) -> None:
    path = tmp_path / "store.db"
    db = sqlite3.connect(path)
    [(_, first), *_] = sql.migrations()
    db.executescript(f"{first};pragma user_version = 1;")
    db.execute("insert into receipts values(1, 'hook', 1.0, 'POST', x'7b7d', x'7b7d', x'7b7d', 'ana')")
    db.commit()
    assert db.execute("select name from sqlite_master where name like 'poll%'").fetchall() == []
    db.close()
    store = open_file(path)
    await store.open()
    await store.put(PutPoll(POLL), PutPollItems("welcome", False, (ANA,)))
    assert await store.polls() == [POLL]
    kept = await store.receipt(1)
    assert kept is not None
    assert kept.subject == "ana"
