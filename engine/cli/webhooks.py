"""``engine webhooks``: the URLs that senders call."""

from __future__ import annotations

from typing import Any

import click

from engine.cli import telling
from engine.cli.aio import run_async
from engine.cli.console import moment, note, print_json, table
from engine.cli.options import Duration, data_option, json_option
from engine.cli.remote import hand_over, webhooks_served_at
from engine.cli.session import Session
from engine.cli.workspace import Workspace
from engine.runtime.attaching import check_public, unasked, ways
from engine.runtime.host import STORE_FILE
from engine.runtime.webhooks import ROTATION_GRACE, Hook, Webhooks, webhook_name
from engine.scenario.plan import Listening, Scenario
from engine.sdk.errors import StoreLocked
from engine.store.lock import ExecutorLock
from engine.store.sqlite import SqliteStore


@click.group(
    invoke_without_command=True,
    epilog="\b\nExamples:\n  engine webhooks\n  engine webhooks rotate loyalty --grace 24h\n"
    "  engine webhooks attach reviews --public-url https://hooks.example.com",
)
@json_option
@data_option
@click.pass_context
def webhooks(ctx: click.Context) -> None:
    """Show the URLs that senders call.

    A URL that is missing is made; the others stay as they are.
    """
    if ctx.invoked_subcommand is None:
        run_async(_list(Workspace.of(ctx.ensure_object(Session))))


async def _list(workspace: Workspace) -> None:
    named = workspace.project.settings.webhooks
    hooks = await _all(workspace)
    now = workspace.clock.time()
    rows: list[dict[str, Any]] = []
    for name, hook in hooks.items():
        current = next((token for token, until in hook.tokens.items() if until is None), None)
        old = [until for until in hook.tokens.values() if until is not None and until > now]
        if current is not None and (hook.listeners or name in named):
            url = f"{_base(workspace)}/hooks/{current}"
            rows.append(
                {
                    "name": name,
                    "listeners": [plan.name for plan in hook.listeners],
                    "url": url,
                    "attached": _attached(hook, url),
                    "old_url_valid_until": max(old, default=None),
                }
            )
    if workspace.session.as_json:
        print_json({"webhooks": rows})
    elif rows:
        heads = ["webhook", "scenarios", "URL", "old URL until"]
        cells = [
            [row["name"], ", ".join(row["listeners"]), row["url"], moment(row["old_url_valid_until"])] for row in rows
        ]
        if any(row["attached"] for row in rows):
            heads.append("vendor")
            cells = [[*cell, _vendor(row["attached"])] for cell, row in zip(cells, rows, strict=True)]
        _say_port(workspace)
        click.echo(table(cells, heads))
    else:
        click.echo("no scenario has a webhook, and engine.yaml names none")


def _attached(hook: Hook, url: str) -> dict[str, Any] | None:
    """What the vendor was told by its API; None: nobody here knows how to tell it."""
    if not hook.told and not (any(ways(hook)) and unasked(hook)):
        return None
    over = next((over for over, told in hook.told.values() if told == url), None)
    others = [(over, told) for over, told in hook.told.values() if told != url]
    # told as `--public-url` said: the same webhook, under an address that the settings do not know
    token = f"/hooks/{url.rpartition('/hooks/')[2]}"
    elsewhere = next(({"over": other, "url": told} for other, told in others if told.endswith(token)), None)
    found = {"over": over, "old_urls": [told for _, told in others]}
    return found if elsewhere is None else {**found, "elsewhere": elsewhere}


def _vendor(attached: dict[str, Any] | None) -> str:
    if attached is None:
        return "-"
    if attached["over"] is not None:
        return f"calls it ({attached['over']})"
    if (elsewhere := attached.get("elsewhere")) is not None:
        return f"calls it at {elsewhere['url'].partition('/hooks/')[0]} ({elsewhere['over']})"
    return "calls an older URL" if attached["old_urls"] else "was not told"


async def _hooks(workspace: Workspace, plans: list[Scenario]) -> dict[str, Hook]:
    """All webhooks. While another process executes the store nothing is made: that process makes its own."""
    named = workspace.project.settings.webhooks
    try:
        with ExecutorLock(workspace.data, clock=workspace.clock, command="engine webhooks"):
            store = SqliteStore(workspace.data / STORE_FILE, clock=workspace.clock, environment=workspace.environment)
            await store.open()
            try:
                webhooks_ = Webhooks(store, workspace.clock)
                await webhooks_.load(plans, named)
                return dict(webhooks_.hooks)
            finally:
                await store.close()
    except StoreLocked:
        async with workspace.store() as other:
            found: dict[str, Hook] = {}
            for webhook in await other.webhooks():
                found.setdefault(webhook.name, Hook(webhook.name)).add(webhook)
            for plan in plans:
                if not isinstance(plan.trigger, Listening):
                    continue
                name = webhook_name(plan, plan.trigger)
                if name in found:
                    found[name].listeners.append(plan)
                else:
                    note(f"'{name}' has no URL yet: it gets one when the engine is started with its scenario")
            return found


def _say_port(workspace: Workspace) -> None:
    server = workspace.project.settings.server
    if webhooks_served_at(workspace) is None and not server.public_url and not server.port:
        note("engine.yaml asks for a free port: `engine serve` prints the URLs with the one that it took")


def _base(workspace: Workspace) -> str:
    """How senders reach the process that serves now, else the next one, if it is started without options."""
    if served := webhooks_served_at(workspace):
        return served
    server = workspace.project.settings.server
    return (server.public_url or f"http://{server.host}:{server.port}").rstrip("/")


@webhooks.command(epilog="\b\nExample:\n  engine webhooks rotate loyalty --grace 24h")
@click.argument("name")
@click.option(
    "--grace",
    type=Duration(),
    default=ROTATION_GRACE,
    metavar="DURATION",
    help="How long the old URL still works.  [default: 24h]",
)
@click.option("--attach", "attaches", is_flag=True, help="Have the vendor call the new URL, as `attach` does.")
@json_option
@data_option
@click.pass_obj
def rotate(session: Session, name: str, grace: float, attaches: bool) -> None:
    """Make a new URL for a webhook; the old one works for some more time.

    NAME is a webhook as `engine webhooks` lists it, or a scenario with a URL of its own.
    """
    workspace = Workspace.of(session)
    run_async(_rotate(workspace, name, grace, attaches=attaches))


async def _rotate(workspace: Workspace, name: str, grace: float, *, attaches: bool) -> None:
    if attaches:
        # before the old URL is given an end
        check_public(_base(workspace))
    async with workspace.store() as store:
        known = await store.webhooks()
    names = {webhook.name for webhook in known}
    if name not in names and f"scenario:{name}" in names:
        name = f"scenario:{name}"
    answer = hand_over(workspace, f"/api/webhooks/{name}/rotate", {"grace": grace})
    token = answer["token"] if answer is not None else await _rotate_here(workspace, name, grace)
    url = f"{_base(workspace)}/hooks/{token}"
    until = workspace.clock.time() + grace
    if not workspace.session.as_json:
        click.echo(url)
        note(f"the old URL of '{name}' works until {moment(until)}")
    attached = await _attach(workspace, name, None, None) if attaches else None
    if workspace.session.as_json:
        more = {} if attached is None else {"attached": attached}
        print_json({"name": name, "url": url, "old_url_valid_until": until, **more})
    if attached is None and any(webhook.name == name and webhook.told_url for webhook in known):
        command = workspace.command("webhooks", "attach", name.removeprefix("scenario:"))
        note(f"the vendor still calls the old URL: `{command}` tells it the new one")


async def _rotate_here(workspace: Workspace, name: str, grace: float) -> str:
    with ExecutorLock(workspace.data, clock=workspace.clock, command="engine webhooks rotate"):
        store = SqliteStore(workspace.data / STORE_FILE, clock=workspace.clock, environment=workspace.environment)
        await store.open()
        try:
            webhooks_ = Webhooks(store, workspace.clock)
            await webhooks_.load((), ())
            return (await webhooks_.rotate(name, grace)).current
        finally:
            await store.close()


_connection = click.option("--connection", metavar="NAME", help="Over which to tell it, where several could be it.")
_public_url = click.option(
    "--public-url", metavar="URL", help="How senders reach the server.  [default: server.public_url]"
)


@webhooks.command(epilog="\b\nExample:\n  engine webhooks attach reviews --connection yotpo-app")
@click.argument("name", required=False)
@_connection
@_public_url
@json_option
@data_option
@click.pass_obj
def attach(session: Session, name: str | None, connection: str | None, public_url: str | None) -> None:
    """Have the vendor call a webhook's URL, where it can be told by its API.

    NAME is a webhook as `engine webhooks` lists it, or a scenario that listens to it; by default all are attached whose
    trigger knows how, but those that the vendor may call already in a way that its API does not show. What the vendor
    was told already stays as it is; an older URL of the webhook is taken away.
    """
    done = run_async(_attach(Workspace.of(session), name, connection, public_url))
    if session.as_json:
        print_json({"webhooks": done})


@webhooks.command(epilog="\b\nExample:\n  engine webhooks detach reviews")
@click.argument("name")
@_connection
@_public_url
@json_option
@data_option
@click.pass_obj
def detach(session: Session, name: str, connection: str | None, public_url: str | None) -> None:
    """Have the vendor call none of a webhook's URLs any longer.

    The URLs stay as they are, for whoever else calls them.
    """
    workspace = Workspace.of(session)
    run_async(_detach(workspace, name, connection, public_url))


async def _attach(
    workspace: Workspace, name: str | None, connection: str | None, public_url: str | None
) -> list[dict[str, Any]]:
    return await telling.attach(
        workspace, await _all(workspace), name, connection, (public_url or _base(workspace)).rstrip("/")
    )


async def _detach(workspace: Workspace, name: str, connection: str | None, public_url: str | None) -> None:
    await telling.detach(
        workspace, await _all(workspace), name, connection, (public_url or _base(workspace)).rstrip("/")
    )


async def _all(workspace: Workspace) -> dict[str, Hook]:
    plans = workspace.scenarios(workspace.registry(), (), simulate=True, tolerant=True)
    return await _hooks(workspace, plans)
