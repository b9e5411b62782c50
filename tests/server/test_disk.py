"""Below the server: nothing is acknowledged before it is synced, and a full disk is said, survived and mended."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest

import engine.runtime.host
from engine.runtime.intake import Accepted, Intake
from engine.runtime.runner import MEND_EVERY
from engine.sdk.errors import StoreError
from engine.server.service import Service
from engine.store.changes import AS_ASKED, Fate
from engine.store.sqlite import SqliteStore
from tests.server.site import Reply, Site, until
from tests.support.vfs import SQLITE_FULL, LoggingVfs, Operation, logging_vfs

NewSite = Callable[..., Site]


@pytest.fixture
def vfs(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoggingVfs]:
    with logging_vfs("server") as vfs:
        monkeypatch.setattr(engine.runtime.host, "SqliteStore", partial(SqliteStore, vfs=vfs.name))
        yield vfs


@pytest.fixture
async def site(vfs: LoggingVfs, new_site: NewSite) -> AsyncIterator[Site]:
    async with new_site() as site:
        yield site


def assert_synced(log: list[Operation], body: bytes) -> None:
    """The write-ahead log's first write that holds these bytes is followed by a sync of that file."""
    wal = [op for op in log if op.file.endswith("-wal") and not op.failed]
    written = [n for n, op in enumerate(wal) if op.kind == "write" and body in op.data]
    synced = [n for n, op in enumerate(wal) if op.kind == "sync"]
    assert written, "the body was not written to the write-ahead log before the answer"
    assert synced, "the write-ahead log was not synced before the answer"
    assert synced[-1] > written[0], "the write-ahead log was not synced before the answer"


async def check_each_answer_is_synced(site: Site, vfs: LoggingVfs) -> None:
    """Deliver side by side, each looking at the log at the moment its answer's head is there."""

    async def one(number: int) -> None:
        body = f"the body of sender <{number}>".encode()
        async with site.client.post(site.url(), data=body) as answer:
            log = list(vfs.log)
            assert answer.status == 202
        assert_synced(log, body)

    for number in range(3):
        await one(number)
    await asyncio.gather(*(one(number) for number in range(10, 30)))


async def test_the_body_is_synced_before_the_2xx(site: Site, vfs: LoggingVfs) -> None:
    await check_each_answer_is_synced(site, vfs)
    await site.rest()


async def test_acknowledging_early_makes_the_check_fail(
    site: Site, vfs: LoggingVfs, monkeypatch: pytest.MonkeyPatch
) -> None:
    later: list[Any] = []

    async def commit(self: Intake, changes: Any) -> Fate:
        later.append(changes)
        return AS_ASKED

    monkeypatch.setattr(Intake, "_commit", commit)
    with pytest.raises(AssertionError, match=r"before the answer"):
        await check_each_answer_is_synced(site, vfs)
    assert later


async def test_503_while_the_disk_is_full_and_nothing_acknowledged_is_missing(site: Site, vfs: LoggingVfs) -> None:
    acknowledged: list[str] = []
    sent: list[int] = []

    async def send(number: int) -> Reply:
        reply = await site.post({"number": number})
        if reply.status == 202:
            acknowledged.append(reply.body["receipt"])
            sent.append(number)
        return reply

    await asyncio.gather(*(send(n) for n in range(20)))
    vfs.fail_writes = SQLITE_FULL
    replies = await asyncio.gather(*(send(n) for n in range(20, 40)))
    refused = [reply for reply in replies if reply.status != 202]
    assert refused
    assert {(r.status, r.headers["Retry-After"]) for r in refused} == {(503, "5")}
    assert all(r.body == {"error": "the store cannot take it now"} for r in refused)
    assert site.host.store.broken
    # it goes on trying, and says no meanwhile
    await site.clock.advance(5 * MEND_EVERY)
    assert (await send(50)).status == 503
    assert site.host.store.broken

    vfs.mend()
    await mended(site)
    assert (await send(60)).status == 202
    runs = await site.rest()
    assert {run.state for run in runs} == {"succeeded"}
    assert {receipt.id for receipt in await site.receipts()} >= {run.receipt_id for run in runs}
    assert len(runs) >= len(acknowledged)
    # each that was acknowledged ran, and each ran exactly once
    noted = Counter(note["event"]["number"] for note in site.desk.notes)
    assert set(sent) <= set(noted)
    assert set(noted.values()) == {1}
    counts, latest = await site.refusals()
    assert counts[("scenario:first", 503)] == len(refused) + 1
    assert "the disk is full" in latest[0].reason


async def test_runs_in_memory_finish_once_when_the_disk_has_room_again(vfs: LoggingVfs, new_site: NewSite) -> None:
    site = new_site()
    gate = asyncio.Event()
    note = site.desk.note

    async def wait(call: Any) -> Any:
        await gate.wait()
        return await note(call)

    site.desk.note = wait  # type: ignore[method-assign]
    async with site:
        for number in range(5):
            assert (await site.post({"number": number})).status == 202
        # the intents are durable, the calls are under way
        vfs.fail_writes = SQLITE_FULL
        assert (await site.post({"number": 9})).status == 503
        gate.set()
        vfs.mend()
        await mended(site)
        assert {run.state for run in await site.rest()} == {"succeeded"}
        assert Counter(note["event"]["number"] for note in site.desk.notes) == dict.fromkeys(range(5), 1)


async def mended(site: Site) -> None:
    async def works() -> bool:
        await site.clock.advance(MEND_EVERY)
        return not site.host.store.broken and not site.host.runner.mending

    await until(works)


async def test_values_that_the_store_refuses_are_not_acknowledged(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter([5, 6, 5, 7])
    monkeypatch.setattr(site.host.store, "new_id", lambda: next(ids))
    assert (await site.post({"n": 1})).status == 202
    reply = await site.post({"n": 2})
    assert (reply.status, reply.body) == (503, {"error": "the store cannot take it now"})
    assert not site.host.store.broken
    _, [latest] = await site.refusals()
    assert "the store refuses these values" in latest.reason
    assert len(await site.rest()) == 1


async def test_a_receipt_that_cannot_be_read_back_is_acknowledged_and_runs(
    new_site: NewSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with new_site() as site:
        read = site.host.store.deliveries

        async def broken(_ids: Any) -> Any:
            raise StoreError("the disk cannot be read")

        monkeypatch.setattr(site.host.store, "deliveries", broken)
        replies = [await site.post({"event_id": event}) for event in ("e1", "e1", "e2")]
        assert [reply.status for reply in replies] == [202, 202, 202]
        monkeypatch.setattr(site.host.store, "deliveries", read)
        assert [run.state for run in await site.rest()] == ["succeeded", "succeeded"]
        assert len(site.desk.notes) == 2


async def test_an_accepted_delivery_s_listener_is_told(site: Site) -> None:
    told: list[Accepted] = []

    async with Service(site.host, port=0, admin_port=0, accepted=told.append) as second:
        url = second.url(site.host.webhooks.hooks["scenario:first"])
        reply = await site.post({"n": 1}, url=url)
    assert [len(accepted.runs) for accepted in told] == [1]
    assert reply.status == 202
    await site.rest()
