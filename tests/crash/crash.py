"""The crash test: a load, an engine that is killed again and again, and the counting afterwards.

The moments are real ones, drawn at random; so this waits, which no other test does.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from engine.runtime import commands
from engine.runtime.clock import SystemClock
from engine.runtime.commands import Choice
from engine.runtime.states import State
from engine.sdk import jsontext
from engine.store.ids import show
from engine.store.lock import ExecutorLock
from engine.store.records import Run
from engine.store.sqlite import SqliteStore
from tests.crash.audit import Audit, audit, holds, read
from tests.crash.load import Load
from tests.crash.processes import PATIENCE, Engine, Project, VendorProcess, command

#: seconds after it was ready at which the engine is killed: from, to
ALIVE = (0.05, 1.2)
#: share of the starts that are killed before they are through, and up to how many seconds after they began
STILLBORN = 0.2
STARTING = 0.6
#: new events per second
RATE = 40.0
#: the most of the runs that may be held as unknown. A kill finds those charges under way that were sent and whose
#: outcome is not yet stored: at 40 events a second and some 20 ms each, about one of the 40 events of each life.
MOST_HELD = 0.05
#: kills from which on that share is judged; of a few it says little
ENOUGH_KILLS = 50
#: decisions about held runs that are made by the real command line, of each kind; the rest by what it calls
BY_COMMAND = 2
#: seconds between two looks at whether all runs are at rest
LOOK_EVERY = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do.

    :param folder: an empty folder on a real disk, for project and store.
    :param seed: of the moments and of the vendor's delays.
    :param rate: new events per second.
    :param alive: seconds after it was ready at which the engine is killed: from, to.
    :param mutant: a name of ``mutant.MUTANTS`` for all lives but the last; None: the engine as it is shipped.
    :param progress: told now and then how many kills there were.
    """

    folder: Path
    kills: int
    seed: int
    rate: float = RATE
    alive: tuple[float, float] = ALIVE
    mutant: str | None = None
    progress: Callable[[int], None] = lambda _kills: None


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a person made of the runs that were held.

    :param after: the books when all that was decided had run.
    """

    happened: int
    sent_again: int
    after: Audit
    uncharged: Sequence[str]


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it."""

    plan: Plan
    seconds: float
    sent: int
    attempts: int
    answers: Mapping[int, int]
    recovered: int
    to_first_answer: float
    before: Audit
    settlement: Settlement

    @property
    def faults(self) -> list[str]:
        """Broken promises, a sentence each."""
        before, after = self.before, self.settlement.after
        found = [*before.faults, *(f"after the decisions: {fault}" for fault in after.faults)]
        for when, books in (("", before), ("after the decisions: ", after)):
            if books.lost:
                found.append(f"{when}acknowledged and lost: {len(books.lost)}, such as {books.lost[:5]}")
            if books.doubled:
                found.append(f"{when}charged twice: {len(books.doubled)}, such as {books.doubled[:5]}")
        if before.held_share > MOST_HELD and self.plan.kills >= ENOUGH_KILLS:
            found.append(f"{before.held_share:.1%} of the runs are held as unknown; the bound is {MOST_HELD:.0%}")
        if after.finished != after.runs:
            found.append(f"after the decisions {after.runs - after.finished} runs have not succeeded")
        if self.settlement.uncharged:
            found.append(f"acknowledged and never charged: {list(self.settlement.uncharged[:5])}")
        if odd := {status: number for status, number in self.answers.items() if status not in (202, 503)}:
            found.append(f"the sender got other answers than 202 and 503: {odd}")
        return found

    def rows(self) -> list[tuple[str, str]]:
        """The counts, for people."""
        before, settlement = self.before, self.settlement
        return [
            ("kills (SIGKILL)", str(self.plan.kills)),
            ("load", f"{self.plan.rate:g} new events/s, every second one repeated until acknowledged"),
            ("seed, duration", f"{self.plan.seed}, {self.seconds:.0f} s"),
            ("events sent", f"{self.sent} (in {self.attempts} attempts)"),
            ("acknowledged", str(before.acknowledged)),
            ("runs", f"{before.runs} (and {before.duplicates} duplicates, not run)"),
            ("finished", str(before.finished)),
            (
                "held as unknown",
                f"{before.unknown} ({before.held_share:.2%} of the runs; the bound is {MOST_HELD:.0%})",
            ),
            ("held as poison", str(before.poison)),
            ("taken over after a kill", str(self.recovered)),
            ("start to first acknowledgement", f"{self.to_first_answer:.2f} s (median)"),
            ("acknowledged, never finished or held", str(len(before.lost))),
            ("charged twice", str(len(before.doubled))),
            ("settled: it happened", str(settlement.happened)),
            ("settled: sent again", str(settlement.sent_again)),
            ("then: finished", f"{settlement.after.finished} of {settlement.after.runs}"),
            ("then: charged twice, never charged", f"{len(settlement.after.doubled)}, {len(settlement.uncharged)}"),
        ]


async def run(plan: Plan) -> Report:
    """Do it.

    :raises EngineTrouble: the engine ended by itself, or did not start.
    :raises TimeoutError: something did not come to rest.
    """
    began = time.monotonic()
    async with _stage(plan) as (project, vendor):
        load = await _live_and_die(plan, project)
        before = audit(await read(project.store), load.acknowledged, await vendor.counts())
        recovered = project.log.read_text(errors="replace").count(" is taken up\n")
        settlement = await _settle(project, vendor, load.acknowledged)
    return Report(
        plan,
        time.monotonic() - began,
        load.sent,
        load.attempts,
        load.answers,
        recovered,
        median(load.first_answers),
        before,
        settlement,
    )


async def count(plan: Plan) -> Audit:
    """As ``run``, up to where a person would decide about held runs."""
    async with _stage(plan) as (project, vendor):
        load = await _live_and_die(plan, project)
        return audit(await read(project.store), load.acknowledged, await vendor.counts())


@asynccontextmanager
async def _stage(plan: Plan) -> AsyncIterator[tuple[Project, VendorProcess]]:
    async with VendorProcess(plan.seed) as vendor:
        project = Project(plan.folder, vendor.port)
        try:
            yield project, vendor
        except Exception as error:
            error.add_note(f"the end of the engine's log:\n{project.tail()}")
            raise


async def _live_and_die(plan: Plan, project: Project) -> Load:
    """The load, and one engine after the other; the last is the engine as it is shipped, and may finish."""
    chance = random.Random(plan.seed)
    async with AsyncExitStack() as stack:
        engine = await Engine.start(project, plan.mutant)
        stack.push_async_callback(lambda: engine.clear_away())  # noqa: PLW0108 - whichever is the last one then
        await engine.ready()
        load = await stack.enter_async_context(Load(await _url(project), plan.rate))
        for number in range(plan.kills):
            if number and chance.random() < STILLBORN:
                await asyncio.sleep(chance.uniform(0, STARTING))
            else:
                await engine.ready()
                await asyncio.sleep(chance.uniform(*plan.alive))
            await engine.kill()
            plan.progress(number + 1)
            last = number + 1 == plan.kills
            load.engine_started()
            engine = await Engine.start(project, None if last else plan.mutant, quiet=chance.random() < 0.5)
        await engine.ready()
        await load.finish(PATIENCE)
        await come_to_rest(project)
        await engine.stop()
    return load


async def _url(project: Project) -> str:
    found = jsontext.loads((await command(project, "webhooks", "--json")).encode())
    return str(found["webhooks"][0]["url"])


async def come_to_rest(project: Project) -> None:
    """Return when no run has anything left to do."""
    store = SqliteStore(project.store, clock=SystemClock())
    await store.open()
    try:
        async with asyncio.timeout(PATIENCE):
            while {State.QUEUED, State.RUNNING, State.SLEEPING} & (await store.run_counts()).keys():  # noqa: ASYNC110 - another process's doing
                await asyncio.sleep(LOOK_EVERY)
    finally:
        await store.close()


async def _settle(project: Project, vendor: VendorProcess, acknowledged: Mapping[str, str]) -> Settlement:
    """Decide about each held run as a person would, who looks the charge up at the vendor."""
    charges: Mapping[str, Sequence[str]] = (await vendor.counts())["charges"]
    held = [run for run in (await read(project.store)).runs if run.state == State.HELD]
    happened = [run for run in held if charges.get(str(run.subject))]
    again = [run for run in held if not charges.get(str(run.subject))]
    for kept in (happened, again):
        for run_ in kept[:BY_COMMAND]:
            await _by_command(project, run_, charges)
    await _by_call(project, [*happened[BY_COMMAND:], *again[BY_COMMAND:]], charges)
    engine = await Engine.start(project)
    try:
        await engine.ready()
        await come_to_rest(project)
        await engine.stop()
    finally:
        await engine.clear_away()
    counts = await vendor.counts()
    after = audit(await read(project.store), acknowledged, counts)
    uncharged = [event for event in acknowledged if not counts["charges"].get(event)]
    return Settlement(len(happened), len(again), after, uncharged)


def _answer(run: Run, charges: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    return {"status": 201, "headers": {}, "body": {"receipt": charges[str(run.subject)][0]}}


async def _by_command(project: Project, run: Run, charges: Mapping[str, Sequence[str]]) -> None:
    words = ["--send-again", "--reason", "the vendor does not have it"]
    if charges.get(str(run.subject)):
        output = jsontext.dumps(_answer(run, charges)).decode()
        words = ["--happened", "--output", output, "--reason", "the vendor has it"]
    await command(project, "runs", "resume", show(run.id), *words)


async def _by_call(project: Project, runs: Sequence[Run], charges: Mapping[str, Sequence[str]]) -> None:
    clock = SystemClock()
    with ExecutorLock(project.data, clock=clock, command="a person"):
        store = SqliteStore(project.store, clock=clock)
        await store.open()
        try:
            for run in runs:
                of_a_call = holds(run)[0]["code"] == "unknown"
                there = of_a_call and charges.get(str(run.subject))
                choice, output = (Choice.HAPPENED, _answer(run, charges)) if there else (Choice.AGAIN, None)
                await commands.resume(store, run.id, choice, clock.time(), output=output, reason="counted", by="clerk")
        finally:
            await store.close()
