"""Removing history that is over, beside the work: looks every now and then, and removes in small steps.

A step is a transaction among others in the writer's queue, so that it costs no commit of its own. It removes as many
rows as fit into a few milliseconds, which is all that anybody who waits for an acknowledgement waits longer. While
there is something to remove, step follows step, and what the next ones remove was read ahead: at full load a question
waits as long as a commit does. So pruning keeps up with whatever the store takes in, because a run leaves it in less
time than it took to be written; ``benchmarks.history`` shows it.

What is over is decided by the scenario's ``keep``, or the project's; see ``docs/explanation/promises``.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TypeVar

from engine.runtime.settings import HistorySettings
from engine.runtime.states import FINAL, State
from engine.scenario.plan import Keep
from engine.sdk.clock import Clock
from engine.sdk.errors import StoreError
from engine.sdk.faults import NO_FAULTS, Faults
from engine.store.changes import DeliveryKey, Prune, Pruned
from engine.store.history import (
    EFFECTS,
    FIRST,
    JOURNAL,
    EndedCount,
    EndedRuns,
    EndedScenarios,
    KeptKeys,
    OldDeliveries,
    Place,
    Versions,
    VersionsOfRuns,
)
from engine.store.ids import first_of
from engine.store.interface import Store
from engine.store.records import DeliveryState

log = logging.getLogger(__name__)

T = TypeVar("T")

#: seconds that a step may keep the writer
MOST_SECONDS = 0.004
#: rows that are named in a step: at the beginning, and at most
FIRST_ROWS, MOST_ROWS = 4, 256
#: rows that are read at once, for several steps
READ_AHEAD = 1024
#: the share of the last step in what a row is taken to cost: one that had to wait for its core says little
NEWEST = 1 / 8
#: seconds between two looks: after one that removed something, and after one that did not
SOON, LATER = 1.0, 30.0
#: seconds between two looks for scenario versions that nobody has any more
VERSIONS_EVERY = 86_400.0
#: runs that are looked at in one step of that
VERSIONS_STEP = 2000
#: seconds after its end in which a run stays, whatever ``keep`` says: whoever started it looks at how it ended
FRESH = 10.0
#: deliveries that made no run, by the clock that they are under
_IDLE = {
    DeliveryState.FILTERED: "keep",
    DeliveryState.DUPLICATE: "keep",
    DeliveryState.PARKED: "parked",
    DeliveryState.REJECTED: "parked",
}
_FINAL = tuple(sorted(FINAL))


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """The moments, in Unix seconds, before which things are over."""

    keep: float
    parked: float
    effects: float


class Pace:
    """How many rows of a kind a step names, so that it takes about ``MOST_SECONDS``."""

    def __init__(self) -> None:
        self._rows = FIRST_ROWS
        #: seconds that a row takes
        self._cost: float | None = None

    def learn(self, rows: int, seconds: float) -> None:
        """A step with so many rows took so long."""
        cost = seconds / rows
        self._cost = cost if self._cost is None else self._cost + (cost - self._cost) * NEWEST
        fit = MOST_ROWS if self._cost <= 0 else int(MOST_SECONDS / self._cost)
        self._rows = max(1, min(fit, MOST_ROWS, self._rows * 2))

    def portions(self, found: Sequence[T]) -> Iterator[Sequence[T]]:
        """What was found, a step's rows at a time."""
        begin = 0
        while begin < len(found):
            rows = self._rows
            yield found[begin : begin + rows]
            begin += rows


class Pruner:
    """Removes what is over.

    :param keep_of: the ``keep`` of a scenario; None: it says nothing, or is not loaded.
    :param current: the versions of the loaded scenarios; they stay.
    """

    def __init__(
        self,
        store: Store,
        settings: HistorySettings,
        keep_of: Callable[[str], Keep | None],
        current: Callable[[], frozenset[str]],
        clock: Clock,
        *,
        faults: Faults = NO_FAULTS,
    ) -> None:
        self._store = store
        self._settings = settings
        self._keep_of = keep_of
        self._current = current
        self._clock = clock
        self._faults = faults
        self._runs, self._idle_deliveries, self._keys = Pace(), Pace(), Pace()
        self._versions_at = clock.time()
        self._task: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------ life

    def follow(self, settings: HistorySettings) -> None:
        """Go by these settings from the next look on."""
        self._settings = settings

    def start(self) -> None:
        """Look now, and then again and again."""
        self._task = asyncio.create_task(self._go(), name="pruning")

    async def stop(self) -> None:
        """Remove no more. A step that was handed over is written."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _go(self) -> None:
        while True:
            removed = Pruned()
            try:
                removed = await self.look()
            except StoreError as error:
                # whoever writes for runs mends the store
                log.warning("history was not pruned: %s", error.message, extra={"action": "prune_failed"})
            except Exception:
                log.exception("history was not pruned; it is tried again", extra={"action": "prune_failed"})
            if removed.runs or removed.receipts:
                log.info(
                    "pruned %d runs and %d receipts",
                    removed.runs,
                    removed.receipts,
                    extra={"action": "pruned", "runs": removed.runs, "receipts": removed.receipts},
                )
            await self._clock.sleep(SOON if removed.runs or removed.deliveries or removed.keys else LATER)

    # ------------------------------------------------------------------ one look

    async def look(self, *, older_than: float | None = None) -> Pruned:
        """Remove all that is over now, step by step; gives what was removed.

        :param older_than: seconds in place of what ``keep`` says, for runs and for deliveries that made none.
        :raises StoreError: the store cannot be read or written; what was removed stays removed.
        """
        return (await self.part(float("inf"), older_than=older_than))[0]

    async def part(self, seconds: float, *, older_than: float | None = None) -> tuple[Pruned, bool]:
        """As ``look``, for about so long; also whether there may be more to remove."""
        until = self._clock.time() + seconds
        total = Pruned()
        async with aclosing(self._steps(older_than)) as steps:
            async for step in steps:
                self._faults.hit("history.step")
                await self._store.put(step)
                self._faults.hit("history.pruned")
                total.add(step.report)
                self._pace(step)
                if self._clock.time() > until:
                    return total, True
        return total, False

    async def due(self, *, older_than: float | None = None) -> Pruned:
        """How many runs and idle deliveries ``look`` would remove at most, without removing them."""
        runs: set[int] = set()
        total = Pruned()
        async for step in self._rows_over(older_than):
            # a run may be too old and one too many
            runs.update(step.runs)
            total.deliveries += len(step.deliveries)
        total.runs = len(runs)
        return total

    def _pace(self, step: Prune) -> None:
        kinds = ((self._runs, step.runs), (self._idle_deliveries, step.deliveries), (self._keys, step.keys))
        for pace, rows in kinds:
            if rows:
                pace.learn(len(rows), step.report.seconds)

    def _cutoffs(self, older_than: float | None) -> Cutoffs:
        now, settings = self._clock.time(), self._settings
        keep = settings.keep.seconds if older_than is None else older_than
        return Cutoffs(
            now - (keep or 0.0),
            now - (settings.parked_for if older_than is None else older_than),
            now - settings.effects_for,
        )

    async def _steps(self, older_than: float | None) -> AsyncGenerator[Prune, None]:
        async for step in self._rows_over(older_than):
            yield step
        async for step in self._leavings():
            yield step

    async def _rows_over(self, older_than: float | None) -> AsyncIterator[Prune]:
        cut = self._cutoffs(older_than)
        base = Prune(final=_FINAL, effects_before=cut.effects)
        for scenario in await self._store.ask(EndedScenarios()):
            keep = (self._keep_of(scenario) or Keep()).over(self._settings.keep)
            async for step in self._old(base, scenario, keep, older_than):
                yield step
            if keep.runs is not None and older_than is None:
                async for step in self._too_many(base, scenario, keep.runs):
                    yield step
        for state, clock in _IDLE.items():
            async for step in self._idle(base, state, first_of(getattr(cut, clock))):
                yield step

    async def _leavings(self) -> AsyncIterator[Prune]:
        """The steps by which keys and versions go; each is gone before the next is looked for."""
        cut = self._cutoffs(None)
        base = Prune(final=_FINAL, effects_before=cut.effects)
        for kind, before in ((JOURNAL, float("inf")), (EFFECTS, cut.effects)):
            async for step in self._kept(base, kind, before):
                yield step
        while True:
            step = replace(base, identities=MOST_ROWS, identities_until=self._clock.time(), report=Pruned())
            yield step
            if step.report.keys < MOST_ROWS:
                break
        if self._clock.time() >= self._versions_at:
            self._versions_at = self._clock.time() + VERSIONS_EVERY
            if gone := await self._unused():
                yield replace(base, versions=tuple(gone), report=Pruned())

    async def _old(self, base: Prune, scenario: str, keep: Keep, older_than: float | None) -> AsyncIterator[Prune]:
        now = self._clock.time()
        for state in _FINAL:
            seconds = (keep.failed if state is State.FAILED else None) or keep.seconds or 0.0
            before = now - max(FRESH, seconds if older_than is None else older_than)
            after = FIRST
            while found := await self._store.ask(EndedRuns(scenario, state, before, READ_AHEAD, after)):
                after = found[-1]
                for some in self._runs.portions(found):
                    yield _runs(base, some, before)

    async def _too_many(self, base: Prune, scenario: str, most: int) -> AsyncIterator[Prune]:
        before = self._clock.time() - FRESH
        excess = await self._store.ask(EndedCount(scenario, _FINAL)) - most
        after = dict.fromkeys(_FINAL, FIRST)
        while excess > 0:
            rows = min(READ_AHEAD, excess)
            questions = {state: EndedRuns(scenario, state, before, rows, after[state]) for state in _FINAL}
            parts = [[(place, state) for place in await self._store.ask(q)] for state, q in questions.items()]
            found = list(heapq.merge(*parts))[:rows]
            if not found:
                return
            after |= {state: place for place, state in found}
            excess -= len(found)
            for some in self._runs.portions([place for place, _ in found]):
                yield _runs(base, some, before)

    async def _idle(self, base: Prune, state: DeliveryState, before: int) -> AsyncIterator[Prune]:
        after: DeliveryKey = (-1, "", 0)
        while found := await self._store.ask(OldDeliveries(state, before, READ_AHEAD, after)):
            after = found[-1]
            for some in self._idle_deliveries.portions(found):
                yield replace(base, deliveries=tuple((state, key) for key in some), report=Pruned())

    async def _kept(self, base: Prune, kind: str, before: float) -> AsyncIterator[Prune]:
        # one of which something is left is found again
        while found := await self._store.ask(KeptKeys(kind, before, READ_AHEAD)):
            for some in self._keys.portions(found):
                yield replace(base, keys=tuple((kind, *key) for key in some), report=Pruned())

    async def _unused(self) -> list[str]:
        """Versions that no run and no loaded scenario has.

        The runs are looked through from the oldest, which have the old versions, until each version was met. No run
        can be made under a version that is not loaded while this process executes.
        """
        candidates = set(await self._store.ask(Versions())) - self._current()
        after: int | None = 0
        while candidates and after is not None:
            met, after = await self._store.ask(VersionsOfRuns(after, VERSIONS_STEP))
            candidates -= met
        return sorted(candidates)


def _runs(base: Prune, found: Sequence[Place], before: float) -> Prune:
    return replace(base, runs=tuple(place.run_id for place in found), ended_before=before, report=Pruned())
