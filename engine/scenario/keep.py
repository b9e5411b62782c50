"""``keep``: how long the runs of a scenario stay after their end."""

from __future__ import annotations

from engine.scenario.keys import Reader, check_keys
from engine.scenario.nodes import Mapping, Node
from engine.scenario.plan import Keep
from engine.scenario.policies import Policies
from engine.scenario.report import Report

KEYS = ("for", "runs", "failed_for")
#: the shortest time in seconds: whoever waits for a run must still find it after its end
LEAST = 60.0
_FORMS = "a duration such as 30d, or {for: 30d, runs: 10000, failed_for: 90d}"


def read_keep(node: Node | None, report: Report) -> Keep | None:
    """A scenario's ``keep``; what is wrong with it is noted."""
    if node is None:
        return None
    if not isinstance(node, Mapping):
        return Keep(seconds=_seconds(node, "`keep`", report))
    check_keys(node, KEYS, "`keep`", report)
    if not node.entries:
        report.add("missing-key", "`keep` says nothing", node.place, _FORMS)
    runs = node.get("runs")
    return Keep(
        seconds=_seconds(node.get("for"), "`for`", report),
        runs=Reader(report).integer(runs, "`runs`", least=1, default=1) if runs is not None else None,
        failed=_seconds(node.get("failed_for"), "`failed_for`", report),
    )


def _seconds(node: Node | None, what: str, report: Report) -> float | None:
    if node is None:
        return None
    seconds = Policies(report).duration(node, what)
    if seconds is not None and seconds < LEAST:
        message = f"{what} must be at least {LEAST:g}s: whoever waits for a run must find it after its end"
        report.add("duration", message, node.place, "such as 30d")
        return None
    return seconds
