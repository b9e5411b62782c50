"""What bounded history costs at full rate, and whether the file stays as large as it is.

    python -m benchmarks.history [--seconds 24] [--rounds 1] [--folder DIR]

The engine serves ``loyalty-3`` under the closed load, in turn with history that is pruned (``keep: {runs: 2000}``, keys
for some seconds) and with the defaults, under which nothing is old enough to go. Sizes are read twice a second
after a warm-up that is long enough for the first runs to be pruned.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click
import uvloop

from benchmarks.figures import middle
from benchmarks.machine import describe
from benchmarks.session import Plan, Session
from benchmarks.systems import SYSTEMS, Engine

#: more than the half minute between two looks while there is nothing to remove, and the ten seconds that runs stay
WARM = 45.0
OUTSTANDING = 64
EVERY = 0.5
SETTINGS = """\
server: {port: 0, admin_port: 0}
history:
  keep: {for: 30d, runs: 2000}
  effects_for: 5s
  dedupe_for: 5s
"""


class Pruned(Engine):
    """``engine serve`` with little history."""

    name = "pruned"

    def prepare(self) -> str:
        path = super().prepare()
        (self.project / "engine.yaml").write_text(SETTINGS)
        return path


@dataclass(frozen=True)
class Life:
    """One life of an engine under the load: events a second, CPU of a run, and megabytes twice a second."""

    per_second: float
    cpu_us: float
    file: list[float]
    log: list[float]

    def growth(self) -> float:
        """The largest file of the last half over that of the first."""
        half = len(self.file) // 2
        return max(self.file[half:]) / max(self.file[:half])


async def life(session: Session, name: str, seconds: float) -> Life:
    files: list[float] = []
    logs: list[float] = []

    async def look(folder: Path) -> None:
        await asyncio.sleep(WARM)
        while True:
            files.append((folder / "store.db").stat().st_size / 1e6)
            logs.append((folder / "store.db-wal").stat().st_size / 1e6)
            await asyncio.sleep(EVERY)

    async with session.running(name) as (system, process):
        folder = system.kept()
        assert folder is not None
        looking = asyncio.ensure_future(look(folder))
        try:
            got = await session.closed(system, process, OUTSTANDING, WARM, seconds)
        finally:
            looking.cancel()
    # what was read after the load had ended is no part of it
    wanted = int(seconds / EVERY)
    return Life(got["per_second"], got["cpu_us"], files[:wanted], logs[:wanted])


async def measure(session: Session, rounds: int, seconds: float) -> None:
    await session.open()
    ratios: list[float] = []
    try:
        for number in range(rounds):
            lives = {}
            for name in (Pruned.name, Engine.name):
                lives[name] = this = await life(session, name, seconds)
                click.echo(
                    f"round {number + 1}: {name:7} {this.per_second:6.0f}/s  {this.cpu_us:5.0f} us of CPU a run  "
                    f"file {this.file[0]:6.1f} -> "
                    f"{this.file[-1]:6.1f} MB (last half / first half {this.growth():.2f})  log at most "
                    f"{max(this.log):.1f} MB"
                )
            ratios.append(lives[Pruned.name].per_second / lives[Engine.name].per_second)
    finally:
        session.close()
    every = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    click.echo(f"throughput with pruning / without: {middle(ratios).median:.2f} ({every})")


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=1, show_default=True)
@click.option("--seconds", type=click.FloatRange(4), default=24.0, show_default=True, help="Of each life, after 16.")
@click.option(
    "--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), help="On the disk that counts."
)
def main(rounds: int, seconds: float, folder: Path | None) -> None:
    """Measure the engine with history that is pruned beside the engine with history that stays."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    SYSTEMS[Pruned.name] = Pruned
    with tempfile.TemporaryDirectory(prefix="bench-", dir=folder or Path(__file__).parent / "results") as place:
        click.echo(f"{describe(Path(place))}", err=True)
        core = cores[0] if len(cores) > 1 else None
        session = Session(Plan(), Path(place), core, lambda text: click.echo(text, err=True))
        uvloop.run(measure(session, rounds, seconds))


if __name__ == "__main__":
    main()
