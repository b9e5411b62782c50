"""Simulators of the installed apps on loopback, and the connections that lead to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from engine.plugins import Registry
from engine.scenario.diagnostics import did_you_mean
from engine.sdk.apps import App, ServingSimulator, Simulator, WebhookSample, WebhookSender
from engine.sdk.clock import Clock
from engine.sdk.errors import ConfigError, EngineError, PluginError
from engine.sdk.modules import Json


def simulated_app(registry: Registry, name: str) -> App:
    """The app of this name, which has a simulator.

    :raises ConfigError: it is not installed, or has none.
    """
    app = registry.apps.get(name)
    if app is None:
        hint = did_you_mean(name, registry.apps) or "list them with `engine modules`"
        raise ConfigError(f"no app '{name}' is installed", hint=hint)
    if app.simulator is None:
        raise ConfigError(f"app '{name}' has no simulator")
    return app


def new_simulator(registry: Registry, app: App, clock: Clock) -> Simulator | ServingSimulator:
    """An app's simulator, with the state that it starts with. It serves nothing yet.

    :raises PluginError: the plugin's code fails.
    """
    assert app.simulator is not None
    try:
        return app.simulator(clock)
    except EngineError:
        raise
    except Exception as error:
        raise _fault(registry, app, "does not start", error) from error


def webhooks_of(registry: Registry, app: App, simulator: Simulator | ServingSimulator) -> Mapping[str, WebhookSample]:
    """The webhooks that a simulator can send, as its state is now; empty when its vendor sends none.

    :raises PluginError: the plugin's code fails.
    """
    try:
        return simulator.webhooks if isinstance(simulator, WebhookSender) else {}
    except EngineError:
        raise
    except Exception as error:
        raise _fault(registry, app, "cannot make its webhooks", error) from error


def _fault(registry: Registry, app: App, what: str, error: Exception) -> PluginError:
    message = f"the simulator of app '{app.name}' {what}: {type(error).__name__}: {error}"
    return PluginError(message, place=registry.origin(app.name))


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
        self._stack = AsyncExitStack()
        self._overrides: dict[str, Mapping[str, Json]] = {}
        #: the running simulators by name of their app
        self.running: dict[str, Simulator | ServingSimulator] = {}
        #: their base URLs by name of their app; of one that does not speak HTTP, where it is
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
        await self._stack.aclose()

    def _chosen(self) -> list[App]:
        if self._wanted is not None:
            return [simulated_app(self._registry, name) for name in self._wanted]
        return [app for app in self._registry.apps.values() if app.simulator]

    async def _start(self, app: App) -> None:
        simulator = new_simulator(self._registry, app, self._clock)
        try:
            if isinstance(simulator, ServingSimulator):
                address = await self._stack.enter_async_context(self._serving(app, simulator))
            else:
                address = await self._listen(app, simulator)
        except OSError as error:
            raise ConfigError(
                f"the simulator of app '{app.name}' cannot listen on {self._host}:{self._port}: {error.strerror}",
                hint="choose another port with --port",
            ) from None
        self.running[app.name] = simulator
        self.urls[app.name] = address
        fields = simulator.connection(address)
        if not isinstance(simulator, ServingSimulator):
            fields = {"base_url": address, **fields}
        self._overrides.update({kind.name: fields for kind in app.connections} or {app.name: fields})

    def _serving(self, app: App, simulator: ServingSimulator) -> AbstractAsyncContextManager[str]:
        try:
            return simulator.serve(self._host, self._port)
        except (EngineError, OSError):
            raise
        except Exception as error:
            raise _fault(self._registry, app, "does not start", error) from error

    async def _listen(self, app: App, simulator: Simulator) -> str:
        """Serve the simulator's application; gives its URL."""
        try:
            application = simulator.application()
            application.middlewares.append(_unknown_calls(app))
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        except EngineError:
            raise
        except Exception as error:
            raise _fault(self._registry, app, "does not start", error) from error
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, self._host, self._port).start()
        host, port = runner.addresses[0][:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _unknown_calls(app: App) -> Middleware:
    """Answers a call that the simulator does not have: a bare 404 would look like the vendor's."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        missing = request.match_info.http_exception
        if missing is None:
            return await handler(request)
        text = f"the simulator of {app.name} does not know {request.method} {request.path}; the vendor may"
        return web.Response(status=missing.status, text=text)

    return answer
