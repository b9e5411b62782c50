"""Which runs there are, and when they begin.

Reads ``order_by``, ``concurrency``, ``mode``, ``dedupe``, ``debounce``, ``rate`` and ``priority``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from engine.scenario.durations import EXAMPLES, parse_duration
from engine.scenario.expressions import Expression
from engine.scenario.inside import parts
from engine.scenario.keys import Reader, check_keys
from engine.scenario.nodes import Mapping, Node, Scalar
from engine.scenario.plan import DebounceRule, DedupeRule, LaneRule, SleepStep, StartRate, Step, WaitStep
from engine.scenario.policies import Policies
from engine.scenario.references import Names
from engine.scenario.report import Report
from engine.scenario.values import Values

#: keys of a scenario that are read here
ORDERING = ("order_by", "concurrency", "mode", "dedupe", "debounce", "rate", "priority")
#: keys of those that are mappings
ORDER_BY = ("key", "group", "waiting")
CONCURRENCY = ("limit", "key", "waiting")
DEDUPE = ("key", "within")
DEBOUNCE = ("key", "for", "max")
MODES = ("queue", "skip", "replace")
PRIORITIES = ("high", "normal", "low")
#: the longest that a debounced run is put off, as a multiple of the quiet time, where the scenario does not say
MOST_QUIETS = 10
#: seconds of a wait from which on it is said that other runs of the key wait too
LONG_WAIT = 300.0

_GROUP = re.compile(r"[a-z0-9][a-z0-9-]*")
_RATE = re.compile(r"([0-9]{1,9})/([0-9]*(?:ms|s|m|h|d))")


@dataclass(frozen=True, slots=True)
class Ordering:
    """What the keys come to, as fields of the plan."""

    lane: LaneRule | None = None
    limit: int | None = None
    dedupe: DedupeRule | None = None
    debounce: DebounceRule | None = None
    rate: StartRate | None = None
    priority: str = "normal"


class OrderingReader:
    """Reads them and notes what is wrong.

    :param names: what an event's keys may rest on: ``trigger`` and ``request``.
    """

    def __init__(self, report: Report, values: Values, names: Names) -> None:
        self._report = report
        self._values = values
        self._names = names
        self._reader = Reader(report)
        self._policies = Policies(report)

    def read(self, root: Mapping, name: str) -> Ordering:
        """The scenario's keys.

        :param name: of the scenario.
        """
        mode_node, debounce_node = root.get("mode"), root.get("debounce")
        mode = self._reader.choice(mode_node, "`mode`", MODES, "queue")
        lane = self._order_by(root.get("order_by"), name, mode)
        limit, other = self._concurrency(root.get("concurrency"), name, mode, ordered=root.get("order_by") is not None)
        if lane is not None and other is not None and (node := root.get("concurrency")) is not None:
            message = "`order_by` and `concurrency` with a `key` cannot stand together: a run waits in one line"
            hint = "a number under `concurrency` goes with `order_by`"
            self._report.add("ordering", message, node.place, hint)
        if mode != "queue" and mode_node is not None:
            if (lane or other) is None:
                message = f"`mode: {mode}` says what happens when a key is busy, and there is none"
                hint = "add `order_by`, or `concurrency: 1` for the whole scenario"
                self._report.add("ordering", message, mode_node.place, hint)
            elif debounce_node is not None:
                message = f"`mode: {mode}` and `debounce` both say which event of a key counts"
                self._report.add("ordering", message, mode_node.place, "leave one of them out")
        return Ordering(
            lane or other,
            limit,
            self._dedupe(root.get("dedupe")),
            self._debounce(debounce_node),
            self._rate(root.get("rate")),
            self._reader.choice(root.get("priority"), "`priority`", PRIORITIES, "normal"),
        )

    def _key(self, node: Node | None, what: str) -> Expression | None:
        found = self._values.expression(node, self._names, what) if node is not None else None
        return None if found is None else found[0]

    def _order_by(self, node: Node | None, name: str, mode: str) -> LaneRule | None:
        if node is None:
            return None
        if not isinstance(node, Mapping):
            key = self._key(node, "`order_by`")
            return None if key is None else LaneRule(name, key, 1, holds=True, busy=mode)
        check_keys(node, ORDER_BY, "`order_by`", self._report)
        if node.get("key") is None:
            self._report.add("missing-key", "`order_by` needs a `key`", node.place, "such as ${{ trigger.email }}")
        key = self._key(node.get("key"), "`key`")
        group_node = node.get("group")
        group = self._reader.text(group_node, "`group`")
        if group is not None and group_node is not None and not _GROUP.fullmatch(group):
            hint = "small letters, digits and -; scenarios with the same group and key wait for one another"
            self._report.add("ordering", f"'{group}' cannot be a group's name", group_node.place, hint)
        holds = self._waiting(node.get("waiting"), "hold") == "hold"
        # a group's name is apart from the scenarios'
        return None if key is None else LaneRule(f"group:{group}" if group else name, key, 1, holds=holds, busy=mode)

    def _waiting(self, node: Node | None, default: str) -> str:
        return self._reader.choice(node, "`waiting`", ("hold", "release"), default)

    def _concurrency(
        self, node: Node | None, name: str, mode: str, *, ordered: bool
    ) -> tuple[int | None, LaneRule | None]:
        """The scenario's own limit of runs in memory, or the lane of its keys."""
        if node is None:
            return None, None
        if not isinstance(node, Mapping):
            limit = self._reader.integer(node, "`concurrency`", least=1, default=1)
            if mode == "queue" or ordered:
                return limit, None
            return None, LaneRule(name, None, limit, holds=True, busy=mode)
        check_keys(node, CONCURRENCY, "`concurrency`", self._report)
        limit = self._reader.integer(node.get("limit"), "`limit`", least=1, default=1)
        if node.get("key") is None:
            hint = "a limit of the whole scenario is a number: `concurrency: 5`"
            self._report.add("missing-key", "`concurrency` needs a `key`, or is a number", node.place, hint)
            return None, None
        key = self._key(node.get("key"), "`key`")
        holds = self._waiting(node.get("waiting"), "release" if mode == "queue" else "hold") == "hold"
        return None, None if key is None else LaneRule(name, key, limit, holds=holds, busy=mode)

    def _dedupe(self, node: Node | None) -> DedupeRule | None:
        found = self._reader.mapping(node, "`dedupe`")
        if found is None:
            return None
        check_keys(found, DEDUPE, "`dedupe`", self._report)
        within = self._duration(found, "within", "`dedupe`")
        key = self._key(found.get("key"), "`key`")
        return None if within is None else DedupeRule(key, within)

    def _debounce(self, node: Node | None) -> DebounceRule | None:
        found = self._reader.mapping(node, "`debounce`")
        if found is None:
            return None
        check_keys(found, DEBOUNCE, "`debounce`", self._report)
        quiet = self._duration(found, "for", "`debounce`")
        key = self._key(found.get("key"), "`key`")
        most_node = found.get("max")
        most = self._policies.duration(most_node, "`max`") if most_node is not None else None
        if quiet is None:
            return None
        if most is not None and most < quiet and most_node is not None:
            hint = "`for` is the quiet time, `max` the longest time after the first event"
            self._report.add("ordering", "`max` is shorter than `for`", most_node.place, hint)
        return DebounceRule(key, quiet, most or quiet * MOST_QUIETS)

    def _duration(self, node: Mapping, key: str, what: str) -> float | None:
        given = node.get(key)
        if given is None:
            self._report.add("missing-key", f"{what} needs `{key}`", node.place, f"a duration such as {EXAMPLES}")
            return None
        seconds = self._policies.duration(given, f"`{key}`")
        if seconds == 0:
            self._report.add("duration", f"`{key}` must be more than nothing", given.place, f"such as {EXAMPLES}")
            return None
        return seconds

    def _rate(self, node: Node | None) -> StartRate | None:
        if node is None:
            return None
        match = _RATE.fullmatch(node.text) if isinstance(node, Scalar) else None
        runs = int(match[1]) if match is not None else 0
        time = match[2] if match is not None else ""
        seconds = parse_duration(time if time[:1].isdigit() else f"1{time}")
        if not runs or not seconds:
            message = "`rate` says how many runs may begin in which time"
            self._report.add("ordering", message, node.place, "such as 10/s, 100/m or 300/10s")
            return None
        return StartRate(runs, seconds)


def warn_of_waits(lane: LaneRule | None, steps: Iterable[Step], report: Report) -> None:
    """Note where a run waits for long and others of its key wait for it."""
    if lane is None or not lane.holds:
        return
    for step in steps:
        seconds = 0.0
        if isinstance(step, SleepStep) and step.time.literal and not step.until:
            seconds = parse_duration(str(step.time.evaluate({}))) or 0.0
        elif isinstance(step, WaitStep):
            seconds = LONG_WAIT if step.limit is None else step.limit
        if seconds >= LONG_WAIT:
            message = "while this run waits, all later ones of its key wait too"
            hint = "that may be meant; else `order_by: {key: …, waiting: release}` lets them pass"
            report.add("key-waits", message, step.place, hint)
        for part in parts(step):
            if not part.aside:
                warn_of_waits(lane, part.steps, report)
