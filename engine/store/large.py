"""Large values, kept once by their hash.

The same body as receipt and as event, or passed from step to step, stands in the file once. A column that holds a blob
holds the value itself; one that holds text holds the hash of a value in ``large_values``. ``large_refs`` says whose
the values are: runs and receipts own them, and a value goes with its last owner. What a row held before another value
took its place goes with the run. Rows without large values pay one look at a length.

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
#: columns that may hold a hash
COLUMNS = frozenset({"body", "event", "result", "notes", "output", "request"})
_SELECTED = re.compile(r"\s*select (?:distinct )?(.*?)\sfrom\s", re.DOTALL)


class Spill:
    """Puts large values of rows aside, in the transaction that writes or removes the row."""

    def __init__(self, execute: Callable[..., sqlite3.Cursor]) -> None:
        self._execute = execute
        self._sql = queries()

    def __call__(self, row: Sequence[Any], owner: int, *places: int) -> tuple[Any, ...]:
        """The row with hashes in these places where the values are large.

        :param owner: the run that the row belongs to; negative: the receipt.
        """
        values = list(row)
        for place in places:
            value = values[place]
            if value is not None and len(value) > LARGE:
                values[place] = digest = blake2b(value, digest_size=32).hexdigest()
                self._execute(self._sql["add_large"], (digest, value))
                self._execute(self._sql["own_large"], (owner, digest))
        return tuple(values)

    def settled(self, row: tuple[Any, ...], run_id: int, key: str) -> tuple[Any, ...]:
        """As above, for the outcome of a write; one that is not taken leaves nothing behind."""
        if self._execute(self._sql["open_effect"], (run_id, key)).fetchone() is None:
            return row
        return self(row, run_id, 3, 6)

    def drop(self, owner: int) -> None:
        """The owner is gone, but for the outputs of writes that stay: so are values that were its alone."""
        for (digest,) in self._execute(self._sql["large_of"], {"owner": owner}).fetchall():
            self._execute(self._sql["disown_large"], (owner, digest))
            self._execute(self._sql["drop_large"], {"hash": digest})


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
            # the journal of a run that is gone may outlast its values by some steps of pruning
            (value,) = db.execute(queries()["large"], (row[place],)).fetchone() or (b"null",)
            row = (*row[:place], value, *row[place + 1 :])
    return row


@dataclass(frozen=True, slots=True)
class LargeSizes:
    """Large values: how many, and bytes."""

    def of_file(self, db: sqlite3.Connection) -> tuple[int, int]:
        number, size = db.execute(queries()["large_sizes"]).fetchone()
        return number, size

    def of_tables(self, _tables: Tables) -> tuple[int, int]:
        return 0, 0
