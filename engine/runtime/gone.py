"""What is kept of triggers whose scenario is gone, and for how long.

Where a polling trigger or a schedule stands outlives its scenario's file for a while: a file may be moved, or be left
out of one start. From the first start without it on its days are counted; a start with it ends the count.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from engine.sdk.clock import Clock
from engine.store.interface import Store
from engine.store.schedules import ForgetTrigger, MarkGone, ScheduleChange

log = logging.getLogger(__name__)

#: seconds for which it is kept
KEEP = 30 * 86_400.0


async def forget_gone(store: Store, loaded: Iterable[str], clock: Clock) -> None:
    """Note which scenarios are gone, and forget those that are for long.

    :param loaded: names of the scenarios of this process.
    :raises StoreError: it cannot be read or written.
    """
    now, names = clock.time(), set(loaded)
    gone = await store.gone_triggers()
    kept = {poll.scenario for poll in await store.polls()} | {row.scenario for row in await store.schedules()}
    changes: list[ScheduleChange] = []
    for name in sorted({*gone, *kept}):
        since = gone.get(name)
        if name in names or name not in kept:
            changes += [MarkGone(name, None)] if since is not None else []
        elif since is None:
            changes.append(MarkGone(name, now))
        elif now - since > KEEP:
            changes.append(ForgetTrigger(name))
            log.info("forgot where the trigger of '%s' stood", name, extra={"action": "trigger_forgotten"})
    if changes:
        await store.put(*changes)
