"""``engine webhooks``: the URLs that senders call."""

from __future__ import annotations

from typing import Any

import click

from engine.cli.aio import run_async
from engine.cli.console import moment, note, print_json, table
from engine.cli.options import Duration, data_option, json_option
from engine.cli.remote import hand_over, webhooks_served_at
from engine.cli.session import Session
from engine.cli.workspace import Workspace
from engine.runtime.host import STORE_FILE
from engine.runtime.webhooks import ROTATION_GRACE, Hook, Webhooks, webhook_name
from engine.scenario.plan import Listening, Scenario
from engine.sdk.errors import StoreLocked
from engine.store.lock import ExecutorLock
from engine.store.sqlite import SqliteStore


@click.group(
    invoke_without_command=True,
    epilog="\b\nExamples:\n  engine webhooks\n  engine webhooks rotate loyalty --grace 24h",
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
    plans = workspace.scenarios(workspace.registry(), (), simulate=True, tolerant=True)
    named = workspace.project.settings.webhooks
    hooks = await _hooks(workspace, plans)
    now = workspace.clock.time()
    rows: list[dict[str, Any]] = []
    for name, hook in hooks.items():
        current = next((token for token, until in hook.tokens.items() if until is None), None)
        old = [until for until in hook.tokens.values() if until is not None and until > now]
        if current is not None and (hook.listeners or name in named):
            rows.append(
                {
                    "name": name,
                    "listeners": [plan.name for plan in hook.listeners],
                    "url": f"{_base(workspace)}/hooks/{current}",
                    "old_url_valid_until": max(old, default=None),
                }
            )
    if workspace.session.as_json:
        print_json({"webhooks": rows})
    elif rows:
        cells = [
            (row["name"], ", ".join(row["listeners"]), row["url"], moment(row["old_url_valid_until"])) for row in rows
        ]
        _say_port(workspace)
        click.echo(table(cells, ("webhook", "scenarios", "URL", "old URL until")))
    else:
        click.echo("no scenario has a webhook, and engine.yaml names none")


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
                hook = found.setdefault(webhook.name, Hook(webhook.name))
                hook.tokens[webhook.token] = webhook.valid_until
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
@json_option
@data_option
@click.pass_obj
def rotate(session: Session, name: str, grace: float) -> None:
    """Make a new URL for a webhook; the old one works for some more time.

    NAME is a webhook as `engine webhooks` lists it, or a scenario with a URL of its own.
    """
    workspace = Workspace.of(session)
    run_async(_rotate(workspace, name, grace))


async def _rotate(workspace: Workspace, name: str, grace: float) -> None:
    async with workspace.store() as store:
        names = {webhook.name for webhook in await store.webhooks()}
    if name not in names and f"scenario:{name}" in names:
        name = f"scenario:{name}"
    answer = hand_over(workspace, f"/api/webhooks/{name}/rotate", {"grace": grace})
    token = answer["token"] if answer is not None else await _rotate_here(workspace, name, grace)
    url = f"{_base(workspace)}/hooks/{token}"
    until = workspace.clock.time() + grace
    if workspace.session.as_json:
        print_json({"name": name, "url": url, "old_url_valid_until": until})
    else:
        click.echo(url)
        note(f"the old URL of '{name}' works until {moment(until)}")


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
