"""Who runs what: claims runs, walks them, stores how they end, takes up what a dead owner left.

A run is in memory only while it has something to do. What is queued, sleeps or is held lives in the store. Recovery
only puts runs back into the queue; one atomic claim decides who walks them.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.runtime.callers import Caller
from engine.runtime.catalog import Catalog
from engine.runtime.data import DeclaredData
from engine.runtime.durable import DurableEffects
from engine.runtime.event_sources import EventSources
from engine.runtime.interpreter import Interpreter
from engine.runtime.journal import Journal
from engine.runtime.lines import Lines
from engine.runtime.observers import Guarded, Observer
from engine.runtime.open_waits import NEVER, Links
from engine.runtime.outcomes import Failed, Held, Hold, Outcome, Sleeping, Succeeded, Waiting
from engine.runtime.payload import DEFAULT_LIMITS
from engine.runtime.queue import Queue
from engine.runtime.responding import Responses
from engine.runtime.second_tries import planned
from engine.runtime.settings import Limits
from engine.runtime.states import Event, State, sources, target
from engine.scenario.expressions import Expression
from engine.scenario.plan import Scenario
from engine.sdk import jsontext
from engine.sdk.clock import Clock
from engine.sdk.errors import EngineError, LostOwnership, StoreError
from engine.sdk.faults import NO_FAULTS, Faults, SimulatedCrash
from engine.sdk.modules import Module
from engine.store.alerts_rows import Heard
from engine.store.changes import Change, Fate, MoveRun, Owner, SettleEffect
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.records import Run

if TYPE_CHECKING:
    from engine.runtime.callees import Callees

log = logging.getLogger(__name__)

#: runs in memory at a time; more wait in the store
MAX_RUNNING = 200
#: a run that was recovered so often without a new record is held as ``poison``
MAX_RECOVERIES = 5
#: seconds between two tries to mend a broken store
MEND_EVERY = 1.0
#: seconds that runs in memory get to end by themselves when the store breaks or the process stops
GRACE = 30.0
#: real seconds after which what was cancelled and has not ended is cancelled again
CANCEL_AGAIN = 1.0

_EVENTS: dict[type[Outcome], Event] = {
    Succeeded: Event.SUCCEED,
    Failed: Event.FAIL,
    Held: Event.HOLD,
    Sleeping: Event.SLEEP,
    Waiting: Event.WAIT,
}


class Runner:
    """Executes the runs of one store.

    :param simulated: whether this process answers from simulators; it touches only runs of its own kind.
    :param held_retry: seconds before each automatic try of a run that is held because a step failed.
    :param limits: of these, how large outputs and journals may be.
    :param effects: makes what a run may do, with the arguments of ``DurableEffects``.
    :param walk: makes the walk of a run.
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
        held_retry: Sequence[float] = (),
        limits: Limits = DEFAULT_LIMITS,
        effects: Callable[..., DurableEffects] = DurableEffects,
        walk: Callable[[Scenario, DurableEffects], Interpreter] = Interpreter,
    ) -> None:
        self.epoch = 0
        #: where people reach the links that runs give out
        self.links = Links()
        #: what is read of events that runs wait for
        self.sources = EventSources()
        #: starts runs for other runs; set by whoever puts the executor together
        self.callees: Callees | None = None
        #: the project's data stores
        self.data = DeclaredData()
        #: who waits for what runs answer
        self.responses = Responses()
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
        self._lines = Lines(max_running)
        self._queue = Queue(
            store,
            catalog,
            clock,
            self._lines,
            faults,
            simulated=simulated,
            begin=self.begin,
            refuse=self._refuse,
        )
        self._held_retry = held_retry
        self._limits = limits
        self._new_effects = effects
        self._new_walk = walk
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._effects: dict[int, DurableEffects] = {}
        self._pump_task: asyncio.Task[None] | None = None
        self._mend_task: asyncio.Task[None] | None = None
        self._late: list[SettleEffect] = []
        #: set while the store is broken and its runs are not taken up yet
        self.store_broke = asyncio.Event()
        #: runs that were cut off, and why
        self._cut_off: dict[int, str] = {}
        self._stopping = False

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Begin an executor session and take up what earlier ones left."""
        self.crashed = asyncio.get_running_loop().create_future()
        self.epoch = self._queue.epoch = await self._store.begin_epoch()
        await self._queue.open()
        await self._recover()
        await self.sources.load(self._store)
        self._pump_task = asyncio.create_task(self._pump())
        self.wake()

    async def begun(self, plans: Iterable[Scenario]) -> dict[str, int]:
        """How many runs of each scenario began in the time that its rate counts by."""
        return await self._queue.begun(plans)

    def follow(self, plans: Iterable[Scenario], gone: Iterable[str], begun: Mapping[str, int]) -> None:
        """Divide the room among these scenarios from now on; see ``Queue.follow``."""
        self._queue.follow(plans, gone, begun)

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
        tasks = set(self._tasks.values())
        while tasks:
            for task in tasks:
                task.cancel()
            # again: a run that was just going to sleep takes one cancellation for the one that puts it there
            _, tasks = await asyncio.wait(tasks, timeout=CANCEL_AGAIN)

    def admits(self, plan: Scenario) -> bool:
        """Whether a new run may be in memory at once. Then room is kept for it, until ``came``.

        Otherwise it is stored as queued, behind those that wait.
        """
        if self._stopping or self._mend_task is not None:
            return False
        return self._lines.admits(plan.name, self._clock.time(), new=True)

    def came(self, plan: Scenario, *, begun: bool) -> None:
        """A run that room was kept for has begun, or will not begin."""
        self._lines.came(plan.name, begun=begun)

    @property
    def mending(self) -> bool:
        """Whether nothing runs now because the store does not work."""
        return self._mend_task is not None

    def queue(self, run: Run, plan: Scenario, data: dict[str, Any], size: int) -> None:
        """A new run was stored as queued.

        :param size: bytes of the delivery that its event came with.
        """
        self._queue.keep(run, plan, data, size)

    def module(self, name: str) -> Module | None:
        """An installed module."""
        return self._catalog.module(name)

    def expression(self, text: str) -> Expression:
        """An expression that is kept in the store."""
        return self._catalog.expression(text)

    def answered(self, released: Iterable[str]) -> None:
        """What runs wait for may have come.

        :param released: scenarios that have a run more in the queue for it.
        """
        for effects in self._effects.values():
            effects.waits.look()
        self.wake(released)

    def wake(self, scenarios: Iterable[str] | None = None) -> None:
        """Look at the queue: runs of these scenarios, or of anybody, were put there."""
        if scenarios is None:
            # a command may have ended a run that another one waits for
            for effects in self._effects.values():
                effects.waits.look()
        self._queue.wake(scenarios)

    # ------------------------------------------------------------------ who has which run

    def has(self, run_id: int) -> bool:
        """Whether a run is in memory, or on its way there."""
        return run_id in self._tasks or run_id in self._queue.loading or self._stopping or self.store_broke.is_set()

    def without_progress(self, seconds: float) -> list[int]:
        """The runs in memory that have recorded nothing for so long."""
        before = self._clock.time() - seconds
        return [run_id for run_id, effects in self._effects.items() if effects.progress_at <= before]

    def cut_off(self, run_id: int, why: str) -> None:
        """Cancel what a run is doing, and hold it as ``stuck``. A write that is under way ends as unknown."""
        if task := self._tasks.get(run_id):
            self._cut_off[run_id] = why
            task.cancel()

    def taken_up(self, run: Run) -> MoveRun:
        """What becomes of a run that has no owner, though this executor lives."""
        return self._take_up(run, died=True)

    # ------------------------------------------------------------------ one run

    def begin(self, run: Run, plan: Scenario, data: dict[str, Any], journal: Journal | None = None) -> None:
        """Walk a run that the store has as running in this session."""
        self._faults.hit("run.claimed")
        if run.epoch != self.epoch or self._mend_task is not None:
            # the store broke since the run was claimed; it is taken up again with all others
            return
        if run.id in self._tasks:
            return
        task = asyncio.create_task(self._walk(run, plan, data, journal or Journal()))
        self._tasks[run.id] = task
        self._lines.enters(run.scenario)
        task.add_done_callback(lambda done: self._left(run, done))

    def _left(self, run: Run, task: asyncio.Task[None]) -> None:
        self._tasks.pop(run.id, None)
        self._effects.pop(run.id, None)
        self._cut_off.pop(run.id, None)
        self._lines.leaves(run.scenario)
        if not task.cancelled() and isinstance(error := task.exception(), SimulatedCrash):
            self._crash(error)
        else:
            self._queue.stir()

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
        due: list[Sleeping] = []
        task = asyncio.current_task()
        assert task is not None

        def suspend(until: float) -> None:
            if not due:
                keys = effects.waits.keys
                due.append(Waiting(until, keys) if keys else Sleeping(until))
                task.cancel()

        effects = self._new_effects(
            run,
            journal,
            self._store,
            self._caller,
            self._clock,
            observer=self._step_observer,
            faults=self._faults,
            suspend=suspend,
            approvals=plan.approvals,
            links=self.links,
            sources=self.sources,
            limits=self._limits,
            callees=self.callees,
            responses=self.responses,
            data=self.data,
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
            self.released(await self._store.put(move))
            self.responses.over(run_id)
        except LostOwnership:
            return
        except StoreError:
            self._broke([])

    def released(self, fate: Fate) -> None:
        """What a transaction came to for other runs: some are in the queue for it, others have their answer."""
        for run_id in fate.answered:
            if effects := self._effects.get(run_id):
                effects.waits.look()
        if fate.released:
            self._queue.wake(fate.released)

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
        self, plan: Scenario, effects: DurableEffects, data: dict[str, Any], due: list[Sleeping]
    ) -> Outcome:
        try:
            return await self._new_walk(plan, effects).run(data)
        except asyncio.CancelledError:
            if why := self._cut_off.get(effects.run.id):
                return Held((Hold("stuck", why, effects.doing),))
            if due:
                return due[0]
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
        due = outcome.due if isinstance(outcome, Sleeping) and outcome.due < NEVER else None
        if isinstance(outcome, Succeeded):
            said = outcome.to_json()
            # an empty one takes the place of the error of an earlier time
            result = jsontext.dumps(said) if said or run.result is not None else None
        elif isinstance(outcome, Failed):
            result = jsontext.dumps(outcome.to_json())
        elif isinstance(outcome, Held):
            stored, due = planned(outcome, effects.journal, self._held_retry, now)
            hold = jsontext.dumps(stored)
        move = MoveRun(
            run.id,
            sources(event),
            target(event),
            now,
            due_at=due,
            hold=hold,
            result=result,
            notes=effects.last_notes(),
            ended=isinstance(outcome, Succeeded | Failed),
        )
        owner = Owner(run.id, run.epoch)
        fate = await self._store.put(
            move, *self._heard(run, outcome, now), *effects.waits.at_end(outcome, now), owner=owner
        )
        self._faults.hit("run.moved")
        self.released(fate)
        if self._observer is not None:
            self._observer.run_ended(run, outcome)
        if self.responses.waiting and not isinstance(outcome, Sleeping):
            self.responses.over(run.id)
        if isinstance(outcome, Sleeping):
            # its moment may be the next
            self._queue.wake(())

    def _heard(self, run: Run, outcome: Outcome, now: float) -> tuple[Change, ...]:
        """What counts as a sign of life of a scenario that says how many there should be."""
        if not isinstance(outcome, Succeeded):
            return ()
        current = self._catalog.current(run.scenario)
        if current is None or current.expect is None or not current.expect.successes:
            return ()
        return (Heard(run.scenario, run.simulated, current.expect.moment(now)),)

    # ------------------------------------------------------------------ owners

    async def _pump(self) -> None:
        try:
            await self._queue.pump()
        except StoreError:
            self._broke([])

    async def _refuse(self, run: Run, error: Exception) -> None:
        """Hold a run that was claimed and cannot be walked."""
        if isinstance(error, EngineError):
            await self._hold(run.id, Hold(error.code, error.message, "", 0, error.to_json()))
        else:
            await self._hold(run.id, _mistake(error))

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
        self.store_broke.set()
        if self._mend_task is None:
            self._late = []
            self._mend_task = asyncio.create_task(self._mend())
        self._late += unconfirmed

    async def _mend(self) -> None:
        """Let go of all runs, wait until the store works again, and take them up from it: a crash without the dying."""
        if self._pump_task is not None:
            self._pump_task.cancel()
        known = list(self._effects.values())
        self._queue.forget()
        await self._wind_down(GRACE)
        self._late += [settled for effects in known for settled in effects.unconfirmed]
        while True:
            try:
                await self._store.reopen()
                self.epoch = self._queue.epoch = await self._store.begin_epoch()
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
        self.store_broke.clear()
        self._pump_task = asyncio.create_task(self._pump())
        self.wake()


def _mistake(error: Exception) -> Hold:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return Hold("internal", f"{type(error).__name__}: {error} at {frame.filename}:{frame.lineno}", "", 0)
