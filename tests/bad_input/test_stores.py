"""A store that is locked, read-only, newer, damaged or none: said with file and cause, and mended where it can be."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

import engine.runtime.host
import engine.store.file
from engine.runtime.project import Project
from engine.runtime.runner import MEND_EVERY
from engine.sdk.errors import ConfigError, StoreError, StoreLocked
from engine.store.records import RunFilter
from engine.store.sqlite import SqliteStore
from tests.bad_input.vendor import Shop, Vendor, answer
from tests.server.site import Site, until
from tests.support.vfs import LoggingVfs, logging_vfs

SQLITE_READONLY = 8
TOP = Path(__file__).parents[2]

EXECUTE = """
import sys
from pathlib import Path
from engine.runtime.clock import SystemClock
from engine.store.lock import ExecutorLock
with ExecutorLock(Path(sys.argv[1]), clock=SystemClock(), command="engine serve"):
    print("held", flush=True)
    sys.stdin.read()
"""

LOCK = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("begin immediate")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def process(code: str, *args: object) -> Iterator[subprocess.Popen[str]]:
    """Another process, which holds something until the block ends."""
    other = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TOP)},
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield other
    finally:
        other.communicate()


@pytest.fixture
def new_site(tmp_path: Path) -> Callable[..., Site]:
    return lambda **options: Site(tmp_path, **options)


async def run_once(new_site: Callable[..., Site]) -> Path:
    """Make a store with a finished run in it; gives its file."""
    async with new_site() as site:
        assert (await site.post({"n": 1})).status == 202
        await site.rest()
    return site.root / ".engine" / "store.db"


async def test_a_store_that_another_process_executes(new_site: Callable[..., Site]) -> None:
    file = await run_once(new_site)
    with process(EXECUTE, file.parent) as other:
        with pytest.raises(StoreLocked) as refused:
            async with new_site():
                raise AssertionError("it must not serve")
        assert refused.value.code == "store-locked"
        assert f"process {other.pid} (engine serve, since " in refused.value.message
        assert refused.value.place == str(file.parent / "lock")
        assert refused.value.hint
    async with new_site() as site:
        assert (await site.post({"n": 2})).status == 202
        await site.rest()


async def test_a_file_that_another_process_keeps_locked(
    new_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.store.file, "BUSY_TIMEOUT", 20)
    async with new_site() as site:
        assert (await site.post({"n": 1})).status == 202
        await site.rest()
        with process(LOCK, site.root / ".engine" / "store.db"):
            reply = await site.post({"n": 2})
            assert (reply.status, reply.headers["Retry-After"]) == (503, "5")
            assert site.host.store.broken

        async def works() -> bool:
            await site.clock.advance(MEND_EVERY)
            return not site.host.store.broken and not site.host.runner.mending

        await until(works)
        assert (await site.post({"n": 3})).status == 202
        assert [run.state for run in await site.rest()] == ["succeeded"] * 2
        _, latest = await site.refusals()
        assert "another process keeps the file locked" in latest[0].reason


@pytest.fixture
def vfs(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoggingVfs]:
    with logging_vfs("read-only") as vfs:
        monkeypatch.setattr(engine.runtime.host, "SqliteStore", partial(SqliteStore, vfs=vfs.name))
        yield vfs


async def test_a_store_that_is_read_only(new_site: Callable[..., Site], vfs: LoggingVfs) -> None:
    file = await run_once(new_site)
    vfs.fail_writes = SQLITE_READONLY
    with pytest.raises(StoreError, match="the file is read-only") as refused:
        async with new_site():
            raise AssertionError("it must not serve")
    assert refused.value.place == str(file)
    assert "write access" in str(refused.value.hint)
    vfs.mend()
    async with new_site() as site:
        vfs.fail_writes = SQLITE_READONLY
        assert (await site.post({"n": 2})).status == 503
        vfs.mend()

        async def works() -> bool:
            await site.clock.advance(MEND_EVERY)
            return not site.host.store.broken and not site.host.runner.mending

        await until(works)
        assert (await site.post({"n": 3})).status == 202
        await site.rest()


def newer(file: Path) -> None:
    db = sqlite3.connect(file)
    db.execute("pragma user_version = 999")
    db.close()


def garbage(file: Path) -> None:
    file.write_bytes(b"this is a letter, and no database. " * 1000)


def foreign(file: Path) -> None:
    file.unlink()
    db = sqlite3.connect(file)
    db.execute("create table cakes(name)")
    db.close()


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (newer, "written by a newer version of the engine"),
        (garbage, "the file is no store"),
        (foreign, "a SQLite database of another program"),
        (folder, "in the way, and no file"),
    ],
)
async def test_a_file_that_is_not_this_engine_s(
    new_site: Callable[..., Site], spoil: Callable[[Path], None], words: str
) -> None:
    file = await run_once(new_site)
    spoil(file)
    before = file.read_bytes() if file.is_file() else b""
    with pytest.raises(StoreError, match=words) as refused:
        async with new_site():
            raise AssertionError("it must not serve")
    assert refused.value.code == "store-error"
    assert refused.value.place == str(file)
    assert refused.value.hint
    assert (file.read_bytes() if file.is_file() else b"") == before
    # nothing is left that would keep the next one out
    assert not (file.parent / "admin.json").exists()
    file.rename(file.with_suffix(".away")) if file.is_dir() else file.unlink()
    for rest in file.parent.glob("store.db-*"):
        rest.unlink()
    async with new_site() as site:
        assert (await site.post({"n": 2})).status == 202
        await site.rest()


async def test_a_run_goes_on_under_its_stored_version_when_its_file_is_gone(tmp_path: Path) -> None:
    async with Vendor() as vendor:
        vendor.answers["POST"] = [answer(429, "{}", "Retry-After: 60")]
        async with Shop(tmp_path, vendor) as shop:
            run_id = await shop.send(email="ana@example.com")
            await shop.result(run_id, "sleeping")
        other = "scenario: other\ntrigger: {module: vendor.watch}\nsteps:\n  - set: {a: 1}\n"
        (tmp_path / "scenarios" / "test.yaml").unlink()
        async with Shop(tmp_path, vendor, other) as shop:
            assert shop.host.catalog.current("test") is None
            result = await shop.result(run_id)
            assert result.state == "succeeded"
            assert vendor.requests == ["GET", "POST", "POST"]
            assert len(await shop.host.store.runs(RunFilter())) == 1


async def test_a_scenario_file_that_disappears_while_it_is_loaded_is_said(
    new_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = new_site()
    gone = site.root / "scenarios" / "gone.yaml"
    monkeypatch.setattr(Project, "scenario_files", lambda *_: [gone])
    with pytest.raises(ConfigError, match="the scenario cannot be read: No such file") as refused:
        async with site:
            raise AssertionError("it must not serve")
    assert refused.value.place == str(gone)
