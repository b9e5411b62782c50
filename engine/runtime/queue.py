"""What waits in the store and who takes it from there.

The queue is in the store; this is the executor's side of it: it looks when it was woken, when a moment has come, and
now and then in case another process put something there. Whose turn it is, ``lines.py`` says. One atomic claim decides
who walks a run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from engine.runtime.catalog import Catalog, VersionUnavailable
from engine.runtime.journal import Journal
from engine.runtime.lines import Lines, is_new
from engine.runtime.rundata import EventGone, past_data
from engine.runtime.states import TIMED, Event, State, sources, target
from engine.scenario.plan import Scenario
from engine.sdk.clock import Clock
from engine.sdk.errors import LostOwnership, StoreError
from engine.sdk.faults import Faults
from engine.store.changes import Fate, MoveRun
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.records import Past, Run
from engine.store.waits import TimeOutDue

log = logging.getLogger(__name__)

#: queued runs whose plan and data are kept at hand; those of more are read from the store when their turn comes
AT_HAND = 1000
#: bytes of an event up to which it is kept so: what waits may not fill the memory
AT_HAND_BYTES = 16_384
#: runs that are claimed, or moved into the queue, in one go
BATCH = 200
#: seconds after which everything is looked at again, whatever the timer says: a clock may jump, another process may
#: have queued something
LOOK_AGAIN = 5.0


class Queue:
    """Takes runs from the store as long as there is room.

    :param begin: told of a run that is claimed, with all that is needed to walk it.
    :param refuse: told of a run that is claimed and cannot be walked.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        clock: Clock,
        lines: Lines,
        faults: Faults,
        *,
        simulated: bool,
        begin: Callable[[Run, Scenario, dict[str, Any], Journal], None],
        refuse: Callable[[Run, Exception], Any],
    ) -> None:
        self.epoch = 0
        #: runs that are being claimed and read back
        self.loading: set[int] = set()
        self._store = store
        self._catalog = catalog
        self._clock = clock
        self._lines = lines
        self._faults = faults
        self._simulated = simulated
        self._begin = begin
        self._refuse = refuse
        self._wake = asyncio.Event()
        self._look = True
        self._looked_at = 0.0
        #: whether there was no room when it was looked last
        self._full = False
        self._at_hand: dict[int, tuple[Scenario, dict[str, Any]]] = {}

    async def open(self) -> None:
        """Get ready: what a scenario's rate has to count of the time before."""
        now = self._clock.time()
        begun = await self.begun(self._catalog.scenarios)
        for plan in self._catalog.scenarios:
            self._lines.open(plan.name, plan, begun.get(plan.name, 0), now)

    async def begun(self, plans: Iterable[Scenario]) -> dict[str, int]:
        """How many runs of each scenario began in the time that its rate counts by."""
        now = self._clock.time()
        return {
            plan.name: await self._store.started_since(plan.name, now - plan.rate.seconds)
            for plan in plans
            if plan.rate is not None
        }

    def follow(self, plans: Iterable[Scenario], gone: Iterable[str], begun: Mapping[str, int]) -> None:
        """Divide the room among these scenarios from now on.

        :param gone: those that are not loaded any more.
        :param begun: see ``begun``.
        """
        now = self._clock.time()
        for plan in plans:
            self._lines.follow(plan.name, plan, begun.get(plan.name, 0), now)
        for name in gone:
            self._lines.follow(name, None, 0, now)
        self.wake()

    def keep(self, run: Run, plan: Scenario, data: dict[str, Any], size: int) -> None:
        """A new run was stored as queued.

        :param size: bytes of the delivery that its event came with.
        """
        if len(self._at_hand) < AT_HAND and size <= AT_HAND_BYTES:
            # those that came first are also claimed first
            self._at_hand[run.id] = (plan, data)
        self.wake((run.scenario,))

    def forget(self) -> None:
        """The store broke: what is at hand may be nowhere else."""
        self._at_hand.clear()

    def wake(self, scenarios: Iterable[str] | None = None) -> None:
        """Runs of these scenarios were queued; None: somebody's, or the next moment is another."""
        if scenarios is None:
            self._look = True
        else:
            self._lines.wake(scenarios)
        self._wake.set()

    def stir(self) -> None:
        """A place became free."""
        if self._full or not self._lines.idle:
            self._wake.set()

    async def pump(self) -> None:
        """Take runs for ever. Raises ``StoreError``."""
        while True:
            try:
                due = await self._take()
            except StoreError:
                raise
            except Exception:
                log.exception("the queue could not be looked through; it is tried again")
                self._look, due = True, None
            seconds = LOOK_AGAIN if due is None else min(LOOK_AGAIN, max(0.0, due - self._clock.time()))
            timer = asyncio.ensure_future(self._clock.sleep(seconds))
            waker = asyncio.ensure_future(self._wake.wait())
            try:
                await asyncio.wait({timer, waker}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                timer.cancel()
                waker.cancel()
            self._wake.clear()

    async def _take(self) -> float | None:
        """Claim what is queued or due while there is room; gives the next moment to look."""
        now = self._clock.time()
        if self._look or not 0 <= now - self._looked_at < LOOK_AGAIN:
            self._look, self._looked_at = False, now
            self._lines.wake(await self._store.queued_scenarios(self._simulated))
        while self._lines.room > 0:
            due = await self._take_due()
            if not await self._take_queued() and not due:
                break
        if self._lines.idle:
            # what is left there was cancelled while it waited
            self._at_hand.clear()
        self._full = self._lines.room <= 0
        if self._full:
            # whatever is due has to wait until a place is free, and that is told
            return None
        moments = [await self._store.next_due(TIMED, self._simulated), self._lines.opens(self._clock.time())]
        return min((moment for moment in moments if moment is not None), default=None)

    async def _take_due(self) -> int:
        """Claim runs whose moment has come; where others wait already, they join the queue."""
        now = self._clock.time()
        due = await self._store.due_runs(TIMED, self._simulated, now, min(self._lines.room, BATCH))
        if not due:
            return 0
        chosen = [run for run in due if self._lines.admits(run.scenario, now, new=is_new(run))]
        await self._claim(chosen)
        claimed = {run.id for run in chosen}
        rest = [run for run in due if run.id not in claimed]
        moves = (MoveRun(run.id, sources(Event.DUE), target(Event.DUE), now) for run in rest)
        for run, fate in zip(rest, await self._move(rest, moves), strict=True):
            if fate is not None and run.id not in fate.blocked:
                self._lines.wake((run.scenario,))
        return len(due)

    async def _take_queued(self) -> bool:
        """Claim what is queued; False when nobody's turn it is."""
        shares = self._lines.shares(self._clock.time())
        if not shares:
            return False
        runs = await self._store.queued_runs(self._simulated, shares)
        self._lines.read(shares, runs)
        now = self._clock.time()
        for run in runs:
            self._lines.comes(run.scenario, now, new=is_new(run))
        await self._claim(runs)
        # a line may have turned out to be empty, and the next one's turn it is
        return True

    async def _claim(self, runs: Sequence[Run]) -> None:
        """Claim runs that have been given their room."""
        if not runs:
            return
        ids = {run.id for run in runs}
        self.loading |= ids
        begun: set[int] = set()
        try:
            self._faults.hit("run.claiming")
            now = self._clock.time()
            moves = (MoveRun(run.id, sources(Event.CLAIM), State.RUNNING, now, epoch=self.epoch) for run in runs)
            # side by side, so that they share commits
            fates = await self._move(runs, moves)
            mine = [
                run for run, fate in zip(runs, fates, strict=True) if fate is not None and run.id not in fate.blocked
            ]
            begun = {run.id for run in mine}
            self._faults.hit("run.taken")
            known = {run.id: self._at_hand.pop(run.id, None) for run in mine}
            # one that never ran has nothing to remember
            fresh = {run.id for run in mine if known[run.id] is not None and run.started_at is None}
            pasts = await self._store.pasts([run for run in mine if run.id not in fresh])
            for run, past in zip((run for run in mine if run.id not in fresh), pasts, strict=True):
                await self._take_up(run, past)
            for run in mine:
                if run.id in fresh and (at_hand := known[run.id]) is not None:
                    self._begin(self._owned(run), *at_hand, Journal())
        finally:
            self.loading -= ids
            for run in runs:
                self._lines.came(run.scenario, begun=run.id in begun or not is_new(run))

    async def _take_up(self, run: Run, past: Past) -> None:
        owned = self._owned(run)
        try:
            plan = await self._catalog.plan(run.scenario, run.version)
            data = past_data(run, past, plan)
            journal = Journal.of(past.records, past.effects, run.notes)
        except (VersionUnavailable, EventGone) as error:
            await self._refuse(owned, error)
        except StoreError:
            raise
        except Exception as error:
            # one run that cannot be read back must not keep all others waiting
            log.exception("run %s could not be taken up", show(run.id))
            await self._refuse(owned, error)
        else:
            self._begin(owned, plan, data, journal)

    async def _move(self, runs: Sequence[Run], moves: Iterable[MoveRun]) -> list[Fate | None]:
        """Move runs; in the same transaction, what they wait for is over where its time is."""
        now = self._clock.time()
        over = any(run.state == State.WAITING for run in runs)
        if over:
            self._faults.hit("wait.timing")
        fates = await _all(
            self._store.put(move, TimeOutDue(run.id, now)) if run.state == State.WAITING else self._store.put(move)
            for run, move in zip(runs, moves, strict=True)
        )
        if over:
            self._faults.hit("wait.timed-out")
        return fates

    def _owned(self, run: Run) -> Run:
        return run._replace(state=State.RUNNING, epoch=self.epoch, due_at=None)


async def _all(puts: Iterable[asyncio.Future[Any]]) -> list[Any]:
    """What became of each transaction; None: somebody else was quicker. Raises what else a transaction raises."""
    results = await asyncio.gather(*puts, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, LostOwnership):
            raise result
    return [None if isinstance(result, LostOwnership) else result for result in results]
