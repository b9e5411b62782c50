"""A request's body as JSON, by its content type."""

from __future__ import annotations

import email.message
import email.parser
import email.policy
from typing import Any
from urllib.parse import parse_qsl

from engine.sdk import jsontext
from engine.sdk.errors import EngineError

#: fields of a form; more is refused
MAX_FIELDS = 1000


class UnreadableBody(EngineError):
    """A body is not what its content type says."""

    code = "unreadable-body"


def decode(raw: bytes, content_type: str, query: dict[str, str]) -> Any:
    """The body as a JSON value.

    JSON stays as it is, a form becomes an object (a key that repeats becomes a list), text becomes text. Without a
    body the query's parameters are the body. Without a known content type JSON is tried, then text.

    :raises UnreadableBody: with the reason, for the sender.
    """
    kind, _, _ = content_type.partition(";")
    kind = kind.strip().lower()
    if not raw:
        return dict(query) if query else None
    if kind == "application/json" or kind.endswith("+json"):
        return _json(raw)
    if kind == "application/x-www-form-urlencoded":
        return _object(_fields(raw))
    if kind == "multipart/form-data":
        return _multipart(raw, content_type)
    if kind.startswith("text/"):
        return _text(raw)
    try:
        return jsontext.loads(raw)
    except ValueError:
        return _text(raw)


def _json(raw: bytes) -> Any:
    try:
        return jsontext.loads(raw)
    except ValueError as error:
        raise UnreadableBody(f"the body is not JSON: {error}") from None


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableBody(f"the body is neither JSON nor UTF-8 text: {error}") from None


def _fields(raw: bytes) -> list[tuple[str, Any]]:
    try:
        text = raw.decode("utf-8")
        return list(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"))
    except ValueError as error:
        raise UnreadableBody(f"the form cannot be read: {error}") from None


def _multipart(raw: bytes, content_type: str) -> Any:
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + raw)
    parts = list(message.iter_parts()) if message.is_multipart() else []
    if not parts or len(parts) > MAX_FIELDS:
        raise UnreadableBody("the multipart body cannot be read, or has too many parts")
    return _object([(_part_name(part), _part_value(part)) for part in parts])


def _part_name(part: email.message.Message) -> str:
    name = part.get_param("name", header="content-disposition")
    if not isinstance(name, str):
        raise UnreadableBody("a part of the multipart body has no name")
    return name


def _part_value(part: email.message.Message) -> Any:
    data = part.get_payload(decode=True)
    content = data if isinstance(data, bytes) else b""
    file = part.get_filename()
    if file is None:
        return _text(content)
    return {"filename": file, "content_type": part.get_content_type(), "size": len(content)}


def _object(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    seen: set[str] = set()
    for name, value in fields:
        if name not in result:
            result[name] = value
        elif name in seen:
            result[name].append(value)
        else:
            result[name] = [result[name], value]
            seen.add(name)
    return result
