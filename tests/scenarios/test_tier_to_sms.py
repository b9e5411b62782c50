"""A tier change is told with what is known of the customer, also by vendors that fail in between."""

from __future__ import annotations

import json
from typing import Any

from engine.testing import SimulatedHarness
from tests.scenarios.conftest import SCENARIOS

FILE = SCENARIOS / "tier-to-sms" / "scenario.yaml"
EVENT: dict[str, Any] = json.loads((SCENARIOS / "tier-to-sms" / "event.json").read_text())


def asked(simulator: Any, what: str) -> int:
    """How often a simulator was asked so."""
    verb, path = what.split()
    return sum(n for call, n in simulator.calls.items() if call.startswith(verb) and call.endswith(path))


async def test_a_lookup_that_fails_is_made_again_and_the_event_is_sent_once() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        loyalty, messaging = harness.simulator("yotpo_loyalty"), harness.simulator("yotpo_messaging")
        loyalty.fail_next(503)
        loyalty.fail_next(429, headers={"Retry-After": "40"})
        began = harness.clock.time()
        [run] = (await harness.send(EVENT)).runs
        result = await harness.result(run, advance=120)
        assert (result.state, asked(loyalty, "GET /customers")) == ("succeeded", 3)
        # the vendor asked for 40 seconds, which is more than the scenario would wait
        assert harness.clock.time() - began >= 40
        [told] = messaging.events.values()
        assert (told["action_name"], told["event_properties"]["points_balance"]) == ("tier_earned", 640)


async def test_an_event_whose_answer_got_lost_is_sent_again_under_the_same_id() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        messaging = harness.simulator("yotpo_messaging")
        [run] = (await harness.send(EVENT)).runs
        first = await harness.result(run)
        assert first.state == "succeeded"
        messaging.close_mid_answer()
        [run] = (await harness.send({**EVENT, "email": "ben@example.com"})).runs
        result = await harness.result(run, advance=60)
        assert (result.state, sorted(str(effect.state) for effect in result.effects)) == (
            "succeeded",
            ["done", "unknown"],
        )
        assert (len(messaging.events), asked(messaging, "POST /custom_events")) == (2, 3)


async def test_a_customer_whom_nobody_knows_fails_the_run_and_nobody_is_told() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        result = await harness.run({**EVENT, "email": "nobody@example.com"})
        assert (result.state, result.error["code"], result.effects) == ("failed", "not-found", [])
        assert not harness.simulator("yotpo_messaging").events


async def test_an_event_that_the_vendor_refuses_is_held() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        messaging = harness.simulator("yotpo_messaging")
        # with a token at hand, so that the refusal meets the event
        await harness.run(EVENT)
        messaging.fail_next(400)
        result = await harness.run({**EVENT, "email": "ben@example.com"})
        assert (result.state, result.holds[0]["step"], len(messaging.events)) == ("held", "announce", 1)
        after = await harness.resume(result.run.id, "again", reason="the account was mended")
        assert (after.state, len(messaging.events)) == ("succeeded", 2)
