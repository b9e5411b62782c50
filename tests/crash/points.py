"""``python -m tests.crash.points``: make every scenario fail at every fault point that it passes, in every way.

``sigkill`` kills real processes, over real files; the other kinds fail in this process, over real files too.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click
from tabulate import tabulate

from engine.testing.crash import HEADERS, Choose, Everywhere, Kind, Moment, Report
from tests.crash import lives
from tests.crash.plays import FILES, UNSEEN, play

SIGKILL = "sigkill"


def some(step: int) -> Choose:
    """Every so manieth of the moments, of each fault point the first ones in any case."""

    def choose(moments: Sequence[Moment]) -> Sequence[Moment]:
        return [moment for number, moment in enumerate(moments) if moment.nth == 1 or number % step == 0]

    return choose


async def run(name: str, kinds: Sequence[str], folder: Path, *, every: int = 1, twice: int = 0) -> list[Report]:
    """Let a scenario fail; a report of those kinds that fail in this process, and one of real kills."""
    inside = [Kind(kind) for kind in kinds if kind != SIGKILL]
    reports = []
    if inside:
        everywhere = Everywhere(folder, inside, some(every), twice)
        reports.append(await everywhere.run(name, play(name)))
    if SIGKILL in kinds and name in UNSEEN:
        click.echo(f"{name}: no process is killed: {UNSEEN[name]}", err=True)
    elif SIGKILL in kinds:
        reports.append(await lives.run(name, folder, some(every)))
    return reports


@click.command()
@click.option("--scenario", "names", type=click.Choice(sorted(FILES)), multiple=True, help="Which; all by default.")
@click.option(
    "--kind",
    type=click.Choice([*(kind.value for kind in Kind), SIGKILL, "all"]),
    default="all",
    show_default=True,
    help="In which way; 'all' is all that fail in this process.",
)
@click.option("--processes", is_flag=True, help="Kill real processes too, as with --kind sigkill.")
@click.option("--every", type=click.IntRange(1), default=1, show_default=True, help="Only each so manieth moment.")
@click.option("--twice", type=click.IntRange(0), default=1, show_default=True, help="Deaths that meet another one.")
def main(names: Sequence[str], kind: str, processes: bool, every: int, twice: int) -> None:
    """Make scenarios fail at every fault point that they pass, and hold the books against the vendors' counts.

    Exit code 1 when something was lost, doubled, or does not add up.
    """
    kinds = [k.value for k in Kind] if kind == "all" else [kind]
    if processes and SIGKILL not in kinds:
        kinds.append(SIGKILL)
    # what fails on purpose is no news
    logging.disable(logging.CRITICAL)
    reports: list[Report] = []
    for name in names or sorted(FILES):
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="crash-points-") as folder:
            reports += asyncio.run(run(name, kinds, Path(folder), every=every, twice=twice))
        click.echo(f"{name}: {time.monotonic() - began:.0f} s", err=True)
    click.echo(tabulate([report.row() for report in reports], HEADERS, tablefmt="simple"))
    broken = [(report.name, life) for report in reports for life in report.broken]
    for name, life in broken[:20]:
        click.echo(f"{name}, {life.moment}: {life.said}", err=True)
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
