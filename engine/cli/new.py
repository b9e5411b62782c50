"""``engine new``: another scenario, another module."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import click

from engine.cli import connection_text
from engine.cli.console import note
from engine.cli.modules import yaml_lines
from engine.cli.samples import event_for
from engine.cli.session import Session
from engine.cli.templating import TEMPLATES, AlreadyThere, make, text_of
from engine.cli.workspace import Workspace, refuse, shorten, wrong_usage
from engine.plugins import Registry
from engine.runtime.project import SCENARIOS
from engine.runtime.reader import SecretRef
from engine.scenario.diagnostics import ScenarioError, did_you_mean
from engine.scenario.nodes import Mapping as MappingNode
from engine.scenario.nodes import Scalar
from engine.scenario.yaml import parse
from engine.sdk.modules import Json, Module, PollingTrigger, WebhookTrigger

#: what a scenario can begin as, beside a trigger's example
KINDS = ("by-hand", "webhook", "schedule")
_SCENARIO = re.compile(r"[a-z0-9][a-z0-9-]*")
_APP = re.compile(r"[a-z][a-z0-9_]*")
_MODELINE = "# yaml-language-server: $schema=../scenario.schema.json\n"


@click.group(epilog="\b\nExamples:\n  engine new scenario vip-tier --from webhook\n  engine new module crm")
def new() -> None:
    """Make another scenario or module; what is made is right."""


@new.command(
    epilog="\b\nExamples:\n"
    "  engine new scenario nightly --from schedule\n"
    "  engine new scenario vip-tier --trigger yotpo_loyalty.watch_loyalty_events\n"
    "  engine new scenario vip-tier-de --from scenarios/vip-tier.yaml"
)
@click.argument("name")
@click.option("--trigger", metavar="MODULE", help="Begin with this trigger, its example, and an event of it.")
@click.option(
    "--from",
    "source",
    metavar="KIND|FILE",
    help="Begin as by-hand, webhook or schedule, or as a copy of a scenario.  [default: by-hand]",
)
@click.pass_obj
def scenario(session: Session, name: str, trigger: str | None, source: str | None) -> None:
    """Make scenarios/NAME.yaml, and an event beside it.

    It passes `engine check` as it stands. A copy of a scenario is not active until you say so. Where a trigger needs a
    connection and there is none of its type, one is added to connections.yaml that takes its fields from environment
    variables.
    """
    if not _SCENARIO.fullmatch(name):
        raise wrong_usage(f"'{name}' cannot be a scenario's name: small letters, digits and -, such as vip-tier")
    if trigger and source:
        raise wrong_usage("--trigger and --from both say how it begins: give one of them")
    workspace = Workspace.of(session)
    project = workspace.project
    _unused(workspace, name)
    path = project.root / SCENARIOS / f"{name}.yaml"
    event: Json = ...
    if trigger is not None:
        text, event = _of_trigger(workspace, workspace.registry(), name, trigger)
    elif source is None or source in KINDS:
        kind = source or KINDS[0]
        text = text_of(TEMPLATES / "scenarios" / f"{kind}.yaml", {"name": name})
        sample = TEMPLATES / "scenarios" / f"{kind}.event.json"
        event = json.loads(sample.read_text("utf-8")) if sample.exists() else ...
    else:
        text = _copy(source, name)
    files = {path: text}
    if event is not ...:
        files[path.with_suffix(".event.json")] = json.dumps(event, indent=2, ensure_ascii=False) + "\n"
    for made in make(files):
        click.echo(f"  {shorten(made)}")
    note("\nNext:\n")
    note(f"  engine check {shorten(path)}")
    if event is not ...:
        with_event = f"--event {shorten(path.with_suffix('.event.json'))}"
        with_event = with_event.replace("--event", "--inputs") if "inputs:" in text else with_event
        note(f"  engine run {shorten(path)} --simulate {with_event}")


def _unused(workspace: Workspace, name: str) -> None:
    """Names are unique in a project, whatever their files are called."""
    for file in workspace.project.scenario_files():
        try:
            root = parse(file.read_text("utf-8", "replace"), str(file))
        except ScenarioError:
            continue
        given = root.get("scenario") if isinstance(root, MappingNode) else None
        if isinstance(given, Scalar) and given.value == name:
            raise AlreadyThere(
                f"the scenario '{name}' is in {shorten(file)}; nothing was made",
                place=str(given.place),
                hint="names are unique in a project: choose another",
            )


def _copy(source: str, name: str) -> str:
    path = Path(source)
    if not path.is_file():
        hint = did_you_mean(source, KINDS) or f"one of {', '.join(KINDS)}, or the file of a scenario"
        raise wrong_usage(f"--from knows no '{source}'; {hint}")
    text = path.read_bytes().decode("utf-8")
    root = parse(text, str(shorten(path)))
    given = root.get("scenario") if isinstance(root, MappingNode) else None
    if not isinstance(root, MappingNode) or not isinstance(given, Scalar):
        raise refuse("no-scenario", f"{shorten(path)} is no scenario", "name a file that begins with `scenario:`")
    lines = text.splitlines(keepends=True)
    line, column = given.place.line - 1, given.place.column - 1
    rest = lines[line][column:]
    old = rest.split("#")[0].rstrip() if rest.lstrip()[:1] not in "'\"" else rest.strip()
    lines[line] = lines[line][:column] + rest.replace(old, name, 1)
    active = root.get("active")
    if active is None:
        lines.insert(line + 1, "active: false\n")
    elif isinstance(active, Scalar):
        at = active.place.line - 1
        lines[at] = lines[at].replace("true", "false", 1)
    return "".join(lines)


def _of_trigger(workspace: Workspace, registry: Registry, name: str, trigger: str) -> tuple[str, Json]:
    module = registry.modules.get(trigger)
    triggers = {n for n, m in registry.modules.items() if isinstance(m, WebhookTrigger | PollingTrigger)}
    if module is None or trigger not in triggers:
        what = f"no module '{trigger}' is installed" if module is None else f"'{trigger}' is no trigger"
        hint = did_you_mean(trigger, triggers) or f"triggers: {', '.join(sorted(triggers))}"
        raise refuse("unknown-module", what, hint)
    lines = [f"  module: {trigger}"]
    if module.connection is not None and module.connection_required:
        lines.append(f"  connection: {_connection(workspace, registry, module)}")
    config: Mapping[str, Json] = module.example or {}
    if config:
        lines += ["  with:", *(f"    {line}" for line in yaml_lines(config))]
    text = (
        f"{_MODELINE}scenario: {name}\n"
        f"description: {json.dumps(f'What follows from: {module.title}.', ensure_ascii=False)}\n"
        "trigger:\n" + "\n".join(lines) + "\nsteps:\n"
        "  - id: noted\n"
        "    module: log.write_entry\n"
        "    with:\n"
        f"      message: an event of {trigger}\n"
        '      fields: {event: "${{ trigger }}"}\n'
    )
    return text, event_for(registry, trigger, config)


def _connection(workspace: Workspace, registry: Registry, module: Module) -> str:
    """A connection of the type that a module needs; one is added where there is none."""
    entries = workspace.project.connections(registry)
    for entry in entries.values():
        if entry.type == module.connection:
            return entry.name
    assert module.connection is not None
    kind = registry.connection_types[module.connection]
    name = kind.name.replace("_", "-")
    number = 2
    while name in entries:
        name, number = f"{kind.name.replace('_', '-')}-{number}", number + 1
    variables = {field: re.sub(r"\W", "_", f"{name}_{field}").upper() for field in kind.fields.get("required", ())}
    entry_text = connection_text.entry_text(
        name, kind.name, {field: SecretRef("env", variable) for field, variable in variables.items()}
    )
    path = workspace.project.connections_file
    text = path.read_bytes().decode("utf-8") if path.exists() else ""
    connection_text.write(path, connection_text.with_entry(text, entry_text, str(path)))
    taken = ", ".join(variables.values())
    note(f"connection '{name}' is added to {shorten(path)}; it takes {taken} from the environment")
    return name


@new.command(epilog="\b\nExamples:\n  engine new module crm\n  engine new module crm --package")
@click.argument("name")
@click.option(
    "--package", is_flag=True, help="A package of its own that can be installed and given away: engine-NAME/."
)
@click.pass_obj
def module(session: Session, name: str, package: bool) -> None:
    """Make modules/NAME.py: an app with an action, a search and a simulator, and its test.

    It passes `engine check`, `engine modules NAME` and its tests as it stands.
    """
    if not _APP.fullmatch(name):
        raise wrong_usage(f"'{name}' cannot be an app's name: small letters, digits and _, such as {_nearest(name)}")
    dashed = name.replace("_", "-")
    values = {"name": name, "dashed": dashed, "title": name.replace("_", " ").title()}

    def text(template: str) -> str:
        return text_of(TEMPLATES / template, values)

    if package:
        root = Path(f"engine-{dashed}")
        files = {
            root / "pyproject.toml": text("package/pyproject.toml.txt"),
            root / "README.md": text("package/README.md"),
            root / "src" / f"engine_{name}" / "__init__.py": text("module/app.py.txt"),
        }
        following = [f"cd {root}", "python -m pip install -e '.[test]'", "pytest", f"engine modules {name}"]
    else:
        workspace = Workspace.of(session)
        root = workspace.project.root
        registry = workspace.registry()
        if name in registry.apps:
            raise AlreadyThere(
                f"the app '{name}' is installed: {registry.origin(name)}", hint="choose another name; nothing was made"
            )
        files = {root / "modules" / f"{name}.py": text("module/app.py.txt")}
        following = [f"engine modules {name}", f"pytest {shorten(root / 'tests' / f'test_{name}.py')}"]
    files[root / "tests" / f"test_{name}.py"] = text("module/test.py.txt")
    files[root / "tests" / f"try_{name}.yaml"] = text("module/try.yaml")
    for made in make(files):
        click.echo(f"  {shorten(made)}")
    note("\nNext:\n")
    for step in following:
        note(f"  {step}")


def _nearest(name: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_0123456789") or "crm"
