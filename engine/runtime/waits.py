"""The steps that wait, as the interpreter walks them."""

from __future__ import annotations

from engine.runtime.effects import Effects
from engine.runtime.scope import Scope
from engine.scenario.durations import EXAMPLES, MOMENTS, parse_duration, parse_moment
from engine.scenario.expressions import ExpressionError
from engine.scenario.plan import SleepStep

#: seconds that a sleep may take: a hundred years
LONGEST_SLEEP = 100 * 365.25 * 86_400.0


class WaitSteps:
    """Walks them. What is waited for, and until when, is decided once; ``Effects`` remembers it."""

    def __init__(self, effects: Effects) -> None:
        self._effects = effects

    async def sleep(self, step: SleepStep, path: str, _loop: str, scope: Scope) -> None:
        """``sleep`` and ``sleep_until``."""

        def due() -> float:
            value = step.time.evaluate(scope.names, self._effects.context(path))
            return _moment(value) if step.until else self._effects.now() + _seconds(value)

        await self._effects.rest(path, due)


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
