"""``engine erase``: a subject's personal values go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click

from engine.cli.acting import change, who
from engine.cli.aio import run_async
from engine.cli.console import counted, note, print_json
from engine.cli.options import data_option, json_option
from engine.cli.remote import hand_over
from engine.cli.session import Session
from engine.cli.workspace import Workspace, shorten
from engine.runtime import erasing
from engine.runtime.host import STORE_FILE
from engine.store.ids import show
from engine.store.interface import Store


@click.command(epilog="\b\nExamples:\n  engine erase ana@example.com --dry-run\n  engine erase ana@example.com --yes")
@click.argument("subject")
@click.option("--dry-run", is_flag=True, help="Only say what would be blanked.")
@click.option("--cancel", is_flag=True, help="End the runs about the subject that have not ended.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@data_option
@click.pass_obj
def erase(session: Session, subject: str, dry_run: bool, cancel: bool, yes: bool) -> None:
    """Erase a subject: blank what receipts, runs and writes hold about it.

    Rows, states and sums stand. There is no way back.
    """
    workspace = Workspace.of(session)
    if not (workspace.data / STORE_FILE).is_file():
        note(f"there is no store in {shorten(workspace.data)} yet: nothing was run")
        return
    found = run_async(_look(workspace, subject))
    if dry_run or not found.receipts:
        _tell(session, found, "would be blanked" if dry_run else "nothing is about it")
        return
    if not yes:
        click.confirm(
            f"blank {counted(found.receipts, 'receipt')} and {counted(found.runs, 'run')} for good?", abort=True
        )
    total = erasing.Part()
    quiet, more = False, True
    while more:
        answer = hand_over(workspace, "/api/erase", {"subject": subject, "cancel": cancel, "by": who()}, quiet=quiet)
        quiet = True
        part = _part(answer) if answer is not None else run_async(_alone(workspace, subject, cancel))
        total.receipts += part.receipts
        total.runs += part.runs
        more = part.more
    _tell(session, total, "blanked")


async def _look(workspace: Workspace, subject: str) -> erasing.Part:
    async with workspace.store() as store:
        return await erasing.look(store, subject)


async def _alone(workspace: Workspace, subject: str, cancel: bool) -> erasing.Part:
    part = erasing.Part()

    async def work(store: Store) -> None:
        nonlocal part
        instead = erasing.token(workspace.data, subject)
        part = await erasing.erase(store, subject, instead, workspace.clock.time(), cancel=cancel, by=who())

    await change(workspace, "engine erase", work)
    return part


def _part(answer: Mapping[str, Any]) -> erasing.Part:
    return erasing.Part(answer["receipts"], answer["runs"], [], answer["more"])


def _tell(session: Session, part: erasing.Part, what: str) -> None:
    if session.as_json:
        document = {**asdict(part), "unfinished": [show(run_id) for run_id in part.unfinished]}
        print_json(document)
        return
    more = " and more" if part.more else ""
    click.echo(f"{what}: {counted(part.receipts, 'receipt')}, {counted(part.runs, 'run')}{more}")
    if part.unfinished:
        click.echo(f"not ended: {', '.join(show(run_id) for run_id in part.unfinished)}")
