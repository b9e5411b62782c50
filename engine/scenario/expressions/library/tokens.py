"""Formats of dates: tokens as authors know them, ``YYYY-MM-DD HH:mm``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from engine.scenario.expressions.declare import Refused
from engine.scenario.expressions.library import moments

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October"),
    *("November", "December"),
)
#: as ISO 8601 counts them
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MAX_FORMAT = 200
_TOKEN = re.compile(
    r"\[([^\]]*)\]|(YYYY|YY|Y|Qo|Q|MMMM|MMM|MM|Mo|M|DDDD|DDDo|DDD|DD|Do|D|dddd|ddd|dd|do|d|E|wo|ww|w|Wo|WW|W"
    r"|gggg|gg|GGGG|GG|HH|H|hh|h|kk|k|A|a|mm|m|ss|s|S{1,9}|ZZ|Z|X|x)|([A-Za-z]+)|([^A-Za-z\[]+|\[)"
)
#: what authors of other tools write
_ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {"y": "YYYY", "yy": "YY", "yyyy": "YYYY", "e": "E", "EEE": "ddd", "EEEE": "dddd", "n": "m", "i": "mm", "f": "SSS"}
)


class Shown(NamedTuple):
    """A point in time that is to be written.

    :param wall: what the clocks of the zone show.
    :param moment: the point in time itself.
    :param ahead: how far the zone is ahead of UTC.
    """

    wall: datetime
    moment: datetime
    ahead: timedelta


def ordinal(number: int) -> str:
    """``1st``, ``2nd``, ``3rd``, ``4th``, ``11th``."""
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def quarter(day: datetime) -> int:
    return (day.month - 1) // 3 + 1


def day_of_year(day: datetime) -> int:
    return day.timetuple().tm_yday


def _sunday(day: datetime) -> int:
    """The weekday from Sunday, 0, to Saturday, 6."""
    return day.isoweekday() % 7


def _us_week(day: datetime) -> tuple[int, int]:
    """Year and week where weeks begin on Sunday, and the first is that of 1 January."""
    saturday = day.toordinal() + 6 - _sunday(day)
    try:
        year = datetime.fromordinal(saturday).year
    except ValueError:
        year = day.year
    first = datetime(year, 1, 1)  # noqa: DTZ001 - a day, not a time
    first_sunday = first.toordinal() - _sunday(first)
    return year, (saturday - first_sunday) // 7 + 1


def _offset(ahead: timedelta, colon: str) -> str:
    minutes = round(ahead.total_seconds() / 60)
    sign, minutes = ("-", -minutes) if minutes < 0 else ("+", minutes)
    return f"{sign}{minutes // 60:02d}{colon}{minutes % 60:02d}"


def _stamp(moment: datetime) -> timedelta:
    return moment - datetime(1970, 1, 1, tzinfo=UTC)


def _seconds(shown: Shown) -> str:
    return str(_stamp(shown.moment) // timedelta(seconds=1))


def _milliseconds(shown: Shown) -> str:
    return str(_stamp(shown.moment) // timedelta(milliseconds=1))


class Token(NamedTuple):
    """A token of a format.

    :param doc: what it stands for, with an example.
    :param write: the text for a point in time.
    :param pattern: what it reads; None: it cannot be read.
    """

    doc: str
    write: Callable[[Shown], str]
    pattern: str | None = None


def _names(names: tuple[str, ...], letters: int | None = None) -> str:
    return "|".join(name[:letters] for name in names)


TOKENS: Mapping[str, Token] = MappingProxyType(
    {
        "YYYY": Token("the year, 2026", lambda t: f"{t.wall.year:04d}", r"\d{4}"),
        "YY": Token("the year, 26; 69 to 99 are read as 1969 to 1999", lambda t: f"{t.wall.year % 100:02d}", r"\d{2}"),
        "Y": Token("the year, without zeros before it, 2026", lambda t: str(t.wall.year), r"\d{1,4}"),
        "Q": Token("the quarter, 1", lambda t: str(quarter(t.wall))),
        "Qo": Token("the quarter, 1st", lambda t: ordinal(quarter(t.wall))),
        "M": Token("the month, 1", lambda t: str(t.wall.month), r"\d{1,2}"),
        "Mo": Token("the month, 1st", lambda t: ordinal(t.wall.month), r"\d{1,2}(?:st|nd|rd|th)"),
        "MM": Token("the month, 01", lambda t: f"{t.wall.month:02d}", r"\d{2}"),
        "MMM": Token("the month, Jan", lambda t: MONTHS[t.wall.month - 1][:3], _names(MONTHS, 3)),
        "MMMM": Token("the month, January", lambda t: MONTHS[t.wall.month - 1], _names(MONTHS)),
        "D": Token("the day, 2", lambda t: str(t.wall.day), r"\d{1,2}"),
        "Do": Token("the day, 2nd", lambda t: ordinal(t.wall.day), r"\d{1,2}(?:st|nd|rd|th)"),
        "DD": Token("the day, 02", lambda t: f"{t.wall.day:02d}", r"\d{2}"),
        "DDD": Token("the day of the year, 2", lambda t: str(day_of_year(t.wall)), r"\d{1,3}"),
        "DDDo": Token("the day of the year, 2nd", lambda t: ordinal(day_of_year(t.wall))),
        "DDDD": Token("the day of the year, 002", lambda t: f"{day_of_year(t.wall):03d}", r"\d{3}"),
        "d": Token("the weekday from Sunday, 0, to Saturday, 6: 5", lambda t: str(_sunday(t.wall))),
        "do": Token("the same, 5th", lambda t: ordinal(_sunday(t.wall))),
        "dd": Token("the weekday, Fr", lambda t: WEEKDAYS[t.wall.weekday()][:2], _names(WEEKDAYS, 2)),
        "ddd": Token("the weekday, Fri", lambda t: WEEKDAYS[t.wall.weekday()][:3], _names(WEEKDAYS, 3)),
        "dddd": Token("the weekday, Friday", lambda t: WEEKDAYS[t.wall.weekday()], _names(WEEKDAYS)),
        "E": Token("the weekday from Monday, 1, to Sunday, 7: 5", lambda t: str(t.wall.isoweekday())),
        "w": Token("the week; weeks begin on Sunday, the first has 1 January: 1", lambda t: str(_us_week(t.wall)[1])),
        "wo": Token("the same, 1st", lambda t: ordinal(_us_week(t.wall)[1])),
        "ww": Token("the same, 01", lambda t: f"{_us_week(t.wall)[1]:02d}"),
        "W": Token("the week of ISO 8601, 1", lambda t: str(t.wall.isocalendar().week)),
        "Wo": Token("the same, 1st", lambda t: ordinal(t.wall.isocalendar().week)),
        "WW": Token("the same, 01", lambda t: f"{t.wall.isocalendar().week:02d}"),
        "gg": Token("the year that the week `w` belongs to, 26", lambda t: f"{_us_week(t.wall)[0] % 100:02d}"),
        "gggg": Token("the same, 2026", lambda t: f"{_us_week(t.wall)[0]:04d}"),
        "GG": Token("the year that the week `W` belongs to, 26", lambda t: f"{t.wall.isocalendar().year % 100:02d}"),
        "GGGG": Token("the same, 2026", lambda t: f"{t.wall.isocalendar().year:04d}"),
        "H": Token("the hour from 0 to 23: 3", lambda t: str(t.wall.hour), r"\d{1,2}"),
        "HH": Token("the same, 03", lambda t: f"{t.wall.hour:02d}", r"\d{2}"),
        "h": Token("the hour from 1 to 12: 3", lambda t: str(t.wall.hour % 12 or 12), r"\d{1,2}"),
        "hh": Token("the same, 03", lambda t: f"{t.wall.hour % 12 or 12:02d}", r"\d{2}"),
        "k": Token("the hour from 1 to 24: 3", lambda t: str(t.wall.hour or 24), r"\d{1,2}"),
        "kk": Token("the same, 03", lambda t: f"{t.wall.hour or 24:02d}", r"\d{2}"),
        "A": Token("AM or PM", lambda t: "AM" if t.wall.hour < 12 else "PM", "[AaPp][Mm]"),
        "a": Token("am or pm", lambda t: "am" if t.wall.hour < 12 else "pm", "[AaPp][Mm]"),
        "m": Token("the minute, 4", lambda t: str(t.wall.minute), r"\d{1,2}"),
        "mm": Token("the minute, 04", lambda t: f"{t.wall.minute:02d}", r"\d{2}"),
        "s": Token("the second, 5", lambda t: str(t.wall.second), r"\d{1,2}"),
        "ss": Token("the second, 05", lambda t: f"{t.wall.second:02d}", r"\d{2}"),
        **{
            "S" * n: Token(
                f"the fraction of the second, {'678000000'[:n]}",
                lambda t, n=n: f"{t.wall.microsecond:06d}000"[:n],  # type: ignore[misc]  # n is bound, not given
                rf"\d{{{n}}}",
            )
            for n in range(1, 10)
        },
        "Z": Token("the offset from UTC, +01:00", lambda t: _offset(t.ahead, ":"), r"Z|[+-]\d\d:?\d\d"),
        "ZZ": Token("the offset from UTC, +0100", lambda t: _offset(t.ahead, ""), r"Z|[+-]\d\d:?\d\d"),
        "X": Token(
            "Unix seconds, 1767323045",
            lambda t: str(_stamp(t.moment) // timedelta(seconds=1)),
            r"-?\d{1,12}(?:\.\d{1,6})?",
        ),
        "x": Token(
            "Unix milliseconds, 1767323045678",
            lambda t: str(_stamp(t.moment) // timedelta(milliseconds=1)),
            r"-?\d{1,15}",
        ),
    }
)

#: what a token reads; a format that reads the same twice is a mistake
_READS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("YYYY", "YY", "Y"), "year"),
        **dict.fromkeys(("M", "Mo", "MM", "MMM", "MMMM"), "month"),
        **dict.fromkeys(("D", "Do", "DD"), "day"),
        **dict.fromkeys(("DDD", "DDDD"), "yearday"),
        **dict.fromkeys(("dd", "ddd", "dddd"), "weekday"),
        **dict.fromkeys(("H", "HH", "h", "hh", "k", "kk"), "hour"),
        **dict.fromkeys(("A", "a"), "half"),
        **dict.fromkeys(("m", "mm"), "minute"),
        **dict.fromkeys(("s", "ss"), "second"),
        **{"S" * n: "fraction" for n in range(1, 10)},
        **dict.fromkeys(("Z", "ZZ"), "offset"),
        "X": "seconds",
        "x": "milliseconds",
    }
)


@lru_cache(256)
def _pieces(form: str, argument: int) -> tuple[tuple[str, bool], ...]:
    """Texts, each with whether it is a token."""
    if len(form) > _MAX_FORMAT:
        raise Refused(f"a format has at most {_MAX_FORMAT} characters", argument)
    pieces: list[tuple[str, bool]] = []
    for found in _TOKEN.finditer(form):
        quoted, token, letters, other = found.groups()
        if token is not None:
            pieces.append((token, True))
        elif letters is not None and letters[0] != "T":
            word = next(one[0] for one in re.finditer(r"[A-Za-z]+", form) if one.end() > found.start(3))
            meant = _ELSEWHERE.get(word) or _ELSEWHERE.get(letters)
            hint = f"write {meant}" if meant else f"text stands in brackets: [{word}]"
            raise Refused(f"`{word}` means nothing in a format", argument, hint)
        elif letters is not None:
            # the T between day and time; what follows it may be a token
            pieces.append(("T", False))
            if len(letters) > 1:
                pieces.extend(_pieces(letters[1:], argument))
        else:
            pieces.append((other if other is not None else quoted, False))
    return tuple(pieces)


def check_format(form: str) -> None:
    """Raises ``Refused`` where a format for writing cannot be read."""
    _pieces(form, 1)


def check_parsing(form: str) -> None:
    """Raises ``Refused`` where a format for reading cannot be read."""
    _reader(form)


def write(moment: datetime, form: str, local: tzinfo) -> str:
    """A point in time in a format and a zone."""
    wall = moments.wall(moment, local)
    shown = Shown(wall, moment, wall - moment.replace(tzinfo=None))
    return "".join(TOKENS[piece].write(shown) if is_token else piece for piece, is_token in _pieces(form, 1))


@lru_cache(256)
def _reader(form: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """A pattern with a group for each token, and the tokens."""
    parts: list[str] = []
    tokens: list[str] = []
    seen: set[str] = set()
    for piece, is_token in _pieces(form, 1):
        if not is_token:
            parts.append(re.escape(piece))
            continue
        pattern = TOKENS[piece].pattern
        if pattern is None:
            raise Refused(f"`{piece}` can be written, but not read", 1)
        what = _READS[piece]
        if what in seen:
            raise Refused(f"the format has the {what} twice, at `{piece}`", 1)
        seen.add(what)
        tokens.append(piece)
        parts.append(f"({pattern})")
    if not seen & {"year", "seconds", "milliseconds"}:
        raise Refused("a format to read a date has at least the year", 1, "write YYYY, or X for Unix seconds")
    return re.compile("".join(parts), re.IGNORECASE | re.ASCII), tuple(tokens)


def parse(written: str, form: str, local: tzinfo) -> datetime:
    """The point in time that a text tells in a format; where it names no offset, on the clocks of the zone.

    :raises Refused: the text does not fit the format, or is no date.
    """
    pattern, tokens = _reader(form)
    found = pattern.fullmatch(written.strip())
    if found is None:
        raise Refused(f"the text is not of the form {form}", 0)
    told = {_READS[token]: value for token, value in zip(tokens, found.groups(), strict=True)}
    try:
        if "seconds" in told or "milliseconds" in told:
            return _from_stamp(told)
        naive = _naive(told, tokens)
    except (ValueError, OverflowError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused(f"there is no such date: {error}", 0) from None
    if "weekday" in told and not WEEKDAYS[naive.weekday()].lower().startswith(told["weekday"].lower()):
        raise Refused(f"that day is a {WEEKDAYS[naive.weekday()]}", 0)
    if "offset" in told:
        its = moments.offset(told["offset"]) if told["offset"] not in "Zz" else UTC
        if its is None:
            raise Refused(f"'{told['offset']}' is no offset", 0)
        return moments.at(naive, its)
    return moments.at(naive, local)


def _from_stamp(told: Mapping[str, str]) -> datetime:
    start = datetime(1970, 1, 1, tzinfo=UTC)
    if "milliseconds" in told:
        return start + timedelta(milliseconds=int(told["milliseconds"]))
    whole, _, fraction = told["seconds"].partition(".")
    micro = int(fraction.ljust(6, "0")) if fraction else 0
    return start + timedelta(seconds=int(whole), microseconds=-micro if whole.startswith("-") else micro)


def _naive(told: Mapping[str, str], tokens: tuple[str, ...]) -> datetime:
    year = int(told["year"])
    if "YY" in tokens:
        year += 1900 if year >= 69 else 2000
    day = datetime(year, _month(told.get("month", "1")), _number(told.get("day", "1")))  # noqa: DTZ001 - put on later
    if "yearday" in told:
        day = datetime(year, 1, 1) + timedelta(days=int(told["yearday"]) - 1)  # noqa: DTZ001 - put on later
        if day.year != year:
            raise Refused(f"the year {year} has no day {told['yearday']}", 0)
    return day.replace(
        hour=_hour(int(told.get("hour", "0")), told.get("half", ""), tokens),
        minute=int(told.get("minute", "0")),
        second=int(told.get("second", "0")),
        microsecond=int(told.get("fraction", "0").ljust(6, "0")[:6]),
    )


def _number(written: str) -> int:
    return int(re.sub(r"\D", "", written))


def _month(written: str) -> int:
    if written[0].isdigit():
        return _number(written)
    return next(n for n, name in enumerate(MONTHS, 1) if name.lower().startswith(written.lower()))


def _hour(hour: int, half: str, tokens: tuple[str, ...]) -> int:
    if any(token in tokens for token in ("k", "kk")):
        if not 1 <= hour <= 24:
            raise Refused("hours go from 1 to 24", 0)
        return hour % 24
    if any(token in tokens for token in ("h", "hh")):
        if not 1 <= hour <= 12:
            raise Refused("hours go from 1 to 12", 0)
        return hour % 12 + (12 if half.lower() == "pm" else 0)
    return hour
