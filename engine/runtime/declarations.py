"""What can be wrong with what a module or a connection type declares, told before anybody calls it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from engine.runtime.declared import WRAPPER
from engine.scenario.diagnostics import did_you_mean
from engine.scenario.expressions import ExpressionSyntaxError, compile_expression
from engine.sdk.connections import BasicAuth, BearerAuth, ConnectionType, HeaderAuth, HmacAuth, QueryAuth, TokenAuth
from engine.sdk.http import ErrorTable
from engine.sdk.modules import Action, Effect, Module, PollingTrigger, Probe, Request, Schema, Search
from engine.sdk.paging import Paging

#: what a path or a method inserts: a field of the connection, or a key of the config
_HOLE = re.compile(r"\{\+?(?:connection\.([\w.]+)|(\w+))\}", re.ASCII)
#: what a base URL inserts: a field of the connection
_BASE_HOLE = re.compile(r"\{(\w+)\}", re.ASCII)
#: what ``gives`` sees; ``absent`` sees those without an answer
_GIVEN = ("answer", "body", "config", "connection", "sent_at", "status")
_ABSENT = ("config", "connection", "sent_at")
_FOUND = ("answer", "config", "connection", "sent_at")
#: the arguments of a request that are expressions
_EXPRESSIONS = ("query", "body", "output", "expects", "gives", "absent", "warns")
#: methods of which RFC 9110 says that they change something; a POST may well be a search
_CHANGING = frozenset(("PUT", "PATCH", "DELETE"))


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
    for name, text in _expressions(part, declared):
        try:
            compile_expression(text)
        except ExpressionSyntaxError as error:
            return f"its {name} cannot be read: {error.message}: {error.text}"
    try:
        for kind in (kind for table in _tables(part, declared) if table.body is not None for kind in table.body.kinds):
            re.compile(kind.text)
    except re.error as error:
        return f"a regular expression of its errors cannot be read: {error}: {error.pattern!r}"
    if isinstance(part, ConnectionType) and (path := next(_hidden_below(part.fields), None)):
        return f"its field {path} is writeOnly inside another one, where it is no secret: put it at the top"
    probe = part.probe if isinstance(part, Action) and isinstance(part.probe, Probe) else None
    found = _strangers("found", probe.found, _FOUND, declared[-1].fields) if probe is not None else None
    found = found or _required_fault(part) or next(filter(None, map(_fault, declared)), None)
    if isinstance(part, ConnectionType):
        return found or _base_fault(part) or _auth_fault(part)
    return found or (_effect_fault(part) if isinstance(part, Action) else None)


def _expressions(part: Module | ConnectionType, declared: list[_Declared]) -> Iterator[tuple[str, str]]:
    """The expressions of a part, each under the name of the argument that has it."""
    given: list[tuple[str, str | None]] = []
    for one in declared:
        request = one.request
        given += ((name, getattr(request, name)) for name in _EXPRESSIONS)
    pagings: list[Paging | None] = []
    if isinstance(part, Search | PollingTrigger):
        pagings.append(part.paging)
    if isinstance(part, Action) and isinstance(part.probe, Probe):
        pagings.append(part.probe.paging)
        given.append(("found", part.probe.found))
    for paging in pagings:
        given += ((f"paging's {name}", getattr(paging, name, None)) for name in ("next", "pages", "total"))
    for table in _tables(part, declared):
        given.append(("errors' said", table.said))
        if table.body is not None:
            given += (("errors' found", table.body.found), ("errors' taken", table.body.taken))
    return ((name, text) for name, text in given if text is not None)


def _tables(part: Module | ConnectionType, declared: list[_Declared]) -> list[ErrorTable]:
    tables = [one.request.errors for one in declared if one.request.errors is not None]
    return [*tables, part.errors] if isinstance(part, ConnectionType) else tables


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


def _fault(declared: _Declared) -> str | None:
    request, keys, fields = declared
    for name, text in (("path", request.path), ("method", request.method)):
        inserts = f"the {name} {text} inserts"
        for field, key in _HOLE.findall(text):
            if fault := _field_fault(inserts, field, fields) if field else _key_fault(inserts, f"{{{key}}}", key, keys):
                return fault
        if "{" in (rest := _HOLE.sub("", text)) or "}" in rest:
            holes = "{key}, {connection.field} or {+connection.field}"
            return f"the {name} {text} has a brace that belongs to no {holes}"
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


def _effect_fault(part: Action) -> str | None:
    """An effect that what is declared does not have, so that a write would be repeated that must not be."""
    request = part.request
    if request is None or callable(part.effect):
        return None
    if part.effect is Effect.KEYED and request.key_header is None and part.prepare is None:
        # what `prepare` makes of the key may stand anywhere in the request
        return "its effect is KEYED, and no `key_header` sends the key: what is sent again would be done twice"
    if not part.effect.writes and request.method.upper() in _CHANGING:
        return f"its effect is {part.effect.name}, and {request.method} changes something"
    return None


def _base_fault(kind: ConnectionType) -> str | None:
    """A base URL below which nothing can be sent."""
    base = kind.base_url
    if base and not re.match(r"https?://|\{", base, re.IGNORECASE):
        return f"its base_url {base} does not begin with https:// or http://"
    faults = (_own_field_fault(f"its base_url {base} inserts", name, kind.fields) for name in _BASE_HOLE.findall(base))
    return next(filter(None, faults), None)


def _own_field_fault(does: str, name: str, fields: Schema) -> str | None:
    """A field that no connection of the type can have; secrets are as good as others here."""
    known = fields.get("properties", {})
    if name in known or fields.get("additionalProperties") is not False:
        return None
    hint = did_you_mean(name, known) or (f"there are {', '.join(known)}" if known else "it has none")
    return f"{does} '{name}', and its connection type has no field of this name ({hint})"


def _auth_fault(kind: ConnectionType) -> str | None:
    """An auth whose field no connection has: requests would go without it."""
    for auth in kind.auth:
        match auth:
            case HeaderAuth(field=name) | QueryAuth(field=name) | BearerAuth(field=name) | HmacAuth(field=name):
                names: tuple[str, ...] = (name,)
            case BasicAuth(username=username, password=password):
                names = (username,) if password is None else (username, password)
            case TokenAuth(body=body):
                names = tuple(body.values())
            case _:
                # OAuth 2 brings its own fields
                names = ()
        for name in names:
            if fault := _own_field_fault(f"its {type(auth).__name__} sends", name, kind.fields):
                return fault
    return None


def _required_fault(part: Module | ConnectionType) -> str | None:
    """A key that has to be given and cannot be."""
    what = "fields require" if isinstance(part, ConnectionType) else "config requires"
    schema = part.fields if isinstance(part, ConnectionType) else part.config
    known = schema.get("properties", {})
    if schema.get("additionalProperties") is not False or "patternProperties" in schema:
        return None
    wrong = next((name for name in schema.get("required", ()) if name not in known), None)
    if wrong is None:
        return None
    hint = did_you_mean(wrong, known) or (f"there are {', '.join(known)}" if known else "there are none")
    return f"its {what} '{wrong}', which is not there ({hint})"
