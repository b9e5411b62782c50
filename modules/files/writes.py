"""Writing: append rows once, or replace a whole file."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine import Action, Call, DataError, Effect, Json, ModuleError, Schema, VendorError
from modules.files.appending import Appended, append, replace
from modules.files.connection import Folder
from modules.files.reads import DELIMITER, PATH
from modules.files.rows import Format, rows, start

#: spreadsheets take what begins so for a formula
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

_ROW: Schema = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
}
_ROWS: Schema = {
    "title": "Rows",
    "description": "An object by column, or a list of them. Null is an empty field; true and false are written so.",
    "oneOf": [_ROW, {"type": "array", "items": _ROW, "maxItems": 100_000}],
}
_COLUMNS: Schema = {
    "type": "array",
    "title": "Columns",
    "description": "Their names and order; those of the file, else those of the rows, when left out.",
    "items": {"type": "string", "minLength": 1},
    "minItems": 1,
    "uniqueItems": True,
}
_FORMULAS: Schema = {
    "type": "string",
    "title": "Formulas",
    "description": (
        "keep: text stays as it is. escape: text that a spreadsheet would take for a formula (=, +, -, @) gets an "
        "apostrophe before it; for files that people open, with text from outside."
    ),
    "enum": ["keep", "escape"],
    "default": "keep",
}
_MARK: Schema = {
    "type": "boolean",
    "title": "Byte order mark",
    "description": "Whether a new file begins with one, by which Excel knows UTF-8.",
    "default": False,
}
_ROWS_CONFIG: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["path", "rows"],
    "properties": {
        "path": PATH,
        "rows": _ROWS,
        "columns": _COLUMNS,
        "delimiter": DELIMITER,
        "formulas": _FORMULAS,
        "byte_order_mark": _MARK,
    },
}
_APPENDED: Schema = {
    "type": "object",
    "required": ["path", "rows", "size", "before"],
    "properties": {
        "path": {"type": "string"},
        "rows": {"type": "integer", "description": "How many were given"},
        "size": {"type": "integer", "description": "Bytes of the file"},
        "before": {"type": "boolean", "description": "This step had appended them before, and did not do it again"},
    },
}
_WRITTEN: Schema = {
    "type": "object",
    "required": ["path", "size"],
    "properties": {"path": {"type": "string"}, "size": {"type": "integer", "description": "Bytes of the file"}},
}


def _given(config: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    given = config["rows"]
    return [given] if isinstance(given, Mapping) else given


def _field(value: Any, *, escape: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    return f"'{value}" if escape and value.startswith(_FORMULA) else value


def _csv(config: Mapping[str, Any], columns: Sequence[str], *, header: bool) -> bytes:
    """The rows as CSV. Raises ``DataError`` for a value that has no column."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=config.get("delimiter", ","), lineterminator="\r\n")
    escape = config.get("formulas") == "escape"
    # names may come from outside as well
    columns = [_field(name, escape=escape) for name in columns]
    if header and columns:
        writer.writerow(columns)
    known = set(columns)
    for number, given in enumerate(_given(config)):
        row = {_field(name, escape=escape): value for name, value in given.items()} if escape else given
        if unknown := sorted(row.keys() - known):
            raise DataError(
                f"row {number} has no column for {', '.join(unknown)}; the columns are {', '.join(columns)}",
                refused=True,
            )
        writer.writerow([_field(row.get(name), escape=escape) for name in columns])
    try:
        content = text.getvalue().encode()
    except UnicodeEncodeError as error:
        raise DataError(f"a row is no text: {error.reason}", refused=True) from None
    return (b"\xef\xbb\xbf" if header and config.get("byte_order_mark") else b"") + content


def _columns(config: Mapping[str, Any]) -> list[str]:
    return list(config.get("columns") or dict.fromkeys(name for row in _given(config) for name in row))


def _header_of(file: Path, delimiter: str) -> list[str] | None:
    """The columns of a file that is there. Raises ``DataError``."""
    if not file.exists() or not file.stat().st_size:
        return None
    with file.open("rb") as opened:
        first = next(rows(opened, Format(delimiter), start(opened, "utf-8"), 1), None)
    if first is not None and first.problem:
        raise DataError(f"line {first.number}: the header cannot be used: {first.problem}", refused=True)
    return None if first is None else list(first.fields)


def _more_rows(file: Path, config: Mapping[str, Any]) -> tuple[bytes, int]:
    """What is appended to a file as it is now."""
    header = _header_of(file, config.get("delimiter", ","))
    if header is not None and (wanted := config.get("columns")) is not None:
        wanted = [_field(name, escape=config.get("formulas") == "escape") for name in wanted]
        if wanted != header:
            raise DataError(f"the file has the columns {', '.join(header)}, and not {', '.join(wanted)}", refused=True)
    content = _csv(config, header or _columns(config), header=header is None)
    return _fresh_line(file) + content, len(_given(config))


def _more_lines(file: Path, config: Mapping[str, Any]) -> tuple[bytes, int]:
    values = config["values"]
    try:
        lines = [json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")) for value in values]
        content = "".join(f"{line}\n" for line in lines).encode()
    except ValueError as error:
        raise DataError(f"a value cannot be written: {error}", refused=True) from None
    return _fresh_line(file) + content, len(values)


def _fresh_line(file: Path) -> bytes:
    """A line end, where the file does not end with one: a row must not go on another."""
    if not file.exists() or not (size := file.stat().st_size):
        return b""
    with file.open("rb") as opened:
        opened.seek(size - 1)
        return b"" if opened.read(1) == b"\n" else b"\n"


async def _append(call: Call, make: Callable[[Path, Mapping[str, Any]], tuple[bytes, int]]) -> Json:
    folder: Folder
    config = call.config

    def go(folder: Folder) -> Appended:
        file = _ready(folder, config["path"])
        return append(folder.written, file, call.key, lambda: make(file, config))

    async with call.client() as folder:
        done = await _told(config["path"], lambda: go(folder))
    return {"path": config["path"], "rows": done.rows, "size": done.size, "before": done.before}


def _ready(folder: Folder, path: str) -> Path:
    """Where a file is appended to. Under an overlay it begins as the file that it covers."""
    file, covered = folder.target(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    if covered is not None and covered.is_file() and not file.exists():
        shutil.copyfile(covered, file)
    return file


async def _told(path: str, work: Callable[[], Any]) -> Any:
    """Write in a thread that is seen through, whoever stops waiting for it."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except ModuleError:
        raise
    except (PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError) as error:
        raise DataError(f"'{path}' cannot be written: {error.strerror}; nothing was", refused=True) from None
    except (OSError, sqlite3.Error) as error:
        # a full disk may have room later; what was begun is mended by the next who appends
        raise VendorError(f"'{path}' cannot be written: {error}", refused=False) from None
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


async def _replace(call: Call, content: bytes) -> Json:
    folder: Folder
    path = call.config["path"]

    def go(folder: Folder) -> None:
        file, _ = folder.target(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        replace(file, content)

    async with call.client() as folder:
        await _told(path, lambda: go(folder))
    return {"path": path, "size": len(content)}


async def append_rows(call: Call) -> Json:
    return await _append(call, _more_rows)


async def append_json_lines(call: Call) -> Json:
    return await _append(call, _more_lines)


async def write_rows(call: Call) -> Json:
    return await _replace(call, _csv(call.config, _columns(call.config), header=True))


async def write_json(call: Call) -> Json:
    try:
        text = json.dumps(call.config["value"], ensure_ascii=False, allow_nan=False, indent=2)
        return await _replace(call, f"{text}\n".encode())
    except ValueError as error:
        raise DataError(f"the value cannot be written: {error}", refused=True) from None


APPEND_ROWS = Action(
    name="append_rows",
    title="Append Rows",
    description="Adds rows to a CSV file, or begins it. A step that is repeated adds nothing a second time.",
    connection="files",
    config=_ROWS_CONFIG,
    output=_APPENDED,
    effect=Effect.KEYED,
    run=append_rows,
    example={"path": "out/members.csv", "rows": {"email": "ana@example.com", "points": 1250}},
)
APPEND_JSON_LINES = Action(
    name="append_json_lines",
    title="Append JSON Lines",
    description="Adds values to a JSON Lines file, or begins it. A step that is repeated adds nothing a second time.",
    connection="files",
    config={
        "type": "object",
        "additionalProperties": False,
        "required": ["path", "values"],
        "properties": {
            "path": PATH,
            "values": {
                "type": "array",
                "title": "Values",
                "description": "Any values; each is one line.",
                "maxItems": 100_000,
            },
        },
    },
    output=_APPENDED,
    effect=Effect.KEYED,
    run=append_json_lines,
    example={"path": "out/events.jsonl", "values": [{"email": "ana@example.com", "tier": "GOLD"}]},
)
WRITE_ROWS = Action(
    name="write_rows",
    title="Write Rows",
    description="Makes a CSV file of rows; one that is there is replaced as a whole.",
    connection="files",
    config=_ROWS_CONFIG,
    output=_WRITTEN,
    effect=Effect.IDEMPOTENT,
    run=write_rows,
    example={"path": "out/report.csv", "columns": ["email", "points"], "rows": [{"email": "ana@example.com"}]},
)
WRITE_JSON = Action(
    name="write_json",
    title="Write JSON",
    description="Makes a JSON file of a value; one that is there is replaced as a whole.",
    connection="files",
    config={
        "type": "object",
        "additionalProperties": False,
        "required": ["path", "value"],
        "properties": {"path": PATH, "value": {"title": "Value", "description": "Any value."}},
    },
    output=_WRITTEN,
    effect=Effect.IDEMPOTENT,
    run=write_json,
    example={"path": "out/summary.json", "value": {"members": 3}},
)
