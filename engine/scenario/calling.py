"""The step that starts another scenario: ``call``, read, checked against that scenario, and made part of the plan."""

from __future__ import annotations

from typing import Any

from engine.scenario import types
from engine.scenario.expressions import Template
from engine.scenario.keys import Reader
from engine.scenario.lookup import Lookup
from engine.scenario.nodes import Mapping, Node, Scalar
from engine.scenario.references import Names
from engine.scenario.report import Report
from engine.scenario.types import STRING, UNKNOWN
from engine.scenario.values import Values
from engine.sdk.modules import Schema

#: what a step gives that waits for nothing: which run it started
STARTED = types.closed({"run": STRING, "scenario": STRING})


class CallReader:
    """Reads them and notes what is wrong with them."""

    def __init__(self, report: Report, lookup: Lookup, values: Values) -> None:
        self._report = report
        self._lookup = lookup
        self._values = values
        self._reader = Reader(report)

    def read(self, node: Mapping, common: dict[str, Any], names: Names) -> tuple[dict[str, Any] | None, Schema]:
        """The arguments of a ``CallStep``, or None where it is too broken, and what is known of its output."""
        if node.get("id") is None:
            hint = "the id names the call in the journal and its output in expressions"
            self._report.add("id-missing", "a step that calls a scenario needs an `id`", node.place, hint)
        name_node = node.get("call")
        name = self._reader.text(name_node, "`call`")
        wait = self._reader.boolean(node.get("wait"), "`wait`", default=True)
        given = self._given(node.get("with"), names)
        self._no_retry(node.get("retry"))
        limit = common["timeout"]
        if not wait:
            for key in ("timeout", "on_timeout"):
                if (stray := node.get(key)) is not None:
                    message = f"`{key}` says how long a run is waited for, and this one is not waited for"
                    self._report.add("call-wait", message, stray.place, "leave it out, or leave `wait` out")
        elif limit is None and (stray := node.get("on_timeout")) is not None:
            message = "this call is waited for as long as it takes, so that its `on_timeout` is never come to"
            self._report.add("call-wait", message, stray.place, "say how long: `timeout: 10m`")
        found: Schema = UNKNOWN
        if name is not None and name_node is not None:
            found = self._lookup.callee(name, name_node, node.get("with"))
        schema = found if wait else STARTED
        if name is None:
            return None, schema
        own = {**common, "timeout": None, "try_timeout": None}
        return {**own, "scenario": name, "given": given, "wait": wait, "limit": limit if wait else None}, schema

    def _given(self, node: Node | None, names: Names) -> Template:
        if node is None or (isinstance(node, Scalar) and node.value is None):
            return Template.mapping({})
        if not isinstance(node, Mapping):
            message = "`with` must be a mapping of inputs to values"
            self._report.add("config-type", message, node.place, "write `input: value` lines")
            return Template.mapping({})
        return self._values.template(node, names)[0]

    def _no_retry(self, node: Node | None) -> None:
        if node is not None:
            message = "a call is not tried again: the steps of the scenario that it starts were, as they say themselves"
            self._report.add("call-retry", message, node.place, "give `retry` to those steps")
