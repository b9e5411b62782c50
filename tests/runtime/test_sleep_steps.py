"""``sleep`` and ``sleep_until``: until when is decided once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.sdk import errors
from engine.store.changes import MoveRun
from engine.testing import CrashAt, Harness
from tests.runtime.core import Script, shop

SLEEP = """
- sleep: {time}
- id: send
  module: shop.charge
  with: {{}}
"""
SIDE_BY_SIDE = """
- id: each
  foreach: ${{ [60, 7200] }}
  concurrency: 2
  steps:
    - sleep: ${{ item }}
    - id: send
      module: shop.charge
      with: {n: "${{ item }}"}
"""
HOUR = 3600.0
START = "2024-03-05T09:00:00Z"


def sleeping(time: str, script: Script, key: str = "sleep") -> Harness:
    return shop(SLEEP.format(time=time).replace("sleep:", f"{key}:"), {"shop.charge": script})


@pytest.mark.parametrize(
    ("time", "seconds"),
    [("1h", 3600.0), ("${{ 90 * 60 }}", 5400.0), ("${{ trigger.wait }}", 120.0), ('"${{ 2 }}h"', 7200.0)],
)
async def test_a_sleep_takes_its_time_in_the_store(time: str, seconds: float) -> None:
    script = Script({})
    async with sleeping(time, script) as harness:
        started = harness.clock.time()
        result = await harness.run({"wait": "2m"})
        assert (result.state, result.run.due_at) == ("sleeping", started + seconds)
        await harness.clock.advance(seconds - 1)
        assert ((await harness.look(result.run.id)).state, script.count) == ("sleeping", 0)
        await harness.clock.advance(1)
        assert (await harness.result(result.run.id)).state == "succeeded"
        assert script.count == 1


@pytest.mark.parametrize(
    ("at", "seconds"),
    [("2024-03-05T11:00:00+01:00", 3600.0), ("2024-03-06", 15 * 3600.0), ("2024-03-05T08:59:59Z", 0.0)],
)
@pytest.mark.parametrize("written", ["{at}", "${{{{ trigger.at }}}}"])
async def test_a_moment_is_waited_for_unless_it_has_passed(at: str, seconds: float, written: str) -> None:
    script = Script({})
    async with sleeping(f'"{written.format(at=at)}"', script, "sleep_until") as harness:
        result = await harness.run({"at": at})
        if seconds:
            assert result.run.due_at == harness.clock.time() + seconds
            await harness.clock.advance(seconds)
            result = await harness.result(result.run.id)
        assert (result.state, script.count) == ("succeeded", 1)


@pytest.mark.parametrize("value", ["soon", None, -1, True, [1], 1e12])
async def test_what_is_no_duration_fails_the_run_and_says_so(value: Any) -> None:
    async with sleeping("${{ trigger.wait }}", Script({})) as harness:
        result = await harness.run({"wait": value})
        assert (result.state, result.error["code"], result.error["step"]) == ("failed", "expression-error", "sleep@1")


@pytest.mark.parametrize("value", ["2024-03-05T09:00:00", "tomorrow", 1_709_629_200, None])
async def test_what_is_no_moment_fails_the_run_and_says_so(value: Any) -> None:
    async with sleeping("${{ trigger.at }}", Script({}), "sleep_until") as harness:
        result = await harness.run({"at": value})
        assert (result.state, result.error["code"]) == ("failed", "expression-error")
        assert "zone" in result.error["hint"]


async def test_until_when_is_decided_once_also_beside_a_branch_that_goes_on() -> None:
    script = Script({})
    async with shop(SIDE_BY_SIDE, {"shop.charge": script}) as harness:
        started = harness.clock.time()
        run_id = (await harness.run({})).run.id
        for _ in range(3):
            await harness.clock.advance(30)
            await harness.restart()
        result = await harness.result(run_id)
        assert (result.state, result.run.due_at) == ("sleeping", started + 7200)
        await harness.clock.advance(7200)
        assert (await harness.result(run_id)).state == "succeeded"
        assert [config["n"] for config in script.configs] == [60, 7200]


async def test_a_sleep_that_is_over_is_not_slept_again_when_the_clock_is_set_back() -> None:
    steps = "- sleep: 1h\n- id: ask\n  module: shop.get\n  with: {}\n- sleep: 1h\n"
    async with shop(steps, {"shop.get": Script({})}) as harness:
        started = harness.clock.time()
        run_id = (await harness.run({})).run.id
        harness.clock.jump(7200)
        await harness.clock.advance(10)
        due = (await harness.result(run_id)).run.due_at
        harness.clock.jump(-7200)
        await harness.restart()
        await harness.clock.settle()
        assert (await harness.look(run_id)).run.due_at == due
        assert due is not None
        assert started + 10_800 <= due <= started + 10_810
        await harness.clock.advance(due - started + 60)
        assert (await harness.result(run_id)).state == "succeeded"


@pytest.mark.parametrize(
    ("point", "nth"),
    [("wait.begun", 1), ("run.ending", 1), ("run.moved", 1), ("store.commit", 3), ("store.committed", 3)],
)
async def test_a_crash_around_a_sleep_changes_nothing(point: str, nth: int) -> None:
    script = Script({})
    harness = sleeping("1h", script)
    await harness.crash(CrashAt(point, nth), {})
    [result] = await harness.rest()
    await harness.clock.advance(3600)
    assert (await harness.result(result.run.id)).state == "succeeded"
    assert script.count == 1
    await harness.stop()


RETRY = """
- id: got
  module: shop.get
  with: {}
  retry: {attempts: 2, from: 1h, jitter: 0}
- sleep: 3h
- id: send
  module: shop.charge
  with: {}
"""


async def test_a_wait_for_the_next_try_is_not_waited_for_again_when_the_clock_is_set_back() -> None:
    get = Script(errors.ConnectionError("down", refused=True), {})
    async with shop(RETRY, {"shop.get": get, "shop.charge": Script({})}) as harness:
        run_id = (await harness.run({})).run.id
        await harness.clock.advance(HOUR)
        result = await harness.result(run_id)
        due = result.run.due_at
        assert (result.state, get.count) == ("sleeping", 2)
        # the run is walked again for whatever reason, when the clock is before the second try
        harness.clock.jump(-HOUR - 60)
        await harness.store.put(MoveRun(run_id, ("sleeping",), "queued", harness.clock.time()))
        await harness.restart()
        result = await harness.result(run_id)
        assert (result.state, result.run.due_at, get.count) == ("sleeping", due, 2)


UNDONE = """
- id: paid
  module: shop.pay
  with: {}
  retry: {attempts: 2, from: 1h, jitter: 0}
  undo:
    - id: back
      module: shop.put
      with: {}
- id: wrong
  module: shop.charge
  with: {}
  on_error: rollback
"""


async def test_what_a_second_try_did_is_undone_when_the_clock_was_set_back_since() -> None:
    pay, put = Script(errors.ConnectionError("down", refused=True), {}), Script({})
    async with shop(
        UNDONE, {"shop.pay": pay, "shop.put": put, "shop.charge": wrong_and_back(lambda: harness)}
    ) as harness:
        run_id = (await harness.run({})).run.id
        await harness.clock.advance(HOUR)
        assert (await harness.result(run_id)).state == "failed"
        assert (pay.count, put.count) == (2, 1)


def wrong_and_back(harness: Callable[[], Harness]) -> Callable[[Any], Any]:
    """Fails, after the clock was set back."""

    def charge(_config: Any) -> Any:
        harness().clock.jump(-HOUR - 60)
        raise errors.DataError("no", refused=True)

    return charge
