"""``expect``: what it reads, and each of its mistakes in its place."""

from __future__ import annotations

import pytest

from engine.scenario.load import load_scenario
from engine.scenario.plan import Expect
from tests.support.shop import registry


def load(expect: str) -> tuple[Expect | None, list[tuple[str, int, int]]]:
    source = f"scenario: test\nexpect: {expect}\nsteps:\n  - set: {{a: 1}}\n"
    plan, found = load_scenario(source, "test.yaml", registry())
    return plan.expect if plan is not None else None, [(d.code, d.place.line, d.place.column) for d in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{within: 24h}", Expect(within=86_400.0)),
        ("{at_least: 3, within: 2h, of: runs}", Expect(within=7200.0, at_least=3, successes=False)),
        ("{within: 1m, of: successes}", Expect(within=60.0)),
    ],
)
def test_what_it_reads(text: str, expected: Expect) -> None:
    assert load(text) == (expected, [])


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("24h", [("wrong-value", 2, 9)]),
        ("{at_least: 1}", [("missing-key", 2, 9)]),
        ("{within: 24}", [("duration", 2, 18)]),
        ("{within: 10s}", [("duration", 2, 18)]),
        ('{within: "${{ vars.a }}"}', [("duration", 2, 18)]),
        ("{within: 24h, at_least: 0}", [("wrong-value", 2, 33)]),
        ("{within: 24h, at_least: many}", [("wrong-value", 2, 33)]),
        ("{within: 24h, of: events}", [("wrong-value", 2, 27)]),
        ("{within: 24h, atleast: 1}", [("unknown-key", 2, 23)]),
    ],
)
def test_each_mistake_in_its_place(text: str, mistakes: list[tuple[str, int, int]]) -> None:
    assert load(text)[1] == mistakes


def test_runs_are_counted_by_small_parts_of_the_window() -> None:
    assert Expect(within=86_400.0).moment(86_465.0) == 86_460.0
    assert Expect(within=60.0).moment(7.9) == 7.0
