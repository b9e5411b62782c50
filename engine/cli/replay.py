"""``engine runs replay``: a new run of the same event."""

from __future__ import annotations

import click

from engine.cli.acting import Ended, go_on, look_up, who
from engine.cli.aio import run_async
from engine.cli.console import coloured, note, print_json, warn
from engine.cli.failures import Finished
from engine.cli.options import Id, data_option, json_option
from engine.cli.remote import hand_over
from engine.cli.session import Session
from engine.cli.workspace import Workspace
from engine.runtime import replays
from engine.runtime.host import Host
from engine.store.ids import show


@click.command(
    epilog="\b\nExamples:\n"
    "  engine runs replay 01j9z6t3k4m5n --reason 'the mapping was wrong'\n"
    "  engine runs replay 01j9z6t3k4m5n --from send --version same"
)
@click.argument("run_id", type=Id(), metavar="ID")
@click.option(
    "--from",
    "start",
    metavar="STEP",
    help="Take over what was recorded before this step, and do everything from it on anew.  [default: the first step]",
)
@click.option(
    "--version",
    type=click.Choice(["current", "same"]),
    default="current",
    show_default=True,
    help="Under the scenario's file as it is now, or as it was.",
)
@click.option("--dry-run", is_flag=True, help="Reads are made, writes are only shown; nothing is kept or changed.")
@click.option("--reason", default="", metavar="TEXT", help="Why; kept with the replay.")
@json_option
@data_option
@click.pass_obj
def replay(session: Session, run_id: int, start: str | None, version: str, dry_run: bool, reason: str) -> None:
    """Run the event of a run that is over once more, as a new run.

    What was written is not written again: each write is found by its key, and its output taken. One that would be
    made with another request is held, and a person says whether it is sent as well. A held run is ended by its replay.
    """
    workspace = Workspace.of(session)
    old = run_async(look_up(workspace, run_id))
    word = {"from": start or "", "version": version, "reason": reason, "by": who()}
    wanted = replays.Wanted(start, version == "current", reason, word["by"])
    if dry_run:
        _finish(run_async(_rehearse(workspace, run_id, old.simulated, wanted)), session)
    if (answer := hand_over(workspace, f"/api/runs/{show(run_id)}/replay", word)) is not None:
        for text in answer["warnings"]:
            warn(text)
        if old.simulated:
            note("it was made with --simulate, and goes on only where the engine runs with --simulate")
        if session.as_json:
            print_json({"run": answer["run"], "state": answer["state"], "warnings": answer["warnings"]})
        else:
            click.echo(f"run {answer['run']} replays {show(run_id)}, and is {coloured(answer['state'])}")
            note(f"  {workspace.command('runs', 'show', answer['run'])}")
        return

    async def begin(host: Host) -> list[int]:
        return [await _begin(host, run_id, wanted)]

    _finish(run_async(go_on(workspace, "engine runs replay", old.simulated, begin)), session)


def _finish(ended: Ended, session: Session) -> None:
    if session.as_json:
        print_json(ended.reports.to_json(ended.runs[0]))
    raise Finished(ended.fine)


async def _begin(host: Host, run_id: int, wanted: replays.Wanted) -> int:
    made = await replays.replay(host.store, host.catalog, host.clock, run_id, wanted, epoch=host.runner.epoch)
    for text in made.warnings:
        warn(text)
    note(f"run {show(made.run.id)} replays {show(run_id)}")
    return made.run.id


async def _rehearse(workspace: Workspace, run_id: int, simulate: bool, wanted: replays.Wanted) -> Ended:
    """The replay in a store in memory, which is lent what it needs to know."""
    note("dry run: reads are made, writes are only shown, nothing is kept")

    async def begin(host: Host) -> list[int]:
        async with workspace.store() as store:
            await replays.lend(store, run_id, host.store, workspace.clock.time())
        return [await _begin(host, run_id, wanted)]

    return await go_on(workspace, "engine runs replay", simulate, begin, dry_run=True)
