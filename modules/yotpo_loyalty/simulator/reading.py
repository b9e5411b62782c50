"""How the simulated vendor reads a request: what it does not know, or what has a wrong form, is refused with 400."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from modules.simulation import Refused

#: the credentials, which may stand in the query of any request
_CREDENTIALS = ("guid", "api_key")

NONE: type = type(None)
#: what a key of a body may hold: the types that ``json.loads`` gives
Kinds = Mapping[str, type | tuple[type, ...]]

_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}
_NAMES[NONE] = "null"


def error_body(message: str) -> dict[str, Any]:
    """How the vendor's errors look: a top-level ``errors``; what is inside is inferred."""
    return {"errors": [message]}


def refused(status: int, message: str) -> Refused:
    """To be raised."""
    return Refused(status, error_body(message))


def query_of(request: web.Request, known: Collection[str]) -> Mapping[str, str]:
    """The query without the credentials."""
    query = {name: value for name, value in request.query.items() if name not in _CREDENTIALS}
    _refuse_unknown(query, known, "parameter")
    return query


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean of the query; false when it is not there."""
    value = query.get(name, "false")
    if value not in ("true", "false"):
        raise refused(400, f"{name} must be true or false")
    return value == "true"


def count(query: Mapping[str, str], name: str, default: int, highest: int) -> int:
    """A number of the query, from 1 to ``highest``."""
    value = query.get(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdecimal() and 1 <= int(value) <= highest):
        raise refused(400, f"{name} must be a number from 1 to {highest}")
    return int(value)


async def body_of(request: web.Request, kinds: Kinds, *, required: Collection[str] = ()) -> dict[str, Any]:
    """The body: a JSON object with no key that is not in ``kinds``."""
    try:
        body = json.loads(await request.read())
    except ValueError:
        raise refused(400, "the body is not JSON") from None
    return object_of(body, kinds, required=required)


def object_of(body: Any, kinds: Kinds, *, required: Collection[str] = (), what: str = "the body") -> dict[str, Any]:
    """A body, or an object in it, whose keys are all known and of the right kind."""
    if not isinstance(body, dict):
        raise refused(400, f"{what} must be an object")
    _refuse_unknown(body, kinds, "key")
    for name, value in body.items():
        kind = kinds[name]
        wanted = kind if isinstance(kind, tuple) else (kind,)
        # exact types: to Python true is a number, to JSON it is not
        if type(value) not in wanted:
            raise refused(400, f"{name} must be {' or '.join(_NAMES[one] for one in wanted)}")
    for name in required:
        if body.get(name) in (None, ""):
            raise refused(400, f"{name} is required")
    return body


def moment(values: Mapping[str, Any], name: str) -> str | None:
    """An ISO 8601 date or time, where it is given."""
    value = values.get(name)
    if value is None:
        return None
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise refused(400, f"{name} must be an ISO 8601 time") from None
    return str(value)


def one_of(values: Mapping[str, Any], names: Collection[str]) -> dict[str, str]:
    """The identifications among these that are given, at least one."""
    given = {name: str(values[name]) for name in names if values.get(name) not in (None, "")}
    if not given:
        raise refused(400, f"one of {', '.join(names)} is required")
    return given


def _refuse_unknown(given: Collection[str], known: Collection[str], what: str) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise refused(400, f"unknown {what} {', '.join(unknown)}")
