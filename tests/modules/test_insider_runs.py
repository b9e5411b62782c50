"""Users to Insider through a whole engine: who was refused is sent again alone, whatever dies in between."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine import plugins
from engine.store.records import EffectState, RunFilter
from engine.testing import CrashAt, RunResult, SimulatedHarness
from modules.insider.connection import UPSERT_PATH

SCENARIO = """
scenario: users-to-insider
trigger: {module: http.watch_webhook}
steps:
  - id: upsert
    module: insider.upsert_users
    connection: insider
    retry: {attempts: 3, from: 10s, on: [DataError, ConnectionError]}
    with:
      on_refused: continue
      users: >-
        ${{ trigger.people[].{identifiers: {email: @}, attributes: {custom: {tier: 'GOLD'}}} }}
  - stop: success
    output: ${{ upsert }}
"""
PEOPLE = ["ana@example.com", "ben@example.com", "cleo@example.com"]


def harness() -> SimulatedHarness:
    return SimulatedHarness([SCENARIO], registry=plugins.load(None))


async def arrives(engine: SimulatedHarness, advance: float = 600) -> RunResult:
    [run_id] = (await engine.send({"people": PEOPLE})).runs
    return await engine.result(run_id, advance=advance)


def tiers(simulator: Any) -> dict[str, Any]:
    return {person.identifiers["email"]: person.attributes.get("c_tier") for person in simulator.people.all}


async def test_who_was_refused_is_sent_again_alone() -> None:
    async with harness() as engine:
        simulator = engine.simulator("insider")
        simulator.fail_user("ben@example.com", times=1)
        simulator.fail_user("cleo@example.com", times=9)
        result = await arrives(engine)
        assert result.state == "succeeded", result.error
        assert simulator.batches[UPSERT_PATH] == [PEOPLE, PEOPLE[1:], PEOPLE[2:]]
        assert tiers(simulator) == {"ana@example.com": "GOLD", "ben@example.com": "GOLD"}
        assert [item["state"] for item in result.output["items"]] == ["done", "done", "refused"]
        assert result.output["items"][2]["error"]["detail"] == {"attributes.*.type": ["simulated"]}


async def test_a_request_that_is_refused_as_a_whole_fails_the_step() -> None:
    async with harness() as engine:
        engine.simulator("insider").bad_key_status = 401
        engine.simulator("insider").request_token = "another"
        result = await arrives(engine)
        assert (result.state, result.error["type"]) == ("failed", "AuthError")


async def test_users_whose_fate_is_lost_are_sent_again_where_twice_is_once() -> None:
    async with harness() as engine:
        engine.lose_answers("insider")
        result = await arrives(engine)
        simulator = engine.simulator("insider")
        assert result.state == "succeeded", result.error
        assert [effect.state for effect in result.effects] == [EffectState.UNKNOWN, EffectState.DONE]
        assert simulator.batches[UPSERT_PATH] == [PEOPLE, PEOPLE]
        assert tiers(simulator) == dict.fromkeys(PEOPLE, "GOLD")


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("point", ["effect.intended", "effect.sent", "effect.settled", "wait.begun", "run.ending"])
async def test_a_crash_at_any_step_boundary_leaves_everybody_with_their_tier(point: str, nth: int) -> None:
    engine = harness()
    faults = CrashAt(point, nth)
    engine.faults = faults

    async def live() -> None:
        await engine.start()
        engine.simulator("insider").fail_user("ben@example.com", times=1)
        await arrives(engine)

    life, death = asyncio.ensure_future(live()), asyncio.ensure_future(faults.death())
    await asyncio.wait({life, death}, return_when=asyncio.FIRST_COMPLETED)
    life.cancel()
    death.cancel()
    await asyncio.gather(life, death, return_exceptions=True)
    try:
        simulator = engine.simulator("insider")
        await engine.restart()
        [run] = await engine.store.runs(RunFilter())
        result = await engine.result(run.id, advance=600)
        assert result.state == "succeeded", result.error
        assert tiers(simulator) == dict.fromkeys(PEOPLE, "GOLD")
        # once it is known that somebody is done, they are in no later request
        assert simulator.batches[UPSERT_PATH][-1] in (PEOPLE, ["ben@example.com"])
    finally:
        await engine.stop()
