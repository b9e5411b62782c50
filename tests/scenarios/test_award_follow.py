"""A follow gives points once for ever, a mention each time; the customer and the help desk are told."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from engine.testing import RunResult, SimulatedHarness
from tests.scenarios.conftest import SCENARIOS
from tests.scenarios.deaths import die_everywhere

NAME = "award-follow"
FILE = SCENARIOS / NAME / "scenario.yaml"
FOLLOW: dict[str, Any] = json.loads((SCENARIOS / NAME / "event.json").read_text())
ANA = "ana@example.com"
BEFORE = 640


def event(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(FOLLOW), **changes}


def points(harness: SimulatedHarness) -> int:
    return int(harness.simulator("yotpo_loyalty").state.customers[ANA]["points_balance"]) - BEFORE


async def run(harness: SimulatedHarness, what: dict[str, Any]) -> RunResult:
    [run_id] = (await harness.send(what)).runs
    return await harness.result(run_id, advance=600)


async def test_a_follow_gives_points_and_is_told_twice() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        result = await run(harness, FOLLOW)
        assert (result.state, result.output, points(harness)) == ("succeeded", {"points": 25}, 25)
        newest = harness.simulator("yotpo_loyalty").state.customers[ANA]["history_items"][0]
        assert (newest["action"], newest["points"]) == ("Followed us on instagram (evt-5521)", 25)
        [told] = harness.simulator("yotpo_messaging").events.values()
        assert told["event_properties"] == {"action": "follow", "network": "instagram", "points": 25}
        note = next(effect for effect in result.effects if effect.key == "note#1")
        assert json.loads(note.request)["url"] == "/cases/C-104/notes"
        assert json.loads(note.request)["body"] == {"text": "25 points for: Followed us on instagram"}


async def test_a_network_is_followed_once_and_mentioned_often() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        await run(harness, FOLLOW)
        assert not (await harness.send(event(id="evt-5522"))).runs
        shouted = {**FOLLOW["creator"], "email": ANA.upper()}
        assert not (await harness.send(event(id="evt-5524", creator=shouted))).runs, "the same customer"
        await run(harness, event(id="evt-5523", network="tiktok"))
        assert points(harness) == 50
        for number in range(2):
            await run(harness, event(id=f"evt-600{number}", action="mention"))
        assert not (await harness.send(event(id="evt-6000", action="mention"))).runs
        assert points(harness) == 150


async def test_other_actions_and_creators_without_an_address_are_filtered() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        assert not (await harness.send(event(action="like"))).runs
        assert not (await harness.send(event(creator={"handle": "x", "email": None}))).runs


async def test_without_a_case_there_is_no_note_and_a_help_desk_that_is_down_fails_nothing() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        without = await run(harness, event(case=None))
        assert {effect.key for effect in without.effects} == {"reward#1", "notify#1"}
        harness.simulator("http").fail_next(500, times=9)
        result = await run(harness, event(id="evt-7", action="mention"))
        assert (result.state, points(harness)) == ("succeeded", 75)


async def test_a_campaign_that_is_missing_is_held_and_nobody_is_told() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        loyalty = harness.simulator("yotpo_loyalty")
        loyalty.state.campaigns.clear()
        result = await run(harness, FOLLOW)
        assert (result.state, result.holds[0]["step"], points(harness)) == ("held", "reward", 0)
        assert not harness.simulator("yotpo_messaging").events


async def test_points_whose_answer_got_lost_are_given_once() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        harness.lose_answers("yotpo_loyalty")
        result = await run(harness, FOLLOW)
        assert (result.state, points(harness)) == ("succeeded", 25)


async def test_it_survives_dying_at_every_boundary_of_a_step(tmp_path: Path) -> None:
    await die_everywhere(NAME, tmp_path)
