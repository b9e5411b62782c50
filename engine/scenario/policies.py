"""``retry``, ``timeout`` and ``on_error``: what any step may say about failing."""

from __future__ import annotations

from engine.scenario.diagnostics import did_you_mean
from engine.scenario.durations import EXAMPLES, parse_duration
from engine.scenario.keys import ON_ERROR, ON_ERROR_LATER, RETRY, Reader, check_keys, not_yet
from engine.scenario.nodes import Mapping, Node, Scalar, Sequence
from engine.scenario.plan import DEFAULT_RETRY, Backoff, OnError, Retry
from engine.scenario.report import Report
from engine.sdk.errors import STANDARD_TYPES, ModuleError


class Policies:
    """Reads them and notes what makes no sense."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._reader = Reader(report)

    def timeout(self, node: Node | None) -> float | None:
        if node is None:
            return None
        seconds = self.duration(node, "`timeout`")
        if seconds == 0:
            self._report.add("duration", "a timeout must be more than nothing", node.place, f"such as {EXAMPLES}")
        return seconds

    def duration(self, node: Node, what: str) -> float | None:
        if isinstance(node, Scalar):
            seconds = parse_duration(node.text)
            if seconds is not None:
                return seconds
            number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
            hint = f"with its unit: {node.text}s" if number else f"such as {EXAMPLES}"
            self._report.add("duration", f"{what}: '{node.text}' is no duration", node.place, hint)
        else:
            self._report.add("duration", f"{what} must be a duration", node.place, f"such as {EXAMPLES}")
        return None

    def on_error(self, node: Node | None) -> OnError:
        if node is None:
            return OnError.FAIL
        if isinstance(node, Sequence):
            not_yet("a list of steps under `on_error`", node, self._report)
            return OnError.FAIL
        later = node.entries[0][0].text if isinstance(node, Mapping) and node.entries else None
        later = node.text if isinstance(node, Scalar) else later
        if later in ON_ERROR_LATER:
            not_yet(f"`on_error: {later}`", node, self._report)
            return OnError.FAIL
        return OnError(self._reader.choice(node, "`on_error`", ON_ERROR, "fail"))

    def retry(self, node: Node | None) -> Retry:
        found = self._reader.mapping(node, "`retry`")
        if found is None:
            return DEFAULT_RETRY
        check_keys(found, RETRY, (), "`retry`", self._report)
        first = self._seconds(found, "from", DEFAULT_RETRY.first)
        limit = self._seconds(found, "to", max(DEFAULT_RETRY.limit, first))
        if first > limit and (to := found.get("to")):
            self._report.add(
                "retry", "the longest wait (`to`) is shorter than the first (`from`)", to.place, "swap them"
            )
        return Retry(
            attempts=self._reader.integer(found.get("attempts"), "`attempts`", least=1, default=DEFAULT_RETRY.attempts),
            backoff=Backoff(
                self._reader.choice(found.get("backoff"), "`backoff`", ("fixed", "exponential"), "exponential")
            ),
            first=first,
            limit=limit,
            jitter=self._jitter(found.get("jitter")),
            on=self._types(found.get("on")),
        )

    def _seconds(self, retry: Mapping, key: str, default: float) -> float:
        node = retry.get(key)
        seconds = self.duration(node, f"`{key}`") if node is not None else None
        return default if seconds is None else seconds

    def _jitter(self, node: Node | None) -> float:
        if node is None:
            return DEFAULT_RETRY.jitter
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
            return float(value)
        self._report.add("retry", "`jitter` must be a number from 0 to 1", node.place, "the share left to chance: 0.1")
        return DEFAULT_RETRY.jitter

    def _types(self, node: Node | None) -> tuple[type[ModuleError], ...] | None:
        if node is None:
            return None
        if not isinstance(node, Sequence) or not node.items:
            hint = f"such as [{', '.join(list(STANDARD_TYPES)[:2])}]"
            self._report.add("retry", "`on` must be a list of error types", node.place, hint)
            return None
        found = []
        for item in node.items:
            name = item.text if isinstance(item, Scalar) else "…"
            if name in STANDARD_TYPES:
                found.append(STANDARD_TYPES[name])
                continue
            hint = did_you_mean(name, STANDARD_TYPES) or f"one of {', '.join(STANDARD_TYPES)}"
            self._report.add("retry", f"there is no error type '{name}'", item.place, hint)
        return tuple(found)
