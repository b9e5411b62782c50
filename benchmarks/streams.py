"""A million bundles in one run: items a second, memory, and what a ``kill -9`` in the middle costs.

    python -m benchmarks.streams [--items 1000000] [--writes 50000] [--folder DIR] [--out FILE]

``engine serve`` works through the stream of a search in its own process: without `collect`, with it, and with a write
for each item. Memory is that of the process, from ten thousand items on, beside that of the idle one before. The run
with writes is killed with SIGKILL when half of it is over, and goes on; then each write must be in the ledger once, and
no page may have been read again but those on which it stood, or there are no figures.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import click

from benchmarks.machine import describe
from benchmarks.systems import HERE, HOST, Engine
from benchmarks.waits import Wrong, until

PARTS = ("plain", "collecting", "killed")
SIZE = 500
#: items from which on memory counts
BEGIN = 10_000
EVERY = 0.2
PATIENCE = 3600.0


class Streaming(Engine):
    """``engine serve`` over three scenarios that go over a stream."""

    name = "streaming"

    def prepare(self) -> str:
        self.project = self.folder / "project"
        shutil.copytree(HERE / "streaming", self.project)
        self.paths = {hook["name"].partition(":")[2]: urlsplit(hook["url"]).path for hook in self.hooks()}
        return self.paths["plain"]

    def hooks(self) -> list[dict[str, Any]]:
        """The webhooks of the scenarios."""
        hooks: list[dict[str, Any]] = self.ask("webhooks")["webhooks"]
        return hooks

    def asked(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the store."""
        with closing(sqlite3.connect(self.kept() / "store.db", timeout=60)) as db:
            return db.execute(query).fetchall()

    def over(self) -> tuple[str, int, int]:
        """The state of the newest run, how many of its items are over, and how many pages it was through with."""
        found = self.asked("select id, state from runs order by id desc limit 1")
        if not found:
            return "", 0, 0
        [(run_id, state)] = found
        rows = self.asked(f"select output from journal where run_id = {run_id} and kind = 'fold'")
        at = json.loads(rows[0][0])["state"]["at"] if rows else {"done": 0, "page": 0}
        return state, at["done"], at["page"]


@dataclass
class Figures:
    """One run: items a second, and megabytes."""

    items: int
    seconds: float
    idle: float
    least: float
    most: float

    @property
    def per_second(self) -> float:
        return self.items / self.seconds


async def deliver(system: Streaming, name: str, count: int) -> None:
    url = f"http://{HOST}:{system.port}{system.paths[name]}"
    async with aiohttp.ClientSession() as session:
        for _ in range(600):
            try:
                async with session.post(url, json={"count": count}) as response:
                    response.raise_for_status()
                    return
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.1)
    raise Wrong("the engine does not listen")


async def listening(system: Streaming) -> None:
    """Until the engine takes events: from then on it is idle."""
    for _ in range(600):
        try:
            _, writer = await asyncio.open_connection(HOST, system.port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            await writer.wait_closed()
            return
    raise Wrong("the engine does not listen")


async def work(system: Streaming, name: str, count: int) -> Figures:
    """One run from its beginning to its end."""
    process = system.start()
    try:
        await listening(system)
        await asyncio.sleep(3.0)
        idle, _ = process.memory()
        began = time.monotonic()
        await deliver(system, name, count)
        seen: list[float] = []
        while True:
            await asyncio.sleep(EVERY)
            state, done, _ = system.over()
            if done >= min(BEGIN, count / 2):
                seen.append(process.memory()[0])
            if state not in ("", "queued", "running"):
                break
            if time.monotonic() - began > PATIENCE:
                raise Wrong("it comes to no end")
        seconds = time.monotonic() - began
        if state != "succeeded":
            result = system.asked("select result from runs order by id desc limit 1")
            raise Wrong(f"the run is {state}: {result}")
        return Figures(count, seconds, idle, min(seen), max(seen))
    finally:
        process.stop(patience=120.0)


async def killed(system: Streaming, count: int) -> dict[str, Any]:
    """A run with writes that is killed when half of it is over."""
    (system.folder / "pages.log").unlink(missing_ok=True)
    process = system.start()
    await deliver(system, "writing", count)
    began = time.monotonic()
    await until(lambda: system.over()[1] >= count / 2, PATIENCE)
    process.kill()
    _, done, stood = system.over()
    first = time.monotonic() - began
    process = system.start()
    began = time.monotonic()
    # writes that were under way when it died are a person's to settle: none of them is sent again by itself
    await until(lambda: system.over()[0] == "held", PATIENCE)
    back = time.monotonic() - began
    [(hold,)] = system.asked("select hold from runs order by id desc limit 1")
    [run] = system.ask("runs", "--limit", "1")["runs"]
    holds = json.loads(hold)
    for one in holds:
        said = ["--happened", "--output", '{"id": 0}', "--force", "--step", one["step"]]
        system.ask("runs", "resume", run["id"], *said)
        await until(lambda: system.over()[0] not in ("queued", "running"), PATIENCE)
    state = system.over()[0]
    process.stop(patience=120.0)
    [(rows, keys)] = system.asked("select count(*), count(distinct effect_key) from effects")
    if state != "succeeded" or rows != count or keys != count:
        raise Wrong(f"the run is {state}, with {rows} writes under {keys} keys: {system.tail()}")
    lines = (system.folder / "pages.log").read_text().split("\n")[:-1]
    again = sorted(int(begin) for begin, times in Counter(line.split()[1] for line in lines).items() if times > 1)
    if any(begin < (stood - 1) * SIZE or begin > (stood + 1) * SIZE for begin in again):
        raise Wrong(f"pages were read again: {again}, and it stood at page {stood}")
    return {
        "items": count,
        "per_second": done / first,
        "killed_at": done,
        "unsettled": len(holds),
        "pages_again": len(again),
        "seconds_to_its_holds": back,
    }


async def measure(folder: Path, items: int, writes: int, parts: tuple[str, ...]) -> dict[str, Any]:
    results: dict[str, Any] = {"machine": describe(folder)}
    for name in parts:
        if name == "killed":
            continue
        system = Streaming(folder, 1, None)
        try:
            found = await work(system, name, items)
        finally:
            system.discard()
        results[name] = {**vars(found), "per_second": found.per_second}
        click.echo(f"{name}: {results[name]}", err=True)
    if "killed" not in parts:
        return results
    system = Streaming(folder, 1, None)
    try:
        results["killed"] = await killed(system, writes)
    finally:
        system.discard()
    click.echo(f"killed: {results['killed']}", err=True)
    return results


@click.command()
@click.option("--items", type=click.IntRange(10_000), default=1_000_000, show_default=True, help="Of a stream.")
@click.option("--writes", type=click.IntRange(2_000), default=50_000, show_default=True, help="Items with a write.")
@click.option("--only", "parts", type=click.Choice(PARTS), multiple=True, help="Some of the runs.")
@click.option("--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=HERE / "results")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where the figures go, as JSON.")
def main(items: int, writes: int, parts: tuple[str, ...], folder: Path, out: Path | None) -> None:
    """Work through a million bundles in one run."""
    with tempfile.TemporaryDirectory(prefix="streams-", dir=folder) as place:
        results = asyncio.run(measure(Path(place), items, writes, parts or PARTS))
    text = json.dumps(results, indent=1)
    if out is not None:
        out.write_text(text + "\n")
    click.echo(text)


if __name__ == "__main__":
    main()
