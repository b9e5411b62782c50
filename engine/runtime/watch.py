"""Looking after the engine: what has failed, what is silent, what waits too long, what has no owner.

The watch looks every few seconds. What it tells rests on rows of the store: a run that failed or was held left a row
with that very move, and each row is dropped in the transaction that stores the alert. What can only be seen by looking
(silence, a queue that does not move) has a *standing* in the store, which says whether it was told already. So a crash
loses no alert, and a restart repeats none. The runs themselves pay nothing for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from engine.runtime.alerts import RECOVERED, Alerts, excerpt
from engine.runtime.authorizing import Authorizations
from engine.runtime.health import late
from engine.runtime.outage import Outage
from engine.runtime.owners import Owners
from engine.runtime.redact import Redactor
from engine.runtime.runner import Runner
from engine.runtime.settings import Limits
from engine.runtime.silence import Silence
from engine.runtime.states import State
from engine.scenario.durations import show_duration
from engine.scenario.plan import Scenario
from engine.sdk import jsontext
from engine.sdk.clock import Clock
from engine.sdk.errors import StoreError
from engine.sdk.faults import NO_FAULTS, Faults
from engine.store.alerts_rows import DropStanding, DropTroubles, PruneAlerts, PutStanding, Standing, Trouble, Waiting
from engine.store.changes import Change
from engine.store.ids import show
from engine.store.interface import Store

log = logging.getLogger(__name__)

#: seconds between two looks
LOOK_EVERY = 10.0
#: failed and held runs that are read at a time
AT_ONCE = 1000
#: seconds for which messages that came to an end are kept, and between two clean-ups
KEEP = 30 * 86_400.0
PRUNE_EVERY = 3600.0
#: why a run is held that is no matter of the scenario's
_STUCK = ("poison", "stuck")


class Watch:
    """Looks, and raises alerts.

    :param scenarios: those that are served.
    :param redactor: hides secrets in what errors say.
    :param authorizations: looks after those of connections.
    """

    def __init__(
        self,
        scenarios: Iterable[Scenario],
        store: Store,
        runner: Runner,
        alerts: Alerts,
        clock: Clock,
        limits: Limits,
        *,
        redactor: Callable[[], Awaitable[Redactor]],
        authorizations: Authorizations | None = None,
        faults: Faults = NO_FAULTS,
    ) -> None:
        self._authorizations = authorizations
        self._store = store
        self._runner = runner
        self._alerts = alerts
        self._clock = clock
        self._limits = limits
        self._redactor = redactor
        self._faults = faults
        self._silence = Silence(scenarios, store, alerts, clock, simulated=runner.simulated)
        self._owners = Owners(store, runner, alerts, clock, limits.stuck_after)
        self._outage = Outage(alerts, clock)
        self._task: asyncio.Task[None] | None = None
        self._pruned_at = 0.0
        #: a queued run that has run before, and when it was first seen at the head
        self._head = (0, 0.0)

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        """Look at once, and then every few seconds; send what was not sent yet."""
        self._alerts.start()
        self._task = asyncio.create_task(self._run(), name="watch")

    def follow(self, scenarios: Iterable[Scenario]) -> None:
        """Look after these scenarios from now on."""
        self._silence.follow(scenarios)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._outage.stop()
        await self._alerts.stop()

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except StoreError as error:
                if self._store.broken:
                    self._runner.broke()
                else:
                    log.warning("the watch could not look: %s", error.message, extra={"action": "watch_failed"})
            except Exception:
                log.exception("the watch met a mistake of the engine; it looks again")
            timer = asyncio.ensure_future(self._clock.sleep(LOOK_EVERY))
            breaking = asyncio.ensure_future(self._runner.store_broke.wait() if not self._outage.seen else timer_only())
            try:
                await asyncio.wait({timer, breaking}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                timer.cancel()
                breaking.cancel()

    async def look(self) -> None:
        """Look once. Raises ``StoreError``."""
        if self._runner.store_broke.is_set() or self._store.broken:
            # a signal or pruning may have found it, and nobody who works on a run
            self._runner.broke()
            self._outage.tell(await self._why())
            return
        changes = self._outage.over()
        while len(told := await self._store.troubles(self._runner.simulated, AT_ONCE)) == AT_ONCE:
            await self._put([*changes, *await self._troubles(told)])
            self._outage.ended()
            changes = []
        changes += await self._troubles(told)
        changes += await self._silence.look()
        changes += await self._queue()
        if self._authorizations is not None:
            changes += await self._authorizations.look()
        now = self._clock.time()
        if not 0 <= now - self._pruned_at < PRUNE_EVERY:
            self._pruned_at = now
            changes.append(PruneAlerts(now - KEEP))
        await self._put(changes)
        self._outage.ended()
        await self._owners.look()

    async def _why(self) -> str:
        try:
            await self._store.put()
        except StoreError as error:
            return error.message
        return "a write failed"

    async def _put(self, changes: list[Change]) -> None:
        if not changes:
            return
        self._faults.hit("alert.raising")
        await self._store.put(*changes)
        self._faults.hit("alert.raised")
        self._alerts.wake()

    # ------------------------------------------------------------------ runs that failed or are held

    async def _troubles(self, troubles: Iterable[Trouble]) -> list[Change]:
        groups: dict[tuple[str, str], list[Trouble]] = {}
        last = None
        for last in troubles:
            groups.setdefault((await self._kind(last), last.scenario), []).append(last)
        if last is None:
            return []
        changes: list[Change] = [DropTroubles(last.number, self._runner.simulated)]
        for (kind, scenario), group in groups.items():
            detail = await self._about(group[-1])
            changes += self._alerts.raised(kind, scenario, detail, times=len(group))
        return changes

    async def _kind(self, trouble: Trouble) -> str:
        if trouble.state == State.FAILED:
            return "failed"
        run = await self._store.run(trouble.run_id)
        holds = jsontext.loads(run.hold) if run is not None and run.hold else []
        return "stuck" if any(hold["code"] in _STUCK for hold in holds) else "held"

    async def _about(self, trouble: Trouble) -> dict[str, object]:
        """What is told of a run: where and why, and no data of the run's own."""
        about: dict[str, object] = {"run": show(trouble.run_id)}
        run = await self._store.run(trouble.run_id)
        if run is None or run.state != trouble.state:
            return {**about, "message": f"it is {run.state if run else 'gone'} now"}
        if run.hold:
            errors = jsontext.loads(run.hold)
        else:
            errors = [(jsontext.loads(run.result) if run.result else {}).get("error") or {}]
        redactor = await self._redactor()
        # one that is tried again by itself is not what a person is called for
        first = next((one for one in errors if not one.get("due_at")), errors[0] if errors else {})
        # before it is cut: half a secret is not known for one
        message = excerpt(redactor.text(str(first.get("message") or "")))
        step = excerpt(redactor.text(first.get("step") or "")) or None
        return {**about, "code": first.get("code"), "step": step, "message": message}

    # ------------------------------------------------------------------ the queue

    async def _queue(self) -> list[Change]:
        """Whether a run waits for its turn for too long."""
        now, limit = self._clock.time(), self._limits.queue_age
        oldest = await self.longest_waiting()
        late = oldest is not None and now - oldest.since >= limit
        simulated = self._runner.simulated
        told = [s for s in await self._store.standings() if s.kind == "queue_age" and s.simulated == simulated]
        changes: list[Change] = []
        if late and oldest is not None:
            if all(standing.scenario != oldest.scenario for standing in told):
                age = show_duration(round(now - oldest.since))
                detail = {"run": show(oldest.run_id), "age": age, "limit": show_duration(limit)}
                changes += self._alerts.raised("queue_age", oldest.scenario, detail)
                changes.append(PutStanding(Standing("queue_age", oldest.scenario, simulated, oldest.since, now, 1)))
            return changes
        for standing in told:
            changes += self._alerts.raised("queue_age", standing.scenario, {}, event=RECOVERED)
            changes.append(DropStanding("queue_age", standing.scenario, standing.simulated))
        return changes

    async def longest_waiting(self) -> Waiting | None:
        """The run that has waited longest for its turn."""
        now, simulated = self._clock.time(), self._runner.simulated
        found = await late(self._store, simulated, now)
        head = await self._store.oldest_in(State.QUEUED, simulated)
        if head is not None and head.since:
            # it ran before, and came back into the queue at a moment that no row tells
            if self._head[0] != head.run_id:
                self._head = (head.run_id, now)
            found.append(head._replace(since=self._head[1]))
        return min(found, key=lambda run: run.since, default=None)


async def timer_only() -> None:
    """Never done: an outage that was seen already wakes nobody."""
    await asyncio.get_running_loop().create_future()
