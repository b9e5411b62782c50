"""Files that cannot grow or may not be written, under a real process: it says so, takes nothing, and goes on."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from engine.sdk import jsontext
from tests.crash.crash import come_to_rest
from tests.crash.processes import LOOK_EVERY, PATIENCE, Engine, Project, command

pytestmark = pytest.mark.crash

SCENARIO = "scenario: charge\ntrigger: {module: http.watch_webhook}\nsteps:\n  - set: {n: '${{ trigger.n }}'}\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path, 1)
    (tmp_path / "scenarios" / "charge.yaml").write_text(SCENARIO)
    return project


@asynccontextmanager
async def served(project: Project) -> AsyncIterator[Engine]:
    engine = await Engine.start(project, limited=True)
    try:
        await engine.ready()
        yield engine
    finally:
        await engine.clear_away()


@contextmanager
def unwritable(*paths: Path) -> Iterator[None]:
    """Files and folders that nobody may write."""
    modes = {path: path.stat().st_mode for path in paths}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


class Sender:
    """Sends events one after another, and remembers those that were acknowledged."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.acknowledged: list[int] = []
        self.last: Any = None
        self._url, self._session, self._number = url, session, 0

    async def send(self) -> int:
        self._number += 1
        async with self._session.post(self._url, json={"n": self._number}) as response:
            if response.status == 202:
                self.acknowledged.append(self._number)
            else:
                self.last = await response.json()
            return response.status

    async def until(self, status: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self.send() != status:  # noqa: ASYNC110 - another process's doing
                await asyncio.sleep(LOOK_EVERY)


@asynccontextmanager
async def sender(project: Project) -> AsyncIterator[Sender]:
    found = jsontext.loads((await command(project, "webhooks", "--json")).encode())
    async with aiohttp.ClientSession() as session:
        yield Sender(str(found["webhooks"][0]["url"]), session)


async def logged(project: Project, words: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while words not in project.log.read_text():  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(LOOK_EVERY)


def runs(project: Project) -> dict[int, str]:
    """The state of the run of each event, once each."""
    with closing(sqlite3.connect(project.store)) as db:
        assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
        rows = db.execute("select json_extract(body, '$.n'), state from runs join receipts on receipt_id = receipts.id")
        found = rows.fetchall()
    assert len(dict(found)) == len(found)
    return dict(found)


async def test_a_disk_that_fills_up_and_a_file_that_becomes_read_only(project: Project) -> None:
    async with served(project) as engine, sender(project) as vendor:
        for _ in range(3):
            assert await vendor.send() == 202
        # neither store nor log can be written
        engine.full(True)
        await vendor.until(503)
        assert vendor.last == {"error": "the store cannot take it now"}
        assert [await vendor.send() for _ in range(5)] == [503] * 5
        engine.full(False)
        await vendor.until(202)
        await logged(project, "the store works again")
        # a file that is open stays writable whatever its mode is; one that has to be opened anew does not
        with unwritable(project.store, project.data):
            engine.full(True)
            await vendor.until(503)
            engine.full(False)
            await logged(project, "the store does not work: the file is read-only")
            assert [await vendor.send() for _ in range(5)] == [503] * 5
        await vendor.until(202)
        await come_to_rest(project)
        await engine.stop()
    found = runs(project)
    assert {found.get(number) for number in vendor.acknowledged} == {"succeeded"}
    assert set(found.values()) == {"succeeded"}


async def test_it_does_not_start_over_a_store_that_it_may_not_write(project: Project) -> None:
    async with served(project) as engine:
        await engine.stop()
    # a file of the data folder, or the folder itself; the place that is named; what is said
    for unwritten, named, words in (
        ("store.db", "store.db", "the file is read-only"),
        ("", "store.db", "the file is read-only"),
        ("lock", "lock", "access is not permitted"),
    ):
        project.log.write_text("")
        with unwritable(project.data / unwritten):
            code = await (await Engine.start(project, limited=True)).ended()
        said = project.tail()
        assert code == 1
        assert f"error[store-error]: {words}" in said
        assert f"at:   {project.data / named}" in said
        assert "next: give the engine's user" in said
    # nothing is left of the tries that would keep out the next one
    async with served(project) as engine, sender(project) as vendor:
        assert await vendor.send() == 202
        await engine.stop()
