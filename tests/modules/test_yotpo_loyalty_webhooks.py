"""The webhooks that the loyalty simulator sends: the vendor's bodies, made of what its API would answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from engine import Delivery, WebhookSample, WebhookSender
from engine.sdk import jsontext
from engine.sdk.clock import utc
from modules.yotpo_loyalty.events import TOPICS, event_schema
from modules.yotpo_loyalty.simulator import LoyaltySimulator
from modules.yotpo_loyalty.watch import parse
from tests.modules.bench import FIXTURES, Bench, fixture, problems
from tests.runtime.doubles import HandClock

NAMES = sorted(path.stem for path in (FIXTURES / "loyalty-webhooks").glob("*.json"))


@pytest.fixture
def clock() -> HandClock:
    return HandClock(1_709_629_200.0)


@pytest.fixture
def simulator(clock: HandClock) -> LoyaltySimulator:
    return LoyaltySimulator(clock, per_second=None)


@pytest.fixture
def sent(simulator: LoyaltySimulator) -> list[WebhookSample]:
    taken: list[WebhookSample] = []
    simulator.send = taken.append
    return taken


def shape(value: Any) -> Any:
    """Keys of objects all the way down; of anything else nothing."""
    if isinstance(value, Mapping):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return None


def test_every_known_body_can_be_sent(simulator: LoyaltySimulator) -> None:
    assert isinstance(simulator, WebhookSender)
    assert sorted(simulator.webhooks) == NAMES
    assert {sample.body["topic"] for sample in simulator.webhooks.values()} == set(TOPICS)


@pytest.mark.parametrize("name", NAMES)
def test_a_body_has_the_keys_of_the_vendors_and_passes_the_triggers_schema(
    simulator: LoyaltySimulator, clock: HandClock, name: str
) -> None:
    sample, known = simulator.webhooks[name], fixture(f"loyalty-webhooks/{name}.json")
    assert (sample.body["topic"], sample.body["name"]) == (known["topic"], known["name"])
    assert shape(sample.body) == shape(known)
    assert problems(sample.body, event_schema([known["topic"]])) == []
    assert sample.description.startswith(f"{known['topic']}: ")
    raw = jsontext.dumps(sample.body)
    [event] = parse(Delivery("POST", {}, {}, raw, jsontext.loads(raw), utc(clock.time())))
    assert event.body == sample.body


@pytest.mark.parametrize("name", NAMES)
async def test_the_customer_of_a_body_is_the_one_that_the_api_answers(
    yotpo: Bench, simulator: LoyaltySimulator, name: str
) -> None:
    simulator.state.customers["ana@example.com"].update(points_balance=777, vip_tier_name="GOLD", first_name="Anna")
    body = simulator.webhooks[name].body
    people = [body[key] for key in ("customer", "referrer", "referred_customer") if key in body]
    for person in people:
        query = {"customer_email": person["email"], "with_referral_code": True}
        record = (await yotpo.http.request("GET", "/customers", query=query)).json()
        told = {key: person[key] for key in person.keys() & record.keys()}
        # these tell of a time to come, and the link is an object in the record
        for key in {"referral_link", *({"points_expire_at"} if name == "loyalty_expiration_reminder" else ())}:
            told.pop(key, None)
        if name == "referral_completed":
            told.pop("referral_code", None)
        assert told.items() <= record.items()
        assert person["referral_link"] == record["referral_link"]["link"]
    assert bool(people) == (name != "redemption_code_below_threshold")


def test_tiers_are_those_of_the_program(simulator: LoyaltySimulator) -> None:
    ana = simulator.state.customers["ana@example.com"]
    for tier in ("SILVER", "GOLD"):
        ana["vip_tier_name"] = tier
        earned, lost = (simulator.webhooks[name].body for name in ("tier_earned", "tier_lost"))
        assert (earned["new_tier"]["name"], earned["old_tier"]["name"]) == ("GOLD", "SILVER")
        assert (lost["new_tier"]["name"], lost["old_tier"]["name"]) == ("SILVER", "GOLD")
        assert [earned["new_tier"]["rank"], lost["new_tier"]["rank"]] == [2, 1]
    assert "old_tier" not in simulator.webhooks["tier_earned_first"].body
    assert "new_tier" not in simulator.webhooks["tier_lost_none"].body


async def test_an_adjustment_sends_the_change(
    yotpo: Bench, sent: list[WebhookSample], simulator: LoyaltySimulator
) -> None:
    adjustment = {"customer_email": "ana@example.com", "point_adjustment_amount": -40, "history_title": "Mistake"}
    await yotpo.http.request("POST", "/points/adjust", json=adjustment)
    [changed] = sent
    assert changed.body["topic"] == "swell/points/changed"
    told = ("previous_balance", "current_balance", "difference", "added_or_removed", "points_changed_reason")
    assert [changed.body[key] for key in told] == [640, 600, 40, "removed", "Mistake"]
    assert changed.body["customer"]["points_balance"] == 600


async def test_points_that_are_earned_send_two_events(yotpo: Bench, sent: list[WebhookSample]) -> None:
    action = {"customer_email": "ana@example.com", "action_name": "instagram_mention", "reward_points": 70}
    await yotpo.http.request("POST", "/actions", json={"type": "CustomAction", **action})
    assert [one.body["topic"] for one in sent] == ["swell/points/earned", "swell/points/changed"]
    assert (sent[0].body["perk"]["reward_points"], sent[0].body["perk"]["campaign_id"]) == (70, 8)
    assert sent[1].body["current_balance"] == 710


async def test_a_redemption_sends_its_code(yotpo: Bench, sent: list[WebhookSample]) -> None:
    redemption = {"customer_email": "ana@example.com", "redemption_option_id": 149}
    answer = (await yotpo.http.request("POST", "/redemptions", json=redemption)).json()
    assert [one.body["topic"] for one in sent] == ["swell/points/changed", "swell/redemption/created"]
    assert sent[0].body["points_changed_reason"] == "Redemption Made"
    told = sent[1].body
    assert (told["redemption"]["id"], told["redemption"]["reward_text"]) == (answer["id"], answer["code"])
    assert told["redemption_option"]["id"] == 149
    for one in sent:
        assert problems(one.body, event_schema([one.body["topic"]])) == []


async def test_what_is_refused_sends_nothing(yotpo: Bench, sent: list[WebhookSample], clock: HandClock) -> None:
    adjustment = {"customer_email": "ana@example.com", "point_adjustment_amount": -10_000}
    for body in (adjustment, {**adjustment, "point_adjustment_amount": 0}):
        await yotpo.http.request("POST", "/points/adjust", json=body, raise_for_status=False)
    assert sent == []


def test_a_merchant_without_customers_has_nothing_to_tell(simulator: LoyaltySimulator) -> None:
    simulator.state.customers.clear()
    assert simulator.webhooks == {}
