"""``engine init``: a project to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.console import bold, note
from engine.cli.templating import AlreadyThere, files_of, make, text_of
from engine.cli.workspace import shorten
from engine.runtime.project import CONNECTIONS, SETTINGS

TEMPLATE = "project"


@click.command(epilog="\b\nExamples:\n  engine init shop-automations\n  engine init .")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="[DIR]", default=".")
def init(folder: Path) -> None:
    """Make a project: settings, a scenario with its event and test.

    DIR is this folder when left out. What is made passes `engine check` and `engine test` as it stands. Nothing that is
    there is overwritten: a folder that is a project already is left alone, and in any other folder a file of the same
    name is kept.
    """
    for name in (SETTINGS, CONNECTIONS):
        if (folder / name).exists():
            raise AlreadyThere(
                f"{shorten(folder)} is a project already; nothing was made",
                place=str(shorten(folder / name)),
                hint="`engine new scenario NAME` adds a scenario to it",
            )
    title = folder.resolve().name or "automations"
    found = files_of(TEMPLATE)
    kept = [path for path in found if (folder / path).exists()]
    fresh = {folder / path: text_of(source, {"name": title}) for path, source in found.items() if path not in kept}
    for path in make(fresh):
        click.echo(f"  {shorten(path)}")
    for path in kept:
        note(f"  {shorten(folder / path)} is there already and stays as it is")
    inside = folder.resolve() == Path.cwd()
    steps = [] if inside else [f"cd {shorten(folder)}"]
    steps += [
        "engine schema --out scenario.schema.json",
        "engine check",
        "engine test",
        "engine run scenarios/new-order.yaml --simulate --event scenarios/new-order.event.json",
        "engine serve",
    ]
    note(f"\n{bold(title)} is made. Next:\n")
    for step in steps:
        note(f"  {step}")
