"""Points in time: ISO 8601 texts in and out, time zones, what happens where clocks are set."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from engine.scenario.diagnostics import did_you_mean
from engine.scenario.expressions.declare import Refused

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?: ?(Z|z|[+-]\d\d(?::?\d\d)?))?)?"
)
_OFFSET = re.compile(r"([+-])(\d\d)(?::?(\d\d))?")


def offset(written: str) -> timezone | None:
    """The zone of an offset such as ``+02:00``; None where it is none."""
    found = _OFFSET.fullmatch(written)
    if found is None or int(found[2]) > 23 or int(found[3] or 0) > 59:
        return None
    minutes = int(found[2]) * 60 + int(found[3] or 0)
    return timezone(timedelta(minutes=-minutes if found[1] == "-" else minutes))


@lru_cache(128)
def zone(name: str) -> tzinfo:
    """A time zone by its name, or an offset. Raises ``Refused`` where there is none."""
    if name == "UTC" or name == "Z":
        return UTC
    found = offset(name)
    if found is not None:
        return found
    try:
        its = ZoneInfo(name)
        # names of what this machine is set to are none
        if its.key == name and name not in ("localtime", "posixrules", "Factory"):
            return its
        raise ValueError(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = did_you_mean(name, _names()) or "a name of the IANA database, such as 'Europe/Berlin', or '+02:00'"
        raise Refused(f"there is no time zone '{name[:60]}'", 0, hint) from None


@lru_cache(1)
def _names() -> tuple[str, ...]:
    return tuple(sorted(available_timezones()))


def check_zone(name: str) -> None:
    """Raises ``Refused`` where there is no such time zone."""
    zone(name)


def in_zone(name: str, argument: int) -> tzinfo:
    """The zone of an argument. Raises ``Refused`` that points to it."""
    try:
        return zone(name)
    except Refused as error:
        raise Refused(error.message, argument, error.hint) from None


def read(written: str, local: tzinfo = UTC, argument: int = 0) -> datetime:
    """A date as ISO 8601, in UTC; one without an offset is meant in the zone ``local``.

    :raises Refused: it is no date.
    """
    found = _ISO.fullmatch(written.strip())
    if found is None:
        hint = "dates are ISO 8601, such as 2026-01-02T03:04:05Z; parse_date() reads other forms"
        raise Refused("this is no date", argument, hint)
    year, month, day, hour, minute, second, fraction, shift = found.groups()
    try:
        naive = datetime(  # noqa: DTZ001 - its zone is put on below
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0").ljust(6, "0")[:6]),
        )
    except ValueError as error:
        raise Refused(f"there is no such date: {error}", argument) from None
    if shift is None:
        return at(naive, local)
    its = UTC if shift in "Zz" else offset(shift)
    if its is None:
        raise Refused(f"'{shift}' is no offset", argument)
    return _utc(naive.replace(tzinfo=its))


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise out_of_range() from None


def out_of_range() -> Refused:
    return Refused("the date is beyond the years 1 to 9999")


def at(naive: datetime, local: tzinfo, fold: int = 0) -> datetime:
    """What the clocks of a zone show, as UTC.

    An hour that comes twice is the first of the two, unless ``fold`` is 1; one that is left out is as far behind the
    gap as it would have been in it: where 02:00 becomes 03:00, 02:30 is 03:30.
    """
    try:
        first, second = (naive.replace(tzinfo=local, fold=one).utcoffset() for one in (0, 1))
    except OverflowError:
        raise out_of_range() from None
    twice = first is not None and second is not None and first > second
    return _utc(naive.replace(tzinfo=local, fold=fold if twice else 0))


def show(moment: datetime) -> str:
    """A point in time as all functions give it: UTC, to the millisecond."""
    return _utc(moment).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def wall(moment: datetime, local: tzinfo) -> datetime:
    """What the clocks of a zone show then, without the zone; ``fold`` tells the second of two."""
    try:
        return moment.astimezone(local).replace(tzinfo=None)
    except OverflowError:
        raise out_of_range() from None


def later(naive: datetime, by: timedelta) -> datetime:
    """So much later on the wall."""
    try:
        return (naive + by).replace(fold=naive.fold)
    except OverflowError:
        raise out_of_range() from None


def span(**units: int) -> timedelta:
    """A length of time. Raises ``Refused`` where it is longer than all dates."""
    try:
        return timedelta(**units)
    except OverflowError:
        raise out_of_range() from None
