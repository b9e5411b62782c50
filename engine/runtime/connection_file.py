"""``connections.yaml``: the names of connections, and where each secret comes from, never the secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jsonschema

from engine.plugins import Registry
from engine.runtime.environments import Overlay, merge
from engine.runtime.reader import Reader, SecretRef
from engine.scenario.config import describe
from engine.scenario.diagnostics import Place, did_you_mean
from engine.scenario.nodes import Mapping as MappingNode
from engine.scenario.nodes import Node, Scalar, plain
from engine.sdk.connections import ConnectionType
from engine.sdk.modules import Json

_NAME = re.compile(r"[a-z0-9][a-z0-9_\-]*")
#: keywords that say which fields go together
_TOGETHER = ("if", "then", "else", "dependentRequired")
_BASE_URL = re.compile(r"https?://[^/?#\s@]+(/[^?#\s]*)?")


@dataclass(frozen=True, slots=True)
class ConnectionEntry:
    """One connection of the file.

    :param fields: values, or where they come from. ``base_url`` among them replaces that of the type.
    """

    name: str
    type: str
    fields: Mapping[str, Json | SecretRef]
    place: Place


def read_connections(path: Path, registry: Registry, overlay: Overlay | None = None) -> dict[str, ConnectionEntry]:
    """The connections of a file by name; none when there is no file. Raises ``SettingsError`` with all mistakes.

    A connection whose type belongs to a plugin that could not be loaded is left out: the plugin's problem is
    reported where plugins are, and does not keep the other connections from working.

    :param overlay: fields that an environment has instead.
    """
    overlay = overlay if overlay is not None else Overlay()
    if not path.exists() and not overlay.fields:
        return {}
    reader, node = Reader.open(path) if path.exists() else (Reader(path), None)
    reader.others[overlay.file] = overlay.source
    entries = {}
    top = _overlaid(reader, reader.mapping(node, "connections.yaml", None), overlay)
    for name, inner in top.items():
        if not _NAME.fullmatch(name):
            reader.report("bad-value", inner.place, f"connection name '{name}' must match {_NAME.pattern}")
        elif entry := _entry(reader, name, inner, registry):
            entries[name] = entry
    reader.finish()
    return entries


def _overlaid(reader: Reader, top: dict[str, Node], overlay: Overlay) -> dict[str, Node]:
    """The connections as they are in an environment, which may change their fields and nothing else."""
    merged = dict(top)
    for name, fields in overlay.fields.items():
        before = top.get(name)
        if before is None:
            hint = (
                did_you_mean(name, top) or "an environment changes connections of connections.yaml: add it there first"
            )
            message = f"environment '{overlay.name}' changes connection '{name}', which is not in connections.yaml"
            reader.report("unknown-connection", fields.place, message, hint)
        elif (kind := fields.get("type")) is not None and isinstance(before, MappingNode):
            message = f"environment '{overlay.name}' cannot change the type of connection '{name}'"
            reader.report("bad-value", kind.place, message, "leave `type` out, or make two connections of it")
        elif isinstance(before, MappingNode):
            merged[name] = merge(before, fields)
    return merged


def _entry(reader: Reader, name: str, node: Node, registry: Registry) -> ConnectionEntry | None:
    what = f"connection '{name}'"
    values = reader.mapping(node, what, None)
    if "type" not in values:
        if isinstance(node, MappingNode) or not reader.diagnostics:
            hint = f"installed: {', '.join(sorted(registry.connection_types)) or 'none'}"
            reader.report("missing-key", node.place, f"{what} needs a 'type'", hint)
        return None
    type_node = values.pop("type")
    type_name = reader.text(type_node, f"type of {what}")
    if type_name is None:
        return None
    kind = registry.connection_types.get(type_name)
    if kind is None:
        if not registry.problems:
            hint = did_you_mean(type_name, registry.connection_types) or "list them with `engine modules`"
            reader.report("unknown-connection-type", type_node.place, f"no connection type '{type_name}'", hint)
        return None
    fields = {
        field: _field(reader, kind, field, value, f"'{field}' of {what}")
        for field, value in values.items()
        if _known(reader, kind, node, field, what)
    }
    missing = [field for field in kind.fields.get("required", ()) if field not in values]
    if missing:
        listed = ", ".join(f"'{field}'" for field in missing)
        reader.report("missing-key", node.place, f"{what} needs {listed}", f"see `engine connections add {name}`")
    elif (lack := lacking(kind, fields)) is not None:
        reader.report("missing-key", node.place, f"{what}: {lack}", kind.description)
    return ConnectionEntry(name, type_name, fields, node.place)


def lacking(kind: ConnectionType, fields: Mapping[str, Json | SecretRef | None]) -> str | None:
    """Which fields are missing that go with others, in words; None: none, or nobody knows yet."""
    rules = {keyword: kind.fields[keyword] for keyword in _TOGETHER if keyword in kind.fields}
    decided = {*rules.get("if", {}).get("properties", {})}
    if any(isinstance(fields.get(field), SecretRef) for field in decided):
        return None
    # only which fields there are is looked at: a secret is as good as its value
    instance = {field: "" if isinstance(value, SecretRef) else value for field, value in fields.items()}
    error = next(jsonschema.Draft202012Validator(rules).iter_errors(instance), None)
    return describe(error) if error is not None else None


def _known(reader: Reader, kind: ConnectionType, node: Node, field: str, what: str) -> bool:
    properties = kind.fields.get("properties", {})
    if field == "base_url" or field in properties or kind.fields.get("additionalProperties", False) is not False:
        return True
    known = {*properties, "base_url", "type"}
    keys = [key for key, _ in node.entries] if isinstance(node, MappingNode) else []
    place = next((key.place for key in keys if key.text == field), node.place)
    hint = did_you_mean(field, known) or f"type '{kind.name}' knows {', '.join(sorted(known))}"
    reader.report("unknown-key", place, f"{what} has no field '{field}'", hint)
    return False


def _field(reader: Reader, kind: ConnectionType, field: str, node: Node, what: str) -> Json | SecretRef:
    if field in kind.secrets:
        return reader.secret(node, what, node.place)
    reference = reader.reference(node)
    if reference is not None:
        if reference.kind == "env":
            return reference
        reader.report("bad-value", node.place, f"{what} is no secret: write the value, or {{env: NAME}}")
        return None
    value = plain(node)
    if field == "base_url":
        if not (isinstance(node, Scalar) and isinstance(value, str) and _BASE_URL.fullmatch(value)):
            reader.report("bad-value", node.place, f"{what} must be an http or https URL without query or credentials")
        return value
    schema = kind.fields.get("properties", {}).get(field, True)
    error = next(jsonschema.Draft202012Validator(schema).iter_errors(value), None)
    if error is not None:
        reader.report("bad-value", node.place, f"{what}: {describe(error)}")
    return value
