"""How a row's value is found in what Yotpo says, and put into a user of an upsert."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

from engine import Config, DataError, Json
from modules.yotpo_to_insider.table import SOURCES, Row

#: there is no such value; null is one
ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Given:
    """What a mapping reads, and what its author wants otherwise.

    :param sources: by name ``details``, ``record``, ``event``; those that there are.
    :param order: the sources in the order in which they count.
    :param changed: by name at Insider another path, or None to leave it out.
    :param when_null: by name at Insider what is sent where Yotpo says null.
    :param year: of a day whose year is not known.
    """

    sources: Mapping[str, Mapping[str, Json]]
    order: Sequence[str] = SOURCES
    changed: Mapping[str, str | None] = field(default_factory=dict)
    when_null: Mapping[str, Json] = field(default_factory=dict)
    year: int | None = None

    @classmethod
    def of(cls, config: Config, option: str) -> Given:
        """:param option: the key of the config with the author's own paths."""
        sources = {name: config[name] for name in SOURCES if isinstance(config.get(name), Mapping)}
        order = ("event", "details", "record") if config.get("prefer") == "event" else SOURCES
        # of an event's parameters nothing is kept at Insider that a null would have to take away
        when_null = config.get("when_null", {}) if option == "attributes" else {}
        return cls(sources, order, config.get(option, {}), when_null, config.get("year_when_unknown"))


def at(value: Json, path: str) -> Json:
    """The value at a path of keys; ``ABSENT`` where a key is missing, or what stands before it is no object."""
    for key in path.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return ABSENT
        value = value[key]
    return value


def found(row: Row, given: Given) -> Json:
    """A row's value: of the first source and place that has it. Null counts: who has lost a tier has none."""
    if row.name in given.changed:
        path = given.changed[row.name]
        return ABSENT if path is None else _own(path, given)
    for source in given.order:
        body = given.sources.get(source)
        if body is None:
            continue
        places = row.parts.get(source)
        candidates: Iterable[Json]
        if places is not None:
            candidates = (_day([at(body, path) for path in place], given.year) for place in places)
        else:
            candidates = (at(body, path) for path in row.paths.get(source, ()))
        for value in candidates:
            if value is not ABSENT:
                return value
    return ABSENT


def _own(path: str, given: Given) -> Json:
    source, _, rest = path.partition(".")
    body = given.sources.get(source)
    return ABSENT if body is None else at(body, rest)


def _day(parts: Sequence[Json], year: int | None) -> Json:
    """Year, month and day as one time; ``ABSENT`` where one of them is not known, or the calendar has no such day."""
    given, month, day = (part if isinstance(part, int) and not isinstance(part, bool) else None for part in parts)
    given = year if given is None else given
    if given is None or month is None or day is None:
        return ABSENT
    try:
        return f"{date(given, month, day).isoformat()}T00:00:00Z"
    except ValueError:
        return ABSENT


def filled(user: dict[str, Any], rows: Iterable[Row], given: Given) -> None:
    """Put the values of these rows into a user, or into an event of one. Null and nothing are left out."""
    for row in rows:
        value = found(row, given)
        if value is None:
            value = given.when_null.get(row.name)
        if value is not ABSENT and value is not None:
            put(user, row.to, value)


def put(into: dict[str, Any], path: str, value: Json) -> None:
    """Set the value at a path; objects on the way are made."""
    *way, last = path.split(".")
    for key in way:
        into = into.setdefault(key, {})
    into[last] = value


def moment(text: Json) -> str | None:
    """An ISO time as Insider wants it: RFC 3339 in UTC with Z, to the second. None: it is no time."""
    if not isinstance(text, str):
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        return None
    value = value if value.tzinfo else value.replace(tzinfo=UTC)
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def known_names(rows: Iterable[Row], changed: Mapping[str, Any], option: str) -> None:
    """Refuse a change of a name that no row has: a slip would be passed over in silence."""
    unknown = sorted(set(changed) - {row.name for row in rows})
    if unknown:
        raise DataError(
            f"{option}: the table has no {', '.join(unknown)}",
            refused=True,
            hint="what goes beside the table is added to the user in the scenario",
        )
