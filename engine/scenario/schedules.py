"""Schedules by name: when a held run tries again by itself (``on_error: {hold: {retry: NAME}}``).

They are those that authors know from other tools, so that a scenario which is moved here behaves as it did.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_MINUTE = 60.0
_HOUR = 3600.0

#: seconds before each try, by name
SCHEDULES: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        # an integrator's automatic retry of a stored incomplete execution
        "integrator": (
            *(1 * _MINUTE, 10 * _MINUTE, 10 * _MINUTE, 30 * _MINUTE, 30 * _MINUTE, 30 * _MINUTE),
            *(3 * _HOUR, 3 * _HOUR),
        ),
        # its rerun of a whole scenario where nothing is stored
        "integrator-rerun": (
            *(1 * _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE),
            *(1 * _HOUR, 3 * _HOUR, 12 * _HOUR, 24 * _HOUR),
        ),
        "fusion": (10 * _MINUTE, 1 * _HOUR, 3 * _HOUR, 12 * _HOUR, 24 * _HOUR),
    }
)
