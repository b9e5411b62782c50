"""``engine approvals`` and ``engine approve``: what runs ask of people, and a person's answer."""

from __future__ import annotations

import click

from engine.cli.acting import change, who
from engine.cli.aio import run_async
from engine.cli.console import excerpt, moment, note, print_json, width
from engine.cli.options import Id, data_option, json_option
from engine.cli.remote import hand_over
from engine.cli.session import Session
from engine.cli.waiting import wait_json
from engine.cli.workspace import Workspace, wrong_usage
from engine.runtime import answers
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.waits import Wait


@click.command(epilog="\b\nExample:\n  engine approvals")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many.")
@json_option
@data_option
@click.pass_obj
def approvals(session: Session, limit: int) -> None:
    """List what runs ask of people, with the links under which it is answered."""
    workspace = Workspace.of(session)
    waits = run_async(_listed(workspace, limit))
    if session.as_json:
        print_json({"approvals": [wait_json(wait) for wait in waits]})
        return
    if not waits:
        click.echo("no run asks for approval")
        return
    for wait in waits:
        about = wait_json(wait)
        until = f", until {moment(wait.due_at)}" if wait.due_at is not None else ""
        click.echo(f"{show(wait.run_id)}  {wait.scenario}  {about['step']}  since {moment(wait.opened_at)}{until}")
        click.echo(f"    {excerpt(about['asked'] or '', width() - 5)}")
        click.echo(f"    {about['link']}")
    note(f"answer with {workspace.command('approve', show(waits[0].run_id), '--yes')}, or --no")


async def _listed(workspace: Workspace, limit: int) -> list[Wait]:
    async with workspace.store() as store:
        return list(await store.waits.listed("approval", None, limit))


@click.command(
    epilog="\b\nExamples:\n"
    "  engine approve 01j9z6t3k4m5n --yes --comment 'checked the order'\n"
    "  engine approve 01j9z6t3k4m5n --step 'each[3]/ok' --no"
)
@click.argument("run_id", type=Id(), metavar="RUN")
@click.option("--yes", is_flag=True, help="Approve.")
@click.option("--no", is_flag=True, help="Refuse.")
@click.option("--step", metavar="PATH", help="Which step, where several ask.")
@click.option("--comment", default="", metavar="TEXT", help="Kept with the answer, and seen by the scenario.")
@json_option
@data_option
@click.pass_obj
def approve(session: Session, run_id: int, yes: bool, no: bool, step: str | None, comment: str) -> None:
    """Answer what a run asks."""
    if yes == no:
        raise wrong_usage("say --yes or --no")
    workspace = Workspace.of(session)
    body = {"yes": yes, "comment": comment, "by": who(), "step": step}
    answer = hand_over(workspace, f"/api/runs/{show(run_id)}/approve", body)
    if answer is None:

        async def decide(store: Store) -> None:
            now, by = workspace.clock.time(), who()
            await answers.decide(store, None, run_id, now, yes=yes, comment=comment, by=by, step=step)

        run_async(change(workspace, "engine approve", decide))
    if session.as_json:
        print_json({"run": show(run_id), "approved": yes})
    else:
        click.echo(f"run {show(run_id)}: {'approved' if yes else 'refused'}")
        if answer is None:
            note(f"it goes on when the engine next executes this store: {workspace.command('serve')}")
