"""What Yotpo's program says of a customer is stored with the person in Talkable, in order, and nothing goes back."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

from engine.testing import RunResult, SimulatedHarness
from tests.scenarios.conftest import ROOT, SCENARIOS, Serve
from tests.scenarios.deaths import die_everywhere

NAME = "loyalty-to-talkable"
FOLDER = SCENARIOS / NAME
FILE = FOLDER / "scenario.yaml"
PAGE = ROOT / "docs" / "how-to" / "loyalty-to-talkable.md"
ANA = "ana@example.com"
#: what the simulated account has of Ana, under Talkable's names, besides her tier and what an event says of points
TOTALS = {
    "yotpo_total_redemptions": 2,
    "yotpo_total_points_redeemed": 260,
    "yotpo_successfull_referales": 1,
    "yotpo_referrales_made_and_clicked": 3,
}


def event(name: str, **changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = copy.deepcopy(json.loads((FOLDER / f"{name}.json").read_text()))
    body["customer"] |= changes.pop("customer", {})
    return body | changes


def stored(harness: SimulatedHarness, email: str = ANA) -> Any:
    return harness.simulator("talkable").people[email]["custom_properties"]


def states(result: RunResult) -> list[tuple[str, str]]:
    return [(effect.key, str(effect.state)) for effect in sorted(result.effects, key=lambda effect: effect.position)]


async def test_a_balance_that_changed_is_stored_with_the_person(serve: Serve) -> None:
    async with serve("loyalty-to-talkable") as serving:
        outcome = await serving.outcome(await serving.post((FOLDER / "event.json").read_bytes()), NAME)
        assert (outcome.run.state, outcome.run.subject) == ("succeeded", ANA)
        person = serving.host.simulators.running["talkable"].people[ANA]  # type: ignore[attr-defined] # of the simulator
        assert person["custom_properties"] == {
            "yotpo_points_earned": 900,
            "yotpo_point_balance": 640,
            "yotpo_vip_tier_name": "SILVER",
            **TOTALS,
        }
        assert outcome.output == {"stored": person["custom_properties"]}


async def test_a_tier_is_gained_and_lost() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        await harness.run(event("tier-earned.event"))
        assert stored(harness)["yotpo_vip_tier_name"] == "GOLD"
        await harness.run(event("tier-lost.event"))
        assert stored(harness)["yotpo_vip_tier_name"] == ""


async def test_a_balance_of_nothing_is_stored_too() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        harness.simulator("yotpo_developer").customers[ANA] |= {"total_redemptions": 0, "successful_referrals": None}
        await harness.run(event("event", current_balance=0, customer={"vip_tier_name": None}))
        found = stored(harness)
        assert (found["yotpo_point_balance"], found["yotpo_total_redemptions"]) == (0, 0)
        assert found["yotpo_vip_tier_name"] == "", "the event says that there is none"
        assert "yotpo_successfull_referales" not in found, "what nobody tells stays as it is"


async def test_a_customer_whom_the_developer_api_does_not_know_has_what_the_event_says() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        new = event("event", email="new@example.com")
        del new["customer"]["vip_tier_name"]
        result = await harness.run(new)
        assert result.state == "succeeded"
        assert stored(harness, "new@example.com") == {
            "yotpo_points_earned": 900,
            "yotpo_point_balance": 640,
            "yotpo_vip_tier_name": "",
        }


async def test_other_events_are_none_of_its_business() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        accepted = await harness.send(event("event", topic="swell/points/earned"))
        assert not accepted.runs
        assert sum(harness.simulator("talkable").calls.values()) == 0


async def test_one_customers_events_are_stored_in_their_order_though_the_first_has_to_wait() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        harness.simulator("talkable").fail_next(503)
        runs = [
            run
            for balance in (100, 200, 300)
            for run in (await harness.send(event("event", current_balance=balance))).runs
        ]
        results = [await harness.result(run, advance=600) for run in runs]
        assert [result.state for result in results] == ["succeeded"] * 3
        assert [result.output["stored"]["yotpo_point_balance"] for result in results] == [100, 200, 300]
        assert stored(harness)["yotpo_point_balance"] == 300


async def test_an_answer_that_got_lost_is_asked_for_again_and_the_values_are_the_same() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        harness.lose_answers("talkable")
        [run] = (await harness.send(event("event"))).runs
        result = await harness.result(run, advance=600)
        assert (result.state, states(result)[-1]) == ("succeeded", ("sync#2", "done"))
        assert stored(harness)["yotpo_point_balance"] == 640


async def test_a_key_that_talkable_does_not_take_is_held_and_goes_on_with_a_good_one() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        talkable = harness.simulator("talkable")
        good, talkable.api_key = talkable.api_key, "another"
        [run] = (await harness.send(event("event"))).runs
        held = await harness.result(run, advance=600)
        assert (held.state, states(held)) == ("held", [("sync#1", "refused")])
        assert "No valid API key provided" in held.holds[0]["message"]
        talkable.api_key = good
        after = await harness.resume(run, "again", reason="the key was renewed")
        assert (after.state, stored(harness)["yotpo_point_balance"]) == ("succeeded", 640)


async def test_nothing_goes_back_to_yotpo() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        for name in ("event", "tier-earned.event", "tier-lost.event"):
            await harness.run(event(name))
        assert sum(harness.simulator("yotpo_loyalty").calls.values()) == 0
        asked = harness.simulator("yotpo_developer").calls
        assert {call.split()[0] for call in asked} == {"GET"}


async def test_it_dies_at_every_boundary_of_a_step(tmp_path: Path) -> None:
    await die_everywhere(NAME, tmp_path)


def test_the_page_shows_what_is_shipped() -> None:
    [shown] = re.findall(
        r"<!-- file: scenarios/loyalty-to-talkable.yaml -->\n```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL
    )
    assert shown == FILE.read_text()
