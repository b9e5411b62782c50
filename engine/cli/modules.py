"""``engine modules``: what is installed."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import click

from engine.cli.console import bold, counted, dim, excerpt, print_json, table, width
from engine.cli.failures import Finished
from engine.cli.options import json_option
from engine.cli.session import Session
from engine.cli.workspace import Workspace, refuse, warn_of
from engine.plugins import Registry
from engine.runtime.declarations import declared_fault
from engine.scenario.diagnostics import did_you_mean
from engine.sdk.apps import App, Assumption
from engine.sdk.modules import Action, Module, PollingTrigger, Schema, Search, Transform, WebhookTrigger

_KINDS = (
    (WebhookTrigger, "trigger"),
    (PollingTrigger, "polling trigger"),
    (Search, "search"),
    (Transform, "transform"),
    (Action, "action"),
)

#: characters of an option's choices that have room in the column of types
MOST_CHOICES = 40


@click.command(
    epilog="\b\nExamples:\n  engine modules\n  engine modules http\n  engine modules yotpo_loyalty.retrieve_customer"
)
@click.argument("name", required=False)
@json_option
@click.pass_obj
def modules(session: Session, name: str | None) -> None:
    """Show what is installed: apps, modules, their options.

    NAME is an app or a module. Plugins that could not be loaded are told on stderr, and without NAME they make the
    exit code 1; so are modules whose example does not fit their own schema, which do not.
    """
    registry = Workspace.of(session).registry()
    doubts = [
        doubt
        for doubt in registry.doubts(lambda part: declared_fault(part, registry.connection_types))
        if name is None or doubt.about(name)
    ]
    warn_of(doubts)
    if name is None:
        chosen = dict(registry.modules)
    elif name in registry.modules:
        chosen = {name: registry.modules[name]}
    elif name in registry.apps:
        chosen = {n: m for n, m in registry.modules.items() if registry.app_of(n).name == name}
    else:
        problem = registry.problem_of(name.partition(".")[0])
        hint = did_you_mean(name, [*registry.modules, *registry.apps]) or "list them with `engine modules`"
        why = f": {problem.message}" if problem else ""
        raise refuse(
            "unknown-module", f"no app or module '{name}' is installed{why}", "mend the plugin" if why else hint
        )
    if session.as_json:
        shown = [module_json(n, m) for n, m in chosen.items()]
        apps = [_app_json(a, registry) for a in registry.apps.values() if name is None or a.name == name]
        problems = [problem.to_json() for problem in (*registry.problems, *doubts)]
        whole = {"apps": apps, "modules": shown, "problems": problems}
        print_json(shown[0] if name in registry.modules else whole)
    elif name in registry.modules:
        click.echo("\n".join(_page(name, chosen[name])))
    else:
        click.echo("\n".join(_overview(registry, chosen, registry.apps.get(name or ""))))
    raise Finished(fine=name is not None or not registry.problems)


def kind_of(module: Module) -> str:
    """``trigger``, ``polling trigger``, ``action``, ``search`` or ``transform``."""
    return next((word for kind, word in _KINDS if isinstance(module, kind)), "module")


def effect_in_words(module: Module) -> str:
    """What a module does outside, as far as it can be said without its config."""
    if isinstance(module, Search):
        return "read"
    if not isinstance(module, Action):
        return ""
    return "by config" if callable(module.effect) else str(module.effect)


def module_json(name: str, module: Module) -> dict[str, Any]:
    """A module with its schemas."""
    return {
        "name": name,
        "kind": kind_of(module),
        "version": module.version,
        "title": module.title,
        "description": module.description,
        "effect": effect_in_words(module) or None,
        "connection": module.connection,
        "connection_required": bool(module.connection and module.connection_required),
        "config": module.config,
        "output": module.output_schema(module.example or {}),
        "output_depends_on_config": callable(module.output),
        "example": module.example,
    }


def assumption_json(assumption: Assumption) -> dict[str, Any]:
    """An assumption with what changes it, null where nothing does."""
    return {
        "about": assumption.about,
        "assumed": assumption.assumed,
        "mark": assumption.mark,
        "source": assumption.source,
        "changed_by": assumption.changed_by or None,
        "settled_by": assumption.settled_by,
        "shown_by": list(assumption.shown_by),
    }


def _app_json(app: App, registry: Registry) -> dict[str, Any]:
    return {
        "name": app.name,
        "title": app.title,
        "description": app.description,
        "origin": registry.origin(app.name),
        "simulator": app.simulator is not None,
        "assumptions": [assumption_json(one) for one in app.assumptions],
        "connections": [
            {"name": kind.name, "title": kind.title, "description": kind.description, "fields": kind.fields}
            for kind in app.connections
        ],
    }


def _overview(registry: Registry, chosen: Mapping[str, Module], app: App | None) -> Iterator[str]:
    if app is not None:
        yield f"{bold(app.name)}  {app.title}"
        yield from (f"  {line}" for line in (app.description, dim(registry.origin(app.name))) if line)
        for kind in app.connections:
            yield f"\n  connection {bold(kind.name)}{f': {kind.description}' if kind.description else ''}"
            yield _indented(_options(kind.fields))
        yield ""
    rows = [(bold(n), kind_of(m), effect_in_words(m), m.title) for n, m in chosen.items()]
    yield table(rows, ("module", "kind", "effect", "title"))
    if app is None:
        apps = counted(len(registry.apps), "app")
        yield f"\n{apps}, {counted(len(chosen), 'module')}; `engine modules NAME` shows one with its options"
    elif app.assumptions:
        yield f"\n{bold('assumptions')}: the vendor was not seen to say so; try what rests on them against the real one"
        for one in app.assumptions:
            yield f"\n  {bold(one.about)} ({one.mark})"
            changed = f"changed by: {one.changed_by}" if one.changed_by else ""
            lines = [one.assumed, changed, f"settled by: {one.settled_by}"]
            yield from (_filled(line) for line in lines if line)


def _page(name: str, module: Module) -> Iterator[str]:
    yield f"{bold(name)}  {module.title}"
    yield f"  {module.description}\n"
    effect = f", effect: {effect_in_words(module)}" if effect_in_words(module) else ""
    yield f"  kind: {kind_of(module)}{effect}, version {module.version}"
    if module.connection:
        yield f"  connection: {module.connection}{'' if module.connection_required else ' (optional)'}"
    yield f"\n{dim('config')}"
    yield _indented(_options(module.config)) if module.config.get("properties") else "  takes no options"
    yield from (f"  {line}" for line in _together(module.config))
    output = module.output_schema(module.example or {})
    yield f"\n{dim('output')}{' of the example below; it depends on the config' if callable(module.output) else ''}"
    if output.get("properties"):
        yield _indented(_options(output))
    else:
        yield f"  {excerpt(_type(output), width() - 4)}"
    yield f"\n{dim('example')}"
    yield from _example(name, module)


def _together(schema: Schema) -> Iterator[str]:
    """What is required of several options together."""
    for keyword, how_many in (("anyOf", "at least one of"), ("oneOf", "exactly one of")):
        branches = [one.get("required") for one in schema.get(keyword, ()) if isinstance(one, Mapping)]
        if branches and all(branches):
            yield f"required: {how_many} {', '.join(' with '.join(names) for names in branches if names)}"


def _options(schema: Schema) -> str:
    required = set(schema.get("required", ()))
    rows = []
    for key, given in schema.get("properties", {}).items():
        inner = given if isinstance(given, Mapping) else {}
        words = [inner.get("description") or inner.get("title") or ""]
        if len(_choices(inner)) > MOST_CHOICES:
            words.append(f"[{_choices(inner)}]")
        if "default" in inner:
            words.append(f"[default: {json.dumps(inner['default'], ensure_ascii=False)}]")
        rows.append([bold(key), _type(inner), "required" if key in required else "", " ".join(filter(None, words))])
    room = max(30, width() - 12 - sum(max((len(click.unstyle(row[n])) for row in rows), default=0) for n in range(3)))
    for row in rows:
        row[3] = textwrap.fill(row[3], room)
    return table(rows, ("key", "type", "", ""))


def _type(schema: Schema) -> str:
    if schema.get("writeOnly"):
        return "secret"
    if choices := _choices(schema):
        return choices if len(choices) <= MOST_CHOICES else "one of these"
    if "const" in schema:
        return json.dumps(schema["const"], ensure_ascii=False)
    kind = schema.get("type")
    items = schema.get("items")
    if kind == "array" and isinstance(items, Mapping) and items:
        return f"list of {_type(items)}"
    if isinstance(kind, list):
        return " | ".join(kind)
    return str(kind) if kind else "any"


def _choices(schema: Schema) -> str:
    return " | ".join(str(value) for value in schema.get("enum", ()))


def _filled(text: str) -> str:
    return textwrap.fill(text, max(40, width() - 4), initial_indent="    ", subsequent_indent="    ")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _example(name: str, module: Module) -> Iterator[str]:
    trigger = isinstance(module, WebhookTrigger | PollingTrigger)
    lines = [f"module: {name}"]
    if module.connection and module.connection_required:
        lines.append(f"connection: {module.connection}")
    if module.example:
        lines += ["with:", *(f"  {line}" for line in yaml_lines(module.example))]
    if trigger:
        yield from ("  trigger:", *(f"    {line}" for line in lines))
        return
    yield "  - id: example"
    yield from (f"    {line}" for line in lines)


def yaml_lines(value: Any) -> list[str]:
    """A JSON value as block YAML; scalars are written as JSON, which is YAML 1.2 too."""
    if isinstance(value, Mapping) and value:
        lines = []
        for key, inner in value.items():
            nested = yaml_lines(inner)
            if isinstance(inner, Mapping | list) and inner:
                lines += [f"{key}:", *(f"  {line}" for line in nested)]
            else:
                lines.append(f"{key}: {nested[0]}")
        return lines
    if isinstance(value, list) and value:
        lines = []
        for inner in value:
            first, *rest = yaml_lines(inner)
            lines += [f"- {first}", *(f"  {line}" for line in rest)]
        return lines
    return [json.dumps(value, ensure_ascii=False)]
