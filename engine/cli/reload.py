"""``engine reload``: have changed files taken over now."""

from __future__ import annotations

import click

from engine.cli.console import note, print_json
from engine.cli.options import data_option, json_option
from engine.cli.remote import hand_over
from engine.cli.session import Session
from engine.cli.workspace import Workspace, refuse
from engine.runtime.reload import Taken


@click.command(epilog="\b\nExamples:\n  engine reload\n  engine check && engine reload")
@data_option
@json_option
@click.pass_obj
def reload(session: Session) -> None:
    """Have the process that serves take over changed files now.

    It does so by itself, unless it was started with --no-reload. Files with mistakes are not taken: exit code 1, and
    what was served goes on.
    """
    workspace = Workspace.of(session)
    answer = hand_over(workspace, "/api/reload", {})
    if answer is None:
        raise refuse(
            "nothing-serves", "no process serves this project", "`engine serve` begins with the files as they are"
        )
    if session.as_json:
        print_json(answer)
        return
    taken = Taken(**answer)
    click.echo(str(taken))
    if taken.restart:
        note("what needs a restart counts when the process is stopped and started again; nothing is lost by that")
