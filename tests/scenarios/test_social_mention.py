"""A mention gives points once, whatever goes wrong on the way, and is told to SMS & Email."""

from __future__ import annotations

import copy
import json
from typing import Any

from engine.store.records import DeliveryState, EffectState
from engine.testing import RunResult, SimulatedHarness
from tests.scenarios.conftest import SCENARIOS, Serve

NAME = "social-mention"
FILE = SCENARIOS / NAME / "scenario.yaml"
RAW = (SCENARIOS / NAME / "event.json").read_bytes()
ANA = "ana@example.com"
#: the points that the simulator's customer has at first
BEFORE = 640


def mention(**creator: Any) -> dict[str, Any]:
    event: dict[str, Any] = copy.deepcopy(json.loads(RAW))
    event["creator"] |= creator
    return event


def points(loyalty: Any) -> int:
    return int(loyalty.state.customers[ANA]["points_balance"]) - BEFORE


def asked(simulator: Any, what: str) -> int:
    """How often a simulator was asked so."""
    verb, path = what.split()
    return sum(n for call, n in simulator.calls.items() if call.startswith(verb) and call.endswith(path))


def states(result: RunResult) -> list[tuple[str, str]]:
    return [(effect.key, str(effect.state)) for effect in sorted(result.effects, key=lambda effect: effect.position)]


async def test_a_mention_gives_points_and_is_told(serve: Serve) -> None:
    async with serve("social-mention") as serving:
        outcome = await serving.outcome(await serving.post(RAW), NAME)
        assert (outcome.run.state, outcome.run.subject, outcome.output) == ("succeeded", ANA, {"points": 50})
        running = serving.host.simulators.running
        loyalty, messaging = running["yotpo_loyalty"], running["yotpo_messaging"]
        assert points(loyalty) == 50
        newest = loyalty.state.customers[ANA]["history_items"][0]  # type: ignore[attr-defined] # of the simulator
        assert (newest["action"], newest["points"]) == ("Mentioned us on instagram (ig-17912345)", 50)
        assert newest["created_at"] == "2024-03-05T09:12:00Z"
        [(identity, told)] = messaging.events.items()  # type: ignore[attr-defined] # of the simulator
        assert identity == "mention-ig-17912345"
        assert (told["action_name"], told["customer"]) == ("social_mention", {"email": ANA})
        assert told["event_properties"] == {
            "network": "instagram",
            "post_url": "https://social.example.com/stories/17912345",
            "reach": "small",
            "points": 50,
        }


async def test_a_mention_that_comes_twice_gives_points_once(serve: Serve) -> None:
    async with serve(NAME) as serving:
        first = await serving.post(RAW)
        again = (await serving.deliveries(await serving.post(RAW)))[NAME]
        assert again.state is DeliveryState.DUPLICATE
        assert (await serving.outcome(first, NAME)).run.state == "succeeded"
        assert points(serving.host.simulators.running["yotpo_loyalty"]) == 50


async def test_a_creator_with_many_followers_gets_more() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        result = await harness.run(mention(followers=10_000))
        assert (result.output, points(harness.simulator("yotpo_loyalty"))) == ({"points": 200}, 200)
        [told] = harness.simulator("yotpo_messaging").events.values()
        assert told["event_properties"]["reach"] == "large"


async def test_a_creator_without_an_address_is_filtered() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        accepted = await harness.send(mention(email=None))
        assert not accepted.runs
        assert sum(harness.simulator("yotpo_loyalty").calls.values()) == 0


async def test_an_answer_that_got_lost_is_found_in_the_history_and_the_points_stay_given_once() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        harness.lose_answers("yotpo_loyalty")
        [run] = (await harness.send(mention())).runs
        result = await harness.result(run, advance=30)
        assert (result.state, states(result)) == ("succeeded", [("reward#1", "done"), ("announce#1", "done")])
        [reward] = [effect for effect in result.effects if effect.key == "reward#1"]
        assert reward.settled_by == "probe"
        loyalty = harness.simulator("yotpo_loyalty")
        assert (points(loyalty), asked(loyalty, "POST /actions")) == (50, 1)


async def test_a_failure_that_the_history_does_not_clear_up_is_held_and_not_repeated() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        loyalty = harness.simulator("yotpo_loyalty")
        loyalty.fail_next(500)
        [run] = (await harness.send(mention())).runs
        held = await harness.result(run, advance=3600)
        assert (held.state, held.holds[0]["code"], held.holds[0]["step"]) == ("held", "unknown", "reward")
        assert (points(loyalty), asked(loyalty, "POST /actions")) == (0, 1)
        # a person has looked at Yotpo, where nothing is
        after = await harness.resume(run, "again", reason="no such item in the history")
        assert (after.state, points(loyalty)) == ("succeeded", 50)


async def test_a_busy_record_is_tried_again() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        loyalty = harness.simulator("yotpo_loyalty")
        loyalty.fail_next(423, times=2)
        [run] = (await harness.send(mention())).runs
        result = await harness.result(run, advance=60)
        refused, done = EffectState.REFUSED.value, EffectState.DONE.value
        assert states(result) == [
            ("reward#1", refused),
            ("reward#2", refused),
            ("reward#3", done),
            ("announce#1", done),
        ]
        assert (result.state, points(loyalty)) == ("succeeded", 50)


async def test_a_creator_who_is_no_customer_is_held() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        result = await harness.run(mention(email="nobody@example.com"))
        assert (result.state, result.holds[0]["code"], states(result)) == ("held", "failed", [("reward#1", "refused")])
        assert not harness.simulator("yotpo_messaging").events


async def test_an_event_that_is_sent_again_overwrites_itself_by_its_id() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        messaging = harness.simulator("yotpo_messaging")
        await harness.run(mention())
        messaging.close_mid_answer()
        changed = mention(followers=10_000)
        changed["mention"]["id"] = "ig-2"
        [run] = (await harness.send(changed)).runs
        assert (await harness.result(run, advance=60)).state == "succeeded"
        # the second mention was written twice, under one id
        assert messaging.writes == {"mention-ig-17912345": 1, "mention-ig-2": 2}
        assert [one["event_properties"]["points"] for one in messaging.events.values()] == [50, 200]
        assert points(harness.simulator("yotpo_loyalty")) == 250
