"""A request's body as JSON, by its content type."""

from __future__ import annotations

import email.message
import email.parser
import email.policy
from collections.abc import Mapping
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

from engine.runtime.rundata import is_json
from engine.sdk import jsontext
from engine.sdk.errors import EngineError

#: fields of a form; more is refused
MAX_FIELDS = 1000
#: levels of a JSON body; more is refused
MAX_DEPTH = 200
#: what senders say of their texts, and how Python calls it; others are refused
CHARSETS: Mapping[str, str] = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "iso-8859-1": "latin-1",
    "latin1": "latin-1",
    "iso-8859-15": "iso8859-15",
    "windows-1252": "cp1252",
    "utf-16": "utf-16",
}
_BOM = b"\xef\xbb\xbf"


class UnreadableBody(EngineError):
    """A body is not what its content type says."""

    code = "unreadable-body"


def decode(raw: bytes, content_type: str, query: Mapping[str, str]) -> Any:
    """The body as a JSON value.

    JSON stays as it is, a form becomes an object (a key that repeats becomes a list), text becomes text. Without a
    body the query's parameters are the body. Without a known content type JSON is tried, then text.

    :raises UnreadableBody: with the reason, for the sender.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if not raw:
        return dict(query) if query else None
    if is_json(content_type):
        return _json(raw)
    if kind == "application/x-www-form-urlencoded":
        return _object(_fields(raw, content_type))
    if kind == "multipart/form-data":
        return _multipart(raw, content_type)
    if kind.startswith("text/"):
        return _text(raw, content_type)
    try:
        value = jsontext.loads(raw.removeprefix(_BOM))
    except ValueError:
        return _text(raw, content_type)
    return _bounded(value, raw)


def _json(raw: bytes) -> Any:
    try:
        value = jsontext.loads(raw.removeprefix(_BOM))
    except ValueError as error:
        raise UnreadableBody(f"the body is not JSON: {error}") from None
    return _bounded(value, raw)


def _bounded(value: Any, raw: bytes) -> Any:
    """The value, if it is not nested too deeply for all that is done with it later."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH or not isinstance(value, dict | list):
        return value
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return value
    raise UnreadableBody(f"the body is nested more than {MAX_DEPTH} levels deep")


def _text(raw: bytes, content_type: str) -> str:
    name = _parameter(content_type, "charset") or "utf-8"
    codec = CHARSETS.get(name.lower())
    if codec is None:
        raise UnreadableBody(f"the body's charset '{name[:40]}' is not known; send UTF-8")
    try:
        return raw.decode(codec).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise UnreadableBody(f"the body is not {name} text: {error}") from None


def _parameter(content_type: str, name: str) -> str | None:
    message = email.message.Message()
    message["content-type"] = content_type
    value = message.get_param(name)
    return value if isinstance(value, str) else None


def _fields(raw: bytes, content_type: str) -> list[tuple[str, Any]]:
    text = _text(raw, content_type)
    encoding = CHARSETS[(_parameter(content_type, "charset") or "utf-8").lower()]
    try:
        return list(
            parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict", encoding=encoding)
        )
    except ValueError as error:
        raise UnreadableBody(f"the form cannot be read: {error}") from None


def _multipart(raw: bytes, content_type: str) -> Any:
    boundary = _parameter(content_type, "boundary")
    if not boundary:
        raise UnreadableBody("the multipart body has no boundary in its content type")
    # before it is taken apart, which costs time for each part
    if raw.count(b"--" + boundary.encode("latin-1", "replace")) > MAX_FIELDS + 1:
        raise UnreadableBody(f"the multipart body has more than {MAX_FIELDS} parts")
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + raw)
    if not message.is_multipart() or message.defects:
        why = "; ".join(type(defect).__name__ for defect in islice(message.defects, 3))
        raise UnreadableBody(f"the multipart body cannot be read{f': {why}' if why else ''}")
    return _object([(_part_name(part), _part_value(part)) for part in message.iter_parts()])


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
        return _text(content, part.get("content-type", "text/plain"))
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
