"""Everything that executes one store, put together: what ``engine run`` and ``engine serve`` start."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

from engine import plugins
from engine.runtime.alerts import Alerts
from engine.runtime.authorizing import Authorizations
from engine.runtime.callees import Callees
from engine.runtime.callers import Caller, ModuleCaller
from engine.runtime.catalog import Catalog
from engine.runtime.channels import Channels
from engine.runtime.clock import SystemClock
from engine.runtime.connection_file import ConnectionEntry
from engine.runtime.connections import Connections
from engine.runtime.data import DeclaredData
from engine.runtime.dryrun import Audience, DryRunEffects, Rehearsal
from engine.runtime.durable import DurableEffects
from engine.runtime.gone import forget_gone
from engine.runtime.grants import Grants
from engine.runtime.intake import Intake
from engine.runtime.interpreter import Interpreter
from engine.runtime.observers import Observer
from engine.runtime.polling import ModulePages, Poller
from engine.runtime.project import Project
from engine.runtime.pruning import Pruner
from engine.runtime.runner import Runner
from engine.runtime.second_tries import SecondTries
from engine.runtime.secrets import KeyRing, SecretBox, Secrets
from engine.runtime.simulation import Simulators
from engine.runtime.starts import Starts
from engine.runtime.timekeeper import Timekeeper
from engine.runtime.watch import Watch
from engine.runtime.webhooks import Webhooks
from engine.scenario.callees import Callee
from engine.scenario.diagnostics import Diagnostic, ScenarioError, Severity
from engine.scenario.load import load_file
from engine.scenario.plan import Scenario
from engine.scenario.together import Read, check_together, resolve
from engine.sdk.clock import Clock
from engine.sdk.errors import ConfigError
from engine.sdk.faults import NO_FAULTS, Faults
from engine.store.changes import PutPoll, PutPollItems, PutSecret
from engine.store.data import AllData, lent
from engine.store.interface import Store
from engine.store.lock import ExecutorLock
from engine.store.memory import MemoryStore
from engine.store.sqlite import SqliteStore

STORE_FILE = "store.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a process executes.

    :param data: folder of the store; None: the project's.
    :param simulate: every app answers from its simulator.
    :param dry_run: told of what is not done; nothing is kept.
    :param walk: makes the walk of each run.
    """

    data: Path | None = None
    simulate: bool = False
    dry_run: Audience | None = None
    walk: Callable[[Scenario, DurableEffects], Interpreter] = Interpreter
    observer: Observer | None = None
    faults: Faults = NO_FAULTS
    command: str = "engine"


class Loaded(NamedTuple):
    """Scenario files as they were loaded.

    :param scenarios: those without errors.
    :param sources: by file, for showing what is wrong.
    :param called: other scenarios of the project, where one of these calls any.
    """

    scenarios: list[Scenario]
    diagnostics: list[Diagnostic]
    sources: dict[str, str]
    called: list[Scenario]


def load_scenarios(
    project: Project, registry: plugins.Registry, paths: Sequence[Path], *, simulate: bool
) -> tuple[list[Scenario], list[Diagnostic], dict[str, str]]:
    """As ``load_files``, without what is only called."""
    loaded = load_files(project, registry, paths, simulate=simulate)
    return loaded.scenarios, loaded.diagnostics, loaded.sources


def load_files(project: Project, registry: plugins.Registry, paths: Sequence[Path], *, simulate: bool) -> Loaded:
    """Load scenario files, and what they call.

    :raises ConfigError: a file cannot be read.
    """
    entries = {} if simulate else project.connections(registry)
    connections = None if simulate else {name: entry.type for name, entry in entries.items()}
    settings = project.settings

    def again(file: str, callees: Mapping[str, Callee]) -> tuple[Scenario | None, list[Diagnostic]]:
        return load_file(
            Path(file), registry, connections, settings.webhooks, settings.defaults, callees, **settings.known
        )

    def read(path: Path) -> Read:
        try:
            plan, found = load_file(path, registry, connections, settings.webhooks, settings.defaults, **settings.known)
            return Read(str(path), path.read_text("utf-8", "replace"), plan, found)
        except OSError as error:
            raise ConfigError(f"the scenario cannot be read: {error.strerror}", place=str(path)) from None

    files = [read(path) for path in project.scenario_files(paths)]
    asked = {Path(one.file).resolve() for one in files}
    rest = resolve(
        files, lambda: (read(path) for path in project.scenario_files() if path.resolve() not in asked), again
    )
    scenarios = [one.plan for one in files if one.plan is not None]
    called = [one.plan for one in rest if one.plan is not None]
    diagnostics = [found for one in files for found in one.diagnostics]
    diagnostics += check_together(scenarios, called)
    sources = {one.file: one.source for one in files}
    return Loaded(scenarios, diagnostics, sources, called)


class Change(NamedTuple):
    """What a process goes over to: a project, its connections and scenarios as their files are now.

    :param called: see ``Host``.
    """

    project: Project
    connections: Mapping[str, ConnectionEntry]
    scenarios: Sequence[Scenario]
    called: Sequence[Scenario] = ()


class Reloads(Protocol):
    """Who takes over changed files; see ``engine.runtime.reload``."""

    @property
    def standings(self) -> Any: ...

    async def reload(self) -> Any: ...


class Host:
    """A store, its executor, and all that they need. Use as an async context manager.

    :param called: scenarios whose triggers are left alone: they are run where one of ``scenarios`` calls them.
    """

    def __init__(
        self,
        project: Project,
        registry: plugins.Registry,
        scenarios: Sequence[Scenario],
        options: Options,
        *,
        called: Sequence[Scenario] = (),
        clock: Clock | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._called = called
        self.project = project
        self.registry = registry
        self.options = options
        self.clock: Clock = clock or SystemClock()
        self._scenarios = scenarios
        self._environment = os.environ if environment is None else environment
        self._stack = AsyncExitStack()
        self.data = project.data_dir(options.data)
        #: takes over changed files, where it is served so
        self.reloading: Reloads | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        options, clock = self.options, self.clock
        self.store = await self._open_store()
        self.secrets = Secrets(self._environment, SecretBox(self.store, KeyRing(self.data, self._environment), clock))
        overrides = None
        if options.simulate:
            self.simulators = await self._stack.enter_async_context(Simulators(self.registry, clock))
            overrides = self.simulators.overrides
            entries = self.project.kept(self.registry)
        else:
            entries = dict(self.project.connections(self.registry))
        self.connections = Connections(
            entries,
            self.registry,
            self.secrets,
            clock,
            http=self.project.settings.http,
            overrides=overrides,
            folder=self.project.root,
            grants=await self._grants(),
            faults=options.faults,
        )
        self._stack.push_async_callback(self.connections.close)
        caller: Caller = ModuleCaller(self.connections, self.project.settings.limits.output)
        self.catalog = Catalog([*self._called, *self._scenarios], self.registry, self.store, clock)
        await self.catalog.keep()
        await forget_gone(self.store, [plan.name for plan in self._scenarios], clock)
        self.runner = Runner(
            self.store,
            self.catalog,
            caller,
            clock,
            simulated=options.simulate,
            observer=options.observer,
            faults=options.faults,
            max_running=self.project.settings.limits.concurrency,
            held_retry=self.project.settings.held.retry,
            limits=self.project.settings.limits,
            effects=self._effects(),
            walk=options.walk,
        )
        limits = self.project.settings.limits
        known_for = self.project.settings.history.dedupe_for
        self.intake = Intake(self.store, self.runner, clock, options.faults, known_for=known_for, most=limits.body)
        pages = ModulePages(self.connections, clock)
        self.poller = Poller(self._scenarios, self.store, self.runner, self.intake, pages, clock, faults=options.faults)
        self.pruner = Pruner(
            self.store,
            self.project.settings.history,
            self.catalog.keep_of,
            lambda: self.catalog.versions,
            clock,
            faults=options.faults,
        )
        self.timekeeper = Timekeeper(
            self._scenarios, self.store, self.runner, self.intake, clock, faults=options.faults
        )
        self.starts = Starts(self.catalog, self.intake, self.store, clock)
        self.runner.data = DeclaredData(self.project.settings.data)
        self.runner.callees = Callees(self.catalog, self.intake, self.runner, self.store, clock)
        self.webhooks = Webhooks(self.store, clock)
        await self.webhooks.load(self._scenarios, self.project.settings.webhooks)
        server = self.project.settings.server
        self.runner.links.base = server.public_url or f"http://{server.host}:{server.port}"
        await self.runner.start()
        self._stack.push_async_callback(self.runner.stop)
        self.alerts = Alerts(
            self.project.settings.alerts,
            Channels(self.secrets, clock),
            self.store,
            clock,
            source=self.project.name,
            simulated=options.simulate,
            faults=options.faults,
        )
        #: started by whoever serves; a command for one run tells the person at the keyboard
        self.watch = Watch(
            self._scenarios,
            self.store,
            self.runner,
            self.alerts,
            clock,
            self.project.settings.limits,
            redactor=self.connections.redactor,
            authorizations=None
            if options.simulate
            else Authorizations(self.connections, self.store, self.alerts, clock, self.runner.wake),
            faults=options.faults,
        )
        if options.dry_run is None:
            self.second_tries = SecondTries(
                self.store,
                clock,
                self.runner.wake,
                at_once=self.project.settings.held.at_once,
                simulated=options.simulate,
                faults=options.faults,
            )
            self._stack.push_async_callback(self.second_tries.stop)
            self.second_tries.start()
        if options.dry_run is None:
            self._stack.push_async_callback(self.pruner.stop)
            self.pruner.start()

    @property
    def _command(self) -> str:
        named = self.project.environment
        return f"{self.options.command} --env {named}" if named else self.options.command

    def _effects(self) -> Callable[..., DurableEffects]:
        if self.options.dry_run is None:
            return DurableEffects
        return partial(
            DryRunEffects,
            audience=self.options.dry_run,
            plan_of=lambda run: self.catalog.loaded(run.scenario, run.version),
            simulated=self.options.simulate,
            rehearsal=Rehearsal(),
        )

    async def follow(self, change: Change) -> None:
        """Go over to changed files, in one step. Runs that have begun keep their version.

        :raises StoreError: it cannot be stored; what was served is served still.
        :raises ConfigError: the secret of a webhook's check is missing; likewise.
        """
        project, plans, faults = change.project, change.scenarios, self.options.faults
        settings = project.settings
        for name, webhook in settings.webhooks.items():
            if webhook.check is not None and webhook != self.project.settings.webhooks.get(name):
                await self.secrets.resolve(webhook.check.secret)
        faults.hit("reload.keeping")
        every = [*change.called, *plans]
        gone = {plan.name for plan in self.catalog.scenarios} - {plan.name for plan in every}
        await self.catalog.keep(every)
        begun = await self.runner.begun(every)
        await forget_gone(self.store, [plan.name for plan in plans], self.clock)
        faults.hit("reload.kept")
        await self.webhooks.load(plans, settings.webhooks)
        # from here on nothing waits, so that nobody sees a half of it
        self.catalog.follow(every)
        if not self.options.simulate:
            self.connections.follow(change.connections)
        self.runner.follow(every, gone, begun)
        self.poller.follow(plans)
        self.timekeeper.follow(plans)
        self.watch.follow(plans)
        self.alerts.follow(settings.alerts)
        self.pruner.follow(settings.history)
        self.intake.known_for = settings.history.dedupe_for
        self.project = project

    async def _open_store(self) -> Store:
        store: Store
        if self.options.dry_run is not None:
            store = MemoryStore(clock=self.clock)
        else:
            self._stack.enter_context(ExecutorLock(self.data, clock=self.clock, command=self._command))
            environment = self.project.environment or ""
            store = SqliteStore(
                self.data / STORE_FILE, clock=self.clock, faults=self.options.faults, environment=environment
            )
        await store.open()
        self._stack.push_async_callback(store.close)
        if self.options.dry_run is not None:
            await self._lend(store)
        return store

    async def _grants(self) -> Grants | None:
        """What a dry run uses of authorizations: its own are not kept, and renewed tokens must be."""
        path = self.data / STORE_FILE
        if self.options.dry_run is None or self.options.simulate or not path.is_file():
            return None
        kept = SqliteStore(path, clock=self.clock, environment=self.project.environment or "")
        await kept.open()
        self._stack.push_async_callback(kept.close)
        return Grants(SecretBox(kept, KeyRing(self.data, self._environment), self.clock), self.clock)

    async def _lend(self, store: Store) -> None:
        """A dry run keeps nothing, but its reads need the stored secrets, and polling begins where it stands."""
        path = self.data / STORE_FILE
        if not path.is_file():
            return
        kept = SqliteStore(path, clock=self.clock, environment=self.project.environment or "")
        await kept.open()
        try:
            secrets = await kept.secrets()
            polls = await kept.polls()
            items = [(poll, tuple(await kept.poll_items(poll.scenario, poll.simulated))) for poll in polls]
            data = [row for row in await kept.ask(AllData()) if row.simulated == self.options.simulate]
        finally:
            await kept.close()
        now = self.clock.time()
        await store.put(
            *(PutSecret(name, value, now) for name, value in secrets.items()),
            *(PutPoll(poll) for poll in polls),
            *(PutPollItems(poll.scenario, poll.simulated, own) for poll, own in items),
            *(lent(row) for row in data),
        )


def mistakes(diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    """Those that keep a scenario from running."""
    return [d for d in diagnostics if d.severity is Severity.ERROR]


def require_sound(diagnostics: Sequence[Diagnostic]) -> None:
    """Raise ``ScenarioError`` when a scenario has an error."""
    if mistakes(diagnostics):
        raise ScenarioError(diagnostics)
