"""Held runs that are tried again without a person: when, how often, how many at a time, and what is never tried."""

from __future__ import annotations

from typing import Any

import pytest

from engine.runtime.commands import Choice
from engine.scenario.schedules import SCHEDULES
from engine.sdk import errors, jsontext
from engine.store.records import EffectState
from engine.testing import CrashAt, Harness, RunResult
from tests.runtime.core import Script, resumed, shop

UNSURE = errors.TimeoutError("no answer")
REFUSED = errors.DataError("not like this", refused=True)
MINUTES = (60.0, 600.0, 3600.0)

STEPS = """
- id: send
  module: shop.charge
  with: {n: "${{ trigger.n }}"}
  on_error: hold
"""


def held_by(answer: Any, *more: Any, **options: Any) -> tuple[Harness, Script]:
    script = Script(answer, *more)
    return shop(STEPS, {"shop.charge": script}, **{"held_retry": MINUTES, **options}), script


def words(result: RunResult) -> list[tuple[str, str]]:
    found = [jsontext.loads(r.output or b"") for r in result.records if r.kind == "settled"]
    return [(word["choice"], word["by"]) for word in found]


async def after(harness: Harness, run_id: int, seconds: float) -> RunResult:
    await harness.clock.advance(seconds)
    return await harness.result(run_id)


async def test_it_is_tried_again_when_due_and_stays_for_a_person_after_the_last_time() -> None:
    harness, script = held_by(REFUSED)
    async with harness:
        result = await harness.run({"n": 1})
        run_id, began = result.run.id, harness.clock.time()
        for tried, wait in enumerate(MINUTES):
            assert (result.state, result.run.due_at) == ("held", harness.clock.time() + wait)
            assert (result.holds[0]["tries"], result.holds[0]["of"]) == (tried, 3)
            assert (await after(harness, run_id, wait - 1)).records == result.records
            result = await after(harness, run_id, 1)
            assert script.count == tried + 2
        assert harness.clock.time() == began + sum(MINUTES)
        assert (result.run.due_at, result.holds[0]["tries"]) == (None, 3)
        assert words(result) == [("again", "schedule")] * 3
        await harness.clock.advance(86_400)
        assert script.count == 4
        assert [effect.state for effect in result.effects] == ["refused"] * 4


async def test_one_that_succeeds_meanwhile_is_over() -> None:
    harness, script = held_by(REFUSED, {"id": 7})
    async with harness:
        run_id = (await harness.run({"n": 1})).run.id
        assert (await after(harness, run_id, 60)).state == "succeeded"
        assert script.count == 2


@pytest.mark.parametrize("default", [(), (7200.0,)])
async def test_a_step_s_own_schedule_goes_before_the_project_s(default: tuple[float, ...]) -> None:
    script = Script(REFUSED, REFUSED, {"id": 7})
    steps = STEPS.replace("on_error: hold", "on_error: {hold: {retry: [30s, 5m]}}")
    async with shop(steps, {"shop.charge": script}, held_retry=default) as harness:
        result = await harness.run({"n": 1})
        assert (result.run.due_at, result.holds[0]["of"]) == (harness.clock.time() + 30, 2)
        result = await after(harness, result.run.id, 30)
        assert (result.run.due_at, result.holds[0]["tries"]) == (harness.clock.time() + 300, 1)
        assert (await after(harness, result.run.id, 300)).state == "succeeded"


async def test_a_schedule_by_name_is_the_one_that_authors_know() -> None:
    script = Script(REFUSED)
    steps = STEPS.replace("on_error: hold", "on_error: {hold: {retry: integrator}}")
    async with shop(steps, {"shop.charge": script}) as harness:
        run_id, began = (await harness.run({"n": 1})).run.id, harness.clock.time()
        at = []
        for _ in SCHEDULES["integrator"]:
            due = (await harness.look(run_id)).run.due_at
            assert due is not None
            at.append(round((due - began) / 60))
            await harness.clock.advance(due - harness.clock.time())
        assert at == [1, 11, 21, 51, 81, 111, 291, 471]
        assert ((await harness.look(run_id)).run.due_at, script.count) == (None, 9)


async def test_what_may_have_happened_is_never_tried_by_a_schedule() -> None:
    harness, script = held_by(UNSURE)
    async with harness:
        result = await harness.run({"n": 1})
        assert (result.holds[0]["code"], result.run.due_at) == ("unknown", None)
        await harness.clock.advance(86_400)
        assert script.count == 1


async def test_what_is_wrong_with_the_data_itself_is_not_tried() -> None:
    steps = STEPS.replace("trigger.n }}", "trigger.n + 1 }}")
    async with shop(steps, {"shop.charge": Script({})}, held_retry=MINUTES) as harness:
        result = await harness.run({"n": "text"})
        assert (result.holds[0]["error"]["code"], result.run.due_at) == ("expression-error", None)


async def test_a_person_is_quicker_and_begins_the_schedule_anew() -> None:
    harness, script = held_by(REFUSED)
    async with harness:
        run_id = (await harness.run({"n": 1})).run.id
        result = await after(harness, run_id, 60)
        assert result.holds[0]["tries"] == 1
        result = await resumed(harness, run_id, Choice.AGAIN, by="ana")
        assert (result.holds[0]["tries"], result.run.due_at) == (0, harness.clock.time() + 60)
        assert words(result) == [("again", "schedule"), ("again", "ana")]
        await resumed(harness, run_id, Choice.GIVE_UP)
        count = script.count
        await harness.clock.advance(86_400)
        assert (script.count, (await harness.look(run_id)).state) == (count, "failed")


async def test_a_due_time_survives_restarts_and_jumps_of_the_clock() -> None:
    harness, script = held_by(REFUSED)
    async with harness:
        run_id = (await harness.run({"n": 1})).run.id
        await harness.clock.advance(30)
        await harness.restart()
        await harness.clock.advance(29)
        assert script.count == 1
        harness.clock.jump(-500)
        await harness.clock.advance(400)
        assert script.count == 1
        harness.clock.jump(100_000)
        result = await after(harness, run_id, 5)
        # once, however late it is
        assert (script.count, result.holds[0]["tries"]) == (2, 1)


async def test_so_many_of_a_scenario_at_a_time() -> None:
    slow = Slow()
    async with shop(STEPS, {"shop.charge": slow}, held_retry=(60.0,), tries_at_once=2) as harness:
        slow.clock = harness.clock
        ids = [(await harness.run({"n": n})).run.id for n in range(5)]
        await harness.clock.advance(300)
        assert [(await harness.result(run_id)).state for run_id in ids] == ["succeeded"] * 5
        assert slow.most == 2


class Slow:
    """Refuses each first call, and takes its time for the second; knows how many it had at a time."""

    def __init__(self) -> None:
        self.clock: Any = None
        self.seen: set[int] = set()
        self.now = self.most = 0

    async def __call__(self, config: Any) -> Any:
        if config["n"] not in self.seen:
            self.seen.add(config["n"])
            raise REFUSED
        self.now += 1
        self.most = max(self.most, self.now)
        await self.clock.sleep(10)
        self.now -= 1
        return {}


async def test_a_hold_beside_one_that_only_a_person_settles_is_tried_alone() -> None:
    steps = """
- id: both
  foreach: ${{ trigger.items }}
  concurrency: 2
  steps:
    - id: send
      module: shop.charge
      with: {n: "${{ item }}"}
      on_error: hold
"""
    sent: list[int] = []

    def charge(config: Any) -> Any:
        sent.append(config["n"])
        raise UNSURE if config["n"] == 2 else REFUSED

    async with shop(steps, {"shop.charge": charge}, held_retry=(60.0,)) as harness:
        run_id = (await harness.run({"items": [1, 2]})).run.id
        result = await after(harness, run_id, 60)
        assert sent == [1, 2, 1]
        assert {effect.key: effect.state for effect in result.effects}["both[1]/send#1"] is EffectState.UNKNOWN
        await harness.clock.advance(86_400)
        assert sent == [1, 2, 1]


@pytest.mark.parametrize(
    "point", ["try.due", "store.begin", "store.commit", "store.committed", "run.claimed", "effect.intended"]
)
async def test_a_process_that_dies_over_a_try_makes_it_once(point: str) -> None:
    harness, script = held_by(REFUSED, {"id": 7})
    faults = CrashAt()
    async with harness:
        run_id = (await harness.run({"n": 1})).run.id
        await harness.restart(faults)
        faults.point, faults.nth, faults.hits = point, 1, {}
        await harness.clock.advance(60)
        assert faults.crashed
        await harness.restart()
        result = await after(harness, run_id, 60)
        if point == "effect.intended":
            # it may have been sent before the process died
            assert (result.state, result.holds[0]["code"], script.count) == ("held", "unknown", 1)
        else:
            assert (result.state, script.count) == ("succeeded", 2)
            assert words(result) == [("again", "schedule")]
