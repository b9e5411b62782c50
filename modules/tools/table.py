"""*Aggregate to a Table*: CSV, or any other text with rows and columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from engine import Config, Json, Schema, Transform
from modules.tools.items import GROUP_BY, ITEMS, aggregated, field, output, refuse, text_of

_COLUMNS: Schema = {
    "type": "array",
    "title": "Columns",
    "description": (
        "The columns in their order: names of fields, with dots for fields in fields, or objects of one key, heading "
        "to name. Where left out: all fields of the items, in the order in which they first come."
    ),
    "minItems": 1,
    "items": {
        "oneOf": [
            {"type": "string", "minLength": 1},
            {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": {"type": "string"}},
        ]
    },
}
_SEPARATOR: Schema = {
    "type": "string",
    "title": "Separator",
    "description": "What stands between two columns: one character.",
    "minLength": 1,
    "maxLength": 1,
    "default": ",",
}
_HEADER: Schema = {
    "type": "boolean",
    "title": "Header",
    "description": "Whether the first row has the columns' headings.",
    "default": True,
}
_LINE_END: Schema = {
    "type": "string",
    "title": "Line end",
    "description": "What ends each row: CR and LF as RFC 4180 has it, or LF alone.",
    "enum": ["\r\n", "\n"],
    "default": "\r\n",
}
_FORMULAS: Schema = {
    "type": "string",
    "title": "Formulas",
    "description": (
        "What becomes of texts that spreadsheets take for formulas, because they begin with = + - @, a tab or a "
        "return: `escape` puts a ' before them, `keep` leaves them."
    ),
    "enum": ["escape", "keep"],
    "default": "keep",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _columns(config: Config, rows: Sequence[Json]) -> list[tuple[str, str]]:
    """Headings and names."""
    if "columns" in config:
        pairs = [({column: column} if isinstance(column, str) else column) for column in config["columns"]]
        return [pair for column in pairs for pair in column.items()]
    return [(name, name) for name in dict.fromkeys(name for row in rows for name in row)]


def aggregate_table(config: Config) -> Json:
    """Write the items as rows."""
    for number, item in enumerate(config["items"]):
        if not isinstance(item, Mapping):
            raise refuse(f"item {number} is no object, so that it has no columns", "collect objects, such as {name: …}")
    columns = _columns(config, config["items"])
    escape = config.get("formulas", "keep") == "escape"

    def cell(value: Json) -> str:
        text = text_of(value)
        return f"'{text}" if escape and isinstance(value, str) and text.startswith(_FORMULA) else text

    def write(rows: Sequence[Json]) -> dict[str, Any]:
        text = io.StringIO()
        line_end = config.get("line_end", "\r\n")
        writer = csv.writer(text, delimiter=config.get("separator", ","), lineterminator=line_end)
        if config.get("header", True) and columns:
            writer.writerow([heading for heading, _ in columns])
        for row in rows:
            writer.writerow([cell(field(row, name)) for _, name in columns])
        return {"text": text.getvalue(), "rows": len(rows)}

    return aggregated(config, write)


AGGREGATE_TABLE = Transform(
    name="aggregate_table",
    title="Aggregate to a Table",
    description="Makes one text of rows and columns: CSV, or with another separator. Cells are quoted where needed.",
    config={
        "type": "object",
        "additionalProperties": False,
        "required": ["items"],
        "properties": {
            "items": ITEMS,
            "columns": _COLUMNS,
            "separator": _SEPARATOR,
            "header": _HEADER,
            "line_end": _LINE_END,
            "formulas": _FORMULAS,
            "group_by": GROUP_BY,
        },
    },
    output=output({"text": {"type": "string"}, "rows": {"type": "integer"}}),
    example={"items": [{"name": "Ana", "points": 5}], "columns": ["name", {"Points": "points"}]},
    apply=aggregate_table,
)
