"""``engine status``: how the engine is, in a few lines."""

from __future__ import annotations

from typing import Any

import click

from engine.cli import authorizing
from engine.cli.aio import run_async
from engine.cli.console import coloured, moment, print_json, table, took
from engine.cli.failures import Finished
from engine.cli.options import data_option, json_option
from engine.cli.remote import health_of
from engine.cli.session import Session
from engine.cli.workspace import Workspace
from engine.runtime.health import health
from engine.sdk.errors import EngineError
from engine.store.lock import holder


@click.command(
    epilog="\b\nExamples:\n  engine status\n  engine status --json\n  engine status || mail -s engine ops@example.com"
)
@data_option
@json_option
@click.pass_obj
def status(session: Session) -> None:
    """Say how the engine is; exit code 1 when something is wrong.

    Wrong are: no process serves, or it does not answer, its store does not work, runs are held, a run waits too long
    for its turn, a scenario is silent, a connection is not authorized, an alert of the last day did not get through.
    """
    found = run_async(_status(Workspace.of(session)))
    if session.as_json:
        print_json(found)
    else:
        _show(found)
    raise Finished(fine=not found["wrong"])


async def _status(workspace: Workspace) -> dict[str, Any]:
    wrong: list[str] = []
    owner = holder(workspace.data)
    served = None
    if owner is None:
        wrong.append("no process executes the store: `engine serve`")
    else:
        try:
            served = health_of(workspace)
        except EngineError as error:
            wrong.append(error.message)
    if served is not None and served["broken"]:
        wrong.append("the store does not work, nothing is accepted")
    simulated = bool(served and served.get("simulated"))
    async with workspace.store() as store:
        unauthorized = {} if simulated else await authorizing.unauthorized(workspace, store)
        found = await health(
            store,
            workspace.project.settings.limits,
            workspace.clock.time(),
            simulated=simulated,
            unauthorized=unauthorized,
        )
    process = None if owner is None else {"pid": owner.get("pid"), "command": owner.get("command")}
    files = (served or {}).get("files")
    wrong += [f"changed files are not taken: {line}" for line in (files or {}).get("wrong", ())]
    environment = workspace.project.environment
    return {
        **found,
        "environment": environment,
        "process": process,
        "files": files,
        "simulated": simulated,
        "wrong": [*wrong, *found["wrong"]],
    }


def _show(found: dict[str, Any]) -> None:
    files = found["files"] or {}
    process, oldest, failure = found["process"], found["oldest_running"], found["alert_failure"]
    rows = [
        *([("environment", found["environment"])] if found["environment"] else []),
        *([("after a restart", ", ".join(files["restart"]))] if files.get("restart") else []),
        ("executed by", f"process {process['pid']} ({process['command']})" if process else "nobody"),
        ("runs", ", ".join(f"{n} {state}" for state, n in found["runs"].items() if n) or "none open"),
        ("queue age", took(found["queue_age"]) or "nothing waits"),
        ("oldest running", f"{oldest['run']}, {took(oldest['seconds'])}" if oldest else "none"),
        ("silent", ", ".join(found["silent"]) or "none"),
        ("last alert not delivered", f"{moment(failure['at'])} to {failure['channel']}" if failure else "none"),
    ]
    click.echo(table(rows))
    for line in found["wrong"]:
        click.echo(f"{coloured('failed').replace('failed', 'wrong')}: {line}")
    if not found["wrong"]:
        click.echo("all is well")
