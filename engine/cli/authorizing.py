"""Having a person agree that a connection may be used: the link, the answer, and giving it back."""

from __future__ import annotations

import asyncio
import webbrowser
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import click
from aiohttp import web

from engine.cli.console import moment, note, warn
from engine.cli.remote import RemoteError, simulating, webhooks_served_at
from engine.cli.workspace import Workspace, environment, refuse
from engine.plugins import Registry
from engine.runtime import consents
from engine.runtime.connection_file import ConnectionEntry
from engine.runtime.connections import Connections
from engine.runtime.grants import Grant
from engine.runtime.secrets import KeyRing, SecretBox, Secrets
from engine.runtime.tokens import TokenServer
from engine.sdk.errors import ConfigError, EngineError
from engine.server.consents import ConsentPages
from engine.server.service import CannotListen
from engine.store.interface import Store

#: seconds between two looks at what came of a link
LOOK_EVERY = 0.3


@asynccontextmanager
async def opened(
    workspace: Workspace, registry: Registry, entries: Mapping[str, ConnectionEntry], store: Store
) -> AsyncIterator[Connections]:
    """The connections of a project, beside whoever executes its store."""
    secrets = Secrets(environment(), SecretBox(store, KeyRing(workspace.data, environment()), workspace.clock))
    made = Connections(
        entries,
        registry,
        secrets,
        workspace.clock,
        http=workspace.project.settings.http,
        folder=workspace.project.root,
    )
    try:
        yield made
    finally:
        await made.close()


async def authorize(
    workspace: Workspace, registry: Registry, entries: Mapping[str, ConnectionEntry], name: str, *, browser: bool
) -> None:
    """Print a link, wait until somebody has agreed, and say so.

    :param browser: open it in this machine's browser too.
    """
    if simulating(workspace) and webhooks_served_at(workspace) is not None:
        raise refuse(
            "not-here", "the process that serves the project answers from simulators", "stop it, and authorize then"
        )
    async with workspace.store(make=True) as store, opened(workspace, registry, entries, store) as connections:
        server = await connections.server(name)
        if server is None or not server.client.asks:
            raise refuse("no-consent", f"connection '{name}' is of a kind that nobody has to agree to")
        served = webhooks_served_at(workspace)
        settings = workspace.project.settings.server
        address = f"[{settings.host}]" if ":" in settings.host else settings.host
        base = served or settings.public_url or f"http://{address}:{settings.port}"
        pages = ConsentPages(connections, store, _nobody)
        listening = nullcontext() if served else _listening(pages, settings.host, settings.port)
        async with listening:
            link = await consents.begin(server, connections.grants, base.rstrip("/") + consents.CALLBACK)
            note(f"the vendor sends the browser back to {link.redirect_uri}")
            note("  register this address there, exactly so; it is this program that answers")
            note(f"open this link within {consents.OPEN_FOR / 60:.0f} minutes, and agree:")
            click.echo(link.url)
            if browser:
                webbrowser.open(link.url)
            grant = await _answer(workspace, connections, name, link)
    until = f", until {moment(grant.expires_at)}" if grant.expires_at and not grant.refresh_token else ""
    click.echo(f"connection '{name}' is authorized{until}")


def _nobody() -> None:
    """Nobody executes runs here; whoever does next finds those that were released."""


@asynccontextmanager
async def _listening(pages: ConsentPages, host: str, port: int) -> AsyncIterator[None]:
    """Answer in the place of the process that would serve."""
    application = web.Application()
    application.router.add_route("*", consents.CALLBACK, pages.handle)
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise CannotListen(
                f"the answer cannot be waited for on {host}:{port}: {error.strerror or error}",
                hint="stop what uses the port, or set server.port in engine.yaml",
            ) from None
        yield
    finally:
        await runner.cleanup()


async def _answer(workspace: Workspace, connections: Connections, name: str, link: consents.Link) -> Grant:
    """Wait for what comes of a link, whichever process hears of it."""
    again = f"begin anew: `{workspace.command('connections', 'authorize', name)}`"
    while True:
        consent = await consents.consent_of(connections.grants, name)
        if consent is None or consent.id != link.consent:
            raise consents.ConsentUnknown("a newer link took the place of this one", hint="use that one")
        if consent.error is not None:
            error = RemoteError(
                str(consent.error.get("message")), code=consent.error.get("code"), hint=consent.error.get("hint")
            )
            error.place = consent.error.get("place")
            raise error
        grant = await connections.grants.grant(name, now=True)
        if not consent.state and grant is not None and grant.granted_at >= consent.made_at:
            return grant
        if workspace.clock.time() >= link.expires_at:
            raise consents.ConsentExpired("nobody has come back from the vendor in time", hint=again)
        await asyncio.sleep(LOOK_EVERY)


async def give_back(connections: Connections, name: str) -> None:
    """Give a connection's grant back to the vendor, where it takes it, and forget it."""
    grants = connections.grants
    try:
        # a renewal that is under way would put back what is forgotten
        async with grants.alone(name):
            try:
                grant = await grants.grant(name, now=True)
                server = await connections.server(name) if grant is not None else None
                if grant is not None and server is not None and grant.lost is None:
                    await _revoke(server, grant, name)
            except EngineError as error:
                warn(f"the vendor was not told that connection '{name}' goes: {error.message}; take it back there")
            await grants.forget(name)
    except ConfigError as error:
        warn(f"the grant of connection '{name}' stays in the store: {error.message}")


async def _revoke(server: TokenServer, grant: Grant, name: str) -> None:
    if not server.client.revoke_url:
        note(f"the vendor has no address at which '{name}' could be given back; take it back there")
    elif grant.refresh_token:
        # the tokens that were had with it go with it
        await server.revoke(grant.refresh_token, "refresh_token")
    else:
        await server.revoke(grant.access_token, "access_token")


async def unauthorized(workspace: Workspace, store: Store) -> dict[str, str]:
    """Connections that a person has to authorize, and why."""
    try:
        registry = workspace.registry()
        entries = workspace.project.connections(registry)
    except EngineError:
        # `engine check` says what is wrong with the file
        return {}
    async with opened(workspace, registry, entries, store) as connections:
        return await connections.unauthorized()


async def standing(connections: Connections, name: str) -> dict[str, Any]:
    """How a connection's authorization is, for people and programs."""
    grant = await connections.grants.grant(name, now=True)
    if grant is None:
        return {"state": "not authorized"}
    about = {
        "state": "authorized" if grant.lost is None else "lost",
        "granted_at": grant.granted_at,
        "renewed_at": grant.renewed_at,
        "expires_at": grant.expires_at,
        "renews": grant.refresh_token is not None,
        "scopes": grant.scope,
    }
    return about if grant.lost is None else {**about, "lost_at": grant.lost_at, "why": grant.lost}
