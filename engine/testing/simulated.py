"""A whole engine in a test, with the modules' own code, against the simulators of their apps."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from engine.runtime.callers import Attempt, Caller, ModuleCall, ModuleCaller
from engine.runtime.connections import Connections
from engine.runtime.secrets import KeyRing, SecretBox, Secrets
from engine.runtime.simulation import Simulators
from engine.scenario.plan import ModuleStep
from engine.sdk.apps import App, ServingSimulator, Simulator
from engine.sdk.clock import Clock
from engine.sdk.modules import Config, Happened, Json, ProbeResult
from engine.store.memory import MemoryStore
from engine.testing.clock import VirtualClock
from engine.testing.harness import Harness
from engine.testing.watching import TIME, Made, MarkedHttp, Watching, unmarked

#: real seconds for which a request that waits for nobody's clock may take, before virtual time goes on without it
PATIENCE = 2.0


class SimulatedHarness(Harness):
    """Runs scenarios as ``--simulate`` does: nothing of a module is replaced, its vendor is, over HTTP on loopback.

    All is as in ``Harness``, except that there are no doubles. Every connection leads to the simulator of its app and
    need not exist. Engine and simulators share the virtual clock. The simulators outlive ``restart`` and ``crash``.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._simulators: Simulators | None = None
        self._connections: Connections | None = None
        self._losses: Counter[str] = Counter()
        self._traffic = _Traffic()

    def simulator(self, app: str) -> Any:
        """The running simulator of an app, for looking at what it has received. From ``start`` on."""
        assert self._simulators is not None, "the harness is not started"
        running = self._simulators.running[app]
        return running.simulator if isinstance(running, _Unreliable) else running

    def lose_answers(self, app: str, times: int = 1) -> None:
        """Let an app's simulator carry out the next requests, and break the connection before it answers.

        That is how a write gets an unknown outcome. The simulator speaks HTTP; others have their own ways to fail.
        """
        self._losses[app] += times

    async def start(self) -> None:
        """As ``Harness.start``; the first time the simulators are started too."""
        if self._simulators is None:
            assert self.registry is not None
            registry = copy.copy(self.registry)
            registry.apps = {name: self._unreliable(app) for name, app in registry.apps.items()}
            self._simulators = await Simulators(registry, self.clock).__aenter__()
            # the overrides stand in for every connection, so that no secret is ever looked up
            secrets = Secrets({}, SecretBox(MemoryStore(clock=self.clock), KeyRing(Path(), {}), self.clock))
            self._connections = Connections(
                self.project.kept(registry) if self.project is not None else {},
                registry,
                secrets,
                self.clock,
                overrides=self._simulators.overrides,
                folder=self.project.root if self.project is not None else None,
            )
            self._caller = _Counting(self._connections, self._traffic)
        await super().start()

    def _watched(self) -> Caller:
        return (
            self._caller
            if self._simulators is None
            else _Unseen(self._caller, self.arrived, self.made, self._simulators)
        )

    async def stop(self) -> None:
        await super().stop()
        if self._connections is not None and self._simulators is not None:
            await self._connections.close()
            await self._simulators.close()
            self._simulators = self._connections = None

    async def written(self) -> None:
        await super().written()
        # HTTP takes real time, and the run must not lose virtual time to that
        await self._traffic.rest()
        await super().written()

    def _unreliable(self, app: App) -> App:
        make = app.simulator
        if make is None:
            return app

        def wrapped(clock: Clock) -> Simulator | ServingSimulator:
            simulator = make(_Waiting(clock, self._traffic))
            if isinstance(simulator, ServingSimulator):
                return simulator
            return _Unreliable(simulator, app.name, self._losses, self.arrived, self.clock)

        return replace(app, simulator=wrapped)


class _Traffic:
    """Counts calls under way, and simulators that wait for time before they answer."""

    def __init__(self) -> None:
        self.calls = 0
        self.sleepers = 0
        #: real seconds
        self.patience = PATIENCE
        self._changed = asyncio.Event()

    @contextmanager
    def call(self) -> Iterator[None]:
        self.calls += 1
        try:
            yield
        finally:
            self.calls -= 1
            self._changed.set()

    @contextmanager
    def sleeper(self) -> Iterator[None]:
        self.sleepers += 1
        self._changed.set()
        try:
            yield
        finally:
            self.sleepers -= 1

    async def rest(self) -> None:
        """Return when no call goes on that could go on without time; at the latest after ``patience``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.patience):
                while self.calls > self.sleepers:
                    self._changed.clear()
                    await self._changed.wait()


class _Counting(ModuleCaller):
    """Calls modules, and counts.

    :param clock: what tells the time to simulators whose own clock is another one.
    """

    def __init__(self, connections: Connections, traffic: _Traffic, clock: Clock | None = None) -> None:
        super().__init__(connections)
        self._traffic = traffic
        self._clock = clock

    async def call(self, step: ModuleStep, config: Config, attempt: Attempt) -> Json:
        with self._traffic.call():
            return await super().call(step, config, attempt)

    def _open(self, step: ModuleStep, config: Config, attempt: Attempt) -> ModuleCall:
        call = super()._open(step, config, attempt)
        now = None if self._clock is None else self._clock.time()
        return call._replace(http=MarkedHttp(call.http, attempt.effect_key, now))

    async def probe(self, step: ModuleStep, config: Config, attempt: Attempt) -> Happened | ProbeResult:
        with self._traffic.call():
            return await super().probe(step, config, attempt)


class _Unseen(Watching):
    """Keeps the writes of apps whose simulator does not see what arrives by HTTP, or that have none."""

    def __init__(self, caller: Caller, arrived: dict[str, list[str]], made: Made, simulators: Simulators) -> None:
        super().__init__(caller, arrived, made)
        self._simulators = simulators

    async def call(self, step: ModuleStep, config: Config, attempt: Attempt) -> Json:
        if isinstance(self._simulators.running.get(step.module_name.partition(".")[0]), _Unreliable):
            self.count(step, config)
            return await self._caller.call(step, config, attempt)
        return await super().call(step, config, attempt)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """The clock as simulators have it: it is known when they wait."""

    clock: Clock
    traffic: _Traffic

    def time(self) -> float:
        return self.clock.time()

    async def sleep(self, seconds: float) -> None:
        with self.traffic.sleeper():
            await self.clock.sleep(seconds)

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        return self.clock.timeout(seconds)


@dataclass(frozen=True, slots=True)
class _Unreliable:
    """A simulator whose answers get lost when the test says so.

    :param clock: goes on to the time that a request says.
    """

    simulator: Simulator
    app: str
    losses: Counter[str]
    arrived: dict[str, list[str]]
    clock: VirtualClock

    @property
    def behaviours(self) -> Any:
        return self.simulator.behaviours

    def connection(self, base_url: str) -> Mapping[str, Any]:
        return self.simulator.connection(base_url)

    def application(self) -> web.Application:
        application = self.simulator.application()

        @web.middleware
        async def lose(request: web.Request, handler: Handler) -> web.StreamResponse:
            lost = self.losses[self.app] > 0
            self.losses[self.app] -= lost
            if TIME in request.headers:
                self.clock.jump(max(0.0, float(request.headers[TIME]) - self.clock.time()))
            answer = await handler(await unmarked(request, self.arrived))
            if lost and request.transport is not None:
                request.transport.abort()
            return answer

        application.middlewares.insert(0, lose)
        return application
