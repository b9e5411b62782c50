"""Checkpoints: what a run remembers of a long loop in place of its items that are over.

A checkpoint is one journal row of its loop, written anew each time. It holds where the loop stands, as the loop's own
room tells it, and the names of the items whose rows are still needed. With it the rows of items that are over go; so do
decisions that were made inside them. Decisions that rode with those rows and are about something else move into the
checkpoint. Writes stay in the ledger (``engine.store.folds``).

What the journal in memory holds and what the store holds are the same before and after, so that whoever walks the loop
again, in this process or in the next, begins at the checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine.runtime.effects import Checkpoint, Progress
from engine.runtime.journal import row_size
from engine.sdk import jsontext
from engine.store.changes import AddLoopItems, AddRecord, Change, DropRecords
from engine.store.folds import FOLD, PAGE, fold_key
from engine.store.records import EffectRecord, EffectState, Record

if TYPE_CHECKING:
    from engine.runtime.durable import DurableEffects


#: the kind of a row that holds what a checkpoint sets aside
PART = "part"
_NUMBER = re.compile(r"\d+")


def state_of(effects: DurableEffects, path: str) -> Any:
    """Where the loop at a path stood at its checkpoint; None: it has none."""
    record = effects.journal.records.get(fold_key(path))
    return None if record is None or record.output is None else jsontext.loads(record.output)["state"]


def part_of(effects: DurableEffects, key: str) -> bytes:
    """What was set aside under a key, as JSON."""
    # one that was erased holds nothing any more
    return effects.journal.records[key].output or b"[]"


def progress_of(checkpoint: Any) -> Progress:
    """How far a loop had come at its checkpoint.

    :param checkpoint: the output of its row; None: it was erased.
    """
    state = (checkpoint or {}).get("state") or {"at": {"done": 0, "failed": 0, "open": []}, "total": None}
    at = state["at"]
    return Progress(at["done"], at["failed"] + len(at["open"]), state["total"])


def fold(effects: DurableEffects, path: str, checkpoint: Checkpoint) -> tuple[Change, ...] | None:
    """Put a checkpoint in place of items that are over; gives what is to be written, in one transaction.

    :returns: None: an item has a write of which nobody knows yet how it ended, so that nothing was changed.
    """
    journal = effects.journal
    is_over = _over(path, checkpoint)
    writes = [row for key, row in journal.effects.items() if is_over(key)]
    if any(row.state is EffectState.INTENDED for row in writes):
        return None
    records = [row for key, row in journal.records.items() if is_over(key)]
    if before := journal.records.get(fold_key(path)):
        records.append(before)
    for notes in (journal.notes, journal.tail, effects.pending):
        _forget(notes, is_over)
    rows: list[Record | EffectRecord] = [*writes, *records]
    for row in rows:
        journal.size -= row_size(row)
        if row.notes:
            effects.pending.update(_about_something_else(row.notes, journal.notes))
    for write in writes:
        del journal.effects[write.key]
    for record in records:
        del journal.records[record.key]
    _forget(journal.words, is_over)
    changes: list[Change] = [DropRecords(effects.run.id, tuple(record.key for record in records))]
    if checkpoint.names:
        changes.append(AddLoopItems(effects.run.id, path, tuple(checkpoint.names)))
    about = {"rest": list(checkpoint.rest), "round": journal.round, "switched": journal.switched}
    about["state"] = checkpoint.state
    # the first of these rows takes the decisions along
    changes.append(AddRecord(effects.new_record(fold_key(path), FOLD, about)))
    changes += [AddRecord(effects.new_record(key, PART, value)) for key, value in checkpoint.aside.items()]
    return tuple(changes)


def _over(path: str, checkpoint: Checkpoint) -> Callable[[str], bool]:
    begin, page = f"{path}[", f"{path}{PAGE}"
    rest = {f"{path}[{name}]/" for name in checkpoint.rest}

    def is_over(key: str) -> bool:
        # names of items have no bracket, so that the first one after the loop's own ends the item's name
        if key.startswith(begin):
            # what an earlier life has written of items that are over goes as well
            return key[: key.find("]/", len(begin)) + 2] not in rest
        found = _NUMBER.match(key, len(page)) if key.startswith(page) else None
        return found is not None and int(found[0]) < checkpoint.pages

    return is_over


def _about_something_else(notes: bytes, known: dict[str, Any]) -> dict[str, Any]:
    """Decisions that rode with a row and are not about it; what was folded elsewhere meanwhile is not known now."""
    return {key: value for key, value in jsontext.loads(notes).items() if key in known}


def _forget(known: dict[str, Any], is_over: Callable[[str], bool]) -> None:
    for key in [key for key in known if is_over(key)]:
        del known[key]
