"""``engine schema``: what editors complete and check scenarios by."""

from __future__ import annotations

import json
from pathlib import Path

import click

from engine.cli.console import note
from engine.cli.session import Session
from engine.cli.workspace import Workspace, shorten
from engine.editor.language import Known, scenario_schema
from engine.editor.settings import connections_schema, settings_schema
from engine.plugins import Registry
from engine.runtime.project import Project
from engine.scenario.together import named_in
from engine.sdk.errors import EngineError

KINDS = ("scenario", "settings", "connections")


@click.command(
    epilog="\b\nExamples:\n  engine schema --out scenario.schema.json\n"
    "  engine schema --for settings --out engine.schema.json"
)
@click.option("--for", "kind", type=click.Choice(KINDS), default="scenario", show_default=True, help="Of which files.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write it to this file.")
@click.pass_obj
def schema(session: Session, kind: str, out: Path | None) -> None:
    """Print the JSON Schema of the language, with the installed modules.

    Editors complete, explain and check by it: a scenario begins with the line
    `# yaml-language-server: $schema=../scenario.schema.json`. It knows the apps that are installed and those in the
    project's modules/, and offers the project's connections, webhooks and scenarios. Make it anew when an app is added
    or changed.
    """
    workspace = Workspace.of(session)
    registry = workspace.registry()
    match kind:
        case "scenario":
            made = scenario_schema(registry, known(workspace.project, registry))
        case "settings":
            made = settings_schema(registry)
        case _:
            made = connections_schema(registry)
    text = json.dumps(made, indent=1, ensure_ascii=False)
    if out is None:
        click.echo(text)
        return
    out.write_text(text + "\n", encoding="utf-8")
    modules = f" with {len(registry.modules)} modules" if kind == "scenario" else ""
    note(f"{shorten(out)} is written{modules}")


def known(project: Project, registry: Registry) -> Known:
    """What of the project is offered; what cannot be read is left out, since `engine check` tells of it."""
    try:
        entries = project.connections(registry)
    except EngineError:
        entries = {}
    names = [named_in(path.read_text("utf-8", errors="replace")) for path in project.scenario_files()]
    return Known(
        connections={name: entry.type for name, entry in sorted(entries.items())},
        webhooks=sorted(project.settings.webhooks),
        scenarios=sorted({name for name in names if name is not None}),
    )
