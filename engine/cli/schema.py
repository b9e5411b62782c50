"""``engine schema``: what editors complete and check scenarios by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from engine.cli.console import note
from engine.cli.session import Session
from engine.cli.workspace import Workspace, shorten
from engine.editor.language import Known, scenario_schema
from engine.editor.settings import connections_schema, settings_schema
from engine.plugins import Registry
from engine.runtime.project import Project
from engine.scenario.diagnostics import ScenarioError
from engine.scenario.nodes import Mapping as MappingNode
from engine.scenario.nodes import plain
from engine.scenario.together import named_in
from engine.scenario.yaml import parse, read
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
    scenarios = dict(filter(None, map(_called, project.scenario_files())))
    return Known(
        connections={name: entry.type for name, entry in sorted(entries.items())},
        webhooks=sorted(project.settings.webhooks),
        scenarios=dict(sorted(scenarios.items())),
    )


def _called(path: Path) -> tuple[str, Mapping[str, Any]] | None:
    """The name of a scenario, and its inputs as they are written."""
    try:
        source = read(path.read_bytes(), str(path))
        name = named_in(source)
        root = parse(source, str(path))
    except (OSError, ScenarioError):
        return None
    inputs = root.get("inputs") if isinstance(root, MappingNode) else None
    return None if name is None else (name, plain(inputs) if isinstance(inputs, MappingNode) else {})
