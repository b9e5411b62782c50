"""What a simulated database begins with: the statements of a file, once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from engine import DataError
from modules.sql.sqlite import mapped

#: the samples that a database has
_TABLE = "CREATE TABLE IF NOT EXISTS engine_samples (file text PRIMARY KEY)"


def begin(path: Path, sample: Path) -> None:
    """Carry the sample's statements out, all or none, unless the database has them already."""
    try:
        text = sample.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"the sample {sample.name} cannot be read: {error}", refused=True, hint="correct the connection's `sample`"
        ) from None
    with mapped(), closing(sqlite3.connect(path, timeout=10.0, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_TABLE)
        made = connection.execute("INSERT INTO engine_samples VALUES (?) ON CONFLICT DO NOTHING", (str(sample),))
        if made.rowcount:
            for statement in _statements(text, sample):
                connection.execute(statement)
        connection.execute("COMMIT")


def _statements(text: str, sample: Path) -> Iterator[str]:
    pending = ""
    # the line end closes a comment behind the last statement
    for part in f"{text}\n".split(";"):
        pending += f"{part};"
        # a semicolon in a text, a comment or a trigger ends no statement
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.rstrip(";").strip():
        raise DataError(f"the sample {sample.name} ends with an incomplete statement", refused=True)
