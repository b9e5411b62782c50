"""The store's files are removed or replaced under a running engine: nothing is acknowledged that would go with them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.runtime.runner import MEND_EVERY
from engine.store.moved import Files
from tests.server.site import Site, until

NAMES = ("store.db", "store.db-wal", "store.db-shm")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def data(site: Site) -> Path:
    return site.root / ".engine"


async def works_again(site: Site) -> None:
    async def works() -> bool:
        await site.clock.advance(MEND_EVERY)
        return not site.host.store.broken and not site.host.runner.mending

    await until(works)


async def assert_refused(site: Site) -> None:
    reply = await site.post({"n": "refused"})
    assert (reply.status, reply.body) == (503, {"error": "the store cannot take it now"})
    assert site.host.store.broken


async def test_files_that_are_moved_away_and_put_back(site: Site) -> None:
    async with site:
        assert (await site.post({"n": 1})).status == 202
        await site.rest()
        away = site.root / "away"
        away.mkdir()
        for name in NAMES:
            (data(site) / name).rename(away / name)
        await assert_refused(site)
        # it goes on trying, and makes no new store in the place of the old one
        await site.clock.advance(5 * MEND_EVERY)
        await assert_refused(site)
        assert not (data(site) / "store.db").exists()
        for name in NAMES:
            (away / name).rename(data(site) / name)
        await works_again(site)
        assert (await site.post({"n": 2})).status == 202
        await site.rest()
        assert sorted(note["event"]["n"] for note in site.desk.notes) == [1, 2]
        _, latest = await site.refusals()
        assert "removed or replaced while it was open" in latest[0].reason
    async with site:
        assert len(await site.runs()) == 2


async def replaced(site: Site) -> list[int]:
    """Another file stands in the place of the store, a copy of a while ago; gives the statuses of what comes then."""
    async with site:
        assert (await site.post({"n": 1})).status == 202
        await site.rest()
    shutil.copy(data(site) / "store.db", site.root / "backup")
    statuses = []
    async with site:
        assert (await site.post({"n": 2})).status == 202
        await site.rest()
        for name in NAMES:
            (data(site) / name).unlink()
        shutil.copy(site.root / "backup", data(site) / "store.db")
        for n in range(3, 6):
            statuses.append((await site.post({"n": n})).status)
            # what is there now is not what this process has read, so it does not go on with it by itself
            await site.clock.advance(5 * MEND_EVERY)
    return statuses


async def test_another_file_is_not_written_to_until_the_engine_is_started_on_it(site: Site) -> None:
    assert await replaced(site) == [503] * 3
    async with site:
        assert (await site.post({"n": 6})).status == 202
        await site.rest()
        assert len(await site.runs()) == 2, "the one of the backup, and the new one"


async def test_without_a_look_at_the_files_what_is_acknowledged_is_lost(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as mutant:
        mutant.setattr(Files, "check", lambda _self: None)
        assert await replaced(site) == [202] * 3
    async with site:
        assert len(await site.runs()) == 1, "three were acknowledged, and are nowhere"


async def test_a_log_that_is_removed_is_written_anew_with_all_that_was_in_it(
    site: Site, new_process: Callable[[], Site]
) -> None:
    async with site:
        assert (await site.post({"n": 1})).status == 202
        await site.rest()
        (data(site) / "store.db-wal").unlink()
        await assert_refused(site)
        await works_again(site)
        assert (await site.post({"n": 2})).status == 202
        await site.rest()
        # what a process would find that is started after this one was killed
        dead = site.root / "dead"
        shutil.copytree(data(site), dead)
    shutil.rmtree(data(site))
    dead.rename(data(site))
    async with new_process() as again:
        assert [run.state for run in await again.runs()] == ["succeeded"] * 2


@pytest.fixture
def new_process(tmp_path: Path) -> Callable[[], Site]:
    return lambda: Site(tmp_path)
