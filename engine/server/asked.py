"""What a request to the API asks, read strictly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from aiohttp import web

from engine.sdk import jsontext
from engine.sdk.errors import EngineError

_T = TypeVar("_T")


class BadRequest(EngineError):
    """A request to the API is not what it takes."""

    code = "bad-request"


async def body_of(request: web.Request) -> Mapping[str, Any]:
    """The JSON object that a request carries; empty where it carries nothing."""
    raw = await request.read()
    try:
        body = jsontext.loads(raw) if raw else {}
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    return body


def text(body: Mapping[str, Any], key: str) -> str:
    """A text; empty where there is none."""
    value = body.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRequest(f"'{key}' must be text")
    return value


def texts(body: Mapping[str, Any], key: str) -> list[str]:
    """Texts; none where they are left out."""
    value = body.get(key) or []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadRequest(f"'{key}' must be a list of texts")
    return value


def flag(body: Mapping[str, Any], key: str) -> bool:
    """True or false; false where it is left out."""
    value = body.get(key, False)
    if not isinstance(value, bool):
        raise BadRequest(f"'{key}' must be true or false")
    return value


def number(body: Mapping[str, Any], key: str) -> float | None:
    """A number; None where there is none."""
    value = body.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise BadRequest(f"'{key}' must be a number")
    return None if value is None else float(value)


def one_of(body: Mapping[str, Any], key: str, kind: Callable[[str], _T], known: object) -> _T:
    """One of some words."""
    try:
        return kind(str(body.get(key)))
    except ValueError:
        raise BadRequest(f"'{key}' must be one of {known}") from None
