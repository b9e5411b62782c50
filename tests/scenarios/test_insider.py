"""What happens in Yotpo Loyalty is known in Insider: events, attributes, lists; and what goes nowhere is told."""

from __future__ import annotations

import copy
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from engine.testing import CrashAt, SimulatedHarness
from modules.yotpo_loyalty.events import TOPICS
from tests.modules.test_yotpo_to_insider import HAPPENED
from tests.scenarios.conftest import EVENTS, SCENARIOS
from tests.scenarios.deaths import die_everywhere

LIVE = SCENARIOS / "loyalty-to-insider" / "scenario.yaml"
SEGMENT = SCENARIOS / "insider-segment" / "scenario.yaml"
BODIES = {path.stem: json.loads(path.read_text()) for path in sorted(EVENTS.iterdir())}
UPSERT = "POST /api/user/v1/upsert"


def person(harness: SimulatedHarness, email: str = "ana@example.com") -> Any:
    """Whom Insider knows by this e-mail; null: nobody."""
    return harness.simulator("insider").people.find({"identifiers": {"email": email}})


# ---------------------------------------------------------------------- loyalty-to-insider


@pytest.mark.parametrize("body", HAPPENED)
async def test_an_event_is_the_customers_and_brings_the_attributes(body: str) -> None:
    async with SimulatedHarness.of(LIVE) as harness:
        result = await harness.run(BODIES[body])
        name, _ = HAPPENED[body]
        assert (result.state, result.output) == ("succeeded", {"email": "ana@example.com", "event": name})
        known = person(harness)
        assert [event["event_name"] for event in known.events] == [name]
        # of the review side, of the loyalty side, and of both
        assert known.attributes["c_yotpo_total_reviews"] == 4
        assert known.attributes["c_yotpo_total_spend_cents"] == 12500
        assert known.attributes["c_yotpo_point_balance"] == 640
        assert (known.attributes["name"], known.attributes["surname"]) == ("Ana", "Example")
        assert len(known.attributes) > 30
        # the friend of a recommendation did not ask to be known
        assert person(harness, "ben@example.com") is None


def test_the_seventeen_events_of_the_document_and_the_four_beside_it_are_all_tried() -> None:
    assert {BODIES[body]["topic"] for body in HAPPENED} | {"swell/redemption_code/below_threshold"} == set(TOPICS)


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("Swell Birthday Captured", "birthday_captured"),
        ("Swell Anniversary Captured", "anniversary_captured"),
        ("Loyalty Custom Reward Created", "loyalty_custom_reward_created"),
    ],
)
async def test_an_event_of_the_document_whose_topic_nobody_has_published(name: str, event: str) -> None:
    async with SimulatedHarness.of(LIVE) as harness:
        result = await harness.run({"topic": "swell/unpublished", "name": name, "email": "ana@example.com"})
        assert (result.state, result.output["event"]) == ("succeeded", event)
        assert [one["event_name"] for one in person(harness).events] == [event]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (BODIES["redemption_code_below_threshold"], "the event is about the shop, and has no customer"),
        ({"topic": "swell/stamp/collected", "name": "Swell Stamp", "email": "a@example.com"}, "no event 'Swell Stamp'"),
        ({"topic": "loyalty/opt_in", "name": "Loyalty Opt In"}, "the event names no customer"),
    ],
)
async def test_what_has_nowhere_to_go_is_told_and_asks_nobody(
    body: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with SimulatedHarness.of(LIVE) as harness:
            result = await harness.run(body)
            assert result.state == "succeeded"
            assert reason in result.message
            assert [sum(harness.simulator(app).calls.values()) for app in ("insider", "yotpo_developer")] == [0, 0]
    assert "nowhere to go in Insider" in caplog.text


async def test_a_customer_without_reviews_is_told_all_the_same() -> None:
    async with SimulatedHarness.of(LIVE) as harness:
        del harness.simulator("yotpo_developer").customers["ana@example.com"]
        assert (await harness.run(BODIES["points_earned"])).state == "succeeded"
        known = person(harness).attributes
        assert known["c_yotpo_point_balance"] == 640
        assert "c_yotpo_total_reviews" not in known


async def test_who_loses_the_last_tier_has_none_in_insider() -> None:
    async with SimulatedHarness.of(LIVE) as harness:
        await harness.run(BODIES["tier_earned"])
        assert person(harness).attributes["c_yotpo_vip_tier_name"] == "SILVER"
        harness.simulator("yotpo_developer").customers["ana@example.com"]["vip_tier_name"] = None
        lost = copy.deepcopy(BODIES["tier_lost_none"])
        await harness.run(lost)
        assert person(harness).attributes["c_yotpo_vip_tier_name"] == "none"


async def test_topics_of_interest_replace_those_of_before() -> None:
    async with SimulatedHarness.of(LIVE) as harness:
        await harness.run(BODIES["points_earned"])
        harness.simulator("yotpo_developer").customers["ana@example.com"]["top_topics"] = ["price"]
        await harness.run(BODIES["points_changed"])
        assert person(harness).attributes["c_yotpo_top_topics"] == ["price"]


async def test_an_answer_that_got_lost_is_a_persons_to_settle_and_the_next_event_waits() -> None:
    async with SimulatedHarness.of(LIVE) as harness:
        harness.lose_answers("insider")
        [first] = (await harness.send(BODIES["points_earned"])).runs
        held = await harness.result(first, advance=600)
        assert (held.state, held.holds[0]["code"], held.holds[0]["step"]) == ("held", "unknown", "send")
        [second] = (await harness.send(BODIES["points_changed"])).runs
        assert (await harness.result(second)).state == "blocked"
        assert (await harness.resume(first, "happened", output={"key": "ana@example.com"})).state == "succeeded"
        assert (await harness.result(second)).state == "succeeded"
        assert harness.simulator("insider").calls[UPSERT] == 2
        assert [event["event_name"] for event in person(harness).events] == ["points_earned", "points_changed"]


async def test_a_user_whom_insider_refuses_is_held_with_the_vendors_reason() -> None:
    async with SimulatedHarness.of(LIVE) as harness:
        harness.simulator("insider").fail_user("ana@example.com", "attributes.*.type", "must be text")
        held = await harness.run(BODIES["points_earned"])
        assert (held.state, held.holds[0]["step"]) == ("held", "send")
        assert "must be text" in json.dumps(held.holds)
        assert (await harness.resume(held.run.id, "again")).state == "succeeded"


async def test_vendors_that_fail_for_a_while_are_asked_again() -> None:
    async with SimulatedHarness.of(LIVE) as harness:
        harness.simulator("yotpo_developer").fail_next(503, times=2)
        harness.simulator("insider").fail_next(429, times=2, body={"error": "rejected: too many requests"})
        [run] = (await harness.send(BODIES["points_earned"])).runs
        assert (await harness.result(run, advance=600)).state == "succeeded"
        assert len(person(harness).events) == 1


# ---------------------------------------------------------------------- insider-segment


@pytest.mark.parametrize(
    ("body", "lists"),
    [
        ({**BODIES["points_changed"], "previous_balance": 440, "current_balance": 640}, [101]),
        ({**BODIES["points_changed"], "previous_balance": 599, "current_balance": 600}, [101]),
        ({**BODIES["points_changed"], "previous_balance": "440", "current_balance": "640"}, [101]),
        ({**BODIES["points_changed"], "previous_balance": 600, "current_balance": 640}, None),
        ({**BODIES["points_changed"], "previous_balance": 640, "current_balance": 440}, None),
        (BODIES["tier_lost"], [102]),
        (BODIES["tier_lost_none"], [102]),
    ],
    ids=["crosses", "reaches", "in quotes", "has been above", "falls", "tier lost", "last tier lost"],
)
async def test_who_crosses_the_line_or_loses_a_tier_is_put_on_a_list(body: dict[str, Any], lists: Any) -> None:
    async with SimulatedHarness.of(SEGMENT) as harness:
        assert (await harness.run(body)).state == "succeeded"
        known = person(harness)
        assert (known.attributes["static_segment_id"] if known else None) == lists


async def test_a_customer_stays_on_the_lists_that_he_is_on() -> None:
    async with SimulatedHarness.of(SEGMENT) as harness:
        for body in ("points_changed", "tier_lost", "tier_lost"):
            await harness.run(BODIES[body])
        assert person(harness).attributes["static_segment_id"] == [101, 102]


async def test_a_lost_answer_of_a_list_is_asked_again() -> None:
    async with SimulatedHarness.of(SEGMENT) as harness:
        harness.lose_answers("insider")
        [run] = (await harness.send(BODIES["tier_lost"])).runs
        assert (await harness.result(run, advance=600)).state == "succeeded"
        assert person(harness).attributes["static_segment_id"] == [102]


async def test_events_that_no_list_is_for_are_filtered() -> None:
    async with SimulatedHarness.of(SEGMENT) as harness:
        assert not (await harness.send(BODIES["points_earned"])).runs


# ---------------------------------------------------------------------- crashes


@pytest.mark.parametrize("name", ["loyalty-to-insider", "insider-segment"])
async def test_a_crash_at_any_boundary_of_a_step_leaves_books_that_add_up(name: str, tmp_path: Path) -> None:
    await die_everywhere(name, tmp_path)


async def test_a_crash_behind_the_write_leaves_one_event_and_the_turn_open_for_a_person() -> None:
    harness = SimulatedHarness.of(LIVE)
    # behind the write of the turn comes that of the event: what became of it nobody can ask
    faults = CrashAt("effect.sent")
    try:
        [result] = await harness.crash(faults, BODIES["points_earned"])
        assert faults.crashed
        assert (result.state, result.holds[0]["step"]) == ("held", "send")
        assert len(person(harness).events) == 1
        after = await harness.resume(result.run.id, "happened", output={"key": "ana@example.com"})
        assert (after.state, len(person(harness).events)) == ("succeeded", 1)
    finally:
        await harness.stop()
