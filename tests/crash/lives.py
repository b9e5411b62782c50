"""Lives of real processes: each is killed at a fault point by SIGKILL, and another one goes on from its file.

The vendors are simulators in the process that counts, which is never killed; the engine talks to them over HTTP.
Run as a program this is one life: what it has to do comes as JSON on stdin, and each receipt is printed as soon as its
sender is answered.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from engine.runtime.connections import Connections
from engine.runtime.secrets import KeyRing, SecretBox, Secrets
from engine.sdk.clock import Clock
from engine.store.memory import MemoryStore
from engine.testing import Harness, SimulatedHarness, VirtualClock
from engine.testing.crash import (
    Choose,
    FaultAt,
    Kind,
    Life,
    Moment,
    Report,
    all_fates,
    all_lines,
    in_file,
    judge,
    look,
    one_life,
)
from engine.testing.simulated import _Counting
from tests.crash.plays import FILES, play, registry

TOP = Path(__file__).parents[2]
#: real seconds that a life may take
PATIENCE = 60.0
#: real seconds between two moves of the vendors' clock
TICK = 0.01


class Remote(SimulatedHarness):
    """As ``SimulatedHarness``, with simulators that run in another process."""

    overrides: Mapping[str, Mapping[str, Any]] = {}

    async def start(self) -> None:
        if self._connections is None:
            self._connections = connections(self, self.overrides, self.clock)
            self._caller = _Counting(self._connections, self._traffic)
        await Harness.start(self)


def connections(harness: Harness, overrides: Mapping[str, Any], clock: Clock) -> Connections:
    """Connections that lead to simulators, so that no secret is looked up."""
    assert harness.registry is not None
    secrets = Secrets({}, SecretBox(MemoryStore(clock=clock), KeyRing(Path(), {}), clock))
    return Connections({}, harness.registry, secrets, clock, overrides=overrides)


class KillAt(FaultAt):
    """Kills this process at a moment."""

    def hit(self, point: str) -> None:
        self._hits[point] += 1
        now = Moment(point, self._hits[point])
        if now == self.moment:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed.append((now, False))


class Said(list[int]):
    """Prints each receipt that is appended."""

    def append(self, receipt: int) -> None:
        super().append(receipt)
        sys.stdout.write(f"{receipt}\n")
        sys.stdout.flush()

    def __iadd__(self, receipts: Any) -> Self:
        for receipt in receipts:
            self.append(receipt)
        return self


async def alone(order: Mapping[str, Any]) -> None:
    """One life, in this process."""
    Remote.overrides = order["overrides"]
    moment = Moment(*order["moment"]) if order["moment"] else None
    own = play(order["scenario"], Remote)
    harness = own.new()
    harness.clock.jump(order["start"] - harness.clock.time())
    in_file(harness, Path(order["store"]))
    harness.faults = faults = KillAt(moment)
    await one_life(harness, own, Said(), first=order["first"])
    await harness.stop()
    sys.stdout.write(json.dumps([list(passed) for passed, _ in faults.passed]) + "\n")


# ---------------------------------------------------------------------- whoever counts


@asynccontextmanager
async def vendors(name: str) -> AsyncIterator[SimulatedHarness]:
    """The simulators, whose clock runs on its own."""
    source = FILES[name].read_text("utf-8")
    harness = SimulatedHarness([source], registry=registry())
    await harness.start()

    async def run_on() -> None:
        while True:
            await asyncio.sleep(TICK)
            await harness.clock.advance(TICK * 10)

    clock = asyncio.create_task(run_on())
    try:
        yield harness
    finally:
        clock.cancel()
        await asyncio.gather(clock, return_exceptions=True)
        await harness.stop()


async def process(order: Mapping[str, Any]) -> tuple[int, list[str]]:
    """A life as a process of its own; gives its exit code and the lines that it printed."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.crash.lives"),
        cwd=TOP,
        env={**os.environ, "PYTHONPATH": str(TOP)},
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, errors = await child.communicate(json.dumps(order).encode())
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert child.returncode is not None
    if child.returncode not in (0, -signal.SIGKILL):
        raise AssertionError(f"a life of {order['scenario']} ended with {child.returncode}:\n{errors.decode()[-3000:]}")
    return child.returncode, out.decode().splitlines()


async def kill(name: str, path: Path, moment: Moment | None) -> tuple[Life, list[Moment]]:
    """Kill at a moment, and let another process go on; without one, the moments that there are."""
    async with vendors(name) as watching:
        assert watching._simulators is not None
        order: dict[str, Any] = {
            "scenario": name,
            "store": str(path),
            "overrides": {key: dict(value) for key, value in watching._simulators.overrides.items()},
            "start": VirtualClock().time(),
            "moment": list(moment) if moment else None,
            "first": True,
        }
        code, lines = await process(order)
        acknowledged = [int(line) for line in lines if line.isdigit()]
        moments = [Moment(*passed) for passed in json.loads(lines[-1])] if code == 0 else []
        if moment is not None:
            _, more = await process({**order, "moment": None, "first": False, "start": order["start"] + 1.0})
            acknowledged += [int(line) for line in more if line.isdigit()]
        harness = play(name).new()
        in_file(harness, path)
        assert harness.new_store is not None
        harness.store = await harness.new_store(None)
        try:
            results = await look(harness)
            deliveries = Counter(dict(await harness.store.delivery_counts()))
            fates, lines = await all_fates(harness.store), await all_lines(harness, results)
        finally:
            await harness.store.close()
        said = f"SIGKILL at {moment}"
        life = Life(said, Kind.DEATH, code != 0, acknowledged, results, {}, deliveries, (), fates, lines)
        life.take(watching.arrived)
        return life, moments


async def run(name: str, folder: Path, choose: Choose) -> Report:
    """Kill a scenario's engine at each moment that is chosen."""
    report = Report(f"{name} (SIGKILL)")
    without, moments = await kill(name, folder / "without.db", None)
    judge(without, without)
    assert not without.broken, without
    for number, moment in enumerate(choose(moments)):
        life, _ = await kill(name, folder / f"kill-{number}.db", moment)
        judge(life, without)
        report.lives.append(life)
    return report


if __name__ == "__main__":
    asyncio.run(alone(json.load(sys.stdin)))
