"""``engine check``: every mistake at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from engine.cli.console import counted, note, print_json
from engine.cli.failures import Finished
from engine.cli.session import Session
from engine.cli.workspace import Workspace, refuse, shorten, warn_of
from engine.runtime.clock import SystemClock
from engine.runtime.declarations import declared_fault
from engine.runtime.project import CONNECTIONS, SETTINGS, Project
from engine.runtime.reader import SettingsError
from engine.scenario.callees import Callee
from engine.scenario.diagnostics import Diagnostic, Severity, render
from engine.scenario.load import Known, load_file
from engine.scenario.plan import Scenario
from engine.scenario.together import Read, check_together, resolve


@dataclass
class _Found:
    files: set[Path] = field(default_factory=set)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    plugins: dict[str, dict[str, Any]] = field(default_factory=dict)

    def settings(self, error: SettingsError) -> None:
        for d in error.diagnostics:
            place = replace(d.place, file=str(shorten(Path(d.place.file))))
            self.diagnostics.append(replace(d, place=place))
        self.sources |= {str(shorten(Path(file))): text for file, text in error.sources.items()}

    def count(self, severity: Severity) -> int:
        return sum(d.severity is severity for d in self.diagnostics)

    @property
    def broken(self) -> int:
        """How many plugins are not loaded."""
        return sum(not plugin.get("loaded") for plugin in self.plugins.values())

    @property
    def doubts(self) -> int:
        """How many warnings there are of plugins that are loaded."""
        return len(self.plugins) - self.broken


@click.command(
    epilog="\b\nExamples:\n  engine check\n  engine check scenarios/hello.yaml --level hint\n"
    "  engine check --strict --format github"
)
@click.argument("paths", type=click.Path(exists=True, path_type=Path), nargs=-1, metavar="[PATH]...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="For people, for programs, or as annotations of a GitHub workflow.",
)
@click.option(
    "--level",
    type=click.Choice([str(severity) for severity in Severity]),
    default=str(Severity.WARNING),
    show_default=True,
    help="The least severe that is shown.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 for whatever is shown, not for errors alone.")
@click.pass_obj
def check(session: Session, paths: tuple[Path, ...], form: str, level: str, *, strict: bool) -> None:
    """Find every mistake in scenarios and settings.

    Without PATH it checks the project of the current folder. Exit code 1 when there is an error, or a plugin that is
    not loaded; warnings, those of plugins too, do not count but with --strict. Plugins are told on stderr.

    A comment in the file silences a check in its line, or in the line below: `# engine: ignore[null-in-text] why`.
    """
    found = _Found()
    groups: dict[Path, list[Path]] = {}
    projects: dict[Path, Project] = {}
    for path in paths or (Path.cwd(),):
        project = _project(path, session.environment, found)
        projects[project.root] = project
        groups.setdefault(project.root, []).extend([path] if paths else [])
    for root, group in groups.items():
        _check(Workspace(projects[root], session, SystemClock()), group, found)
    found.diagnostics = list(dict.fromkeys(found.diagnostics))
    shown = [d for d in found.diagnostics if d.severity.rank <= Severity(level).rank]
    errors = found.count(Severity.ERROR)
    if form == "json":
        print_json(
            {
                "files": len(found.files),
                "errors": errors,
                "warnings": found.count(Severity.WARNING),
                "hints": found.count(Severity.HINT),
                "diagnostics": [d.to_json() for d in shown],
                "plugins": list(found.plugins.values()),
            }
        )
    elif form == "github":
        for d in shown:
            click.echo(_annotation(d))
        for plugin in found.plugins.values():
            click.echo(_plugin_annotation(plugin))
    elif shown:
        click.echo(render(shown, found.sources))
    if form != "json":
        note(_summary(found, Severity(level)))
    if not found.files and not found.diagnostics:
        raise refuse(
            "no-scenario", "there is nothing to check here", "name a file or folder, or write scenarios/NAME.yaml"
        )
    raise Finished(not (shown or found.plugins if strict else errors) and not found.broken)


def _project(path: Path, environment: str | None, found: _Found) -> Project:
    try:
        return Project.find(path, environment)
    except SettingsError as error:
        found.settings(error)
        return Project(Path(error.diagnostics[0].place.file).parent, environment=environment)


def _check(workspace: Workspace, paths: list[Path], found: _Found) -> None:
    project = workspace.project
    registry = workspace.registry()
    doubts = registry.doubts(lambda part: declared_fault(part, registry.connection_types))
    warn_of(doubts)
    found.plugins |= {str(problem): problem.to_json() for problem in (*registry.problems, *doubts)}
    connections: dict[str, str] | None = None
    try:
        connections = {name: entry.type for name, entry in project.connections(registry).items()}
    except SettingsError as error:
        found.settings(error)
    for name in project.settings.environments:
        try:
            if name != project.environment:
                Project.find(project.root, name).connections(registry)
        except SettingsError as error:
            found.settings(error)
    found.files.update(path for name in (SETTINGS, CONNECTIONS) if (path := project.root / name).is_file())
    # what cannot be read is not held against those who rely on it
    broken = any(Path(d.place.file).name == SETTINGS for d in found.diagnostics)
    webhooks = None if broken else project.settings.webhooks
    settings = project.settings
    known = Known() if broken else settings.known

    def again(file: str, callees: Mapping[str, Callee]) -> tuple[Scenario | None, list[Diagnostic]]:
        return load_file(Path(file), registry, connections, webhooks, settings.defaults, callees, hints=True, **known)

    def read(path: Path) -> Read:
        file = shorten(path)
        plan, diagnostics = load_file(file, registry, connections, webhooks, settings.defaults, hints=True, **known)
        return Read(str(file), file.read_text("utf-8", "replace"), plan, diagnostics)

    chosen = [path for path in project.scenario_files(paths) if path.name not in (SETTINGS, CONNECTIONS)]
    files = [read(path) for path in chosen]
    asked = {path.resolve() for path in chosen}
    rest = resolve(
        files, lambda: (read(path) for path in project.scenario_files() if path.resolve() not in asked), again
    )
    for one in files:
        found.diagnostics += one.diagnostics
        found.sources[one.file] = one.source
    found.files.update(chosen)
    plans, others = ([one.plan for one in many if one.plan is not None] for many in (files, rest))
    found.diagnostics += check_together(plans, others)


def _summary(found: _Found, level: Severity) -> str:
    parts = [
        counted(len(found.files), "file"),
        counted(found.count(Severity.ERROR), "error"),
        counted(found.count(Severity.WARNING), "warning"),
    ]
    if hints := found.count(Severity.HINT):
        parts.append(counted(hints, "hint") + ("" if level is Severity.HINT else " (--level hint shows them)"))
    if found.doubts:
        parts.append(f"{counted(found.doubts, 'warning')} of plugins")
    if found.broken:
        parts.append(f"{counted(found.broken, 'plugin')} not loaded")
    return ", ".join(parts)


_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.HINT: "notice"}


def _annotation(d: Diagnostic) -> str:
    message = f"{d.message} ({d.hint})" if d.hint else d.message
    properties = f"file={_property(d.place.file)},line={d.place.line},col={d.place.column},title={_property(d.code)}"
    return f"::{_LEVELS[d.severity]} {properties}::{_escaped(message)}"


def _plugin_annotation(plugin: Mapping[str, Any]) -> str:
    file = shorten(Path(plugin["file"])) if plugin.get("file") else ""
    properties = f"file={_property(str(file))},line={plugin.get('line') or 1},title={_property(plugin['code'])}"
    message = _escaped(f"{plugin['message']} ({plugin['place']})")
    return f"::{'warning' if plugin.get('loaded') else 'error'} {properties}::{message}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
