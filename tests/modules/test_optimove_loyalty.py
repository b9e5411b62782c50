"""The twelve loyalty events: named, flat and typed, from every body that Yotpo is known to send."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from engine import DataError, Delivery, Event
from modules.optimove.connection import LONGEST_TEXT, MOST_PARAMETERS, SNAKE_CASE
from modules.optimove.loyalty import EVENTS, NAMES, Parameter, named
from modules.optimove.name_event import NAME_LOYALTY_EVENT, NO_CUSTOMER, NO_EVENT
from modules.optimove.simulator import YOTPO, OptimoveSimulator
from modules.optimove.watch import WATCH_EVENTS
from modules.yotpo_loyalty.events import TOPICS, event_schema
from tests.modules.bench import FIXTURES, fixture, problems
from tests.runtime.doubles import HandClock

BODIES: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted((FIXTURES / "loyalty-webhooks").glob("*.json"))
}
#: of Yotpo's events, those that Optimove's list does not have
OTHERS = {
    "loyalty_expiration_reminder",
    "redemption_cancellation_request",
    "redemption_code_below_threshold",
    "referral_share",
}
TWELVE = sorted(BODIES.keys() - OTHERS)
NOW = datetime(2024, 3, 5, 9, tzinfo=UTC)


def delivery(body: Any, **headers: str) -> Delivery:
    return Delivery("POST", headers, {}, json.dumps(body).encode(), body, NOW)


def context(name: str, **changes: Any) -> Mapping[str, Any]:
    return named({**BODIES[name], **changes}).context


# ---- the list


def test_the_events_are_those_of_the_integrations_guide_in_its_order() -> None:
    assert [event.title for event in EVENTS] == fixture("optimove_events.json")
    assert len(set(NAMES)) == len(EVENTS) == 12


def test_every_topic_is_yotpos_and_of_one_event() -> None:
    topics = [topic for event in EVENTS for topic in event.topics]
    assert len(topics) == len(set(topics)) == 13, "opt-in and opt-out are one event"
    assert set(topics) <= set(TOPICS)
    assert set(TOPICS) - set(topics) == {BODIES[name]["topic"] for name in OTHERS}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_names_and_numbers_are_what_the_vendor_allows(event: Any) -> None:
    names = [one.name for one in event.parameters]
    assert len(names) == len(set(names)) <= MOST_PARAMETERS
    assert problems([event.name, *names], {"items": {"pattern": SNAKE_CASE}}) == []


def _kinds(schema: Mapping[str, Any], source: str) -> set[str]:
    for key in source.split("."):
        schema = schema["properties"][key]
    found = schema["type"]
    return {found} if isinstance(found, str) else set(found)


@pytest.mark.parametrize(
    ("topic", "parameter"),
    [(event.topics[0], one) for event in EVENTS for one in event.parameters if one.read is None],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_parameter_is_in_yotpos_body_and_of_the_type_that_stands_there(topic: str, parameter: Parameter) -> None:
    kinds = _kinds(event_schema([topic]), parameter.source) - {"null"}
    assert {"integer": "number"}.get(*kinds, *kinds) == parameter.kind  # type: ignore[call-overload]


# ---- a body


@pytest.mark.parametrize("name", TWELVE)
def test_a_body_becomes_a_named_event_with_flat_typed_parameters(name: str) -> None:
    output = NAME_LOYALTY_EVENT.apply({"body": BODIES[name]})
    assert problems(output, NAME_LOYALTY_EVENT.output_schema({})) == []
    assert (output["customer"], output["reason"], output["left_out"]) == ("ana@example.com", None, [])
    assert output["context"]["customer_first_name"] == "Ana"
    assert all(type(value) in (str, int, float, bool) for value in output["context"].values())
    assert all(len(value) <= LONGEST_TEXT for value in output["context"].values() if isinstance(value, str))


#: by body: what its event is about, beside the customer
SAID: dict[str, tuple[str, dict[str, Any]]] = {
    "customer_anniversary": ("customer_anniversary", {"redemption_reward_text": "SAVE5-9XK2"}),
    "customer_birthday": ("customer_birthday", {"redemption_reward_text": "SAVE5-9XK2", "perk_reward_points": 0}),
    "loyalty_opt_in": ("loyalty_opt_in_out", {"opted_in": True, "customer_is_opt_in": True}),
    "loyalty_opt_out": ("loyalty_opt_in_out", {"opted_in": False, "customer_is_opt_in": False}),
    "points_changed": (
        "points_changed",
        {
            "previous_balance": 440,
            "current_balance": 640,
            "difference": 200,
            "added_or_removed": "added",
            "points_changed_reason": "Create an account",
        },
    ),
    "points_earned": ("points_earned", {"perk_reward_points": 200, "perk_history_title": "Create an account"}),
    "points_reminder": ("points_reminder", {"points_needed": 125, "redemption_option_name": "$5.00 Off"}),
    "redemption_created_awarded": ("coupon_earned", {"awarded": True, "redemption_reward_text": "TEN-4Q"}),
    "redemption_created_redeemed": ("coupon_earned", {"awarded": False, "redemption_reward_text": "SAVE5-9XK2"}),
    "redemption_reminder": ("redemption_reminder", {"redemption_option_amount": 500}),
    "referral_completed": (
        "referral_completed",
        {"referred_customer_first_name": "Ben", "perk_reward_points": 500, "customer_referral_code_code": "k7qp2m"},
    ),
    "tier_earned": ("vip_tier_earned", {"new_tier_name": "GOLD", "old_tier_name": "SILVER", "new_tier_rank": 2}),
    "tier_earned_first": ("vip_tier_earned", {"new_tier_name": "SILVER"}),
    "tier_lost": ("vip_tier_lost", {"old_tier_name": "GOLD", "new_tier_name": "SILVER"}),
    "tier_lost_none": ("vip_tier_lost", {"old_tier_name": "SILVER"}),
    "tier_status_changed": (
        "vip_tier_status_changed",
        {"vip_stats_amount_spent_cents": 500, "vip_stats_needed_next_amount_cents_needed": 9500},
    ),
}


def test_the_table_has_every_body_of_the_twelve() -> None:
    assert sorted(SAID) == TWELVE
    assert {event for event, _ in SAID.values()} == set(NAMES)


@pytest.mark.parametrize("name", TWELVE)
def test_a_body_says_what_its_event_is_about(name: str) -> None:
    event, parameters = SAID[name]
    found = named(BODIES[name])
    assert found.event is not None
    assert found.event.name == event
    assert parameters.items() <= found.context.items()


def _scalars(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _scalars(inner, f"{path}.{key}" if path else key)
    elif not isinstance(value, list):
        yield path


#: the last part of what is left out of the parameters, and why
LEFT_OUT = {
    "of every body": {"topic", "name", "email"},
    "for programs": {
        *("id", "merchant_id", "customer_id", "campaign_id", "redemption_option_id", "user_id", "icon", "source"),
        *("completed", "completed_at", "awarded", "pending", "reversed", "reversed_at", "expired", "expired_at"),
        *("is_admin", "is_pos", "at_checkout", "updated_at", "approved_at", "created_at", "subscribed"),
    },
    "said twice": {"thirty_party_id", "prettyTotalSpend", "referred_by", "referred_by_customer"},
    "counters": {
        *("shares", "facebook_shares", "twitter_shares", "email_shares", "emails_sent", "emails_viewed", "orders"),
        *("links_clicked_from_email", "links_clicked_from_twitter", "links_clicked_from_facebook", "links_clicked"),
        *("amount_cents", "average_amount_cents", "unique_clicks", "total_clicks", "clicks", "invalid_clicks"),
        *("expires_at", "target_referrals"),
    },
}


@pytest.mark.parametrize("name", TWELVE)
def test_every_scalar_of_a_body_is_a_parameter_or_left_out_on_purpose(name: str) -> None:
    body = BODIES[name]
    event = named(body).event
    assert event is not None
    taken = {one.source for one in event.parameters}
    on_purpose = set().union(*LEFT_OUT.values())
    # the friend's own record, and second copies of what stands elsewhere in the body
    copies = ("referred_customer.", "referral_code.customer.", "referrer.referral_code.", "perk.redemption_option.")
    missing = [
        path
        for path in _scalars(body)
        if path not in taken and path.rpartition(".")[2] not in on_purpose and not path.startswith(copies)
    ]
    assert missing == []


def test_the_address_of_a_friend_goes_nowhere() -> None:
    assert "ben@example.com" in json.dumps(BODIES["referral_completed"])
    assert "ben@example.com" not in json.dumps(context("referral_completed"))


def test_the_person_of_a_completed_referral_is_who_recommended() -> None:
    found = named(BODIES["referral_completed"])
    assert (found.customer, found.context["customer_first_name"]) == ("ana@example.com", "Ana")


def test_values_of_another_form_are_brought_into_theirs_and_others_are_told() -> None:
    tier = {"name": "GOLD", "points_multiplier": "1.5", "rank": "2", "description": 7}
    assert {
        "new_tier_points_multiplier": 1.5,
        "new_tier_rank": 2,
        "new_tier_description": "7",
    }.items() <= context("tier_earned", new_tier=tier).items()
    spoilt = {**BODIES["points_changed"], "difference": "many", "added_or_removed": ["added"], "current_balance": True}
    found = named({**spoilt, "previous_balance": "nan"})
    assert found.left_out == ["previous_balance", "current_balance", "difference", "added_or_removed"]
    assert not found.context.keys() & set(found.left_out)


def test_what_is_absent_or_null_is_left_out() -> None:
    assert "customer_points_expire_at" not in context("points_earned")
    assert "old_tier_name" not in context("tier_earned_first")


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_what_is_none_of_the_twelve_is_told(name: str) -> None:
    output = NAME_LOYALTY_EVENT.apply({"body": BODIES[name]})
    assert problems(output, NAME_LOYALTY_EVENT.output_schema({})) == []
    assert (output["event"], output["reason"]) == (None, NO_EVENT)


@pytest.mark.parametrize("who", [{}, {"email": None}, {"email": " "}, {"customer": {"first_name": "Ana"}}], ids=str)
def test_an_event_about_nobody_is_told(who: dict[str, Any]) -> None:
    body = {"topic": "swell/points/earned", "perk": {"reward_points": 5}, **who}
    output = NAME_LOYALTY_EVENT.apply({"body": body})
    assert problems(output, NAME_LOYALTY_EVENT.output_schema({})) == []
    assert (output["event"], output["customer"], output["reason"]) == ("points_earned", None, NO_CUSTOMER)
    with pytest.raises(DataError, match="'Points Earned' has no customer"):
        WATCH_EVENTS.parse(delivery(body))


# ---- the trigger


@pytest.mark.parametrize("name", TWELVE)
def test_the_trigger_gives_the_named_event(name: str) -> None:
    [event] = WATCH_EVENTS.parse(delivery(BODIES[name]))
    body = event.body
    assert problems(body, WATCH_EVENTS.output_schema({})) == []
    assert problems(body, WATCH_EVENTS.output_schema({"events": [body["event"]]})) == []
    assert (event.subject, body["timestamp"]) == ("ana@example.com", "2024-03-05 09:00:00.000 UTC")
    assert (body["event"], body["context"]) == (SAID[name][0], named(BODIES[name]).context)
    assert WATCH_EVENTS.accepts({}, event)
    assert WATCH_EVENTS.accepts({"events": [body["event"]]}, event)
    [other] = {"points_earned", "vip_tier_lost"} - {body["event"], "vip_tier_lost"} or {"vip_tier_lost"}
    assert not WATCH_EVENTS.accepts({"events": [other]}, event)


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_the_trigger_lets_go_of_what_is_none_of_the_twelve(name: str) -> None:
    [event] = WATCH_EVENTS.parse(delivery(BODIES[name]))
    assert not WATCH_EVENTS.accepts({}, event)


def test_the_identity_of_the_other_channel_tells_duplicates() -> None:
    [event] = WATCH_EVENTS.parse(delivery(BODIES["tier_earned"], eventid="7"))
    assert isinstance(event, Event)
    assert event.id == "7"


@pytest.mark.parametrize("body", ["hello", [], {}, {"topic": 7}, None], ids=str)
def test_a_body_that_is_not_yotpos_is_refused(body: Any) -> None:
    with pytest.raises(DataError, match="no event of Yotpo Loyalty"):
        WATCH_EVENTS.parse(delivery(body))


def test_json_counts_whatever_it_calls_itself() -> None:
    raw = json.dumps(BODIES["tier_earned"]).encode()
    [event] = WATCH_EVENTS.parse(Delivery("POST", {}, {}, raw, raw.decode(), NOW))
    assert event.body["event"] == "vip_tier_earned"


# ---- the simulator's endpoint for Yotpo


async def test_the_simulator_takes_yotpos_bodies_as_the_vendor_does() -> None:
    simulator = OptimoveSimulator(HandClock(NOW.timestamp()))
    async with TestServer(simulator.application()) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        for body in BODIES.values():
            async with session.post(YOTPO, json=body) as answer:
                assert answer.status == 200
            simulator.clock.advance(1)  # type: ignore[attr-defined] # of the clock that is turned by hand
    assert [one["event"] for one in simulator.events] == [SAID[name][0] for name in TWELVE]
    assert {one["customer"] for one in simulator.events} == {"ana@example.com"}
    assert simulator.events[0]["timestamp"] == "2024-03-05 09:00:00.000 UTC"
