"""The steps that wait: ``sleep``, ``sleep_until``, ``wait_for``, each read, checked and made part of the plan."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as AnyMapping
from dataclasses import replace
from typing import Any

from engine.scenario import types
from engine.scenario.braces import in_place
from engine.scenario.config import check_config
from engine.scenario.diagnostics import did_you_mean
from engine.scenario.durations import EXAMPLES, MOMENTS, parse_duration, parse_moment
from engine.scenario.expressions import Expression, Template, part
from engine.scenario.expressions.analysis import needs_plain_scope
from engine.scenario.keys import WAITS, Reader, check_keys
from engine.scenario.lookup import Lookup
from engine.scenario.nodes import Mapping, Node, Scalar, plain
from engine.scenario.plan import EventWait, SleepStep
from engine.scenario.policies import Policies
from engine.scenario.references import Names
from engine.scenario.report import Report
from engine.scenario.types import BOOLEAN, NULL, STRING, UNKNOWN
from engine.scenario.values import Values, expressions_in, has_expression
from engine.sdk.modules import Schema, WebhookTrigger

#: what a signal may be called
SIGNAL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
#: the output of a step that asks for approval
APPROVAL = types.closed(
    {
        "approved": BOOLEAN,
        "by": types.union([STRING, NULL]),
        "comment": types.union([STRING, NULL]),
        "at": STRING,
    }
)
#: what a `match` calls the event
EVENT = "event"
_KINDS = "one of `signal`, `approval`, `webhook`, `module`"


class WaitReader:
    """Reads them and notes what is wrong with them.

    :param events: what the steps read so far wait for that comes over webhooks.
    """

    def __init__(self, report: Report, lookup: Lookup, values: Values, policies: Policies) -> None:
        self._report = report
        self._lookup = lookup
        self._values = values
        self._policies = policies
        self._reader = Reader(report)
        self.events: list[EventWait] = []

    def sleep(self, node: Mapping, common: dict[str, Any], names: Names) -> SleepStep | None:
        """``sleep`` or ``sleep_until``."""
        given = node.get("sleep")
        until = given is None
        if given is None:
            given = node.get("sleep_until")
        assert given is not None
        template = self._moment(given, names) if until else self._duration(given, names)
        return None if template is None else SleepStep(**common, time=template, until=until)

    def _duration(self, node: Node, names: Names) -> Template | None:
        if isinstance(node, Scalar) and has_expression(node):
            return self._computed(node, names, {"number", "integer", "string"}, "`sleep` wants seconds or a duration")
        if isinstance(node, Scalar) and parse_duration(node.text) is not None:
            return Template.constant(node.text)
        number = isinstance(node, Scalar) and isinstance(node.value, int | float) and not isinstance(node.value, bool)
        shown = f"'{node.text}'" if isinstance(node, Scalar) else "this"
        hint = f"with its unit: {shown[1:-1]}s" if number else f"such as {EXAMPLES}, or an expression"
        self._report.add("duration", f"`sleep`: {shown} is no duration", node.place, in_place(node) or hint)
        return None

    def _moment(self, node: Node, names: Names) -> Template | None:
        if isinstance(node, Scalar) and has_expression(node):
            return self._computed(node, names, {"string"}, "`sleep_until` wants a time")
        if isinstance(node, Scalar) and parse_moment(node.text) is not None:
            return Template.constant(node.text)
        shown = f"'{node.text}'" if isinstance(node, Scalar) else "this"
        hint = in_place(node) or MOMENTS
        self._report.add("moment", f"`sleep_until`: {shown} is no moment", node.place, hint)
        return None

    def _computed(self, node: Scalar, names: Names, wanted: set[str], what: str) -> Template:
        template, schema = self._values.template(node, names)
        kinds = types.types_of(schema) if schema is not UNKNOWN else None
        if kinds and not kinds & wanted:
            code = "duration" if "number" in wanted else "moment"
            message = f"{what}, this is {types.words(sorted(kinds))}"
            self._report.add(code, message, node.place, MOMENTS if code == "moment" else f"such as {EXAMPLES}")
        return template

    def wait_for(self, node: Mapping, common: dict[str, Any], names: Names) -> tuple[dict[str, Any] | None, Schema]:
        """The arguments of a ``WaitStep``, or None where it is too broken, and what is known of its output."""
        if node.get("id") is None:
            hint = "the id names the wait in the journal and its output in expressions"
            self._report.add("id-missing", "a step that waits for something needs an `id`", node.place, hint)
        waits = self._reader.mapping(node.get("wait_for"), "`wait_for`")
        if waits is None:
            return None, UNKNOWN
        present = [kind for kind in WAITS if waits.get(kind) is not None]
        kind = "module" if present == ["webhook", "module"] else present[0] if len(present) == 1 else None
        if kind is None:
            self._kinds(waits, present)
            return None, UNKNOWN
        check_keys(waits, WAITS[kind], "`wait_for`", self._report)
        found = {**common, "limit": self._limit(waits.get("timeout"))}
        if kind == "signal":
            key = waits.get("key")
            name = self._signal(waits.get("signal"))
            template = self._values.template(key, names)[0] if key is not None else None
            return ({**found, "signal": name, "key": template} if name is not None else None), UNKNOWN
        if kind == "approval":
            asked = self._asked(waits.get("approval"), names)
            return ({**found, "approval": asked} if asked is not None else None), APPROVAL
        event, schema = self._event(waits, names)
        if event is None:
            return None, schema
        self.events.append(event)
        return {**found, "event": event}, schema

    def _kinds(self, waits: Mapping, present: list[str]) -> None:
        if present:
            shown = " and ".join(f"`{kind}`" for kind in present)
            self._report.add("wait-kind", f"a step waits for one thing: here are {shown}", waits.place, _KINDS)
            return
        wrong = next((key.text for key, _ in waits.entries), None)
        hint = (did_you_mean(wrong, WAITS) if wrong else None) or _KINDS
        self._report.add("wait-kind", "this step waits for nothing", waits.place, hint)

    def _limit(self, node: Node | None) -> float | None:
        seconds = None if node is None else self._policies.duration(node, "`timeout`")
        if node is not None and seconds == 0:
            self._report.add("duration", "a timeout must be more than nothing", node.place, f"such as {EXAMPLES}")
        return seconds

    def _signal(self, node: Node | None) -> str | None:
        name = self._reader.text(node, "`signal`")
        if name is not None and node is not None and not SIGNAL_NAME.fullmatch(name):
            hint = "letters, digits, '.', '_' and '-', such as stock-arrived; what tells one from another is its `key`"
            self._report.add("signal-name", f"'{name}' cannot be a signal's name", node.place, hint)
            return None
        return name

    def _asked(self, node: Node | None, names: Names) -> Template | None:
        assert node is not None
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value.strip():
            self._report.add("wrong-value", "`approval` must be a text: what is asked", node.place)
            return None
        return self._values.template(node, names)[0]

    def _event(self, waits: Mapping, names: Names) -> tuple[EventWait | None, Schema]:
        webhook = self._lookup.webhook(waits.get("webhook"))
        module_node, config = waits.get("module"), waits.get("with")
        module: WebhookTrigger | None = None
        name = connection = None
        schema: Schema = UNKNOWN
        settings: AnyMapping[str, Any] = {}
        if module_node is not None:
            found = self._lookup.module(module_node)
            if found is None:
                return None, UNKNOWN
            name, given = found
            if not isinstance(given, WebhookTrigger):
                message = f"'{name}' is no trigger whose vendor calls a URL, it gives no events to wait for"
                self._report.add("trigger-kind", message, module_node.place, "see `engine modules`")
                return None, UNKNOWN
            module = given
            settings, literal = self._settings(config)
            if literal:
                check_config(module, config, module_node.place, self._report, name=name)
            connection = self._lookup.connection(waits.get("connection"), name, module, module_node.place)
            schema = self._lookup.output(name, module, config, module_node.place)
        elif (stray := waits.get("with") or waits.get("connection")) is not None:
            self._report.add(
                "missing-key", "`with` and `connection` need a `module`", stray.place, "which reads events"
            )
        match_node = waits.get("match")
        match = None
        if match_node is not None:
            match = self._values.condition(match_node, replace(names, known={**names.known, EVENT: schema}))
        keys = tuple(_keys(match)) if match is not None else ()
        if not any(value.names for _, value in keys) and (match is not None or match_node is None):
            hint = "such as `match: ${{ event.email == trigger.email }}`"
            place = match_node.place if match_node is not None else waits.place
            message = "an event that comes is tested against every run that waits here"
            self._report.add("match-key", message, place, hint)
        event = EventWait(
            webhook=webhook,
            module_name=name,
            module=module,
            connection=connection,
            config=settings,
            match=match,
            keys=keys,
        )
        return event, schema

    def _settings(self, config: Node | None) -> tuple[AnyMapping[str, Any], bool]:
        if config is None or (isinstance(config, Scalar) and config.value is None):
            return {}, True
        expression = next(expressions_in(config), None)
        if expression is not None:
            message = "which events are read is settled before there is data; no expression can stand here"
            self._report.add("trigger-expression", message, expression.place, "choose the event with `match`")
            return {}, False
        value = plain(config)
        return (value if isinstance(value, dict) else {}), True


def _keys(match: Expression) -> Iterator[tuple[tuple[str, ...], Expression]]:
    """The equalities, joined by `and`, between a field of the event and something that does not depend on it."""
    pending = [dict(match.ast)]
    while pending:
        node = pending.pop()
        if node["type"] == "and_expression":
            pending.extend(reversed(node["children"]))
        if node["type"] != "comparator" or node["value"] != "eq":
            continue
        for one, other in (node["children"], node["children"][::-1]):
            path = _field(one)
            value = part(match, other)
            if path and EVENT not in value.names and not needs_plain_scope(other):
                yield path, value
                break


def _field(node: dict[str, Any]) -> tuple[str, ...] | None:
    children = node["children"]
    if node["type"] != "subexpression" or any(child["type"] != "field" for child in children):
        return None
    names = tuple(child["value"] for child in children)
    return names[1:] if names[0] == EVENT else None
