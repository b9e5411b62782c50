"""Where a database is, and how it is reached."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from engine import Call, ConnectionType, Opening, Schema
from modules.sql.database import Database
from modules.sql.sample import begin
from modules.sql.sqlite import Sqlite

#: seconds that a statement may take
STATEMENT_TIMEOUT = 30


def _field(title: str, description: str, **more: Any) -> Schema:
    return {"type": "string", "minLength": 1, "title": title, "description": description, **more}


@asynccontextmanager
async def dial(opening: Opening) -> AsyncIterator[Database]:
    """The client of a connection; nothing is asked yet."""
    given = opening.fields
    timeout = float(given.get("statement_timeout", STATEMENT_TIMEOUT))
    read_only = given.get("read_only") is True
    if given["database"] == "sqlite":
        if opening.simulated and "sample" in given:
            await asyncio.to_thread(begin, opening.folder / given["path"], opening.folder / given["sample"])
        yield Sqlite(opening.folder / given["path"], timeout, read_only=read_only)
        return
    from modules.sql.postgres import Postgres  # noqa: PLC0415 - the driver is loaded where it is used

    names = {
        "url": "conninfo",
        "host": "host",
        "port": "port",
        "name": "dbname",
        "user": "user",
        "password": "password",
        "tls": "sslmode",
        "tls_root": "sslrootcert",
    }
    settings = {driver: given[name] for name, driver in names.items() if name in given}
    settings["connect_timeout"] = max(2, round(opening.timeout))
    settings["options"] = f"-c statement_timeout={round(timeout * 1000)}"
    settings["application_name"] = "scenario-engine"
    database = Postgres(settings, read_only=read_only)
    try:
        yield database
    finally:
        await database.close()


async def check(call: Call) -> None:
    """Ask the database for one number."""
    async with call.client() as database:
        await database.read("SELECT 1 AS one", [], 1)


CONNECTION = ConnectionType(
    name="sql",
    title="SQL database",
    description=(
        "For sqlite give path. For postgresql give url, or host, name, user and password. A role that may do only what "
        "the scenarios need is the best protection; read_only refuses every write besides."
    ),
    fields={
        "type": "object",
        "required": ["database"],
        "additionalProperties": False,
        "if": {"properties": {"database": {"const": "sqlite"}}},
        "then": {"required": ["path"]},
        "else": {"anyOf": [{"required": ["url"]}, {"required": ["host", "name", "user"]}]},
        "properties": {
            "database": _field("Database", "Which kind it is.", enum=["sqlite", "postgresql"]),
            "path": _field("Path", "The file of an SQLite; a relative one begins in the project's folder."),
            "sample": _field(
                "Sample",
                "A file of SQLite statements that a simulated database begins with, such as sample.sql; the real one "
                "never sees it.",
            ),
            "url": _field(
                "URL", "Of a PostgreSQL, such as postgresql://user:password@db.example.com/shop.", writeOnly=True
            ),
            "host": _field("Host", "Where a PostgreSQL is."),
            "port": {
                "type": "integer",
                "title": "Port",
                "description": "5432 when left out.",
                "minimum": 1,
                "maximum": 65535,
            },
            "name": _field("Name", "Of the database there."),
            "user": _field("User", "Of the database there."),
            "password": _field("Password", "Of that user.", writeOnly=True),
            "tls": _field(
                "TLS",
                "verify-full checks the certificate and the host's name, require only encrypts; prefer when left out.",
                enum=["disable", "prefer", "require", "verify-ca", "verify-full"],
            ),
            "tls_root": _field("TLS root", "File with the certificates that are trusted; `system` for the machine's."),
            "statement_timeout": {
                "type": "number",
                "title": "Statement timeout",
                "description": "Seconds that a statement may take.",
                "default": STATEMENT_TIMEOUT,
                "exclusiveMinimum": 0,
                "maximum": 3600,
            },
            "read_only": {
                "type": "boolean",
                "title": "Read only",
                "description": "Refuse everything that writes.",
                "default": False,
            },
        },
    },
    kept=frozenset({"sample"}),
    test=check,
    client=dial,
)
