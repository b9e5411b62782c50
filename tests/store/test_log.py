"""The write-ahead log: how large it gets, and that it is given back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.store.changes import AddReceipt
from engine.store.file import LOG_LIMIT, connect
from engine.store.sqlite import SqliteStore
from tests.store.rows import receipt

MEGABYTE = 1_000_000


async def write(store: SqliteStore, megabytes: int, first: int) -> None:
    for number in range(first, first + megabytes):
        await store.put(AddReceipt(receipt(number, body=b"%06d" % number * (MEGABYTE // 6))))


async def test_the_log_stays_small_while_others_look_now_and_then(
    open_file: Callable[..., SqliteStore], tmp_path: Path
) -> None:
    store = open_file()
    await store.open()
    log = tmp_path / "store.db-wal"
    for first in range(1, 60, 5):
        await write(store, 5, first)
        assert await store.receipt(first) is not None
        assert log.stat().st_size < LOG_LIMIT


async def test_a_long_read_lets_the_log_grow_and_its_end_gives_it_back(
    open_file: Callable[..., SqliteStore], tmp_path: Path
) -> None:
    path, log = tmp_path / "store.db", tmp_path / "store.db-wal"
    store = open_file(path)
    await store.open()
    await write(store, 1, 1)
    other = connect(path, None, writer=False)
    other.execute("begin")
    assert other.execute("select count(*) from receipts").fetchone() == (1,)
    await write(store, 30, 2)
    grown = log.stat().st_size
    assert grown > LOG_LIMIT, "what the other one sees may not be overwritten"
    assert other.execute("select count(*) from receipts").fetchone() == (1,)
    other.execute("rollback")
    other.close()
    # one commit copies the log into the file, and the next one begins it anew
    await write(store, 3, 40)
    assert log.stat().st_size <= LOG_LIMIT
    assert await store.receipt(31) is not None
