"""Reading: a page of rows at a time, from the byte on at which the last page ended."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from engine import Action, Call, DataError, Effect, Json, Page, Schema, Search
from modules.files.connection import Folder
from modules.files.rows import ENCODINGS, MOST, Format, Row, rows, start

#: rows to a page
PAGE = 500
#: bytes of a JSON file that is read as a whole
LARGEST = 10_000_000

PATH: Schema = {
    "type": "string",
    "title": "Path",
    "description": "The file, below the connection's folder, with slashes.",
    "minLength": 1,
    "maxLength": 1000,
}
DELIMITER: Schema = {
    "type": "string",
    "title": "Delimiter",
    "description": "The sign between two fields: a comma when left out, often a semicolon or a tab.",
    "pattern": '^[^\\r\\n"]$',
    "default": ",",
}
_BAD: Schema = {
    "type": "string",
    "title": "Bad rows",
    "description": (
        "What to do with a row that cannot be read. fail: stop there, naming its line. give: go on, and give it with "
        "its problem."
    ),
    "enum": ["fail", "give"],
    "default": "fail",
}
_LIMIT: Schema = {"type": "integer", "title": "Limit", "description": "So many rows at most.", "minimum": 1}

CSV_CONFIG: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["path"],
    "properties": {
        "path": PATH,
        "delimiter": DELIMITER,
        "quote": {
            "type": "string",
            "title": "Quote",
            "description": "The sign around fields that hold the delimiter or line ends.",
            "pattern": "^[^\\r\\n]$",
            "default": '"',
        },
        "encoding": {
            "type": "string",
            "title": "Encoding",
            "description": "Of the text; a byte order mark of UTF-8 is passed over.",
            "enum": list(ENCODINGS),
            "default": "utf-8",
        },
        "columns": {
            "type": "array",
            "title": "Columns",
            "description": "Their names, for a file whose first row is not a header.",
            "items": {"type": "string", "minLength": 1},
            "minItems": 1,
            "uniqueItems": True,
        },
        "empty": {
            "type": "string",
            "title": "Empty fields",
            "description": "Whether an empty field is given as text, as null, or not at all.",
            "enum": ["text", "null", "omit"],
            "default": "text",
        },
        "bad_rows": _BAD,
        "limit": _LIMIT,
    },
}

CSV_OUTPUT: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["line", "values", "problem"],
        "properties": {
            "line": {"type": "integer", "description": "On which it begins, from 1"},
            "values": {
                "type": "object",
                "additionalProperties": {"type": ["string", "null"]},
                "description": "The fields by column, as text",
            },
            "problem": {"type": ["string", "null"], "description": "Why it cannot be read; null: it could"},
        },
    },
}

LINES_OUTPUT: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["line", "value", "problem"],
        "properties": {
            "line": {"type": "integer", "description": "From 1"},
            "value": {"description": "What stands on the line"},
            "problem": {"type": ["string", "null"], "description": "Why it cannot be read; null: it could"},
        },
    },
}

#: gives the items of a page, and where the next begins; None: that was all
_Read = Callable[[BinaryIO, Any], tuple[list[Json], dict[str, Any] | None]]


async def _page(call: Call, cursor: Json, read: _Read) -> Page:
    folder: Folder
    async with call.client() as folder:
        return await asyncio.to_thread(_read_page, folder, call.config["path"], cursor, read)


def _read_page(folder: Folder, path: str, cursor: Any, read: _Read) -> Page:
    found = folder.found(path)
    try:
        with found.open("rb") as file:
            told = os.fstat(file.fileno())
            stamp = [told.st_ino, told.st_size, told.st_mtime_ns]
            if cursor is not None and cursor["stamp"] != stamp:
                # the rest of another file would be read as if it were this one's
                raise DataError(
                    f"'{path}' has changed since its line {cursor['line'] - 1} was read",
                    refused=True,
                    hint="write a new file beside it and rename it, or read it when nobody writes",
                )
            items, after = read(file, cursor)
            return Page(items, None if after is None else {**after, "stamp": stamp})
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}", refused=True) from None


async def read_csv(call: Call, cursor: Json) -> Page:
    config = call.config
    form = Format(config.get("delimiter", ","), config.get("quote", '"'), config.get("encoding", "utf-8"))

    def read(file: BinaryIO, at: Any) -> tuple[list[Json], dict[str, Any] | None]:
        found = rows(file, form, *((at["offset"], at["line"]) if at else (start(file, form.encoding), 1)))
        columns = at["columns"] if at else config.get("columns") or _header(found, config["path"])
        page = list(islice(found, PAGE))
        items = [_item(row, columns, config) for row in page]
        if len(page) < PAGE:
            return items, None
        return items, {"offset": page[-1].end, "line": page[-1].next, "columns": columns}

    return await _page(call, cursor, read)


def _header(found: Iterator[Row], path: str) -> list[str]:
    first = next(found, None)
    if first is None:
        return []
    names = [name.strip() for name in first.fields]
    twice = sorted({name for name in names if names.count(name) > 1 or not name})
    if first.problem or twice:
        what = first.problem or f"columns without a name of their own: {', '.join(map(repr, twice))}"
        raise DataError(
            f"'{path}', line {first.number}: the header cannot be used: {what}", refused=True, hint="name the columns"
        )
    return names


def _item(row: Row, columns: list[str], config: Mapping[str, Any]) -> Json:
    problem = row.problem
    if problem is None and len(row.fields) != len(columns):
        problem = f"{len(row.fields)} fields where {len(columns)} columns are"
    if problem is not None and config.get("bad_rows", "fail") == "fail":
        raise DataError(f"'{config['path']}', line {row.number}: {problem}", refused=True)
    values: dict[str, str | None] = dict(zip(columns, row.fields, strict=False))
    empty = config.get("empty", "text")
    if empty == "null":
        values = {name: value or None for name, value in values.items()}
    elif empty == "omit":
        values = {name: value for name, value in values.items() if value}
    return {"line": row.number, "values": values, "problem": problem}


async def read_json_lines(call: Call, cursor: Json) -> Page:
    config = call.config

    def read(file: BinaryIO, at: Any) -> tuple[list[Json], dict[str, Any] | None]:
        offset, number = (at["offset"], at["line"]) if at else (start(file, "utf-8"), 1)
        file.seek(offset)
        items: list[Json] = []
        while len(items) < PAGE:
            line = file.readline(MOST + 1)
            if not line:
                return items, None
            if len(line) > MOST:
                raise DataError(f"'{config['path']}', line {number}: longer than {MOST:,} bytes", refused=True)
            offset += len(line)
            number += 1
            if line.strip():
                items.append(_line(line, number - 1, config))
        return items, {"offset": offset, "line": number}

    return await _page(call, cursor, read)


def _line(line: bytes, number: int, config: Mapping[str, Any]) -> Json:
    try:
        return {"line": number, "value": _parsed(line), "problem": None}
    except (ValueError, RecursionError) as error:
        if config.get("bad_rows", "fail") == "fail":
            raise DataError(f"'{config['path']}', line {number}: {error}", refused=True) from None
        return {"line": number, "value": None, "problem": str(error)}


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _parsed(text: bytes) -> Json:
    return json.loads(text.decode("utf-8-sig"), parse_constant=_no_constant)


async def read_json(call: Call) -> Json:
    folder: Folder
    path = call.config["path"]
    async with call.client() as folder:
        content = await asyncio.to_thread(_whole, folder.found(path), path)
    try:
        return _parsed(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"'{path}' is no JSON: {error}", refused=True) from None


def _whole(file: Path, path: str) -> bytes:
    try:
        if file.stat().st_size > LARGEST:
            raise DataError(f"'{path}' has more than {LARGEST:,} bytes", refused=True, hint="make it JSON Lines")
        return file.read_bytes()
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}", refused=True) from None


READ_CSV = Search(
    name="read_csv",
    title="Read CSV",
    description="Gives the rows of a CSV file, page by page, so that its size does not matter to a loop.",
    connection="files",
    config=CSV_CONFIG,
    output=CSV_OUTPUT,
    page=read_csv,
    example={"path": "customers.csv", "delimiter": ";", "bad_rows": "give"},
)
READ_JSON_LINES = Search(
    name="read_json_lines",
    title="Read JSON Lines",
    description="Gives the values of a file with one JSON value on each line, page by page.",
    connection="files",
    config={
        "type": "object",
        "additionalProperties": False,
        "required": ["path"],
        "properties": {"path": PATH, "bad_rows": _BAD, "limit": _LIMIT},
    },
    output=LINES_OUTPUT,
    page=read_json_lines,
    example={"path": "orders.jsonl"},
)
READ_JSON = Action(
    name="read_json",
    title="Read JSON",
    description="Gives what stands in a JSON file of up to 10 MB.",
    connection="files",
    config={"type": "object", "additionalProperties": False, "required": ["path"], "properties": {"path": PATH}},
    output={},
    effect=Effect.READ,
    run=read_json,
    example={"path": "settings.json"},
)
