"""What a replay takes over of the run that it replays: everything up to the step from which it goes on anew.

What a run recorded stands in one order: its rows by position, and in each row the decisions made before it. The first
thing in that order that is about the step, or about anything inside it, is where the replay begins. A write that ended
before that is taken over with its outcome, whatever that was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.runtime.back import ROLLBACK
from engine.runtime.journal import REPLAY, REPLAYED, from_key
from engine.runtime.open_waits import WAITING
from engine.scenario.inside import ITEM, Part, parts, with_paths
from engine.scenario.plan import Scenario
from engine.sdk import jsontext
from engine.store.folds import FOLD
from engine.store.ids import show
from engine.store.records import EffectRecord, EffectState, Record, Run

#: what ends the part of a key that names a step
_END = r"(?=$|[#?@.!/\[])"
#: rows and decisions of how a run ended, which the replay comes to by itself
_ENDING = re.compile(rf"(?:on_failure(?:$|[/\[@])|undo/|{re.escape(ROLLBACK)})")
#: the moment at which the time of a step began, and how the race with it ended
_BEGAN, _RACE = ".start", ".race"
#: what a step without an id decided: its kind and number stand in place of an id
_BY_PLACE = re.compile(r"(?:^|/)[a-z_]+@\d+(?:\?|\.message|\.output)?$")


@dataclass(slots=True)
class Taken:
    """Rows and decisions for the journal of a replay.

    :param reached: whether the run came by the step at all.
    """

    records: list[Record] = field(default_factory=list)
    effects: list[EffectRecord] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    reached: bool = False


class Start:
    """The step from which a replay does everything anew.

    :param name: its id, or a path as the journal has it; one that names an item of a loop means the step in that item.
    """

    def __init__(self, plan: Scenario, name: str) -> None:
        self.found = False
        self._path = re.compile("(?!)")
        self._own = re.compile("(?!)")
        self._whole: list[str] = []
        for path, step in with_paths(plan.steps):
            if name == step.id or re.fullmatch(_pattern(path), name):
                self.found = True
                whole = [path, *(inner for part in parts(step) for inner in _inside(part, path))]
                concrete = name if name != step.id else path
                self._path = re.compile(_pattern(_in_items(path, concrete)))
                self._whole = whole
                self._own = re.compile(f"(?:{'|'.join(_pattern(_in_items(each, concrete)) for each in whole)}){_END}")
                return

    def means(self, path: str) -> bool:
        """Whether a path is the step's own."""
        return self._path.fullmatch(path) is not None

    def about(self, key: str) -> bool:
        """Whether a key is about the step, or about anything inside it."""
        return self._own.match(key) is not None

    def within(self, loop: str) -> bool:
        """Whether the step is inside the loop at a path."""
        begin = re.sub(r"\[.*?\]/", ITEM, loop) + ITEM
        return any(path.startswith(begin) for path in self._whole)


def names(plan: Scenario) -> list[str]:
    """The ids from which a replay can go on."""
    return [step.id for _, step in with_paths(plan.steps) if step.id]


def _inside(part: Part, path: str) -> Iterator[str]:
    end = path.rfind(ITEM)
    loop = path[: end + len(ITEM)] if end >= 0 else ""
    for inner, _ in with_paths(part.steps, *part.paths(path, loop)):
        yield inner


def _in_items(path: str, concrete: str) -> str:
    """The path with the items of a concrete one, as far as that names any."""
    for item in re.findall(r"\[(?!\*\]).*?\]/", concrete):
        path = path.replace(ITEM, item, 1)
    return path


def _pattern(path: str) -> str:
    return r"\[.*?\]/".join(re.escape(each) for each in path.split(ITEM))


def take(run: Run, rows: Sequence[Record | EffectRecord], meant: Start | None, *, same: bool) -> Taken:
    """What is taken over of a run.

    :param rows: by position.
    :param meant: where to go on from; None: nothing of what was done is taken over.
    :param same: whether the replay has the run's own version; otherwise steps that are known by their place alone
        decide anew.
    """
    taken = Taken(reached=meant is None)
    if meant is not None:
        _until(run, rows, meant, taken)
        races = {key.removesuffix(_RACE) for key in taken.notes if key.endswith(_RACE)}
        taken.notes = {
            key: value
            for key, value in taken.notes.items()
            if not (key.endswith(_BEGAN) and key.removesuffix(_BEGAN) not in races)
            and not key.endswith(("@link", "@sought"))
            and (same or not _BY_PLACE.search(key))
        }
    # what was sent with the time in it is known again by that time
    for notes in (*(row.notes for row in rows), run.notes):
        for key, value in (jsontext.loads(notes) if notes else {}).items():
            if key.endswith("@now") and not key.startswith("on_failure"):
                taken.notes.setdefault(key, value)
    return taken


def _until(run: Run, rows: Sequence[Record | EffectRecord], meant: Start, taken: Taken) -> None:
    for row in rows:
        if isinstance(row, Record) and row.kind in (REPLAY, REPLAYED):
            if row.kind == REPLAY and not _decisions(row.notes, meant, taken):
                return
            continue
        if not _decisions(row.notes, meant, taken):
            return
        loop = row.key.removesuffix(f"!{FOLD}") if isinstance(row, Record) and row.kind == FOLD else None
        folded = loop is not None and meant.within(loop)
        if folded:
            _begin_anew(taken, f"{loop}")
        if folded or meant.about(row.key):
            taken.reached = True
            return
        if _ENDING.match(row.key):
            continue
        if isinstance(row, EffectRecord):
            taken.effects.append(_effect(run, row))
            taken.notes[from_key(row.key)] = [show(run.id), row.key]
        elif row.kind != WAITING:
            taken.records.append(replace_notes(row))
    _decisions(run.notes, meant, taken)
    taken.reached = taken.reached or any(meant.about(step) for step in _stopped(run))


def _begin_anew(taken: Taken, loop: str) -> None:
    """Forget a loop with a checkpoint: what the items did that it stands for is not known any more.

    What the loop had set aside, the page at which it stood and the items that were open are of a pass over the items
    that the replay does not go on with: the items may be others now. Their writes are found by their effect keys.
    """
    own = (f"{loop}!", f"{loop}[")
    taken.records = [row for row in taken.records if not row.key.startswith(own)]
    taken.effects = [row for row in taken.effects if not row.key.startswith(own)]
    taken.notes = {key: value for key, value in taken.notes.items() if not key.startswith(own)}


def _decisions(notes: bytes | None, meant: Start, taken: Taken) -> bool:
    """Take decisions over; False when one of them is about the step to go on from."""
    for key, value in (jsontext.loads(notes) if notes else {}).items():
        if meant.about(key) and not key.endswith("@now"):
            taken.reached = True
            return False
        if not _ENDING.match(key):
            taken.notes[key] = value
    return True


def replace_notes(row: Record) -> Record:
    """The row without its decisions, which are kept together in a replay."""
    return row._replace(notes=None)


def _effect(run: Run, row: EffectRecord) -> EffectRecord:
    if row.state is EffectState.INTENDED:
        return row._replace(state=EffectState.UNKNOWN, settled_by="recovery", notes=None)
    by = f"run:{show(run.id)}" if row.state is EffectState.DONE else row.settled_by
    return row._replace(settled_by=by, notes=None)


def _stopped(run: Run) -> Iterator[str]:
    """The steps at which a run failed or is held."""
    error = (jsontext.loads(run.result) if run.result else {}).get("error") or {}
    if error.get("step"):
        yield error["step"]
    for hold in jsontext.loads(run.hold) if run.hold else []:
        if hold["step"]:
            yield hold["step"]


def owned(taken: Taken, run_id: int, subject: str | None) -> Taken:
    """The same, as another run's."""
    records = [row._replace(run_id=run_id) for row in taken.records]
    effects = [row._replace(run_id=run_id, subject=subject) for row in taken.effects]
    return replace(taken, records=records, effects=effects)
