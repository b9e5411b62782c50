"""A whole engine in a test: scenarios, a virtual clock, a store that can be crashed, module doubles."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from engine import plugins
from engine.runtime import answers, replays
from engine.runtime.alert_settings import AlertChannel
from engine.runtime.alerts import Alerts
from engine.runtime.callees import Callees
from engine.runtime.callers import Caller, ModuleCaller
from engine.runtime.catalog import Catalog
from engine.runtime.channels import Channels
from engine.runtime.commands import Choice, resume
from engine.runtime.intake import Accepted, Intake
from engine.runtime.polling import ModulePages, Pages, Poller, polled
from engine.runtime.polling import delivery as poll_delivery
from engine.runtime.project import Project
from engine.runtime.redact import Redactor
from engine.runtime.runner import Runner
from engine.runtime.second_tries import SecondTries
from engine.runtime.secrets import Secrets
from engine.runtime.settings import Limits
from engine.runtime.starts import Starts
from engine.runtime.timekeeper import Timekeeper
from engine.runtime.watch import Watch
from engine.scenario.diagnostics import ScenarioError, Severity
from engine.scenario.load import load_scenario
from engine.scenario.plan import Scenario
from engine.sdk import jsontext
from engine.sdk.clock import utc
from engine.sdk.errors import StoreError
from engine.sdk.faults import NO_FAULTS, Faults
from engine.sdk.modules import Delivery
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.memory import MemoryStore
from engine.store.records import EffectFilter, EffectRecord, Record, Run, RunFilter
from engine.testing.clock import VirtualClock
from engine.testing.doubles import Double, DoubleCaller, Recorded
from engine.testing.faults import CrashAt
from engine.testing.pages import DoublePages
from engine.testing.watching import Made, Watching

#: real seconds after which a test that waits for a run is told what the run waits for
PATIENCE = 10.0
#: states in which a run waits for a time, or for another run
_PATIENT = ("sleeping", "waiting", "gathering", "blocked")


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run as a test looks at it."""

    run: Run
    records: Sequence[Record]
    effects: Sequence[EffectRecord]

    @property
    def state(self) -> str:
        return str(self.run.state)

    @property
    def output(self) -> Any:
        return self._result().get("output")

    @property
    def message(self) -> Any:
        """What a ``stop: success`` said."""
        return self._result().get("message")

    @property
    def error(self) -> Any:
        return self._result().get("error")

    @property
    def holds(self) -> list[dict[str, Any]]:
        return jsontext.loads(self.run.hold) if self.run.hold else []

    def _result(self) -> dict[str, Any]:
        return jsontext.loads(self.run.result) if self.run.result else {}


@dataclass
class Harness:
    """Runs scenarios offline.

    :param sources: texts of scenario files.
    :param doubles: functions that stand for modules, by name; see ``DoubleCaller``.
    :param caller: carries out calls in place of doubles.
    :param registry: what is installed; by default everything that is.
    :param pages: reads the pages of polling triggers; by default the modules, or the doubles that stand for them.
    :param defaults: the ``defaults:`` of the project's ``engine.yaml``, as JSON.
    :param env: its ``env:``; None: not known.
    :param channels: who is told of alerts, once ``watch`` was started or looks; ``sender`` sends to them.
    :param limits: as ``limits`` in ``engine.yaml``: sizes, and what the watch goes by.
    :param held_retry: seconds before each automatic try of held runs, as ``held.retry`` in ``engine.yaml``.
    :param tries_at_once: as ``held.at_once`` there.
    :param new_store: opens the store, again after each restart; by default one in memory.
    :param called: texts of scenario files that are there to be called: no event, poll or schedule starts them.
    :param project: whose folder relative paths begin in, and whose connections keep what simulators leave to them.
    """

    sources: Sequence[str]
    doubles: Mapping[str, Double] = field(default_factory=dict)
    caller: Caller | None = None
    pages: Pages | None = None
    registry: plugins.Registry | None = None
    clock: VirtualClock = field(default_factory=VirtualClock)
    faults: Faults = NO_FAULTS
    new_store: Callable[[Store | None], Awaitable[Store]] | None = None
    max_running: int = 200
    defaults: str = ""
    env: Mapping[str, Any] | None = None
    channels: Sequence[AlertChannel] = ()
    sender: Channels | None = None
    limits: Limits = field(default_factory=Limits)
    held_retry: Sequence[float] = ()
    tries_at_once: int = 3
    called: Sequence[str] = ()
    project: Project | None = None

    @classmethod
    def of(cls, *files: str | Path, **options: Any) -> Self:
        """Runs scenario files, with the local modules of their project.

        :param options: as of the class.
        :raises PluginError: a plugin could not be loaded.
        """
        project = Project.find(Path(files[0]))
        registry = plugins.load(project.modules_folder)
        if registry.problems:
            raise registry.problems[0]
        settings = project.settings
        given = {
            "registry": registry,
            "defaults": settings.defaults,
            "env": settings.env,
            "project": project,
            **options,
        }
        return cls([Path(file).read_text("utf-8") for file in files], **given)

    def __post_init__(self) -> None:
        self.registry = self.registry if self.registry is not None else plugins.load()
        self._caller = self.caller if self.caller is not None else DoubleCaller(self.doubles)
        plans = [self._load(source, number) for number, source in enumerate((*self.sources, *self.called))]
        self.plans, self._called = plans[: len(self.sources)], plans[len(self.sources) :]
        #: by effect key, all that the vendors received that may have changed something, over all restarts
        self.arrived: dict[str, list[str]] = {}
        #: how often modules were called, over all restarts
        self.made = Made()
        self.store: Store
        self._runner: Runner | None = None
        self._open: Store | None = None

    def _load(self, source: str, number: int) -> Scenario:
        assert self.registry is not None
        plan, diagnostics = load_scenario(
            source, f"scenario-{number}.yaml", self.registry, defaults=self.defaults, env=self.env
        )
        if plan is None:
            raise ScenarioError([d for d in diagnostics if d.severity is Severity.ERROR])
        return plan

    @property
    def runner(self) -> Runner:
        """The executor, from ``start`` on."""
        assert self._runner is not None
        return self._runner

    @runner.setter
    def runner(self, runner: Runner) -> None:
        self._runner = runner

    @property
    def calls(self) -> list[Recorded]:
        """Calls that were made to doubles, in order, over all restarts."""
        assert isinstance(self._caller, DoubleCaller)
        return self._caller.calls

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def executes(self) -> bool:
        """Whether there is an executor session: it was started, and neither stopped nor left."""
        return self._runner is not None

    async def start(self) -> None:
        """Open the store and begin an executor session; what an earlier one left is taken up.

        Where it fails all is let go of again, as by a process that ends: two executors would take one another's runs.
        """
        self.store = await self._new_store()
        self._open = self.store
        try:
            await self._begin()
        except BaseException:
            runner, self._runner = self._runner, None
            if runner is not None:
                await runner.stop(grace=0)
            raise

    async def _begin(self) -> None:
        assert self.registry is not None
        catalog = self._catalog = Catalog([*self.plans, *self._called], self.registry, self.store, self.clock)
        await catalog.keep()
        self._runner = Runner(
            self.store,
            catalog,
            self._watched(),
            self.clock,
            faults=self.faults,
            max_running=self.max_running,
            held_retry=self.held_retry,
            limits=self.limits,
        )
        self.intake = Intake(self.store, self._runner, self.clock, self.faults, most=self.limits.body)
        self._runner.callees = Callees(catalog, self.intake, self._runner, self.store, self.clock)
        await self._runner.start()
        self.second_tries = SecondTries(
            self.store, self.clock, self._runner.wake, at_once=self.tries_at_once, faults=self.faults
        )
        self.poller = Poller(
            self.plans, self.store, self._runner, self.intake, self._new_pages(), self.clock, faults=self.faults
        )
        self.timekeeper = Timekeeper(self.plans, self.store, self._runner, self.intake, self.clock, faults=self.faults)
        self.starts = Starts(catalog, self.intake, self.store, self.clock)
        self.watch = self._new_watch()
        await self.timekeeper.prepare()
        self.second_tries.start()

    def _new_watch(self) -> Watch:
        assert self._runner is not None
        sender = self.sender if self.sender is not None else Channels(Secrets({}), self.clock)
        self.alerts = Alerts(self.channels, sender, self.store, self.clock, source="test", faults=self.faults)

        async def redactor() -> Redactor:
            return Redactor()

        return Watch(
            self.plans,
            self.store,
            self._runner,
            self.alerts,
            self.clock,
            self.limits,
            redactor=redactor,
            faults=self.faults,
        )

    def _watched(self) -> Caller:
        return Watching(self._caller, self.arrived, self.made)

    def _new_pages(self) -> Pages:
        if self.pages is not None:
            return self.pages
        if isinstance(self._caller, ModuleCaller):
            return ModulePages(self._caller.connections, self.clock)
        return DoublePages(self._caller if isinstance(self._caller, DoubleCaller) else DoubleCaller(self.doubles))

    async def _new_store(self) -> Store:
        if self.new_store is not None:
            return await self.new_store(self._open)
        before = self._open
        if isinstance(before, MemoryStore):
            store = before.reborn(self.faults)
        else:
            store = MemoryStore(clock=self.clock, faults=self.faults)
        await store.open()
        return store

    async def stop(self) -> None:
        await self.leave()
        await self.store.close()

    async def leave(self) -> None:
        """Let go of all runs as a process that ends; the store stays open until ``stop`` or the next ``start``."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await self.watch.stop()
            await self.poller.stop()
            await self.timekeeper.stop()
            await self.second_tries.stop()
            await runner.stop(grace=0)

    async def restart(self, faults: Faults = NO_FAULTS) -> None:
        """What a new process finds after the old one died: what was durable, and nothing else."""
        await self.leave()
        self.faults = faults
        await self.start()

    async def send(
        self, event: Any, *, headers: Mapping[str, str] | None = None, to: str | None = None, webhook: str = ""
    ) -> Accepted:
        """Deliver an event as a JSON webhook to all scenarios that have one, or to the one that is named.

        :param webhook: to which it comes; by default the scenario's own, where one listens.

        Where there are polling triggers only, the event is an item that their sweep has found.
        """
        raw = jsontext.dumps(event)
        delivery = Delivery(
            "POST",
            {"content-type": "application/json", **(headers or {})},
            {},
            raw,
            jsontext.loads(raw),
            utc(self.clock.time()),
        )
        listeners = [plan for plan in self.plans if to in (None, plan.name)]
        if listeners and all(polled(plan) for plan in listeners):
            return await self.intake.accept("test", listeners, poll_delivery([event], self.clock.time()))
        listeners = [plan for plan in listeners if not polled(plan)]
        if not webhook and len(listeners) == 1 and listeners[0].events:
            webhook = f"scenario:{listeners[0].name}"
        return await self.intake.accept(webhook or "test", listeners, delivery)

    async def poll(self, name: str | None = None) -> list[Accepted]:
        """Sweep the polling triggers of all active scenarios once, or that of the one that is named.

        :returns: what became of each page that brought something new.
        :raises EngineError: a page could not be read.
        """
        found: list[Accepted] = []
        for plan in self.plans:
            if polled(plan) is not None and plan.active and name in (None, plan.name):
                await self.poller.sweep(plan, accepted=found.append)
        return found

    async def begin(self, name: str | None = None, key: str | None = None, **inputs: Any) -> RunResult:
        """Start a scenario by hand with these inputs, and wait until its run has left memory.

        :param name: which; may be left out where there is one.
        :param key: a start that comes again under it gives the first one's run.
        """
        accepted, _ = await self.starts.start(name or self.plans[0].name, inputs, key)
        return await self.result(accepted.runs[0])

    async def tick(self, name: str | None = None) -> list[Accepted]:
        """Start what the schedules of all active scenarios, or of the one that is named, ask for by now.

        :returns: what became of each schedule that was due.
        """
        found: list[Accepted] = []
        await self.timekeeper.look(name, accepted=found.append)
        return found

    async def run(self, event: Any, **options: Any) -> RunResult:
        """Deliver an event, and wait until its one run has left memory."""
        accepted = await self.send(event, **options)
        [run_id] = accepted.runs
        return await self.result(run_id)

    async def result(self, run_id: int, *, advance: float = 0.0) -> RunResult:
        """A run once it is neither queued nor running, and waits for nothing that happens by itself.

        :param advance: seconds by which time may move while the run waits for it.
        """
        target = self.clock.time() + advance
        async with asyncio.timeout(PATIENCE):
            before: RunResult | None = None
            while True:
                await self.written()
                result = await self.look(run_id)
                due = self.clock.next_timer
                if result.state not in ("queued", "running", *_PATIENT):
                    return result
                if result != before:
                    # a store in a file takes its time, and the run must not lose virtual time to that
                    before = result
                    continue
                if due is not None and due <= target:
                    await self.clock.advance(max(0.0, due - self.clock.time()))
                elif result.state in _PATIENT and (result.run.due_at or math.inf) > target:
                    return result
                await asyncio.sleep(0)

    async def written(self) -> None:
        """Return when everything that goes on without time has gone on, and the store has written what came of it."""
        await self.clock.settle()
        with suppress(StoreError):
            await self.store.put()
        await self.clock.settle()

    async def resume(
        self, run_id: int, choice: str, *, output: Any = None, step: str | None = None, reason: str = ""
    ) -> RunResult:
        """Say, as a person would, how a held run goes on, and let it.

        :param choice: ``happened`` (with ``output``), ``again``, ``skip`` or ``give-up``.
        :param step: which step, where several are held.
        :raises CommandRefused: the run is not held, or it is not clear which step is meant.
        """
        now = self.clock.time()
        await resume(self.store, run_id, Choice(choice), now, output=output, step=step, reason=reason, by="test")
        self.runner.wake()
        return await self.result(run_id)

    async def replay(self, run_id: int, start: str | None = None, *, current: bool = True) -> RunResult:
        """Replay a run, and wait until the replay has come to rest.

        :param start: path of the step from which everything is done anew; None: from the beginning.
        :param current: under the scenario's current file, otherwise under the version that the run had.
        :raises NotReplayable: it is not over, or another run of its event is not.
        """
        wanted = replays.Wanted(start, current, by="test")
        faults, epoch = self.faults, self.runner.epoch
        made = await replays.replay(self.store, self._catalog, self.clock, run_id, wanted, epoch=epoch, faults=faults)
        self.runner.wake(made.scenarios)
        return await self.result(made.run.id)

    async def signal(self, name: str, key: str | None = None, data: Any = None, *, keep: float = 0.0) -> int:
        """Send a signal; gives how many runs it reached.

        :param keep: seconds for which it waits for a run, where none waits for it.
        """
        sent = await answers.send_signal(
            self.store, self.runner, name, key or "", data, self.clock.time(), keep=keep, faults=self.faults
        )
        return sent.reached

    async def approve(
        self, run_id: int, *, yes: bool = True, step: str | None = None, comment: str | None = None, by: str = "test"
    ) -> RunResult:
        """Answer, as a person would, what a run asks, and let it go on.

        :param step: which step, where several ask.
        :raises AnswerRefused: the run asks nothing, or it is not clear which step is meant.
        """
        wait = await answers.asked(self.store, run_id, step)
        now = self.clock.time()
        await answers.approve(self.store, self.runner, wait, now, yes=yes, comment=comment, by=by, faults=self.faults)
        return await self.result(run_id)

    async def crash(self, faults: CrashAt, *events: Any) -> list[RunResult]:
        """Start, take these events one after another, die where ``faults`` says, and go on as a new process.

        Where the point is never reached, nothing dies. End with ``stop``, as after ``start``.

        :returns: all runs at rest, newest first.
        """
        self.faults = faults

        async def live() -> None:
            await self.start()
            for event in events:
                await self.send(event)
            await self.rest()

        # who is dead answers nobody, so whoever waits for it is cut off
        life, death = asyncio.ensure_future(live()), asyncio.ensure_future(faults.death())
        await asyncio.wait({life, death}, return_when=asyncio.FIRST_COMPLETED)
        life.cancel()
        death.cancel()
        for outcome in await asyncio.gather(life, death, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
        await self.restart()
        return await self.rest()

    async def rest(self) -> list[RunResult]:
        """All runs, newest first, once none of them is queued or running."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = [await self.look(run.id) for run in await self.store.runs(RunFilter())]
                if all(result.state not in ("queued", "running") for result in found):
                    return found
                await self.clock.settle()

    async def look(self, run_id: int) -> RunResult:
        """A run as it is now."""
        run = await self.store.run(run_id)
        if run is None:
            raise AssertionError(f"there is no run {show(run_id)}")
        records = await self.store.records(run_id)
        return RunResult(run, records, await self.store.effects(EffectFilter(run_id=run_id)))
