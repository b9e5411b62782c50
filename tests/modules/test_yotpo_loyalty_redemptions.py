"""Redemption options, redemptions, tiers and campaigns, against the loyalty simulator."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import engine
from engine import Action, Conflict, DataError, Effect, NotFound, VendorError
from modules.yotpo_loyalty.campaigns import LIST_CAMPAIGNS
from modules.yotpo_loyalty.connection import CONNECTION
from modules.yotpo_loyalty.fields import IDENTIFICATION
from modules.yotpo_loyalty.redemptions import CREATE_REDEMPTION, LIST_REDEMPTION_OPTIONS
from modules.yotpo_loyalty.simulator import LoyaltySimulator
from modules.yotpo_loyalty.tiers import LIST_VIP_TIERS
from tests.modules.bench import Bench, problems
from tests.runtime.doubles import HandClock

ANA = {"customer_email": "ana@example.com"}
FIVE_DOLLARS = {**ANA, "redemption_option_id": 149}


def ana(simulator: LoyaltySimulator) -> dict[str, Any]:
    return simulator.state.customers["ana@example.com"]


# redemption options


async def test_the_active_options_are_listed(yotpo: Bench) -> None:
    options = await yotpo.run(LIST_REDEMPTION_OPTIONS, {})
    assert [(one["id"], one["name"], one["amount"]) for one in options] == [
        (149, "$5.00 Off", 500),
        (152, "10% Off", 0),
        (160, "Points for Dollars", None),
    ]


async def test_options_of_one_type(yotpo: Bench) -> None:
    options = await yotpo.run(LIST_REDEMPTION_OPTIONS, {"discount_type": "percentage"})
    assert [one["id"] for one in options] == [152]


@pytest.mark.parametrize(
    ("option", "sent"),
    [
        (ANA, "ana@example.com"),
        ({"customer_id": 700100}, "700100"),
        ({"phone_number": "+15550100"}, "+15550100"),
        ({"is_offline": True}, "true"),
        ({"is_offline": False}, "false"),
        ({"discount_type": "variable"}, "variable"),
    ],
    ids=str,
)
async def test_every_filter_of_the_options_arrives(
    yotpo: Bench, simulator: LoyaltySimulator, option: dict[str, Any], sent: str
) -> None:
    await yotpo.run(LIST_REDEMPTION_OPTIONS, option)
    assert simulator.received[-1].query == {next(iter(option)): sent}


async def test_options_of_a_customer_that_is_not_known(yotpo: Bench) -> None:
    with pytest.raises(NotFound):
        await yotpo.run(LIST_REDEMPTION_OPTIONS, {"customer_email": "nobody@example.com"})


# redemptions


async def test_a_redemption_deducts_points_and_gives_a_code(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    redemption = await yotpo.run(CREATE_REDEMPTION, FIVE_DOLLARS)
    assert redemption["reward_text"]
    assert ana(simulator)["points_balance"] == 640 - 500
    assert ana(simulator)["points_earned"] == 900
    newest = ana(simulator)["history_items"][0]
    assert (newest["points"], newest["status"], newest["action"]) == (-500, redemption["reward_text"], "$5.00 Off")


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (ANA, "ana@example.com"),
        ({"customer_id": "700100"}, "700100"),
        ({"customer_id": 700100}, "700100"),
        ({"phone_number": "+15550100"}, "+15550100"),
        ({"pos_account_id": "pos-7"}, "pos-7"),
        ({"pos_account_id": 77}, "77"),
    ],
    ids=str,
)
async def test_every_identification_arrives_as_text(
    yotpo: Bench, simulator: LoyaltySimulator, given: dict[str, Any], sent: str
) -> None:
    ana(simulator)["pos_account_id"] = str(given.get("pos_account_id"))
    await yotpo.run(CREATE_REDEMPTION, {**given, "redemption_option_id": 152})
    assert simulator.received[-1].json == {"redemption_option_id": 152, next(iter(given)): sent}


async def test_every_other_option_arrives(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    config = {**ANA, "redemption_option_id": 160, "points_to_redeem": 40, "currency": "EUR"}
    config["delay_points_deduction"] = False
    await yotpo.run(CREATE_REDEMPTION, config)
    assert simulator.received[-1].json == config
    assert ana(simulator)["points_balance"] == 600


@pytest.mark.parametrize(
    "config",
    [
        {"redemption_option_id": 149},
        {**ANA},
        {**FIVE_DOLLARS, "customer_id": "700100"},
        {**FIVE_DOLLARS, "redemption_option_id": "149"},
        {**FIVE_DOLLARS, "points_to_redeem": 0},
        {**FIVE_DOLLARS, "currency": "dollars"},
        {**FIVE_DOLLARS, "delay_points_deduction": "yes"},
        {"redemption_option_id": 149, "phone_number": "0555 0100"},
        {"redemption_option_id": 149, "customer_email": None},
    ],
    ids=str,
)
def test_a_wrong_redemption_is_refused_before_anything_is_sent(config: dict[str, Any]) -> None:
    assert problems(config, CREATE_REDEMPTION.config)


@pytest.mark.parametrize("first", IDENTIFICATION)
@pytest.mark.parametrize("second", IDENTIFICATION)
async def test_the_vendor_takes_exactly_one_identification(yotpo: Bench, first: str, second: str) -> None:
    body = {"redemption_option_id": 152, first: "ana@example.com", second: "ana@example.com"}
    if first == second == "customer_email":
        await yotpo.http.request("POST", "/redemptions", json=body)
        return
    with pytest.raises((DataError, NotFound)) as caught:
        await yotpo.http.request("POST", "/redemptions", json=body)
    assert caught.value.status == (404 if first == second else 400)


async def test_too_few_points_are_refused_and_nothing_is_changed(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    await yotpo.run(CREATE_REDEMPTION, FIVE_DOLLARS)
    for more in ({}, {"delay_points_deduction": True}):
        with pytest.raises(DataError) as caught:
            await yotpo.run(CREATE_REDEMPTION, {**FIVE_DOLLARS, **more})
        assert (caught.value.status, caught.value.refused) == (422, True)
    assert ana(simulator)["points_balance"] == 140
    assert not simulator.state.delayed


@pytest.mark.parametrize(
    ("config", "kind", "status"),
    [
        ({"customer_email": "nobody@example.com", "redemption_option_id": 149}, NotFound, 404),
        ({**ANA, "redemption_option_id": 1}, NotFound, 404),
        ({**ANA, "redemption_option_id": 160}, DataError, 400),
        ({**FIVE_DOLLARS, "points_to_redeem": 10}, DataError, 400),
    ],
    ids=str,
)
async def test_what_the_vendor_refuses_was_not_applied(
    yotpo: Bench, simulator: LoyaltySimulator, config: dict[str, Any], kind: type[engine.ModuleError], status: int
) -> None:
    with pytest.raises(kind) as caught:
        await yotpo.run(CREATE_REDEMPTION, config)
    assert (caught.value.status, caught.value.refused) == (status, True)
    assert ana(simulator)["points_balance"] == 640


async def test_a_busy_record_is_a_conflict(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    simulator.state.busy.add("ana@example.com")
    with pytest.raises(Conflict) as caught:
        await yotpo.run(CREATE_REDEMPTION, FIVE_DOLLARS)
    assert (caught.value.status, caught.value.refused) == (423, True)
    assert ana(simulator)["perks_redeemed"] == 2


async def test_a_failing_vendor_leaves_the_outcome_unknown(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    simulator.fail_next(500, applied=True)
    with pytest.raises(VendorError) as caught:
        await yotpo.run(CREATE_REDEMPTION, FIVE_DOLLARS)
    assert not caught.value.refused
    assert ana(simulator)["points_balance"] == 140
    assert CREATE_REDEMPTION.effect is Effect.WRITE, "so that it is not sent again"


async def test_no_answer_leaves_the_outcome_unknown(
    yotpo: Bench, simulator: LoyaltySimulator, clock: HandClock
) -> None:
    simulator.hang(applied=True)
    asked = asyncio.create_task(yotpo.run(CREATE_REDEMPTION, FIVE_DOLLARS))
    await simulator.hanging.wait()
    clock.advance(CONNECTION.timeout)
    with pytest.raises(engine.TimeoutError) as caught:
        await asked
    assert not caught.value.refused


def test_an_events_redemption_and_the_oldest_documented_answer_fit_the_output() -> None:
    oldest = {
        "id": 12,
        "reward_text": "SAVE5-9XK2",
        "approved": True,
        "approved_at": None,
        "created_at": "2024-03-05T09:10:00.692Z",
        "updated_at": "2024-03-05T09:10:00.692Z",
    }
    assert problems(oldest, CREATE_REDEMPTION.output_schema({})) == []
    for key in ("id", "reward_text"):
        assert problems({name: one for name, one in oldest.items() if name != key}, CREATE_REDEMPTION.output_schema({}))


# tiers and campaigns


async def test_the_tiers_are_listed(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    tiers = await yotpo.run(LIST_VIP_TIERS, {})
    assert [(tier["name"], tier["entry_threshold"]["amount_spent_cents"]) for tier in tiers] == [
        ("SILVER", 5000),
        ("GOLD", 10000),
    ]
    assert {type(tier["points_multiplier"]) for tier in tiers} == {str, float}, "the vendor sends both"
    assert (simulator.received[-1].path, simulator.received[-1].query) == ("/vip_tiers", {})


async def test_the_campaigns_are_listed(yotpo: Bench) -> None:
    campaigns = await yotpo.run(LIST_CAMPAIGNS, {})
    assert "ReferralCampaign" in [campaign["type"] for campaign in campaigns]
    assert not any("status" in campaign for campaign in campaigns)


@pytest.mark.parametrize("customer", [ANA, {"customer_id": 700100}], ids=str)
async def test_a_customers_status_comes_when_it_is_asked_for(
    yotpo: Bench, simulator: LoyaltySimulator, customer: dict[str, Any]
) -> None:
    campaigns = await yotpo.run(LIST_CAMPAIGNS, {"with_status": True, **customer})
    assert {campaign["status"]["customer_times_completed"] for campaign in campaigns} == {0}
    [(name, value)] = customer.items()
    assert simulator.received[-1].query == {"with_status": "true", name: str(value)}


async def test_a_status_may_be_asked_for_without_a_customer(yotpo: Bench) -> None:
    """The vendor's documentation does not tie the two together."""
    campaigns = await yotpo.run(LIST_CAMPAIGNS, {"with_status": True})
    assert all("global_completions_left" in campaign["status"] for campaign in campaigns)


def test_the_output_schema_knows_whether_a_status_was_asked_for() -> None:
    def needed(config: dict[str, Any]) -> bool:
        return "status" in LIST_CAMPAIGNS.output_schema(config)["items"]["required"]

    assert (needed({"with_status": True}), needed({"with_status": False}), needed({})) == (True, False, False)


@pytest.mark.parametrize(
    ("action", "config", "kind"),
    [
        (LIST_REDEMPTION_OPTIONS, ANA, NotFound),
        (LIST_REDEMPTION_OPTIONS, {"is_offline": True}, VendorError),
        (LIST_CAMPAIGNS, {"customer_id": 700100}, NotFound),
        (LIST_CAMPAIGNS, {}, VendorError),
        (LIST_VIP_TIERS, {}, VendorError),
    ],
    ids=lambda value: value.name if isinstance(value, Action) else str(value),
)
async def test_errors_in_a_200_answer_are_no_list(
    yotpo: Bench, simulator: LoyaltySimulator, action: engine.Action, config: dict[str, Any], kind: type[Exception]
) -> None:
    simulator.fail_next(200)
    with pytest.raises(kind) as caught:
        await yotpo.run(action, config)
    assert type(caught.value) is kind
    simulator.fail_next(200, body={"items": []})
    with pytest.raises(VendorError, match="not a list"):
        await yotpo.run(action, config)
    for status, nothing in ((200, b""), (200, b" "), (204, b"")):
        simulator.fail_next(status, raw=nothing)
        with pytest.raises(VendorError):
            await yotpo.run(action, config)


@pytest.mark.parametrize("nothing", [b"", b"null", b"{}", b"<html>"])
async def test_a_connection_that_is_answered_no_list_is_not_proven(
    yotpo: Bench, simulator: LoyaltySimulator, nothing: bytes
) -> None:
    simulator.fail_next(200, raw=nothing)
    with pytest.raises(VendorError):
        await yotpo.test()


async def test_an_accepted_redemption_with_errors_is_told_and_not_repeated(
    yotpo: Bench, simulator: LoyaltySimulator
) -> None:
    simulator.fail_next(200, applied=True)
    call = yotpo.call(FIVE_DOLLARS)
    assert CREATE_REDEMPTION.run
    await CREATE_REDEMPTION.run(call)
    assert "its answer has errors" in call.warnings[0]
    simulator.fail_next(200, raw=b"OK")
    with pytest.raises(VendorError, match="not a redemption") as caught:
        await CREATE_REDEMPTION.run(call)
    assert not caught.value.refused


@pytest.mark.parametrize("action", [LIST_REDEMPTION_OPTIONS, LIST_VIP_TIERS, LIST_CAMPAIGNS], ids=lambda a: a.name)
async def test_reading_is_a_read_that_a_failing_vendor_does_not_spoil(
    yotpo: Bench, simulator: LoyaltySimulator, action: engine.Action
) -> None:
    assert action.effect is Effect.READ
    simulator.fail_next(503)
    with pytest.raises(VendorError):
        await yotpo.run(action, {})
    simulator.content_type = "text/plain"
    assert await yotpo.run(action, {})
