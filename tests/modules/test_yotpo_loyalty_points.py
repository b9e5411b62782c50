"""*Adjust a Customer's Points* against the loyalty simulator."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from engine import Conflict, DataError, Effect, Happened, ModuleError, NotFound, ProbeResult, VendorError
from modules.yotpo_loyalty.points import ADJUST_POINTS
from modules.yotpo_loyalty.simulator import LoyaltySimulator
from tests.modules.bench import Bench, problems
from tests.modules.runs import runs

GOODWILL = {
    "customer_email": "ana@example.com",
    "point_adjustment_amount": 100,
    "apply_adjustment_to_points_earned": True,
}
TITLED = {**GOODWILL, "history_title": "Goodwill for order 1001", "unique_history_title": True}
NOW = datetime(2024, 3, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "earned", "balance_after", "earned_after"),
    [(100, True, 740, 1000), (100, False, 740, 900), (-100, False, 540, 900), (-100, True, 540, 800)],
    ids=["reward", "give back", "redeem or expire", "take a reward back"],
)
async def test_the_matrix_of_sign_and_flag(
    yotpo: Bench, simulator: LoyaltySimulator, amount: int, earned: bool, balance_after: int, earned_after: int
) -> None:
    change = {"point_adjustment_amount": amount, "apply_adjustment_to_points_earned": earned}
    output = await yotpo.run(ADJUST_POINTS, {**GOODWILL, **change})
    ana = simulator.state.customers["ana@example.com"]
    assert (ana["points_balance"], ana["points_earned"]) == (balance_after, earned_after)
    assert {"id", "customer_id", "merchant_id", "created_at"} <= set(output)


async def test_a_customer_who_was_just_made_can_be_given_points(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    await yotpo.http.request("POST", "/customers", json={"email": "cleo@example.com"})
    first = await yotpo.run(ADJUST_POINTS, {**GOODWILL, "customer_email": "cleo@example.com"})
    second = await yotpo.run(ADJUST_POINTS, {**GOODWILL, "customer_email": "Cleo@example.com"})
    assert first["customer_id"] == second["customer_id"]
    assert first["id"] != second["id"]
    assert simulator.state.customers["cleo@example.com"]["points_balance"] == 200


@pytest.mark.parametrize(
    ("key", "value", "sent"),
    [
        ("customer_id", "700100", "700100"),
        ("customer_id", 700100, "700100"),
        ("point_adjustment_amount", -5, -5),
        ("apply_adjustment_to_points_earned", False, False),
        ("history_title", "Goodwill", "Goodwill"),
        ("visible_to_customer", False, False),
    ],
    ids=str,
)
async def test_every_field_arrives_under_the_vendors_name(
    yotpo: Bench, simulator: LoyaltySimulator, key: str, value: Any, sent: Any
) -> None:
    await yotpo.run(ADJUST_POINTS, {**GOODWILL, key: value})
    [request] = simulator.received
    assert (request.method, request.path, request.query) == ("POST", "/points/adjust", {})
    assert request.json == {**GOODWILL, key: sent}


async def test_what_is_left_out_is_not_sent(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    config = {"customer_id": "700100", "point_adjustment_amount": 1}
    await yotpo.run(ADJUST_POINTS, config)
    await yotpo.run(ADJUST_POINTS, TITLED)
    assert simulator.received[0].json == config
    assert "unique_history_title" not in simulator.received[1].json


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"customer_email": "ana@example.com"},
        {"point_adjustment_amount": 100},
        {**GOODWILL, "point_adjustment_amount": "100"},
        {**GOODWILL, "point_adjustment_amount": 1.5},
        {**GOODWILL, "apply_adjustment_to_points_earned": "yes"},
        {**GOODWILL, "visible_to_customer": None},
        {**GOODWILL, "customer_email": "ana"},
        {**GOODWILL, "unique_history_title": True},
    ],
    ids=str,
)
def test_a_wrong_config_is_refused_before_anything_is_sent(config: dict[str, Any]) -> None:
    assert problems(config, ADJUST_POINTS.config)


async def test_too_few_points_are_refused_and_said_so(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    with pytest.raises(DataError) as caught:
        await yotpo.run(ADJUST_POINTS, {**GOODWILL, "point_adjustment_amount": -641})
    assert (caught.value.status, caught.value.refused) == (422, True)
    assert "too few points" in str(caught.value)
    assert simulator.state.customers["ana@example.com"]["points_balance"] == 640


async def test_a_busy_record_is_a_conflict_that_changed_nothing(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    simulator.state.busy.add("ana@example.com")
    with pytest.raises(Conflict) as caught:
        await yotpo.run(ADJUST_POINTS, GOODWILL)
    assert (caught.value.status, caught.value.refused) == (423, True)
    assert "try again later" in str(caught.value)
    simulator.state.busy.clear()
    await yotpo.run(ADJUST_POINTS, GOODWILL)


@pytest.mark.parametrize(
    ("status", "kind", "refused"),
    [(400, DataError, True), (404, NotFound, True), (409, Conflict, False), (500, VendorError, False)],
)
async def test_other_statuses_get_no_explanation_that_is_not_theirs(
    yotpo: Bench, simulator: LoyaltySimulator, status: int, kind: type[ModuleError], refused: bool
) -> None:
    simulator.fail_next(status)
    with pytest.raises(kind) as caught:
        await yotpo.run(ADJUST_POINTS, GOODWILL)
    assert (caught.value.status, caught.value.refused, caught.value.hint) == (status, refused, None)


@pytest.mark.parametrize("answer", [b"[]", b"OK", b"", b"\xff\xfe"])
async def test_an_answer_that_is_no_object_is_no_failure(
    yotpo: Bench, simulator: LoyaltySimulator, answer: bytes
) -> None:
    simulator.fail_next(200, applied=True, raw=answer)
    call = yotpo.call(GOODWILL)
    assert ADJUST_POINTS.run
    assert await ADJUST_POINTS.run(call) == {}
    assert len(call.warnings) == 1
    assert simulator.state.customers["ana@example.com"]["points_balance"] == 740


async def test_errors_in_an_accepted_answer_are_told(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    simulator.fail_next(200, body={"errors": ["something"]})
    call = yotpo.call(GOODWILL)
    assert ADJUST_POINTS.run
    assert await ADJUST_POINTS.run(call) == {"errors": ["something"]}
    assert "its answer has errors: ['something']" in call.warnings[0]


async def _probed(yotpo: Bench, config: dict[str, Any]) -> Happened | ProbeResult:
    assert ADJUST_POINTS.probe
    found = await ADJUST_POINTS.probe(yotpo.call(config), NOW)
    if isinstance(found, Happened):
        assert problems(found.output, ADJUST_POINTS.output_schema(config)) == []
    return found


async def test_a_probe_knows_only_what_a_unique_title_in_the_history_shows(yotpo: Bench) -> None:
    assert await _probed(yotpo, TITLED) is ProbeResult.UNKNOWN
    await yotpo.run(ADJUST_POINTS, TITLED)
    assert await _probed(yotpo, TITLED) == Happened({})
    assert await _probed(yotpo, {**TITLED, "unique_history_title": False}) is ProbeResult.UNKNOWN


async def test_what_the_customer_does_not_see_is_not_looked_for(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    hidden = {**TITLED, "visible_to_customer": False}
    await yotpo.run(ADJUST_POINTS, hidden)
    simulator.calls.clear()
    assert await _probed(yotpo, hidden) is ProbeResult.UNKNOWN
    assert not simulator.calls


STEP = """
- id: goodwill
  module: yotpo_loyalty.adjust_points
  connection: yotpo
  with:
    customer_email: ana@example.com
    point_adjustment_amount: ${{ trigger.points }}
    apply_adjustment_to_points_earned: true
  retry: {attempts: 3, from: 1s, on: [Conflict, VendorError, TimeoutError, ConnectionError]}
  on_error: hold
"""


@pytest.mark.parametrize("applied", [True, False])
async def test_an_unknown_outcome_holds_the_run_and_is_not_repeated(applied: bool) -> None:
    async with runs("yotpo_loyalty", STEP) as engine_:
        engine_.simulator.close_mid_answer(applied=applied)
        result = await engine_.run({"points": 100})
        assert (result.state, result.effects[0].state) == ("held", "unknown")
        assert engine_.simulator.calls == {"POST /api/v2/points/adjust": 1}
        balance = engine_.simulator.state.customers["ana@example.com"]["points_balance"]
        assert balance == (740 if applied else 640)


async def test_a_busy_record_may_be_tried_again() -> None:
    async with runs("yotpo_loyalty", STEP) as engine_:
        engine_.simulator.fail_next(423)
        result = await engine_.run({"points": 100})
        assert result.state == "succeeded"
        assert engine_.simulator.calls == {"POST /api/v2/points/adjust": 2}
        assert engine_.simulator.state.customers["ana@example.com"]["points_balance"] == 740


async def test_too_few_points_are_not_tried_again() -> None:
    async with runs("yotpo_loyalty", STEP) as engine_:
        result = await engine_.run({"points": -1000})
        assert (result.state, result.effects[0].state) == ("held", "refused")
        assert engine_.simulator.calls == {"POST /api/v2/points/adjust": 1}


def test_adjusting_is_a_write_that_must_not_be_repeated() -> None:
    assert ADJUST_POINTS.effect is Effect.WRITE
