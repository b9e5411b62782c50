"""Environments: what of a project's settings and connections is otherwise under ``--env NAME``. Never scenarios.

They stand in ``engine.yaml``, below ``environments``. What an environment says of a section's key takes the place of
that key; the section's other keys stay. So what differs is seen in one place, and nothing is written twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from engine.runtime.reader import Reader
from engine.scenario.diagnostics import did_you_mean
from engine.scenario.nodes import Mapping as MappingNode
from engine.scenario.nodes import Node
from engine.sdk.errors import ConfigError

ENVIRONMENTS = "environments"
CONNECTIONS = "connections"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


class UnknownEnvironment(ConfigError):
    """``--env`` or ``ENGINE_ENV`` names an environment that ``engine.yaml`` does not have."""

    code = "unknown-environment"


@dataclass(frozen=True, slots=True)
class Overlay:
    """What an environment says of connections.

    :param fields: by connection, as written.
    :param source: text of the file that says it, for showing mistakes.
    """

    name: str = ""
    fields: Mapping[str, MappingNode] = field(default_factory=dict)
    file: str = ""
    source: str = ""


def environments_of(reader: Reader, node: Node | None, known: Mapping[str, object]) -> dict[str, MappingNode]:
    """All environments of a file, by name; what is no environment is noted."""
    found = {}
    for name, inner in reader.mapping(node, ENVIRONMENTS, None).items():
        if not _NAME.fullmatch(name):
            reader.report("bad-value", inner.place, f"environment name '{name}' must match {_NAME.pattern}")
            continue
        given = reader.mapping(inner, f"environment '{name}'", [*known, CONNECTIONS])
        if isinstance(inner, MappingNode):
            entries = tuple((key, value) for key, value in inner.entries if key.text in given)
            found[name] = replace(inner, entries=entries)
        else:
            found[name] = MappingNode((), node.place if node is not None else inner.place)
    return found


def chosen(environments: Mapping[str, MappingNode], name: str, file: str) -> MappingNode:
    """The environment of this name. Raises ``UnknownEnvironment``."""
    if name not in environments:
        known = ", ".join(sorted(environments))
        listed = f"{file} has {known}" if known else f"add it to {file}: environments: {{{name}: {{…}}}}"
        raise UnknownEnvironment(
            f"there is no environment '{name}'", place=file, hint=did_you_mean(name, environments) or listed
        )
    return environments[name]


def overlaid(top: Mapping[str, Node], environment: MappingNode) -> dict[str, Node]:
    """The sections of a file as they are in an environment."""
    merged = dict(top)
    for key, value in environment.entries:
        if key.text == CONNECTIONS:
            continue
        before = merged.get(key.text)
        both = isinstance(before, MappingNode) and isinstance(value, MappingNode)
        merged[key.text] = merge(before, value) if both else value  # type: ignore[arg-type]  # both are mappings
    return merged


def merge(before: MappingNode, over: MappingNode) -> MappingNode:
    """The entries of both; where both have a key, those of ``over``."""
    taken = {key.text for key, _ in over.entries}
    return replace(before, entries=(*(entry for entry in before.entries if entry[0].text not in taken), *over.entries))


def connections_of(reader: Reader, name: str, environment: MappingNode) -> Overlay:
    """What an environment says of connections; what cannot be meant is noted."""
    fields = {}
    node = environment.get(CONNECTIONS)
    keys = {key.text: key.place for key, _ in node.entries} if isinstance(node, MappingNode) else {}
    for connection, inner in reader.mapping(node, f"connections of '{name}'", None).items():
        if isinstance(inner, MappingNode):
            # what is said of it as a whole is said where its name stands
            fields[connection] = replace(inner, place=keys[connection])
        else:
            reader.mapping(inner, f"connection '{connection}' in environment '{name}'", None)
    return Overlay(name, fields, reader.file, reader.source)
