"""The disk fails at a commit of a day: what was refused is sent again, and all comes out as on a good disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.runtime.runner import MEND_EVERY
from engine.store.changes import AddEffect
from engine.store.interface import Store
from engine.store.sqlite import SqliteStore
from engine.store.writer import Writer
from engine.testing import Harness
from tests.support.shop import registry, scenario
from tests.support.vfs import SQLITE_IOERR_FSYNC, LoggingVfs, logging_vfs

CHARGE = scenario("- id: charge\n  module: shop.charge\n  with: {}")


@pytest.fixture
def vfs() -> Iterator[LoggingVfs]:
    with logging_vfs("days") as vfs:
        yield vfs


async def test_a_write_whose_intent_could_not_be_synced_was_not_sent(
    tmp_path: Path, vfs: LoggingVfs, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Writer._commit

    def unsynced(self: Writer, batch: list[tuple[tuple[object, ...], object, object]]) -> object:
        if any(isinstance(change, AddEffect) for changes, _, _ in batch for change in changes) and not broke:
            broke.append(True)
            # all of it is written, and stands in the file afterwards
            vfs.fail_syncs = SQLITE_IOERR_FSYNC
        return commit(self, batch)  # type: ignore[arg-type]

    async def new_store(before: Store | None) -> Store:
        store = SqliteStore(tmp_path / "store.db", clock=harness.clock, vfs=vfs.name)
        await store.open()
        return store

    broke: list[bool] = []
    monkeypatch.setattr(Writer, "_commit", unsynced)
    harness = Harness([CHARGE], doubles={"shop.charge": lambda _: {}}, registry=registry(), new_store=new_store)
    async with harness:
        [run_id] = (await harness.send({})).runs
        while not harness.runner.mending:
            await harness.written()
        # the first try to mend it fails too: the log is not emptied, and the next one reads it anew
        while sum(operation.failed for operation in vfs.log) < 3:
            await harness.written()
            await harness.clock.advance(MEND_EVERY)
        vfs.mend()
        while harness.store.broken or harness.runner.mending:
            await harness.written()
            await harness.clock.advance(MEND_EVERY)
        result = await harness.result(run_id, advance=60)
        assert (result.state, result.holds) == ("succeeded", [])
        assert len(harness.calls) == 1
        first, second = result.effects
        assert [(first.state, first.settled_by), (second.state, second.settled_by)] == [
            ("refused", "engine"),
            ("done", "vendor"),
        ]
