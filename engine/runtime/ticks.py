"""Which moments of a schedule are due, and which of them start a run. No I/O: where it stands and the time go in.

A moment is *missed* when it is found more than ``GRACE`` late, or when a later one is due as well: nothing looked while
it passed. What becomes of missed moments is the author's choice, and each of them is accounted for once: it makes an
event, or it is left out and the receipt says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from engine.scenario.plan import Missed, Scheduled
from engine.scenario.timetables import count, newest, show_moment
from engine.sdk import jsontext
from engine.sdk.clock import utc
from engine.sdk.modules import Delivery
from engine.store.schedules import Schedule

#: the method of a receipt that a schedule made
SCHEDULE = "SCHEDULE"
#: seconds by which a moment may be late and is not missed: a restart takes some
GRACE = 60.0
#: seconds by which a clock must have been set back for a schedule to go by the new time at once
REWIND = 86_400.0

_HEADERS = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Due:
    """What has become due.

    :param moments: those that start a run each, the oldest first.
    :param left_out: why others do not, as a sentence; None: there are none.
    :param stands: where the schedule stands then.
    """

    moments: tuple[float, ...]
    left_out: str | None
    stands: Schedule


def due(trigger: Scheduled, stands: Schedule, now: float) -> Due | None:
    """What of a schedule is due now; None: nothing."""
    timetable = trigger.timetable
    first = timetable.after(stands.at)
    if first is None or first > now:
        return None
    wanted = newest(timetable, stands.at, now, trigger.limit if trigger.missed is Missed.ALL else 1)
    last = wanted[-1]
    if trigger.missed is Missed.SKIP and now - last > GRACE:
        wanted = []
    left_out = None if wanted[:1] == [first] else _left_out(trigger, stands.at, first, wanted[0] if wanted else now + 1)
    tick = wanted[-1] if wanted else stands.tick
    return Due(tuple(wanted), left_out, replace(stands, at=last, tick=tick))


def _left_out(trigger: Scheduled, after: float, first: float, before: float) -> str:
    number, more = count(trigger.timetable, after, before)
    said = "1 moment" if number == 1 else f"{f'more than {number}' if more else number} moments"
    limit = f", limit: {trigger.limit}" if trigger.missed is Missed.ALL else ""
    since = show_moment(first, trigger.timetable.zone)
    return f"{said} since {since} had passed when the schedule was looked at again (missed: {trigger.missed}{limit})"


def tick(moment: float, previous: float | None, zone: str) -> dict[str, Any]:
    """``trigger`` of a run that a schedule starts.

    :param previous: the moment before that made an event.
    """
    shown = None if previous is None else show_moment(previous, zone)
    return {"scheduled_at": show_moment(moment, zone), "previous": shown}


def delivery(trigger: Scheduled, found: Due, before: Schedule, now: float) -> Delivery:
    """What is due as intake takes it.

    :param before: where the schedule stood.
    """
    zone = trigger.timetable.zone
    previous = (before.tick, *found.moments)
    moments = [
        {"id": f"schedule:{moment:.0f}", "event": tick(moment, earlier, zone)}
        for moment, earlier in zip(found.moments, previous, strict=False)
    ]
    body = {"schedule": str(trigger.timetable), "moments": moments, "left_out": found.left_out}
    raw = jsontext.dumps(body)
    return Delivery(SCHEDULE, _HEADERS, {}, raw, jsontext.loads(raw), utc(now))
