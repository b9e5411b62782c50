"""Every body that the vendor is known to send is accepted, recognised and run by shipped scenarios."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.store.records import DeliveryState
from modules.yotpo_loyalty.events import TOPICS
from tests.scenarios.conftest import EVENTS, Serve

BODIES = sorted(path.name for path in EVENTS.iterdir())
EVERY = "every-loyalty-event"
TELL = "yotpo_messaging.create_or_update_custom_event"

#: by body: the event that SMS & Email gets from the topic's branch, its customer and what it tells
TOLD: dict[str, tuple[str, str, dict[str, Any]]] = {
    "customer_anniversary.json": ("anniversary", "ana", {"coupon": "SAVE5-9XK2"}),
    "customer_birthday.json": ("birthday", "ana", {"coupon": "SAVE5-9XK2"}),
    "loyalty_expiration_reminder.json": ("points_expire", "ana", {"points": 100, "on": "2024-04-04", "days": 30}),
    "loyalty_opt_in.json": ("joined_loyalty", "ana", {}),
    "loyalty_opt_out.json": ("left_loyalty", "ana", {}),
    "points_changed.json": ("points_changed", "ana", {"before": 440, "after": 640, "why": "Create an account"}),
    "points_earned.json": ("points_earned", "ana", {"points": 200, "for": "Create an account"}),
    "points_reminder.json": ("reward_in_reach", "ana", {"points_needed": 125, "reward": "$5.00 Off"}),
    "redemption_cancellation_request.json": ("coupon_cancelled", "ana", {"coupon": "SAVE5-9XK2"}),
    "redemption_created_awarded.json": ("coupon_given", "ana", {"coupon": "TEN-4Q", "reward": "10% Off"}),
    "redemption_created_redeemed.json": ("coupon_bought", "ana", {"coupon": "SAVE5-9XK2", "reward": "$5.00 Off"}),
    "redemption_reminder.json": ("reward_available", "ana", {"reward": "$5.00 Off"}),
    "referral_completed.json": ("friend_came", "ana", {"friend": "Ben"}),
    "referral_share.json": ("shared_with_friend", "ana", {"link": "http://rwrd.io/k7qp2m"}),
    "tier_earned.json": ("tier_earned", "ana", {"tier": "GOLD"}),
    "tier_earned_first.json": ("tier_earned", "ana", {"tier": "SILVER"}),
    "tier_lost.json": ("tier_lost", "ana", {"tier": "SILVER"}),
    "tier_lost_none.json": ("tier_lost", "ana", {"tier": "none"}),
    "tier_status_changed.json": ("tier_status", "ana", {"points_earned": 0, "points_to_next_tier": 0}),
}
#: about the shop, so that nobody is told
SILENT = {"redemption_code_below_threshold.json": {"reward": "$5.00 Off", "codes_left": 0}}


def test_the_tables_have_every_body_and_the_bodies_every_topic() -> None:
    assert sorted([*TOLD, *SILENT]) == BODIES
    assert {json.loads((EVENTS / name).read_text())["topic"] for name in BODIES} == set(TOPICS)


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_is_accepted_recognised_and_run(serve: Serve, name: str) -> None:
    raw = (EVENTS / name).read_bytes()
    async with serve(EVERY, "tier-to-sms", "coupons-to-sms") as serving:
        receipt = await serving.post(raw)
        every = await serving.outcome(receipt, EVERY)
        assert (every.delivery.state, every.run.state) == (DeliveryState.RUN, "succeeded"), every.run
        stored = await serving.host.store.receipt(receipt)
        assert stored is not None
        assert stored.body == raw
        if name in SILENT:
            assert (every.output, every.effects, every.run.subject) == (SILENT[name], [], None)
        else:
            event, person, details = TOLD[name]
            [sent] = every.requests(TELL)
            assert (sent["action_name"], sent["event_properties"]) == (event, details)
            assert sent["customer"] == {"email": f"{person}@example.com"}
        deliveries = await serving.deliveries(receipt)
        about_tiers = json.loads(raw)["topic"] in ("swell/tier/earned", "swell/tier/lost")
        assert deliveries["tier-to-sms"].state == (DeliveryState.RUN if about_tiers else DeliveryState.FILTERED)
        assert len(deliveries) == 3


async def test_a_topic_that_is_newer_than_the_scenario_runs_and_says_so(serve: Serve) -> None:
    async with serve(EVERY) as serving:
        receipt = await serving.post(b'{"topic": "swell/stamp/collected", "email": "ana@example.com"}')
        outcome = await serving.outcome(receipt, EVERY)
        assert (outcome.run.state, outcome.output) == ("succeeded", {"topic": "swell/stamp/collected"})
        assert outcome.effects == []


@pytest.mark.parametrize(
    ("body", "event", "tier"), [("tier_earned", "tier_earned", "GOLD"), ("tier_lost_none", "tier_lost", "none")]
)
async def test_a_tier_is_told_with_what_is_known_of_the_customer(
    serve: Serve, body: str, event: str, tier: str
) -> None:
    async with serve("tier-to-sms") as serving:
        receipt = await serving.post((EVENTS / f"{body}.json").read_bytes())
        outcome = await serving.outcome(receipt, "tier-to-sms")
        [sent] = outcome.requests(TELL)
        assert sent["action_name"] == event
        assert sent["event_properties"] == {"tier": tier, "points_balance": 640, "first_name": "Ana"}
        assert [record.module for record in outcome.records] == ["yotpo_loyalty.retrieve_customer"]


async def test_a_coupon_that_was_bought_sends_each_coupon_of_the_history(serve: Serve) -> None:
    async with serve("coupons-to-sms") as serving:
        receipt = await serving.post((EVENTS / "redemption_created_redeemed.json").read_bytes())
        outcome = await serving.outcome(receipt, "coupons-to-sms")
        assert [effect.key for effect in outcome.effects] == ["coupons[SAVE5-9XK2]/send#1"]
        [sent] = outcome.requests(TELL)
        properties = {"coupon": "SAVE5-9XK2", "reward": "$5.00 Off", "points": 500, "is_new": True}
        assert sent["event_properties"] == properties
        assert outcome.output == {"coupons": ["SAVE5-9XK2"], "points_left": 640}


async def test_a_coupon_that_was_given_is_filtered(serve: Serve) -> None:
    async with serve("coupons-to-sms") as serving:
        receipt = await serving.post((EVENTS / "redemption_created_awarded.json").read_bytes())
        delivery = (await serving.deliveries(receipt))["coupons-to-sms"]
        assert (delivery.state, delivery.reason) == (DeliveryState.FILTERED, "the trigger's `if` is false")
