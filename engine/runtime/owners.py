"""Runs that the store has as running and nobody walks, that somebody walks without getting anywhere, and that wait for
nothing."""

from __future__ import annotations

import logging

from engine.runtime.alerts import Alerts
from engine.runtime.runner import Runner
from engine.runtime.states import Event, sources, target
from engine.scenario.durations import show_duration
from engine.sdk.clock import Clock
from engine.sdk.errors import LostOwnership
from engine.store.changes import MoveRun, Owner
from engine.store.ids import show
from engine.store.interface import Store

log = logging.getLogger(__name__)

#: looks in a row, and seconds, for which a run must be without an owner: one that is just being loaded is not
LOOKS = 3
SECONDS = 20.0
#: seconds between two questions for runs that wait for nothing, and those that are woken at a time
STRANDED_EVERY = 60.0
AT_ONCE = 100


class Owners:
    """Puts ownerless runs back into the queue, and cuts off those that get nowhere.

    :param stuck_after: seconds without a new journal record after which a run is cut off.
    """

    def __init__(self, store: Store, runner: Runner, alerts: Alerts, clock: Clock, stuck_after: float) -> None:
        self._store = store
        self._runner = runner
        self._alerts = alerts
        self._clock = clock
        self._stuck_after = stuck_after
        #: ownerless runs: in which session, since when, and at how many looks
        self._seen: dict[int, tuple[int, float, int]] = {}
        self._asked_at = 0.0

    async def look(self) -> None:
        """Raises ``StoreError``."""
        now, epoch = self._clock.time(), self._runner.epoch
        for run_id in self._runner.without_progress(self._stuck_after):
            why = f"nothing new in its journal for {show_duration(self._stuck_after)}"
            log.error("run %s is cut off: %s", show(run_id), why, extra={"action": "run_stuck"})
            self._runner.cut_off(run_id, why)
        running = await self._store.running(self._runner.simulated)
        ownerless = [run_id for run_id in running if not self._runner.has(run_id)]
        if self._runner.epoch != epoch:
            return  # the store broke meanwhile; all runs are taken up anew
        before = self._seen
        self._seen = {}
        for run_id in ownerless:
            known, since, looks = before.get(run_id, (epoch, now, 0))
            if known != epoch or not now - since >= 0:
                since, looks = now, 0
            if looks + 1 < LOOKS or now - since < SECONDS:
                self._seen[run_id] = (epoch, since, looks + 1)
            else:
                await self._take_up(run_id)
        if not 0 <= now - self._asked_at < STRANDED_EVERY:
            self._asked_at = now
            await self._wake_stranded(now)

    async def _wake_stranded(self, now: float) -> None:
        """Let runs look again at what they wait for, when nothing would ever wake them."""
        for run_id, scenario, _ in await self._store.stranded(self._runner.simulated, AT_ONCE):
            message = "it waited for nothing that could come, and was put back into the queue"
            told = self._alerts.raised("stuck", scenario, {"run": show(run_id), "message": message})
            try:
                await self._store.put(MoveRun(run_id, sources(Event.ANSWER), target(Event.ANSWER), now), *told)
            except LostOwnership:
                continue
            log.error("run %s waited for nothing", show(run_id), extra={"action": "run_stranded"})
            self._alerts.wake()
            self._runner.wake((scenario,))

    async def _take_up(self, run_id: int) -> None:
        run = await self._store.run(run_id)
        if run is None or self._runner.has(run_id):
            return
        move = self._runner.taken_up(run)
        told = self._alerts.raised(
            "stuck", run.scenario, {"run": show(run_id), "message": "it had no owner, and was put back into the queue"}
        )
        # one that is held as poison by this tells of itself
        also = told if move.hold is None else []
        try:
            await self._store.put(move, *also, owner=Owner(run_id, run.epoch))
        except LostOwnership:
            return
        log.error("run %s had no owner and is taken up", show(run_id), extra={"action": "run_ownerless"})
        self._alerts.wake()
        self._runner.wake()
