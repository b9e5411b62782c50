"""``finally`` runs once, when the step has ended, however it ended; not while it is held or waits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from engine.runtime.commands import Choice
from engine.sdk.errors import DataError
from engine.sdk.errors import TimeoutError as NoAnswer
from engine.testing import CrashAt
from tests.runtime.core import Script, resumed, shop
from tests.runtime.test_undo import Ledger

CLEAN = """
  finally:
    - id: clean
      module: shop.pay
      with: {do: "clean after ${{ steps.work.status || 'nothing' }}"}
"""


def work(how: str = "") -> str:
    return f"- id: work\n  module: shop.get\n  with: {{}}\n{how}{CLEAN.lstrip(chr(10))}"


@pytest.mark.parametrize(
    ("how", "answer", "told", "state"),
    [
        ("", {}, "clean after done", "succeeded"),
        ("", DataError("no"), "clean after failed", "failed"),
        ("  on_error: ignore\n", DataError("no"), "clean after failed", "succeeded"),
        ("  on_error: [{set: {a: 1}}]\n", DataError("no"), "clean after handled", "succeeded"),
        ("  on_error: commit\n", DataError("no"), "clean after failed", "succeeded"),
        ("  on_error: rollback\n", DataError("no"), "clean after failed", "failed"),
    ],
)
async def test_it_runs_however_the_step_ended(how: str, answer: Any, told: str, state: str) -> None:
    ledger = Ledger()
    async with shop(work(how), {"shop.get": Script(answer), "shop.pay": ledger}) as harness:
        result = await harness.run({})
        assert (ledger.told, result.state) == ([told], state)


async def test_it_runs_when_a_stop_inside_ends_the_run_and_not_for_a_step_that_was_skipped() -> None:
    steps = """
- id: skipped
  if: ${{ trigger.never }}
  set: {a: 1}
  finally:
    - id: never
      module: shop.pay
      with: {do: never}
- steps:
    - stop: success
      output: bye
  finally:
    - id: clean
      module: shop.pay
      with: {do: clean}
"""
    ledger = Ledger()
    async with shop(steps, {"shop.pay": ledger}) as harness:
        result = await harness.run({})
        assert (ledger.told, result.output) == (["clean"], "bye")


async def test_a_held_step_is_cleaned_up_when_it_ends() -> None:
    ledger = Ledger()
    steps = work().replace("shop.get", "shop.charge")
    async with shop(steps, {"shop.charge": Script(NoAnswer("t")), "shop.pay": ledger}) as harness:
        held = await harness.run({})
        assert (held.state, ledger.told) == ("held", [])
        assert (await resumed(harness, held.run.id, Choice.HAPPENED, output={})).state == "succeeded"
        assert ledger.told == ["clean after done"]


async def test_one_that_fails_fails_the_step_and_what_failed_before_stays_the_cause() -> None:
    for answer, step in (({}, "work!finally/clean"), (DataError("first"), "work")):
        ledger = Ledger()
        ledger.fails["clean after done"] = ledger.fails["clean after failed"] = [DataError("second", refused=True)]
        async with shop(work(), {"shop.get": Script(answer), "shop.pay": ledger}) as harness:
            error = (await harness.run({})).error
            assert error["step"] == step
            assert error.get("finally", error)["message"] == "second"


async def test_a_step_in_a_group_that_ran_out_of_time_is_cleaned_up_and_so_is_the_group() -> None:
    async def hang(_config: Mapping[str, Any]) -> Any:
        await asyncio.Event().wait()

    inside = "".join(f"    {line}\n" for line in work().splitlines())
    late = CLEAN.replace("clean", "late").lstrip("\n")
    steps = f"- id: all\n  timeout: 1m\n  on_error: ignore\n  steps:\n{inside}{late}"
    ledger = Ledger()
    async with shop(steps, {"shop.get": hang, "shop.pay": ledger}) as harness:
        [run_id] = (await harness.send({})).runs
        result = await harness.result(run_id, advance=100)
        assert (ledger.told, result.state) == (["clean after nothing", "late after nothing"], "succeeded")


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
@pytest.mark.parametrize("point", ["effect.intended", "effect.sent", "store.committed", "run.rolling_back"])
async def test_a_crash_anywhere_cleans_up_once_and_before_anything_is_undone(point: str, nth: int) -> None:
    steps = """
- id: lock
  module: shop.pay
  with: {do: lock}
  undo: [{id: unlock, module: shop.pay, with: {do: unlock}}]
- steps:
    - id: bad
      module: shop.get
      with: {}
      on_error: rollback
  finally:
    - id: clean
      module: shop.pay
      with: {do: clean}
"""
    ledger = Ledger()
    harness = shop(steps, {"shop.get": Script(DataError("no")), "shop.pay": ledger})
    found = await harness.crash(CrashAt(point, nth), {})
    await harness.stop()
    if not found:
        # it died before the event was taken
        assert (point, ledger.told) == ("store.committed", [])
        return
    assert ledger.told == ["lock", "clean", "unlock"]
    assert [result.state for result in found] == ["failed"]
