"""Loops: how items are named, and what becomes of holds, failures and stops of items side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from engine.runtime.commands import Choice
from engine.sdk import errors
from engine.sdk.errors import DataError, RateLimitError
from engine.testing import Harness
from tests.runtime.core import resumed, shop
from tests.support.shop import registry, scenario

LOOP = """
- id: each
  foreach: ${{ trigger.items }}
  concurrency: %d
  collect: ${{ send.sent }}
  steps:
    - id: send
      module: shop.charge
      with: {n: "${{ item }}"}
- stop: success
  output: ${{ each }}
"""


def sent(config: Mapping[str, Any]) -> Any:
    return {"sent": config["n"]}


@pytest.mark.parametrize("concurrency", [1, 2, 7])
async def test_what_is_collected_is_in_the_items_order(concurrency: int) -> None:
    gates = [asyncio.Event() for _ in range(5)]
    done: list[int] = []

    async def slow(config: Mapping[str, Any]) -> Any:
        if concurrency > 1 and config["n"] == 0:
            # the first item ends when another has ended
            await gates[1].wait()
        done.append(config["n"])
        gates[config["n"]].set()
        return {"sent": config["n"] * 10}

    async with shop(LOOP % concurrency, {"shop.charge": slow}) as harness:
        result = await harness.run({"items": list(range(5))})
        assert result.output == [0, 10, 20, 30, 40]
        assert (done[0] == 0) == (concurrency == 1)


@pytest.mark.parametrize("items", [[], None])
async def test_nothing_to_do(items: Any) -> None:
    async with shop(LOOP % 3, {}) as harness:
        result = await harness.run({"items": items})
        assert (result.state, result.output) == ("succeeded", [])


async def test_an_omitted_value_is_not_collected() -> None:
    steps = """
- id: each
  foreach: ${{ trigger.items }}
  collect: ${{ item > 1 && item || omit() }}
  steps:
    - set: {a: 1}
- stop: success
  output: ${{ each }}
"""
    async with shop(steps, {}) as harness:
        assert (await harness.run({"items": [1, 2, 3]})).output == [2, 3]


async def test_every_hold_of_items_side_by_side_is_told_and_settled_by_itself() -> None:
    unsure = {0: True, 2: True}

    def send(config: Mapping[str, Any]) -> Any:
        if unsure.pop(config["n"], False):
            raise errors.TimeoutError("no answer")
        return {"sent": config["n"]}

    async with shop(LOOP % 4, {"shop.charge": send}) as harness:
        result = await harness.run({"items": [0, 1, 2, 3]})
        assert result.state == "held"
        assert [hold["step"] for hold in result.holds] == ["each[0]/send", "each[2]/send"]
        result = await resumed(harness, result.run.id, Choice.HAPPENED, output={"sent": "seen"}, step="each[0]/send")
        assert result.state == "held"
        assert [hold["step"] for hold in result.holds] == ["each[2]/send"]
        result = await resumed(harness, result.run.id, Choice.AGAIN)
        assert (result.state, result.output) == ("succeeded", ["seen", 1, 2, 3])
        counts = [call.config["n"] for call in harness.calls]
        assert sorted(counts) == [0, 1, 2, 2, 3]


async def test_a_hold_goes_before_a_failure() -> None:
    def send(config: Mapping[str, Any]) -> Any:
        if config["n"] == 0:
            raise DataError("not this one", refused=True)
        raise errors.TimeoutError("no answer")

    async with shop(LOOP % 2, {"shop.charge": send}) as harness:
        result = await harness.run({"items": [0, 1]})
        assert result.state == "held"
        assert [hold["step"] for hold in result.holds] == ["each[1]/send"]
        # the failure comes when the hold is settled
        result = await resumed(harness, result.run.id, Choice.HAPPENED, output={"sent": 1})
        assert result.state == "failed"
        assert result.error["step"] == "each[0]/send"


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_the_first_item_s_failure_is_the_run_s(concurrency: int) -> None:
    def send(config: Mapping[str, Any]) -> Any:
        raise DataError(f"not {config['n']}", refused=True)

    async with shop(LOOP % concurrency, {"shop.charge": send}) as harness:
        result = await harness.run({"items": [7, 8, 9]})
        assert result.state == "failed"
        assert (result.error["step"], result.error["message"]) == ("each[0]/send", "not 7")
        # no item begins after one has failed
        assert len(harness.calls) <= concurrency


async def test_a_stop_in_an_item_ends_the_run() -> None:
    steps = """
- id: each
  foreach: ${{ trigger.items }}
  steps:
    - if: ${{ item == 2 }}
      steps:
        - stop: success
          output: ${{ item }}
    - id: send
      module: shop.charge
      with: {n: "${{ item }}"}
"""
    async with shop(steps, {"shop.charge": sent}) as harness:
        result = await harness.run({"items": [1, 2, 3]})
        assert (result.state, result.output) == ("succeeded", 2)
        assert [call.config["n"] for call in harness.calls] == [1]


KEYED = """
- id: each
  foreach: ${{ trigger.items }}
  key: ${{ item.key }}
  steps:
    - id: send
      module: shop.charge
      with: {n: "${{ item.key }}"}
"""


async def test_keys_name_items_in_the_journal() -> None:
    async with shop(KEYED, {"shop.charge": sent}) as harness:
        result = await harness.run({"items": [{"key": "a"}, {"key": 5}, {"key": "x/y[1]%"}]})
        assert [effect.key for effect in result.effects] == [
            "each[a]/send#1",
            "each[5]/send#1",
            "each[x%2Fy%5B1%5D%25]/send#1",
        ]
        assert len({effect.effect_key for effect in result.effects}) == 3


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["a", "b", "a"], "two items have the same foreach key"),
        ([1, "1"], "two items have the same foreach key"),
        ([None], "must be text or a whole number"),
        ([True], "must be text or a whole number"),
        ([1.5], "must be text or a whole number"),
        ([["a"]], "must be text or a whole number"),
    ],
)
async def test_bad_keys_fail_the_step_before_anything_is_sent(keys: list[Any], words: str) -> None:
    async with shop(KEYED, {"shop.charge": sent}) as harness:
        result = await harness.run({"items": [{"key": key} for key in keys]})
        assert result.state == "failed"
        assert words in result.error["message"]
        assert result.error["step"] == "each"
        assert harness.calls == []


async def test_what_an_item_sets_stays_in_it() -> None:
    steps = """
- set: {n: 0}
- id: each
  foreach: ${{ trigger.items }}
  as: one
  concurrency: 2
  collect: ${{ vars.n }}
  steps:
    - set: {n: "${{ vars.n + one + index }}"}
- stop: success
  output: {inside: "${{ each }}", outside: "${{ vars.n }}"}
"""
    async with Harness([scenario(steps)], registry=registry()) as harness:
        result = await harness.run({"items": [1, 2, 3]})
        assert result.output == {"inside": [1, 3, 5], "outside": 0}


async def test_finished_items_stay_finished_over_a_restart() -> None:
    unsure = [True]

    def send(config: Mapping[str, Any]) -> Any:
        if config["n"] == 2 and unsure:
            unsure.clear()
            raise errors.TimeoutError("no answer")
        return {"sent": config["n"]}

    async with shop(LOOP % 1, {"shop.charge": send}) as harness:
        result = await harness.run({"items": [1, 2, 3]})
        assert result.state == "held"
        await harness.restart()
        result = await resumed(harness, result.run.id, Choice.AGAIN)
        assert result.output == [1, 2, 3]
        assert [call.config["n"] for call in harness.calls] == [1, 2, 2, 3]


BESIDE = """
- id: each
  foreach: ${{ trigger.items }}
  concurrency: 2
  steps:
    - id: one
      module: shop.call
      with: {method: "${{ item }}"}
      retry: {from: 1h, to: 1h}
"""


async def test_a_write_beside_a_failed_item_is_not_forgotten_in_a_crash() -> None:
    sent = asyncio.Event()

    async def call(config: Mapping[str, Any]) -> Any:
        if config["method"] == "GET":
            await sent.wait()
            raise DataError("no")
        sent.set()
        await asyncio.Event().wait()

    harness = shop(BESIDE, {"shop.call": call})
    await harness.start()
    [run_id] = (await harness.send({"items": ["GET", "POST", "POST"]})).runs
    await harness.clock.settle()
    await harness.store.put()
    await harness.restart()
    result = await harness.result(run_id)
    # as it would have been without the crash: a hold goes before a failure, and the third item is not begun
    assert (result.state, [hold["step"] for hold in result.holds]) == ("held", ["each[1]/one"])
    assert [effect.key for effect in result.effects] == ["each[1]/one#1"]
    await harness.stop()


async def test_an_item_that_waits_for_its_next_try_goes_on_after_another_has_failed() -> None:
    tries, begun = 0, asyncio.Event()

    async def call(config: Mapping[str, Any]) -> Any:
        nonlocal tries
        if config["method"] == "GET":
            await begun.wait()
            raise DataError("no")
        begun.set()
        tries += 1
        if tries == 1:
            raise RateLimitError("later")
        return {}

    async with shop(BESIDE, {"shop.call": call}) as harness:
        [run_id] = (await harness.send({"items": ["GET", "POST"]})).runs
        await harness.clock.settle()
        assert (await harness.store.run(run_id)).state == "sleeping"  # type: ignore[union-attr]  # it is there
        result = await harness.result(run_id, advance=3600)
        assert (result.state, result.error["step"], tries) == ("failed", "each[0]/one", 2)
