"""Promise 1, below the store: nothing is acknowledged before it is synced, and a failing disk is said and survived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

import engine.store.file
from engine.sdk.errors import LostOwnership, StoreError
from engine.store.changes import AddReceipt, AddRecord, AddRun, MoveRun, Owner
from engine.store.records import Page, ReceiptFilter
from engine.store.sqlite import SqliteStore
from tests.store.rows import NOW, receipt, record, run
from tests.support.vfs import SQLITE_FULL, SQLITE_IOERR_FSYNC, SQLITE_IOERR_WRITE, LoggingVfs, Operation, logging_vfs

OpenFile = Callable[..., SqliteStore]


@pytest.fixture
def vfs() -> Iterator[LoggingVfs]:
    with logging_vfs() as vfs:
        yield vfs


@pytest.fixture
async def store(vfs: LoggingVfs, open_file: OpenFile) -> SqliteStore:
    store = open_file(vfs=vfs.name)
    await store.open()
    return store


def assert_synced(log: list[Operation], body: bytes) -> None:
    """The write-ahead log's write that holds these bytes is followed by a sync of that file."""
    written = [n for n, op in enumerate(log) if op.kind == "write" and op.file.endswith("-wal") and body in op.data]
    assert written, "the bytes were not written to the write-ahead log"
    synced = [n for n, op in enumerate(log) if op.kind == "sync" and op.file.endswith("-wal") and not op.failed]
    assert synced, "the write-ahead log was not synced"
    assert synced[-1] > written[-1], "the write-ahead log was not synced after the bytes were written"


async def check_every_put_is_synced(store: SqliteStore, vfs: LoggingVfs) -> None:
    for n in range(1, 6):
        body = f"the body of receipt {n}".encode()
        vfs.log.clear()
        await store.put(AddReceipt(receipt(n, body=body)))
        assert_synced(list(vfs.log), body)


async def test_fsync_before_acknowledgement(store: SqliteStore, vfs: LoggingVfs) -> None:
    await check_every_put_is_synced(store, vfs)


async def test_each_of_a_group_is_synced_before_any_is_acknowledged(store: SqliteStore, vfs: LoggingVfs) -> None:
    vfs.log.clear()
    logs: dict[bytes, list[Operation]] = {}

    async def one(number: int) -> None:
        body = f"body <{number}>".encode()
        await store.put(AddReceipt(receipt(number, body=body)))
        logs[body] = list(vfs.log)

    await asyncio.gather(*(one(n) for n in range(1, 33)))
    assert len(logs) == 32
    for body, log in logs.items():
        assert_synced(log, body)


@pytest.mark.parametrize("mutant", ["off", "normal"])
async def test_without_full_sync_the_check_fails(
    mutant: str, vfs: LoggingVfs, open_file: OpenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    pragmas = tuple(
        f"pragma synchronous = {mutant}" if "synchronous" in pragma else pragma for pragma in engine.store.file._WRITER
    )
    assert pragmas != engine.store.file._WRITER
    monkeypatch.setattr(engine.store.file, "_WRITER", pragmas)
    store = open_file(vfs=vfs.name)
    await store.open()
    with pytest.raises(AssertionError, match="not synced"):
        await check_every_put_is_synced(store, vfs)


async def test_acknowledging_early_makes_the_check_fail(
    vfs: LoggingVfs, open_file: OpenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(self: SqliteStore, *changes: object, owner: Owner | None = None) -> asyncio.Future[None]:
        self.ride(*changes, owner=owner)  # type: ignore[arg-type]
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    monkeypatch.setattr(SqliteStore, "put", put)
    store = open_file(vfs=vfs.name)
    await store.open()
    with pytest.raises(AssertionError, match=r"not written|not synced"):
        await check_every_put_is_synced(store, vfs)


def full(vfs: LoggingVfs) -> None:
    vfs.fail_writes = SQLITE_FULL


def unwritable(vfs: LoggingVfs) -> None:
    vfs.fail_writes = SQLITE_IOERR_WRITE


def unsyncable(vfs: LoggingVfs) -> None:
    vfs.fail_syncs = SQLITE_IOERR_FSYNC


@pytest.mark.parametrize(
    ("fault", "cause"), [(full, "disk is full"), (unwritable, "cannot be read or written"), (unsyncable, "cannot be")]
)
async def test_a_failing_disk_is_said_and_nothing_acknowledged_is_lost(
    fault: Callable[[LoggingVfs], None], cause: str, store: SqliteStore, vfs: LoggingVfs, open_file: OpenFile
) -> None:
    owner = Owner(1001, 1)
    await store.put(AddRun(run(1001, state="running", epoch=1)))
    acknowledged: set[int] = set()

    async def put(number: int) -> None:
        await store.put(AddReceipt(receipt(number, body=b"x" * 3000)))
        acknowledged.add(number)

    await asyncio.gather(*(put(n) for n in range(1, 21)))

    fault(vfs)
    store.ride(AddRecord(record(1001, "before")), owner=owner)
    failed = await asyncio.gather(*(put(n) for n in range(21, 41)), return_exceptions=True)
    assert all(isinstance(error, StoreError) for error in failed)
    assert cause in str(failed[0])
    assert "store.db" in str(failed[0])
    assert store.broken
    # what was read before is still there to read, and the store says that it is not mended
    assert len(await store.receipts(ReceiptFilter())) >= 20
    with pytest.raises(StoreError):
        await store.reopen()
    with pytest.raises(StoreError):
        await put(41)

    vfs.mend()
    await store.reopen()
    await put(42)
    # the owner's record went with the batch, so the owner may not go on
    with pytest.raises(LostOwnership):
        await store.put(AddRecord(record(1001, "after")), owner=owner)
    await store.put(MoveRun(1001, ("running",), "queued", NOW))

    await store.close()
    again = open_file()
    await again.open()
    kept = {r.id for r in await again.receipts(ReceiptFilter(page=Page(limit=100)))}
    assert acknowledged == {*range(1, 21), 42}
    assert acknowledged <= kept
    assert [r.key for r in await again.records(1001)] in ([], ["before"])


async def test_after_a_failed_fsync_nothing_new_rests_on_the_log(
    store: SqliteStore, vfs: LoggingVfs, open_file: OpenFile
) -> None:
    # a second process keeps the log alive over the reopening
    other = open_file(vfs=vfs.name)
    await other.open()
    await store.put(AddReceipt(receipt(1)))
    unsyncable(vfs)
    with pytest.raises(StoreError):
        await store.put(AddReceipt(receipt(2)))
    vfs.mend()
    vfs.log.clear()
    await store.reopen()
    # the database file itself was synced before the write that proved the store to be sound
    kinds = [(op.kind, op.file.rpartition("/")[2]) for op in vfs.log]
    last_write = max(n for n, kind in enumerate(kinds) if kind == ("write", "store.db-wal"))
    assert ("sync", "store.db") in kinds[:last_write]
