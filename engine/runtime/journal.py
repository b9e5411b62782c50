"""What a run remembers, as the interpreter asks for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from engine.runtime.outcomes import Verdict
from engine.sdk import jsontext
from engine.store.folds import FOLD
from engine.store.ids import read
from engine.store.records import EffectRecord, Record

#: where the path of a loop's item ends
_ITEM = re.compile(r"\]/")


#: kinds of the rows that tell that a run is a replay, and that a run was replayed
REPLAY, REPLAYED = "replay", "replayed"
#: kind of the row of a write that was made before with another request, so that a person is asked
DIFFERS = "differs"
#: key of the row that makes a run a replay
REPLAY_KEY = "@replay#0"


def replayed_key(replay: int) -> str:
    """Key of the row that tells of a replay of the run.

    :param replay: id of the other run.
    """
    return f"@replayed#{replay}"


def from_key(key: str) -> str:
    """Key of the note that says from which run, and from which row of it, an effect was taken over.

    :param key: of the effect's row.
    """
    return f"{key}@from"


def attempt_key(path: str, attempt: int) -> str:
    """Key of an attempt's journal row or effect."""
    return f"{path}#{attempt}"


def verdict_key(path: str, attempt: int, number: int = 0) -> str:
    """Key of a person's word on a step after an attempt.

    :param number: words on it before this one; a step that runs out of time again and again gets several.
    """
    return f"{path}#{attempt}!{number or ''}"


@dataclass(frozen=True, slots=True)
class Word:
    """A person's word.

    :param round: how many words were given on the run, this one included.
    """

    verdict: Verdict
    round: int


@dataclass(slots=True)
class Journal:
    """A run's rows by key; empty for a new run.

    :param notes: decisions and pure outputs of all rows.
    :param tail: those among them that only the run's own row has.
    :param words: what persons said last, by the key of step and attempt.
    :param round: how often a person had a word.
    :param position: of the last row.
    :param size: bytes of what the rows hold.
    :param switched: position of the word that let the run go on under another version; what was recorded before it may
        have been asked otherwise than the version asks now.
    :param shared: whether another run answers to the same event, so that what this one would write may be done already.
    :param seed: id of the run that this one replays, from which its random values derive; None: it replays none.
    """

    records: dict[str, Record] = field(default_factory=dict)
    effects: dict[str, EffectRecord] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    tail: dict[str, Any] = field(default_factory=dict)
    words: dict[str, Word] = field(default_factory=dict)
    round: int = 0
    position: int = 0
    size: int = 0
    switched: int = 0
    shared: bool = False
    seed: int | None = None
    _entered: set[str] | None = None

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
                if row.kind == FOLD and row.output:
                    # the words on items that are over went with their rows
                    about = jsontext.loads(row.output)
                    journal.round = max(journal.round, about["round"])
                    journal.switched = max(journal.switched, about["switched"])
                elif row.kind == "settled" and row.output:
                    journal.round += 1
                    word = Word(Verdict(**jsontext.loads(row.output)), journal.round)
                    journal.words[row.key.rpartition("!")[0]] = word
                    if word.verdict.version:
                        journal.switched = row.position
                elif row.kind in (REPLAY, REPLAYED):
                    journal.shared = True
                    if row.kind == REPLAY and row.output:
                        root = (jsontext.loads(row.output) or {}).get("root")
                        journal.seed = read(root) if root else None
            else:
                journal.effects[row.key] = row
            journal.position = max(journal.position, row.position)
            journal.size += row_size(row)
            if row.notes:
                journal.notes.update(jsontext.loads(row.notes))
        if tail:
            journal.size += len(tail)
            journal.tail = jsontext.loads(tail)
            journal.notes.update(journal.tail)
        return journal

    def word(self, path: str, attempt: int) -> Word | None:
        return self.words.get(attempt_key(path, attempt)) if self.words else None

    def entered(self, loop: str) -> bool:
        """Whether there is a row of a loop's item.

        :param loop: what the keys of its rows begin with. Rows that came since the first such question are not seen.
        """
        if self._entered is None:
            keys = (*self.effects, *self.records)
            self._entered = {key[: end.end()] for key in keys for end in _ITEM.finditer(key)}
        return loop in self._entered


def row_size(row: Record | EffectRecord) -> int:
    """Bytes of what a row holds."""
    texts = (row.output, row.error, row.notes, row.request if isinstance(row, EffectRecord) else None)
    return sum(len(text) for text in texts if text is not None)
