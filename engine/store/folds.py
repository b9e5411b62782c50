"""What of a run's writes a walk still needs, where loops have checkpoints.

A checkpoint stands for the items of a loop that are over. Their journal rows are gone; their writes stay in the
ledger, and are found there by their effect keys. What the run goes on with is what is outside such loops, and the items
that the checkpoint names. So the range of keys that a loop has is left out, but for those items.

The checkpoint of the loop at ``path`` is the journal row ``path!fold``; its output has the names as ``rest``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from engine.sdk import jsontext
from engine.store.records import Record
from engine.store.sql import queries

if TYPE_CHECKING:
    from engine.store.tables import Tables

#: the kind of a checkpoint's row, and what its key ends with
FOLD = "fold"
#: part of the keys of rows that hold a page of a loop's stream
PAGE = "!page@"
#: texts sort by code point; these come after ``[`` and ``/``, which end what the keys of a loop and an item begin with
_AFTER_LOOP, _AFTER_ITEM = "\\", "0"
_LAST = "\U0010ffff"

#: from and to (without) a key
Span = tuple[str, str]


def fold_key(path: str) -> str:
    """Key of the checkpoint of the loop at a path."""
    return f"{path}!{FOLD}"


def spans(records: Iterable[Record]) -> list[Span] | None:
    """The ranges of keys that a run remembers; None: all."""
    gone: list[Span] = []
    for record in records:
        if record.kind == FOLD and record.output is not None:
            about = jsontext.loads(record.output)
            if about is not None:  # else it was erased
                gone += _gone(record.key.removesuffix(f"!{FOLD}"), about["rest"])
    if not gone:
        return None
    found: list[Span] = []
    low = ""
    for begin, end in sorted(gone):
        if begin > low:
            found.append((low, begin))
        low = max(low, end)
    return [*found, (low, _LAST)]


def _gone(path: str, rest: Sequence[str]) -> list[Span]:
    low, found = f"{path}[", []
    for name in sorted(rest, key=lambda name: f"{name}]/"):
        found.append((low, f"{path}[{name}]/"))
        low = f"{path}[{name}]{_AFTER_ITEM}"
    return [*found, (low, f"{path}{_AFTER_LOOP}")]


def within(key: str, wanted: Sequence[Span] | None) -> bool:
    """Whether a key is in one of the ranges."""
    return wanted is None or any(low <= key < high for low, high in wanted)


def is_checkpoint(kind: str, key: str) -> bool:
    """Whether a row is a checkpoint or a page: what it holds of large values is nobody else's."""
    return kind == FOLD or PAGE in key


def digest(name: str) -> bytes:
    """What is kept of an item's name: names may be personal."""
    return blake2b(name.encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class KnownItems:
    """Which of these items of a loop, by name, a checkpoint of it stands for."""

    run_id: int
    path: str
    names: tuple[str, ...]

    def of_file(self, db: sqlite3.Connection) -> frozenset[str]:
        known = queries()["known_item"]
        return frozenset(
            name for name in self.names if db.execute(known, (self.run_id, self.path, digest(name))).fetchone()
        )

    def of_tables(self, tables: Tables) -> frozenset[str]:
        return frozenset(n for n in self.names if (self.run_id, self.path, digest(n)) in tables.loop_items)


class FileFolding:
    """Applies ``DropRecords`` and ``AddLoopItems`` inside the transaction of a batch."""

    def __init__(self, db: sqlite3.Cursor) -> None:
        self._db = db
        self._sql = queries()

    def drop(self, change: Any) -> None:
        """Remove journal rows; of checkpoints and pages also their large values."""
        for key in change.keys:
            row = (change.run_id, key)
            kind, *values = self._db.execute(self._sql["folded_record"], row).fetchone() or ("",)
            self._db.execute(self._sql["drop_record"], row)
            if is_checkpoint(kind, key):
                for value in values:
                    if isinstance(value, str):
                        self._large(change.run_id, value)

    def _large(self, run_id: int, value: str) -> None:
        if self._db.execute(self._sql["large_in_journal"], {"run_id": run_id, "hash": value}).fetchone() is None:
            self._db.execute(self._sql["disown_large"], (run_id, value))
            self._db.execute(self._sql["drop_large"], {"hash": value})

    def add(self, change: Any) -> None:
        """Keep the names of items that are over."""
        rows = [(change.run_id, change.path, digest(name)) for name in change.names]
        self._db.executemany(self._sql["add_loop_item"], rows)
