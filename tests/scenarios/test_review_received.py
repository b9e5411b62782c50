"""A low review opens one case, a good one gives points once, whatever form the vendor sends it in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.store.records import DeliveryState
from engine.testing import RunResult, SimulatedHarness
from tests.scenarios.conftest import SCENARIOS, Serve
from tests.scenarios.deaths import die_everywhere

NAME = "review-received"
FILE = SCENARIOS / NAME / "scenario.yaml"
LOW: dict[str, Any] = json.loads((SCENARIOS / NAME / "event.json").read_text())
ANA = "ana@example.com"
BEFORE = 640


def good(**changes: Any) -> dict[str, Any]:
    """As newer webhooks have it, with types."""
    data = {"id": 5108, "score": 5, "verified_buyer": True, "customer_email": ANA, "title": "Lovely", **changes}
    return {"event": "review_create", "data": {"updated_at": "2024-03-05 10:00:00 UTC", **data}}


def points(harness: SimulatedHarness) -> int:
    return int(harness.simulator("yotpo_loyalty").state.customers[ANA]["points_balance"]) - BEFORE


async def run(harness: SimulatedHarness, event: dict[str, Any]) -> RunResult:
    # the harness takes events, the vendor sends deliveries: its parser types them
    [run_id] = (await harness.send(event)).runs
    return await harness.result(run_id, advance=600)


async def test_a_low_score_in_quotes_opens_a_case(serve: Serve) -> None:
    async with serve(NAME) as serving:
        outcome = await serving.outcome(await serving.post(json.dumps(LOW).encode()), NAME)
        assert (outcome.run.state, outcome.run.subject, outcome.output) == (
            "succeeded",
            "ben@example.com",
            {"case": "opened"},
        )
        [request] = outcome.requests("http.make_request")
        assert (request["url"], request["body"]) == (
            "/cases",
            {
                "customer": "ben@example.com",
                "subject": "A review with 1 of 5: Arrived broken",
                "text": "The cup had a crack.",
                "order": "1001",
                "priority": "high",
            },
        )
        again = (await serving.deliveries(await serving.post(json.dumps(LOW).encode())))[NAME]
        assert again.state is DeliveryState.DUPLICATE


async def test_a_good_one_of_a_verified_buyer_gives_points() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        result = await run(harness, good())
        assert (result.state, result.output, points(harness)) == ("succeeded", {"points": "given"}, 75)
        newest = harness.simulator("yotpo_loyalty").state.customers[ANA]["history_items"][0]
        assert newest["action"] == "Reviewed us (5108)"


async def test_others_and_those_in_between_are_left_alone() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        for number, changes in enumerate(({"score": 3}, {"verified_buyer": False})):
            result = await run(harness, good(id=6000 + number, **changes))
            assert (result.state, result.effects) == ("succeeded", [])
        assert not (await harness.send(good(id=7000, customer_email=None))).runs


async def test_a_help_desk_that_is_down_for_good_holds_the_run(serve: Serve) -> None:
    async with SimulatedHarness.of(FILE) as harness:
        harness.simulator("http").fail_next(503, times=5)
        result = await run(harness, good(id=8000, score=1))
        # the key makes tries safe, so that there were five of them
        assert (result.state, result.holds[0]["step"]) == ("held", "case")
        after = await harness.resume(result.run.id, "again", reason="the help desk is back")
        assert after.state == "succeeded"


async def test_points_whose_answer_got_lost_are_given_once() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        harness.lose_answers("yotpo_loyalty")
        assert (await run(harness, good())).state == "succeeded"
        assert points(harness) == 75


async def test_it_survives_dying_at_every_boundary_of_a_step(tmp_path: Path) -> None:
    await die_everywhere(NAME, tmp_path)
