"""*Send an Event* against the Optimove simulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import yaml

import engine
from engine import AuthError, DataError, Effect, ModuleError, RateLimitError, VendorError
from modules.optimove.connection import CONNECTION
from modules.optimove.send_event import SEND_EVENT
from modules.optimove.simulator import DEBUG_EVENTS, ENDPOINT, OptimoveSimulator
from tests.modules.bench import Bench, bench, fixture, problems
from tests.modules.runs import runs
from tests.runtime.doubles import HandClock

MODULE = SEND_EVENT
EVENT: dict[str, Any] = {"event": "points_changed", "customer": "ana@example.com", "context": {"difference": 200}}
#: an event as it is sent, with nothing wrong in it
SENT: dict[str, Any] = fixture("rest/optimove_event_request.json")


@pytest.fixture
def clock() -> HandClock:
    return HandClock(1_709_629_200.0)


@pytest.fixture
def simulator(clock: HandClock) -> OptimoveSimulator:
    return OptimoveSimulator(clock, per_second=None)


@pytest.fixture
async def optimove(simulator: OptimoveSimulator, clock: HandClock) -> AsyncIterator[Bench]:
    async with bench(simulator, CONNECTION, clock) as connected:
        yield connected


async def test_the_body_is_the_documented_one(optimove: Bench, simulator: OptimoveSimulator) -> None:
    config = {key: SENT[key] for key in ("event", "customer", "timestamp", "context")}
    output = await optimove.run(MODULE, config)
    assert simulator.events == [SENT]
    answered = fixture("rest/optimove_event_success.json")["message"]
    assert output == {"id": answered, "event": "points_changed", "timestamp": "2024-03-05 09:00:00.000 UTC"}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (None, "2024-03-05 09:00:00.000 UTC"),
        ("2024-03-05T09:00:00Z", "2024-03-05 09:00:00.000 UTC"),
        ("2024-03-05T11:00:00.123456+02:00", "2024-03-05 09:00:00.123 UTC"),
        ("2024-03-05 09:00:00.000 UTC", "2024-03-05 09:00:00.000 UTC"),
        ("2024-03-05 09:00:00.000001 UTC", "2024-03-05 09:00:00.000001 UTC"),
    ],
)
async def test_times_are_sent_as_the_vendor_writes_them(
    optimove: Bench, simulator: OptimoveSimulator, given: str | None, sent: str
) -> None:
    config = EVENT if given is None else {**EVENT, "timestamp": given}
    assert (await optimove.run(MODULE, config))["timestamp"] == sent
    assert simulator.events[0]["timestamp"] == sent


@pytest.mark.parametrize("given", ["2024-02-30T09:00:00Z", "2024-03-05 25:00:00.000 UTC"])
async def test_a_time_that_the_calendar_does_not_have_is_refused_before_anything_is_sent(
    optimove: Bench, simulator: OptimoveSimulator, given: str
) -> None:
    with pytest.raises(DataError) as caught:
        await optimove.run(MODULE, {**EVENT, "timestamp": given})
    assert caught.value.refused
    assert not simulator.calls


def test_the_time_is_settled_before_the_request_is_stored(optimove: Bench, clock: HandClock) -> None:
    assert MODULE.prepare
    call = optimove.call(EVENT)
    call.config = MODULE.prepare(call)
    clock.advance(60)
    assert MODULE.prepare(call) == call.config == {**EVENT, "timestamp": "2024-03-05 09:00:00.000 UTC"}


def test_an_event_of_unknown_outcome_is_never_sent_again() -> None:
    assert MODULE.effect is Effect.WRITE
    assert MODULE.probe is None, "the vendor shows no events"
    assert CONNECTION.secrets == {"token"}


async def test_a_visitor_is_named_in_place_of_a_customer(optimove: Bench, simulator: OptimoveSimulator) -> None:
    await optimove.run(MODULE, {"event": "points_changed", "visitor": "a1b2"})
    [event] = simulator.events
    assert (event["visitor"], event["context"], "customer" in event) == ("a1b2", {}, False)


#: what is wrong, and whether the simulator says so too; the rest never reaches it, as ``prepare`` puts it right
REFUSED: list[dict[str, Any]] = [
    {"customer": ...},
    {"visitor": "a1b2"},
    {"customer": ""},
    {"customer": 7},
    {"event": "Points Changed"},
    {"event": "pointsChanged"},
    {"event": "points-changed"},
    {"event": ...},
    {"timestamp": "yesterday"},
    {"timestamp": "2024-03-05T09:00:00"},
    {"timestamp": 1709629200},
    {"context": {"difference": None}},
    {"context": {"difference": [1]}},
    {"context": {"difference": {"points": 1}}},
    {"context": {"pointsDifference": 1}},
    {"context": {"added_or_removed": "a" * 256}},
    {"context": "200"},
    {"email": "ana@example.com"},
]


def changed(whole: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**whole, **change}.items() if value is not ...}


@pytest.mark.parametrize("change", REFUSED, ids=str)
async def test_what_breaks_a_rule_is_refused_by_the_schema_and_by_the_simulator_alike(
    optimove: Bench, simulator: OptimoveSimulator, change: dict[str, Any]
) -> None:
    assert problems(changed(EVENT, change), MODULE.config)
    with pytest.raises(DataError) as caught:
        await optimove.http.request("POST", "", json=changed(SENT, change))
    assert (caught.value.status, caught.value.refused) == (200, True)
    assert simulator.events == []


@pytest.mark.parametrize(
    ("change", "about"),
    [
        ({"event": "newsletter_signup"}, "event newsletter_signup is not configured"),
        ({"context": {"colour": "red"}}, "parameter colour is not configured"),
        ({"context": {"difference": "200"}}, "parameter difference is not a number"),
        ({"context": {"difference": True}}, "parameter difference is not a number"),
        ({"context": {"customer_is_member": "true"}}, "parameter customer_is_member is not a boolean"),
    ],
)
async def test_what_is_not_set_up_is_refused_and_nothing_is_recorded(
    optimove: Bench, simulator: OptimoveSimulator, change: dict[str, Any], about: str
) -> None:
    with pytest.raises(DataError, match=f"Failed to validate the event with the following error - {about}") as caught:
        await optimove.run(MODULE, {**EVENT, **change})
    assert caught.value.refused
    assert simulator.events == []
    simulator.catalogue["newsletter_signup"] = {"opt_in": "boolean"}
    await optimove.run(MODULE, {**EVENT, "event": "newsletter_signup", "context": {"opt_in": True}})


@pytest.mark.parametrize("missing", sorted(SENT))
async def test_the_simulator_wants_every_key(optimove: Bench, simulator: OptimoveSimulator, missing: str) -> None:
    with pytest.raises(AuthError if missing == "tenant" else DataError):
        await optimove.http.request("POST", "", json={k: v for k, v in SENT.items() if k != missing})
    assert simulator.events == []


@pytest.mark.parametrize("body", [b"[]", b'{"event": {}}'])
async def test_the_simulator_refuses_a_wrong_wrapper(
    optimove: Bench, simulator: OptimoveSimulator, body: bytes
) -> None:
    with pytest.raises(AuthError) as caught:
        await optimove.http.request("POST", "", data=body)
    assert caught.value.detail == fixture("rest/optimove_event_error.json")
    assert simulator.events == []


async def test_the_simulator_refuses_what_is_not_json(optimove: Bench, simulator: OptimoveSimulator) -> None:
    with pytest.raises(DataError) as caught:
        await optimove.http.request("POST", "", data=b"{")
    assert caught.value.refused
    assert simulator.events == []


async def test_a_wrong_tenant_is_answered_in_the_documented_words_and_is_an_auth_error(
    simulator: OptimoveSimulator, clock: HandClock
) -> None:
    async with bench(simulator, CONNECTION, clock, {"tenant": 1}) as optimove:
        with pytest.raises(AuthError, match="tenantId is missing or invalid") as caught:
            await optimove.run(MODULE, EVENT)
        assert caught.value.refused
        assert caught.value.detail == fixture("rest/optimove_event_error.json")
        assert CONNECTION.test
        with pytest.raises(AuthError):
            await CONNECTION.test(optimove.call({}))
    assert simulator.events == []


async def test_a_wrong_token_is_an_auth_error(simulator: OptimoveSimulator, clock: HandClock) -> None:
    async with bench(simulator, CONNECTION, clock, {"token": "another"}) as optimove:
        with pytest.raises(AuthError):
            await optimove.run(MODULE, EVENT)
    assert simulator.events == []


async def test_the_connection_test_passes_and_records_nothing(optimove: Bench, simulator: OptimoveSimulator) -> None:
    assert CONNECTION.test
    await CONNECTION.test(optimove.call({}))
    assert (simulator.events, sum(simulator.calls.values())) == ([], 1)


def test_a_token_needs_the_name_of_its_header() -> None:
    fields = {"tenant": 999, "base_url": "https://events.example.com/reportEvent"}
    assert problems(fields, CONNECTION.fields) == []
    assert problems({**fields, "token": "t"}, CONNECTION.fields)
    assert problems({**fields, "token": "t", "token_header": "X-Token"}, CONNECTION.fields) == []
    assert CONNECTION.auth_for(fields) == ()


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_errors_with_a_status_of_their_own_are_understood_too(
    optimove: Bench, simulator: OptimoveSimulator, status: int
) -> None:
    simulator.error_status = status
    with pytest.raises(ModuleError) as caught:
        await optimove.run(MODULE, {**EVENT, "event": "newsletter_signup"})
    assert caught.value.refused


@pytest.mark.parametrize(
    "answer",
    [
        {"body": {"status": "error", "message": "Internal error"}},
        {"body": {"status": "error"}},
        {"body": {"ok": True}},
        {"body": ["success"]},
        {"raw": b"<html>busy</html>"},
        {"raw": b""},
    ],
    ids=str,
)
async def test_an_answer_that_proves_nothing_leaves_the_outcome_unknown(
    optimove: Bench, simulator: OptimoveSimulator, answer: dict[str, Any]
) -> None:
    simulator.fail_next(200, applied=True, **answer)
    with pytest.raises(VendorError) as caught:
        await optimove.run(MODULE, EVENT)
    assert not caught.value.refused
    assert len(simulator.events) == 1


@pytest.mark.parametrize("body", [{"status": "failure"}, {"status": "Error", "message": "x"}, {}, "busy"], ids=str)
async def test_a_run_is_held_by_an_answer_that_does_not_say_success(body: Any) -> None:
    """The status of an answer is 200 whatever became of the event, so that it proves nothing."""
    config = {"event": "points_changed", "customer": "ana@example.com"}
    steps = [{"id": "send", "module": "optimove.send_event", "connection": "site", "with": config}]
    async with runs("optimove", yaml.safe_dump(steps)) as engine:
        engine.simulator.fail_next(200, body=body)
        result = await engine.run({})
        assert (result.state, [effect.state for effect in result.effects]) == ("held", ["unknown"])


@pytest.mark.parametrize("trouble", ["hang", "close_mid_answer", "fail_next"])
async def test_an_event_whose_answer_is_lost_was_recorded_and_is_unknown(
    optimove: Bench, simulator: OptimoveSimulator, clock: HandClock, trouble: str
) -> None:
    if trouble == "fail_next":
        simulator.fail_next(502, applied=True)
    else:
        getattr(simulator, trouble)()
    sending = asyncio.create_task(optimove.run(MODULE, EVENT))
    if trouble == "hang":
        await simulator.hanging.wait()
        clock.advance(CONNECTION.timeout)
    with pytest.raises((engine.TimeoutError, engine.ConnectionError, engine.VendorError)) as caught:
        await sending
    assert not caught.value.refused
    assert len(simulator.events) == 1


async def test_a_long_text_is_cut_only_when_asked_and_never_in_silence(
    optimove: Bench, simulator: OptimoveSimulator
) -> None:
    assert MODULE.prepare
    assert MODULE.run
    long = {**EVENT, "context": {"points_changed_reason": "a" * 255 + "bc", "added_or_removed": "added"}}
    assert problems(long, MODULE.config)
    assert problems({**long, "cut_long_texts": False}, MODULE.config)
    asked = {**long, "cut_long_texts": True}
    assert problems(asked, MODULE.config) == []
    call = optimove.call(asked)
    call.config = MODULE.prepare(call)
    await MODULE.run(call)
    assert simulator.events[0]["context"] == {"points_changed_reason": "a" * 255, "added_or_removed": "added"}
    assert call.warnings == ["context.points_changed_reason has 257 characters; the first 255 were sent"]


async def test_an_event_has_the_name_that_the_connection_gives_it(
    simulator: OptimoveSimulator, clock: HandClock
) -> None:
    simulator.catalogue["yotpo_points_changed"] = simulator.catalogue.pop("points_changed")
    names = {"event_names": {"points_changed": "yotpo_points_changed"}}
    async with bench(simulator, CONNECTION, clock, names) as optimove:
        assert (await optimove.run(MODULE, EVENT))["event"] == "yotpo_points_changed"
    assert simulator.events[0]["event"] == "yotpo_points_changed"


async def test_a_customer_whom_the_site_does_not_know_can_be_refused(
    optimove: Bench, simulator: OptimoveSimulator
) -> None:
    simulator.customers = {"ben@example.com"}
    with pytest.raises(DataError):
        await optimove.run(MODULE, EVENT)
    await optimove.run(MODULE, {**EVENT, "customer": "ben@example.com"})


async def test_more_parameters_than_an_event_may_have_are_refused(
    optimove: Bench, simulator: OptimoveSimulator
) -> None:
    simulator.catalogue["wide"] = {f"p{number}": "number" for number in range(51)}
    context = dict.fromkeys(simulator.catalogue["wide"], 1)
    with pytest.raises(DataError, match="more than 50"):
        await optimove.run(MODULE, {**EVENT, "event": "wide", "context": context})


async def test_too_many_requests_are_refused(optimove: Bench, simulator: OptimoveSimulator, clock: HandClock) -> None:
    simulator.per_second = 2
    for _ in range(2):
        await optimove.run(MODULE, EVENT)
    with pytest.raises(RateLimitError) as caught:
        await optimove.run(MODULE, EVENT)
    assert caught.value.refused
    clock.advance(1)
    await optimove.run(MODULE, EVENT)
    assert len(simulator.events) == 3


async def test_what_was_recorded_can_be_read(optimove: Bench, simulator: OptimoveSimulator) -> None:
    await optimove.run(MODULE, EVENT)
    base = str(optimove.fields["base_url"]).removesuffix(ENDPOINT)
    async with aiohttp.ClientSession(base) as session, session.get(DEBUG_EVENTS) as answer:
        assert await answer.json() == {"events": simulator.events}
