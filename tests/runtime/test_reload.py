"""Taking over changed files inside a host: dying half-way, a store that fails, polls, schedules, rates and silence."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine import plugins
from engine.runtime.host import Host, Options, load_scenarios
from engine.runtime.project import Project
from engine.runtime.reload import FilesWrong, Reloader
from engine.sdk.errors import ConfigError
from engine.sdk.faults import Faults
from engine.store.alerts_rows import Standing


class At:
    """Raises at a fault point."""

    def __init__(self, point: str) -> None:
        self.point = point

    def hit(self, point: str) -> None:
        if point == self.point:
            raise RuntimeError(f"died at {point}")


def write(root: Path, name: str, output: str, more: str = "") -> None:
    (root / "scenarios").mkdir(exist_ok=True)
    (root / "scenarios" / f"{name}.yaml").write_text(
        f"scenario: {name}\n{more}steps: [{{stop: success, output: {output}}}]\n"
    )


def host(root: Path, faults: Faults | None = None) -> Host:
    project, registry = Project.find(root), plugins.load()

    plans, found, _ = load_scenarios(project, registry, (), simulate=False)
    assert found == []
    options = Options(faults=faults) if faults is not None else Options()
    return Host(project, registry, plans, options)


async def output(host: Host, name: str) -> object:
    accepted, _ = await host.starts.start(name, {})
    async with asyncio.timeout(10):
        while (run := await host.store.run(accepted.runs[0])) is None or run.state != "succeeded":
            continue
    assert run.result is not None
    return run.result


@pytest.mark.parametrize("point", ["reload.keeping", "reload.kept"])
async def test_whoever_dies_half_way_serves_the_files_at_the_next_start(tmp_path: Path, point: str) -> None:
    write(tmp_path, "a", "ONE")
    async with host(tmp_path, At(point)) as first:
        reloader = Reloader(first)
        await reloader.open()
        write(tmp_path, "a", "TWO")
        with pytest.raises(RuntimeError):
            await reloader.reload()
        # until it was through, nothing of it counts
        assert b"ONE" in await output(first, "a")  # type: ignore[operator]
    async with host(tmp_path) as second:
        assert b"TWO" in await output(second, "a")  # type: ignore[operator]


async def test_schedules_polls_and_expectations_follow(tmp_path: Path) -> None:
    write(tmp_path, "a", "ONE", "trigger: {schedule: {every: 1h}}\nexpect: {at_least: 1, within: 1h}\n")
    async with host(tmp_path) as served:
        reloader = Reloader(served)
        await reloader.open()
        await served.timekeeper.prepare()
        assert [plan.name for plan in served.timekeeper.plans] == ["a"]
        write(tmp_path, "a", "ONE")
        write(tmp_path, "b", "ONE", "trigger: {schedule: {every: 2h}}\n")
        taken = await reloader.reload()
        assert (taken.added, taken.changed) == (["b"], ["a"])
        await served.timekeeper.look()
        assert [plan.name for plan in served.timekeeper.plans] == ["b"]
        assert [row.scenario for row in await served.store.schedules()] == ["b"]
        await served.watch.look()
        assert [s for s in await served.store.standings() if s.kind == "silence"] == []


async def test_a_scenario_that_is_the_same_stays_the_very_same(tmp_path: Path) -> None:
    write(tmp_path, "a", "ONE")
    write(tmp_path, "b", "ONE")
    async with host(tmp_path) as served:
        reloader = Reloader(served)
        await reloader.open()
        before = served.catalog.current("a")
        write(tmp_path, "b", "TWO")
        assert (await reloader.reload()).changed == ["b"]
        assert served.catalog.current("a") is before


async def test_versions_that_were_served_are_kept_while_somebody_may_start_a_run_with_them(tmp_path: Path) -> None:
    write(tmp_path, "a", "ONE")
    async with host(tmp_path) as served:
        reloader = Reloader(served)
        await reloader.open()
        old = served.catalog.versions
        write(tmp_path, "a", "TWO")
        await reloader.reload()
        assert old < served.catalog.versions
        assert [await served.store.version(version) for version in served.catalog.versions if version] != [None, None]


async def test_the_last_scenario_is_not_taken_away(tmp_path: Path) -> None:
    write(tmp_path, "a", "ONE")
    async with host(tmp_path) as served:
        reloader = Reloader(served)
        await reloader.open()
        (tmp_path / "scenarios/a.yaml").unlink()
        with pytest.raises(ConfigError, match="no scenario any more"):
            await reloader.reload()
        assert served.catalog.current("a") is not None
        assert "no scenario any more" in reloader.standings.wrong[0]


async def test_operators_are_told_once_and_again_when_it_is_over_also_after_a_restart(tmp_path: Path) -> None:
    write(tmp_path, "a", "ONE")
    async with host(tmp_path) as served:
        reloader = Reloader(served)
        await reloader.open()
        for output_ in ("${{", "${{ x }}"):
            write(tmp_path, "a", output_)
            with pytest.raises(FilesWrong):
                await reloader.reload()
        assert [s.kind for s in await served.store.standings()] == ["reload"]
    write(tmp_path, "a", "TWO")
    async with host(tmp_path) as served:
        await Reloader(served).open()
        assert [s for s in await served.store.standings() if isinstance(s, Standing) and s.kind == "reload"] == []
