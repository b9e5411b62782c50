"""*Create an Order* and *Create a Refund* against the loyalty simulator."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import pytest

import engine
from engine import DataError, Effect, NotFound, VendorError
from modules.yotpo_loyalty.orders import CREATE_ORDER, CREATE_REFUND, ORDER
from modules.yotpo_loyalty.redemptions import CREATE_REDEMPTION
from modules.yotpo_loyalty.simulator import LoyaltySimulator
from tests.modules.bench import Bench, problems
from tests.modules.runs import runs

SMALLEST = {
    "customer_email": "ana@example.com",
    "order_id": "1001",
    "total_amount_cents": 12500,
    "currency_code": "USD",
    "ignore_ip_ua": True,
}
ADDRESS = {
    "first_name": "Ana",
    "last_name": "Example",
    "country_code": "US",
    "address1": "1 Main St",
    "address2": "",
    "city": "Boston",
    "state": "MA",
    "zip": "02215",
    "phone": "+15550100",
}

#: every option of an order: what an author writes, and what arrives
EVERY: dict[str, tuple[Any, Any]] = {
    "customer_email": ("ana@example.com", "ana@example.com"),
    "customer_id": (700100, "700100"),
    "order_id": (1001, "1001"),
    "total_amount_cents": (12500, 12500),
    "currency_code": ("USD", "USD"),
    "ip_address": ("192.0.2.10", "192.0.2.10"),
    "user_agent": ("Mozilla/5.0", "Mozilla/5.0"),
    "ignore_ip_ua": (False, False),
    "status": ("paid", "paid"),
    "created_at": ("2024-03-05T09:00:00Z", "2024-03-05T09:00:00Z"),
    "coupon_code": (["SAVE5", "TEN-4Q"], "SAVE5,TEN-4Q"),
    "discount_amount_cents": (500, 500),
    "shipping_amount_cents": (538, 538),
    "tax_amount_cents": (350, 350),
    "total_refunded_cents": (0, 0),
    "tags": (["first", "gift wrap"], "first,gift wrap"),
    "customer_tags": ("vip,loyal", "vip,loyal"),
    "customer": (
        {"tags": ["vip"], "has_account": True, "opted_in": False, "opted_in_at": "2023-10-15T00:00:00Z"},
        {"tags": "vip", "has_account": True, "opted_in": False, "opted_in_at": "2023-10-15T00:00:00Z"},
    ),
    "items": (
        [
            {
                "id": 7,
                "name": "Mug",
                "quantity": 2,
                "price_cents": 6250,
                "collections": ["kitchen", "gifts"],
                "type": "ware",
                "vendor": "Potter",
            },
            {"id": "tea", "name": "Tea"},
        ],
        [
            {
                "id": "7",
                "name": "Mug",
                "quantity": 2,
                "price_cents": 6250,
                "collections": "kitchen,gifts",
                "type": "ware",
                "vendor": "Potter",
            },
            {"id": "tea", "name": "Tea"},
        ],
    ),
    "billing_address": (ADDRESS, ADDRESS),
    "shipping_address": (ADDRESS, ADDRESS),
    "channel_type": ("offline", "offline"),
    "clerk_employee_id": (12, "12"),
    "clerk_name": ("Cleo", "Cleo"),
    "store_address": ("2 High St", "2 High St"),
    "store_city": ("Boston", "Boston"),
    "store_state": ("MA", "MA"),
}


def ana(simulator: LoyaltySimulator) -> dict[str, Any]:
    return simulator.state.customers["ana@example.com"]


def test_every_option_is_tried() -> None:
    assert set(EVERY) == set(ORDER["properties"])


@pytest.mark.parametrize("option", EVERY)
async def test_an_option_arrives_as_the_vendor_takes_it(yotpo: Bench, simulator: LoyaltySimulator, option: str) -> None:
    written, sent = EVERY[option]
    config = {**SMALLEST, "ip_address": "192.0.2.1", "user_agent": "curl", option: written}
    assert (await yotpo.run(CREATE_ORDER, config))["status"] == 200
    assert simulator.received[-1].json == {**config, option: sent}


async def test_all_options_together(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    await yotpo.run(CREATE_ORDER, {name: written for name, (written, _) in EVERY.items()})
    assert simulator.received[-1].json == {name: sent for name, (_, sent) in EVERY.items()}


async def test_an_order_adds_to_the_totals_and_gives_points(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    before = dict(ana(simulator))
    output = await yotpo.run(CREATE_ORDER, {**SMALLEST, "created_at": "2024-06-01T10:00:00Z"})
    assert output == {"status": 200, "body": {}}
    after = ana(simulator)
    assert after["total_spend_cents"] == before["total_spend_cents"] + 12500
    assert after["total_purchases"] == before["total_purchases"] + 1
    assert after["last_purchase_at"] == "2024-06-01T10:00:00Z"
    assert after["points_balance"] == before["points_balance"] + 125
    assert after["points_earned"] == before["points_earned"] + 125


async def test_an_order_with_a_code_deducts_the_points_that_were_delayed(
    yotpo: Bench, simulator: LoyaltySimulator
) -> None:
    delayed = {"customer_email": "ana@example.com", "redemption_option_id": 149, "delay_points_deduction": True}
    code = (await yotpo.run(CREATE_REDEMPTION, delayed))["reward_text"]
    assert ana(simulator)["points_balance"] == 640
    await yotpo.run(CREATE_ORDER, {**SMALLEST, "total_amount_cents": 0, "coupon_code": ["OTHER", code]})
    assert ana(simulator)["points_balance"] == 140


async def test_a_second_order_of_the_same_id_counts_again_so_it_is_not_sent_blindly(
    yotpo: Bench, simulator: LoyaltySimulator
) -> None:
    for _ in range(2):
        await yotpo.run(CREATE_ORDER, SMALLEST)
    assert ana(simulator)["total_purchases"] == 5
    assert (CREATE_ORDER.effect, CREATE_REFUND.effect) == (Effect.WRITE, Effect.WRITE)
    assert (CREATE_ORDER.probe, CREATE_REFUND.probe) == (None, None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"order_id": ...}, "order_id"),
        ({"customer_email": ...}, "customer_email"),
        ({"customer_email": "ana"}, "ana"),
        ({"total_amount_cents": 125.5}, "125.5"),
        ({"total_amount_cents": -1}, "-1"),
        ({"total_amount_cents": "$125"}, "$125"),
        ({"currency_code": "usd"}, "usd"),
        ({"ignore_ip_ua": False}, ""),
        ({"ignore_ip_ua": ...}, ""),
        ({"ignore_ip_ua": ..., "ip_address": "192.0.2.1"}, ""),
        ({"created_at": "yesterday"}, "yesterday"),
        ({"coupon_code": ["A,B"]}, "A,B"),
        ({"tags": [1]}, "1"),
        ({"channel_type": "phone"}, "phone"),
        ({"items": [{"quantity": 0}]}, "0"),
        ({"items": [{"price": 5}]}, "price"),
        ({"customer": {"email": "x"}}, "email"),
        ({"shipping_address": {"country_code": "USA"}}, "USA"),
        ({"shipping_adress": ADDRESS}, "shipping_adress"),
    ],
    ids=str,
)
def test_a_wrong_order_is_refused_before_anything_is_sent(changes: dict[str, Any], words: str) -> None:
    config = {name: value for name, value in {**SMALLEST, **changes}.items() if value is not ...}
    found = problems(config, CREATE_ORDER.config)
    assert found
    assert words in " ".join(found)


@pytest.mark.parametrize(
    "config",
    [{"created_at": "2024-02-30T10:00:00Z"}, {"customer": {"opted_in_at": "2024-13-01T10:00:00Z"}}],
    ids=str,
)
async def test_a_time_that_the_calendar_does_not_have_is_refused(
    yotpo: Bench, simulator: LoyaltySimulator, config: dict[str, Any]
) -> None:
    with pytest.raises(DataError, match="nothing was sent") as caught:
        await yotpo.run(CREATE_ORDER, {**SMALLEST, **config})
    assert caught.value.refused
    assert not simulator.received


@pytest.mark.parametrize("missing", ["customer_email", "order_id", "total_amount_cents", "currency_code"])
async def test_the_vendor_wants_what_it_documents_as_required(yotpo: Bench, missing: str) -> None:
    body = {name: value for name, value in SMALLEST.items() if name != missing}
    with pytest.raises(DataError, match="400"):
        await yotpo.http.request("POST", "/orders", json=body)


@pytest.mark.parametrize(
    "changes",
    [
        {"ignore_ip_ua": False},
        {"total_amount_cents": "12500"},
        {"total_amount_cents": -1},
        {"tags": ["a"]},
        {"items": [{"id": 7}]},
        {"items": {}},
        {"customer": {"name": "Ana"}},
        {"billing_address": {"street": "x"}},
        {"unknown": 1},
    ],
    ids=str,
)
async def test_the_vendor_refuses_wrong_forms(
    yotpo: Bench, simulator: LoyaltySimulator, changes: dict[str, Any]
) -> None:
    with pytest.raises(DataError) as caught:
        await yotpo.http.request("POST", "/orders", json={**SMALLEST, **changes})
    assert (caught.value.status, caught.value.refused) == (400, True)
    assert not simulator.state.orders


async def test_an_order_of_nobody_is_refused(yotpo: Bench) -> None:
    with pytest.raises(NotFound) as caught:
        await yotpo.run(CREATE_ORDER, {**SMALLEST, "customer_email": "nobody@example.com"})
    assert caught.value.refused


@pytest.mark.parametrize(
    ("action", "config"),
    [(CREATE_ORDER, SMALLEST), (CREATE_REFUND, {"order_id": "1001", "total_amount_cents": 1})],
    ids=["order", "refund"],
)
async def test_a_failing_vendor_leaves_the_outcome_unknown(
    yotpo: Bench, simulator: LoyaltySimulator, action: engine.Action, config: dict[str, Any]
) -> None:
    simulator.fail_next(502)
    with pytest.raises(VendorError) as caught:
        await yotpo.run(action, config)
    assert not caught.value.refused


async def test_an_answer_of_any_form_is_no_failure_of_a_write_that_was_accepted(
    yotpo: Bench, simulator: LoyaltySimulator
) -> None:
    simulator.fail_next(201, body={"id": 5})
    assert await yotpo.run(CREATE_ORDER, SMALLEST) == {"status": 201, "body": {"id": 5}}
    simulator.content_type = "text/plain"
    assert await yotpo.run(CREATE_ORDER, SMALLEST) == {"status": 200, "body": {}}


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize(
    ("module", "config", "path"),
    [
        ("create_order", SMALLEST, "/orders"),
        ("create_refund", {"order_id": "1001", "total_amount_cents": 1}, "/refunds"),
        ("create_redemption", {"customer_email": "ana@example.com", "redemption_option_id": 149}, "/redemptions"),
    ],
)
async def test_an_unknown_outcome_holds_the_run_and_is_not_repeated(
    module: str, config: dict[str, Any], path: str, applied: bool
) -> None:
    step = {"id": "write", "module": f"yotpo_loyalty.{module}", "connection": "yotpo", "with": config}
    async with runs("yotpo_loyalty", "- " + json.dumps(step)) as engine_:
        engine_.simulator.fail_next(500, applied=applied)
        result = await engine_.run({})
        assert (result.state, result.effects[0].state) == ("held", "unknown")
        assert engine_.simulator.calls == {f"POST /api/v2{path}": 1}


async def test_a_busy_record_is_tried_again_when_the_scenario_says_so() -> None:
    step = """
    - id: coupon
      module: yotpo_loyalty.create_redemption
      connection: yotpo
      with: {customer_email: ana@example.com, redemption_option_id: 149}
      retry: {on: [Conflict]}
    """
    async with runs("yotpo_loyalty", textwrap.dedent(step)) as engine_:
        engine_.simulator.fail_next(423)
        result = await engine_.run({})
        assert result.state == "succeeded"
        assert engine_.simulator.calls == {"POST /api/v2/redemptions": 2}
        assert ana(engine_.simulator)["points_balance"] == 140


# refunds


@pytest.fixture
async def ordered(yotpo: Bench) -> Bench:
    items = [{"id": 7, "name": "Mug", "quantity": 2, "price_cents": 6250}]
    await yotpo.run(CREATE_ORDER, {**SMALLEST, "items": items})
    return yotpo


async def test_a_refund_takes_back_what_the_order_gave(ordered: Bench, simulator: LoyaltySimulator) -> None:
    half = {"order_id": 1001, "total_amount_cents": 6250}
    assert await ordered.run(CREATE_REFUND, half) == {"status": 200, "body": {}}
    assert (ana(simulator)["points_balance"], ana(simulator)["total_spend_cents"]) == (640 + 125 - 62, 18750)
    await ordered.run(CREATE_REFUND, half)
    with pytest.raises(DataError) as caught:
        await ordered.run(CREATE_REFUND, {**half, "total_amount_cents": 1})
    assert (caught.value.status, caught.value.refused) == (422, True)


async def test_a_refund_takes_no_more_points_than_there_are(ordered: Bench, simulator: LoyaltySimulator) -> None:
    ana(simulator)["points_balance"] = 10
    await ordered.run(CREATE_REFUND, {"order_id": "1001", "total_amount_cents": 12500})
    assert ana(simulator)["points_balance"] == 0


@pytest.mark.parametrize(
    ("option", "written", "sent"),
    [
        ("order_id", 1001, "1001"),
        ("total_amount_cents", 250, 250),
        ("id", 55, "55"),
        ("currency", "EUR", "EUR"),
        ("items", [{"id": 7, "quantity": 1}], [{"id": "7", "quantity": 1}]),
    ],
)
async def test_every_option_of_a_refund_arrives(
    ordered: Bench, simulator: LoyaltySimulator, option: str, written: Any, sent: Any
) -> None:
    config = {"order_id": "1001", "total_amount_cents": 100, option: written}
    await ordered.run(CREATE_REFUND, config)
    assert simulator.received[-1].json == {**config, option: sent}
    assert set(CREATE_REFUND.config["properties"]) == {"order_id", "total_amount_cents", "id", "currency", "items"}


@pytest.mark.parametrize(
    ("config", "kind", "status"),
    [
        ({"order_id": "1002", "total_amount_cents": 100}, NotFound, 404),
        ({"order_id": "1001", "total_amount_cents": 12501}, DataError, 422),
        ({"order_id": "1001", "total_amount_cents": 100, "items": [{"id": "other"}]}, DataError, 400),
    ],
    ids=str,
)
async def test_a_refund_that_the_vendor_refuses_was_not_applied(
    ordered: Bench, simulator: LoyaltySimulator, config: dict[str, Any], kind: type[engine.ModuleError], status: int
) -> None:
    with pytest.raises(kind) as caught:
        await ordered.run(CREATE_REFUND, config)
    assert (caught.value.status, caught.value.refused) == (status, True)
    assert simulator.state.orders[0].refunds == []


@pytest.mark.parametrize(
    "config",
    [
        {"order_id": "1001"},
        {"total_amount_cents": 1},
        {"order_id": "1001", "total_amount_cents": 0},
        {"order_id": "1001", "total_amount_cents": 1, "items": [{"quantity": 1}]},
        {"order_id": "1001", "total_amount_cents": 1, "currency": "$"},
    ],
    ids=str,
)
def test_a_wrong_refund_is_refused_before_anything_is_sent(config: dict[str, Any]) -> None:
    assert problems(config, CREATE_REFUND.config)
