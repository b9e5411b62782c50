"""The SQLite file: whose it is, how it grows old, and who else may have it open."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.sdk.errors import LostOwnership, StoreError
from engine.store import file, sql
from engine.store.changes import AddReceipt, AddRun, MoveRun, Owner
from engine.store.lock import ExecutorLock
from engine.store.records import ReceiptFilter
from engine.store.sqlite import SqliteStore
from tests.store.rows import NOW, FailAt, StillClock, receipt, run
from tests.store.test_lock import HOLD

OpenFile = Callable[..., SqliteStore]


def dump_of_version(number: int) -> str:
    """A file as version ``number`` of the schema left it, with rows in it, as SQL text."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    for n, script in sql.migrations()[:number]:
        for statement in sql.statements(script):
            db.execute(statement)
        db.execute(f"pragma user_version = {n}")
    db.execute("insert into receipts values(1, 'hook', 1.0, 'POST', x'7b7d', x'7b7d', x'7b7d', 'ana')")
    text = "\n".join(db.iterdump())
    (application,) = db.execute("pragma application_id").fetchone()
    db.close()
    return f"{text}\npragma application_id = {application};\npragma user_version = {number};"


@pytest.mark.parametrize("number", range(1, len(sql.migrations()) + 1))
async def test_a_file_of_every_earlier_version_is_brought_up_to_date(
    number: int, tmp_path: Path, open_file: OpenFile
) -> None:
    db = sqlite3.connect(tmp_path / "old.db")
    db.executescript(dump_of_version(number))
    db.close()
    store = open_file(tmp_path / "old.db")
    await store.open()
    assert [r.subject for r in await store.receipts(ReceiptFilter())] == ["ana"]
    await store.put(AddReceipt(receipt(2)), AddRun(run(1001)))
    fresh = open_file(tmp_path / "fresh.db")
    await fresh.open()
    assert schema(tmp_path / "old.db") == schema(tmp_path / "fresh.db")


async def test_no_file_is_changed_under_an_engine_of_an_earlier_version(tmp_path: Path, open_file: OpenFile) -> None:
    db = sqlite3.connect(tmp_path / "old.db")
    db.executescript(dump_of_version(2))
    db.close()
    process = subprocess.Popen(  # noqa: ASYNC220 - it lives beside the test
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match=rf"process {process.pid} \(engine serve\) executes it"):
            await open_file(tmp_path / "old.db").open()
        process.kill()
    # the next one brings it up to date, its own lock in hand
    with ExecutorLock(tmp_path, clock=StillClock(), command="engine serve"):
        await open_file(tmp_path / "old.db").open()


def schema(path: Path) -> list[object]:
    db = sqlite3.connect(path)
    try:
        tables = db.execute("select type, name, tbl_name, sql from sqlite_master order by type, name").fetchall()
        return [tables, db.execute("pragma user_version").fetchone(), db.execute("pragma application_id").fetchone()]
    finally:
        db.close()


async def test_a_migration_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, open_file: OpenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_file()
    await store.open()
    await store.close()
    before = schema(tmp_path / "store.db")
    newer = (*sql.migrations(), (len(sql.migrations()) + 1, "create table extra(a);\ncreate table runs(a);\n"))
    monkeypatch.setattr(file, "migrations", lambda: newer)
    with pytest.raises(StoreError, match="already exists"):
        await open_file().open()
    assert schema(tmp_path / "store.db") == before


async def test_several_processes_may_create_the_file_at_once(open_file: OpenFile) -> None:
    # without the lock of `file.alone`, one in some hundred of these openings fails
    stores = [open_file() for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    await asyncio.gather(*(store.put(AddReceipt(receipt(n))) for n, store in enumerate(stores, 1)))
    assert len(await stores[0].receipts(ReceiptFilter())) == 4


async def test_an_opening_waits_for_another(
    tmp_path: Path, open_file: OpenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, waits, flock = asyncio.get_running_loop(), asyncio.Event(), file.fcntl.flock

    def told(fd: int, operation: int) -> None:
        loop.call_soon_threadsafe(waits.set)
        flock(fd, operation)

    store = open_file()
    with file.alone(tmp_path):
        monkeypatch.setattr(file.fcntl, "flock", told)
        opening = asyncio.create_task(store.open())
        async with asyncio.timeout(30):
            await waits.wait()
        # the file is made, and what makes it a store has not begun
        assert os.stat(tmp_path / "store.db").st_size == 0  # noqa: PTH116 - a quick call on a temporary folder
        assert not opening.done()
    await opening
    await store.put(AddReceipt(receipt(1)))


async def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path, open_file: OpenFile) -> None:
    store = open_file()
    await store.open()
    await store.close()
    db = sqlite3.connect(tmp_path / "store.db")
    db.execute("pragma user_version = 9999")
    db.close()
    with pytest.raises(StoreError, match="newer version of the engine") as caught:
        await open_file().open()
    assert "update the engine" in str(caught.value)
    assert "store.db" in str(caught.value)


async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path, open_file: OpenFile) -> None:
    (tmp_path / "store.db").write_text("a letter to a friend, and not a short one " * 20)
    with pytest.raises(StoreError, match="no store"):
        await open_file().open()
    assert (tmp_path / "store.db").read_text().startswith("a letter")


@pytest.mark.parametrize("version", [0, 3])
async def test_the_database_of_another_program_is_left_alone(version: int, tmp_path: Path, open_file: OpenFile) -> None:
    db = sqlite3.connect(tmp_path / "store.db")
    db.executescript(f"create table songs(title); pragma user_version = {version};")
    db.close()
    with pytest.raises(StoreError, match="another program"):
        await open_file().open()


async def test_a_file_that_cannot_be_made_says_so(tmp_path: Path, open_file: OpenFile) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(StoreError, match="system refuses") as caught:
        await open_file(tmp_path / "data" / "store.db").open()
    assert str(tmp_path / "data" / "store.db") in str(caught.value)


async def test_the_file_is_for_its_owner_only(tmp_path: Path, open_file: OpenFile) -> None:
    path = tmp_path / "project" / ".engine" / "store.db"
    store = open_file(path)
    await store.open()
    await store.put(AddReceipt(receipt(1)))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    made = sorted(path.parent.iterdir())
    assert [p.name for p in made] == ["store.db", "store.db-shm", "store.db-wal"]
    assert {stat.S_IMODE(p.stat().st_mode) for p in made} == {0o600}


async def test_a_store_whose_file_went_away_is_broken_and_not_new(tmp_path: Path, open_file: OpenFile) -> None:
    faults = FailAt("store.commit", OSError(28, "No space left on device"))
    store = open_file(faults=faults)
    await store.open()
    with pytest.raises(StoreError):
        await store.put(AddReceipt(receipt(1)))
    faults.error = None
    for name in ("store.db", "store.db-wal", "store.db-shm"):
        os.unlink(tmp_path / name)  # noqa: PTH108 - a quick call on a temporary folder
    with pytest.raises(StoreError, match="cannot be opened"):
        await store.reopen()
    assert store.broken


async def test_another_process_reads_and_writes_beside(open_file: OpenFile) -> None:
    server, command = open_file(), open_file()
    await server.open()
    await server.put(AddRun(run(1001, state="running", epoch=1)))
    await command.open()
    await command.put(MoveRun(1001, ("running",), "held", NOW))
    seen = await server.run(1001)
    assert seen is not None
    assert seen.state == "held"
    with pytest.raises(LostOwnership):
        await server.put(AddReceipt(receipt(1)), owner=Owner(1001, 1))


async def test_a_lock_that_another_process_keeps_is_said(
    tmp_path: Path, open_file: OpenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "BUSY_TIMEOUT", 10)
    store = open_file()
    await store.open()
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(StoreError, match="another process keeps the file locked"):
        await store.put(AddReceipt(receipt(1)))
    other.execute("rollback")
    other.close()
    await store.reopen()
    await store.put(AddReceipt(receipt(2)))
    assert [r.id for r in await store.receipts(ReceiptFilter())] == [2]


async def test_ids_of_two_processes_differ_within_a_millisecond(
    open_file: OpenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids: set[int] = set()
    for pid in (4711, 4712):
        monkeypatch.setattr("os.getpid", lambda pid=pid: pid)
        store = open_file()
        await store.open()
        ids.update(store.new_id() for _ in range(1000))
    assert len(ids) == 2000


# what follows keeps the questions quick when a million finished runs lie in the file


@pytest.mark.parametrize(
    ("name", "values", "index"),
    [
        ("queued_scenarios", {"simulated": 0}, "runs_queued"),
        ("queued_runs", (0, "welcome", 10), "runs_queued"),
        ("due_runs", ("sleeping", 0, NOW, 10), "runs_by_state"),
        ("first_in_lane", ("a", "blocked"), "lanes_in_order"),
        ("places_taken", ("a", 1), "lanes_in_order"),
        ("replacement_in_lane", ("a", 5), "lanes_in_order"),
        ("gathering", ("a",), "PRIMARY KEY"),
        ("end_gathering", (5,), "sqlite_autoindex_gatherings"),
        ("forget_identities", (NOW, 10), "identities_by_end"),
        ("next_due", ("sleeping", 0), "runs_by_state"),
        ("orphans", (0, 5), "runs_by_state"),
        ("run_counts", (), "runs_by_state"),
        ("original_receipt", ("welcome", "e1"), "sqlite_autoindex_identities"),
        ("effects_by_key", ("k",), "effects_by_key"),
        ("effect_counts_not_done", (), "effects_not_done"),
        ("delivery_counts_without_run", (), "deliveries_without_run"),
    ],
)
def test_a_question_uses_its_index(name: str, values: Any, index: str) -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    for statement in (s for _, script in sql.migrations() for s in sql.statements(script)):
        db.execute(statement)
    plan = " ".join(row[3] for row in db.execute("explain query plan " + sql.queries()[name], values))
    db.close()
    assert index in plan
