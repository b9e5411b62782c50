"""Durations as people write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

#: how a duration is written, as a regular expression
PATTERN = r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)"
_DURATION = re.compile(PATTERN)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
#: what a message shows
EXAMPLES = "500ms, 60s, 5m, 2h or 30d"
#: likewise, for moments
MOMENTS = "an ISO time with its zone, such as 2024-03-05T09:00:00Z, or a date, such as 2024-03-05"


def parse_duration(text: str) -> float | None:
    """Seconds of ``500ms``, ``60s``, ``5m``, ``2h``, ``30d``; None when the text is no duration."""
    match = _DURATION.fullmatch(text)
    return float(match[1]) * _SECONDS[match[2]] if match else None


def show_duration(seconds: float) -> str:
    """Seconds as ``parse_duration`` reads them, in the largest unit that leaves no fraction."""
    unit = next((unit for unit in ("d", "h", "m", "s") if seconds % _SECONDS[unit] == 0), "ms")
    return f"{seconds / _SECONDS[unit]:g}{unit}"


def parse_moment(text: str) -> float | None:
    """Unix seconds of an ISO time with its zone, or of a date's beginning in UTC."""
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            # an hour without a zone means another moment on each machine; a date is a day of UTC
            return found.replace(tzinfo=UTC).timestamp() if len(text) == len("2024-03-05") else None
        # at the ends of the calendar a moment may have no name in UTC
        return found.astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return None
