"""``engine alerts``: what operators were told of, and whether it reached them."""

from __future__ import annotations

from contextlib import AsyncExitStack

import click

from engine.cli.aio import run_async
from engine.cli.console import coloured, counted, excerpt, moment, note, print_json, table, width
from engine.cli.failures import Finished
from engine.cli.options import data_option, json_option, page_options
from engine.cli.session import Session
from engine.cli.workspace import Workspace, environment, refuse
from engine.runtime.alert_settings import AlertChannel
from engine.runtime.alerts import compose
from engine.runtime.channels import Channels
from engine.runtime.secrets import KeyRing, SecretBox, Secrets
from engine.sdk import jsontext
from engine.sdk.errors import EngineError
from engine.store.alerts_rows import Alert


@click.group(epilog="\b\nExamples:\n  engine alerts list\n  engine alerts test ops")
@data_option
@json_option
def alerts() -> None:
    """Show what operators were told of; send a test."""


@alerts.command("list", epilog="\b\nExample:\n  engine alerts list --limit 50")
@page_options
@data_option
@json_option
@click.pass_obj
def list_(session: Session, limit: int, before: int | None) -> None:
    """List alerts, newest first: when, what, to whom, and whether it got there."""
    workspace = Workspace.of(session)
    found = run_async(_alerts(workspace, limit, before))
    source = workspace.project.name
    if session.as_json:
        print_json([to_json(alert, source) for alert in found])
        return
    if not found:
        note("no alert was raised")
        return
    rows = [
        (
            moment(alert.last_at),
            alert.kind if alert.event == "raised" else f"{alert.kind} ({alert.event})",
            alert.channel or "nobody",
            coloured(shown(alert)),
            excerpt(compose(alert, source).text, max(40, width() - 70)),
        )
        for alert in found
    ]
    click.echo(table(rows, ("when", "what", "channel", "delivered", "text")))
    for alert in found:
        if alert.error is not None and alert.state != "delivered":
            note(f"{alert.channel}: {alert.error}")


async def _alerts(workspace: Workspace, limit: int, before: int | None) -> list[Alert]:
    async with workspace.store() as store:
        return list(await store.alerts(limit, before))


def shown(alert: Alert) -> str:
    """Whether it got there, in a word or two."""
    if alert.state == "waiting" and alert.attempts:
        return f"not yet, {counted(alert.attempts, 'try').replace('trys', 'tries')}"
    return {"kept": "told nobody", "waiting": "waiting"}.get(alert.state, alert.state)


def to_json(alert: Alert, source: str) -> dict[str, object]:
    """An alert as ``--json`` shows it: its body, and what became of it."""
    return {
        **compose(alert, source).body,
        "channel": alert.channel or None,
        "simulated": alert.simulated,
        "state": alert.state,
        "attempts": alert.attempts,
        "due_at": alert.due_at,
        "tried_at": alert.tried_at,
        "ended_at": alert.ended_at,
        "error": alert.error,
    }


@alerts.command("test", epilog="\b\nExamples:\n  engine alerts test\n  engine alerts test ops")
@click.argument("channel", required=False)
@data_option
@json_option
@click.pass_obj
def test(session: Session, channel: str | None) -> None:
    """Send a test alert to one channel, or to all; exit code 1 when one does not take it."""
    workspace = Workspace.of(session)
    channels = {each.name: each for each in workspace.project.settings.alerts}
    if not channels:
        raise refuse("no-channel", "engine.yaml names no channel under `alerts`", "see docs/how-to/alerts.md")
    if channel is not None and channel not in channels:
        raise refuse("no-channel", f"there is no channel '{channel}'", f"there are: {', '.join(channels)}")
    wanted = [each for name, each in channels.items() if channel in (None, name)]
    results = run_async(_test(workspace, wanted))
    if session.as_json:
        print_json([{"channel": name, "delivered": error is None, "error": error} for name, error in results.items()])
    else:
        for name, error in results.items():
            click.echo(f"{name}: {coloured('done') if error is None else coloured('failed') + f': {error}'}")
    raise Finished(fine=not any(results.values()))


async def _test(workspace: Workspace, channels: list[AlertChannel]) -> dict[str, str | None]:
    results: dict[str, str | None] = {}
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(workspace.store())
        given = environment()
        secrets = Secrets(given, SecretBox(store, KeyRing(workspace.data, given), workspace.clock))
        sender = Channels(secrets, workspace.clock)
        stack.push_async_callback(sender.close)
        now = workspace.clock.time()
        for channel in channels:
            detail = jsontext.dumps({})
            alert = Alert(store.new_id(), channel.name, "test", "raised", "", False, 1, now, now, detail)
            try:
                await sender.send(channel, compose(alert, workspace.project.name))
                results[channel.name] = None
            except EngineError as error:
                results[channel.name] = error.message
    return results
