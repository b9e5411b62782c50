"""The loyalty simulator refuses what the vendor refuses, and keeps what it was told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from engine import ModuleError
from modules.yotpo_loyalty.connection import CONNECTION
from modules.yotpo_loyalty.simulator import ROOMS, LoyaltySimulator
from tests.modules.bench import Bench, bench
from tests.runtime.doubles import HandClock

ANA = {"customer_email": "ana@example.com"}


@pytest.fixture
def simulator() -> LoyaltySimulator:
    return LoyaltySimulator(HandClock(), per_second=None)


@pytest.fixture
async def yotpo(simulator: LoyaltySimulator) -> AsyncIterator[Bench]:
    async with bench(simulator, CONNECTION, HandClock()) as connected:
        yield connected


async def refusal(yotpo: Bench, method: str, path: str, **request: Any) -> int | None:
    """The status with which a request is refused."""
    with pytest.raises(ModuleError) as caught:
        await yotpo.http.request(method, path, **request)
    assert isinstance(caught.value.detail["errors"], list)
    return caught.value.status


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "ana@example.com",
        {"first_name": "Ana"},
        {"email": None},
        {"email": ""},
        {"email": "ana"},
        {"email": "ana@example.com", "emial": "x"},
        {"email": "ana@example.com", "id": 700100},
        {"email": "ana@example.com", "tags": ["a"]},
        {"email": "ana@example.com", "has_account": "true"},
        {"email": "ana@example.com", "has_account": 1},
        {"email": "ana@example.com", "first_name": None},
        {"email": "ana@example.com", "phone_number": "0555 0100"},
        {"email": "ana@example.com", "phone_number": "+0555"},
        {"email": "ana@example.com", "phone_number": "12", "country_iso_code": "US"},
        {"email": "ana@example.com", "country_iso_code": "usa"},
        {"email": "ana@example.com", "opted_in_at": "yesterday"},
    ],
    ids=str,
)
async def test_a_wrong_customer_is_refused(yotpo: Bench, simulator: LoyaltySimulator, body: Any) -> None:
    before = {email: dict(one) for email, one in simulator.state.customers.items()}
    assert await refusal(yotpo, "POST", "/customers", json=body) == 400
    assert simulator.state.customers == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({**ANA}, 400),
        ({"action_name": "instagram_mention"}, 400),
        ({**ANA, "action_name": "nothing"}, 400),
        ({**ANA, "action_name": "Instagram_Mention"}, 400),
        ({**ANA, "action_name": "instagram_mention", "type": "Order"}, 400),
        ({**ANA, "action_name": "instagram_mention", "reward_points": "50"}, 400),
        ({**ANA, "action_name": "instagram_mention", "reward_points": True}, 400),
        ({**ANA, "action_name": "instagram_mention", "created_at": "now"}, 400),
        ({**ANA, "action_name": "instagram_mention", "points": 50}, 400),
        ({"customer_id": "0", "action_name": "instagram_mention"}, 404),
    ],
    ids=str,
)
async def test_a_wrong_action_is_refused(
    yotpo: Bench, simulator: LoyaltySimulator, body: dict[str, Any], status: int
) -> None:
    assert await refusal(yotpo, "POST", "/actions", json=body) == status
    assert simulator.state.customers["ana@example.com"]["points_balance"] == 640


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({**ANA}, 400),
        ({"point_adjustment_amount": 1}, 400),
        ({**ANA, "point_adjustment_amount": "1"}, 400),
        ({**ANA, "point_adjustment_amount": 1.5}, 400),
        ({**ANA, "point_adjustment_amount": None}, 400),
        ({**ANA, "point_adjustment_amount": 1, "visible_to_customer": "no"}, 400),
        ({**ANA, "amount": 1}, 400),
        ({"customer_email": "nobody@example.com", "point_adjustment_amount": 1}, 404),
        ({**ANA, "point_adjustment_amount": -641}, 422),
    ],
    ids=str,
)
async def test_a_wrong_adjustment_is_refused(
    yotpo: Bench, simulator: LoyaltySimulator, body: dict[str, Any], status: int
) -> None:
    assert await refusal(yotpo, "POST", "/points/adjust", json=body) == status
    assert simulator.state.customers["ana@example.com"]["points_balance"] == 640


async def test_the_last_point_can_be_taken(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    await yotpo.http.request("POST", "/points/adjust", json={**ANA, "point_adjustment_amount": -640})
    assert simulator.state.customers["ana@example.com"]["points_balance"] == 0


async def test_a_busy_record_is_refused_to_actions_and_adjustments(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    simulator.state.busy.add("ana@example.com")
    action = {**ANA, "action_name": "instagram_mention"}
    assert await refusal(yotpo, "POST", "/actions", json=action) == 423
    assert await refusal(yotpo, "POST", "/points/adjust", json={**ANA, "point_adjustment_amount": 1}) == 423
    await yotpo.http.request("POST", "/actions", json={**action, "customer_email": "ben@example.com"})


async def test_an_adjustment_that_the_customer_does_not_see_is_not_in_the_history(
    yotpo: Bench, simulator: LoyaltySimulator
) -> None:
    before = list(simulator.state.customers["ana@example.com"]["history_items"])
    change = {**ANA, "point_adjustment_amount": 10, "visible_to_customer": False}
    await yotpo.http.request("POST", "/points/adjust", json=change)
    ana = simulator.state.customers["ana@example.com"]
    assert (ana["points_balance"], ana["points_earned"], ana["history_items"]) == (650, 900, before)


async def test_an_action_gives_its_points_each_time(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    for _ in range(2):
        await yotpo.http.request("POST", "/actions", json={**ANA, "action_name": "instagram_mention"})
    assert simulator.state.customers["ana@example.com"]["points_balance"] == 640 + 2 * 50


async def test_a_campaign_of_a_test_gives_its_own_points(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    simulator.state.campaigns.append({"id": 9, "title": "Review", "action_name": "review"})
    simulator.state.action_points["review"] = 20
    await yotpo.http.request("POST", "/actions", json={**ANA, "action_name": "review"})
    item = simulator.state.customers["ana@example.com"]["history_items"][0]
    assert (item["action"], item["points"], item["status"]) == ("Review", 20, "Approved")


@pytest.mark.parametrize(
    "query",
    [
        {"per_page": "0"},
        {"per_page": "101"},
        {"per_page": "many"},
        {"page": "2"},
        {"page_info": "2"},
        {"page_info": "after-x"},
    ],
    ids=str,
)
async def test_a_wrong_question_for_recent_customers_is_refused(yotpo: Bench, query: dict[str, str]) -> None:
    assert await refusal(yotpo, "GET", "/customers/recent", query=query) == 400


async def test_who_was_changed_last_is_first_among_the_recent(yotpo: Bench) -> None:
    async def emails() -> list[str]:
        answer = await yotpo.http.request("GET", "/customers/recent")
        return [one["email"] for one in answer.json()["customers"]]

    assert await emails() == ["ana@example.com", "ben@example.com"]
    await yotpo.http.request("POST", "/customers", json={"email": "ben@example.com", "first_name": "Benjamin"})
    assert await emails() == ["ben@example.com", "ana@example.com"]
    await yotpo.http.request("POST", "/points/adjust", json={**ANA, "point_adjustment_amount": 1})
    assert await emails() == ["ana@example.com", "ben@example.com"]


@pytest.mark.parametrize(("method", "path"), [("POST", "/customers"), ("POST", "/actions"), ("POST", "/points/adjust")])
async def test_a_body_that_is_not_json_is_refused(yotpo: Bench, method: str, path: str) -> None:
    assert await refusal(yotpo, method, path, data=b"email=ana@example.com") == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/customers"),
        ("POST", "/customers"),
        ("GET", "/customers/recent"),
        ("POST", "/actions"),
        ("POST", "/points/adjust"),
    ],
)
async def test_nobody_comes_in_without_the_keys(simulator: LoyaltySimulator, method: str, path: str) -> None:
    async with bench(simulator, CONNECTION, HandClock(), {"api_key": "wrong"}) as stranger:
        assert await refusal(stranger, method, path) == 401
    assert not simulator.received


async def test_the_last_requests_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modules.yotpo_loyalty.simulator.REMEMBERED", 2)
    simulator = LoyaltySimulator(HandClock())
    async with bench(simulator, CONNECTION, HandClock()) as yotpo:
        for number in range(3):
            await yotpo.http.request("GET", "/customers/recent", query={"per_page": number + 1})
    assert [request.query for request in simulator.received] == [{"per_page": "2"}, {"per_page": "3"}]


def test_each_behaviour_is_told_once_and_each_room_tells_some(simulator: LoyaltySimulator) -> None:
    texts = [behaviour.text for behaviour in simulator.behaviours]
    assert len(texts) == len(set(texts))
    assert all(room.behaviours for room in ROOMS)
    assert {behaviour.mark for behaviour in simulator.behaviours} == {"verified", "assumed"}


def test_two_simulators_share_nothing(simulator: LoyaltySimulator) -> None:
    other = LoyaltySimulator(HandClock())
    other.state.customers["ana@example.com"]["points_balance"] = 1
    other.state.customers["ana@example.com"]["history_items"].clear()
    other.state.campaigns.clear()
    assert simulator.state.customers["ana@example.com"]["points_balance"] == 640
    assert simulator.state.customers["ana@example.com"]["history_items"]
    assert simulator.state.campaigns
