"""A session of measurements: who is measured when, and what is written down of it."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from benchmarks.figures import middle, percentile
from benchmarks.ledger import Ledger, now
from benchmarks.loads import Names, Span, closed, paced, settle
from benchmarks.processes import Process, Usage
from benchmarks.systems import PATIENCE, SYSTEMS, DidNotStart, Engine, System
from benchmarks.wire import Api, Sender
from benchmarks.work import SPENT, event, names

Figures = dict[str, Any]

#: seconds without any movement after which an event counts as not coming any more
STALL = 10.0
#: the same when a kill has surely stopped some of them
STALL_AFTER_KILL = 4.0
#: connections of a load at a fixed rate
CONNECTIONS = 256
#: events a second of the load that is called light
LIGHT = 20.0
#: share of a system's maximum that is called busy
BUSY = 0.7
#: seconds that a slow API takes for each answer, in one of the kills
SLOW = 0.5
#: events of each of the two types in the check
CHECKED = 100


@dataclass(frozen=True)
class Plan:
    """How long and how often. Seconds, if not said otherwise."""

    pairs: int = 10
    warm: float = 2.0
    seconds: float = 4.0
    windows: tuple[int, ...] = (16, 64, 256)
    window_seconds: float = 2.0
    window_tries: int = 3
    latency_rounds: int = 3
    light_seconds: float = 8.0
    busy_seconds: float = 6.0
    cold_starts: int = 5
    kills: int = 2
    kill_seconds: float = 12.0
    systems: tuple[str, ...] = ("raw_durable", "engine", "raw_flow")


class WrongResult(RuntimeError):
    """A system did the work wrongly, or not at all; figures of it would be worth nothing."""


@dataclass
class Session:
    """Runs the measurements of a plan.

    :param folder: where each system gets a folder of its own, on the disk that counts; None for the temporary one.
    :param core: the core of the systems; None for any.
    """

    plan: Plan
    folder: Path | None
    core: int | None
    say: Callable[[str], None]
    results: Figures = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def open(self) -> None:
        self.api = Api(Ledger())
        await self.api.listen()

    def close(self) -> None:
        self.api.close()

    @asynccontextmanager
    async def running(self, name: str) -> AsyncIterator[tuple[System, Process]]:
        """A system in a fresh folder, started and with its first event through; it and its folder go at the end."""
        system = self.make(name)
        try:
            process = system.start()
            await system.ready(self.fresh(), names(self.tag()))
            yield system, process
        finally:
            system.discard()

    def make(self, name: str) -> System:
        folder = Path(tempfile.mkdtemp(prefix=f"bench-{name}-", dir=self.folder))
        return SYSTEMS[name](folder, self.api.port, self.core)

    def fresh(self) -> Ledger:
        """A new ledger, which the API writes into from now on."""
        self.api.ledger = Ledger()
        return self.api.ledger

    def tag(self) -> str:
        """Ids of no two loads are the same: for the engine they would be duplicates."""
        return f"e{next(self._numbers):03}"

    # ------------------------------------------------------------------ one load

    async def closed(self, system: System, process: Process, outstanding: int, warm: float, seconds: float) -> Figures:
        """The closed load on a running system; all that it accepted must be through in the end."""
        ledger = self.fresh()
        sender = system.sender(ledger, outstanding)
        span = await closed(
            ledger,
            sender,
            names(self.tag()),
            outstanding=outstanding,
            warm=warm,
            seconds=seconds,
            read=process.usage,
        )
        await settle(ledger, stall=STALL)
        sender.close()
        must_be_right(system, ledger)
        return figures(ledger, span)

    async def paced(self, system: System, process: Process, rate: float, seconds: float) -> Figures:
        """The load at a fixed rate on a running system."""
        ledger = self.fresh()
        sender = system.sender(ledger, CONNECTIONS)
        span = await paced(ledger, sender, names(self.tag()), rate=rate, seconds=seconds, read=process.usage)
        behind = len(ledger.open())
        await settle(ledger, stall=STALL)
        sender.close()
        must_be_right(system, ledger)
        return {"asked": rate, "behind_at_the_end": behind, **figures(ledger, span)}

    # ------------------------------------------------------------------ measurements

    async def check(self) -> None:
        """Both types of event to each system: one must be read and posted, the other must not."""
        found: Figures = {}
        for name in self.plan.systems:
            async with self.running(name) as (system, _):
                ledger = self.fresh()
                sender = system.sender(ledger, 1)
                wanted = set()
                for event_id, number in itertools.islice(names(self.tag()), CHECKED):
                    wanted.add(event_id)
                    sender.send(event_id, number)
                    other = f"{event_id}-spent"
                    sender.send(other, number, content=orjson.dumps(event(other, number, SPENT)))
                await settle(ledger, stall=1.0)
                sender.close()
                right = (
                    ledger.completed.keys() == wanted
                    and len(ledger.accepted) == 2 * CHECKED
                    and ledger.reads == CHECKED
                    and not (ledger.wrong or ledger.repeated)
                )
                if not right:
                    raise WrongResult(f"{name} does not do the work; the end of its log:\n{system.tail()}")
                found[name] = {"posted": len(ledger.completed), "left_out": CHECKED}
                self.say(f"{name}: {CHECKED} events posted, {CHECKED} of another type left out")
        self.results["check"] = found

    async def windows(self) -> None:
        """How many events outstanding give each system its maximum."""
        tries: dict[str, dict[str, list[float]]] = {
            name: {str(outstanding): [] for outstanding in self.plan.windows} for name in self.plan.systems
        }
        # one try of each would let a moment of a shared machine choose, and a yardstick at less than its best flatters
        for _ in range(self.plan.window_tries):
            for name in self.plan.systems:
                async with self.running(name) as (system, process):
                    for outstanding in self.plan.windows:
                        got = await self.closed(
                            system, process, outstanding, self.plan.warm / 2, self.plan.window_seconds
                        )
                        tries[name][str(outstanding)].append(got["per_second"])
                        self.say(f"{name}: {outstanding} outstanding, {got['per_second']:.0f}/s")
        self.results["window_tries"] = tries
        self.results["windows"] = {
            name: {outstanding: middle(rates).median for outstanding, rates in mine.items()}
            for name, mine in tries.items()
        }

    def best_window(self, name: str) -> int:
        tries: dict[str, float] = self.results["windows"][name]
        return int(max(tries, key=lambda outstanding: tries[outstanding]))

    def top(self, name: str) -> float:
        """A system's maximum as far as it is known, in events a second."""
        rounds = [each[name]["per_second"] for each in self.results.get("rounds", ()) if name in each]
        return middle(rounds).median if rounds else max(self.results["windows"][name].values())

    async def maximum(self) -> None:
        """Rounds of the closed load, all systems in turn, so that each is measured next to the others."""
        rounds: list[Figures] = []
        self.results["rounds"] = rounds
        for number in range(self.plan.pairs):
            this: Figures = {}
            for name in self.plan.systems:
                this[name] = got = await self.one_maximum(name)
                self.say(
                    f"round {number + 1}: {name} {got['per_second']:.0f}/s, {got['cpu_us']:.0f} us of CPU a run,"
                    f" p50 {got['through_ms']['p50']:.1f} ms"
                )
            rounds.append(this)

    async def one_maximum(self, name: str) -> Figures:
        """One life of a system under the closed load: its figures, its memory, what it left on the disk."""
        async with self.running(name) as (system, process):
            await asyncio.sleep(self.plan.warm / 2)
            empty, idle = system.stored(), process.memory()[0]
            got = await self.closed(system, process, self.best_window(name), self.plan.warm, self.plan.seconds)
            after, peak = process.memory()
            events = len(self.api.ledger.completed)
            serving = system.stored() - empty
            process.stop()
            stopped = system.stored() - empty
        return {
            **got,
            "idle_mb": idle,
            "loaded_mb": after,
            "peak_mb": peak,
            "stored_bytes_serving": serving / events,
            "stored_bytes_stopped": stopped / events,
        }

    async def latency(self) -> None:
        """The light and the busy load at a fixed rate, all systems in turn."""
        found: dict[str, dict[str, list[Figures]]] = {name: {"light": [], "busy": []} for name in self.plan.systems}
        self.results["latency"] = found
        for _ in range(self.plan.latency_rounds):
            for name in self.plan.systems:
                async with self.running(name) as (system, process):
                    # the first events of a life are slower; they are no part of either load
                    await self.paced(system, process, LIGHT, self.plan.warm)
                    for load, rate, seconds in (
                        ("light", LIGHT, self.plan.light_seconds),
                        ("busy", BUSY * self.top(name), self.plan.busy_seconds),
                    ):
                        got = await self.paced(system, process, rate, seconds)
                        found[name][load].append(got)
                        through = got["through_ms"]
                        self.say(f"{name} at {rate:.0f}/s: p50 {through['p50']:.1f}, p99 {through['p99']:.1f} ms")

    async def cold(self) -> None:
        """From the start of the process to the first 2xx, and to the first event that is through."""
        found: dict[str, list[Figures]] = {name: [] for name in self.plan.systems}
        self.results["cold"] = found
        for _ in range(self.plan.cold_starts):
            for name in self.plan.systems:
                system = self.make(name)
                try:
                    system.start()
                    accepted, through = await system.ready(self.fresh(), names(self.tag()))
                finally:
                    system.discard()
                found[name].append({"accepted_s": accepted, "through_s": through})
                self.say(f"{name}: first 2xx after {accepted:.2f} s, through after {through:.2f} s")

    async def kills(self) -> None:
        """SIGKILL to the engine halfway through a load, and a start at once; then every event is looked for."""
        found: list[Figures] = []
        self.results["kills"] = found
        loads = [(BUSY * self.top(Engine.name), 0.0)] * self.plan.kills + [(LIGHT, SLOW)]
        for rate, delay in loads:
            self.api.delay = delay
            try:
                got = await self.one_kill(rate)
            finally:
                self.api.delay = 0.0
            found.append({"asked": rate, "api_delay_s": delay, **got})
            self.say(
                f"kill at {rate:.0f}/s: {got['accepted']} accepted, {got['lost']} lost, {got['doubled']} doubled,"
                f" {got['held']} held"
            )

    async def one_kill(self, rate: float) -> Figures:
        """One life that is cut off, and the next."""
        async with self.running(Engine.name) as (system, process):
            assert isinstance(system, Engine)
            ledger = self.fresh()
            sender = system.sender(ledger, CONNECTIONS)

            async def cut() -> None:
                process.kill()
                system.start()

            usage, events = process.usage(), names(self.tag())
            await paced(
                ledger,
                sender,
                events,
                rate=rate,
                seconds=self.plan.kill_seconds,
                read=lambda: usage,
                halfway=cut,
            )
            again = await back(system, ledger, sender, events)
            await settle(ledger, stall=STALL_AFTER_KILL)
            sender.close()
            held = system.held()
            states = system.run_counts()
            return {
                **fates(ledger, held),
                "runs": states,
                "restart_to_first_2xx_s": again,
            }


async def back(system: System, ledger: Ledger, sender: Sender, events: Names) -> float:
    """Seconds from the last start to the first 2xx after it. Events are sent on when the load was over before that."""
    assert system.process is not None
    started = system.process.started
    while not (later := [at for at in ledger.accepted.values() if at > started]):
        if system.process.ended or now() - started > PATIENCE:
            raise DidNotStart(f"{system.name} did not come back; the end of its log:\n{system.tail()}")
        sender.send(*next(events))
        await asyncio.sleep(1 / LIGHT)
    return min(later) - started


def fates(ledger: Ledger, held: set[str]) -> Figures:
    """What a kill did to the events: lost are those that were accepted, and are neither through nor held."""
    return {
        "sent": len(ledger.due),
        "accepted": len(ledger.accepted),
        "through": len(ledger.completed),
        "not_accepted": len(ledger.due) - len(ledger.accepted),
        "lost": len(ledger.open() - held),
        "doubled": len(ledger.repeated),
        "held": len(held),
        "held_and_posted": len(held & ledger.completed.keys()),
        "wrong": len(ledger.wrong),
    }


def must_be_right(system: System, ledger: Ledger) -> None:
    """Raises ``WrongResult``: something is missing, doubled, refused or not as it should be."""
    troubles = {
        "wrong requests": len(ledger.wrong),
        "accepted and not through": len(ledger.open()),
        "posted twice": len(ledger.repeated),
        "refused": len(ledger.refused),
        "without an answer": len(ledger.broken),
        "never sent": len(ledger.completed.keys() - ledger.due.keys()),
    }
    found = ", ".join(f"{number} {what}" for what, number in troubles.items() if number)
    if found:
        example = f"; one of the wrong requests: {ledger.wrong[0][:200]!r}" if ledger.wrong else ""
        raise WrongResult(f"{system.name}: {found}{example}; the end of its log:\n{system.tail()}")


def figures(ledger: Ledger, span: Span[Usage]) -> Figures:
    """What a load says: completions a second, latencies, and what one completion costs."""
    cpu = span.after.cpu - span.before.cpu
    own = span.after.own_cpu - span.before.own_cpu
    return {
        "per_second": span.completed / span.seconds,
        "completed": span.completed,
        "cpu_us": cpu / span.completed * 1e6,
        "cpu_share": cpu / span.seconds,
        "generator_cpu_share": own / span.seconds,
        "written_bytes": (span.after.written - span.before.written) / span.completed,
        "accepted_ms": quantiles(ledger.latencies(ledger.accepted, span.began)),
        "through_ms": quantiles(ledger.latencies(ledger.completed, span.began)),
    }


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile and largest, in milliseconds."""
    return {
        "p50": percentile(seconds, 0.5) * 1000,
        "p99": percentile(seconds, 0.99) * 1000,
        "max": max(seconds) * 1000,
    }
