"""The listeners over a host: opened when every scenario is loaded, closed before the runs are let go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import Self

from aiohttp import web

from engine.runtime.host import Host
from engine.runtime.intake import Accepted
from engine.runtime.webhooks import Hook
from engine.scenario.plan import Listening
from engine.sdk.errors import ConfigError, EngineError
from engine.sdk.modules import Delivery, WebhookTrigger
from engine.server import senders
from engine.server.admin import ADMIN_FILE, AdminServer
from engine.server.approvals import ApprovalPages
from engine.server.consents import ConsentPages
from engine.server.hooks import CheckBroken, Checked, HookServer, SenderRefused
from engine.server.refusals import Refusals

#: seconds that open requests get to finish when the listener closes
CLOSE_AFTER = 5.0
#: seconds that a connection may be open without the head of a request having come whole; longer than the minute for
#: which usual proxies keep theirs
IDLE_AFTER = 75.0


class CannotListen(EngineError):
    """A listener's address is taken, or not this machine's."""

    code = "cannot-listen"


class Service:
    """Serves a host's webhooks and its API. Use as an async context manager.

    :param port: of the webhook listener; None: the setting; 0: a free one.
    :param accepted: told of everything that was taken.
    :param idle_after: seconds after which a connection that sends no whole request head is closed.
    """

    def __init__(
        self,
        host: Host,
        *,
        address: str | None = None,
        port: int | None = None,
        public_url: str | None = None,
        admin_port: int | None = None,
        accepted: Callable[[Accepted], None] = lambda _accepted: None,
        idle_after: float = IDLE_AFTER,
    ) -> None:
        server = host.project.settings.server
        self._host = host
        self._address = address or server.host
        self._port = server.port if port is None else port
        self._public_url = (public_url or server.public_url or "").rstrip("/")
        self._admin_port = server.admin_port if admin_port is None else admin_port
        self._accepted = accepted
        self._idle_after = idle_after
        self._stack = AsyncExitStack()

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
        host, limits = self._host, self._host.project.settings.limits
        for name, webhook in host.project.settings.webhooks.items():
            if webhook.check is not None:
                try:
                    await host.secrets.resolve(webhook.check.secret)
                except ConfigError as error:
                    raise ConfigError(f"webhook '{name}' cannot check its sender: {error.message}") from None
        admin = AdminServer(host)
        api = web.AppRunner(
            admin.application(),
            access_log=None,
            shutdown_timeout=CLOSE_AFTER,
            handle_signals=False,
            keepalive_timeout=self._idle_after,
        )
        admin_port = await self._listen(api, "127.0.0.1", self._admin_port, "the API", "server.admin_port")
        refusals = Refusals(host.store, host.clock)
        self._stack.callback(refusals.close)
        hooks = HookServer(
            host.webhooks,
            host.intake,
            self._check_sender,
            refusals,
            host.clock,
            body_limit=limits.body,
            idle_after=self._idle_after,
            accept_rate=limits.accept_rate,
            accepted=self._accepted,
            approvals=ApprovalPages(host).handle,
            responses=host.runner.responses,
            consents=ConsentPages(host.connections, host.store, host.runner.wake).handle,
        )
        receiver = web.ServerRunner(hooks.server(), shutdown_timeout=CLOSE_AFTER, handle_signals=False)
        port = await self._listen(receiver, self._address, self._port, "webhooks", "server.port")
        # before the listener closes: whoever waits for an answer gets the receipt
        self._stack.callback(host.runner.responses.close)
        address = f"[{self._address}]" if ":" in self._address else self._address
        self._public_url = self._public_url or f"http://{address}:{port}"
        host.runner.links.base = self._public_url
        admin.announce(host.data, f"http://127.0.0.1:{admin_port}", self._public_url)
        self._stack.callback((host.data / ADMIN_FILE).unlink, missing_ok=True)
        self._stack.push_async_callback(host.watch.stop)
        host.watch.start()
        self._stack.push_async_callback(host.poller.stop)
        host.poller.start()
        self._stack.push_async_callback(host.timekeeper.stop)
        await host.timekeeper.prepare()
        host.timekeeper.start(self._accepted)

    async def _listen(self, runner: web.BaseRunner, address: str, port: int, what: str, setting: str) -> int:
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        try:
            await web.TCPSite(runner, address, port).start()
        except OSError as error:
            raise CannotListen(
                f"{what} cannot listen on {address}:{port}: {error.strerror or error}",
                hint=f"set {setting} in engine.yaml to another port, or stop what uses it",
            ) from None
        bound: int = runner.addresses[0][1]
        return bound

    def url(self, hook: Hook) -> str:
        """The URL that a webhook's sender calls."""
        return f"{self._public_url}/hooks/{hook.current}"

    async def _check_sender(self, hook: Hook, delivery: Delivery) -> Checked:
        settings = self._host.project.settings.webhooks.get(hook.name)
        headers, query = delivery.headers, delivery.query
        if settings is not None and settings.check is not None:
            try:
                secrets, wanted = self._host.secrets, settings.check.secret
                secret = secrets.known(wanted) or await secrets.resolve(wanted)
            except ConfigError as error:
                raise CheckBroken(f"the webhook's own secret is missing: {error.message}") from None
            now = delivery.received_at.timestamp()
            if reason := senders.check(settings.check, headers, query, delivery.raw, now, secret):
                raise SenderRefused(reason)
            headers, query = senders.strip(settings.check, headers, query)
        await self._verify(hook, delivery)
        return Checked(headers, query)

    async def _verify(self, hook: Hook, delivery: Delivery) -> None:
        """The apps' own signature checks, once per module and connection."""
        seen: set[tuple[str, str | None]] = set()
        for name, module, used in self._readers(hook):
            if module.verify is None or (name, used) in seen:
                continue
            seen.add((name, used))
            try:
                connection = self._host.connections.open(used, module.connection)
                genuine = module.verify(delivery, await connection.fields())
            except Exception as error:
                why = error.message if isinstance(error, EngineError) else f"{type(error).__name__}: {error}"
                raise CheckBroken(f"the check of {name} failed: {why}") from error
            if not genuine:
                raise SenderRefused(f"{name} does not accept the signature")

    def _readers(self, hook: Hook) -> Iterator[tuple[str, WebhookTrigger, str | None]]:
        """The triggers that read what comes to a webhook, for scenarios and for waiting runs, and their connections."""
        for plan in hook.listeners:
            if isinstance(plan.trigger, Listening):
                yield plan.trigger.module_name, plan.trigger.module, plan.trigger.connection
        runner = self._host.runner
        for source in runner.sources.of(hook.name):
            module = runner.module(source.module) if source.module is not None else None
            if isinstance(module, WebhookTrigger) and source.module is not None:
                yield source.module, module, source.connection
