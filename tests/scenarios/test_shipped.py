"""What every shipped scenario has: no mistake, an event on which it runs, a name that is its folder's."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from engine import plugins
from engine.runtime.host import load_scenarios
from engine.runtime.project import Project
from engine.store.records import DeliveryState
from engine.testing import SimulatedHarness
from tests.scenarios.conftest import EVENTS, SCENARIOS, Serve

SHIPPED = sorted(path.parent.name for path in SCENARIOS.glob("*/scenario.yaml"))


def listening_to(module: str) -> list[str]:
    return [name for name in SHIPPED if f"module: {module}\n" in (SCENARIOS / name / "scenario.yaml").read_text()]


def test_the_check_finds_no_mistake_and_nothing_to_warn_of() -> None:
    project = Project.find(SCENARIOS)
    plans, found, _ = load_scenarios(project, plugins.load(), [SCENARIOS], simulate=False)
    assert [str(diagnostic) for diagnostic in found] == []
    assert sorted(plan.name for plan in plans) == SHIPPED
    assert all(plan.description for plan in plans)


#: those that somebody starts by hand; the event beside them has their inputs
BY_HAND = [name for name in SHIPPED if "\ntrigger:" not in (SCENARIOS / name / "scenario.yaml").read_text()]

#: those that no sender calls
UNCALLED = [*listening_to("yotpo_loyalty.watch_recent_customers"), "daily-digest", "daily-summary"]


#: those that wait for longer than a test does, or answer their sender themselves
ON_A_VIRTUAL_CLOCK = [
    name
    for name in SHIPPED
    if name not in BY_HAND
    and re.search(r"^ *- (sleep|sleep_until|respond):", (SCENARIOS / name / "scenario.yaml").read_text(), re.MULTILINE)
]


@pytest.mark.parametrize("name", [name for name in SHIPPED if name not in (*UNCALLED, *BY_HAND, *ON_A_VIRTUAL_CLOCK)])
async def test_it_runs_on_the_event_beside_it(serve: Serve, name: str) -> None:
    async with serve(name) as serving:
        receipt = await serving.post((SCENARIOS / name / "event.json").read_bytes())
        outcome = await serving.outcome(receipt, name)
        assert (outcome.delivery.state, outcome.run.state) == (DeliveryState.RUN, "succeeded"), outcome.run
        assert all(effect.state == "done" for effect in outcome.effects)


@pytest.mark.parametrize("name", ON_A_VIRTUAL_CLOCK)
async def test_it_runs_on_the_event_beside_it_on_a_virtual_clock(name: str) -> None:
    async with SimulatedHarness.of(SCENARIOS / name / "scenario.yaml") as harness:
        accepted = await harness.send(json.loads((SCENARIOS / name / "event.json").read_text()))
        result = await harness.result(accepted.runs[0], advance=3600)
        assert (result.state, result.holds) == ("succeeded", [])


@pytest.mark.parametrize("name", BY_HAND)
async def test_it_runs_with_the_inputs_beside_it(name: str) -> None:
    async with SimulatedHarness.of(SCENARIOS / name / "scenario.yaml") as harness:
        inputs = json.loads((SCENARIOS / name / "event.json").read_text())
        assert (await harness.begin(**inputs)).state == "succeeded"


@pytest.mark.parametrize("name", UNCALLED)
async def test_it_runs_on_the_item_or_moment_beside_it(name: str) -> None:
    async with SimulatedHarness.of(SCENARIOS / name / "scenario.yaml") as harness:
        result = await harness.run(json.loads((SCENARIOS / name / "event.json").read_text()))
        assert result.state == "succeeded", result.error


@pytest.mark.parametrize("name", listening_to("yotpo_loyalty.watch_loyalty_events"))
def test_the_event_beside_it_is_one_of_the_vendors(name: str) -> None:
    event = json.loads((SCENARIOS / name / "event.json").read_text())
    assert event in [json.loads(path.read_text()) for path in sorted(EVENTS.iterdir())]


def test_each_has_a_test_of_its_own() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__))
    assert [name for name in SHIPPED if f'"{name}"' not in tests] == []


def test_each_is_in_the_list_of_what_is_shipped() -> None:
    listed = re.findall(
        r"^\| \[`([a-z-]+)`\]\(\1/scenario\.yaml\)", (SCENARIOS / "README.md").read_text(), re.MULTILINE
    )
    assert sorted(listed) == SHIPPED
