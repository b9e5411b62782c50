"""A scenario's test against simulators: the modules' own code, their vendor's answers, lost answers, crashes."""

from __future__ import annotations

import pytest

from engine.sdk.faults import POINTS
from engine.testing import CrashAt, SimulatedHarness

SCENARIO = """\
scenario: look
trigger:
  module: http.watch_webhook
  with: {subject_path: email}
steps:
  - id: customer
    module: yotpo_loyalty.retrieve_customer
    connection: nobody-has-set-it-up
    with: {customer_email: "${{ trigger.email }}"}
  - id: told
    module: http.make_request
    connection: somewhere
    with: {url: /told, method: POST, body: {points: "${{ customer.points_balance }}"}}
    on_error: hold
"""
ANA = {"email": "ana@example.com"}


async def test_the_modules_talk_to_their_simulators() -> None:
    async with SimulatedHarness([SCENARIO]) as harness:
        result = await harness.run(ANA)
        assert result.state == "succeeded", result.error
        assert harness.simulator("yotpo_loyalty").calls.total() == 1
        assert harness.simulator("http").calls == {"POST /told": 1}


async def test_a_lost_answer_leaves_the_write_unknown_and_the_vendor_has_it() -> None:
    async with SimulatedHarness([SCENARIO]) as harness:
        harness.lose_answers("http")
        result = await harness.run(ANA)
        assert result.state == "held"
        assert [effect.state for effect in result.effects] == ["unknown"]
        assert harness.simulator("http").calls == {"POST /told": 1}
        result = await harness.resume(result.run.id, "again", reason="it is not there")
        assert (result.state, harness.simulator("http").calls) == ("succeeded", {"POST /told": 2})


@pytest.mark.parametrize("point", POINTS)
async def test_the_simulators_do_not_die_with_the_engine(point: str) -> None:
    harness = SimulatedHarness([SCENARIO])
    try:
        for result in await harness.crash(CrashAt(point), ANA):
            assert result.state in ("succeeded", "held")
        assert harness.simulator("http").calls["POST /told"] <= 1
    finally:
        await harness.stop()


async def test_time_does_not_pass_while_a_request_is_under_way_unless_the_vendor_waits_for_it() -> None:
    for latency in (0.0, 3.0):
        async with SimulatedHarness([SCENARIO]) as harness:
            begun = harness.clock.time()
            harness.simulator("http").latency = latency
            [run] = (await harness.send(ANA)).runs
            result = await harness.result(run, advance=20)
            assert (result.state, harness.clock.time() - begun) == ("succeeded", latency)


async def test_it_says_that_it_is_not_started() -> None:
    with pytest.raises(AssertionError, match="not started"):
        SimulatedHarness([SCENARIO]).simulator("http")
