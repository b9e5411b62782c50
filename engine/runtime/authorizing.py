"""Looking after authorizations: who is told that one was lost, and that runs which waited for one go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.runtime import consents
from engine.runtime.alerts import RECOVERED, Alerts
from engine.runtime.connections import Connections
from engine.sdk.clock import Clock
from engine.store.alerts_rows import DropStanding, PutStanding, Standing
from engine.store.changes import Change
from engine.store.interface import Store

KIND = "connection"


class Authorizations:
    """Looks at the grants of all connections. That something was told has a standing in the store.

    :param wake: told when runs go on.
    """

    def __init__(
        self, connections: Connections, store: Store, alerts: Alerts, clock: Clock, wake: Callable[[], None]
    ) -> None:
        self._connections = connections
        self._store = store
        self._alerts = alerts
        self._clock = clock
        self._wake = wake
        #: whether something was told, as far as this process knows
        self._told = True

    async def look(self) -> list[Change]:
        """Release what waits for a grant that is there; gives what has to be told. Raises ``StoreError``."""
        names = self._connections.places()
        if not names and not self._told:
            return []
        lost: dict[str, str] = {}
        waiting: list[str] = []
        for name in names:
            grant = await self._connections.grants.grant(name)
            if grant is not None and grant.lost is not None:
                lost[name] = grant.lost
            elif grant is not None and grant.held:
                waiting.append(name)
        for name in waiting:
            if await consents.release(self._store, self._connections.grants, name):
                self._wake()
        return await self._tell(lost)

    async def _tell(self, lost: Mapping[str, str]) -> list[Change]:
        standings = {one.scenario: one for one in await self._store.standings() if one.kind == KIND}
        now, changes = self._clock.time(), []
        detail = {"connections": sorted(lost), "message": "; ".join(lost.values())}
        if lost.keys() - standings.keys():
            changes += self._alerts.raised(KIND, "", detail)
        for name in sorted(lost.keys() - standings.keys()):
            changes.append(PutStanding(Standing(KIND, name, False, now, now, 1)))
        if gone := sorted(standings.keys() - lost.keys()):
            changes += self._alerts.raised(KIND, "", {"connections": gone}, event=RECOVERED)
            changes += [DropStanding(KIND, name, standings[name].simulated) for name in gone]
        self._told = bool(lost)
        return changes
