"""JSON, CSV and file types."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from engine.scenario.expressions.declare import (
    Call,
    Function,
    Refused,
    anything,
    array,
    boolean,
    define,
    integer,
    room,
    text,
    to_text,
)
from engine.scenario.expressions.frame import Frame
from engine.scenario.expressions.values import CHARACTERS_PER_STEP
from engine.sdk import jsontext

#: objects and lists inside each other in a text that is parsed
_MAX_DEPTH = 200
#: what a text of JSON costs beside its length: it is read into many small values
_PARSE = 8

#: by what a file's name ends with
_TYPES = {
    "aac": "audio/aac",
    "avi": "video/x-msvideo",
    "avif": "image/avif",
    "bin": "application/octet-stream",
    "bmp": "image/bmp",
    "bz2": "application/x-bzip2",
    "css": "text/css",
    "csv": "text/csv",
    "doc": "application/msword",
    "eml": "message/rfc822",
    "epub": "application/epub+zip",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "flac": "audio/flac",
    "gif": "image/gif",
    "gz": "application/gzip",
    "heic": "image/heic",
    "htm": "text/html",
    "html": "text/html",
    "ico": "image/vnd.microsoft.icon",
    "ics": "text/calendar",
    "jar": "application/java-archive",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "js": "text/javascript",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "log": "text/plain",
    "md": "text/markdown",
    "mjs": "text/javascript",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "mpeg": "video/mpeg",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odt": "application/vnd.oasis.opendocument.text",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "ogv": "video/ogg",
    "otf": "font/otf",
    "pdf": "application/pdf",
    "png": "image/png",
    "ppt": "application/vnd.ms-powerpoint",
    "rar": "application/vnd.rar",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "rtf": "application/rtf",
    "svg": "image/svg+xml",
    "tar": "application/x-tar",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "toml": "application/toml",
    "tsv": "text/tab-separated-values",
    "ttf": "font/ttf",
    "txt": "text/plain",
    "vcf": "text/vcard",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webp": "image/webp",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "xls": "application/vnd.ms-excel",
    "xml": "application/xml",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "zip": "application/zip",
    "7z": "application/x-7z-compressed",
}


def _parse_json(_call: Call, frame: Frame, written: str) -> Any:
    frame.spend(_PARSE * len(written) // CHARACTERS_PER_STEP)
    try:
        found = jsontext.loads(written)
    except ValueError as error:
        raise Refused(f"this is not JSON: {error}") from None
    if _deep(found):
        raise Refused(f"the JSON has more than {_MAX_DEPTH} lists and objects inside each other")
    return found


def _deep(value: Any) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH + 1):
        level = [
            item
            for part in level
            if isinstance(part, (list, dict))
            for item in (part.values() if isinstance(part, dict) else part)
        ]
        if not level:
            return False
    return True


def _to_json(call: Call, frame: Frame, value: Any, indent: int) -> str:
    if not 0 <= indent <= 8:
        raise Refused("the indent goes from 0 to 8", 1)
    compact = to_text([value], call.spot, frame)[1:-1]
    if not indent:
        return compact
    # each value on a line of its own, as deep as it stands
    frame.spend(_PARSE * len(compact) // CHARACTERS_PER_STEP)
    room(_indented(value, indent))
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _indented(value: Any, indent: int) -> int:
    """About how many characters the text has: an upper bound."""
    size, depth, level = 0, 0, [value]
    while level:
        below: list[Any] = []
        for part in level:
            size += depth * indent + 4
            if isinstance(part, dict):
                size += sum(len(key) + 4 for key in part) + depth * indent
                below.extend(part.values())
            elif isinstance(part, list):
                size += depth * indent
                below.extend(part)
            else:
                size += len(part) if isinstance(part, str) else 24
        room(size)
        level, depth = below, depth + 1
    return size


def _delimiter(delimiter: str, argument: int = 1) -> str:
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise Refused("the delimiter is one character, such as ',' or ';'", argument)
    return delimiter


def _parse_csv(_call: Call, frame: Frame, written: str, delimiter: str, header: bool) -> list[Any]:
    frame.spend(_PARSE * len(written) // CHARACTERS_PER_STEP)
    source = io.StringIO(written.removeprefix("\ufeff"), newline="")
    try:
        rows = [row for row in csv.reader(source, delimiter=_delimiter(delimiter), strict=True) if row]
    except csv.Error as error:
        raise Refused(f"this is not CSV: {error}") from None
    if not header:
        return rows
    if not rows:
        return []
    names, *records = rows
    frame.spend(len(names) * len(records))
    odd = next((number for number, row in enumerate(records, 2) if len(row) > len(names)), None)
    if odd is not None:
        raise Refused(f"row {odd} has more values than the first row has names", 0, "is it another delimiter?")
    return [dict(zip(names, [*row, *[None] * (len(names) - len(row))], strict=True)) for row in records]


def _to_csv(call: Call, frame: Frame, rows: list[Any], delimiter: str) -> str:
    names = list(dict.fromkeys(key for row in rows if isinstance(row, dict) for key in row))
    frame.spend(len(names) * len(rows))
    target = io.StringIO(newline="")
    writer = csv.writer(target, delimiter=_delimiter(delimiter), lineterminator="\r\n")
    if names:
        writer.writerow(names)
    for row in rows:
        if isinstance(row, dict):
            cells = [row.get(name) for name in names]
        elif isinstance(row, list) and not names:
            cells = row
        else:
            raise Refused("the rows are all objects, or all lists")
        writer.writerow(["" if cell is None else to_text(cell, call.spot, frame) for cell in cells])
        room(target.tell())
    return target.getvalue()


def _mime_type(name: str) -> str | None:
    return _TYPES.get(name.rpartition(".")[2].lower()) if "." in name else None


FUNCTIONS: tuple[Function, ...] = (
    define(
        "parse_json",
        (text(),),
        "any",
        "The value that a text of JSON stands for.",
        _parse_json,
        ("parse_json(body).id", {"body": '{"id": 7}'}, 7),
        inner=True,
    ),
    define(
        "to_json",
        (anything(), integer("indent", 0)),
        "string",
        "The value as JSON, a text in quotes; with an indent, over several lines.",
        _to_json,
        ("to_json(name)", {"name": 'Ada "A"'}, '"Ada \\"A\\""'),
        ("to_json(o, 1)", {"o": {"a": [1]}}, '{\n "a": [\n  1\n ]\n}'),
        inner=True,
    ),
    define(
        "parse_csv",
        (text(), text("delimiter", ","), boolean("header", default=True)),
        "array",
        "The rows of CSV: objects by the names in the first row; lists where `header` is false.",
        _parse_csv,
        ("parse_csv(t)", {"t": 'name,points\n"Lovelace, Ada",5\n'}, [{"name": "Lovelace, Ada", "points": "5"}]),
        ("parse_csv('a;b', ';', false)", {}, [["a", "b"]]),
        inner=True,
    ),
    define(
        "to_csv",
        (array("rows"), text("delimiter", ",")),
        "string",
        "CSV (RFC 4180) of a list of objects, their keys being the first row, or of a list of lists; null is empty.",
        _to_csv,
        ("to_csv([{name: 'Ada, B', n: 1}])", {}, 'name,n\r\n"Ada, B",1\r\n'),
        inner=True,
    ),
    define(
        "mime_type",
        (text("filename"),),
        "string|null",
        "The media type that the ending of a file's name stands for; null where it is not known.",
        _mime_type,
        ("mime_type('report.PDF')", {}, "application/pdf"),
    ),
)
