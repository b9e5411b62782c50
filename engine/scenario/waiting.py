"""The steps that wait: ``sleep``, ``sleep_until``, ``wait_for``, each read, checked and made part of the plan."""

from __future__ import annotations

from typing import Any

from engine.scenario import types
from engine.scenario.durations import EXAMPLES, MOMENTS, parse_duration, parse_moment
from engine.scenario.expressions import Template
from engine.scenario.nodes import Mapping, Node, Scalar
from engine.scenario.plan import SleepStep
from engine.scenario.references import Names
from engine.scenario.report import Report
from engine.scenario.types import UNKNOWN
from engine.scenario.values import Values, has_expression


class WaitReader:
    """Reads them and notes what is wrong with them."""

    def __init__(self, report: Report, values: Values) -> None:
        self._report = report
        self._values = values

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
        self._report.add("duration", f"`sleep`: {shown} is no duration", node.place, hint)
        return None

    def _moment(self, node: Node, names: Names) -> Template | None:
        if isinstance(node, Scalar) and has_expression(node):
            return self._computed(node, names, {"string"}, "`sleep_until` wants a time")
        if isinstance(node, Scalar) and parse_moment(node.text) is not None:
            return Template.constant(node.text)
        shown = f"'{node.text}'" if isinstance(node, Scalar) else "this"
        self._report.add("moment", f"`sleep_until`: {shown} is no moment", node.place, MOMENTS)
        return None

    def _computed(self, node: Scalar, names: Names, wanted: set[str], what: str) -> Template:
        template, schema = self._values.template(node, names)
        kinds = types.types_of(schema) if schema is not UNKNOWN else None
        if kinds and not kinds & wanted:
            code = "duration" if "number" in wanted else "moment"
            message = f"{what}, this is {types.words(sorted(kinds))}"
            self._report.add(code, message, node.place, MOMENTS if code == "moment" else f"such as {EXAMPLES}")
        return template
