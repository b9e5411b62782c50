"""Silence: a scenario that had fewer runs in its window than its ``expect`` says."""

from __future__ import annotations

from collections.abc import Iterable

from engine.runtime.alerts import RECOVERED, Alerts
from engine.scenario.durations import show_duration
from engine.scenario.plan import Expect, Scenario
from engine.sdk.clock import Clock
from engine.store.alerts_rows import DropHeard, DropStanding, PutStanding, Standing
from engine.store.changes import Change
from engine.store.interface import Store

#: seconds between two notes that the engine is there, from which its next start sees for how long it was not
NOTE_EVERY = 60.0
KIND, LOOKED = "silence", "looked"


class Silence:
    """Compares what was heard with what is expected. Its standings are in the store.

    :param scenarios: those that are served; one that is not active is not expected to be heard.
    """

    def __init__(
        self, scenarios: Iterable[Scenario], store: Store, alerts: Alerts, clock: Clock, *, simulated: bool
    ) -> None:
        self._expected = {s.name: s.expect for s in scenarios if s.active and s.expect is not None}
        self._store = store
        self._alerts = alerts
        self._clock = clock
        self._simulated = simulated
        self._noted_at: float | None = None
        #: when the engine was last seen before it started, and when it started
        self._down = (0.0, 0.0)

    def follow(self, scenarios: Iterable[Scenario]) -> None:
        """Expect what these scenarios say from now on."""
        self._expected = {s.name: s.expect for s in scenarios if s.active and s.expect is not None}
        # what is expected no more is forgotten at the next look
        self._noted_at = None

    async def look(self) -> list[Change]:
        """What has to be stored now."""
        if not self._expected and self._noted_at is not None:
            return []
        now = self._clock.time()
        standings = {(s.kind, s.scenario): s for s in await self._store.standings() if s.simulated == self._simulated}
        looked = standings.get((LOOKED, ""))
        back = looked is not None and looked.since > now + NOTE_EVERY
        changes = self._note(looked, now)
        for kind, scenario in standings:
            if kind == KIND and scenario not in self._expected:
                changes.append(DropStanding(KIND, scenario, self._simulated))
                changes.append(DropHeard(scenario, self._simulated, float("inf")))
        for scenario, expect in self._expected.items():
            standing = standings.get((KIND, scenario))
            if standing is None:
                # it has a whole window before it can be silent
                changes.append(PutStanding(Standing(KIND, scenario, self._simulated, now)))
            elif back:
                # what was heard at moments to come would hide a silence until then: a window anew
                raised = None if standing.raised_at is None else now
                changes.append(DropHeard(scenario, self._simulated, float("inf")))
                changes.append(PutStanding(standing._replace(since=now, raised_at=raised)))
            else:
                changes += await self._compare(scenario, expect, standing, now)
        return changes

    def _note(self, looked: Standing | None, now: float) -> list[Change]:
        """Note that the engine is there, and what of the past it was not."""
        if self._noted_at is None and looked is not None and now - looked.since > 2 * NOTE_EVERY:
            self._down = (looked.since, now)
        if self._noted_at is not None and 0 <= now - self._noted_at < NOTE_EVERY:
            return []
        self._noted_at = now
        if not self._expected:
            return [DropStanding(LOOKED, "", self._simulated)] if looked is not None else []
        changes: list[Change] = [PutStanding(Standing(LOOKED, "", self._simulated, now))]
        return changes + [
            DropHeard(scenario, self._simulated, now - 2 * expect.within) for scenario, expect in self._expected.items()
        ]

    async def _compare(self, scenario: str, expect: Expect, standing: Standing, now: float) -> list[Change]:
        count = await self._store.heard(scenario, self._simulated, now - expect.within)
        window = show_duration(expect.within)
        if count >= expect.at_least:
            if standing.raised_at is None:
                return []
            detail = {"count": count, "within": window}
            well = standing._replace(raised_at=None, times=0)
            return [*self._alerts.raised(KIND, scenario, detail, event=RECOVERED), PutStanding(well)]
        # again after each further window that was silent
        begin = standing.since if standing.raised_at is None else standing.raised_at
        if now - begin < expect.within:
            return []
        down = max(0.0, min(self._down[1], now) - max(self._down[0], now - expect.within))
        detail = {
            "count": count,
            "at_least": expect.at_least,
            "of": "successes" if expect.successes else "runs",
            "within": window,
            "down": show_duration(round(down)) if down else None,
            "time": standing.times + 1,
        }
        told = standing._replace(raised_at=now, times=standing.times + 1)
        return [*self._alerts.raised(KIND, scenario, detail), PutStanding(told)]
