"""The steps that wait, as the interpreter walks them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.runtime.effects import Ask, Effects
from engine.runtime.event_sources import match_of
from engine.runtime.outcomes import StepFailed
from engine.runtime.scope import Scope
from engine.runtime.webhooks import wait_source
from engine.scenario.durations import EXAMPLES, MOMENTS, parse_duration, parse_moment, show_duration
from engine.scenario.expressions import Context, Expression, ExpressionError, plain_names
from engine.scenario.expressions.analysis import needs_plain_scope
from engine.scenario.plan import EventWait, Scenario, SleepStep, Step, WaitStep
from engine.sdk import errors, jsontext
from engine.store.waits import WaitSource

#: seconds that a sleep may take: a hundred years
LONGEST_SLEEP = 100 * 365.25 * 86_400.0


class WaitSteps:
    """Walks them. What is waited for, and until when, is decided once; ``Effects`` remembers it."""

    def __init__(
        self,
        plan: Scenario,
        effects: Effects,
        steps: Callable[[Sequence[Step], str, str, Scope], Coroutine[Any, Any, None]],
    ) -> None:
        self._plan = plan
        self._effects = effects
        self._steps = steps

    async def sleep(self, step: SleepStep, path: str, _loop: str, scope: Scope) -> None:
        """``sleep`` and ``sleep_until``."""

        def due() -> float:
            value = step.time.evaluate(scope.names, self._effects.context(path))
            return _moment(value) if step.until else self._effects.now() + _seconds(value)

        await self._effects.rest(path, due)

    async def wait_for(self, step: WaitStep, path: str, loop: str, scope: Scope) -> Any:
        """``wait_for``: the signal's data, the person's answer, or the event."""
        reply = await self._effects.wait(path, lambda: replace(self._ask(step, path, scope), place=str(step.place)))
        if reply.answered:
            return reply.value
        word = self._effects.verdict(path, reply.attempt)
        if word is not None:
            return word.output
        if step.on_timeout is not None:
            await self._steps(step.on_timeout, loop, path[len(loop) :] + "/", scope)
            return None
        message = f"no answer came within {show_duration(step.limit or 0)}"
        raise StepFailed(path, errors.TimeoutError(message, place=str(step.place)).to_json(), reply.attempt)

    def _ask(self, step: WaitStep, path: str, scope: Scope) -> Ask:
        context = self._effects.context(path)
        if step.signal is not None:
            key = None if step.key is None else step.key.evaluate(scope.names, context)
            if step.key is not None and (key is None or isinstance(key, list | dict | bool) or key == ""):
                raise ExpressionError("the key of a signal must be a text or a number", "key", 0, key)
            text = key if isinstance(key, str) else "" if key is None else jsontext.dumps(key).decode()
            return Ask("signal", step.signal, text, step.limit)
        if step.approval is not None:
            asked = step.approval.evaluate(scope.names, context)
            text = asked if isinstance(asked, str) else jsontext.dumps(asked).decode()
            return Ask("approval", step.id or step.path, "", step.limit, {"text": text})
        assert step.event is not None
        return self._event(step.event, step.limit, scope, context)

    def _event(self, event: EventWait, limit: float | None, scope: Scope, context: Context) -> Ask:
        values = []
        for path, wanted in event.keys:
            value = wanted.evaluate(scope.names, context)
            if value is None:
                field = ".".join(("event", *path))
                raise ExpressionError(f"{field} is to equal this, which is null", wanted.text, 0, None)
            values.append(value)
        source = source_of(self._plan, event)
        detail: dict[str, Any] = {}
        if event.match is not None:
            detail = {"match": event.match.text, "names": _seen(event.match, scope.names)}
        return Ask("event", source.source, match_of(source.id, values), limit, detail, source)


def source_of(plan: Scenario, event: EventWait) -> WaitSource:
    """What is read of the events that a step waits for."""
    name, paths = wait_source(plan, event), [list(path) for path, _ in event.keys]
    config = dict(event.config)
    found = jsontext.fingerprint([event.module_name, event.connection, config, paths])
    return WaitSource(name, found, event.module_name, event.connection, jsontext.dumps(config), jsontext.dumps(paths))


def _seen(match: Expression, names: Mapping[str, Any]) -> dict[str, Any]:
    """What a ``match`` sees of the run's data: the parts that it names, so that it can be tested without the run."""
    if needs_plain_scope(match.ast):
        return {name: value for name, value in plain_names(dict(names)).items() if name != "event"}
    names, seen = plain_names(dict(names)), dict[str, Any]()
    for reference in match.references:
        name, *fields = reference.path
        if name == "event" or name not in names:
            continue
        value, inside = names[name], [name]
        for field in fields:
            if not isinstance(value, dict) or field not in value:
                break
            value = value[field]
            inside.append(field)
        _plant(seen, inside, value)
    return seen


def _plant(seen: dict[str, Any], path: Sequence[str], value: Any) -> None:
    *outer, last = path
    for name in outer:
        found = seen.get(name)
        if name in seen and not isinstance(found, dict):
            return
        seen = seen.setdefault(name, {})
    if isinstance(value, dict) and isinstance(seen.get(last), dict):
        seen[last] = {**seen[last], **value}
    else:
        seen[last] = value


def _seconds(value: object) -> float:
    """Seconds of what ``sleep`` came to. Raises ``ExpressionError``."""
    seconds: float | None = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str):
        seconds = parse_duration(value)
    if seconds is None or seconds < 0:
        raise ExpressionError("`sleep` wants seconds or a duration", "sleep", 0, value, hint=f"such as {EXAMPLES}")
    if seconds > LONGEST_SLEEP:
        raise ExpressionError("nothing sleeps for more than a hundred years", "sleep", 0, value)
    return seconds


def _moment(value: object) -> float:
    """Unix seconds of what ``sleep_until`` came to. Raises ``ExpressionError``."""
    seconds = parse_moment(value) if isinstance(value, str) else None
    if seconds is None:
        raise ExpressionError("`sleep_until` wants a time", "sleep_until", 0, value, hint=MOMENTS)
    return seconds
