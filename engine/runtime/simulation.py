"""Simulators of the installed apps on loopback, and the connections that lead to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Self

from aiohttp import web

from engine.plugins import Registry
from engine.sdk.apps import App, Simulator
from engine.sdk.clock import Clock
from engine.sdk.errors import ConfigError, EngineError, PluginError
from engine.sdk.modules import Json


class Simulators:
    """Runs simulators: ``async with Simulators(registry, clock) as simulators``.

    :param apps: names of the apps that are wanted; None: all that have a simulator.
    :param port: where to listen; 0 takes a free port for each, another number serves one app.
    """

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        *,
        apps: Collection[str] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._wanted = apps
        self._host = host
        self._port = port
        self._runners: list[web.AppRunner] = []
        self._overrides: dict[str, Mapping[str, Json]] = {}
        #: the running simulators by name of their app
        self.running: dict[str, Simulator] = {}
        #: their base URLs by name of their app
        self.urls: dict[str, str] = {}

    @property
    def overrides(self) -> Mapping[str, Mapping[str, Json]]:
        """Fields of a connection by connection type, secrets included; for ``Connections``."""
        return self._overrides

    async def __aenter__(self) -> Self:
        try:
            for app in self._chosen():
                await self._start(app)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop all simulators."""
        while self._runners:
            await self._runners.pop().cleanup()

    def _chosen(self) -> list[App]:
        apps = self._registry.apps
        for name in self._wanted or ():
            if name not in apps:
                raise ConfigError(f"no app '{name}' is installed", hint="list them with `engine modules`")
            if apps[name].simulator is None:
                raise ConfigError(f"app '{name}' has no simulator")
        return [a for a in apps.values() if a.simulator and (self._wanted is None or a.name in self._wanted)]

    async def _start(self, app: App) -> None:
        assert app.simulator is not None
        try:
            simulator = app.simulator(self._clock)
            runner = web.AppRunner(simulator.application(), access_log=None, shutdown_timeout=0.1)
        except EngineError:
            raise
        except Exception as error:
            raise PluginError(
                f"the simulator of app '{app.name}' does not start: {type(error).__name__}: {error}",
                place=self._registry.origin(app.name),
            ) from error
        await runner.setup()
        self._runners.append(runner)
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as error:
            raise ConfigError(
                f"the simulator of app '{app.name}' cannot listen on {self._host}:{self._port}: {error.strerror}",
                hint="choose another port with --port",
            ) from None
        host, port = runner.addresses[0][:2]
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self.running[app.name] = simulator
        self.urls[app.name] = url
        fields = {"base_url": url, **simulator.connection(url)}
        self._overrides.update({kind.name: fields for kind in app.connections} or {app.name: fields})
