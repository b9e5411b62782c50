"""``engine simulate``: an app's simulator on a port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import click

from engine.cli.aio import Signals, run_async
from engine.cli.console import bold, dim, note
from engine.cli.session import Session
from engine.cli.workspace import Workspace
from engine.plugins import Registry
from engine.runtime.simulation import Simulators


@click.command(epilog="\b\nExample:\n  engine simulate yotpo_loyalty --port 9000")
@click.argument("app")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, show_default=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address on which to listen.")
@click.pass_obj
def simulate(session: Session, app: str, port: int, host: str) -> None:
    """Run an app's simulator on a port.

    It answers as the vendor does, as far as is known: each behaviour is marked as verified or assumed. The lines that
    it prints for connections.yaml lead a connection to it.
    """
    workspace = Workspace.of(session)
    run_async(_simulate(workspace, workspace.registry(), app, host, port))


async def _simulate(workspace: Workspace, registry: Registry, name: str, host: str, port: int) -> None:
    news = asyncio.Event()
    with Signals(news) as signals:
        async with Simulators(registry, workspace.clock, apps=[name], host=host, port=port) as simulators:
            app = registry.apps[name]
            click.echo(simulators.urls[name])
            note(f"\n{bold(app.title)} is simulated at this URL until Ctrl-C.\n")
            for kind in app.connections:
                note("\n".join(_snippet(kind.name, simulators.overrides[kind.name], kind.secrets)))
            note("its behaviours:")
            for behaviour in simulators.running[name].behaviours:
                note(f"  {behaviour.mark:<8}  {behaviour.text}")
            while not signals.stopping:
                await news.wait()


def _snippet(kind: str, fields: Mapping[str, Any], secrets: frozenset[str]) -> list[str]:
    lines = [dim("# connections.yaml"), f"{kind}-simulated:", f"  type: {kind}"]
    exports = []
    for field, value in fields.items():
        if field in secrets:
            variable = f"{kind}_{field}".upper()
            lines.append(f"  {field}: {{env: {variable}}}")
            exports.append(f"export {variable}={value}")
        else:
            lines.append(f"  {field}: {json.dumps(value, ensure_ascii=False)}")
    return [*lines, *([dim("# and in the shell"), *exports] if exports else []), ""]
