"""``python -m benchmarks``: measure the engine beside its yardsticks."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click
import uvloop

from benchmarks.session import Plan, Session

QUICK = Plan(pairs=2, warm=1.0, seconds=3.0, windows=(64,), window_seconds=1.0, systems=("raw_durable", "engine"))


@click.command()
@click.option("--quick", is_flag=True)
def main(quick: bool) -> None:
    os.sched_setaffinity(0, {1})
    session = Session(QUICK if quick else Plan(), None, 0, lambda text: click.echo(text, err=True))

    async def work() -> None:
        await session.open()
        await session.windows()
        await session.maximum()

    uvloop.run(work())


if __name__ == "__main__":
    main()
