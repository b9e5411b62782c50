"""*Record a Customer Action* against the loyalty simulator."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

import engine
from engine import (
    AuthError,
    Conflict,
    DataError,
    Effect,
    Happened,
    ModuleError,
    NotFound,
    ProbeResult,
    RateLimitError,
    VendorError,
)
from modules.yotpo_loyalty.actions import RECORD_CUSTOMER_ACTION
from modules.yotpo_loyalty.connection import CONNECTION
from modules.yotpo_loyalty.simulator import LoyaltySimulator
from tests.modules.bench import Bench, problems
from tests.modules.runs import runs
from tests.runtime.doubles import HandClock

MENTION = {"customer_email": "ana@example.com", "action_name": "instagram_mention"}
TITLED = {**MENTION, "history_title": "Mentioned us in post 17", "unique_history_title": True}
NOW = datetime(2024, 3, 5, 9, tzinfo=UTC)


async def test_an_action_gives_the_campaigns_points(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    output = await yotpo.run(RECORD_CUSTOMER_ACTION, MENTION)
    assert output == {"status": 200, "body": {}}
    ana = simulator.state.customers["ana@example.com"]
    assert (ana["points_balance"], ana["points_earned"]) == (640 + 50, 900 + 50)
    assert (ana["history_items"][0]["action"], ana["history_items"][0]["points"]) == ("Mention us", 50)


async def test_given_points_title_and_time_take_the_place_of_the_campaigns(
    yotpo: Bench, simulator: LoyaltySimulator
) -> None:
    given = {"reward_points": 75, "history_title": "Post 17", "created_at": "2024-03-05T09:00:00Z"}
    await yotpo.run(RECORD_CUSTOMER_ACTION, {**MENTION, **given})
    ana = simulator.state.customers["ana@example.com"]
    assert ana["points_balance"] == 640 + 75
    item = ana["history_items"][0]
    assert (item["action"], item["points"], item["created_at"]) == ("Post 17", 75, "2024-03-05T09:00:00Z")


@pytest.mark.parametrize(
    ("key", "value", "sent"),
    [
        ("type", "CustomAction", "CustomAction"),
        ("customer_id", "700100", "700100"),
        ("customer_id", 700100, "700100"),
        ("ip_address", "192.0.2.10", "192.0.2.10"),
        ("ip_address", "2001:db8::1", "2001:db8::1"),
        ("user_agent", "Mozilla/5.0", "Mozilla/5.0"),
        ("created_at", "2024-03-05T09:00:00+02:00", "2024-03-05T09:00:00+02:00"),
        ("reward_points", 0, 0),
        ("history_title", "Mentioned us", "Mentioned us"),
    ],
    ids=str,
)
async def test_every_field_arrives_under_the_vendors_name(
    yotpo: Bench, simulator: LoyaltySimulator, key: str, value: Any, sent: Any
) -> None:
    await yotpo.run(RECORD_CUSTOMER_ACTION, {**MENTION, key: value})
    [request] = simulator.received
    assert (request.method, request.path, request.query) == ("POST", "/actions", {})
    assert request.json == {**MENTION, "type": "CustomAction", key: sent}


async def test_the_engines_own_option_is_not_sent(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    await yotpo.run(RECORD_CUSTOMER_ACTION, TITLED)
    assert "unique_history_title" not in simulator.received[0].json


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"customer_email": "ana@example.com"},
        {"action_name": "instagram_mention"},
        {**MENTION, "customer_email": "ana"},
        {**MENTION, "action_name": ""},
        {**MENTION, "reward_points": "50"},
        {**MENTION, "reward_points": -1},
        {**MENTION, "created_at": "yesterday"},
        {**MENTION, "created_at": "2024-03-05"},
        {**MENTION, "ip_address": "localhost"},
        {**MENTION, "unique_history_title": True},
    ],
    ids=str,
)
def test_a_wrong_config_is_refused_before_anything_is_sent(config: dict[str, Any]) -> None:
    assert problems(config, RECORD_CUSTOMER_ACTION.config)


async def test_a_time_that_the_calendar_does_not_have_is_refused_before_anything_is_sent(
    yotpo: Bench, simulator: LoyaltySimulator
) -> None:
    with pytest.raises(DataError, match="created_at: there is no time") as caught:
        await yotpo.run(RECORD_CUSTOMER_ACTION, {**MENTION, "created_at": "2024-02-30T09:00:00Z"})
    assert caught.value.refused
    assert not simulator.received


@pytest.mark.parametrize(
    ("changes", "kind", "status"),
    [
        ({"action_name": "tiktok_mention"}, DataError, 400),
        ({"type": "Purchase"}, DataError, 400),
        ({"customer_email": "nobody@example.com"}, NotFound, 404),
    ],
    ids=str,
)
async def test_what_the_vendor_refuses_is_refused_and_changes_nothing(
    yotpo: Bench, simulator: LoyaltySimulator, changes: dict[str, str], kind: type[ModuleError], status: int
) -> None:
    with pytest.raises(kind) as caught:
        await yotpo.run(RECORD_CUSTOMER_ACTION, {**MENTION, **changes})
    assert (caught.value.status, caught.value.refused) == (status, True)
    assert simulator.state.customers["ana@example.com"]["points_balance"] == 640


@pytest.mark.parametrize(
    ("status", "kind", "refused"),
    [
        (400, DataError, True),
        (401, AuthError, True),
        (403, AuthError, True),
        (404, NotFound, True),
        (422, DataError, True),
        (423, Conflict, True),
        (429, RateLimitError, True),
        (409, Conflict, False),
        (408, engine.TimeoutError, False),
        (500, VendorError, False),
        (503, VendorError, False),
    ],
)
async def test_only_some_statuses_prove_that_nothing_was_recorded(
    yotpo: Bench, simulator: LoyaltySimulator, status: int, kind: type[ModuleError], refused: bool
) -> None:
    simulator.fail_next(status)
    with pytest.raises(kind) as caught:
        await yotpo.run(RECORD_CUSTOMER_ACTION, MENTION)
    assert (type(caught.value), caught.value.status, caught.value.refused) == (kind, status, refused)


@pytest.mark.parametrize(
    ("body", "shown"),
    [(b"OK", "OK"), (b"", None), (b'{"id": 5}', {"id": 5}), (b"\xff", "\ufffd"), (b"long " * 1000, "long " * 1000)],
    ids=["text", "empty", "JSON", "no text", "long"],
)
async def test_whatever_the_vendor_answers_is_handed_on(
    yotpo: Bench, simulator: LoyaltySimulator, body: bytes, shown: Any
) -> None:
    simulator.fail_next(201, applied=True, raw=body)
    assert await yotpo.run(RECORD_CUSTOMER_ACTION, MENTION) == {"status": 201, "body": shown}
    [request] = simulator.received
    assert request.path == "/actions"


async def test_errors_in_an_accepted_answer_are_told(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    simulator.fail_next(200)
    call = yotpo.call(MENTION)
    output = await yotpo.carry_out(RECORD_CUSTOMER_ACTION, call)
    assert output["body"] == {"errors": ["simulated failure 200"]}
    assert "its answer has errors" in call.warnings[0]


# what a probe can tell


async def _probed(yotpo: Bench, config: dict[str, Any]) -> Happened | ProbeResult:
    assert RECORD_CUSTOMER_ACTION.probe
    found = await RECORD_CUSTOMER_ACTION.probe(yotpo.call(config), NOW)
    if isinstance(found, Happened):
        assert problems(found.output, RECORD_CUSTOMER_ACTION.output_schema(config)) == []
    return found


async def test_a_unique_title_in_the_history_proves_that_it_happened(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    simulator.fail_next(500, applied=True)
    with pytest.raises(VendorError):
        await yotpo.run(RECORD_CUSTOMER_ACTION, TITLED)
    assert await _probed(yotpo, TITLED) == Happened({"status": None, "body": None})


async def test_absence_proves_nothing(yotpo: Bench) -> None:
    assert await _probed(yotpo, TITLED) is ProbeResult.UNKNOWN


async def test_a_title_that_is_not_said_to_be_unique_is_not_even_looked_for(
    yotpo: Bench, simulator: LoyaltySimulator
) -> None:
    config = {**MENTION, "history_title": "Mentioned us in post 17"}
    await yotpo.run(RECORD_CUSTOMER_ACTION, config)
    simulator.calls.clear()
    assert await _probed(yotpo, config) is ProbeResult.UNKNOWN
    assert not simulator.calls


async def test_a_probe_reads_the_history_of_whom_the_action_was_about(
    yotpo: Bench, simulator: LoyaltySimulator
) -> None:
    about_ben = {**TITLED, "customer_id": "700101"}
    del about_ben["customer_email"]
    await yotpo.run(RECORD_CUSTOMER_ACTION, TITLED)
    assert await _probed(yotpo, about_ben) is ProbeResult.UNKNOWN
    assert simulator.received[-1].query == {
        "customer_id": "700101",
        "with_referral_code": "false",
        "with_history": "true",
    }


@pytest.mark.parametrize("body", [[], {}, {"history_items": None}, {"history_items": ["?"]}], ids=str)
async def test_a_history_of_another_form_proves_nothing(yotpo: Bench, simulator: LoyaltySimulator, body: Any) -> None:
    simulator.fail_next(200, body=body)
    assert await _probed(yotpo, TITLED) is ProbeResult.UNKNOWN


# in runs

STEP = """
- id: mention
  module: yotpo_loyalty.record_customer_action
  connection: yotpo
  with:
    customer_email: ${{ trigger.email }}
    action_name: instagram_mention
    history_title: Post ${{ trigger.post }}
    unique_history_title: %s
  retry: {attempts: 3, from: 1s, on: [VendorError, RateLimitError, ConnectionError, TimeoutError]}
  on_error: hold
- stop: success
  output: ${{ mention }}
"""
EVENT = {"email": "ana@example.com", "post": 17}


def _given(simulator: LoyaltySimulator) -> list[int]:
    history = simulator.state.customers["ana@example.com"]["history_items"]
    return [item["points"] for item in history if item["action"] == "Post 17"]


@pytest.mark.parametrize("applied", [True, False])
async def test_an_unknown_outcome_holds_the_run_and_is_not_repeated(applied: bool) -> None:
    async with runs("yotpo_loyalty", STEP % "false") as engine_:
        engine_.simulator.fail_next(500, applied=applied)
        result = await engine_.run(EVENT)
        assert (result.state, result.effects[0].state) == ("held", "unknown")
        assert engine_.simulator.calls == {"POST /api/v2/actions": 1}
        assert _given(engine_.simulator) == [50] * applied


async def test_an_unknown_outcome_that_the_history_shows_is_settled_by_itself() -> None:
    async with runs("yotpo_loyalty", STEP % "true") as engine_:
        engine_.simulator.fail_next(500, applied=True)
        result = await engine_.run(EVENT)
        assert (result.state, result.output) == ("succeeded", {"status": None, "body": None})
        assert engine_.simulator.calls == {"POST /api/v2/actions": 1, "GET /api/v2/customers": 1}
        assert _given(engine_.simulator) == [50]


async def test_an_unknown_outcome_that_the_history_does_not_show_holds_the_run() -> None:
    async with runs("yotpo_loyalty", STEP % "true") as engine_:
        engine_.simulator.close_mid_answer(applied=False)
        result = await engine_.run(EVENT)
        assert result.state == "held"
        assert engine_.simulator.calls["POST /api/v2/actions"] == 1


async def test_too_many_requests_prove_that_nothing_happened_and_are_tried_again() -> None:
    async with runs("yotpo_loyalty", STEP % "false") as engine_:
        engine_.simulator.fail_next(429, headers={"ratelimit-reset": "1"})
        result = await engine_.run(EVENT)
        assert result.state == "succeeded"
        assert (engine_.simulator.calls["POST /api/v2/actions"], _given(engine_.simulator)) == (2, [50])


async def test_a_hanging_vendor_is_a_timeout_of_unknown_outcome(
    yotpo: Bench, simulator: LoyaltySimulator, clock: HandClock
) -> None:
    simulator.hang(applied=True)
    asked = asyncio.create_task(yotpo.run(RECORD_CUSTOMER_ACTION, MENTION))
    await simulator.hanging.wait()
    clock.advance(CONNECTION.timeout)
    with pytest.raises(engine.TimeoutError) as caught:
        await asked
    assert not caught.value.refused
    assert simulator.state.customers["ana@example.com"]["points_balance"] == 690


def test_recording_is_a_write_that_must_not_be_repeated() -> None:
    assert RECORD_CUSTOMER_ACTION.effect is Effect.WRITE
