"""Held runs that are tried again without a person: when, how often, and so many of a scenario at a time.

A run that is held because a step failed may have a schedule: its step's, or the project's. It is then held until a time
as well, and when that comes this room says ``again`` of it, as a person would, under the name ``schedule``. How often
it did so is counted in the journal. After the last time the run stays for a person; a person may be quicker at any
time, and then begins the schedule anew. What is not known to have failed is never tried again from here.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from engine.runtime.commands import SCHEDULE, Choice, CommandRefused, Word, holds_of, settle
from engine.runtime.journal import Journal
from engine.runtime.outcomes import Held, Hold
from engine.runtime.states import State
from engine.sdk import jsontext
from engine.sdk.clock import Clock
from engine.sdk.errors import StoreError
from engine.sdk.faults import NO_FAULTS, Faults
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.records import Record, Run

log = logging.getLogger(__name__)

#: seconds after which due tries are looked for again, whatever the timer says
LOOK_AGAIN = 5.0
#: seconds after which it is looked again whether a scenario has room for another try
ROOM_EVERY = 1.0
#: runs that are looked at together
PAGE = 50

#: errors that come again whenever the same data is looked at
_HOPELESS = ("expression-error",)


def planned(
    held: Held, journal: Journal, default: Sequence[float], now: float
) -> tuple[list[dict[str, Any]], float | None]:
    """The holds as they are stored, each with its next automatic try, and when the first of those is.

    :param default: seconds before each try, for holds without a schedule of their own.
    """
    stored = [_planned(hold, journal, default, now) for hold in held.holds]
    return stored, min((hold["due_at"] for hold in stored if hold.get("due_at") is not None), default=None)


def _planned(hold: Hold, journal: Journal, default: Sequence[float], now: float) -> dict[str, Any]:
    schedule = hold.retry or tuple(default)
    about = hold.to_json()
    if hold.code != "failed" or not schedule or (hold.error or {}).get("code") in _HOPELESS:
        return about
    made = _tries(journal, hold.step)
    about |= {"tries": made, "of": len(schedule)}
    if made < len(schedule):
        about["due_at"] = max(now, _failed_at(journal, hold, now) + schedule[made])
    return about


def _tries(journal: Journal, path: str) -> int:
    """How often in a row a schedule has had the word on a step."""
    words = sorted(
        (r for r in journal.records.values() if r.kind == "settled" and r.key.rpartition("#")[0] == path),
        key=lambda record: record.position,
    )
    made = 0
    for record in words:
        made = made + 1 if is_automatic(record.output) else 0
    return made


def is_automatic(word: bytes | None) -> bool:
    """Whether a recorded word is a schedule's."""
    return bool(word and jsontext.loads(word).get("automatic"))


def _failed_at(journal: Journal, hold: Hold, now: float) -> float:
    key = f"{hold.step}#{hold.attempt}"
    if effect := journal.effects.get(key):
        return effect.settled_at or effect.intended_at
    record: Record | None = journal.records.get(key)
    return record.at if record is not None else now


class SecondTries:
    """Lets held runs go on when their next try is due.

    :param wake: tells the executor that runs are queued.
    :param at_once: tries of one scenario that may be queued or running at the same time.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        wake: Callable[[], None],
        *,
        at_once: int = 3,
        simulated: bool = False,
        faults: Faults = NO_FAULTS,
    ) -> None:
        self._store = store
        self._clock = clock
        self._wake = wake
        self._at_once = at_once
        self._simulated = simulated
        self._faults = faults
        self._task: asyncio.Task[None] | None = None
        #: scenarios of the runs that were let go on and are not at rest yet; None: the store has not been asked
        self._going: dict[int, str] | None = None
        #: runs that refused the word as they are
        self._refused: set[int] = set()

    def start(self) -> None:
        """Look for due tries from now on."""
        self._task = asyncio.create_task(self._look_again_and_again(), name="second tries")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _look_again_and_again(self) -> None:
        while True:
            try:
                seconds = await self.look()
            except StoreError:
                # whoever executes the runs mends it
                self._going = None
                seconds = ROOM_EVERY
            except Exception:
                log.exception("held runs could not be looked through; it is tried again")
                seconds = LOOK_AGAIN
            await self._clock.sleep(seconds)

    async def look(self) -> float:
        """Let go on what is due, as far as there is room; gives the seconds until it is worth looking again."""
        await self._forget_those_at_rest()
        assert self._going is not None
        counts = Counter(self._going.values())
        full = {name for name, number in counts.items() if number >= self._at_once}
        seen: set[int] = set()
        while True:
            now = self._clock.time()
            due = await self._store.due_held(self._simulated, now, sorted(full), PAGE + len(seen))
            fresh = [run for run in due if run.id not in seen]
            if not fresh:
                break
            for run in fresh:
                seen.add(run.id)
                if counts[run.scenario] < self._at_once and await self._try(run, now):
                    counts[run.scenario] += 1
                    self._going[run.id] = run.scenario
            full |= {name for name, number in counts.items() if number >= self._at_once}
        if full:
            return ROOM_EVERY
        following = await self._store.next_due((State.HELD,), self._simulated)
        ahead = LOOK_AGAIN if following is None else following - self._clock.time()
        return min(LOOK_AGAIN, ahead) if ahead > 0 else LOOK_AGAIN

    async def _forget_those_at_rest(self) -> None:
        if self._going is None:
            rows = await self._store.last_words(self._simulated)
            self._going = {run_id: scenario for run_id, scenario, word in rows if is_automatic(word)}
        for run_id in tuple(self._going):
            run = await self._store.run(run_id)
            # one that is blocked may wait for a run that is held and has no turn before this one is forgotten
            if run is None or run.state not in (State.QUEUED, State.RUNNING):
                del self._going[run_id]

    async def _try(self, run: Run, now: float) -> bool:
        holds = [hold for hold in holds_of(run) if (hold.get("due_at") or now + 1) <= now]
        self._faults.hit("try.due")
        made = max((hold.get("tries", 0) for hold in holds), default=0)
        word = Word(Choice.AGAIN, None, f"try {made + 1} of the schedule", SCHEDULE, apart=False, automatic=True)
        try:
            await settle(self._store, run, holds, word, now)
        except CommandRefused as refusal:
            if run.id not in self._refused:
                # most often a person was quicker
                log.info("run %s is not tried again: %s", show(run.id), refusal.message, extra={"action": "no_try"})
            self._refused.add(run.id)
            return False
        log.info("run %s is tried again", show(run.id), extra={"action": "second_try"})
        self._wake()
        return True
