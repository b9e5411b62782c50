"""What the simulator takes for true of a database that it does not know."""

from __future__ import annotations

from engine import Assumption

ASSUMPTIONS = (
    Assumption(
        about="SQL under simulation",
        assumed="Statements are such as SQLite understands too; what only PostgreSQL knows fails while simulating.",
        changed_by="modules.sql.simulator:SqlSimulator",
        settled_by="a run on a PostgreSQL of your own (`engine run` without --simulate)",
        mark="inferred",
        source="the simulator is an SQLite in a temporary folder, empty at first or with a sample",
        shown_by=(
            "an SQLite stands in, whatever the connection names; it begins with the connection's sample, else empty",
        ),
    ),
)
