"""The same word on many runs: found by a filter, said of each in a transaction of its own, part by part.

Runs are looked at once each, newest first. A start that is cut off has said its word of some runs and not of the
others; the next start finds those that are left. A write of unknown outcome is never repeated from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.runtime.commands import CommandRefused, Word, end, holds_of, settle, try_again
from engine.runtime.states import Event, State, sources
from engine.sdk import jsontext
from engine.sdk.faults import NO_FAULTS, Faults
from engine.store.changes import AS_ASKED, Fate
from engine.store.interface import Store
from engine.store.records import Page, Run, RunFilter

#: runs that one part looks at
PART = 200

#: what a verb may be said of
STATES: Mapping[str, tuple[State, ...]] = {
    "resume": (State.HELD,),
    "retry": (State.FAILED,),
    "cancel": tuple(State(state) for state in sources(Event.CANCEL)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which runs are meant; None means any.

    :param states: of those that the verb may be said of.
    :param code: of the hold, or of the error of a failed run.
    :param step: path of the step that is held, or that failed.
    :param made_before: Unix seconds; created before then.
    :param made_after: Unix seconds; created then or later.
    :param simulated: runs made under ``--simulate``, or the real ones.
    """

    states: tuple[str, ...]
    scenario: str | None = None
    subject: str | None = None
    code: str | None = None
    step: str | None = None
    made_before: float | None = None
    made_after: float | None = None
    simulated: bool = False

    def fits(self, run: Run) -> bool:
        """Whether the run is meant, apart from what the store has looked for already."""
        early = self.made_after is not None and run.created_at < self.made_after
        late = self.made_before is not None and run.created_at >= self.made_before
        if early or late or run.simulated != self.simulated:
            return False
        if self.code is None and self.step is None:
            return True
        return any(self.means(where) for where in _places(run))

    def means(self, where: Mapping[str, Any]) -> bool:
        """Whether this hold or error is meant."""
        return self.code in (None, where.get("code")) and self.step in (None, where.get("step"))


@dataclass(frozen=True, slots=True)
class Part:
    """What became of a part.

    :param done: runs of which the word was said; of a rehearsal, those of which it would be.
    :param refused: runs of which it cannot be said, and why.
    :param following: where the next part begins; None: there is none.
    :param blocked: those of ``done`` that cannot go on yet: their lanes have no place.
    """

    done: tuple[int, ...]
    refused: tuple[tuple[int, CommandRefused], ...]
    following: int | None
    blocked: tuple[int, ...] = ()


async def say(
    store: Store,
    verb: str,
    wanted: Wanted,
    word: Word,
    now: float,
    *,
    before: int | None = None,
    most: int | None = None,
    rehearse: bool = False,
    faults: Faults = NO_FAULTS,
) -> Part:
    """Say a word of the next runs that are meant.

    :param verb: ``resume``, ``retry`` or ``cancel``.
    :param before: where the part begins: at the runs older than this one; None: at the newest.
    :param most: of how many runs it is said at most.
    :param rehearse: only find out of which it would be said.
    :raises StoreError: what was said until then stays said.
    """
    word = _together(word)
    page = Page(PART, before)
    found = await store.runs(RunFilter(wanted.states, wanted.scenario, wanted.subject, None, page))
    meant = [run for run in found if wanted.fits(run)]
    cut = most is not None and len(meant) > most
    meant = meant[:most] if cut else meant
    target: Store = _Rehearsal(store) if rehearse else store  # type: ignore[assignment]  # it is asked for nothing else
    # side by side, so that they share commits
    answers = await asyncio.gather(*(_one(target, verb, wanted, run, word, now) for run in meant))
    if not rehearse:
        faults.hit("bulk.part")
    told = [(run.id, answer) for run, answer in zip(meant, answers, strict=True)]
    done = tuple(run_id for run_id, answer in told if isinstance(answer, State))
    blocked = tuple(run_id for run_id, answer in told if answer is State.BLOCKED)
    refused = tuple((run_id, answer) for run_id, answer in told if isinstance(answer, CommandRefused))
    last = len(found) < PART or cut or (most is not None and len(meant) == most)
    return Part(done, refused, None if last else found[-1].id, blocked)


def _together(word: Word) -> Word:
    """The word as one that nobody thought over for each run."""
    return word._replace(apart=False, output=None, version=None)


async def _one(store: Store, verb: str, wanted: Wanted, run: Run, word: Word, now: float) -> State | CommandRefused:
    try:
        if verb == "resume":
            holds = [hold for hold in holds_of(run) if wanted.means(hold)]
            return await settle(store, run, holds, word, now)
        if verb == "retry":
            return await try_again(store, run, word, now)
        return await end(store, run, now, reason=word.reason, by=word.by)
    except CommandRefused as refusal:
        return refusal


def _places(run: Run) -> Sequence[Mapping[str, Any]]:
    if run.state == State.HELD:
        return holds_of(run)
    error = (jsontext.loads(run.result) if run.result else {}).get("error")
    return [error] if error else []


class _Rehearsal:
    """A store that is read and not written."""

    def __init__(self, store: Store) -> None:
        self.pasts = store.pasts
        self.records = store.records
        self.effects = store.effects

    async def put(self, *_changes: object) -> Fate:
        return AS_ASKED
