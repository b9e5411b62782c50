"""A consent from a form is sent on in Yotpo's order: details, a minute's wait, opt-in; and nobody is welcomed twice."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from engine.store.records import DeliveryState
from engine.testing import CrashAt, RunResult, SimulatedHarness
from tests.scenarios.conftest import SCENARIOS, Serve
from tests.scenarios.deaths import die_everywhere

NAME = "capture-subscriber"
FILE = SCENARIOS / NAME / "scenario.yaml"
EVENT: dict[str, Any] = json.loads((SCENARIOS / NAME / "event.json").read_text())
PHONE, LIST = "+15550177", 4096107
SUBSCRIBE = "POST /messaging/v3/stores/simulated-store/subscribers"


def form(**parts: dict[str, Any]) -> dict[str, Any]:
    event = copy.deepcopy(EVENT)
    for name, changes in parts.items():
        event[name] |= changes
    return event


async def run(harness: SimulatedHarness, event: dict[str, Any]) -> RunResult:
    [run_id] = (await harness.send(event)).runs
    return await harness.result(run_id, advance=3600)


def customer(messaging: Any) -> dict[str, Any]:
    [found] = [one for one in messaging.customers.latest() if one.get("external_id") == "700177"]
    return dict(found)


async def test_details_then_a_minute_then_the_opt_in() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        began = harness.clock.time()
        result = await run(harness, EVENT)
        assert (result.state, result.output, result.run.subject) == (
            "succeeded",
            {"subscribed": "now"},
            "cleo@example.com",
        )
        assert harness.clock.time() - began >= 60
        messaging = harness.simulator("yotpo_messaging")
        found = customer(messaging)
        assert (found["first_name"], found["email"], found["phone_number"]) == ("Cleo", "cleo@example.com", PHONE)
        assert found["channels"]["sms"]["marketing"]["consent"] == "subscribed"
        assert [one["id"] for one in found["lists"]] == [LIST]
        assert messaging.subscribers.welcomed == [("sms", PHONE)]
        assert messaging.subscribers.contacts[str(LIST)] == {PHONE}


async def test_a_shop_whose_ids_are_numbers_is_served_alike() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        result = await run(harness, form(customer={"id": 700177}))
        assert (result.state, result.output) == ("succeeded", {"subscribed": "now"}), result.error
        assert customer(harness.simulator("yotpo_messaging"))["phone_number"] == PHONE


async def test_a_consent_is_held_while_the_customer_cannot_be_looked_up() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        harness.simulator("yotpo_messaging").fail_next(503, times=99)
        result = await run(harness, EVENT)
        assert (result.state, result.holds[0]["step"]) == ("held", "known")


async def test_who_is_subscribed_already_is_left_alone() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        messaging = harness.simulator("yotpo_messaging")
        await run(harness, EVENT)
        await harness.clock.advance(60)
        second = await run(harness, form(submission={"id": "form-8842"}))
        assert (second.state, second.output, second.effects) == ("succeeded", {"subscribed": "before"}, [])
        assert (messaging.calls[SUBSCRIBE], len(messaging.subscribers.welcomed)) == (1, 1)


@pytest.mark.parametrize(
    "parts", [{"consent": {"sms": False}}, {"customer": {"phone": None}}, {"customer": {"id": None}}], ids=str
)
async def test_without_a_ticked_box_a_phone_or_an_id_nothing_is_sent(parts: dict[str, Any]) -> None:
    async with SimulatedHarness.of(FILE) as harness:
        assert not (await harness.send(form(**parts))).runs
        assert not harness.simulator("yotpo_messaging").calls


async def test_a_form_that_comes_twice_is_one_consent(serve: Serve) -> None:
    async with serve(NAME) as serving:
        await serving.post(json.dumps(EVENT).encode())
        again = (await serving.deliveries(await serving.post(json.dumps(EVENT).encode())))[NAME]
        assert again.state is DeliveryState.DUPLICATE


async def test_an_opt_in_whose_answer_got_lost_is_looked_for_and_welcomes_once() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        messaging = harness.simulator("yotpo_messaging")
        [run_id] = (await harness.send(EVENT)).runs
        assert (await harness.result(run_id)).state == "sleeping"
        harness.lose_answers("yotpo_messaging")
        result = await harness.result(run_id, advance=3600)
        [opt_in] = [effect for effect in result.effects if effect.key.startswith("opt_in")]
        assert (result.state, opt_in.settled_by) == ("succeeded", "probe")
        assert (messaging.calls[SUBSCRIBE], messaging.subscribers.welcomed) == (1, [("sms", PHONE)])


async def test_a_list_that_is_not_there_is_held_for_a_person() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        messaging = harness.simulator("yotpo_messaging")
        messaging.subscribers.lists.clear()
        result = await run(harness, EVENT)
        assert (result.state, result.holds[0]["step"]) == ("held", "opt_in")
        messaging.subscribers.lists[str(LIST)] = {"id": LIST, "name": "Creators"}
        after = await harness.resume(result.run.id, "again", reason="the list is there again")
        assert (after.state, messaging.subscribers.welcomed) == ("succeeded", [("sms", PHONE)])


async def test_a_process_that_dies_during_the_wait_goes_on_with_it() -> None:
    harness = SimulatedHarness.of(FILE)
    [asleep] = await harness.crash(CrashAt("wait.begun"), EVENT)
    began = harness.clock.time()
    messaging = harness.simulator("yotpo_messaging")
    assert (asleep.state, messaging.calls[SUBSCRIBE]) == ("sleeping", 0)
    result = await harness.result(asleep.run.id, advance=3600)
    assert (result.state, harness.clock.time() - began >= 59) == ("succeeded", True)
    assert messaging.subscribers.welcomed == [("sms", PHONE)]
    await harness.stop()


async def test_it_survives_dying_at_every_boundary_of_a_step(tmp_path: Path) -> None:
    await die_everywhere(NAME, tmp_path)
