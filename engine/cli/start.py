"""``engine start``: start a scenario of the project by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from engine.cli.acting import go_on
from engine.cli.aio import run_async
from engine.cli.console import coloured, note, print_json
from engine.cli.failures import Finished
from engine.cli.given import given, input_options
from engine.cli.options import Duration, data_option, json_option, simulate_option, verbose_option
from engine.cli.remote import hand_over
from engine.cli.session import Session
from engine.cli.workspace import Workspace
from engine.runtime.host import Host
from engine.sdk.modules import Json
from engine.store.ids import show


@click.command(
    epilog="\b\nExamples:\n"
    "  engine start welcome --input email=ana@example.com --input points=5\n"
    "  engine start welcome --inputs order.json --key order-4711 --wait 1m"
)
@click.argument("name")
@input_options
@click.option("--key", metavar="TEXT", help="Start once for this key; again, it gives the first run.")
@click.option(
    "--wait",
    type=Duration(),
    is_flag=False,
    flag_value=30.0,
    default=0.0,
    metavar="[DURATION]",
    help="Wait for the end; 30s unless told.",
)
@simulate_option
@json_option
@data_option
@verbose_option
@click.pass_obj
def start(
    session: Session,
    name: str,
    inputs: tuple[str, ...],
    inputs_file: Path | None,
    key: str | None,
    wait: float,
    simulate: bool,
) -> None:
    """Start a scenario by hand.

    Where a process serves the project, it is handed the start, and the command ends when that is durable (or, with
    --wait, when the run has come to rest). Where none does, the run is made here, to its end. Exit code 0: it is
    started and has not failed.
    """
    workspace = Workspace.of(session)
    plans = workspace.scenarios(workspace.registry(), (), simulate=simulate, tolerant=True)
    values = given(next((plan for plan in plans if plan.name == name), None), inputs, inputs_file)
    body = {"inputs": values, **({"key": key} if key is not None else {})}
    answer = hand_over(workspace, f"/api/scenarios/{name}/runs", body, wait=wait, simulate=simulate)
    if answer is None:
        good = run_async(_here(workspace, name, values, key, simulate))
        raise Finished(good)
    if session.as_json:
        print_json(answer)
    else:
        again = "  (started before under this key)" if answer["started_before"] else ""
        for run in answer["runs"]:
            click.echo(f"{run['id']}  {run['scenario']}  {coloured(run['state'])}{again}")
    raise Finished(all(run["state"] not in ("failed", "held", "cancelled") for run in answer["runs"]))


async def _here(workspace: Workspace, name: str, values: dict[str, Json], key: str | None, simulate: bool) -> bool:
    started: list[dict[str, Any]] = []

    async def work(host: Host) -> Sequence[int]:
        accepted, before = await host.starts.start(name, values, key)
        started.append({"receipt": show(accepted.receipt_id), "started_before": before})
        return accepted.runs

    ended = await go_on(workspace, f"engine start {name}", simulate, work)
    if workspace.session.as_json:
        print_json({**started[0], "runs": [ended.reports.to_json(run) for run in ended.runs]})
    elif started and started[0]["started_before"]:
        note("it was started before under this key; nothing was started now")
    return ended.fine
