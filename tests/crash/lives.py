"""Lives of real processes: each is killed at a fault point by SIGKILL, and another one goes on from its file.

The vendors are simulators in the process that counts, which is never killed; the engine talks to them over HTTP.
Run as a program this is the nursery: it has imported everything, and forks a process for each life. What that has to do
comes as a line of JSON on stdin; each receipt is written to its file as soon as its sender is answered.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
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
    own_modules,
)
from engine.testing.simulated import _Counting, _Waiting
from tests.crash.plays import play, registry

TOP = Path(__file__).parents[2]
#: real seconds that a life may take
PATIENCE = 60
#: real seconds between two moves of the vendors' clock
TICK = 0.01


class Remote(SimulatedHarness):
    """As ``SimulatedHarness``, with simulators that run in another process."""

    overrides: Mapping[str, Mapping[str, Any]] = {}

    async def start(self) -> None:
        if self._connections is None:
            # whoever waits for another process loses no virtual time to that, however busy the machine is
            self._traffic.patience = PATIENCE
            self._connections = connections(self, self.overrides, _Waiting(self.clock, self._traffic))
            # the vendors' clock may be behind: what they show after a minute they have to show to whoever has slept it
            self._caller = _Counting(self._connections, self._traffic, self.clock)
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
    """The simulators. Their clock is that of whoever asks them; it runs on its own only for one that waits."""
    harness = play(name).new()
    assert isinstance(harness, SimulatedHarness)
    await harness.start()

    async def run_on() -> None:
        while True:
            await asyncio.sleep(TICK)
            if harness._traffic.sleepers:
                await harness.clock.advance(TICK * 10)

    clock = asyncio.create_task(run_on())
    try:
        yield harness
    finally:
        clock.cancel()
        await asyncio.gather(clock, return_exceptions=True)
        await harness.stop()


class Nursery:
    """Forks the lives, one after another: what takes longest in a short life is importing the engine."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    async def live(self, order: Mapping[str, Any]) -> tuple[int, list[str]]:
        """A life as a process of its own; gives its exit code and the lines that it wrote."""
        with tempfile.NamedTemporaryFile("r") as said:
            line = await asyncio.to_thread(self._ask, json.dumps({**order, "said": said.name}))
            code, lines = int(line), said.read().splitlines()
        if code not in (0, -signal.SIGKILL):
            raise AssertionError(f"a life of {order['scenario']} ended with {code}:\n" + "\n".join(lines[-40:]))
        return code, lines

    def _ask(self, order: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@contextmanager
def nursery() -> Iterator[Nursery]:
    """A nursery; it ends with the block."""
    with subprocess.Popen(
        (sys.executable, "-m", "tests.crash.lives"),
        cwd=TOP,
        env={**os.environ, "PYTHONPATH": str(TOP)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        # the end of the orders is the end of the process
        yield Nursery(process)


def serve() -> None:
    """The nursery's own side."""
    registry()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            # a life that hangs is over too
            signal.alarm(PATIENCE)
            _one(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _one(order: Mapping[str, Any]) -> None:
    """Live, in a process that was just forked, and end it."""
    said = os.open(order["said"], os.O_WRONLY | os.O_APPEND)
    os.dup2(said, 1)
    code = 1
    try:
        asyncio.run(alone(order))
        code = 0
    except BaseException:  # noqa: BLE001 - whoever forked hears of it by the exit code
        traceback.print_exc(file=sys.stdout)
    sys.stdout.flush()
    # not by an exception: this process must not go on as the one that it was forked from
    os._exit(code)


async def kill(lives: Nursery, name: str, path: Path, moment: Moment | None) -> tuple[Life, list[Moment]]:
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
        code, lines = await lives.live(order)
        acknowledged = [int(line) for line in lines if line.isdigit()]
        moments = [Moment(*passed) for passed in json.loads(lines[-1])] if code == 0 else []
        if moment is not None:
            start = watching.clock.time() + 1.0
            _, more = await lives.live({**order, "moment": None, "first": False, "start": start})
            acknowledged += [int(line) for line in more if line.isdigit()]
        own = play(name)
        harness = own.new()
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
        ours = own_modules(harness)
        life = Life(said, Kind.DEATH, code != 0, acknowledged, results, {}, deliveries, (), fates, lines, ours)
        life.take(watching.arrived)
        life.counts = dict(own.counts(watching)) if own.counts else {}
        return life, moments


async def run(name: str, folder: Path, choose: Choose) -> Report:
    """Kill a scenario's engine at each moment that is chosen."""
    report = Report(f"{name} (SIGKILL)")
    with nursery() as lives:
        without, moments = await kill(lives, name, folder / "without.db", None)
        judge(without, without)
        assert not without.broken, without
        for number, moment in enumerate(choose(moments)):
            life, _ = await kill(lives, name, folder / f"kill-{number}.db", moment)
            judge(life, without)
            report.lives.append(life)
    return report


if __name__ == "__main__":
    serve()
