"""The modules: *Query Rows*, *Execute a Statement*, *Upsert Rows*."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from itertools import groupby

from engine import Action, Call, Config, DataError, Effect, Json, Page, Schema, Search
from modules.sql import text
from modules.sql.database import Once

#: rows of a page of a query that has a key
PAGE = 500
#: rows of a query without one
MOST = 10_000
#: rows of one upsert
MOST_ROWS = 5_000

_SQL: Schema = {
    "type": "string",
    "title": "SQL",
    "description": "One statement. Values stand in it as :name, and never as text of their own.",
    "minLength": 1,
    "x-place": "sql",
}
_PARAMS: Schema = {
    "type": "object",
    "title": "Parameters",
    "description": "The value of each :name; lists and objects are bound as JSON.",
    "additionalProperties": True,
}


async def page(call: Call, cursor: Json) -> Page:
    async with call.client() as database:
        params = call.config.get("params", {})
        sql, values = text.bind(call.config["sql"], params, database.mark)
        key = call.config.get("key")
        if key is None:
            found = await database.read(sql, values, MOST + 1)
            if len(found) > MOST:
                raise DataError(
                    f"the query has more than {MOST} rows", hint="give a `key`, by which it is read page by page"
                )
            return Page(found)
        behind = None if cursor is None else database.mark(len(values) + 1)
        more = [] if cursor is None else [cursor]
        found = await database.read(text.page(sql, key, behind, PAGE), [*values, *more], PAGE)
    if found and any(row.get(key) is None for row in found):
        raise DataError(f"the column '{key}' is null in a row, so that it cannot be the query's key")
    return Page(found, found[-1][key] if len(found) == PAGE else None)


QUERY = Search(
    name="query_rows",
    title="Query Rows",
    description="Reads rows, page by page where a key is given, in a transaction that can change nothing.",
    connection="sql",
    config={
        "type": "object",
        "additionalProperties": False,
        "required": ["sql"],
        "properties": {
            "sql": _SQL,
            "params": _PARAMS,
            "key": {
                "type": "string",
                "title": "Key",
                "description": (
                    "A column of the result that is unique and never null: the rows come in its order, page by page, "
                    "and after a crash from where it stood."
                ),
                "minLength": 1,
            },
            "limit": {"type": "integer", "title": "Limit", "description": "At most so many rows.", "minimum": 1},
        },
    },
    output={"type": "array", "items": {"type": "object", "additionalProperties": True}},
    example={"sql": "select id, email from customers where points > :points", "params": {"points": 100}, "key": "id"},
    page=page,
)


async def execute(call: Call) -> Json:
    async with call.client() as database:
        sql, values = text.bind(call.config["sql"], call.config.get("params", {}), database.mark)
        once = _once(call, sql, values) if call.config.get("once", True) else None
        count, before = await database.write([(sql, [values])], once)
    return {"row_count": count, "done_before": before}


def _once(call: Call, sql: str, values: Sequence[Json]) -> Once:
    whole = json.dumps([sql, values], ensure_ascii=False, default=str)
    return Once(call.key, hashlib.sha256(whole.encode()).hexdigest(), call.now)


def effect_of(config: Config) -> Effect:
    """The ledger makes it a write that honours a key; without it, twice is not once."""
    return Effect.KEYED if config.get("once", True) else Effect.WRITE


EXECUTE = Action(
    name="execute_statement",
    title="Execute a Statement",
    description=(
        "Carries out one statement that changes something, exactly once: a row in the table engine_effects of the same "
        "database is written in the same transaction, so that no repetition does it again."
    ),
    connection="sql",
    config={
        "type": "object",
        "additionalProperties": False,
        "required": ["sql"],
        "properties": {
            "sql": _SQL,
            "params": _PARAMS,
            "once": {
                "type": "boolean",
                "title": "Once",
                "description": (
                    "Keep the ledger table. Without it nothing is added to the database, and a write of unknown "
                    "outcome waits for a person."
                ),
                "default": True,
            },
        },
    },
    output={
        "type": "object",
        "required": ["row_count", "done_before"],
        "properties": {
            "row_count": {"type": "integer", "description": "Rows that were changed"},
            "done_before": {"type": "boolean", "description": "An earlier try had done it; nothing was done now"},
        },
    },
    effect=effect_of,
    run=execute,
    example={
        "sql": "update customers set points = points + :points where email = :email",
        "params": {"points": 50, "email": "ana@example.com"},
    },
)


async def upsert(call: Call) -> Json:
    keys: Sequence[str] = call.config["keys"]
    rows: Sequence[dict[str, Json]] = call.config["rows"]
    for number, row in enumerate(rows):
        if missing := [key for key in keys if row.get(key) is None]:
            raise DataError(f"rows[{number}] has no '{missing[0]}', which is a key; nothing was sent", refused=True)
    async with call.client() as database:
        table = call.config["table"]
        # in the order in which they are given: of two rows of one key the last one is to stand
        statements = [
            (text.upsert(table, names, keys, database.mark), [list(row.values()) for row in alike])
            for names, alike in groupby(rows, key=tuple)
        ]
        await database.write(statements, None)
    return {"rows": len(rows)}


UPSERT_ROWS = Action(
    name="upsert_rows",
    title="Upsert Rows",
    description="Adds rows, or changes those of the same keys; all of them in one transaction, or none.",
    connection="sql",
    config={
        "type": "object",
        "additionalProperties": False,
        "required": ["table", "keys", "rows"],
        "properties": {
            "table": {
                "type": "string",
                "title": "Table",
                "description": "Its name; schema.table for one of another schema.",
                "minLength": 1,
            },
            "keys": {
                "type": "array",
                "title": "Keys",
                "description": "Columns by which a row is known again; the table has a unique index on them.",
                "items": {"type": "string", "minLength": 1},
                "minItems": 1,
                "uniqueItems": True,
            },
            "rows": {
                "type": "array",
                "title": "Rows",
                "description": f"Objects with a value for each column; at most {MOST_ROWS}.",
                "items": {"type": "object", "minProperties": 1, "additionalProperties": True},
                "maxItems": MOST_ROWS,
            },
        },
    },
    output={
        "type": "object",
        "required": ["rows"],
        "properties": {"rows": {"type": "integer", "description": "How many were written"}},
    },
    # what is there is set, so that twice is once
    effect=Effect.IDEMPOTENT,
    run=upsert,
    example={"table": "customers", "keys": ["email"], "rows": [{"email": "ana@example.com", "points": 640}]},
)
