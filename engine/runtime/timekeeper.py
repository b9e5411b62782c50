"""Starts what schedules ask for, on the engine's clock.

What is due becomes one transaction: a receipt, the deliveries and runs of its moments, and where the schedule stands
after them. So a crash leaves a moment either accounted for or still due. Which they are is decided in ``ticks``.

A schedule that is new, or another than the one that was kept, begins at the moment in which it is first seen. A moment
that a clock which was set back brings again is told by its second, and starts nothing.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice

from engine.runtime import ticks
from engine.runtime.intake import Accepted, Intake
from engine.runtime.queue import LOOK_AGAIN
from engine.runtime.runner import MEND_EVERY, Runner
from engine.scenario.plan import Scenario, Scheduled
from engine.scenario.timetables import moments, show_moment
from engine.sdk.clock import Clock
from engine.sdk.errors import StoreError
from engine.sdk.faults import NO_FAULTS, Faults
from engine.store.interface import Store
from engine.store.schedules import DropSchedule, PutSchedule, Schedule, ScheduleChange

log = logging.getLogger(__name__)


def scheduled(plan: Scenario) -> Scheduled | None:
    """The schedule of a scenario; None: it has none."""
    return plan.trigger if isinstance(plan.trigger, Scheduled) else None


def source_of(plan: Scenario) -> str:
    """The source of the receipts that a scenario's schedule makes."""
    return f"schedule:{plan.name}"


class Timekeeper:
    """Keeps the schedules of scenarios.

    :param scenarios: those without a schedule are left alone; of those that are not active nothing is kept.
    """

    def __init__(
        self,
        scenarios: Iterable[Scenario],
        store: Store,
        runner: Runner,
        intake: Intake,
        clock: Clock,
        *,
        faults: Faults = NO_FAULTS,
    ) -> None:
        self._all = list(scenarios)
        self._plans = {plan.name: plan for plan in self._all if plan.active and scheduled(plan) is not None}
        self._store = store
        self._runner = runner
        self._intake = intake
        self._clock = clock
        self._faults = faults
        #: where the schedules stand; empty until that was read from the store
        self._standing: dict[str, Schedule] = {}
        self._task: asyncio.Task[None] | None = None
        #: the scenarios that are kept from the next look on
        self._following: list[Scenario] | None = None
        self._changed = asyncio.Event()

    # ------------------------------------------------------------------ life

    def start(self, accepted: Callable[[Accepted], None] = lambda _accepted: None) -> None:
        """Look whenever a moment has come.

        :param accepted: told of everything that was due.
        """
        self._task = asyncio.create_task(self._keep(accepted), name="schedules")

    async def stop(self) -> None:
        """Look no more. What is being stored is stored, or is due again later."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep(self, accepted: Callable[[Accepted], None]) -> None:
        while True:
            self._changed.clear()
            try:
                await self.look(accepted=accepted)
            except StoreError as error:
                log.error("the schedules wait: %s", error.message, extra={"action": "schedules_wait"})
                await self._clock.sleep(MEND_EVERY)
            except Exception:
                log.exception("the schedules met a mistake of the engine; they are looked at again")
                await self._clock.sleep(LOOK_AGAIN)
            else:
                await self._wait()

    async def _wait(self) -> None:
        """Return when something is due, or the scenarios are others."""
        timer = asyncio.ensure_future(self._clock.sleep(self._pause())) if self._plans else None
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({changed, *([timer] if timer is not None else [])}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            if timer is not None:
                timer.cancel()

    def follow(self, scenarios: Iterable[Scenario]) -> None:
        """Keep the schedules of these scenarios from now on. What is being stored is stored."""
        self._following = list(scenarios)
        self._changed.set()

    def _outdated(self) -> bool:
        return self._following is not None

    def _pause(self) -> float:
        """Seconds until something is due; not too many, because a clock may jump meanwhile."""
        coming = [at for name in self._plans for at in self.coming(name, 1)]
        return min(max(0.0, min(coming, default=math.inf) - self._clock.time()), LOOK_AGAIN)

    def coming(self, name: str, most: int) -> list[float]:
        """The next moments of a scenario's schedule."""
        stands, trigger = self._standing.get(name), scheduled(self._plans[name])
        return [] if stands is None or trigger is None else list(islice(moments(trigger.timetable, stands.at), most))

    # ------------------------------------------------------------------ looking

    async def look(
        self, name: str | None = None, *, accepted: Callable[[Accepted], None] = lambda _accepted: None
    ) -> None:
        """Start what is due now.

        :param name: of one scenario only; None: all.
        :raises StoreError: it could not be stored; it is due as before.
        """
        if self._store.broken:
            # what it shows now may not be what stands there when it is mended
            self._standing = {}
            raise StoreError("the store takes no writes", hint="the engine mends it as soon as that is possible")
        if self._following is not None:
            self._all, self._following = self._following, None
            self._plans = {plan.name: plan for plan in self._all if plan.active and scheduled(plan) is not None}
            self._standing = {}
        if self._standing.keys() != self._plans.keys():
            await self.prepare()
        now = self._clock.time()
        for plan in list(self._plans.values()):
            if self._outdated():
                # a moment that is due is due at the next look too, and starts what is served then
                return
            stands, trigger = self._standing[plan.name], scheduled(plan)
            assert trigger is not None
            if name not in (None, plan.name):
                continue
            if stands.at - now > ticks.REWIND:
                stands = await self._rewind(plan, stands, now)
            if found := ticks.due(trigger, stands, now):
                accepted(await self._account(plan, trigger, found, stands, now))

    async def _account(
        self, plan: Scenario, trigger: Scheduled, found: ticks.Due, before: Schedule, now: float
    ) -> Accepted:
        self._faults.hit("schedule.due")
        incoming = ticks.delivery(trigger, found, before, now)
        # until it is known whether this was stored, it is not known where the schedule stands
        del self._standing[plan.name]
        accepted = await self._intake.accept(source_of(plan), [plan], incoming, also=(PutSchedule(found.stands),))
        self._standing[plan.name] = found.stands
        if found.left_out is not None:
            log.warning("schedule of '%s': %s", plan.name, found.left_out, extra={"action": "schedule_left_out"})
        return accepted

    async def _rewind(self, plan: Scenario, stands: Schedule, now: float) -> Schedule:
        """The clock was far ahead: go by it as it is now, or the schedule would wait for a time that was a mistake."""
        log.warning(
            "schedule of '%s' stands at %s, which is far ahead of the clock; it goes on from now",
            plan.name,
            show_moment(stands.at, "UTC"),
            extra={"action": "schedule_rewound"},
        )
        stands = replace(stands, at=now)
        await self._put(PutSchedule(stands))
        self._standing[plan.name] = stands
        return stands

    async def prepare(self) -> None:
        """Read where the schedules stand; begin those that are new, forget those that are no more.

        :raises StoreError: it cannot be read or written.
        """
        simulated, now = self._runner.simulated, self._clock.time()
        kept = {row.scenario: row for row in await self._store.schedules() if row.simulated == simulated}
        standing: dict[str, Schedule] = {}
        changes: list[ScheduleChange] = []
        for plan in self._all:
            trigger, row = scheduled(plan), kept.get(plan.name)
            if trigger is None or not plan.active:
                changes += [DropSchedule(plan.name, simulated)] if row is not None else []
                continue
            timetable = str(trigger.timetable)
            if row is None or row.timetable != timetable:
                row = Schedule(plan.name, simulated, timetable, now)
                changes.append(PutSchedule(row))
            standing[plan.name] = row
        await self._put(*changes)
        self._standing = standing

    async def _put(self, *changes: ScheduleChange) -> None:
        if not changes:
            return
        try:
            await self._store.put(*changes)
        except StoreError:
            if self._store.broken:
                self._runner.broke()
            raise

    @property
    def plans(self) -> Sequence[Scenario]:
        """The active scenarios that have a schedule."""
        return list(self._plans.values())
