"""``expect``: how many runs a scenario should have, so that silence is noticed."""

from __future__ import annotations

from engine.scenario.durations import EXAMPLES
from engine.scenario.keys import EXPECT, Reader, check_keys
from engine.scenario.nodes import Node
from engine.scenario.plan import Expect
from engine.scenario.policies import Policies
from engine.scenario.report import Report

#: seconds of the shortest window: what is watched is looked at every few seconds
SHORTEST = 60.0


def read_expect(node: Node | None, report: Report) -> Expect | None:
    """The value of ``expect``; notes what is wrong with it."""
    reader = Reader(report)
    found = reader.mapping(node, "`expect`")
    if found is None:
        return None
    check_keys(found, EXPECT, "`expect`", report)
    at_least = reader.integer(found.get("at_least"), "`at_least`", least=1, default=1)
    of = reader.choice(found.get("of"), "`of`", ("runs", "successes"), "successes")
    window = found.get("within")
    if window is None:
        hint = f"how long it may be silent, {EXAMPLES}"
        report.add("missing-key", "`expect` needs `within`", found.place, hint)
        return None
    seconds = Policies(report).duration(window, "`within`")
    if seconds is None:
        return None
    if seconds < SHORTEST:
        report.add("duration", "`within` must be at least a minute", window.place, "such as 24h")
        return None
    return Expect(within=seconds, at_least=at_least, successes=of == "successes")
