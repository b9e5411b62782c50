"""Making a scenario's engine fail everywhere: at each fault point, each time it is passed, in each way.

First a life without a fault lists the moments that there are, and what the vendors receive. Then, for each moment, a
life in which the engine fails there, a restart, and all that is left to do; and the books are held against the
vendors' own counts. What ``engine test --crash`` and ``python -m tests.crash.points`` stand on.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from engine.runtime.eventkeys import event_keys
from engine.runtime.items import is_outcome
from engine.runtime.rundata import past_data
from engine.sdk import jsontext
from engine.sdk.data import DataWrite
from engine.sdk.errors import EngineError, StoreError
from engine.sdk.faults import POINTS, SimulatedCrash
from engine.sdk.modules import Effect
from engine.store.interface import Store
from engine.store.records import Delivery, DeliveryState, EffectRecord, EffectState, Page, ReceiptFilter, RunFilter
from engine.store.sqlite import SqliteStore
from engine.testing.harness import Harness, RunResult
from engine.testing.watching import Made

#: states that a run does not stay in
PASSING = ("queued", "gathering", "blocked", "running", "sleeping", "waiting", "rolling_back")
#: those in which it may wait for another run: one of its key, one that it has called
BEHIND = {"blocked", "waiting"}
#: turns of the clock without any change of the books after which a life goes on to its restart
STUCK_AFTER = 6
#: real seconds that one life may take
PATIENCE = 60.0
#: more rows than a test makes
ALL = Page(limit=1_000_000)


class Kind(StrEnum):
    """In which way the engine fails."""

    #: the process is gone: nothing that is not durable is left, nothing is cleared up
    DEATH = "death"
    #: the engine's own code raises
    EXCEPTION = "exception"
    #: the task that is there is cancelled, as a shutdown does it
    CANCEL = "cancel"


class Moment(NamedTuple):
    """A fault point, and the how manieth time it is passed."""

    point: str
    nth: int

    def __str__(self) -> str:
        return f"{self.point}:{self.nth}"


class FailsAnyway(EngineError):
    """A scenario's run does not come to rest, or its books do not add up, though nothing was made to fail."""

    code = "fails-anyway"


class InjectedFault(Exception):
    """What is raised at a fault point for ``Kind.EXCEPTION``."""


class FaultAt:
    """Fails at a moment, in one of the ways. Made inside the running event loop.

    :param moment: None only counts.
    """

    def __init__(self, moment: Moment | None = None, kind: Kind = Kind.DEATH) -> None:
        if moment is not None and moment.point not in POINTS:
            raise ValueError(f"'{moment.point}' is no fault point; there are: {', '.join(POINTS)}")
        self.moment = moment
        self.kind = kind
        #: all that was passed, in order, and whether a task was there that can be cancelled
        self.passed: list[tuple[Moment, bool]] = []
        self.fired = False
        self._hits: Counter[str] = Counter()
        self._loop = asyncio.get_running_loop()
        self._death = asyncio.Event()

    async def death(self) -> None:
        """Return when the process is dead. It answers nobody: race what waits for it against this."""
        await self._death.wait()

    def hit(self, point: str) -> None:
        """See ``engine.sdk.faults.Faults``."""
        if self.fired and self.kind is Kind.DEATH:
            raise SimulatedCrash("dead already")
        self._hits[point] += 1
        now = Moment(point, self._hits[point])
        task = _task()
        self.passed.append((now, task is not None))
        if now != self.moment or self.fired:
            return
        self.fired = True
        if self.kind is Kind.DEATH:
            # a store's writer passes its points in a thread of its own
            self._loop.call_soon_threadsafe(self._death.set)
            raise SimulatedCrash(str(now))
        if self.kind is Kind.EXCEPTION:
            raise InjectedFault(str(now))
        if task is not None:
            task.cancel()

    def moments(self, kind: Kind) -> list[Moment]:
        """Where a life like this one can fail in that way."""
        return [moment for moment, cancellable in self.passed if cancellable or kind is not Kind.CANCEL]


def _task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


#: what is done beside the events: called whenever all is at rest, in each life; True: it has changed something
Prod = Callable[[Harness], Awaitable[bool]]


@dataclass
class Play:
    """What happens to an engine in each life.

    :param new: makes the harness; ``faults`` and ``new_store`` are set afterwards.
    :param events: are delivered one after another; one that was not acknowledged is not sent again.
    :param starts: inputs with which the first of the scenarios is started by hand, after the events.
    :param polls: sweep the polling triggers, and expect the events from there.
    :param ticks: the next moment of the schedules comes.
    :param prods: what people and other systems do: approvals, signals, decisions about what is held.
    :param counts: what the vendors have taken by their own count, by name: the same in each life.
    """

    new: Callable[[], Harness]
    events: Sequence[Any] = ()
    starts: Sequence[Mapping[str, Any]] = ()
    polls: bool = False
    ticks: bool = False
    prods: Sequence[Prod] = ()
    counts: Callable[[Any], Mapping[str, int]] | None = None


@dataclass
class Life:
    """What is left when all is at rest.

    :param arrived: by effect (scenario and path), what the vendors received that may have changed something; effects
        stand in the order in which they first arrived.
    :param fates: of all receipts.
    :param lines: runs that go one after another, in their order.
    :param own: names of the modules that change our own store, and nothing outside.
    :param made: the calls of modules.
    :param counts: what the vendors have taken, by their own count.
    """

    moment: str
    kind: Kind
    fired: bool
    acknowledged: Sequence[int]
    results: Sequence[RunResult]
    arrived: dict[str, list[str]]
    deliveries: Counter[str]
    passed: Sequence[FaultAt]
    fates: Sequence[Delivery] = ()
    lines: Sequence[Sequence[int]] = ()
    own: Collection[str] = ()
    faults: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    made: Made = field(default_factory=Made)
    counts: Mapping[str, int] = field(default_factory=dict)

    def take(self, arrived: Mapping[str, Sequence[str]]) -> None:
        """Keep what the vendors received, under names that are the same in each life."""
        self.arrived = {_effect(key, self.results): list(what) for key, what in arrived.items()}

    @property
    def unknown(self) -> int:
        """Runs that wait for a person because a write's outcome is unknown."""
        return sum(any(hold["code"] == "unknown" for hold in result.holds) for result in self.results)

    @property
    def broken(self) -> bool:
        return bool(self.faults or self.lost or self.doubled)

    @property
    def said(self) -> str:
        """What is wrong, in a line."""
        return "; ".join([*(f"lost: {x}" for x in self.lost), *(f"doubled: {x}" for x in self.doubled), *self.faults])


def in_file(harness: Harness, path: Path) -> None:
    """Let a harness have its store in a file, which outlives its deaths."""

    async def open_again(before: Store | None) -> Store:
        if before is not None:
            with suppress(SimulatedCrash, EngineError):
                await before.close()
        store = SqliteStore(path, clock=harness.clock, faults=harness.faults)
        await store.open()
        return store

    harness.new_store = open_again


async def live(play: Play, path: Path, faults: Sequence[FaultAt], moment: str = "") -> Life:
    """Live through a play, failing where ``faults`` say: the first in the first life, the second after the restart.

    :param path: of a store's file that is not there.
    """
    harness = play.new()
    in_file(harness, path)
    acknowledged: list[int] = []
    async with asyncio.timeout(PATIENCE):
        for number, fault in enumerate([*faults, None]):
            harness.faults = fault if fault is not None else FaultAt()
            await _until_death(one_life(harness, play, acknowledged, first=number == 0), harness.faults)
            if fault is not None:
                await _part(harness)
        found = await look(harness)
        deliveries = Counter(dict(await harness.store.delivery_counts()))
        fates, lines = await all_fates(harness.store), await all_lines(harness, found)
        counts = dict(play.counts(harness)) if play.counts else {}
        await harness.stop()
    fired = any(fault.fired for fault in faults)
    own = own_modules(harness)
    life = Life(moment, faults[0].kind, fired, acknowledged, found, {}, deliveries, faults, fates, lines, own)
    life.made = harness.made
    life.counts = counts
    life.take(harness.arrived)
    return life


def own_modules(harness: Harness) -> set[str]:
    """Names of the modules that change our own store."""
    assert harness.registry is not None
    return {name for name, module in harness.registry.modules.items() if isinstance(module, DataWrite)}


async def look(harness: Harness) -> list[RunResult]:
    """All runs."""
    return [await harness.look(run.id) for run in await harness.store.runs(RunFilter(page=ALL))]


async def all_fates(store: Store) -> Sequence[Delivery]:
    """What became of each receipt."""
    receipts = await store.receipts(ReceiptFilter(page=ALL))
    return await store.deliveries([receipt.id for receipt in receipts])


async def all_lines(harness: Harness, results: Sequence[RunResult]) -> list[list[int]]:
    """The runs that share a key of ``order_by``, those of each key in the order in which they go."""
    plans = {plan.name: plan for plan in harness.plans if plan.lane is not None and plan.lane.most == 1}
    runs = sorted(result.run for result in results if result.run.scenario in plans)
    pasts = await harness.store.pasts(runs)
    lines: defaultdict[str, list[int]] = defaultdict(list)
    for run, past in zip(runs, pasts, strict=True):
        plan = plans[run.scenario]
        with suppress(EngineError):
            data = past_data(run, past, plan)
            lane = event_keys(plan, data, None, 0.0, simulated=run.simulated).lane
            if lane is not None and lane.holds and lane.busy == "queue":
                lines[lane.key].append(run.id)
    return list(lines.values())


async def one_life(harness: Harness, play: Play, acknowledged: list[int], *, first: bool) -> None:
    """One process, from its start until nothing is left to do.

    :param acknowledged: grows by the receipts whose sender was answered.
    :param first: whether the events come now.
    """
    try:
        await harness.start()
    except (InjectedFault, EngineError, asyncio.CancelledError) as error:
        if isinstance(error, asyncio.CancelledError) and not _by_itself(harness.faults):
            raise
        await _part(harness)
        await harness.start()
    for event in play.events if first else ():
        await _apart(_send(harness, event, acknowledged))
    for inputs in play.starts if first else ():
        await _apart(_start(harness, inputs, acknowledged))
    if play.polls:
        await _apart(_poll(harness, acknowledged))
    if play.ticks:
        await _apart(_tick(harness, acknowledged, first=first))
    await come_to_rest(harness, play.prods)


async def _send(harness: Harness, event: Any, acknowledged: list[int]) -> None:
    acknowledged.append((await harness.send(event)).receipt_id)


async def _poll(harness: Harness, acknowledged: list[int]) -> None:
    acknowledged += [accepted.receipt_id for accepted in await harness.poll()]


async def _start(harness: Harness, inputs: Mapping[str, Any], acknowledged: list[int]) -> None:
    accepted, _ = await harness.starts.start(harness.plans[0].name, inputs)
    acknowledged.append(accepted.receipt_id)


async def _tick(harness: Harness, acknowledged: list[int], *, first: bool) -> None:
    coming = [at for plan in harness.timekeeper.plans for at in harness.timekeeper.coming(plan.name, 1)]
    if first and coming:
        harness.clock.jump(max(0.0, min(coming) - harness.clock.time()))
    acknowledged += [accepted.receipt_id for accepted in await harness.tick()]


async def _apart(work: Awaitable[None]) -> None:
    """In a task of its own, as a request is handled: what happens to it happens to nobody else."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task})
    finally:
        task.cancel()
    if not task.cancelled() and (error := task.exception()) and not isinstance(error, InjectedFault | EngineError):
        raise error


async def _part(harness: Harness) -> None:
    """A process ends: what it had in memory is gone."""
    with suppress(SimulatedCrash, EngineError, AttributeError):
        await harness.leave()


async def _until_death(life: Awaitable[None], faults: Any) -> None:
    task, death = asyncio.ensure_future(life), asyncio.ensure_future(faults.death())
    await asyncio.wait({task, death}, return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
    death.cancel()
    for outcome in await asyncio.gather(task, death, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


def _by_itself(faults: Any) -> bool:
    """Whether the task that is here was cancelled by the fault, and not by whoever waits for it."""
    task = asyncio.current_task()
    if not (faults.fired and faults.kind is Kind.CANCEL) or task is None or task.cancelling() != 1:
        return False
    task.uncancel()
    return True


async def _gone_on(harness: Harness) -> None:
    """Return when everything that goes on without time has gone on: what takes real time must not lose virtual time."""
    before = -1
    while (passed := _steps(harness.faults)) != before:
        before = passed
        await harness.written()
        # a run that is taken up is read first, and the store answers one after another
        await harness.store.run_counts()
        await harness.written()


def _steps(faults: Any) -> int:
    return sum(not moment.point.startswith("store.") for moment, _ in faults.passed)


async def come_to_rest(harness: Harness, prods: Sequence[Prod] = ()) -> None:
    """Let time pass until no run has anything left to do, or nothing changes any more."""
    assert isinstance(harness.faults, FaultAt)
    idle, before = 0, None
    clock = harness.clock
    while idle < STUCK_AFTER:
        await _gone_on(harness)
        if harness.faults.fired and harness.faults.kind is Kind.DEATH:
            # no time passes for the dead
            await asyncio.Event().wait()
        runs = await harness.store.runs(RunFilter(page=ALL))
        passing = [run for run in runs if run.state in PASSING]
        if not passing:
            if not await _prodded(harness, prods):
                return
            harness.runner.wake()
            continue
        books = [_steps(harness.faults), *((run.id, run.state, run.due_at, run.recoveries) for run in runs)]
        idle, before = (idle + 1 if books == before else 0), books
        # who is blocked, or waits without an end, waits for one of the others
        timed = [run for run in passing if run.state not in BEHIND or (run.state == "waiting" and run.due_at)]
        dues = [run.due_at for run in timed if run.due_at is not None]
        if dues and len(dues) == len(timed):
            # time passes at once when everybody waits for it
            clock.jump(max(0.0, min(dues) - clock.time() - 1.0))
        if await _prodded(harness, prods):
            harness.runner.wake()
        elif (timer := clock.next_timer) is not None:
            await clock.advance(max(0.0, timer - clock.time()))


async def _prodded(harness: Harness, prods: Sequence[Prod]) -> bool:
    """Whether people and other systems have changed something; whoever meets the fault comes again."""
    assert isinstance(harness.faults, FaultAt)
    changed = False
    for prod in prods:
        before = harness.faults.fired
        task = asyncio.ensure_future(prod(harness))
        await asyncio.wait({task})
        if harness.faults.fired and not before:
            changed = True
        elif not isinstance(task.exception(), StoreError):
            # one that a fault has closed stays so until the restart
            changed |= task.result()
    return changed


# ---------------------------------------------------------------------- the books


def _effect(key: str, results: Sequence[RunResult]) -> str:
    """An effect's key without the event that it belongs to, which has another number in each life."""
    for number, result in enumerate(_numbered(results)):
        if key.startswith(prefix := f"{result.run.scenario}/{result.run.origin}/"):
            return f"{number}:{result.run.scenario}/{key.removeprefix(prefix)}"
    return key


def _numbered(results: Sequence[RunResult]) -> list[RunResult]:
    return sorted(results, key=lambda r: (r.run.receipt_id, r.run.number, r.run.scenario))


def judge(life: Life, without: Life) -> None:
    """Hold a life with a fault against the one without: what is wrong is written into it."""
    held = any(result.state == "held" for result in life.results)
    for result in life.results:
        # whoever shares a key with a run that waits for a person, or has called it, waits for it too
        if result.state in PASSING and not (result.state in BEHIND and held):
            life.lost.append(f"run of {result.run.scenario} stays {result.state}")
        _journal(result, life.faults)
    _lost(life)
    expected = {result.state for result in without.results} | (BEHIND if held else set())
    for result in life.results:
        codes = {hold["code"] for hold in result.holds}
        allowed = {"unknown"} | ({"internal"} if life.kind is Kind.EXCEPTION else set())
        if result.state not in expected and not (result.state == "held" and codes <= allowed):
            life.faults.append(f"run of {result.run.scenario} ended {result.state}: {result.holds or result.error}")
    _sums(life)
    _order(life)
    _effects(life, without)
    _counts(life, without, held=held)


def _lost(life: Life) -> None:
    """Each event that was acknowledged has a fate, and the run that its fate names is there."""
    known = {delivery.receipt_id for delivery in life.fates}
    runs = {result.run.id for result in life.results}
    life.lost.extend(f"receipt {receipt} has no fate" for receipt in life.acknowledged if receipt not in known)
    for fate in life.fates:
        if fate.state is DeliveryState.RUN and fate.run_id not in runs:
            life.lost.append(f"receipt {fate.receipt_id} has no run")


def _journal(result: RunResult, faults: list[str]) -> None:
    rows = [*result.records, *result.effects]
    for what in ("key", "position"):
        twice = [value for value, n in Counter(getattr(row, what) for row in rows).items() if n > 1]
        if twice:
            faults.append(f"rows share a {what}: {twice}")
    if result.state in ("succeeded", "failed"):
        faults.extend(f"{e.key} is left intended" for e in result.effects if e.state is EffectState.INTENDED)


def _sums(life: Life) -> None:
    """Each receipt has a fate; each run is of one delivery of its own, and of those that it has gathered."""
    counts = Counter(life.deliveries)
    receipts, told = counts.pop("receipts", 0), len({fate.receipt_id for fate in life.fates})
    if told != receipts or +counts != Counter(str(fate.state) for fate in life.fates):
        life.faults.append(f"the deliveries do not add up: {dict(life.deliveries)}; {told} receipts have a fate")
    own = Counter(fate.run_id for fate in life.fates if fate.state is DeliveryState.RUN and fate.reason is None)
    for result in life.results:
        if own[result.run.id] != 1:
            life.faults.append(f"a run of {result.run.scenario} has {own[result.run.id]} deliveries of its own")


def _order(life: Life) -> None:
    """Whoever shares a key writes nothing before those in front of it have written all of theirs."""
    runs = [result.run.id for result in _numbered(life.results)]
    wrote = [runs[int(number)] for number in (key.partition(":")[0] for key in life.arrived) if number.isdigit()]
    for line in life.lines:
        places = [line.index(run) for run in wrote if run in line]
        if places != sorted(places):
            life.faults.append(f"runs of one key wrote out of order: {places}")


def _effects(life: Life, without: Life) -> None:
    rows: defaultdict[str, list[EffectRecord]] = defaultdict(list)
    for result in life.results:
        for effect in result.effects:
            rows[_effect(effect.effect_key, life.results)].append(effect)
    for key, attempts in rows.items():
        if attempts[0].module in life.own:
            _own_effect(key, attempts, life)
            continue
        arrived = life.arrived.get(key, [])
        batch = any(map(_items, attempts))
        if batch:
            _batch(key, attempts, life)
        once = max(1, len(without.arrived.get(key, [])))
        states = Counter(row.state for row in attempts)
        if not batch and len({row.request for row in attempts}) > 1:
            life.faults.append(f"{key}: its attempts have different requests")
        if not batch and len(set(arrived)) > len(set(without.arrived.get(key, arrived))):
            life.faults.append(f"{key}: a repetition did not carry the same request")
        if not batch and not Effect(attempts[0].effect).repeatable and len(arrived) > once:
            life.doubled.append(f"{key} arrived {len(arrived)} times")
        if states[EffectState.DONE] and not arrived:
            life.faults.append(f"{key}: the ledger says done, and nothing arrived")
        if len(arrived) > once * len(attempts):
            life.faults.append(f"{key}: arrived {len(arrived)} times, the ledger has {len(attempts)} attempts")
    for key in life.arrived:
        if key not in rows:
            life.faults.append(f"{key} arrived and is not in the ledger")


def _items(row: EffectRecord) -> list[dict[str, Any]]:
    """What became of each item, where the effect is a batch."""
    output: Any = jsontext.loads(row.output) if row.output else None
    items: list[dict[str, Any]] = output["items"] if is_outcome(output) else []
    return items


def _batch(key: str, attempts: Sequence[EffectRecord], life: Life) -> None:
    """Each attempt sends what was not done before it, and nothing of which that is not known."""
    rows = sorted(attempts, key=lambda row: int(row.key.rpartition("#")[2]))
    for before, after in itertools.pairwise(rows):
        known = {item["index"]: item["state"] for item in _items(before)}
        settled = {"done"} if Effect(after.effect).repeatable else {"done", "unknown"}
        attempt = int(after.key.rpartition("#")[2])
        for item in _items(after):
            if item.get("attempt") == attempt and known.get(item["index"]) in settled:
                name = item["key"] or item["index"]
                life.doubled.append(f"{key}: {name} was sent again, and it was {known[item['index']]}")


def _counts(life: Life, without: Life, *, held: bool) -> None:
    """What the vendors have is what they have without a fault; less, where a person has still to say something."""
    for name in without.counts.keys() | life.counts.keys():
        taken, expected = life.counts.get(name, 0), without.counts.get(name, 0)
        if taken > expected:
            life.doubled.append(f"{name} was taken {taken} times")
        if taken < expected and not held and len(life.results) == len(without.results):
            life.lost.append(f"{name} was taken {taken} times")


def _own_effect(key: str, attempts: Sequence[EffectRecord], life: Life) -> None:
    """What is changed in our own store arrives nowhere, is never unknown, and is done once."""
    states = Counter(row.state for row in attempts)
    if states[EffectState.DONE] > 1:
        life.doubled.append(f"{key} was done {states[EffectState.DONE]} times")
    if strange := states.keys() - {EffectState.DONE, EffectState.REFUSED}:
        life.faults.append(f"{key}: a change of our own store is {', '.join(sorted(strange))}")


# ---------------------------------------------------------------------- everywhere


@dataclass
class Report:
    """What came of a scenario that was made to fail everywhere."""

    name: str
    lives: list[Life] = field(default_factory=list)

    @property
    def broken(self) -> list[Life]:
        return [life for life in self.lives if life.broken]

    def row(self) -> list[Any]:
        """Scenario, crash points, survived, held as unknown, lost, doubled, else wrong."""
        lives = self.lives
        return [
            self.name,
            len(lives),
            sum(not life.broken for life in lives),
            sum(life.unknown > 0 for life in lives),
            sum(len(life.lost) for life in lives),
            sum(len(life.doubled) for life in lives),
            sum(len(life.faults) for life in lives),
        ]


HEADERS = ["scenario", "crash points", "survived", "held as unknown", "lost", "doubled", "other faults"]


Choose = Callable[[Sequence[Moment]], Sequence[Moment]]


@dataclass(frozen=True)
class Everywhere:
    """Makes a play fail everywhere.

    :param folder: for the stores' files.
    :param kinds: in which ways.
    :param choose: which of the moments; by default all.
    :param twice: how many of the deaths are followed by another one at each moment of the recovery.
    """

    folder: Path
    kinds: Sequence[Kind] = tuple(Kind)
    choose: Choose = lambda moments: moments
    twice: int = 0

    async def run(self, name: str, play: Play) -> Report:
        """Do it."""
        counting = FaultAt()
        without = await live(play, self._file(), [counting])
        judge(without, without)
        if without.broken:
            raise FailsAnyway(f"'{name}' fails without a fault: {without.said}")
        report = Report(name)
        for kind in self.kinds:
            for number, moment in enumerate(self.choose(counting.moments(kind))):
                life = await self._fail(play, without, report, [(moment, kind)])
                if kind is Kind.DEATH and number < self.twice:
                    await self._again(play, without, report, moment, life)
        return report

    async def _again(self, play: Play, without: Life, report: Report, moment: Moment, life: Life) -> None:
        """Die a second time, at each moment of the life after the first death."""
        counting = FaultAt()
        await live(play, self._file(), [FaultAt(moment), counting])
        for second in self.choose(counting.moments(Kind.DEATH)):
            await self._fail(play, without, report, [(moment, Kind.DEATH), (second, Kind.DEATH)])

    async def _fail(self, play: Play, without: Life, report: Report, at: Sequence[tuple[Moment, Kind]]) -> Life:
        faults = [FaultAt(moment, kind) for moment, kind in at]
        said = f"{at[0][1]} at {' and then '.join(str(moment) for moment, _ in at)}"
        life = await live(play, self._file(), faults, said)
        judge(life, without)
        report.lives.append(life)
        return life

    def _file(self) -> Path:
        number = sum(1 for _ in self.folder.glob("*.db"))
        return self.folder / f"{number}.db"
