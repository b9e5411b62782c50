"""Telling that the store does not work: from memory, because the store cannot keep it."""

from __future__ import annotations

import asyncio
import logging

from engine.runtime.alert_settings import AlertChannel
from engine.runtime.alerts import FIRST_WAIT, LONGEST, RECOVERED, Alerts, excerpt
from engine.scenario.durations import show_duration
from engine.sdk.clock import Clock
from engine.sdk.errors import EngineError
from engine.store.alerts_rows import Alert, RaiseAlert
from engine.store.changes import Change

log = logging.getLogger(__name__)

KIND = "store"


class Outage:
    """One outage after another; each channel is told once of each, and no more often than its ``every`` allows."""

    def __init__(self, alerts: Alerts, clock: Clock) -> None:
        self._alerts = alerts
        self._clock = clock
        self._since: float | None = None
        self._detail: dict[str, object] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        #: what each channel was told of in this outage, and when it was last told of any
        self._told: dict[str, Alert] = {}
        self._last: dict[str, float] = {}

    @property
    def seen(self) -> bool:
        """Whether the store is known to be broken."""
        return self._since is not None

    def tell(self, why: str) -> None:
        """The store is broken: tell every channel that was not told yet."""
        now = self._clock.time()
        if self._since is None:
            self._since = now
            self._detail = {"message": excerpt(why)}
            log.error("the store does not work: %s", why, extra={"action": "store_broken"})
        for channel in self._alerts.wanting(KIND, ""):
            last = self._last.get(channel.name)
            if channel.name not in self._tasks and (last is None or now - last >= channel.every):
                self._tasks[channel.name] = asyncio.create_task(self._send(channel))

    async def _send(self, channel: AlertChannel) -> None:
        alert = self._alerts.alert(channel.name, KIND, "", self._detail)
        wait = FIRST_WAIT
        while True:
            try:
                await self._alerts.tell(channel, alert)
            except EngineError as error:
                log.error("the alert did not reach '%s': %s", channel.name, error.message)
            except Exception:
                log.exception("the alert to '%s' met a mistake of the engine", channel.name)
            else:
                self._last[channel.name] = self._clock.time()
                self._told[channel.name] = alert._replace(attempts=1, tried_at=alert.first_at, state="delivered")
                return
            await self._clock.sleep(wait)
            wait = min(wait * 2, LONGEST)

    def over(self) -> list[Change]:
        """The store works: what is stored of the outage, if there was one. It goes on until ``ended`` is called."""
        if self._since is None:
            return []
        now = self._clock.time()
        lasted = show_duration(round(now - self._since)) if now - self._since >= 1 else "less than a second"
        for task in self._tasks.values():
            task.cancel()
        told, detail = self._told, self._detail
        self._tasks = {name: task for name, task in self._tasks.items() if name in told}
        changes: list[Change] = [RaiseAlert(alert._replace(ended_at=alert.first_at), 0.0) for alert in told.values()]
        # whoever was not told while it lasted is told now, by the outbox
        raised = self._alerts.raised(KIND, "", detail)
        changes += [c for c in raised if isinstance(c, RaiseAlert) and c.alert.channel not in told]
        return changes + self._alerts.raised(KIND, "", {"lasted": lasted}, event=RECOVERED)

    def ended(self) -> None:
        """What ``over`` gave is stored."""
        self._since, self._told, self._tasks = None, {}, {}

    async def stop(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
