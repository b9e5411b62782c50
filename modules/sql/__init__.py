"""Tables of a database: SQLite and PostgreSQL."""

from __future__ import annotations

from engine import App, hookimpl
from modules.sql.assumptions import ASSUMPTIONS
from modules.sql.connection import CONNECTION
from modules.sql.simulator import SqlSimulator
from modules.sql.statements import EXECUTE, QUERY, UPSERT_ROWS


@hookimpl
def engine_apps() -> App:
    return App(
        name="sql",
        title="SQL",
        description="Rows of a database: SQLite or PostgreSQL.",
        modules=(QUERY, EXECUTE, UPSERT_ROWS),
        connections=(CONNECTION,),
        simulator=SqlSimulator,
        assumptions=ASSUMPTIONS,
    )
