"""What can be wrong with what a module or a connection type declares, told before anybody calls it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from engine.runtime.declared import WRAPPER, DeclaredProbe, DeclaredRequest, compiled
from engine.runtime.pages import pager_of
from engine.scenario.diagnostics import did_you_mean
from engine.scenario.expressions import ExpressionSyntaxError, compile_expression
from engine.sdk.connections import ConnectionType
from engine.sdk.http import ErrorTable
from engine.sdk.modules import Action, Module, PollingTrigger, Probe, Request, Schema, Search

#: what a path or a method inserts: a field of the connection, or a key of the config
_HOLE = re.compile(r"\{\+?(?:connection\.([\w.]+)|(\w+))\}", re.ASCII)
#: what ``gives`` sees; ``absent`` sees those without an answer
_GIVEN = ("answer", "body", "config", "connection", "sent_at", "status")
_ABSENT = ("config", "connection", "sent_at")
_FOUND = ("answer", "config", "connection", "sent_at")


class _Declared(NamedTuple):
    """A request, and what it is made of.

    :param keys: of the config; None: nobody can tell.
    :param fields: the schema of the connection; None: it is not known here.
    """

    request: Request
    keys: Collection[str] | None
    fields: Schema | None


def declared_fault(part: Module | ConnectionType, types: Mapping[str, ConnectionType] | None = None) -> str | None:
    """What cannot be read, or can never be found, in what a module or a connection type declares; None: nothing.

    :param types: the connection types by name.
    """
    declared = list(_declared(part, types or {}))
    try:
        for one in declared:
            DeclaredRequest(one.request)
        if isinstance(part, Search | PollingTrigger):
            pager_of(part.paging)
        probe = part.probe if isinstance(part, Action) and isinstance(part.probe, Probe) else None
        if probe is not None:
            DeclaredProbe(probe)
        tables = [one.request.errors for one in declared if one.request.errors is not None]
        for table in [*tables, part.errors] if isinstance(part, ConnectionType) else tables:
            _read_table(table)
    except ExpressionSyntaxError as error:
        return f"a declared expression cannot be read: {error.message}: {error.text}"
    except re.error as error:
        return f"a regular expression of its errors cannot be read: {error}: {error.pattern!r}"
    if isinstance(part, ConnectionType) and (path := next(_hidden_below(part.fields), None)):
        return f"its field {path} is writeOnly inside another one, where it is no secret: put it at the top"
    found = _strangers("found", probe.found, _FOUND, declared[-1].fields) if probe is not None else None
    return found or next(filter(None, map(_fault, declared)), None)


def _declared(part: Module | ConnectionType, types: Mapping[str, ConnectionType]) -> Iterator[_Declared]:
    if isinstance(part, ConnectionType):
        if isinstance(part.test, Request):
            yield _Declared(part.test, (), part.fields)
        return
    if not isinstance(part, Action | Search | PollingTrigger):
        return
    # where `prepare` changes the config, or the config takes any key, nobody can tell
    closed = part.config.get("additionalProperties") is False and getattr(part, "prepare", None) is None
    keys = part.config.get("properties", {}) if closed else None
    kind = types.get(part.connection or "")
    fields = None if kind is None else kind.fields
    if part.request is not None:
        yield _Declared(part.request, keys, fields)
    if isinstance(part, Action) and isinstance(part.probe, Probe):
        yield _Declared(part.probe.request, keys, fields)


def _hidden_below(schema: Schema, above: str = "") -> Iterator[str]:
    """Fields in fields that are said to be secrets, which only those at the top are."""
    for name, one in schema.get("properties", {}).items():
        if isinstance(one, Mapping):
            if above and one.get("writeOnly"):
                yield f"{above}{name}"
            yield from _hidden_below(one, f"{above}{name}.")


def _read_table(table: ErrorTable) -> None:
    compiled(table.said)
    if table.body is not None:
        compiled(table.body.found)
        compiled(table.body.taken)
        for kind in table.body.kinds:
            re.compile(kind.text)


def _fault(declared: _Declared) -> str | None:
    request, keys, fields = declared
    for name, text in (("path", request.path), ("method", request.method)):
        inserts = f"the {name} {text} inserts"
        for field, key in _HOLE.findall(text):
            if fault := _field_fault(inserts, field, fields) if field else _key_fault(inserts, f"{{{key}}}", key, keys):
                return fault
    for hole, key in request.holes.items():
        if fault := _key_fault(f"the hole {{{hole}}} is filled with", f"'{key}'", key, keys):
            return fault
    if fault := _wrapper_fault(request.wrapper, fields):
        return fault
    sent = None if keys is None else (*keys, "connection")
    looks = (
        ("query", request.query, sent),
        ("body", request.body, sent),
        ("gives", request.gives, _GIVEN),
        ("absent", request.absent, _ABSENT),
    )
    faults = (_strangers(name, look, known, fields) for name, look, known in looks if look is not None)
    return next(filter(None, faults), None)


def _strangers(name: str, text: str, known: Collection[str] | None, fields: Schema | None) -> str | None:
    """A name that an expression can never find at its root, or below ``connection``.

    :param known: the names at its root; None: nobody can tell.
    """
    expression = compile_expression(text)
    wrong = next((one for one in sorted(expression.names) if known is not None and one not in known), None)
    if wrong is not None and known is not None:
        hint = did_you_mean(wrong, known) or f"there are {', '.join(sorted(known))}"
        return f"its {name} looks at '{wrong}', which is not there ({hint}): {text}"
    for one in expression.references:
        below = ".".join(one.path[1:]) if one.path[0] == "connection" else ""
        if below and (fault := _field_fault(f"its {name} looks at", below, fields)):
            return fault
    return None


def _key_fault(does: str, shown: str, key: str, keys: Collection[str] | None) -> str | None:
    if keys is None or key in keys:
        return None
    hint = did_you_mean(key, keys) or f"it has {', '.join(keys) or 'none'}"
    return f"{does} {shown}, which is no key of its config ({hint})"


def _field_fault(does: str, path: str, fields: Schema | None) -> str | None:
    """A field that no connection of the type can have, or that is a secret, which nothing declared sees."""
    schema: Any = fields
    for name in path.split("."):
        if schema is None or "properties" not in schema:
            return None
        properties = schema["properties"]
        if name not in properties:
            if schema.get("additionalProperties") is not False:
                return None
            hint = did_you_mean(name, properties) or f"there are {', '.join(properties)}"
            return f"{does} connection.{path}, and its connection type has no field '{name}' ({hint})"
        schema = properties[name]
        if schema.get("writeOnly"):
            return f"{does} connection.{path}, which is a secret: those are put on requests by the type's auth alone"
    return None


def _wrapper_fault(wrapper: str | None, fields: Schema | None) -> str | None:
    if wrapper is None or not ("{" in wrapper or "}" in wrapper):
        return None
    named = WRAPPER.fullmatch(wrapper)
    if named is None:
        return f"its wrapper {wrapper} is neither a name nor a field of the connection, such as {{connection.keys.one}}"
    return _field_fault("its wrapper is", named[1], fields)
