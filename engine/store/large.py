"""Large values, kept once by their hash.

The same body as receipt and as event, or passed from step to step, stands in the file once. A column that holds a blob
holds the value itself; one that holds text holds the hash of a value in ``large_values``. Triggers count the
references, so that a value goes with the last row that refers to it, whatever statement removes that. A value that
was written for a row that was then refused is found by pruning.

The double in memory has no use for this.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from engine.store.sql import queries

if TYPE_CHECKING:
    from engine.store.tables import Tables

#: bytes above which a value is kept by its hash
LARGE = 32_768
#: columns that may hold a hash; their triggers are in the schema
COLUMNS = frozenset({"body", "event", "result", "notes", "output", "request"})
_SELECTED = re.compile(r"\s*select (?:distinct )?(.*?)\sfrom\s", re.DOTALL)


class Spill:
    """Puts large values of rows aside, in the transaction that writes the row."""

    def __init__(self, execute: Callable[..., object]) -> None:
        self._execute = execute
        self._sql = queries()["add_large"]

    def __call__(self, row: Sequence[Any], *places: int) -> tuple[Any, ...]:
        """The row with hashes in these places where the values are large."""
        values = list(row)
        for place in places:
            value = values[place]
            if value is not None and len(value) > LARGE:
                values[place] = digest = blake2b(value, digest_size=32).hexdigest()
                self._execute(self._sql, (digest, value))
        return tuple(values)


@cache
def places(name: str) -> tuple[int, ...]:
    """Where in the rows of a query a hash may stand."""
    found = _SELECTED.match(queries()[name])
    if found is None:
        return ()
    columns = [column.strip().rpartition(".")[2] for column in found[1].split(",")]
    return tuple(number for number, column in enumerate(columns) if column in COLUMNS)


def whole(db: sqlite3.Connection, name: str, row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row of a query with the values themselves."""
    for place in places(name):
        if type(row[place]) is str:
            (value,) = db.execute(queries()["large"], (row[place],)).fetchone()
            row = (*row[:place], value, *row[place + 1 :])
    return row


@dataclass(frozen=True, slots=True)
class UnusedLarge:
    """Hashes of values that nothing refers to."""

    limit: int

    def of_file(self, db: sqlite3.Connection) -> Sequence[str]:
        return [row[0] for row in db.execute(queries()["unused_large"], (self.limit,))]

    def of_tables(self, _tables: Tables) -> Sequence[str]:
        return []


@dataclass(frozen=True, slots=True)
class LargeSizes:
    """Large values: how many, bytes, and bytes if each stood where it is referred to."""

    def of_file(self, db: sqlite3.Connection) -> tuple[int, int, int]:
        number, size, apart = db.execute(queries()["large_sizes"]).fetchone()
        return number, size, apart

    def of_tables(self, _tables: Tables) -> tuple[int, int, int]:
        return 0, 0, 0
