"""What the store answers of alerts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from engine.store.alerts_rows import Alert, Standing, Trouble, Waiting


class AlertReads(Protocol):
    async def troubles(self, simulated: bool, limit: int) -> Sequence[Trouble]:
        """Runs of this kind that failed or were held and were not told of, the earliest first."""
        ...

    async def alerts(self, limit: int, before: int | None = None) -> Sequence[Alert]:
        """Messages, newest first, older than ``before`` (an id)."""
        ...

    async def alert(self, alert_id: int) -> Alert | None: ...

    async def failed_alert(self) -> Alert | None:
        """The newest message whose last try failed."""
        ...

    async def due_alerts(
        self, now: float, limit: int, busy: Iterable[str] = (), far: float = math.inf
    ) -> Sequence[Alert]:
        """Messages that are to be sent, the earliest first; none while an older one of the same thing waits.

        :param busy: channels whose messages are left out.
        :param far: a message that is due after it is to be sent too: the clock was set back.
        """
        ...

    async def next_alert(self) -> float | None:
        """When the next message is to be sent."""
        ...

    async def standings(self) -> Sequence[Standing]:
        """Everything that is watched, by kind, scenario and whether it is simulated."""
        ...

    async def heard(self, scenario: str, simulated: bool, after: float) -> int:
        """How many runs were counted after a moment."""
        ...

    async def oldest_queued(self, simulated: bool) -> Waiting | None:
        """The queued run of this kind that never ran, waits for no moment, and is the oldest."""
        ...

    async def oldest_in(self, state: str, simulated: bool) -> Waiting | None:
        """The oldest run in a state that waits for no moment; ``since`` it first ran, 0 for one that never did."""
        ...

    async def overdue(self, state: str, simulated: bool, before: float) -> Waiting | None:
        """The run in a state whose ``due_at`` passed first, not after ``before``."""
        ...

    async def stranded(self, simulated: bool, limit: int) -> Sequence[Waiting]:
        """Waiting runs that no open wait and no moment will wake."""
        ...

    async def open_counts(self, simulated: bool) -> Mapping[str, int]:
        """Number of runs of this kind in each state that is not an end."""
        ...

    async def running(self, simulated: bool) -> Mapping[int, int]:
        """The epochs of all running runs of this kind, by id."""
        ...
