"""How many transactions a second the store makes durable, by the number of writers that wait for theirs.

    python benchmarks/store_commits.py [FOLDER] [SECONDS]

The file lies in FOLDER (default: a temporary one), so name one on the disk that counts. Each transaction is an
intent, an owner's write with its guard; ``commits`` shows how well they share.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from engine.sdk.clock import Clock
from engine.store.changes import AddEffect, AddRun, Owner
from engine.store.records import EffectRecord, EffectState, Run
from engine.store.sqlite import SqliteStore

WRITERS = (1, 16, 64)
REQUEST = b'{"points":5,"customer":"ana@example.com","reason":"order"}' * 8


class SystemClock:
    def time(self) -> float:
        return time.time()


class CountCommits:
    def __init__(self) -> None:
        self.commits = 0

    def hit(self, point: str) -> None:
        self.commits += point == "store.commit"


def intent(run_id: int, number: int) -> EffectRecord:
    key, now = f"step[{number}]", time.time()
    return EffectRecord(
        run_id, key, number, f"s:{run_id}:{key}", "s", "m", "write", REQUEST, "h", EffectState.INTENDED, now
    )


async def writer(store: SqliteStore, until: float) -> int:
    run_id, number = store.new_id(), 0
    await store.put(AddRun(Run(run_id, "s", "v", run_id, 0, "o", "running", 1, time.time())))
    while time.perf_counter() < until:
        await store.put(AddEffect(intent(run_id, number)), owner=Owner(run_id, 1))
        number += 1
    return number


async def measure(folder: Path, writers: int, seconds: float) -> None:
    faults = CountCommits()
    clock: Clock = SystemClock()  # type: ignore[assignment]  # the store asks for the time only
    store = SqliteStore(folder / f"{writers}.db", clock=clock, faults=faults)
    await store.open()
    start, cpu = time.perf_counter(), time.process_time()
    done = sum(await asyncio.gather(*(writer(store, start + seconds) for _ in range(writers))))
    took, cpu = time.perf_counter() - start, time.process_time() - cpu
    await store.close()
    print(
        f"{writers:4} writers  {done / took:9.0f} transactions/s  {faults.commits / took:7.0f} commits/s"
        f"  {done / faults.commits:5.1f} per commit  {cpu / done * 1e6:5.0f} us of CPU each"
    )


def main(arguments: list[str]) -> None:
    seconds = float(arguments[1]) if len(arguments) > 1 else 3.0
    with tempfile.TemporaryDirectory(dir=arguments[0] if arguments else None) as folder:
        for writers in WRITERS:
            asyncio.run(measure(Path(folder), writers, seconds))


if __name__ == "__main__":
    main(sys.argv[1:])
