"""*Create or Update a Custom Customer Event* against the SMS & Email simulator."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

import engine
from engine import AuthError, DataError, Effect, RateLimitError
from modules.yotpo_messaging.connection import BASE_URL, CONNECTION
from modules.yotpo_messaging.custom_events import CREATE_OR_UPDATE_CUSTOM_EVENT
from modules.yotpo_messaging.simulator import DEBUG_EVENTS, TOKEN_LIFETIME, MessagingSimulator
from tests.modules.bench import Bench, bench, fixture, problems
from tests.runtime.doubles import HandClock

MODULE = CREATE_OR_UPDATE_CUSTOM_EVENT
EVENT = {"action_name": "tier_earned", "customer": {"email": "ana@example.com"}}
TOKENS = "POST /core/v3/stores/simulated-store/access_tokens"
EVENTS = "POST /core/v3/stores/simulated-store/custom_events"
CUSTOMERS = "/core/v3/stores/simulated-store/customers"


@pytest.fixture
def clock() -> HandClock:
    return HandClock(1_709_629_200.0)


@pytest.fixture
def simulator(clock: HandClock) -> MessagingSimulator:
    return MessagingSimulator(clock)


@pytest.fixture
async def yotpo(simulator: MessagingSimulator, clock: HandClock) -> AsyncIterator[Bench]:
    async with bench(simulator, CONNECTION, clock) as connected:
        yield connected


async def test_the_body_is_the_documented_one(yotpo: Bench, simulator: MessagingSimulator) -> None:
    body = fixture("rest/core_custom_event_request.json")
    output = await yotpo.run(MODULE, body)
    assert simulator.events == {body["unique_id"]: body}
    assert output == {"unique_id": body["unique_id"], "action_time": body["action_time"]}


async def test_time_and_id_are_settled_at_the_first_try(yotpo: Bench, simulator: MessagingSimulator) -> None:
    output = await yotpo.run(MODULE, EVENT)
    assert output["action_time"] == "2024-03-05T09:00:00.000Z"
    assert uuid.UUID(output["unique_id"]).version == 5
    assert simulator.events[output["unique_id"]] == {**EVENT, **output}


async def test_a_repetition_overwrites_the_first(yotpo: Bench, simulator: MessagingSimulator, clock: HandClock) -> None:
    assert MODULE.prepare
    call = yotpo.call(EVENT)
    call.config = MODULE.prepare(call)
    await yotpo.carry_out(MODULE, call)
    clock.advance(60)
    await yotpo.carry_out(MODULE, call)
    [(unique_id, writes)] = simulator.writes.items()
    assert writes == 2
    assert simulator.events[unique_id]["action_time"] == "2024-03-05T09:00:00.000Z"


def test_preparing_is_pure_and_the_id_belongs_to_the_effect(yotpo: Bench) -> None:
    assert MODULE.prepare
    first, again = (MODULE.prepare(yotpo.call(EVENT)) for _ in range(2))
    other = MODULE.prepare(yotpo.call(EVENT, key="scenario/receipt/another step"))
    assert first == again
    assert first["unique_id"] != other["unique_id"]
    assert MODULE.prepare(yotpo.call({**EVENT, "unique_id": "mine"}))["unique_id"] == "mine"


def test_the_write_may_be_repeated() -> None:
    assert MODULE.effect is Effect.IDEMPOTENT
    assert CONNECTION.secrets == {"secret"}
    assert BASE_URL == "https://api.yotpo.com"


@pytest.mark.parametrize(
    "customer",
    [
        {"external_id": "700100"},
        {"external_id": "700100", "email": "ana@example.com", "phone_number": "+15550100"},
        {"email": "ana@example.com"},
        {"phone_number": "+15550100"},
        {"email": "ana@example.com", "custom_properties": {"follower_count": 1200, "vip": True, "tier": "GOLD"}},
    ],
    ids=str,
)
async def test_customers_that_the_vendor_takes(
    yotpo: Bench, simulator: MessagingSimulator, customer: dict[str, Any]
) -> None:
    output = await yotpo.run(MODULE, {**EVENT, "customer": customer})
    assert simulator.events[output["unique_id"]]["customer"] == customer


REFUSED: list[dict[str, Any]] = [
    {"customer": {}},
    {"customer": {"email": "ana@example.com", "phone_number": "+15550100"}},
    {"customer": {"email": None}},
    {"customer": {"phone_number": "5550100"}},
    {"customer": {"external_id": 700100}},
    {"customer": {"email": "ana@example.com", "name": "Ana"}},
    {"customer": {"email": "ana@example.com", "custom_properties": {"tier": None}}},
    {"customer": {"email": "ana@example.com", "custom_properties": {"vip tier": "GOLD"}}},
    {"customer": {"email": "ana@example.com", "custom_properties": ["GOLD"]}},
    {"customer": "ana@example.com"},
    {"action_name": "Tier Earned"},
    {"action_name": "tierEarned"},
    {"action_name": ""},
    {"action_name": "a" * 256},
    {"action_name": None},
    {"source": "Creator Hub"},
    {"action_time": "yesterday"},
    {"action_time": 1709629200},
    {"unique_id": ""},
    {"unique_id": 7},
    {"event_properties": {"tier": {"name": "GOLD"}}},
    {"event_properties": {"tiers": ["GOLD"]}},
    {"event_properties": {"tier": None}},
    {"event_properties": "GOLD"},
    {"event": "tier_earned"},
]


@pytest.mark.parametrize("change", REFUSED, ids=str)
async def test_what_breaks_a_rule_is_refused_by_the_schema_and_by_the_simulator_alike(
    yotpo: Bench, simulator: MessagingSimulator, change: dict[str, Any]
) -> None:
    assert problems({**EVENT, **change}, MODULE.config)
    whole = {"unique_id": "one", "action_time": "2024-03-05T09:00:00Z", **EVENT, **change}
    with pytest.raises(DataError) as caught:
        await yotpo.http.request("POST", EVENTS.partition(" ")[2], json=whole)
    assert (caught.value.status, caught.value.refused) == (400, True)
    assert simulator.events == {}


@pytest.mark.parametrize("missing", ["unique_id", "action_time", "action_name", "customer"])
async def test_the_simulator_wants_every_required_key(yotpo: Bench, missing: str) -> None:
    whole = {"unique_id": "one", "action_time": "2024-03-05T09:00:00Z", **EVENT}
    with pytest.raises(DataError):
        await yotpo.http.request(
            "POST", EVENTS.partition(" ")[2], json={k: v for k, v in whole.items() if k != missing}
        )


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"custom_event": {}}'])
async def test_the_simulator_refuses_broken_json_and_a_wrong_wrapper(yotpo: Bench, body: bytes) -> None:
    with pytest.raises(DataError):
        await yotpo.http.request("POST", EVENTS.partition(" ")[2], data=body)


async def test_one_token_serves_many_calls(yotpo: Bench, simulator: MessagingSimulator) -> None:
    for number in range(3):
        await yotpo.run(MODULE, EVENT, key=str(number))
    assert simulator.calls == {TOKENS: 1, EVENTS: 3}


async def test_an_old_token_is_renewed_before_it_expires(
    yotpo: Bench, simulator: MessagingSimulator, clock: HandClock
) -> None:
    await yotpo.run(MODULE, EVENT, key="first")
    clock.advance(TOKEN_LIFETIME - timedelta(hours=12).total_seconds())
    await yotpo.run(MODULE, EVENT, key="second")
    assert simulator.calls == {TOKENS: 2, EVENTS: 2}


async def test_a_token_that_the_vendor_withdrew_is_renewed_once(yotpo: Bench, simulator: MessagingSimulator) -> None:
    await yotpo.run(MODULE, EVENT, key="first")
    simulator.tokens.clear()
    await yotpo.run(MODULE, EVENT, key="second")
    assert simulator.calls == {TOKENS: 2, EVENTS: 3}
    assert len(simulator.events) == 2


async def test_the_simulators_tokens_expire_on_the_clock(
    yotpo: Bench, simulator: MessagingSimulator, clock: HandClock
) -> None:
    await yotpo.run(MODULE, EVENT)
    [token] = simulator.tokens
    simulator.tokens[token] = clock.time()
    await yotpo.run(MODULE, EVENT, key="second")
    assert simulator.calls[TOKENS] == 2


@pytest.mark.parametrize("wrong", ["secret", "store_id"])
async def test_wrong_credentials_are_an_auth_error_and_nothing_is_stored(
    simulator: MessagingSimulator, clock: HandClock, wrong: str
) -> None:
    async with bench(simulator, CONNECTION, clock) as yotpo:
        setattr(simulator, wrong, "another")
        with pytest.raises(AuthError) as caught:
            await yotpo.run(MODULE, EVENT)
        assert caught.value.refused
        with pytest.raises(AuthError):
            await yotpo.test()
    assert simulator.events == {}


async def test_the_connection_test_passes_with_good_credentials(yotpo: Bench) -> None:
    await yotpo.test()


async def test_customers_are_listed_by_external_id(yotpo: Bench, simulator: MessagingSimulator) -> None:
    simulator.per_second = None
    found = await yotpo.http.request("GET", CUSTOMERS, query={"external_ids": ["700100"]})
    assert [person["email"] for person in found.json()["customers"]] == ["ana@example.com"]
    found = await yotpo.http.request("GET", CUSTOMERS, query={"external_ids": ["1"]})
    assert found.json()["customers"] == []
    for query in ({"limit": 101}, {"limit": "all"}, {"name": "Ana"}):
        with pytest.raises(DataError):
            await yotpo.http.request("GET", CUSTOMERS, query=query)


async def test_the_sixth_request_of_a_second_is_refused(
    yotpo: Bench, simulator: MessagingSimulator, clock: HandClock
) -> None:
    for number in range(4):  # and one for the token
        await yotpo.run(MODULE, EVENT, key=str(number))
    with pytest.raises(RateLimitError) as caught:
        await yotpo.run(MODULE, EVENT, key="one more")
    assert (caught.value.refused, caught.value.retry_after) == (True, 1.0)
    assert len(simulator.events) == 4
    clock.advance(1)
    await yotpo.run(MODULE, EVENT, key="one more")


async def test_what_is_inferred_can_be_set_on_the_connection(simulator: MessagingSimulator, clock: HandClock) -> None:
    changes = {
        "custom_event_path": "/events",
        "custom_event_method": "PUT",
        "custom_event_keys": {"action_name": "event_name", "unique_id": "event_id"},
    }
    async with bench(simulator, CONNECTION, clock, changes) as yotpo:
        method, path, body = await yotpo.sent(MODULE, {"unique_id": "one", "action_time": "2024-03-05", **EVENT})
    assert (method, path) == ("PUT", "/core/v3/stores/simulated-store/events")
    assert body == {
        "event_id": "one",
        "action_time": "2024-03-05",
        "event_name": "tier_earned",
        "customer": EVENT["customer"],
    }


async def test_what_was_stored_can_be_read_without_a_token(
    yotpo: Bench, simulator: MessagingSimulator, clock: HandClock
) -> None:
    output = await yotpo.run(MODULE, EVENT)
    base = str(yotpo.fields["base_url"])
    async with aiohttp.ClientSession(base) as session, session.get(DEBUG_EVENTS) as answer:
        stored = await answer.json()
    assert stored == {"custom_events": [{**EVENT, **output}], "writes": {output["unique_id"]: 1}}


@pytest.mark.parametrize("trouble", ["hang", "close_mid_answer", "fail_next"])
async def test_an_event_whose_answer_is_lost_was_applied_and_is_unknown(
    yotpo: Bench, simulator: MessagingSimulator, clock: HandClock, trouble: str
) -> None:
    await yotpo.run(MODULE, EVENT, key="fetches the token")
    if trouble == "fail_next":
        simulator.fail_next(502, applied=True)
    else:
        getattr(simulator, trouble)()
    sending = asyncio.create_task(yotpo.run(MODULE, EVENT))
    if trouble == "hang":
        await simulator.hanging.wait()
        clock.advance(CONNECTION.timeout)
    with pytest.raises((engine.TimeoutError, engine.ConnectionError, engine.VendorError)) as caught:
        await sending
    assert not caught.value.refused
    assert len(simulator.events) == 2
