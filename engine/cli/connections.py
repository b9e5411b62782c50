"""``engine connections``: names, where their secrets come from, and whether they work."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import click
import jsonschema

from engine.cli import authorizing, connection_text
from engine.cli.aio import run_async
from engine.cli.console import coloured, moment, note, print_json, table
from engine.cli.options import data_option, json_option
from engine.cli.session import Session
from engine.cli.workspace import Workspace, environment, refuse, wrong_usage
from engine.plugins import Registry
from engine.runtime.connection_file import ConnectionEntry, lacking
from engine.runtime.connections import signs_in
from engine.runtime.reader import SecretRef
from engine.runtime.secrets import KeyRing, SecretBox
from engine.scenario.diagnostics import did_you_mean
from engine.sdk.connections import ConnectionType
from engine.sdk.modules import Json
from engine.store.interface import Store

_NAME = re.compile(r"[a-z0-9][a-z0-9_\-]*")


@click.group(
    invoke_without_command=True,
    epilog="\b\nExamples:\n"
    "  engine connections\n"
    "  engine connections add yotpo --type yotpo_loyalty\n"
    "  engine connections test yotpo",
)
@json_option
@data_option
@click.pass_context
def connections(ctx: click.Context) -> None:
    """List connections; add, authorize, test or remove one.

    Secrets are never shown, only where each comes from and whether it is there.
    """
    if ctx.invoked_subcommand is None:
        run_async(_list(Workspace.of(ctx.ensure_object(Session))))


async def _list(workspace: Workspace) -> None:
    registry = workspace.registry()
    entries = workspace.project.connections(registry)
    async with workspace.store() as store:
        stored = set(await store.secrets())
        listed = [_describe(entry, stored) for entry in entries.values()]
        async with authorizing.opened(workspace, registry, entries, store) as opened:
            signing_in = opened.places()
            for about in listed:
                if about["name"] in signing_in:
                    about["authorization"] = await authorizing.standing(opened, about["name"])
    if workspace.session.as_json:
        print_json({"connections": listed})
        return
    if not listed:
        click.echo("no connections; add one with `engine connections add NAME`")
        return
    rows = []
    for about in listed:
        first = (about["name"], about["type"])
        for field, source in about["fields"].items() or [("", {})]:
            shown = source.get("value", source.get("from"))
            rows.append((*first, field, shown, coloured(source.get("state", ""))))
            first = ("", "")
        if authorization := about.get("authorization"):
            rows.append((*first, "authorization", _told(authorization), coloured(authorization["state"])))
    click.echo(table(rows, ("connection", "type", "field", "from", "")))


def _told(authorization: Mapping[str, Any]) -> str:
    """How an authorization is, in a few words."""
    if authorization["state"] == "lost":
        return f"since {moment(authorization['lost_at'])}: {authorization['why']}"
    if "granted_at" not in authorization:
        return "of nobody yet"
    end = authorization["expires_at"]
    until = "renewed by itself" if authorization["renews"] else f"until {moment(end)}" if end else "until it is refused"
    return f"of {moment(authorization['granted_at'])}, {until}"


def _describe(entry: ConnectionEntry, stored: set[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, given in entry.fields.items():
        if not isinstance(given, SecretRef):
            fields[name] = {"value": given}
        elif given.kind == "env":
            fields[name] = {"from": str(given), "state": "set" if environment().get(given.name) else "not set"}
        else:
            fields[name] = {"from": str(given), "state": "stored" if given.name in stored else "missing"}
    return {"name": entry.name, "type": entry.type, "fields": fields}


@connections.command(
    epilog="\b\nExamples:\n"
    "  engine connections add yotpo --type yotpo_loyalty\n"
    "  engine connections add yotpo --type yotpo_loyalty --env guid=YOTPO_GUID --env api_key=YOTPO_KEY\n"
    '  printf \'%s\\n\' "$GUID" "$KEY" | engine connections add yotpo --type yotpo_loyalty'
)
@click.argument("name")
@click.option("--type", "kind_name", metavar="TYPE", help="The connection type; `engine modules APP` shows its fields.")
@click.option(
    "--set", "given", multiple=True, metavar="FIELD[=VALUE]", help="A field's value; without =VALUE it is asked for."
)
@click.option("--env", "variables", multiple=True, metavar="FIELD=VAR", help="Take a field from the environment.")
@click.option("--later", is_flag=True, help="Do not ask for the vendor's consent now (OAuth 2).")
@click.option("--browser", is_flag=True, help="Open the link of the consent in this machine's browser.")
@data_option
@click.pass_obj
def add(
    session: Session,
    name: str,
    kind_name: str | None,
    given: tuple[str, ...],
    variables: tuple[str, ...],
    later: bool,
    browser: bool,
) -> None:
    """Add a connection, or renew the stored secrets of one that is there.

    Fields that are missing are asked for; when stdin is no terminal, they are read from it, one in each line. Secrets
    are encrypted and kept in the store, never in connections.yaml; no scenario changes when they are renewed.

    A connection that a person has to agree to (OAuth 2) is authorized at once: see `engine connections authorize`.
    """
    workspace = Workspace.of(session)
    registry = workspace.registry()
    entry = workspace.project.connections(registry).get(name)
    values, asked = _given(given)
    references = {field: SecretRef("env", variable) for field, variable in map(_pair, variables)}
    if entry is not None:
        if kind_name not in (None, entry.type):
            raise wrong_usage(f"connection '{name}' is there, and of type '{entry.type}'")
        _renew(workspace, registry, entry, values, asked, references)
        if not later:
            _authorize(workspace, registry, name, browser)
        return
    if not _NAME.fullmatch(name):
        raise wrong_usage(f"'{name}' is no name for a connection: lower-case letters, digits, - and _")
    kind = _kind(registry, name, kind_name)
    known = {*kind.fields.get("properties", {}), "base_url"}
    for field in (*values, *asked, *references):
        if field not in known:
            hint = did_you_mean(field, known) or f"its fields: {', '.join(sorted(known))}"
            raise wrong_usage(f"type '{kind.name}' has no field '{field}'; {hint}")
    wanted = [f for f in _required(kind, {*values, *asked, *references}) if f not in values and f not in references]
    values |= _ask(kind, list(dict.fromkeys([*wanted, *asked])))
    fields = {field: _typed(kind, field, text) for field, text in values.items()}
    _validate(kind, fields)
    if (lack := lacking(kind, fields | references)) is not None:
        raise wrong_usage(f"type '{kind.name}': {lack}")
    secrets = {f"{name}.{field}": str(fields[field]) for field in fields if field in kind.secrets}
    shown: dict[str, Json | SecretRef] = {
        field: SecretRef("secret", f"{name}.{field}") if field in kind.secrets else value
        for field, value in fields.items()
    }
    _write(workspace, connection_text.entry_text(name, kind.name, shown | references), secrets)
    click.echo(f"connection '{name}' is added; prove it with `{workspace.command('connections', 'test', name)}`")
    if not later:
        _authorize(workspace, registry, name, browser)


def _authorize(workspace: Workspace, registry: Registry, name: str, browser: bool) -> None:
    """Have a person agree, where the connection needs it."""
    entries = workspace.project.connections(registry)
    if signs_in(entries[name], registry):
        run_async(authorizing.authorize(workspace, registry, entries, name, browser=browser))


def _renew(
    workspace: Workspace,
    registry: Registry,
    entry: ConnectionEntry,
    values: dict[str, str],
    asked: Sequence[str],
    references: Mapping[str, SecretRef],
) -> None:
    stored = {
        f: given.name for f, given in entry.fields.items() if isinstance(given, SecretRef) and given.kind == "secret"
    }
    other = [field for field in (*values, *asked, *references) if field not in stored or field in references]
    if other:
        raise wrong_usage(f"connection '{entry.name}' is there; change '{other[0]}' in connections.yaml")
    if not stored and signs_in(entry, registry):
        return
    if not stored:
        variables = [given.name for given in entry.fields.values() if isinstance(given, SecretRef)]
        raise refuse(
            "nothing-stored",
            f"connection '{entry.name}' is there, and no secret of it is in the store",
            f"set {', '.join(variables)}, which connections.yaml names"
            if variables
            else "change it in connections.yaml",
        )
    kind = registry.connection_types[entry.type]
    # who names fields renews these; who names none renews all
    values |= _ask(kind, list(asked if asked or values else stored))
    run_async(_put(workspace, {stored[field]: value for field, value in values.items()}))
    click.echo(f"renewed: {', '.join(values)} of connection '{entry.name}'")


def _kind(registry: Registry, name: str, kind_name: str | None) -> ConnectionType:
    wanted = kind_name or name
    kind = registry.connection_types.get(wanted)
    if kind is None:
        known = registry.connection_types
        hint = did_you_mean(wanted, known) or f"installed: {', '.join(sorted(known)) or 'none'}"
        what = f"no connection type '{wanted}' is installed" if kind_name else f"say of which --type '{name}' is"
        raise wrong_usage(f"{what}; {hint}")
    return kind


def _required(kind: ConnectionType, named: Collection[str]) -> list[str]:
    """The fields that a connection cannot do without; of several ways to sign in those of the one that is named."""
    ways = [way.get("required", []) for way in kind.fields.get("anyOf", ())]
    chosen = next((way for way in ways if set(way) & set(named)), ways[0] if ways else [])
    return list(dict.fromkeys([*kind.fields.get("required", ()), *chosen]))


def _given(options: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    values, asked = {}, []
    for option in options:
        field, equals, value = option.partition("=")
        if equals:
            values[field] = value
        else:
            asked.append(field)
    return values, asked


def _pair(option: str) -> tuple[str, str]:
    field, equals, variable = option.partition("=")
    if not (field and equals and variable):
        raise wrong_usage(f"--env takes FIELD=VAR, not '{option}'")
    return field, variable


def _ask(kind: ConnectionType, fields: Sequence[str]) -> dict[str, str]:
    values = {}
    for field in fields:
        schema = kind.fields.get("properties", {}).get(field, {})
        label = schema.get("title") or field
        if sys.stdin.isatty():
            values[field] = click.prompt(label, hide_input=field in kind.secrets, err=True)
            continue
        line = sys.stdin.readline().rstrip("\r\n")
        if not line:
            raise wrong_usage(f"'{field}' is missing: give it with --set or --env, or as a line on stdin")
        values[field] = line
    return values


def _typed(kind: ConnectionType, field: str, text: str) -> Json:
    schema = kind.fields.get("properties", {}).get(field, {})
    if schema.get("type") in ("integer", "number", "boolean"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _validate(kind: ConnectionType, fields: Mapping[str, Json]) -> None:
    properties = kind.fields.get("properties", {})
    for field, value in fields.items():
        error = next(jsonschema.Draft202012Validator(properties.get(field, True)).iter_errors(value), None)
        if error is not None:
            said = " is not valid" if field in kind.secrets else f": {error.message}"
            raise wrong_usage(f"'{field}'{said}")


def _write(workspace: Workspace, entry: str, secrets: Mapping[str, str]) -> None:
    path = workspace.project.connections_file
    # as bytes, so that line ends stay as they are
    text = path.read_bytes().decode("utf-8") if path.exists() else ""
    changed = connection_text.with_entry(text, entry, str(path))
    if secrets:
        # before the file names them, so that nobody meets a name without a value
        run_async(_put(workspace, secrets))
    connection_text.write(path, changed)


async def _put(workspace: Workspace, secrets: Mapping[str, str]) -> None:
    async with workspace.store(make=True) as store:
        box = _box(workspace, store)
        for name, value in secrets.items():
            await box.put(name, value)


def _box(workspace: Workspace, store: Store) -> SecretBox:
    return SecretBox(store, KeyRing(workspace.data, environment()), workspace.clock)


@connections.command(epilog="\b\nExample:\n  engine connections authorize yotpo-app --browser")
@click.argument("name")
@click.option("--browser", is_flag=True, help="Open the link in this machine's browser.")
@data_option
@click.pass_obj
def authorize(session: Session, name: str, browser: bool) -> None:
    """Have a person agree in a browser that a connection may be used (OAuth 2), again too.

    Prints a link, and waits until somebody has opened it and agreed. The process that serves the project receives the
    vendor's answer; where none does, this command listens in its place. Runs that were held because the connection was
    not authorized go on.
    """
    workspace = Workspace.of(session)
    registry = workspace.registry()
    entries = workspace.project.connections(registry)
    _existing(entries, name)
    run_async(authorizing.authorize(workspace, registry, entries, name, browser=browser))


@connections.command(epilog="\b\nExample:\n  engine connections test yotpo")
@click.argument("name")
@data_option
@click.pass_obj
def test(session: Session, name: str) -> None:
    """Prove that a connection's credentials work. Exit code 1 when they do not."""
    workspace = Workspace.of(session)
    registry = workspace.registry()
    entries = workspace.project.connections(registry)
    _existing(entries, name)
    if run_async(_test(workspace, registry, entries, name)):
        click.echo(f"connection '{name}' works")
    else:
        click.echo(f"connection '{name}' is complete; its type knows no way to try it")


async def _test(workspace: Workspace, registry: Registry, entries: Mapping[str, ConnectionEntry], name: str) -> bool:
    async with workspace.store() as store, authorizing.opened(workspace, registry, entries, store) as opened:
        return await opened.test(name)


@connections.command(epilog="\b\nExample:\n  engine connections remove yotpo")
@click.argument("name")
@data_option
@click.pass_obj
def remove(session: Session, name: str) -> None:
    """Remove a connection from connections.yaml, and its secrets from the store.

    What a person agreed to (OAuth 2) is given back to the vendor first.
    """
    workspace = Workspace.of(session)
    registry = workspace.registry()
    entries = workspace.project.connections(registry)
    entry = _existing(entries, name)
    if signs_in(entry, registry):
        run_async(_give_back(workspace, registry, entries, name))
    path = workspace.project.connections_file
    # as bytes, so that line ends stay as they are
    text = path.read_bytes().decode("utf-8")
    connection_text.write(path, connection_text.without_entry(text, name, str(path)))
    names = [given.name for given in entry.fields.values() if isinstance(given, SecretRef) and given.kind == "secret"]
    if names:
        run_async(_forget(workspace, names))
    click.echo(f"connection '{name}' is removed")
    note("scenarios that name it are found by `engine check`")


async def _give_back(
    workspace: Workspace, registry: Registry, entries: Mapping[str, ConnectionEntry], name: str
) -> None:
    async with workspace.store() as store, authorizing.opened(workspace, registry, entries, store) as opened:
        await authorizing.give_back(opened, name)


async def _forget(workspace: Workspace, names: Sequence[str]) -> None:
    async with workspace.store() as store:
        box = _box(workspace, store)
        for name in names:
            await box.remove(name)


def _existing(entries: Mapping[str, ConnectionEntry], name: str) -> ConnectionEntry:
    if name not in entries:
        hint = did_you_mean(name, entries) or "list them with `engine connections`"
        raise refuse("unknown-connection", f"there is no connection '{name}'", hint)
    return entries[name]
