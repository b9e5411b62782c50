"""``output``: what a run gives."""

from __future__ import annotations

from typing import Any

import pytest

from engine.scenario.load import load_scenario
from engine.scenario.plan import Scenario
from engine.testing import CrashAt
from tests.language.crm import registry as crm
from tests.runtime.core import Script, with_head

STEPS = """
- id: person
  module: shop.get
  with: {email: "${{ trigger.email }}"}
- if: ${{ person.tier == 'NONE' }}
  steps:
    - stop: success
"""
HEAD = 'output: {tier: "${{ person.tier }}", at: "${{ now() }}"}\n'


async def test_a_run_gives_its_output_at_the_end_of_its_steps() -> None:
    async with with_head("output: {tier: '${{ person.tier }}', none: '${{ omit() }}'}\n", STEPS, GOLD) as harness:
        result = await harness.run({"email": "ana@example.com"})
        assert (result.state, result.output) == ("succeeded", {"tier": "GOLD"})


GOLD: Any = {"shop.get": lambda _config: {"tier": "GOLD"}}


async def test_a_run_that_stops_before_gives_what_the_stop_says() -> None:
    async with with_head(HEAD, STEPS, {"shop.get": lambda _config: {"tier": "NONE"}}) as harness:
        result = await harness.run({"email": "ana@example.com"})
        assert (result.state, result.output) == ("succeeded", None)


async def test_an_output_is_decided_once() -> None:
    harness = with_head(HEAD + "on_failure: []\n", STEPS, {"shop.get": Script({"tier": "GOLD"})})
    [result] = await harness.crash(CrashAt("run.moved"), {"email": "ana@example.com"})
    before = result.output
    await harness.clock.advance(60)
    assert (await harness.result(result.run.id)).output == before
    await harness.stop()


async def test_an_output_that_cannot_be_computed_fails_the_run() -> None:
    async with with_head("output: ${{ person.tier + 1 }}\n", STEPS, GOLD) as harness:
        result = await harness.run({"email": "ana@example.com"})
        assert (result.state, result.error["step"], result.error["code"]) == ("failed", "output", "expression-error")
        assert result.error["place"]


def plan(text: str) -> Scenario:
    found, mistakes = load_scenario(f"scenario: s\n{text}", "s.yaml", crm())
    assert found is not None, mistakes
    return found


SEVEN = {"type": "integer", "const": 7}


def text(value: str) -> dict[str, Any]:
    return {"type": "string", "const": value}


@pytest.mark.parametrize(
    ("source", "gives"),
    [
        ("steps: []\n", {"type": "null"}),
        ("steps: []\noutput: 7\n", SEVEN),
        ("steps:\n  - stop: success\noutput: 7\n", {"anyOf": [SEVEN, {"type": "null"}]}),
        ("steps:\n  - {stop: success, output: a}\noutput: b\n", {"anyOf": [text("b"), text("a")]}),
        ("steps:\n  - stop: failure\noutput: b\n", text("b")),
        (
            "steps:\n  - {id: n, set: {a: 1}, on_error: commit}\noutput: ${{ n.a }}\n",
            {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        ),
    ],
)
def test_what_a_run_gives_is_known(source: str, gives: dict[str, Any]) -> None:
    assert plan(source).gives == gives


def test_an_output_sees_what_the_steps_gave_and_nothing_else() -> None:
    steps = "steps:\n  - foreach: ${{ [1] }}\n    steps:\n      - {id: inner, set: {a: 1}}\n"
    _, found = load_scenario(f"scenario: s\n{steps}output: ${{{{ inner.a }}}}\n", "s.yaml", crm())
    assert [mistake.code for mistake in found] == ["step-not-run"]
