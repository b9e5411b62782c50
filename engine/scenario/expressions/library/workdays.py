"""Weekdays and working hours. Saturday and Sunday are free, and so are the holidays that are named."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta

from engine.scenario.expressions.declare import Call, Function, Refused, define, integer, text
from engine.scenario.expressions.frame import Frame
from engine.scenario.expressions.library import moments
from engine.scenario.expressions.library.dates import ZONE
from engine.scenario.expressions.library.moments import show
from engine.sdk.functions import Parameter

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-((?:[01]\d|2[0-3]):[0-5]\d|24:00)")


def _is_weekend(moment: str, local: str) -> bool:
    its = moments.in_zone(local, 1)
    return moments.wall(moments.read(moment, its), its).weekday() >= 5


def _holidays(listed: Sequence[str], argument: int) -> frozenset[date]:
    found: set[date] = set()
    for one in listed:
        try:
            found.add(date.fromisoformat(one))
        except ValueError:
            raise Refused(f"'{one[:30]}' is no day such as 2026-12-25", argument) from None
    return frozenset(found)


def _free(day: date, holidays: frozenset[date]) -> bool:
    return day.weekday() >= 5 or day in holidays


def _next(day: date, by: int) -> date:
    try:
        return day + timedelta(days=by)
    except OverflowError:
        raise moments.out_of_range() from None


def _add_weekdays(_call: Call, frame: Frame, moment: str, count: int, local: str, listed: Sequence[str]) -> str:
    its = moments.in_zone(local, 2)
    holidays = _holidays(listed, 3)
    wall = moments.wall(moments.read(moment, its), its)
    day, by = wall.date(), 1 if count > 0 else -1
    left = abs(count)
    while left:
        frame.spend(1)
        day = _next(day, by)
        left -= not _free(day, holidays)
    moved = datetime.combine(day, wall.time())
    return show(moments.at(moved.replace(fold=wall.fold), its, wall.fold))


def _weekday_difference(_call: Call, frame: Frame, later: str, earlier: str, local: str, listed: Sequence[str]) -> int:
    its = moments.in_zone(local, 2)
    holidays = _holidays(listed, 3)
    last = moments.wall(moments.read(later, its), its).date()
    first = moments.wall(moments.read(earlier, its, 1), its).date()
    sign = 1
    if last < first:
        first, last, sign = last, first, -1
    frame.spend((last - first).days)
    return sign * sum(not _free(day, holidays) for day in _days(_next(first, 1), last))


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        if first == date.max:
            return
        first += timedelta(days=1)


def _span(hours: str, argument: int = 2) -> tuple[time, time | None]:
    """Beginning and end of a working day; the end None: midnight."""
    found = _HOURS.fullmatch(hours)
    if found is None:
        raise Refused("working hours are written like '09:00-17:30'", argument)
    start = time(int(found[1]), int(found[2]))
    end = None if found[3] == "24:00" else time.fromisoformat(found[3])
    if end is not None and end <= start:
        raise Refused("working hours end after they begin", argument)
    return start, end


def _work_minutes(
    _call: Call, frame: Frame, later: str, earlier: str, hours: str, local: str, listed: Sequence[str]
) -> int:
    its = moments.in_zone(local, 3)
    holidays = _holidays(listed, 4)
    start, end = _span(hours)
    last, first = moments.read(later, its), moments.read(earlier, its, 1)
    sign = 1
    if last < first:
        first, last, sign = last, first, -1
    worked = timedelta(0)
    days = (moments.wall(first, its).date(), moments.wall(last, its).date())
    frame.spend((days[1] - days[0]).days)
    for day in _days(*days):
        if _free(day, holidays):
            continue
        begins = moments.at(datetime.combine(day, start), its)
        ends = moments.at(datetime.combine(day if end else _next(day, 1), end or time(0)), its)
        worked += max(timedelta(0), min(ends, last) - max(begins, first))
    return sign * (worked // timedelta(minutes=1))


_DATE = text("date")
_FREE = Parameter("holidays", ("array",), ("string",), default=())
_YEAR_END = "['2026-12-25', '2027-01-01']"

FUNCTIONS: tuple[Function, ...] = (
    define(
        "is_weekend",
        (_DATE, ZONE),
        "boolean",
        "Whether it is Saturday or Sunday.",
        _is_weekend,
        ("is_weekend('2026-01-03')", {}, True),
    ),
    define(
        "add_weekdays",
        (_DATE, integer("count"), ZONE, _FREE),
        "string",
        "So many weekdays later, at the same time by the zone's clocks; negative: earlier.",
        _add_weekdays,
        ("add_weekdays('2026-01-02', 1)", {}, "2026-01-05T00:00:00.000Z"),
        (f"add_weekdays('2026-12-24', 1, 'UTC', {_YEAR_END})", {}, "2026-12-28T00:00:00.000Z"),
        inner=True,
    ),
    define(
        "weekday_difference",
        (text("later"), text("earlier"), ZONE, _FREE),
        "integer",
        "How many weekdays begin after `earlier` up to `later`; negative where it is the other way round.",
        _weekday_difference,
        ("weekday_difference('2026-01-05', '2026-01-02')", {}, 1),
        inner=True,
    ),
    define(
        "work_minutes",
        (text("later"), text("earlier"), text("hours", "09:00-17:00", check=_span), ZONE, _FREE),
        "integer",
        "The whole minutes from `earlier` to `later` that are working hours of weekdays, by the clocks of the zone.",
        _work_minutes,
        ("work_minutes('2026-01-05T10:00:00Z', '2026-01-02T16:30:00Z')", {}, 90),
        inner=True,
    ),
)
