"""A scenario's ``trigger``: what starts it."""

from __future__ import annotations

from engine.scenario import types
from engine.scenario.config import check_config
from engine.scenario.durations import MOMENTS, parse_moment
from engine.scenario.expressions import Expression
from engine.scenario.given import check_given
from engine.scenario.keys import TRIGGER, TRIGGER_KINDS, Reader, check_keys
from engine.scenario.lookup import Lookup
from engine.scenario.nodes import Mapping, Node, Scalar, plain
from engine.scenario.plan import Listening, Polling, Start, Trigger
from engine.scenario.policies import Policies
from engine.scenario.references import Names
from engine.scenario.report import Report
from engine.scenario.responding import LONGEST_WITHIN, WITHIN
from engine.scenario.schedule_reader import TICK, ScheduleReader
from engine.scenario.types import STRING, UNKNOWN
from engine.scenario.values import Values, expressions_in
from engine.sdk.modules import Module, PollingTrigger, Schema, WebhookTrigger

#: seconds between two sweeps of a polling trigger that does not say
EVERY = 300.0
#: the shortest such time
LEAST_EVERY = 1.0

_TEXTS: Schema = {"type": "object", "additionalProperties": STRING}
#: ``request``: how an event came
REQUEST = types.closed({"headers": _TEXTS, "query": _TEXTS, "method": STRING, "received_at": STRING})
_STARTS = "from_now, all or {since: 2024-03-05T09:00:00Z}"


class TriggerReader:
    """Reads ``trigger`` and notes what is wrong with it.

    :param env: what is known of ``env``.
    """

    def __init__(self, report: Report, lookup: Lookup, values: Values, env: Schema) -> None:
        self._env = env
        self._report = report
        self._lookup = lookup
        self._values = values
        self._reader = Reader(report)

    def read(self, node: Mapping, zone: str) -> tuple[Trigger | None, Schema, Expression | None]:
        """The trigger, or None when it cannot be made; the schema of its event; its ``if``.

        :param zone: the scenario's time zone.
        """
        check_keys(node, TRIGGER, "a trigger", self._report)
        if node.get("schedule") is not None:
            condition = self._condition(node, TICK)
            return ScheduleReader(self._report, zone).read(node, condition), TICK, condition
        webhook = self._lookup.webhook(node.get("webhook"))
        module_node, config = node.get("module"), node.get("with")
        if isinstance(config, Scalar) and config.value is None:
            config = None
        literal = config is None or self._literal(config)
        if module_node is None:
            self._report.add(
                "missing-key", "a trigger needs a `module` or a `schedule`", node.place, "see `engine modules`"
            )
        found = self._lookup.module(module_node) if module_node is not None else None
        name, module = found if found is not None else ("", None)
        event: Schema = UNKNOWN
        connection = None
        if isinstance(module, WebhookTrigger | PollingTrigger) and module_node is not None:
            check_config(module, config, module_node.place, self._report, name=name)
            check_given(config, module.config, {}, self._report)
            connection = self._lookup.connection(node.get("connection"), name, module, module_node.place)
            event = self._lookup.output(name, module, config, module_node.place)
            self._check_kind(node, name, module)
        elif module_node is not None and module is not None:
            message = f"'{name}' is no trigger, it does not start scenarios"
            self._report.add("trigger-kind", message, module_node.place, "call it as a step")
        condition = self._condition(node, event)
        settings = plain(config) if config is not None and literal else {}
        trigger: Trigger | None = None
        if isinstance(module, WebhookTrigger):
            trigger = Listening(
                module_name=name,
                module=module,
                place=node.place,
                connection=connection,
                config=settings,
                condition=condition,
                webhook=webhook,
                respond_within=self._within(node.get("respond_within")),
            )
        elif isinstance(module, PollingTrigger):
            start, since = self._start(node.get("start"), name, module)
            trigger = Polling(
                module_name=name,
                module=module,
                place=node.place,
                connection=connection,
                config=settings,
                condition=condition,
                every=self._every(node.get("every")),
                start=start,
                since=since,
            )
        return trigger, event, condition

    def _condition(self, node: Mapping, event: Schema) -> Expression | None:
        condition = node.get("if")
        names = Names({"trigger": event, "request": REQUEST, "env": self._env})
        return self._values.condition(condition, names) if condition is not None else None

    def _literal(self, config: Node) -> bool:
        found = next(expressions_in(config), None)
        if found is not None:
            message = "a trigger's `with` is read before there is data; no expression can stand here"
            self._report.add("trigger-expression", message, found.place, "choose events with the trigger's `if`")
        return found is None

    def _check_kind(self, node: Mapping, name: str, module: Module) -> None:
        """Note keys of the other kind of trigger."""
        kind, other = ("polling", "webhook") if isinstance(module, PollingTrigger) else ("webhook", "polling")
        for key, _ in node.entries:
            if key.text in TRIGGER_KINDS[other]:
                message = f"`{key.text}` belongs to a {other} trigger, '{name}' is a {kind} trigger"
                self._report.add("trigger-key", message, key.place, "leave it out")

    def _within(self, node: Node | None) -> float:
        seconds = Policies(self._report).duration(node, "`respond_within`") if node is not None else None
        if seconds is not None and node is not None and not 0 < seconds <= LONGEST_WITHIN:
            message = f"`respond_within` must be more than nothing, and at most {LONGEST_WITHIN:g}s"
            self._report.add("duration", message, node.place, "senders give up after some seconds; 10s is usual")
        return WITHIN if seconds is None else seconds

    # ------------------------------------------------------------------ polling

    def _every(self, node: Node | None) -> float:
        seconds = Policies(self._report).duration(node, "`every`") if node is not None else None
        if seconds is not None and seconds < LEAST_EVERY and node is not None:
            message = f"`every` must be at least {LEAST_EVERY:g}s"
            self._report.add("duration", message, node.place, "each sweep asks the vendor; 5m is usual")
        return EVERY if seconds is None else max(seconds, LEAST_EVERY)

    def _start(self, node: Node | None, name: str, module: PollingTrigger) -> tuple[Start, float | None]:
        if node is None:
            return Start.FROM_NOW, None
        if isinstance(node, Mapping):
            return self._since(node, name, module)
        if isinstance(node, Scalar) and node.value in (Start.FROM_NOW, Start.ALL):
            return Start(str(node.value)), None
        shown = f"'{node.text}'" if isinstance(node, Scalar) else "a list"
        self._report.add("poll-start", f"`start` cannot be {shown}", node.place, f"one of {_STARTS}")
        return Start.FROM_NOW, None

    def _since(self, node: Mapping, name: str, module: PollingTrigger) -> tuple[Start, float | None]:
        check_keys(node, ("since",), "`start`", self._report)
        given = node.get("since")
        if given is None:
            self._report.add("missing-key", "`start` needs `since`, or is a word", node.place, f"one of {_STARTS}")
            return Start.FROM_NOW, None
        if module.order is None:
            message = f"'{name}' knows no order of its records, so there is no `since`"
            self._report.add("poll-start", message, given.place, "from_now or all")
            return Start.FROM_NOW, None
        text = self._reader.text(given, "`since`")
        seconds = parse_moment(text) if text is not None else None
        if text is not None and seconds is None:
            message = f"'{text}' is no moment"
            self._report.add("poll-start", message, given.place, MOMENTS)
        return (Start.FROM_NOW, None) if seconds is None else (Start.SINCE, seconds)
