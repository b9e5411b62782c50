"""Long repeats: rounds that are over leave the journal, and nothing of them is done again or forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from engine.runtime import rounds
from engine.runtime.commands import retry
from engine.sdk.errors import DataError
from engine.testing import CrashAt, Harness
from tests.runtime.core import Script, shop

MINUTE = 60.0


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints after each third round."""
    monkeypatch.setattr(rounds, "FOLD_EVERY", 3)


POLL = """
- set: {outside: kept}
- id: job
  repeat: {until: "${{ look.n == %d }}", max: 1000}
  steps:
    - sleep: 1m
    - id: look
      module: shop.get
      with: {index: "${{ index }}"}
    - id: write
      module: shop.charge
      with: {n: "${{ look.n }}", sum: "${{ vars.sum }}"}
    - set: {sum: "${{ (vars.sum || 0) + look.n }}"}
- stop: success
  output: ["${{ job }}", "${{ look }}", "${{ vars }}", "${{ steps.write.status }}"]
"""


def polled(number: int) -> Harness:
    return shop(POLL % number, {"shop.get": lambda config: {"n": config["index"] + 1}, "shop.charge": lambda _: {}})


def written(harness: Harness) -> list[int]:
    return [call.config["n"] for call in harness.calls if "n" in call.config]


async def test_a_long_repeat_keeps_a_short_journal_and_goes_on_where_it_stood() -> None:
    async with polled(40) as harness:
        run_id = (await harness.send({})).runs[0]
        longest = 0
        for number in range(40):
            if number % 7 == 0:
                await harness.restart()
            await harness.clock.advance(MINUTE)
            longest = max(longest, len((await harness.look(run_id)).records))
        result = await harness.result(run_id)
        variables = {"outside": "kept", "sum": sum(range(1, 41))}
        assert result.output == [40, {"n": 40}, variables, "done"]
        assert written(harness) == [*range(1, 41)]
        # three rounds of a sleep and a read, the checkpoint, and what the next round begins with
        assert longest <= 3 * 2 + 3


async def test_what_a_walk_costs_does_not_grow_with_the_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    walked: list[int] = []
    decided = rounds._decided

    def counting(*args: Any) -> bool:
        walked[-1] += 1
        return decided(*args)

    monkeypatch.setattr(rounds, "_decided", counting)
    async with polled(30) as harness:
        run_id = (await harness.send({})).runs[0]
        for _ in range(30):
            walked.append(0)
            await harness.clock.advance(MINUTE)
        assert (await harness.result(run_id)).state == "succeeded"
    assert max(walked) <= 3


@pytest.mark.parametrize("point", ["loop.folding", "loop.folded", "repeat.round", "effect.sent", "effect.intended"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
async def test_a_crash_around_a_checkpoint_changes_nothing(point: str, nth: int) -> None:
    taken: list[Any] = []

    def pay(config: Mapping[str, Any]) -> Any:
        if config["n"] not in taken:
            taken.append(config["n"])
        return {}

    steps = (POLL % 10).replace("    - sleep: 1m\n", "").replace("shop.charge", "shop.pay")
    harness = shop(steps, {"shop.get": lambda config: {"n": config["index"] + 1}, "shop.pay": pay})
    [result] = await harness.crash(CrashAt(point, nth), {})
    await harness.stop()
    assert result.output == [10, {"n": 10}, {"outside": "kept", "sum": 55}, "done"]
    assert taken == [*range(1, 11)]


async def test_rounds_with_an_undo_stay_and_are_undone() -> None:
    steps = """
- repeat: {times: 8}
  steps:
    - id: one
      module: shop.charge
      with: {n: "${{ index }}"}
      undo:
        - id: back
          module: shop.charge
          with: {back: "${{ index }}"}
- id: bad
  module: shop.pay
  with: {}
  on_error: rollback
"""
    script = Script({})
    doubles = {"shop.charge": script, "shop.pay": Script(DataError("no", refused=True))}
    async with shop(steps, doubles) as harness:
        result = await harness.run({})
        assert result.state == "failed"
        assert not [record for record in result.records if record.kind == "fold"]
    assert script.configs[8:] == [{"back": n} for n in range(7, -1, -1)]


async def test_a_failing_round_after_a_checkpoint_rolls_back_what_was_before() -> None:
    steps = """
- id: first
  module: shop.charge
  with: {n: first}
  undo:
    - id: back
      module: shop.charge
      with: {n: back}
- repeat: {times: 8}
  on_error: rollback
  steps:
    - id: one
      module: shop.charge
      with: {n: "${{ index }}"}
"""

    def charge(config: Mapping[str, Any]) -> Any:
        if config["n"] == 7:
            raise DataError("no", refused=True)
        return {}

    async with shop(steps, {"shop.charge": charge}) as harness:
        result = await harness.run({})
        assert (result.state, result._result()["rolled_back"]) == ("failed", True)
        assert [call.config["n"] for call in harness.calls] == ["first", *range(8), "back"]


async def test_rounds_at_the_side_of_a_branch_that_waits() -> None:
    steps = """
- parallel:
    waits:
      - set: {before: "${{ now() }}"}
      - sleep: 1h
      - id: late
        module: shop.charge
        with: {n: "${{ vars.before }}"}
    goes:
      - repeat: {times: 10}
        steps:
          - id: one
            module: shop.charge
            with: {n: "${{ index }}"}
- stop: success
  output: ["${{ one.sent }}", "${{ late.sent }}"]
"""
    async with shop(steps, {"shop.charge": lambda config: {"sent": config["n"]}}) as harness:
        run_id = (await harness.send({})).runs[0]
        await harness.clock.settle()
        await harness.restart()
        result = await harness.result(run_id, advance=3600)
        assert result.output == [9, "2024-03-05T09:00:00.000Z"]
        assert [call.config["n"] for call in harness.calls] == [*range(10), "2024-03-05T09:00:00.000Z"]


@pytest.mark.parametrize("most", [2, 7])
async def test_who_lets_it_go_on_after_max_lets_it_have_as_many_rounds_again(most: int) -> None:
    steps = """
- id: job
  repeat: {until: "${{ look.done }}", max: %d}
  steps:
    - sleep: 1m
    - id: look
      module: shop.get
      with: {n: "${{ index }}"}
- stop: success
  output: ${{ job }}
"""
    async with shop(steps % most, {"shop.get": lambda config: {"done": config["n"] == 3 * most - 1}}) as harness:
        run_id = (await harness.send({})).runs[0]
        for number in (1, 2):
            for _ in range(most):
                await harness.clock.advance(MINUTE)
            result = await harness.result(run_id)
            assert (result.state, result.error["code"]) == ("failed", "repeat-limit")
            assert result.error["message"].startswith(f"after {number * most} rounds")
            await retry(harness.store, run_id, harness.clock.time())
            await harness.restart()
        for _ in range(most):
            await harness.clock.advance(MINUTE)
            await harness.restart()
        assert (await harness.result(run_id)).output == 3 * most
        assert [call.config["n"] for call in harness.calls] == [*range(3 * most)]


async def test_rounds_in_rounds() -> None:
    steps = """
- set: {n: 0}
- repeat: {times: 4}
  steps:
    - id: inner
      repeat: {times: 7}
      steps:
        - id: one
          module: shop.pay
          with: {n: "${{ vars.n }}"}
        - set: {n: "${{ vars.n + 1 }}"}
- stop: success
  output: ["${{ vars.n }}", "${{ inner }}", "${{ one.n }}"]
"""
    for nth in (1, 2, 3, 5, 8):
        harness = shop(steps, {"shop.pay": dict})
        [result] = await harness.crash(CrashAt("loop.folded", nth), {})
        await harness.stop()
        assert result.output == [28, 7, 27]
        assert [call.config["n"] for call in harness.calls] == [*range(28)]


async def test_what_comes_after_a_checkpoint_sees_the_last_round() -> None:
    steps = """
- repeat: {while: "${{ index == 0 or one.n < 6 }}", max: 9}
  steps:
    - id: one
      module: shop.pay
      with: {n: "${{ index + 1 }}"}
- sleep: 1h
- stop: success
  output: ["${{ one.n }}", "${{ steps.one.status }}"]
"""
    async with shop(steps, {"shop.pay": dict}) as harness:
        run_id = (await harness.send({})).runs[0]
        await harness.clock.settle()
        await harness.restart()
        assert (await harness.result(run_id, advance=3600)).output == [6, "done"]
    harness = shop(steps, {"shop.pay": dict})
    [result] = await harness.crash(CrashAt("loop.folded", 1), {})
    result = await harness.result(result.run.id, advance=3600)
    await harness.stop()
    assert result.output == [6, "done"]
