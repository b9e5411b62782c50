"""A whole engine in a test, with the modules' own code, against the simulators of their apps."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from engine.runtime.callers import ModuleCaller
from engine.runtime.connections import Connections
from engine.runtime.secrets import KeyRing, SecretBox, Secrets
from engine.runtime.simulation import Simulators
from engine.sdk.apps import App, Simulator
from engine.sdk.clock import Clock
from engine.store.memory import MemoryStore
from engine.testing.harness import Harness


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

    def simulator(self, app: str) -> Any:
        """The running simulator of an app, for looking at what it has received. From ``start`` on."""
        assert self._simulators is not None, "the harness is not started"
        running = self._simulators.running[app]
        assert isinstance(running, _Unreliable)
        return running.simulator

    def lose_answers(self, app: str, times: int = 1) -> None:
        """Let an app's simulator carry out the next requests, and break the connection before it answers.

        That is how a write gets an unknown outcome.
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
            self._connections = Connections({}, registry, secrets, self.clock, overrides=self._simulators.overrides)
            self._caller = ModuleCaller(self._connections)
        await super().start()

    async def stop(self) -> None:
        await super().stop()
        if self._connections is not None and self._simulators is not None:
            await self._connections.close()
            await self._simulators.close()
            self._simulators = self._connections = None

    def _unreliable(self, app: App) -> App:
        make = app.simulator
        if make is None:
            return app

        def wrapped(clock: Clock) -> Simulator:
            return _Unreliable(make(clock), app.name, self._losses)

        return replace(app, simulator=wrapped)


@dataclass(frozen=True, slots=True)
class _Unreliable:
    """A simulator whose answers get lost when the test says so."""

    simulator: Simulator
    app: str
    losses: Counter[str]

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
            answer = await handler(request)
            if lost and request.transport is not None:
                request.transport.abort()
            return answer

        application.middlewares.insert(0, lose)
        return application
