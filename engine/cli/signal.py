"""``engine signal``: tell runs that wait for it that something has come."""

from __future__ import annotations

import sys
from typing import Any

import click

from engine.cli.acting import change
from engine.cli.aio import run_async
from engine.cli.console import counted, note, print_json
from engine.cli.failures import Finished
from engine.cli.options import Duration, data_option, json_option
from engine.cli.remote import hand_over
from engine.cli.session import Session
from engine.cli.workspace import Workspace, wrong_usage
from engine.runtime.answers import send_signal
from engine.scenario.waiting import SIGNAL_NAME
from engine.sdk import jsontext
from engine.store.interface import Store

#: waiting runs that are named where a signal found none
SHOWN = 5


@click.command(
    epilog="\b\nExamples:\n"
    "  engine signal stock-arrived --key sku-7 --with '{\"count\": 12}'\n"
    "  engine signal stock-arrived --key sku-7 --keep 1d"
)
@click.argument("name")
@click.option("--key", default="", metavar="TEXT", help="Which of the runs: it must equal their `key`.")
@click.option("--with", "payload", metavar="JSON", help="What the runs get as the step's output; - reads stdin.")
@click.option("--keep", type=Duration(), default=0.0, help="Wait so long for one run, where none waits, such as 1d.")
@click.option("--simulate", is_flag=True, help="Reach simulated runs, where no process executes the store.")
@json_option
@data_option
@click.pass_obj
def signal(session: Session, name: str, key: str, payload: str | None, keep: float, simulate: bool) -> None:
    """Send a signal to the runs that wait for it.

    Exit code 1 when no run waits for it; with --keep it then waits for one that comes.
    """
    if not SIGNAL_NAME.fullmatch(name):
        raise wrong_usage(f"'{name}' cannot be a signal's name: letters, digits, '.', '_' and '-'")
    workspace = Workspace.of(session)
    body = {"key": key, "data": _json(payload), "keep": keep}
    answer = hand_over(workspace, f"/api/signals/{name}", body, simulate=simulate)
    reached = int(answer["reached"]) if answer is not None else _alone(workspace, name, body, simulate)
    if session.as_json:
        print_json({"reached": reached, "kept": bool(keep) and not reached})
    else:
        _tell(workspace, name, key, reached, kept=bool(keep))
    if reached and answer is None:
        note(f"they go on when the engine next executes this store: {workspace.command('serve')}")
    raise Finished(fine=bool(reached or keep))


def _json(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return jsontext.loads(sys.stdin.buffer.read() if text == "-" else text)
    except ValueError as error:
        raise wrong_usage(f"--with is not JSON: {error}; text needs quotes of its own: '\"text\"'") from None


def _alone(workspace: Workspace, name: str, body: dict[str, Any], simulate: bool) -> int:
    reached: list[int] = []

    async def send(store: Store) -> None:
        now, keep = workspace.clock.time(), body["keep"]
        sent = await send_signal(store, None, name, body["key"], body["data"], now, keep=keep, simulated=simulate)
        reached.append(sent.reached)

    run_async(change(workspace, f"engine signal {name}", send))
    return reached[0]


def _tell(workspace: Workspace, name: str, key: str, reached: int, *, kept: bool) -> None:
    about = f"signal '{name}'{f' with key {key!r}' if key else ' without a key'}"
    if reached:
        click.echo(f"{about} reached {counted(reached, 'run')}")
        return
    click.echo(f"no run waits for {about}{'; it is kept for one that comes' if kept else ''}")
    keys = run_async(_keys(workspace, name))
    if keys:
        note(f"runs wait for '{name}' with other keys, such as: {', '.join(keys)}")


async def _keys(workspace: Workspace, name: str) -> list[str]:
    async with workspace.store() as store:
        waits = await store.waits.listed("signal", name, SHOWN)
    return [wait.match or "(none)" for wait in waits]
