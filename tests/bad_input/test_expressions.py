"""An expression that fails while a run runs: where, what `on_error` makes of it, and that the next event is served."""

from __future__ import annotations

import re

import pytest

from engine.runtime.commands import Choice, resume
from engine.testing import Harness
from tests.support.shop import registry, scenario

#: where the expression stands, and the step with it
PLACES = {
    "with": '- id: bad\n  module: shop.put\n  with: {n: "${{ trigger.n + trigger.word }}"}',
    "with inside text": '- id: bad\n  module: shop.put\n  with: {n: "so: ${{ trigger.n + trigger.word }}"}',
    "if of a step": "- id: bad\n  if: ${{ trigger.word }}\n  module: shop.put\n  with: {}",
    "if of a group": "- id: bad\n  if: ${{ trigger.word > 5 }}\n  steps:\n    - set: {a: 1}",
    "set": '- id: bad\n  set: {n: "${{ trigger.n + trigger.word }}"}',
    "foreach": "- id: bad\n  foreach: ${{ trigger.word }}\n  steps:\n    - set: {a: 1}",
    "foreach key": "- id: bad\n  foreach: ${{ trigger.list }}\n  key: ${{ item == 1 }}\n  steps:\n    - set: {a: 1}",
    "collect": "- id: bad\n  foreach: ${{ trigger.list }}\n  collect: ${{ item + trigger.word }}\n"
    "  steps:\n    - set: {a: 1}",
    "stop": "- id: bad\n  stop: success\n  output: ${{ trigger.n + trigger.word }}",
    "stop message": '- id: bad\n  stop: failure\n  message: "${{ trigger.n + trigger.word }}"',
}
EVENT = {"n": 1, "word": "many", "list": [1, 2]}
GOOD = {"n": 1, "word": 2, "list": [1, 2]}


def harness(place: str, on_error: str) -> Harness:
    steps = f"{PLACES[place]}\n  on_error: {on_error}\n- id: after\n  module: shop.pay\n  with: {{}}"
    return Harness([scenario(steps)], doubles={"shop.put": fine, "shop.pay": fine}, registry=registry())


def fine(_config: object) -> dict[str, object]:
    return {}


def assert_clear(error: dict[str, object]) -> None:
    assert error["code"] == "expression-error"
    assert error["step"] == "bad"
    # the scenario's line of the step, to the column
    assert re.fullmatch(r"scenario-0\.yaml:5:5", str(error["place"]))
    # the expression, the place in it, the value
    assert re.search(r": in `.*` at character \d+, met ", str(error["message"])), error["message"]


@pytest.mark.parametrize("place", PLACES)
async def test_fail(place: str) -> None:
    async with harness(place, "fail") as bench:
        result = await bench.run(EVENT)
        assert result.state == "failed"
        assert_clear(result.error)
        assert [call.module for call in bench.calls] == []


@pytest.mark.parametrize("place", PLACES)
async def test_ignore(place: str) -> None:
    async with harness(place, "ignore") as bench:
        result = await bench.run(EVENT)
        assert result.state == "succeeded"
        assert [call.module for call in bench.calls] == ["shop.pay"]


@pytest.mark.parametrize("place", PLACES)
async def test_hold_and_skip(place: str) -> None:
    async with harness(place, "hold") as bench:
        result = await bench.run(EVENT)
        assert result.state == "held"
        [hold] = result.holds
        assert (hold["code"], hold["step"]) == ("failed", "bad")
        assert_clear(hold["error"])
        assert bench.calls == []
        run = await resume(bench.store, result.run.id, Choice.SKIP, bench.clock.time(), reason="wrong data")
        bench.runner.wake()
        result = await bench.result(run.id)
        assert result.state == "succeeded"
        assert [call.module for call in bench.calls] == ["shop.pay"]


@pytest.mark.parametrize("place", PLACES)
async def test_hold_and_the_same_again_is_held_again(place: str) -> None:
    async with harness(place, "hold") as bench:
        held = await bench.run(EVENT)
        await resume(bench.store, held.run.id, Choice.AGAIN, bench.clock.time())
        bench.runner.wake()
        again = await bench.result(held.run.id)
        assert again.state == "held"
        assert again.holds == held.holds


@pytest.mark.parametrize("place", [place for place in PLACES if "stop" not in place and "if" not in place])
async def test_the_next_event_is_served(place: str) -> None:
    async with harness(place, "fail") as bench:
        assert (await bench.run(EVENT)).state == "failed"
        good = {**GOOD, "word": [1]} if place == "foreach" else GOOD
        result = await bench.run(good)
        assert result.state == ("failed" if place == "foreach key" else "succeeded")


async def test_a_scenario_s_own_variables() -> None:
    source = scenario("- set: {a: 1}", head='vars: {total: "${{ trigger.n + trigger.word }}"}\n')
    async with Harness([source], registry=registry()) as bench:
        result = await bench.run(EVENT)
        assert result.state == "failed"
        assert (result.error["code"], result.error["step"]) == ("expression-error", "vars")
        assert result.error["place"]
        assert (await bench.run(GOOD)).state == "succeeded"


async def test_a_step_that_is_ignored_shows_its_error_to_later_ones() -> None:
    steps = (
        PLACES["set"] + "\n  on_error: ignore\n- stop: success\n"
        '  output: {status: "${{ steps.bad.status }}", code: "${{ steps.bad.error.code }}"}'
    )
    async with Harness([scenario(steps)], registry=registry()) as bench:
        result = await bench.run(EVENT)
        assert result.output == {"status": "failed", "code": "expression-error"}
