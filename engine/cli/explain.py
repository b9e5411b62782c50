"""``engine explain``: a scenario in plain sentences."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.console import print_json
from engine.cli.options import json_option
from engine.cli.session import Session
from engine.cli.workspace import Workspace
from engine.views.explain import explain as sentences
from engine.views.explain import text_of


@click.command(epilog="\b\nExample:\n  engine explain scenarios/hello.yaml")
@click.argument("scenario", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@click.pass_obj
def explain(session: Session, scenario: Path) -> None:
    """Say in plain sentences what a scenario does.

    What starts it, its steps and ways, what it reads and writes, what it waits for, what becomes of failures.
    """
    workspace = Workspace.of(session, scenario)
    [plan] = workspace.scenarios(workspace.registry(), [scenario], simulate=False)
    found = sentences(plan)
    if session.as_json:
        print_json({"scenario": plan.name, "sentences": [line.to_json() for line in found]})
        return
    click.echo(text_of(found), nl=False)
