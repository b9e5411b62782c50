"""Dates: ISO 8601 texts; results in UTC, to the millisecond, so that they compare right as texts."""

from __future__ import annotations

import calendar
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

from engine.scenario.expressions.declare import (
    Function,
    Refused,
    array,
    define,
    integer,
    number,
    text,
)
from engine.scenario.expressions.library import moments, tokens
from engine.scenario.expressions.library.moments import check_zone, show
from engine.sdk.functions import Parameter

_LENGTHS = {"seconds": 1, "minutes": 60, "hours": 3600}
_DIFFERENCES = ("milliseconds", "seconds", "minutes", "hours", "days", "weeks", "months", "quarters", "years")
_UNITS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
#: no date is that many of any unit from another
_MOST = 10**15


def _elapsed(unit: str) -> Callable[[str, int, str], str]:
    """Elapsed time: clocks that are set in between do not count."""

    def run(date: str, count: int, local: str) -> str:
        by = moments.span(seconds=_sane(count) * _LENGTHS[unit])
        moment = moments.read(date, moments.in_zone(local, 2))
        return show(moments.later(moment, by))

    return run


def _sane(count: int, argument: int = 1) -> int:
    if abs(count) > _MOST:
        raise Refused("the date is beyond the years 1 to 9999", argument)
    return count


def _add_days(days: int) -> Callable[[str, int, str], str]:
    def run(date: str, count: int, local: str) -> str:
        by = moments.span(days=_sane(count) * days)
        return _walled(date, local, lambda wall: moments.later(wall, by))

    return run


def _add_months(months: int) -> Callable[[str, int, str], str]:
    def run(date: str, count: int, local: str) -> str:
        return _walled(date, local, lambda wall: add_months(wall, _sane(count) * months))

    return run


def add_months(wall: datetime, months: int) -> datetime:
    """So many months later; the last day of a month that has not so many days."""
    year, month = divmod(wall.year * 12 + wall.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise moments.out_of_range()
    return wall.replace(year=year, month=month + 1, day=min(wall.day, calendar.monthrange(year, month + 1)[1]))


def _walled(date: str, local: str, change: Callable[[datetime], datetime], argument: int = 2) -> str:
    """Change what the clocks of the zone show."""
    its = moments.in_zone(local, argument)
    changed = change(moments.wall(moments.read(date, its), its))
    return show(moments.at(changed, its, changed.fold))


def _set_time(unit: str) -> Callable[[str, int, str], str]:
    def run(date: str, value: int, local: str) -> str:
        def change(wall: datetime) -> datetime:
            by = moments.span(**{f"{unit}s": _sane(value)})
            return moments.later(wall.replace(**{unit: 0}), by)  # type: ignore[arg-type]  # hour, minute or second

        return _walled(date, local, change)

    return run


def _set_day_of_month(date: str, day: int, local: str) -> str:
    return _walled(date, local, lambda wall: moments.later(wall.replace(day=1), moments.span(days=_sane(day) - 1)))


def _by_name(value: Any, names: tuple[str, ...], what: str) -> int:
    """A number from 1, or an English name."""
    if isinstance(value, str):
        found = [n for n, name in enumerate(names, 1) if len(value) >= 3 and name.lower().startswith(value.lower())]
        if not found:
            raise Refused(f"there is no {what} '{value}'", 1, f"write {names[0]}, or 1 for it")
        return found[0]
    return _sane(int(value))


def _check_weekday(value: Any) -> None:
    _by_name(value, tokens.WEEKDAYS, "weekday")


def _check_month(value: Any) -> None:
    _by_name(value, tokens.MONTHS, "month")


def _set_day_of_week(date: str, day: Any, local: str) -> str:
    wanted = _by_name(day, tokens.WEEKDAYS, "weekday")
    return _walled(date, local, lambda wall: moments.later(wall, moments.span(days=wanted - wall.isoweekday())))


def _set_month(date: str, month: Any, local: str) -> str:
    wanted = _by_name(month, tokens.MONTHS, "month")
    return _walled(date, local, lambda wall: add_months(wall, wanted - wall.month))


def _set_year(date: str, year: int, local: str) -> str:
    return _walled(date, local, lambda wall: add_months(wall, (_sane(year) - wall.year) * 12))


def _start(wall: datetime, unit: str) -> datetime:
    if unit == "week":
        wall = moments.later(wall, -timedelta(days=wall.weekday()))
    day = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    match unit:
        case "second":
            return wall.replace(microsecond=0)
        case "minute":
            return wall.replace(second=0, microsecond=0)
        case "hour":
            return wall.replace(minute=0, second=0, microsecond=0)
        case "month":
            return day.replace(day=1)
        case "quarter":
            return day.replace(month=(wall.month - 1) // 3 * 3 + 1, day=1)
        case "year":
            return day.replace(month=1, day=1)
        case _:
            return day


def _start_of(date: str, unit: str, local: str) -> str:
    return _walled(date, local, lambda wall: _start(wall, unit))


def _end_of(date: str, unit: str, local: str) -> str:
    def end(wall: datetime) -> datetime:
        start = _start(wall, unit)
        months = {"month": 1, "quarter": 3, "year": 12}.get(unit)
        if months:
            last = add_months(start, months - 1)
            last = last.replace(day=calendar.monthrange(last.year, last.month)[1])
        else:
            last = moments.later(start, timedelta(days=6)) if unit == "week" else start
        if unit in ("day", "week", "month", "quarter", "year"):
            last = last.replace(hour=23)
        if unit not in ("second", "minute"):
            last = last.replace(minute=59)
        if unit != "second":
            last = last.replace(second=59)
        return last.replace(microsecond=999_000)

    return _walled(date, local, end)


def _whole(first: timedelta, unit: timedelta) -> int:
    """How many whole units, towards 0."""
    return first // unit if first >= timedelta(0) else -(-first // unit)


def _difference(later: str, earlier: str, unit: str, local: str) -> int:
    its = moments.in_zone(local, 3)
    a, b = moments.read(later, its), moments.read(earlier, its, 1)
    if unit in ("milliseconds", "seconds", "minutes", "hours"):
        return _whole(a - b, timedelta(**{unit: 1}))
    first, second = moments.wall(a, its).replace(fold=0), moments.wall(b, its).replace(fold=0)
    if unit in ("days", "weeks"):
        return _whole(first - second, timedelta(**{unit: 1}))
    months = (first.year - second.year) * 12 + first.month - second.month
    if months > 0 and add_months(second, months) > first:
        months -= 1
    elif months < 0 and add_months(second, months) < first:
        months += 1
    per = {"months": 1, "quarters": 3, "years": 12}[unit]
    return months // per if months >= 0 else -(-months // per)


def _part(read: Callable[[datetime], int]) -> Callable[[str, str], int]:
    def run(date: str, local: str) -> int:
        its = moments.in_zone(local, 1)
        return read(moments.wall(moments.read(date, its), its))

    return run


def _days_in_split_week(wall: datetime) -> int:
    monday = wall.day - wall.weekday()
    last = calendar.monthrange(wall.year, wall.month)[1]
    return min(monday + 6, last) - max(monday, 1) + 1


def _format(date: str, form: str, local: str) -> str:
    its = moments.in_zone(local, 2)
    return tokens.write(moments.read(date, its), form, its)


def _parse(written: str, form: str, local: str) -> str:
    return show(tokens.parse(written, form, moments.in_zone(local, 2)))


def _to_date(written: str, local: str) -> str:
    return show(moments.read(written, moments.in_zone(local, 1)))


def _is_date(value: Any, form: str | None) -> bool:
    if not isinstance(value, str):
        return False
    if form is not None:
        tokens.check_parsing(form)
    try:
        if form is None:
            moments.read(value)
        else:
            tokens.parse(value, form, UTC)
    except Refused:
        return False
    return True


def _in_zone(date: str, local: str) -> str:
    its = moments.in_zone(local, 1)
    moment = moments.read(date, its)
    # ISO 8601 has offsets of whole minutes; those of long ago had seconds
    ahead = moments.wall(moment, its) - moment.replace(tzinfo=None)
    whole = timezone(timedelta(minutes=round(ahead.total_seconds() / 60)))
    wall = moments.wall(moment, whole).replace(fold=0)
    return f"{wall.isoformat(timespec='milliseconds')}{tokens.write(moment, 'Z', whole)}"


def _choose(choose: Callable[..., datetime]) -> Callable[[list[str]], str | None]:
    def run(dates: list[str]) -> str | None:
        return show(choose(moments.read(date) for date in dates)) if dates else None

    return run


def _from_timestamp(seconds: float) -> str:
    try:
        return show(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
    except OverflowError:
        hint = "milliseconds are divided by 1000" if abs(seconds) > 253402300799 else None
        raise Refused("the date is beyond the years 1 to 9999", 0, hint) from None


def _to_timestamp(date: str, local: str) -> int:
    its: tzinfo = moments.in_zone(local, 1)
    return (moments.read(date, its) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


_DATE = text("date")
ZONE = text("zone", "UTC", check=check_zone)
_UNIT = text("unit", choices=_UNITS)
_DAY = Parameter("day", ("integer", "string"), check=_check_weekday)
_MONTH = Parameter("month", ("integer", "string"), check=_check_month)
_FORMAT = text("format", check=tokens.check_format)
_READING = text("format", check=tokens.check_parsing)
_AT = "2026-01-02T03:04:05.678Z"


def _adding(name: str, run: Callable[..., str], doc: str, result: str) -> Function:
    return define(name, (_DATE, integer("count"), ZONE), "string", doc, run, (f"{name}('{_AT}', 1)", {}, result))


def _reading(name: str, doc: str, read: Callable[[datetime], int], result: Any, returns: str = "integer") -> Function:
    return define(name, (_DATE, ZONE), returns, doc, _part(read), (f"{name}('{_AT}')", {}, result))


def _setting(name: str, value: Parameter, doc: str, run: Callable[..., str], given: Any, result: str) -> Function:
    example: tuple[str, Any, Any] = (f"{name}('{_AT}', {given!r})", {}, result)
    return define(name, (_DATE, value, ZONE), "string", doc, run, example)


_CARRIES = "what is too much carries over."

FUNCTIONS: tuple[Function, ...] = (
    define(
        "format_date",
        (_DATE, _FORMAT, ZONE),
        "string",
        "The date in a format, as the clocks of a zone show it.",
        _format,
        ("format_date('2026-01-02T03:04:05Z', 'DD.MM.YYYY HH:mm', 'Europe/Berlin')", {}, "02.01.2026 04:04"),
        ("format_date('2026-01-02', 'dddd, Do MMMM [at] h a')", {}, "Friday, 2nd January at 12 am"),
    ),
    define(
        "parse_date",
        (text(), _READING, ZONE),
        "string",
        "The date that a text tells in a format; without an offset, on the clocks of the zone.",
        _parse,
        ("parse_date('02.01.2026 04:04', 'DD.MM.YYYY HH:mm', 'Europe/Berlin')", {}, "2026-01-02T03:04:00.000Z"),
        ("parse_date('1767323045', 'X')", {}, "2026-01-02T03:04:05.000Z"),
    ),
    define(
        "to_date",
        (text(), ZONE),
        "string",
        "A date of ISO 8601 as all date functions give it: in UTC, to the millisecond. So texts compare right.",
        _to_date,
        ("to_date('2026-01-02T03:04:05+02:00')", {}, "2026-01-02T01:04:05.000Z"),
        ("to_date('2026-01-02', 'America/New_York')", {}, "2026-01-02T05:00:00.000Z"),
    ),
    define(
        "in_zone",
        (_DATE, text("zone", check=check_zone)),
        "string",
        "The date as ISO 8601 with the clock and the offset of a zone, for systems that want it so.",
        _in_zone,
        ("in_zone('2026-01-02T03:04:05Z', 'Europe/Berlin')", {}, "2026-01-02T04:04:05.000+01:00"),
    ),
    define(
        "is_date",
        (Parameter("value"), text("format", None, check=tokens.check_parsing)),
        "boolean",
        "Whether it is a text that `to_date` can read, or `parse_date` in the format.",
        _is_date,
        ("is_date('2026-02-30')", {}, False),
        ("is_date('28/02/2026', 'DD/MM/YYYY')", {}, True),
    ),
    define(
        "to_timestamp",
        (_DATE, ZONE),
        "integer",
        "Unix seconds.",
        _to_timestamp,
        ("to_timestamp('2026-01-02T03:04:05Z')", {}, 1767323045),
    ),
    define(
        "from_timestamp",
        (number("seconds"),),
        "string",
        "The date of Unix seconds.",
        _from_timestamp,
        ("from_timestamp(1767323045)", {}, "2026-01-02T03:04:05.000Z"),
        ("from_timestamp(ms / 1000)", {"ms": 1767323045678}, "2026-01-02T03:04:05.678Z"),
    ),
    _adding(
        "add_seconds", _elapsed("seconds"), "So many seconds later; if negative, earlier.", "2026-01-02T03:04:06.678Z"
    ),
    _adding("add_minutes", _elapsed("minutes"), "So many minutes later.", "2026-01-02T03:05:05.678Z"),
    _adding("add_hours", _elapsed("hours"), "So many hours later, of elapsed time.", "2026-01-02T04:04:05.678Z"),
    _adding(
        "add_days",
        _add_days(1),
        "So many days later, at the same time by the zone's clocks.",
        "2026-01-03T03:04:05.678Z",
    ),
    _adding(
        "add_weeks",
        _add_days(7),
        "So many weeks later, at the same time by the zone's clocks.",
        "2026-01-09T03:04:05.678Z",
    ),
    _adding(
        "add_months",
        _add_months(1),
        "So many months later; the last day of a month that is too short.",
        "2026-02-02T03:04:05.678Z",
    ),
    _adding(
        "add_years", _add_months(12), "So many years later; 29 February becomes the 28th.", "2027-01-02T03:04:05.678Z"
    ),
    _setting(
        "set_second",
        integer("second"),
        f"With another second; {_CARRIES}",
        _set_time("second"),
        61,
        "2026-01-02T03:05:01.678Z",
    ),
    _setting(
        "set_minute",
        integer("minute"),
        f"With another minute; {_CARRIES}",
        _set_time("minute"),
        0,
        "2026-01-02T03:00:05.678Z",
    ),
    _setting(
        "set_hour", integer("hour"), f"With another hour; {_CARRIES}", _set_time("hour"), 9, "2026-01-02T09:04:05.678Z"
    ),
    _setting(
        "set_day_of_month",
        integer("day"),
        "With another day of the month; what is too much carries over into the next.",
        _set_day_of_month,
        32,
        "2026-02-01T03:04:05.678Z",
    ),
    _setting(
        "set_day_of_week",
        _DAY,
        "That day of the same week, which begins on Monday: from 1, Monday, to 7, Sunday, or its English name.",
        _set_day_of_week,
        "Sunday",
        "2026-01-04T03:04:05.678Z",
    ),
    _setting(
        "set_month",
        _MONTH,
        "With another month, from 1 to 12 or its English name; what is too much carries over.",
        _set_month,
        "March",
        "2026-03-02T03:04:05.678Z",
    ),
    _setting("set_year", integer("year"), "With another year.", _set_year, 2024, "2024-01-02T03:04:05.678Z"),
    define(
        "start_of",
        (_DATE, _UNIT, ZONE),
        "string",
        "The beginning of the second, minute, hour, day, week (Monday), month, quarter or year.",
        _start_of,
        ("start_of('2026-05-20T10:00:00Z', 'month')", {}, "2026-05-01T00:00:00.000Z"),
        ("start_of('2026-05-20T23:30:00Z', 'day', 'Europe/Berlin')", {}, "2026-05-20T22:00:00.000Z"),
    ),
    define(
        "end_of",
        (_DATE, _UNIT, ZONE),
        "string",
        "The last millisecond of the second, minute, hour, day, week, month, quarter or year.",
        _end_of,
        ("end_of('2026-02-10', 'month')", {}, "2026-02-28T23:59:59.999Z"),
    ),
    define(
        "date_difference",
        (text("later"), text("earlier"), text("unit", choices=_DIFFERENCES), ZONE),
        "integer",
        "How many whole units it is from `earlier` to `later`, negative where it is the other way round. Days and "
        "longer units go by the clocks of the zone.",
        _difference,
        ("date_difference('2026-03-01', '2026-01-02', 'days')", {}, 58),
        ("date_difference('2026-01-02', '2024-01-03', 'years')", {}, 1),
    ),
    define(
        "date_max",
        (array("dates", "string"),),
        "string|null",
        "The latest date, whatever offsets they are written with; null for an empty list.",
        _choose(max),
        ("date_max(['2026-01-02T00:00:00+05:00', '2026-01-01T20:00:00Z'])", {}, "2026-01-01T20:00:00.000Z"),
    ),
    define(
        "date_min",
        (array("dates", "string"),),
        "string|null",
        "The earliest date, whatever offsets they are written with; null for an empty list.",
        _choose(min),
        ("date_min(['2026-01-02T00:00:00+05:00', '2026-01-01T20:00:00Z'])", {}, "2026-01-01T19:00:00.000Z"),
    ),
    _reading("year", "The year.", lambda wall: wall.year, 2026),
    _reading("quarter", "The quarter, from 1 to 4.", tokens.quarter, 1),
    _reading("month", "The month, from 1 to 12.", lambda wall: wall.month, 1),
    _reading("week", "The week of ISO 8601, from 1 to 53.", lambda wall: wall.isocalendar().week, 1),
    _reading("day_of_month", "The day of the month, from 1 to 31.", lambda wall: wall.day, 2),
    _reading("day_of_week", "The weekday, from 1, Monday, to 7, Sunday.", datetime.isoweekday, 5),
    _reading("day_of_year", "The day of the year, from 1 to 366.", tokens.day_of_year, 2),
    _reading("hour", "The hour, from 0 to 23.", lambda wall: wall.hour, 3),
    _reading("minute", "The minute, from 0 to 59.", lambda wall: wall.minute, 4),
    _reading("second", "The second, from 0 to 59.", lambda wall: wall.second, 5),
    _reading(
        "days_in_month", "The days of the date's month.", lambda wall: calendar.monthrange(wall.year, wall.month)[1], 31
    ),
    _reading("days_in_year", "The days of the date's year.", lambda wall: 365 + calendar.isleap(wall.year), 365),
    _reading(
        "days_in_split_week",
        "The days that the date's week, from Monday on, has in the date's month.",
        _days_in_split_week,
        4,
    ),
)
