"""The module *Make a Request*."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import CLIENT_ERRORS, Action, Call, Config, DataError, Effect, ErrorTable, Json, Response, Schema
from modules.http.signing import message_id

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
#: RFC 9110, 9.2.1: safe methods look only
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
#: RFC 9110, 9.2.2: with these, twice is once
IDEMPOTENT = frozenset({"PUT", "DELETE"})

#: what is applied when the author says nothing else
_ERRORS = ErrorTable(refused=CLIENT_ERRORS)

_PLAIN: Schema = {"type": ["string", "number", "boolean", "null"]}

CONFIG: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["url"],
    "not": {"required": ["body", "text"]},
    "allOf": [
        {
            "if": {"required": ["effect"], "properties": {"effect": {"const": "keyed"}}},
            "then": {"required": ["idempotency_key_header"]},
        }
    ],
    "properties": {
        "url": {
            "type": "string",
            "title": "URL",
            "x-place": "url",
            "description": "With a connection a path below its base URL; without one a whole URL.",
            "minLength": 1,
            "pattern": "^[^\\s#]+$",
        },
        "method": {
            "type": "string",
            "title": "Method",
            "description": "The HTTP method; what the call is taken for goes by it.",
            "enum": list(METHODS),
            "default": "GET",
        },
        "headers": {
            "type": "object",
            "title": "Headers",
            "description": "Without credentials: those belong into a connection. Null is left out.",
            "propertyNames": {"pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"},
            "additionalProperties": {**_PLAIN, "pattern": "^[^\\r\\n]*$", "x-place": "header"},
        },
        "query": {
            "type": "object",
            "title": "Query String",
            "description": "Null is left out, a list repeats its key.",
            "additionalProperties": {"anyOf": [_PLAIN, {"type": "array", "items": _PLAIN}]},
        },
        "body": {"title": "Body", "description": "Any value, sent as JSON."},
        "text": {
            "type": "string",
            "title": "Text",
            "description": "A body as it stands; say its Content-Type in headers when it is not plain text.",
        },
        "answer": {
            "type": "string",
            "title": "Answer",
            "description": "How to read the answer's body; auto goes by its Content-Type.",
            "enum": ["auto", "json", "text"],
            "default": "auto",
        },
        "effect": {
            "type": "string",
            "title": "Effect",
            "description": (
                "What the request does. By the method when left out: GET, HEAD and OPTIONS read; PUT and DELETE are "
                "idempotent (RFC 9110); POST and PATCH write, and are never repeated when their outcome is unknown."
            ),
            "enum": [Effect.READ.value, Effect.WRITE.value, Effect.IDEMPOTENT.value, Effect.KEYED.value],
        },
        "idempotency_key_header": {
            "type": "string",
            "title": "Idempotency Key Header",
            "description": (
                "A header in which the API takes a key, so that a repetition is applied once, such as "
                "Idempotency-Key. The key is the same in every repetition of this call."
            ),
            "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
        },
        "refused": {
            "type": "array",
            "title": "Refused",
            "description": (
                "Statuses that prove that the API did not apply the request, so that sending it again is safe. The "
                "client errors of RFC 9110 when left out."
            ),
            "items": {"type": "integer", "minimum": 300, "maximum": 599},
        },
        "fail_on_status": {
            "type": "boolean",
            "title": "Fail on status",
            "description": "Whether an answer of status 300 or above is an error; if not, the step goes on with it.",
            "default": True,
        },
    },
}

OUTPUT: Schema = {
    "type": "object",
    "required": ["status", "headers", "body"],
    "properties": {
        "status": {"type": "integer"},
        "headers": {
            "type": "object",
            "description": "Names in lower case",
            "additionalProperties": {"type": "string"},
        },
        "body": {"description": "JSON, or text; null when it is empty"},
    },
}


def effect(config: Config) -> Effect:
    """What the author says; else what the key header and the method say."""
    if "effect" in config:
        return Effect(config["effect"])
    method = config.get("method", "GET")
    if method in SAFE:
        return Effect.READ
    if "idempotency_key_header" in config:
        return Effect.KEYED
    return Effect.IDEMPOTENT if method in IDEMPOTENT else Effect.WRITE


async def run(call: Call) -> Json:
    config = call.config
    headers: dict[str, Any] = {**message_id(call), **config.get("headers", {})}
    if "idempotency_key_header" in config:
        headers[config["idempotency_key_header"]] = call.key
    given: dict[str, Any] = {}
    if "body" in config:
        given["json"] = config["body"]
    elif "text" in config:
        given["data"] = config["text"]
    answer = await call.http.request(
        config.get("method", "GET"),
        target(config["url"], call.connection),
        query=config.get("query"),
        headers=headers,
        errors=ErrorTable(refused=frozenset(config["refused"])) if "refused" in config else _ERRORS,
        raise_for_status=config.get("fail_on_status", True),
        **given,
    )
    return {"status": answer.status, "headers": dict(answer.headers), "body": _read(call, answer)}


def target(url: str, connection: Mapping[str, Json]) -> str:
    """What to ask the engine's client for: a path below the connection's base URL, or a whole URL without one.

    :raises DataError: for a URL of another place than the connection's, because credentials would go there.
    """
    base = str(connection.get("base_url", "")).rstrip("/")
    whole = url.lower().startswith(("http://", "https://"))
    if not base:
        if not whole:
            raise DataError(
                f"'{url}' is not a whole URL", refused=True, hint="begin with https://, or give the step a connection"
            )
        return url
    if not whole:
        return url
    rest = url.removeprefix(base)
    if rest == url or rest[:1] not in ("", "/", "?"):
        raise DataError(
            f"'{url}' is not below this connection's base URL {base}",
            refused=True,
            hint="its credentials are sent nowhere else: use a path, or another connection, or none",
        )
    return rest


def _read(call: Call, answer: Response) -> Json:
    if not answer.body:
        return None
    how = call.config.get("answer", "auto")
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if how == "text" or (how == "auto" and kind != "application/json" and not kind.endswith("+json")):
        return answer.text
    try:
        return answer.json()
    except Exception as error:  # noqa: BLE001 - the request was answered: what cannot be read is shown, never repeated
        call.warn(f"the answer is passed on as text: {error}")
        return answer.text


MAKE_REQUEST = Action(
    name="make_request",
    title="Make a Request",
    description="Sends one HTTP request and gives status, headers and body of the answer. Redirects are not followed.",
    connection="http",
    connection_required=False,
    config=CONFIG,
    output=OUTPUT,
    effect=effect,
    run=run,
    example={
        "url": "https://api.example.com/orders",
        "method": "POST",
        "body": {"customer": "ana@example.com", "total_cents": 12500},
        "idempotency_key_header": "Idempotency-Key",
    },
)
