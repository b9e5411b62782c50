"""``engine graph``: a scenario as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.console import note
from engine.cli.session import Session
from engine.cli.workspace import Workspace
from engine.sdk.errors import ConfigError
from engine.views.chart import chart_of
from engine.views.mermaid import mermaid
from engine.views.svg import svg

_FORMS = {"svg": svg, "mermaid": mermaid}


@click.command(
    epilog="\b\nExamples:\n  engine graph scenarios/hello.yaml\n  engine graph scenarios/hello.yaml --out hello.svg"
)
@click.argument("scenario", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(sorted(_FORMS)),
    help="Mermaid text, which merge requests draw, or SVG; by the name of the file, else mermaid.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file; else it is printed.")
@click.pass_obj
def graph(session: Session, scenario: Path, form: str | None, out: Path | None) -> None:
    """Draw a scenario, as SVG or Mermaid.

    Its trigger, ways, loops, waits and writes are seen: a box with a bar at its left changes something outside; a
    dashed way is taken where something goes wrong.
    """
    workspace = Workspace.of(session, scenario)
    [plan] = workspace.scenarios(workspace.registry(), [scenario], simulate=False)
    chosen = form or ("svg" if out is not None and out.suffix.lower() == ".svg" else "mermaid")
    text = _FORMS[chosen](chart_of(plan))
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"it cannot be written: {error.strerror or error}", place=str(out)) from None
    note(f"{out}: {chosen}")
