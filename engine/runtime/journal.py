"""What a run remembers, as the interpreter asks for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from engine.runtime.outcomes import Verdict
from engine.sdk import jsontext
from engine.store.records import EffectRecord, Record


def attempt_key(path: str, attempt: int) -> str:
    """Key of an attempt's journal row or effect."""
    return f"{path}#{attempt}"


def verdict_key(path: str, attempt: int) -> str:
    """Key of a person's word on a step after an attempt."""
    return f"{path}#{attempt}!"


@dataclass(slots=True)
class Journal:
    """A run's rows by key; empty for a new run.

    :param notes: decisions and pure outputs of all rows.
    :param position: of the last row.
    """

    records: dict[str, Record] = field(default_factory=dict)
    effects: dict[str, EffectRecord] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    position: int = 0

    @classmethod
    def of(cls, records: Iterable[Record], effects: Iterable[EffectRecord], tail: bytes | None) -> Journal:
        """Put the rows of a run together.

        :param tail: decisions that were made after the last row, kept with the run.
        """
        journal = cls()
        rows: list[Record | EffectRecord] = [*records, *effects]
        for row in sorted(rows, key=lambda r: r.position):
            if isinstance(row, Record):
                journal.records[row.key] = row
            else:
                journal.effects[row.key] = row
            journal.position = max(journal.position, row.position)
            if row.notes:
                journal.notes.update(jsontext.loads(row.notes))
        if tail:
            journal.notes.update(jsontext.loads(tail))
        return journal

    def verdict(self, path: str, attempt: int) -> Verdict | None:
        record = self.records.get(verdict_key(path, attempt))
        return Verdict(**jsontext.loads(record.output)) if record and record.output else None
