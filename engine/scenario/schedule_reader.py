"""``schedule`` of a trigger, and time zones: read, and what is wrong with them noted."""

from __future__ import annotations

import time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from engine.scenario.diagnostics import did_you_mean
from engine.scenario.expressions import Expression
from engine.scenario.keys import SCHEDULE, SCHEDULE_KINDS, TRIGGER, Reader, check_keys
from engine.scenario.nodes import Mapping, Node, Sequence
from engine.scenario.plan import Missed, Scheduled
from engine.scenario.policies import Policies
from engine.scenario.report import Report
from engine.scenario.timetables import (
    At,
    BadCron,
    Cron,
    Every,
    Timetable,
    check_cron,
    hour_of_change,
    odd_moment,
    read_moment,
    show_moment,
)
from engine.sdk.modules import Schema

#: ``trigger`` of a run that a schedule has started
TICK: Schema = {
    "type": "object",
    "properties": {
        "scheduled_at": {"type": "string"},
        "previous": {"type": ["string", "null"]},
    },
    "additionalProperties": False,
}
#: missed moments that ``missed: all`` makes up for when there is no ``limit``
LIMIT = 100
#: the largest ``limit``
MOST_LIMIT = 10_000
_CRON_EXAMPLE = 'such as "0 6 * * 1-5": minute, hour, day of the month, month, day of the week'
_AT_EXAMPLE = "an ISO time such as 2026-12-24T09:00:00+01:00, or without its offset in the schedule's time zone"


def known_zone(name: str) -> bool:
    """Whether there is such a time zone."""
    try:
        return ZoneInfo(name).key == name and name not in ("localtime", "posixrules", "Factory")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False


def read_zone(node: Node | None, report: Report) -> str | None:
    """The time zone that a ``timezone`` names; None: there is none, or it is none."""
    name = Reader(report).text(node, "`timezone`")
    if name is None or node is None or known_zone(name):
        return name
    hint = did_you_mean(name, available_timezones()) or "a name of the IANA database, such as Europe/Berlin"
    report.add("timezone", f"there is no time zone '{name}'", node.place, hint)
    return None


class ScheduleReader:
    """Reads a trigger that is a schedule.

    :param zone: the scenario's time zone.
    """

    def __init__(self, report: Report, zone: str) -> None:
        self._report = report
        self._reader = Reader(report)
        self._zone = zone

    def read(self, trigger: Mapping, condition: Expression | None) -> Scheduled | None:
        """The trigger; None when it cannot be made."""
        for key, _ in trigger.entries:
            if key.text in TRIGGER and key.text not in ("schedule", "if"):
                message = f"`{key.text}` belongs to a trigger with a `module`, this is a schedule"
                self._report.add("trigger-key", message, key.place, "leave it out")
        node = self._reader.mapping(trigger.get("schedule"), "`schedule`")
        if node is None:
            return None
        check_keys(node, SCHEDULE, "`schedule`", self._report)
        given = [key for key, _ in node.entries if key.text in SCHEDULE_KINDS]
        if len(given) != 1:
            message = (
                "`schedule` needs one of `cron`, `every` and `at`" if not given else "only one of these can be meant"
            )
            self._report.add("schedule", message, given[1].place if given else node.place, f"{_CRON_EXAMPLE}; or 15m")
            return None
        kind = given[0].text
        self._misplaced(node, kind)
        own = node.get("timezone")
        zone = self._zone if own is None else read_zone(own, self._report) or self._zone
        timetable = self._timetable(kind, node, zone)
        missed = Missed(self._reader.choice(node.get("missed"), "`missed`", tuple(Missed), Missed.ONCE))
        limit = self._limit(node.get("limit"), missed)
        if timetable is None:
            return None
        return Scheduled(place=trigger.place, condition=condition, timetable=timetable, missed=missed, limit=limit)

    def _misplaced(self, node: Mapping, kind: str) -> None:
        """Note keys that only another kind of schedule has."""
        for key, _ in node.entries:
            if key.text == "offset" and kind != "every":
                self._report.add("schedule", f"`offset` belongs to `every`, not to `{kind}`", key.place, "leave it out")
            elif key.text == "timezone" and kind == "every":
                hint = 'for a time of day write `cron: "0 6 * * *"`'
                self._report.add("schedule", "`every` counts in UTC, whatever clocks show", key.place, hint)

    def _timetable(self, kind: str, node: Mapping, zone: str) -> Timetable | None:
        value = node.get(kind)
        assert value is not None
        if kind == "cron":
            return self._cron(value, zone)
        if kind == "at":
            return self._at(value, zone)
        return self._every(value, node.get("offset"), zone)

    def _cron(self, node: Node, zone: str) -> Cron | None:
        texts = node.items if isinstance(node, Sequence) else (node,)
        found: list[str] = []
        for item in texts:
            text = self._reader.text(item, "`cron`")
            if text is None:
                continue
            try:
                found.append(check_cron(text))
                self._changed(found[-1], zone, item)
            except BadCron as error:
                self._report.add("schedule", f"`cron`: {error}", item.place, _CRON_EXAMPLE)
        if not texts:
            self._report.add("schedule", "`cron` is an empty list", node.place, _CRON_EXAMPLE)
        return Cron(tuple(dict.fromkeys(found)), zone) if found else None

    def _changed(self, expression: str, zone: str, node: Node) -> None:
        """Note a time of day that is not there on one day of the year, and twice on another."""
        if (hour := hour_of_change(expression, zone, time.time())) is not None:
            message = (
                f"at {hour} the clocks of {zone} are changed: the hour is left out once a year, and comes twice once"
            )
            hint = "in the gap it fires when the gap ends, and of two only the first time; or take another hour, or UTC"
            self._report.add("clock-change", message, node.place, hint)

    def _at(self, node: Node, zone: str) -> At | None:
        text = self._reader.text(node, "`at`")
        if text is None:
            return None
        moment = read_moment(text, zone)
        if moment is None:
            self._report.add("schedule", f"`at`: '{text}' is no moment", node.place, _AT_EXAMPLE)
            return None
        if (twice := odd_moment(text, zone)) is not None:
            message = f"'{text}' comes twice in {zone}" if twice else f"'{text}' is left out in {zone}"
            meant = "the first is meant" if twice else f"{show_moment(moment, zone)} is meant"
            self._report.add("clock-change", message, node.place, f"{meant}; give the offset to mean another")
        return At(moment, zone)

    def _every(self, node: Node, offset_node: Node | None, zone: str) -> Every | None:
        seconds = self._seconds(node, "every", 1)
        offset = self._seconds(offset_node, "offset", 0) if offset_node is not None else 0
        if seconds is None or offset is None:
            return None
        if offset >= seconds and offset_node is not None:
            message = "`offset` must be less than `every`"
            self._report.add("schedule", message, offset_node.place, "it shifts the moments within the interval")
            return None
        return Every(seconds, offset, zone)

    def _seconds(self, node: Node, key: str, least: int) -> int | None:
        seconds = Policies(self._report).duration(node, f"`{key}`")
        if seconds is None:
            return None
        if seconds < least or seconds != int(seconds):
            self._report.add("duration", f"`{key}` must be whole seconds, {least}s or more", node.place, "such as 15m")
            return None
        return int(seconds)

    def _limit(self, node: Node | None, missed: Missed) -> int:
        if node is None:
            return LIMIT
        if missed is not Missed.ALL:
            self._report.add("schedule", "`limit` belongs to `missed: all`", node.place, "leave it out")
        limit = self._reader.integer(node, "`limit`", least=1, default=LIMIT)
        if limit > MOST_LIMIT:
            self._report.add("schedule", f"`limit` can be at most {MOST_LIMIT}", node.place)
        return min(limit, MOST_LIMIT)
