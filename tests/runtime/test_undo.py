"""Rolling back: what was done is undone in reverse, each thing once, through crashes and people's words."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from engine.runtime.commands import Choice, CommandRefused, retry
from engine.sdk.errors import DataError
from engine.sdk.errors import TimeoutError as NoAnswer
from engine.testing import CrashAt
from tests.runtime.core import Script, resumed, shop, with_head


class Ledger:
    """A vendor that keeps what it was told, each once, under the key that came with it; it outlives the engine."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.fails: dict[str, list[Exception]] = {}

    def __call__(self, config: Mapping[str, Any]) -> Any:
        name = config["do"]
        if self.fails.get(name):
            raise self.fails[name].pop(0)
        # a repeat of what a dead process sent is the same thing, not a second one
        if name not in self.told:
            self.told.append(name)
        return {"name": name}


BOOKING = """
- id: hotel
  module: shop.pay
  with: {do: hotel}
  undo:
    - id: hotel_off
      module: shop.pay
      with: {do: "no ${{ hotel.name }} ${{ vars.stage || 'early' }}"}
- set: {stage: late}
- id: seats
  foreach: ${{ trigger.seats }}
  steps:
    - id: seat
      module: shop.pay
      with: {do: "seat ${{ item }}"}
      undo:
        - id: seat_off
          module: shop.pay
          with: {do: "no seat ${{ item }} of ${{ seat.name }}, ${{ vars.stage }}"}
- id: trip
  steps:
    - id: car
      module: shop.pay
      with: {do: car}
      undo:
        - id: car_off
          module: shop.pay
          with: {do: no car}
    - id: insurance
      module: shop.pay
      with: {do: insurance}
  undo:
    - id: trip_off
      module: shop.pay
      with: {do: no trip}
- id: charge
  module: shop.get
  with: {}
  on_error: rollback
  undo:
    - id: charge_off
      module: shop.pay
      with: {do: never}
"""
BOOKED = ["hotel", "seat 1", "seat 2", "car", "insurance"]
UNDONE = [
    "no trip",
    "no car",
    "no seat 2 of seat 2, late",
    "no seat 1 of seat 1, late",
    "no hotel early",
]


def doubles(ledger: Ledger) -> dict[str, Any]:
    return {"shop.pay": ledger, "shop.get": Script(DataError("card declined"))}


async def test_what_ended_is_undone_in_reverse_in_the_scope_that_it_ended_in() -> None:
    ledger = Ledger()
    async with shop(BOOKING, doubles(ledger)) as harness:
        result = await harness.run({"seats": [1, 2]})
        assert ledger.told == BOOKED + UNDONE
        assert (result.state, result.error["step"], result._result()["rolled_back"]) == ("failed", "charge", True)
        assert "undo/seats[1]/seat/seat_off#1" in [effect.key for effect in result.effects]
        with pytest.raises(CommandRefused, match="rolled back") as refused:
            await retry(harness.store, result.run.id, harness.clock.time())
        # a receipt that became a run cannot be delivered again, and would come to the keys of what is undone
        assert "must come anew" in str(refused.value.hint)


@pytest.mark.parametrize("nth", [1, 2, 3, 5, 8])
@pytest.mark.parametrize(
    "point",
    [
        "run.rolling_back",
        "undo.before",
        "effect.intended",
        "effect.sent",
        "store.commit",
        "store.committed",
        "run.ending",
    ],
)
async def test_a_crash_anywhere_undoes_nothing_twice_and_forgets_nothing(point: str, nth: int) -> None:
    ledger = Ledger()
    harness = shop(BOOKING, doubles(ledger))
    [result] = await harness.crash(CrashAt(point, nth), {"seats": [1, 2]}) or [None]
    await harness.stop()
    if result is None:
        # it died before the event was taken
        assert ledger.told == []
        return
    assert ledger.told == BOOKED + UNDONE
    assert (result.state, result._result()["rolled_back"]) == ("failed", True)


async def test_an_undo_that_fails_holds_the_run_until_a_person_lets_it_go_on() -> None:
    ledger = Ledger()
    ledger.fails["no car"] = [DataError("not now", refused=True), DataError("still not", refused=True)]
    async with shop(BOOKING, doubles(ledger)) as harness:
        held = await harness.run({"seats": []})
        assert (held.state, held.holds[0]["code"], held.holds[0]["step"]) == ("held", "undo", "undo/car/car_off")
        held = await resumed(harness, held.run.id, Choice.AGAIN)
        assert (held.state, held.holds[0]["message"]) == ("held", "still not")
        after = await resumed(harness, held.run.id, Choice.SKIP)
        assert (after.state, after._result()["rolled_back"]) == ("failed", True)
        assert ledger.told == ["hotel", "car", "insurance", "no trip", "no hotel early"]


async def test_an_undo_of_unknown_outcome_is_held_and_not_repeated() -> None:
    steps = """
- id: put
  module: shop.put
  with: {}
  undo:
    - id: refund
      module: shop.charge
      with: {}
- id: bad
  module: shop.get
  with: {}
  on_error: rollback
"""
    refund = Script(NoAnswer("t"))
    given = {"shop.put": Script({}), "shop.charge": refund, "shop.get": Script(DataError("x"))}
    async with shop(steps, given) as harness:
        held = await harness.run({})
        assert (held.state, held.holds[0]["code"], refund.count) == ("held", "undo", 1)
        after = await resumed(harness, held.run.id, Choice.HAPPENED, output={})
        assert (after.state, after._result()["rolled_back"], refund.count) == ("failed", True, 1)


SIDE_BY_SIDE = """
- foreach: ${{ trigger.items }}
  concurrency: 3
  steps:
    - id: one
      module: shop.call
      with: {method: "${{ item.method }}", n: "${{ item.n }}"}
      on_error: rollback
      undo:
        - id: off
          module: shop.pay
          with: {do: "no ${{ item.n }}"}
    - id: two
      module: shop.pay
      with: {do: "two ${{ item.n }}"}
"""


async def test_open_branches_come_to_the_end_of_their_call_and_what_they_finished_is_undone() -> None:
    ledger, gate, begun = Ledger(), asyncio.Event(), asyncio.Event()

    async def call(config: Mapping[str, Any]) -> Any:
        if config["n"] == 1:
            await begun.wait()
            raise DataError("no")
        begun.set()
        await gate.wait()
        return {}

    async with shop(SIDE_BY_SIDE, {"shop.call": call, "shop.pay": ledger}) as harness:
        [run_id] = (await harness.send({"items": [{"method": "GET", "n": n} for n in (1, 2, 3, 4)]})).runs
        await harness.clock.settle()
        assert ledger.told == []
        gate.set()
        result = await harness.result(run_id)
        # nothing new began: no second step, and no fourth item
        assert ledger.told == ["no 3", "no 2"]
        assert (result.state, result.error["step"]) == ("failed", "foreach@1[0]/one")


async def test_a_branch_that_waits_for_its_next_try_is_not_waited_for() -> None:
    ledger = Ledger()
    steps = SIDE_BY_SIDE.replace("on_error: rollback\n", "on_error: rollback\n      retry: {from: 1h, to: 1h}\n")

    async def call(config: Mapping[str, Any]) -> Any:
        if config["n"] == 1:
            await harness.clock.sleep(1)
            raise DataError("no")
        raise NoAnswer("later")

    harness = shop(steps, {"shop.call": call, "shop.pay": ledger})
    async with harness:
        [run_id] = (await harness.send({"items": [{"method": "GET", "n": 1}, {"method": "GET", "n": 2}]})).runs
        result = await harness.result(run_id, advance=10)
        assert (result.state, result._result()["rolled_back"]) == ("failed", True)


async def test_a_write_of_a_branch_whose_outcome_is_unknown_is_settled_first() -> None:
    ledger, gate, begun = Ledger(), asyncio.Event(), asyncio.Event()

    async def call(config: Mapping[str, Any]) -> Any:
        if config["n"] == 1:
            await begun.wait()
            raise DataError("no", refused=True)
        begun.set()
        await gate.wait()
        raise NoAnswer("who knows")

    async with shop(SIDE_BY_SIDE, {"shop.call": call, "shop.pay": ledger}) as harness:
        [run_id] = (await harness.send({"items": [{"method": "POST", "n": n} for n in (1, 2)]})).runs
        await harness.clock.settle()
        gate.set()
        held = await harness.result(run_id)
        assert (held.state, held.holds[0]["code"], ledger.told) == ("held", "unknown", [])
        after = await resumed(harness, run_id, Choice.HAPPENED, output={})
        assert (after.state, ledger.told) == ("failed", ["no 2"])


async def test_what_a_person_says_did_not_happen_is_not_sent_again_by_a_run_that_goes_back() -> None:
    ledger, calls = Ledger(), 0

    async def call(config: Mapping[str, Any]) -> Any:
        nonlocal calls
        calls += 1
        raise DataError("no", refused=True) if config["n"] == 1 else NoAnswer("who knows")

    async with shop(SIDE_BY_SIDE, {"shop.call": call, "shop.pay": ledger}) as harness:
        held = await harness.run({"items": [{"method": "POST", "n": n} for n in (1, 2)]})
        assert held.state == "held"
        after = await resumed(harness, held.run.id, Choice.AGAIN)
        assert (after.state, ledger.told, calls) == ("failed", [], 2)


async def test_a_branch_that_a_crash_cut_off_is_brought_to_its_end_and_undone() -> None:
    ledger, begun, failed, lives = Ledger(), asyncio.Event(), asyncio.Event(), [1]

    async def pay(config: Mapping[str, Any]) -> Any:
        done = ledger(config)
        if config["do"] == "one 1" and lives:
            # the vendor has it, and the process dies before the answer comes
            await asyncio.Event().wait()
        if config["do"] == "one 3":
            begun.set()
            await failed.wait()
        return done

    async def get(_config: Mapping[str, Any]) -> Any:
        await begun.wait()
        failed.set()
        raise DataError("no")

    steps = """
- foreach: ${{ trigger.items }}
  concurrency: 3
  steps:
    - id: check
      if: ${{ item == 2 }}
      module: shop.get
      with: {}
      on_error: rollback
    - id: one
      module: shop.pay
      with: {do: "one ${{ item }}"}
      undo:
        - id: off
          module: shop.pay
          with: {do: "no ${{ item }}"}
"""
    harness = shop(steps, {"shop.get": get, "shop.pay": pay})
    await harness.start()
    [run_id] = (await harness.send({"items": [1, 2, 3]})).runs
    await harness.clock.settle()
    # what rode along is durable with the next commit, the decision to go back with it
    await harness.store.put()
    assert ledger.told == ["one 1", "one 3"]
    lives.clear()
    await harness.restart()
    result = await harness.result(run_id)
    assert (result._result()["rolled_back"], ledger.told) == (True, ["one 1", "one 3", "no 3", "no 1"])
    await harness.stop()


async def test_a_group_rolls_back_what_failed_in_it_and_a_default_does_for_all() -> None:
    ledger = Ledger()
    steps = BOOKING.replace("  on_error: rollback\n", "")
    async with with_head("defaults: {on_error: rollback}\n", steps, doubles(ledger)) as harness:
        result = await harness.run({"seats": [1, 2]})
        assert (ledger.told, result._result()["rolled_back"]) == (BOOKED + UNDONE, True)
    ledger = Ledger()
    inside = "".join(f"    {line}\n" if line else "" for line in steps.splitlines())
    group = f"- id: all\n  steps:\n{inside}  on_error: rollback\n"
    async with shop(group, doubles(ledger)) as harness:
        await harness.run({"seats": [1, 2]})
        assert ledger.told == BOOKED + UNDONE


async def test_a_group_that_ran_out_of_time_undoes_what_was_done_in_it() -> None:
    ledger = Ledger()

    async def hang(_config: Mapping[str, Any]) -> Any:
        await asyncio.Event().wait()

    steps = """
- id: all
  timeout: 1m
  on_error: rollback
  steps:
    - id: hotel
      module: shop.pay
      with: {do: hotel}
      undo:
        - id: hotel_off
          module: shop.pay
          with: {do: no hotel}
    - id: slow
      module: shop.get
      with: {}
"""
    async with shop(steps, {"shop.pay": ledger, "shop.get": hang}) as harness:
        [run_id] = (await harness.send({})).runs
        result = await harness.result(run_id, advance=100)
        assert (ledger.told, result.error["code"], result.state) == (["hotel", "no hotel"], "timeout", "failed")


async def test_a_step_that_was_left_out_or_handled_is_not_undone() -> None:
    ledger = Ledger()
    ledger.fails["a"] = [DataError("a", refused=True)]
    ledger.fails["b"] = [DataError("b", refused=True)]
    steps = """
- id: a
  module: shop.pay
  with: {do: a}
  on_error: [{set: {x: 1}}]
  undo: [{id: a_off, module: shop.pay, with: {do: no a}}]
- id: b
  module: shop.pay
  with: {do: b}
  on_error: hold
  undo: [{id: b_off, module: shop.pay, with: {do: no b}}]
- id: c
  module: shop.pay
  with: {do: c}
  undo: [{id: c_off, module: shop.pay, with: {do: no c}}]
- id: bad
  module: shop.get
  with: {}
  on_error: rollback
"""
    async with shop(steps, doubles(ledger)) as harness:
        held = await harness.run({})
        assert held.state == "held"
        after = await resumed(harness, held.run.id, Choice.SKIP)
        assert (after.state, ledger.told) == ("failed", ["c", "no c"])


async def test_on_failure_runs_after_the_rollback() -> None:
    ledger = Ledger()
    head = """
on_failure:
  - id: tell
    module: shop.pay
    with: {do: "tell of ${{ error.step }} after ${{ hotel.name }}"}
""".lstrip()
    async with with_head(head, BOOKING, doubles(ledger)) as harness:
        await harness.run({"seats": []})
        assert ledger.told[-2:] == ["no hotel early", "tell of charge after hotel"]
