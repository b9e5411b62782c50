"""The arithmetic behind the figures."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import Middle, middle, percentile, ratios


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(n) for n in range(1, 101)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile(values, 1.0) == 100
    assert percentile([7.0], 0.99) == 7


def test_one_slow_event_in_a_hundred_is_not_the_99th_percentile_and_two_are() -> None:
    assert percentile([1.0] * 99 + [80.0], 0.99) == 1
    assert percentile([1.0] * 98 + [80.0, 80.0], 0.99) == 80


def test_a_percentile_does_not_depend_on_the_order() -> None:
    assert percentile([9.0, 1.0, 5.0], 0.5) == 5


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1.0))
def test_a_percentile_is_the_smallest_value_that_covers_its_share(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    below = [value for value in values if value < found]
    assert len(below) < share * len(values)


def test_no_values_have_no_figures() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)
    with pytest.raises(statistics.StatisticsError):
        middle([])


def test_a_median_comes_with_its_range() -> None:
    assert middle([3.0, 1.0, 2.0, 10.0]) == Middle(2.5, 1.0, 10.0, 4)


def test_ratios_pair_neighbours_and_not_medians() -> None:
    # the machine got four times faster between the rounds; within each, the engine has half of the yardstick
    rounds = [{"engine": 10.0, "yardstick": 20.0}, {"engine": 40.0, "yardstick": 80.0}]
    assert ratios(rounds, "engine", "yardstick", float) == [0.5, 0.5]


def test_a_round_that_lacks_one_of_the_two_is_left_out() -> None:
    rounds = [{"engine": 10.0}, {"engine": 10.0, "yardstick": 40.0}, {"yardstick": 1.0}]
    assert ratios(rounds, "engine", "yardstick", float) == [0.25]
