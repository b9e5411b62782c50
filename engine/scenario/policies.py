"""``retry``, ``timeout`` and ``on_error``: what any step may say about failing, and their defaults."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.scenario.diagnostics import did_you_mean
from engine.scenario.durations import EXAMPLES, parse_duration
from engine.scenario.keys import DEFAULTS, ON_ERROR, ON_ERROR_KEYS, RETRY, TIMEOUT, Reader, check_keys
from engine.scenario.nodes import Mapping, Node, Scalar, Sequence
from engine.scenario.plan import DEFAULT_RETRY, Backoff, OnError, Retry
from engine.scenario.report import Report
from engine.scenario.schedules import SCHEDULES
from engine.sdk.errors import STANDARD_TYPES, ModuleError


@dataclass(frozen=True, slots=True)
class Timeout:
    """Seconds for one try and for the whole step; None: no end."""

    one: float | None = None
    whole: float | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """What ``on_error`` says.

    :param body: the template of ``RESUME``, or the steps of ``HANDLE``; read by whoever reads steps.
    :param schedule: of ``HOLD``.
    """

    how: OnError
    body: Node | None = None
    schedule: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a step does that says nothing itself. A nearer default replaces single keys of a farther one.

    :param on_error: None: the step fails.
    """

    retry: Retry = DEFAULT_RETRY
    timeout: Timeout = Timeout()
    on_error: Rule | None = None


#: where neither scenario nor project says anything
NO_DEFAULTS = Defaults()


class Policies:
    """Reads them and notes what makes no sense."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._reader = Reader(report)

    def defaults(self, node: Node | None, base: Defaults, what: str = "`defaults`") -> Defaults:
        """A ``defaults:``, on top of those that are farther away."""
        found = self._reader.mapping(node, what)
        if found is None:
            return base
        check_keys(found, DEFAULTS, what, self._report)
        rule = self.on_error(found.get("on_error"))
        if rule is not None and rule.body is not None:
            message = "a default `on_error` is for all steps: it cannot have steps or an output of its own"
            hint = f"one of {', '.join(ON_ERROR)}, or {{hold: {{retry: ...}}}}"
            self._report.add("wrong-value", message, rule.body.place, hint)
            rule = None
        return Defaults(
            self.retry(found.get("retry"), base.retry),
            self.timeout(found.get("timeout"), base.timeout),
            rule if rule is not None else base.on_error,
        )

    def timeout(self, node: Node | None, base: Timeout = NO_DEFAULTS.timeout) -> Timeout:
        if node is None:
            return base
        if not isinstance(node, Mapping):
            return replace(base, whole=self._time(node, "`timeout`"))
        check_keys(node, TIMEOUT, "`timeout`", self._report)
        one, whole = node.get("try"), node.get("step")
        found = Timeout(
            self._time(one, "`try`") if one is not None else base.one,
            self._time(whole, "`step`") if whole is not None else base.whole,
        )
        if one is not None and found.one is not None and found.whole is not None and found.one > found.whole:
            message = "one try (`try`) may take longer than the whole step (`step`)"
            self._report.add("timeout", message, one.place, "give the step more time, or a try less")
        return found

    def _time(self, node: Node, what: str) -> float | None:
        seconds = self.duration(node, what)
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

    def on_error(self, node: Node | None) -> Rule | None:
        """What an ``on_error`` says; None where there is none, or none that can be read."""
        if node is None:
            return None
        if isinstance(node, Sequence):
            if not node.items:
                message = "`on_error` has no steps"
                self._report.add("wrong-value", message, node.place, "to go on as if nothing had happened: ignore")
            return Rule(OnError.HANDLE, node)
        if isinstance(node, Mapping):
            return self._mapping(node)
        word = self._reader.choice(node, "`on_error`", (*ON_ERROR, "resume"), "fail", "a list of steps")
        if word == "resume":
            message = "`resume` needs the output to go on with"
            self._report.add("missing-key", message, node.place, "such as {resume: {found: false}}")
        return Rule(OnError(word)) if word != "resume" else None

    def _mapping(self, node: Mapping) -> Rule | None:
        check_keys(node, ON_ERROR_KEYS, "`on_error`", self._report)
        keys = [(key, value) for key, value in node.entries if key.text in ON_ERROR_KEYS]
        if len(keys) != 1:
            if len(keys) > 1 or not node.entries:
                message = "`on_error` says one thing"
                self._report.add("wrong-value", message, node.place, "one of `resume` and `hold`")
            return None
        [(key, value)] = keys
        if key.text == "resume":
            return Rule(OnError.RESUME, value)
        found = self._reader.mapping(value, "`hold`")
        if found is None:
            return Rule(OnError.HOLD)
        check_keys(found, ("retry",), "`hold`", self._report)
        return Rule(OnError.HOLD, schedule=self._schedule(found.get("retry")))

    def _schedule(self, node: Node | None) -> tuple[float, ...]:
        if node is None:
            return ()
        names = ", ".join(SCHEDULES)
        if isinstance(node, Sequence) and node.items:
            times = [self.duration(item, "`retry`") for item in node.items]
            return tuple(seconds for seconds in times if seconds is not None)
        if isinstance(node, Scalar) and node.text in SCHEDULES:
            return SCHEDULES[node.text]
        hint = f"{names}, or a list of durations: [1m, 10m, 1h]"
        if isinstance(node, Scalar) and (near := did_you_mean(node.text, SCHEDULES)):
            hint = near
        shown = f"'{node.text}'" if isinstance(node, Scalar) and node.text else "this"
        self._report.add("wrong-value", f"`retry` of a hold cannot be {shown}", node.place, hint)
        return ()

    def retry(self, node: Node | None, base: Retry = DEFAULT_RETRY) -> Retry:
        found = self._reader.mapping(node, "`retry`")
        if found is None:
            return base
        check_keys(found, RETRY, "`retry`", self._report)
        first = self._seconds(found, "from", base.first)
        limit = self._seconds(found, "to", max(base.limit, first))
        if first > limit and (to := found.get("to")):
            self._report.add(
                "retry", "the longest wait (`to`) is shorter than the first (`from`)", to.place, "swap them"
            )
        return Retry(
            attempts=self._reader.integer(found.get("attempts"), "`attempts`", least=1, default=base.attempts),
            backoff=Backoff(
                self._reader.choice(found.get("backoff"), "`backoff`", ("fixed", "exponential"), str(base.backoff))
            ),
            first=first,
            limit=limit,
            jitter=self._jitter(found.get("jitter"), base.jitter),
            on=self._types(found.get("on"), base.on),
        )

    def _seconds(self, retry: Mapping, key: str, default: float) -> float:
        node = retry.get(key)
        seconds = self.duration(node, f"`{key}`") if node is not None else None
        return default if seconds is None else seconds

    def _jitter(self, node: Node | None, default: float) -> float:
        if node is None:
            return default
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
            return float(value)
        self._report.add("retry", "`jitter` must be a number from 0 to 1", node.place, "the share left to chance: 0.1")
        return default

    def _types(
        self, node: Node | None, default: tuple[type[ModuleError], ...] | None
    ) -> tuple[type[ModuleError], ...] | None:
        if node is None:
            return default
        if not isinstance(node, Sequence) or not node.items:
            hint = f"such as [{', '.join(list(STANDARD_TYPES)[:2])}]"
            self._report.add("retry", "`on` must be a list of error types", node.place, hint)
            return default
        found = []
        for item in node.items:
            name = item.text if isinstance(item, Scalar) else "…"
            if name in STANDARD_TYPES:
                found.append(STANDARD_TYPES[name])
                continue
            hint = did_you_mean(name, STANDARD_TYPES) or f"one of {', '.join(STANDARD_TYPES)}"
            self._report.add("retry", f"there is no error type '{name}'", item.place, hint)
        return tuple(found)
