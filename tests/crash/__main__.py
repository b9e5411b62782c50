"""``python -m tests.crash --kills 200``: the crash test at its full length, with its counts."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import click
from tabulate import tabulate

from tests.crash.crash import RATE, Plan, Report, run
from tests.crash.mutant import MUTANTS
from tests.crash.processes import tail


@click.command()
@click.option("--kills", type=click.IntRange(1), default=200, show_default=True, help="How many SIGKILLs.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the moments and the vendor's delays.")
@click.option("--rate", type=click.FloatRange(0.1), default=RATE, show_default=True, help="New events per second.")
@click.option("--mutant", type=click.Choice(list(MUTANTS)), help="With a mechanism switched off: it must then fail.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to make the store; on a real disk.  [default: the system's temporary folder]",
)
def main(kills: int, seed: int, rate: float, mutant: str | None, folder: Path | None) -> None:
    """Kill the engine again and again under load, and count what became of the events.

    Exit code 1 when an acknowledged event was lost, a charge was made twice, anything else does not add up, or too many
    runs are held as unknown. Project, store and the engine's log are then kept.
    """
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="crash-", dir=folder))
    plan = Plan(folder=place, kills=kills, seed=seed, rate=rate, mutant=mutant, progress=_progress)
    try:
        report = asyncio.run(_interruptible(plan))
    except BaseException:
        click.echo(f"\nkept for a look: {place}", err=True)
        raise
    click.echo(err=True)
    click.echo(tabulate(report.rows(), tablefmt="plain", disable_numparse=True))
    for fault in report.faults:
        click.echo(f"fault: {fault}", err=True)
    if report.faults:
        click.echo(f"the end of the engine's log:\n{tail(place)}", err=True)
        click.echo(f"kept for a look: {place}", err=True)
        sys.exit(1)
    shutil.rmtree(place)


async def _interruptible(plan: Plan) -> Report:
    task = asyncio.current_task()
    assert task is not None
    # the processes are cleared away on the way out
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run(plan)


def _progress(kills: int) -> None:
    click.echo(f"\r{kills} kills", nl=False, err=True)


if __name__ == "__main__":
    main()
