"""``python -m benchmarks``: measure the engine beside its yardsticks, write the figures and the report."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
import time
from pathlib import Path

import click
import uvloop

from benchmarks.machine import describe
from benchmarks.report import PAGE, page
from benchmarks.session import Plan, Session
from benchmarks.systems import SYSTEMS

RESULTS = Path(__file__).parent / "results"
#: what the report is made from; any other file of results is nobody's business but the measurer's
REPORTED = RESULTS / "report.json"
PARTS = ("check", "max", "latency", "cold", "kill")
#: file systems on which an fsync costs nothing
IN_MEMORY = ("tmpfs", "ramfs", "overlay")

QUICK = Plan(
    pairs=3,
    warm=1.0,
    seconds=3.0,
    windows=(64,),
    window_seconds=1.0,
    window_tries=1,
    latency_rounds=1,
    light_seconds=3.0,
    busy_seconds=3.0,
    cold_starts=1,
    kills=1,
    kill_seconds=6.0,
    systems=("raw_durable", "engine"),
)
#: what --quick measures when --only does not say it
QUICK_PARTS = ("max",)


@click.command()
@click.option("--quick", is_flag=True, help="Half a minute: the maximum and the CPU of a run, with wide error bars.")
@click.option("--pairs", type=click.IntRange(1), help="Rounds of the maximum, each with every system.  [default: 10]")
@click.option("--only", metavar="PARTS", help=f"Some of {','.join(PARTS)}; the report is then printed, not written.")
@click.option("--systems", metavar="NAMES", help=f"Some of {','.join(SYSTEMS)}.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where the figures go, as JSON.")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=RESULTS,
    help="On the disk that counts.  [default: benchmarks/results]",
)
def main(quick: bool, pairs: int | None, only: str | None, systems: str | None, out: Path | None, folder: Path) -> None:
    """Measure the engine beside its yardsticks."""
    plan = QUICK if quick else Plan()
    if pairs is not None:
        plan = dataclasses.replace(plan, pairs=pairs)
    if systems is not None:
        plan = dataclasses.replace(plan, systems=_some(systems, tuple(SYSTEMS)))
    parts = _some(only, PARTS) if only is not None else QUICK_PARTS if quick else PARTS
    whole = parts == PARTS and not quick and plan.systems == Plan().systems
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise click.UsageError("two cores are needed: one for the system, one for the load and the API")
    os.sched_setaffinity(0, {cores[1]})
    with tempfile.TemporaryDirectory(prefix="bench-", dir=folder) as place:
        results = _measure(plan, parts, Path(place), cores[0])
    path = out or (REPORTED if whole else RESULTS / "part.json")
    path.write_text(json.dumps(results, indent=1) + "\n")
    if path == REPORTED:
        PAGE.write_text(page(results))
        click.echo(f"written: {path}, {PAGE}", err=True)
    else:
        click.echo(page(results))
        click.echo(f"written: {path}", err=True)


def _some(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    wanted = text.split(",")
    if strange := [name for name in wanted if name not in known]:
        raise click.UsageError(f"unknown: {', '.join(strange)}; there are {', '.join(known)}")
    return tuple(name for name in known if name in wanted)


def _measure(plan: Plan, parts: tuple[str, ...], folder: Path, core: int) -> dict[str, object]:
    machine = describe(folder)
    if machine["file_system"] in IN_MEMORY:
        click.echo("the folder may be in memory, where an fsync costs nothing: name another with --folder", err=True)
    session = Session(plan, folder, core, lambda text: click.echo(text, err=True))
    began = time.monotonic()

    async def work() -> None:
        await session.open()
        try:
            if "check" in parts:
                await session.check()
            await session.windows()
            if "max" in parts:
                await session.maximum()
            if "latency" in parts:
                await session.latency()
            if "cold" in parts:
                await session.cold()
            if "kill" in parts:
                await session.kills()
        finally:
            session.close()

    uvloop.run(work())
    minutes = (time.monotonic() - began) / 60
    return {"machine": machine, "plan": dataclasses.asdict(plan), "minutes": minutes, **session.results}


if __name__ == "__main__":
    main()
