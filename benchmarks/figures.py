"""The arithmetic: percentiles, medians with their range, ratios of neighbours."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Middle:
    """A median, and the range that it comes from."""

    median: float
    low: float
    high: float
    count: int


def middle(values: Sequence[float]) -> Middle:
    """Raises ``statistics.StatisticsError``: there are no values."""
    return Middle(statistics.median(values), min(values, default=0.0), max(values, default=0.0), len(values))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not exceeded by this share of them (the nearest rank). Raises ``ValueError``: none."""
    if not values:
        raise ValueError("there are no values")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def ratios(rounds: Sequence[Mapping[str, Any]], one: str, other: str, figure: Callable[[Any], float]) -> list[float]:
    """A figure of one system over that of the other, round by round; rounds that lack one of them are left out.

    Neighbours in time are compared, because a shared machine is faster at one time than at another.
    """
    return [figure(each[one]) / figure(each[other]) for each in rounds if one in each and other in each]
