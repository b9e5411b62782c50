"""When a schedule fires: cron expressions in a time zone, intervals, single moments.

Pure: a moment goes in, the next one comes out. Moments are Unix seconds, and whole ones. The same question always has
the same answer, wherever it is asked from, so that a schedule can be taken up again at any moment.

Where clocks are changed, cron expressions follow Debian's cron. A time of day that is left out in spring fires at the
first minute after the gap; one that comes twice in autumn fires the first time only. An expression whose minute or hour
begins with ``*`` goes by real time: it fires in both of the hours that have the same name, and never in a gap.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from typing import Protocol
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from engine.scenario.durations import show_duration

#: short names for common expressions
NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}
#: fields of a cron expression
FIELDS = "minute hour day-of-month month day-of-week"
#: more moments than this are not counted one by one
MOST_COUNTED = 10_000

_FIRST_STEP = 60.0
_TWO_DAYS = 2 * 86_400.0
_NEVER = datetime(9990, 1, 1, tzinfo=UTC).timestamp()


class Timetable(Protocol):
    """Gives moments, one after another."""

    def after(self, moment: float) -> float | None:
        """The first moment that is later; None: there is none."""
        ...

    @property
    def zone(self) -> str:
        """The time zone in which its moments are shown."""
        ...

    @property
    def text(self) -> str:
        """The schedule as an author would write it, without its zone."""
        ...

    def __str__(self) -> str:
        """Text and zone; another one is another schedule."""
        ...


class BadCron(ValueError):
    """A text is no cron expression; the message says why."""


@dataclass(frozen=True, slots=True)
class Cron:
    """Cron expressions; it fires whenever one of them does."""

    expressions: tuple[str, ...]
    zone: str = "UTC"

    def after(self, moment: float) -> float | None:
        """The first moment that is later."""
        found = [at for expression in self.expressions if (at := _after(expression, self.zone, moment)) is not None]
        return min(found, default=None)

    @property
    def text(self) -> str:
        """The expressions."""
        return " | ".join(self.expressions)

    def __str__(self) -> str:
        return f"{self.text} {self.zone}"


@dataclass(frozen=True, slots=True)
class Every:
    """An interval, counted from 1970-01-01 in UTC, so that it does not depend on when the engine was started."""

    seconds: int
    offset: int = 0
    zone: str = "UTC"

    def after(self, moment: float) -> float | None:
        """The first moment that is later."""
        return float((math.floor((moment - self.offset) / self.seconds) + 1) * self.seconds + self.offset)

    @property
    def text(self) -> str:
        """Such as ``every 15m offset 5m``."""
        offset = f" offset {show_duration(self.offset)}" if self.offset else ""
        return f"every {show_duration(self.seconds)}{offset}"

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class At:
    """One moment."""

    moment: float
    zone: str = "UTC"

    def after(self, moment: float) -> float | None:
        """The moment, as long as it is to come."""
        return self.moment if self.moment > moment else None

    @property
    def text(self) -> str:
        """Such as ``at 2026-12-24T09:00:00+01:00``."""
        return f"at {show_moment(self.moment, self.zone)}"

    def __str__(self) -> str:
        return self.text


def check_cron(expression: str) -> str:
    """The expression as it is kept, nicknames resolved. Raises ``BadCron``."""
    text = NICKNAMES.get(expression.strip().lower(), " ".join(expression.split()))
    if text.startswith("@"):
        raise BadCron(f"there is no nickname '{text}'; there are {', '.join(NICKNAMES)}")
    if (fields := len(text.split())) != len(FIELDS.split()):
        raise BadCron(f"a cron expression has five fields, this has {fields}")
    try:
        never = next(CronSim(text, datetime(2024, 1, 1)), None) is None  # noqa: DTZ001 - whether it fires depends on no zone
    except CronSimError as error:
        said = str(error)
        raise BadCron(
            f"the field {said.removeprefix('Bad ')} is not right" if said.startswith("Bad ") else said
        ) from None
    if never:
        raise BadCron("it fires on no day of the calendar")
    return text


def _after(expression: str, name: str, moment: float) -> float | None:
    # a moment between two seconds belongs to the earlier one
    start = math.floor(moment)
    if name == "UTC":
        return _next(expression, UTC, start, moment)
    zone = ZoneInfo(name)
    found = _next(expression, zone, start, moment)
    if found is None or not _by_real_time(expression):
        return found
    # The library goes from hour to hour. Where a clock is set by half an hour it comes out between two of them, and
    # passes moments by; so it is asked again from where the clock was set, and from the whole hour after that.
    before = max(start - 3600, found - _TWO_DAYS)
    if _offset(zone, before) == _offset(zone, found):
        return found
    changed = _change(zone, before, found)
    local = datetime.fromtimestamp(changed, zone)
    hour = changed + -(local.minute * 60 + local.second) % 3600
    again = [_next(expression, zone, at - 1, max(moment, at - 1)) for at in (changed, hour)]
    return min(at for at in (found, *again) if at is not None)


def _by_real_time(expression: str) -> bool:
    minute, hour, *_ = expression.split()
    return minute.startswith("*") or hour.startswith("*")


def _next(expression: str, zone: tzinfo, start: float, moment: float) -> float | None:
    for at in CronSim(expression, datetime.fromtimestamp(start, zone)):
        seconds = at.timestamp()
        # in the second of two hours of the same name, the library begins with moments of the first
        if seconds > moment:
            return seconds
    return None


def _offset(zone: tzinfo, moment: float) -> timedelta | None:
    return datetime.fromtimestamp(moment, zone).utcoffset()


def _change(zone: tzinfo, low: float, high: float) -> float:
    """The first second of the offset that is in force at ``high``; at ``low`` it is another."""
    offset, low, high = _offset(zone, high), math.floor(low), math.ceil(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _offset(zone, middle) == offset else (middle, high)
    return high


def changed_hours(zone: str, since: float) -> Iterator[tuple[datetime, datetime]]:
    """The hours of a zone's clocks that are left out or come twice, in the 400 days from a moment on.

    :returns: where they begin and end, without a zone.
    """
    info = ZoneInfo(zone)
    for day in range(400):
        low, high = since + day * 86_400.0, since + (day + 1) * 86_400.0
        if _offset(info, low) == _offset(info, high):
            continue
        changed = _change(info, low, high)
        at = datetime.fromtimestamp(changed, UTC).replace(tzinfo=None)
        before, after = (at + (_offset(info, moment) or timedelta()) for moment in (changed - 1, changed))
        yield min(before, after), max(before, after)


def hour_of_change(expression: str, zone: str, since: float) -> str | None:
    """The time of day at which an expression fires when its zone's clocks are changed, such as ``02:30``.

    None: it never fires then, or goes by real time, so that nothing is left out and nothing comes twice.
    """
    if _by_real_time(expression):
        return None
    found = []
    for start, end in changed_hours(zone, since):
        first = next(CronSim(expression, start - timedelta(seconds=1)), None)
        if first is not None and first < end:
            found.append(first.strftime("%H:%M"))
    return min(found, default=None)


def odd_moment(text: str, zone: str) -> bool | None:
    """Whether an ISO time without an offset comes twice in a zone (True) or is left out (False); None: neither."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if at.tzinfo is not None:
        return None
    local = at.replace(tzinfo=ZoneInfo(zone))
    offsets = local.utcoffset(), local.replace(fold=1).utcoffset()
    if offsets[0] == offsets[1] or offsets[0] is None or offsets[1] is None:
        return None
    return offsets[1] < offsets[0]


def moments(timetable: Timetable, after: float, until: float = _NEVER) -> Iterator[float]:
    """The moments later than ``after``, up to ``until``."""
    at = timetable.after(after)
    while at is not None and at <= until:
        yield at
        at = timetable.after(at)


def newest(timetable: Timetable, after: float, until: float, most: int) -> list[float]:
    """The last ``most`` moments later than ``after`` and up to ``until``, in order. Earlier ones cost nothing."""
    step = _FIRST_STEP
    while True:
        start = max(after, until - step)
        found = deque(moments(timetable, start, until), most)
        if len(found) == most or start == after:
            return list(found)
        step *= 4


def count(timetable: Timetable, after: float, before: float) -> tuple[int, bool]:
    """How many moments lie between two others; and whether there may be more, because they were not all counted."""
    if isinstance(timetable, Every):
        last = math.ceil((before - timetable.offset) / timetable.seconds) - 1
        return max(0, last - math.floor((after - timetable.offset) / timetable.seconds)), False
    number = sum(at < before for at in islice(moments(timetable, after, before), MOST_COUNTED))
    return number, number == MOST_COUNTED


def show_moment(moment: float, zone: str) -> str:
    """A moment in ISO 8601, in a time zone."""
    at = datetime.fromtimestamp(moment, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if zone == "UTC" else at.astimezone(ZoneInfo(zone)).isoformat()


def read_moment(text: str, zone: str) -> float | None:
    """A moment in ISO 8601, with its offset or in the time zone; None: the text is none.

    A local time that is left out in spring is later by the length of the gap; of one that comes twice the first counts.
    """
    try:
        found = datetime.fromisoformat(text)
        if len(text) < len("2024-03-05T09"):
            return None
        found = found if found.tzinfo is not None else found.replace(tzinfo=ZoneInfo(zone))
        # at the ends of the calendar a moment may have no name in UTC
        at = found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return float((at - timedelta(microseconds=at.microsecond)).timestamp())
