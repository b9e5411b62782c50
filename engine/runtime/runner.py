"""Who runs what: claims runs, walks them, stores how they end, takes up what a dead owner left.

A run is in memory only while it has something to do. What is queued, sleeps or is held lives in the store. Recovery
only puts runs back into the queue; one atomic claim decides who walks them.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from typing import Any

from engine.runtime.callers import Caller
from engine.runtime.catalog import Catalog, VersionUnavailable
from engine.runtime.durable import DurableEffects
from engine.runtime.interpreter import Interpreter
from engine.runtime.journal import Journal
from engine.runtime.observers import Guarded, Observer
from engine.runtime.outcomes import Failed, Held, Hold, Outcome, Sleeping, Succeeded
from engine.runtime.rundata import EventGone, run_data
from engine.runtime.states import Event, State, sources, target
from engine.scenario.plan import Scenario
from engine.sdk import jsontext
from engine.sdk.clock import Clock
from engine.sdk.errors import LostOwnership, StoreError
from engine.sdk.faults import NO_FAULTS, Faults, SimulatedCrash
from engine.store.changes import MoveRun, Owner, SettleEffect
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.records import EffectFilter, Run

log = logging.getLogger(__name__)

#: runs in memory at a time; more wait in the store
MAX_RUNNING = 200
#: a run that was recovered so often without a new record is held as ``poison``
MAX_RECOVERIES = 5
#: queued runs whose plan and data are kept at hand; those of more are read from the store when their turn comes
AT_HAND = 1000
#: bytes of an event up to which it is kept so: what waits may not fill the memory
AT_HAND_BYTES = 16_384
#: seconds after which due times are looked at again, whatever the timer says: a clock may jump
LOOK_AGAIN = 5.0
#: seconds between two tries to mend a broken store
MEND_EVERY = 1.0
#: seconds that runs in memory get to end by themselves when the store breaks or the process stops
GRACE = 30.0

_EVENTS: dict[type[Outcome], Event] = {
    Succeeded: Event.SUCCEED,
    Failed: Event.FAIL,
    Held: Event.HOLD,
    Sleeping: Event.SLEEP,
}


class Runner:
    """Executes the runs of one store.

    :param simulated: whether this process answers from simulators; it touches only runs of its own kind.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        caller: Caller,
        clock: Clock,
        *,
        simulated: bool = False,
        observer: Observer | None = None,
        faults: Faults = NO_FAULTS,
        max_running: int = MAX_RUNNING,
    ) -> None:
        self.epoch = 0
        self.simulated = simulated
        #: done when a simulated crash has hit this runner
        self.crashed: asyncio.Future[None] | None = None
        self._store = store
        self._catalog = catalog
        self._caller = caller
        self._clock = clock
        self._observer = Guarded(observer) if observer is not None else None
        self._step_observer = self._observer if observer is not None and observer.wants_steps else None
        self._faults = faults
        self._max_running = max_running
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._effects: dict[int, DurableEffects] = {}
        self._wake = asyncio.Event()
        #: whether runs wait in the store, as far as is known; and whether some were put there since it was read last
        self._backlog = False
        self._unread = False
        self._at_hand: dict[int, tuple[Scenario, dict[str, Any]]] = {}
        self._pump_task: asyncio.Task[None] | None = None
        self._mend_task: asyncio.Task[None] | None = None
        self._late: list[SettleEffect] = []
        self._stopping = False

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Begin an executor session and take up what earlier ones left."""
        self.crashed = asyncio.get_running_loop().create_future()
        self.epoch = await self._store.begin_epoch()
        await self._recover()
        self._pump_task = asyncio.create_task(self._pump())
        self.wake()

    async def stop(self, grace: float = GRACE) -> None:
        """Let go: runs get ``grace`` seconds to reach an end, the rest is left to the next owner."""
        self._stopping = True
        own = [task for task in (self._pump_task, self._mend_task) if task is not None]
        for task in own:
            task.cancel()
        await asyncio.gather(*own, return_exceptions=True)
        await self._wind_down(grace)

    async def _wind_down(self, grace: float) -> None:
        if self._tasks and grace > 0:
            await asyncio.wait(list(self._tasks.values()), timeout=grace)
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def has_room(self, coming: int = 0) -> bool:
        """Whether a new run may be in memory at once. Otherwise it is stored as queued, behind those that wait.

        :param coming: those that have been told so and are not in memory yet.
        """
        full = len(self._tasks) + coming >= self._max_running
        return not (full or self._backlog or self._stopping or self._mend_task is not None)

    def queue(self, run: Run, plan: Scenario, data: dict[str, Any], size: int) -> None:
        """A new run was stored as queued.

        :param size: bytes of the delivery that its event came with.
        """
        if len(self._at_hand) < AT_HAND and size <= AT_HAND_BYTES:
            # those that came first are also claimed first
            self._at_hand[run.id] = (plan, data)
        self.wake()

    def wake(self) -> None:
        """Look at the queue: something was put there."""
        self._backlog = self._unread = True
        self._wake.set()

    # ------------------------------------------------------------------ one run

    def begin(self, run: Run, plan: Scenario, data: dict[str, Any], journal: Journal | None = None) -> None:
        """Walk a run that the store has as running in this session."""
        self._faults.hit("run.claimed")
        if run.epoch != self.epoch or self._mend_task is not None:
            # the store broke since the run was claimed; it is taken up again with all others
            return
        task = asyncio.create_task(self._walk(run, plan, data, journal or Journal()))
        self._tasks[run.id] = task
        task.add_done_callback(lambda done: self._left(run.id, done))

    def _left(self, run_id: int, task: asyncio.Task[None]) -> None:
        self._tasks.pop(run_id, None)
        self._effects.pop(run_id, None)
        if not task.cancelled() and isinstance(error := task.exception(), SimulatedCrash):
            self._crash(error)
        elif len(self._tasks) == self._max_running - 1:
            self._wake.set()

    def _crash(self, error: BaseException) -> None:
        self._stopping = True
        for task in self._tasks.values():
            task.cancel()
        if self._pump_task is not None:
            self._pump_task.cancel()
        if self.crashed is not None and not self.crashed.done():
            self.crashed.set_result(None)
        log.info("simulated crash: %s", error)

    async def _walk(self, run: Run, plan: Scenario, data: dict[str, Any], journal: Journal) -> None:
        due: list[float] = []
        task = asyncio.current_task()
        assert task is not None

        def suspend(until: float) -> None:
            if not due:
                due.append(until)
                task.cancel()

        effects = DurableEffects(
            run,
            journal,
            self._store,
            self._caller,
            self._clock,
            observer=self._step_observer,
            faults=self._faults,
            suspend=suspend,
        )
        self._effects[run.id] = effects
        try:
            if self._observer is not None:
                self._observer.run_started(run)
            outcome = await self._outcome(plan, effects, data, due)
            self._faults.hit("run.ending")
            await self._end(run, effects, outcome)
        except LostOwnership as error:
            await self._lost(run, error)
        except StoreError as error:
            log.error("run %s stops: %s", show(run.id), error.message, extra={"action": "run_stopped"})
            if self._store.broken:
                self._broke(effects.unconfirmed)
            else:
                # the store works and refuses these values, as it would each time
                await self._hold(run.id, Hold("internal", error.message, "", 0, error.to_json()))
        except Exception as error:
            log.exception("run %s could not be brought to its end", show(run.id))
            await self._hold(run.id, _mistake(error))

    async def _hold(self, run_id: int, hold: Hold) -> None:
        """Hold a run that has lost its owner's rights, or never had an owner."""
        outcome = Held((hold,))
        event, now = Event.HOLD, self._clock.time()
        move = MoveRun(run_id, sources(event), target(event), now, hold=jsontext.dumps(outcome.to_json()))
        self._faults.hit("run.holding")
        try:
            await self._store.put(move)
        except LostOwnership:
            return
        except StoreError:
            self._broke([])

    async def _lost(self, run: Run, error: LostOwnership) -> None:
        """Another owner has the run; or nobody has, because a row of it could not be kept."""
        log.warning("run %s: %s", show(run.id), error.message, extra={"action": "run_lost"})
        try:
            stored = await self._store.run(run.id)
        except StoreError:
            self._broke([])
            return
        if stored is not None and (stored.state, stored.epoch) == (State.RUNNING, run.epoch) and not self._store.broken:
            await self._hold(run.id, Hold("internal", error.message, "", 0, error.to_json()))

    async def _outcome(
        self, plan: Scenario, effects: DurableEffects, data: dict[str, Any], due: list[float]
    ) -> Outcome:
        try:
            return await Interpreter(plan, effects).run(data)
        except asyncio.CancelledError:
            if due:
                return Sleeping(due[0])
            raise
        except (LostOwnership, StoreError):
            raise
        except Exception as error:
            log.exception("run %s met a mistake of the engine", show(effects.run.id))
            return Held((_mistake(error),))

    async def _end(self, run: Run, effects: DurableEffects, outcome: Outcome) -> None:
        now = self._clock.time()
        event = _EVENTS[type(outcome)]
        result = hold = None
        if isinstance(outcome, Succeeded):
            said = outcome.to_json()
            # an empty one takes the place of the error of an earlier time
            result = jsontext.dumps(said) if said or run.result is not None else None
        elif isinstance(outcome, Failed):
            result = jsontext.dumps(outcome.to_json())
        elif isinstance(outcome, Held):
            hold = jsontext.dumps(outcome.to_json())
        move = MoveRun(
            run.id,
            sources(event),
            target(event),
            now,
            due_at=outcome.due if isinstance(outcome, Sleeping) else None,
            hold=hold,
            result=result,
            notes=effects.last_notes(),
            ended=isinstance(outcome, Succeeded | Failed),
        )
        owner = Owner(run.id, run.epoch)
        await self._store.put(move, owner=owner)
        self._faults.hit("run.moved")
        if self._observer is not None:
            self._observer.run_ended(run, outcome)
        if isinstance(outcome, Sleeping):
            self.wake()

    # ------------------------------------------------------------------ queue

    async def _pump(self) -> None:
        while True:
            try:
                due = await self._take()
            except StoreError:
                self._broke([])
                return
            except Exception:
                log.exception("the queue could not be looked through; it is tried again")
                due = None
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
        """Claim what is queued or due while there is room; gives the next due time."""
        claimable = sources(Event.CLAIM)
        while (room := self._max_running - len(self._tasks)) > 0:
            self._unread = False
            waiting = await self._store.next_runs(claimable, self.simulated, self._clock.time(), room)
            if len(waiting) < room and not self._unread:
                self._backlog = False
            # side by side, so that they share commits
            for result in await asyncio.gather(*map(self._claim, waiting), return_exceptions=True):
                if result is not None:
                    raise result
            if len(waiting) < room:
                if not self._backlog:
                    # what is left there was cancelled while it waited
                    self._at_hand.clear()
                break
        return await self._store.next_due((State.SLEEPING,), self.simulated)

    async def _claim(self, run: Run) -> None:
        self._faults.hit("run.claiming")
        now = self._clock.time()
        try:
            await self._store.put(MoveRun(run.id, sources(Event.CLAIM), State.RUNNING, now, epoch=self.epoch))
        except LostOwnership:
            return
        self._faults.hit("run.taken")
        run = run._replace(state=State.RUNNING, epoch=self.epoch, due_at=None)
        try:
            plan, data, journal = await self._memory(run)
        except (VersionUnavailable, EventGone) as error:
            await self._hold(run.id, Hold(error.code, error.message, "", 0, error.to_json()))
            return
        except StoreError:
            raise
        except Exception as error:
            # one run that cannot be read back must not keep all others waiting
            log.exception("run %s could not be taken up", show(run.id))
            await self._hold(run.id, _mistake(error))
            return
        self.begin(run, plan, data, journal)

    async def _memory(self, run: Run) -> tuple[Scenario, dict[str, Any], Journal]:
        """What a run needs to be walked, from the store, or as it was left at hand by whoever queued it."""
        at_hand = self._at_hand.pop(run.id, None)
        if at_hand is not None and run.started_at is None:
            # it never ran, so that there is nothing to remember
            return *at_hand, Journal()
        plan = await self._catalog.plan(run.scenario, run.version)
        data = await run_data(self._store, run)
        records = await self._store.records(run.id)
        effects = await self._store.effects(EffectFilter(run_id=run.id))
        return plan, data, Journal.of(records, effects, run.notes)

    async def _recover(self, *, died: bool = True) -> None:
        """Put runs without an owner back into the queue.

        :param died: whether their owner's process died, which they may have caused.
        """
        orphans = await self._store.orphans(self.epoch, self.simulated)
        if orphans:
            self._faults.hit("run.recovering")
        # handed over together, so that they share commits: nothing is accepted until all are queued
        moves = [self._store.put(self._take_up(run, died)) for run in orphans]
        for run, result in zip(orphans, await asyncio.gather(*moves, return_exceptions=True), strict=True):
            if isinstance(result, LostOwnership):
                continue
            if isinstance(result, BaseException):
                raise result
            log.info("run %s is taken up", show(run.id), extra={"action": "run_recovered"})
        if orphans:
            self._faults.hit("run.recovered")

    def _take_up(self, run: Run, died: bool) -> MoveRun:
        """What becomes of a run whose owner is gone."""
        now = self._clock.time()
        if run.recoveries < MAX_RECOVERIES or not died:
            return MoveRun(run.id, sources(Event.RECOVER), target(Event.RECOVER), now, recovered=died)
        held = Held((Hold("poison", f"recovered {run.recoveries} times without progress", "", 0),))
        return MoveRun(run.id, sources(Event.HOLD), target(Event.HOLD), now, hold=jsontext.dumps(held.to_json()))

    # ------------------------------------------------------------------ a broken store

    def broke(self) -> None:
        """The store was found broken by somebody else."""
        self._broke([])

    def _broke(self, unconfirmed: list[SettleEffect]) -> None:
        if self._stopping:
            return
        if self._mend_task is None:
            self._late = []
            self._mend_task = asyncio.create_task(self._mend())
        self._late += unconfirmed

    async def _mend(self) -> None:
        """Let go of all runs, wait until the store works again, and take them up from it: a crash without the dying."""
        if self._pump_task is not None:
            self._pump_task.cancel()
        known = list(self._effects.values())
        self._at_hand.clear()
        await self._wind_down(GRACE)
        self._late += [settled for effects in known for settled in effects.unconfirmed]
        while True:
            try:
                await self._store.reopen()
                self.epoch = await self._store.begin_epoch()
                if self._late:
                    await self._store.put(*self._late)
                await self._recover(died=False)
                break
            except StoreError as error:
                log.error("the store does not work: %s", error.message, extra={"action": "store_broken"})
            except Exception:
                log.exception("the store could not be mended; it is tried again", extra={"action": "store_broken"})
            await self._clock.sleep(MEND_EVERY)
        log.warning("the store works again", extra={"action": "store_mended"})
        self._mend_task = None
        self._pump_task = asyncio.create_task(self._pump())
        self.wake()


def _mistake(error: Exception) -> Hold:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return Hold("internal", f"{type(error).__name__}: {error} at {frame.filename}:{frame.lineno}", "", 0)
