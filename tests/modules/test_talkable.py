"""The Talkable app against its simulator: every call, what the vendor refuses, and what it sends."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from engine import (
    AuthError,
    Conflict,
    DataError,
    Delivery,
    Happened,
    NotFound,
    ProbeResult,
    RateLimitError,
    VendorError,
)
from engine.sdk.jsontext import dumps
from modules.talkable import connection, loyalty, people, referrals, webhooks
from modules.talkable.simulator import PREFIX, TalkableSimulator
from tests.modules.bench import Bench, bench, problems
from tests.modules.runs import runs
from tests.runtime.doubles import HandClock

ANA = "ana@example.com"


@pytest.fixture
def simulator() -> TalkableSimulator:
    return TalkableSimulator(HandClock())


@pytest.fixture
async def talkable(simulator: TalkableSimulator) -> AsyncIterator[Bench]:
    async with bench(simulator, connection.CONNECTION, HandClock()) as connected:
        yield connected


def connected(simulator: TalkableSimulator, **changes: Any) -> Any:
    return bench(simulator, connection.CONNECTION, HandClock(), changes)


# ---------------------------------------------------------------------- people


async def test_a_person_is_read_by_address_or_username(talkable: Bench) -> None:
    for slug in (ANA, "ANA@example.com", "ana"):
        assert (await talkable.run(people.GET_PERSON, {"person": slug}))["first_name"] == "Ana"
    with pytest.raises(NotFound, match=r"answered 404: Person not found$"):
        await talkable.run(people.GET_PERSON, {"person": "nobody@example.com"})


async def test_a_person_is_created_or_changed(talkable: Bench, simulator: TalkableSimulator) -> None:
    made = {"email": "eve+x/y@example.com", "first_name": "Eve", "person_custom_properties": {"plan": "gold", "n": 1}}
    await talkable.run(people.CREATE_OR_UPDATE_PERSON, made)
    person = await talkable.run(
        people.CREATE_OR_UPDATE_PERSON,
        {"email": made["email"], "person_custom_properties": {"plan": "free", "b": True}},
    )
    assert (person["first_name"], person["custom_properties"]) == ("Eve", {"plan": "free", "n": 1, "b": True})
    assert simulator.people["eve+x/y@example.com"] is not None


@pytest.mark.parametrize(
    "properties", [{"Plan": 1}, {"1plan": 1}, {"the-plan": 1}, {"plan": {}}, {"plan": [1]}, {"a": None}]
)
async def test_names_and_values_that_the_vendor_does_not_take(
    talkable: Bench, simulator: TalkableSimulator, properties: dict[str, Any]
) -> None:
    """They are refused by the schema before anything is sent, and by the vendor should they be sent."""
    config = {"email": ANA, "person_custom_properties": properties}
    assert problems(config, people.CREATE_OR_UPDATE_PERSON.config)
    body = {"site_slug": "my-store", "data": {"person_custom_properties": properties}}
    with pytest.raises(DataError) as caught:
        await talkable.http.request("PUT", f"/people/{ANA}", json=body)
    assert (caught.value.status, caught.value.refused) == (422, True)
    assert simulator.people[ANA]["custom_properties"] == {}


LOYALTY = {"points_earned": 900, "point_balance": 640, "successfull_referales": 0, "vip_tier_name": None}


async def test_loyalty_data_have_the_published_names(talkable: Bench, simulator: TalkableSimulator) -> None:
    await talkable.run(people.SYNC_LOYALTY_DATA, {"email": ANA, "vip_tier_name": "GOLD", "total_redemptions": 2})
    await talkable.run(people.SYNC_LOYALTY_DATA, {"email": ANA, **LOYALTY})
    assert simulator.people[ANA]["custom_properties"] == {
        "yotpo_points_earned": 900,
        "yotpo_point_balance": 640,
        "yotpo_successfull_referales": 0,
        "yotpo_vip_tier_name": "",
        "yotpo_total_redemptions": 2,
    }


async def test_loyalty_data_nested_as_in_the_vendors_own_app(simulator: TalkableSimulator) -> None:
    """A setting of the connection, because the vendor does not say which of its two pages holds for others."""
    async with connected(simulator, yotpo_properties="nested") as talkable:
        with pytest.raises(DataError, match="must be flat"):
            await talkable.run(people.SYNC_LOYALTY_DATA, {"email": ANA, **LOYALTY})
        simulator.takes_nested = True
        person = await talkable.run(people.SYNC_LOYALTY_DATA, {"email": ANA, **LOYALTY})
    assert person["custom_properties"] == {"yotpo": {**LOYALTY, "vip_tier_name": ""}}


async def test_an_accepted_change_whose_answer_has_no_record_is_told(
    talkable: Bench, simulator: TalkableSimulator
) -> None:
    """It was made, so that it is no failure; that its output is missing is said beside the step."""
    for action in (people.SYNC_LOYALTY_DATA, loyalty.UPDATE_LOYALTY_MEMBER, referrals.REGISTER_EVENT):
        simulator.fail_next(200, body={"ok": True})
        call = talkable.call({**action.example})
        assert await talkable.carry_out(action, call) is None
        assert "its answer cannot be used: the answer has no result" in call.warnings[0]


async def test_unsubscribing_twice_is_once(talkable: Bench) -> None:
    first = await talkable.run(people.UNSUBSCRIBE_PERSON, {"email": ANA})
    assert first["unsubscribed_at"]
    assert await talkable.run(people.UNSUBSCRIBE_PERSON, {"email": ANA}) == first


async def test_who_is_anonymized_is_gone(talkable: Bench) -> None:
    now = datetime(2024, 3, 5, tzinfo=UTC)
    assert await talkable.probe(people.ANONYMIZE_PERSON, {"email": ANA}, now) is ProbeResult.ABSENT
    person = await talkable.run(people.ANONYMIZE_PERSON, {"email": ANA})
    assert (person["first_name"], person["email"].endswith("@anonymized.email")) == (None, True)
    assert await talkable.probe(people.ANONYMIZE_PERSON, {"email": ANA}, now) == Happened(None)
    with pytest.raises(NotFound):
        await talkable.run(people.ANONYMIZE_PERSON, {"email": ANA})


async def test_personal_data(talkable: Bench) -> None:
    assert (await talkable.run(people.GET_PERSONAL_DATA, {"email": ANA}))["person"]["email"] == ANA


# ---------------------------------------------------------------------- members


async def test_a_members_values_come_back_as_text(talkable: Bench) -> None:
    given = {"yes": True, "no": False, "n": 123, "x": "y"}
    member = await talkable.run(loyalty.UPDATE_LOYALTY_MEMBER, {"email": ANA, "custom_properties": given})
    assert member["custom_properties"] == {"yes": "t", "no": "f", "n": "123", "x": "y"}
    assert await talkable.run(loyalty.GET_LOYALTY_MEMBER, {"email": ANA}) == member
    with pytest.raises(NotFound, match="Loyalty member not found"):
        await talkable.run(loyalty.GET_LOYALTY_MEMBER, {"email": "ben@example.com"})


async def test_points_are_added_each_time(talkable: Bench) -> None:
    await talkable.run(loyalty.ADJUST_POINTS, {"email": ANA, "points": 100, "description": "thanks"})
    assert (await talkable.run(loyalty.ADJUST_POINTS, {"email": ANA, "points": -30}))["points_balance"] == 1070


async def test_an_adjustment_whose_answer_is_lost_is_not_repeated() -> None:
    step = """
- id: gift
  module: talkable.adjust_points
  connection: talkable
  with: {email: ana@example.com, points: 100}
  retry: {attempts: 5}
  on_error: hold
"""
    async with runs("talkable", step) as engine:
        engine.harness.lose_answers("talkable")
        result = await engine.run({}, advance=3600)
        assert (result.state, result.holds[0]["code"]) == ("held", "unknown")
        assert engine.simulator.members[ANA]["points_balance"] == 1100


# ---------------------------------------------------------------------- origins, referrals, rewards


async def test_origins_are_what_their_type_requires(talkable: Bench, simulator: TalkableSimulator) -> None:
    for action in (referrals.REGISTER_AFFILIATE_MEMBER, referrals.REGISTER_PURCHASE, referrals.REGISTER_EVENT):
        output = await talkable.run(action, {**action.example, "email": "new@example.com"})
        assert output["offer"] is None
    assert [one["type"] for one in simulator.origins] == ["AffiliateMember", "Purchase", "Event"]
    assert "new@example.com" in simulator.people
    for kind, data in (("Purchase", {"email": ANA, "subtotal": 1}), ("Event", {"email": ANA}), ("Visit", {})):
        with pytest.raises(DataError) as caught:
            await talkable.http.request("POST", "/origins", json={"site_slug": "my-store", "type": kind, "data": data})
        assert caught.value.status == 400


async def test_a_settled_referral_cannot_be_turned_round(talkable: Bench) -> None:
    approve, void = ({"origin": "1001", "status": status} for status in ("approved", "voided"))
    assert (await talkable.run(referrals.UPDATE_REFERRAL, approve))["status"] == "approved"
    assert (await talkable.run(referrals.UPDATE_REFERRAL, approve))["ad_rewarded"] is True
    with pytest.raises(Conflict, match="Referral is already approved") as caught:
        await talkable.run(referrals.UPDATE_REFERRAL, void)
    assert caught.value.refused
    with pytest.raises(NotFound):
        await talkable.run(referrals.UPDATE_REFERRAL, {"origin": "newsletter:42", "status": "voided"})


async def test_lists(talkable: Bench) -> None:
    assert [one["id"] for one in await talkable.find(referrals.LIST_REFERRALS, {"person": ANA})] == [233]
    assert await talkable.find(referrals.LIST_REFERRALS, {"person": "ben@example.com"}) == []
    assert len(await talkable.find(referrals.LIST_PERSON_REWARDS, {"person": ANA})) == 3
    assert await talkable.find(referrals.LIST_SHARES, {"person": ANA}) == []
    assert [one["name"] for one in await talkable.find(referrals.LIST_CAMPAIGNS, {})] == ["Invite", "Old"]
    visitor = {"visitor_uuid": "8a55ef82"}
    for more, states in (
        ({}, ["Paid"]),
        ({"status": "Voided"}, ["Voided"]),
        ({"status": "All"}, ["Paid", "Unpaid", "Voided"]),
    ):
        found = await talkable.find(referrals.LIST_REWARDS, {**visitor, **more})
        assert [one["status"] for one in found] == states


# ---------------------------------------------------------------------- what the vendor refuses


async def test_the_connection_is_proved(talkable: Bench, simulator: TalkableSimulator) -> None:
    await talkable.test()
    assert simulator.calls[f"GET {PREFIX}/campaigns"] == 1
    async with connected(simulator, api_key="wrong") as other:
        with pytest.raises(AuthError, match="No valid API key"):
            await other.test()
    async with connected(simulator, site_slug="other-store") as other:
        with pytest.raises(NotFound, match="Site not found"):
            await other.test()


async def test_the_site_goes_with_every_call(talkable: Bench) -> None:
    for method, body in (("GET", ...), ("PUT", {"data": {}})):
        with pytest.raises(DataError, match="site_slug is missing"):
            await talkable.http.request(method, f"/people/{ANA}", json=body)


@pytest.mark.parametrize("body", [{}, {"data": []}, {"data": {"nickname": "x"}}, []])
async def test_a_body_of_another_form(talkable: Bench, body: Any) -> None:
    given = {"site_slug": "my-store", **body} if isinstance(body, dict) else body
    with pytest.raises(DataError) as caught:
        await talkable.http.request("PUT", f"/people/{ANA}", json=given)
    assert caught.value.status == 400


async def test_an_envelope_that_says_no_is_an_error_whatever_its_status(
    talkable: Bench, simulator: TalkableSimulator
) -> None:
    simulator.fail_next(200, body={"ok": False, "error_message": "try later"})
    with pytest.raises(VendorError, match="answered 200: try later") as caught:
        await talkable.run(loyalty.ADJUST_POINTS, {"email": ANA, "points": 1})
    assert not caught.value.refused
    simulator.fail_next(429, headers={"Retry-After": "7"})
    with pytest.raises(RateLimitError) as slow:
        await talkable.run(people.GET_PERSON, {"person": ANA})
    assert slow.value.retry_after == 7


# ---------------------------------------------------------------------- webhooks

KEY = {"webhook_key": "my_webhook_secret"}


def delivery(raw: bytes, body: Any, **headers: str) -> Delivery:
    return Delivery("POST", headers, {}, raw, body, datetime(2024, 3, 5, tzinfo=UTC))


def test_the_signature_is_base64_of_the_hexadecimal_digest() -> None:
    raw = b'{"email":"ana@example.com"}'
    digest = hmac.new(b"my_webhook_secret", raw, hashlib.sha256)
    right = base64.b64encode(digest.hexdigest().encode()).decode()
    for given, good in (
        (right, True),
        (base64.b64encode(digest.digest()).decode(), False),
        (digest.hexdigest(), False),
        ("", False),
    ):
        told = delivery(raw, json.loads(raw), **{"x-talkable-signature": given})
        assert webhooks.signed(told, KEY) is good
    changed = delivery(raw + b" ", json.loads(raw), **{"x-talkable-signature": right})
    assert not webhooks.signed(changed, KEY)
    with pytest.raises(AuthError, match="no webhook_key"):
        webhooks.signed(delivery(raw, {}), {})


def test_a_form_is_read_and_its_key_left_out() -> None:
    payload = {"person": {"email": ANA}, "amount": 5}
    form = {"payload": json.dumps(payload), "type": "reward_web_hook", "site": "my-store", "key": "my_webhook_secret"}
    told = delivery(urlencode(form).encode(), form)
    assert webhooks.keyed(told, KEY)
    assert not webhooks.keyed(delivery(b"", {**form, "key": "x"}), KEY)
    [event] = webhooks.parse_form(told)
    assert (event.subject, event.body) == (ANA, {"type": "reward_web_hook", "site": "my-store", "payload": payload})
    assert webhooks.of_type({"types": ["reward_web_hook"]}, event)
    assert not webhooks.of_type({"types": ["event_web_hook"]}, event)
    for wrong in ({}, {"payload": "{"}, {"payload": 1}, "text"):
        with pytest.raises(DataError):
            webhooks.parse_form(delivery(b"", wrong))


def test_what_the_simulator_sends_is_signed(simulator: TalkableSimulator) -> None:
    subjects = set()
    for sample in simulator.webhooks.values():
        told = delivery(dumps(sample.body), sample.body, **dict(sample.headers))
        assert webhooks.signed(told, {"webhook_key": simulator.webhook_key})
        assert problems(sample.body, webhooks.WATCH_CUSTOM_APP.output_schema({})) == []
        subjects |= {event.subject for event in webhooks.parse(told)}
    assert subjects == {ANA, None}
