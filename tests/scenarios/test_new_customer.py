"""A new customer gets a record with the fields that were sent, and a welcome if one is wanted."""

from __future__ import annotations

import copy
import json
from typing import Any

from engine.testing import SimulatedHarness
from tests.scenarios.conftest import SCENARIOS, Serve

NAME = "new-customer"
FILE = SCENARIOS / NAME / "scenario.yaml"
RAW = (SCENARIOS / NAME / "event.json").read_bytes()
MIA = "mia@example.com"


def customer(**fields: Any) -> dict[str, Any]:
    event: dict[str, Any] = copy.deepcopy(json.loads(RAW))
    event["customer"] |= fields
    return event


async def test_the_record_has_the_fields_that_were_sent(serve: Serve) -> None:
    async with serve("new-customer") as serving:
        outcome = await serving.outcome(await serving.post(RAW), NAME)
        assert (outcome.run.state, outcome.run.subject) == ("succeeded", MIA)
        [sent] = outcome.requests("yotpo_loyalty.create_or_update_customer")
        assert sent == {
            "email": MIA,
            "first_name": "Mia",
            "last_name": "Berg",
            "id": "4711",
            "phone_number": "+15550123",
            "country_iso_code": "US",
            "has_account": True,
            "platform_account_created_at": "2024-03-05T09:00:00Z",
            "opted_in": True,
            "tags": "newsletter,tea",
        }
        state = serving.host.simulators.running["yotpo_loyalty"].state  # type: ignore[attr-defined] # of the simulator
        record = state.customers[MIA]
        known = (record["first_name"], record["last_name"], record["third_party_id"], record["phone_number"])
        assert known == ("Mia", "Berg", "4711", "+15550123")
        assert (record["opt_in"], state.tags[MIA]) == (True, ["newsletter", "tea"])
        [welcome] = outcome.requests("yotpo_messaging.create_or_update_custom_event")
        assert (welcome["action_name"], welcome["event_properties"]) == ("customer_created", {"first_name": "Mia"})


async def test_who_wants_no_marketing_is_not_welcomed_and_what_is_not_known_is_not_sent() -> None:
    event = {"customer": {"email": MIA, "accepts_marketing": False}}
    async with SimulatedHarness.of(FILE) as harness:
        result = await harness.run(event)
        [effect] = result.effects
        assert (result.state, json.loads(effect.request)) == (
            "succeeded",
            {"email": MIA, "has_account": True, "opted_in": None},
        )
        assert harness.simulator("yotpo_loyalty").state.customers[MIA]["opt_in"] is True
        assert not harness.simulator("yotpo_messaging").events


async def test_a_customer_without_an_address_is_filtered() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        assert not (await harness.send(customer(email=None))).runs
        assert sum(harness.simulator("yotpo_loyalty").calls.values()) == 0


async def test_the_same_customer_again_changes_the_record() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        await harness.run(customer())
        result = await harness.run(customer(first_name="Maria", tags=["tea"]))
        state = harness.simulator("yotpo_loyalty").state
        assert (result.state, state.customers[MIA]["first_name"], state.tags[MIA]) == ("succeeded", "Maria", ["tea"])


async def test_an_answer_that_got_lost_and_a_vendor_that_fails_are_tried_again() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        loyalty = harness.simulator("yotpo_loyalty")
        loyalty.close_mid_answer()
        loyalty.fail_next(503)
        [run] = (await harness.send(customer())).runs
        result = await harness.result(run, advance=120)
        made = [str(e.state) for e in result.effects if e.module == "yotpo_loyalty.create_or_update_customer"]
        assert (result.state, sorted(made)) == ("succeeded", ["done", "unknown", "unknown"])
        assert (sum(loyalty.calls.values()), loyalty.state.customers[MIA]["first_name"]) == (3, "Mia")
        assert len(harness.simulator("yotpo_messaging").events) == 1


async def test_a_phone_number_that_the_vendor_cannot_read_is_held() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        result = await harness.run(customer(phone="555 0123", country=None))
        assert (result.state, result.holds[0]["error"]["code"]) == ("held", "data-error")
        assert MIA not in harness.simulator("yotpo_loyalty").state.customers
        local = await harness.run(customer(phone="555 0123"))
        assert local.state == "succeeded"
