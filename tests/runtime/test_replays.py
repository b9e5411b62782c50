"""A replay does what is not done yet, takes over what is, and asks where it cannot know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from engine.runtime.commands import Choice, CommandRefused, cancel, retry
from engine.runtime.replays import NotReplayable
from engine.sdk import errors
from engine.sdk.modules import Happened, ProbeResult
from engine.store.memory import MemoryStore
from engine.testing import DoubleCaller, Harness, RunResult
from tests.runtime.core import Script, resumed, shop, with_head
from tests.support.shop import registry, scenario

UNSURE = errors.TimeoutError("no answer")
REFUSED = errors.DataError("not like this", refused=True)

STEPS = """
- id: look
  module: shop.get
  with: {n: 1}
- id: charge
  module: shop.charge
  with: {n: "${{ trigger.n }}"}
- id: send
  module: shop.charge
  with: {sum: "${{ charge.id }}"}
- stop: success
  output: ${{ send }}
"""


def paid(*answers: Any) -> dict[str, Script]:
    return {"shop.get": Script({"seen": 1}), "shop.charge": Script(*answers)}


def sent(harness: Harness) -> list[dict[str, Any]]:
    return [dict(call.config) for call in harness.calls if call.module == "shop.charge"]


# ---------------------------------------------------------------- what is done is taken over


async def test_what_was_written_is_taken_over_and_not_made_again() -> None:
    async with shop(STEPS, paid({"id": 7}, {"id": 8})) as harness:
        first = await harness.run({"n": 1})
        again = await harness.replay(first.run.id)
        assert (again.state, again.output) == ("succeeded", {"id": 8})
        assert sent(harness) == [{"n": 1}, {"sum": 7}]
        assert [(e.key, e.state, e.settled_by.partition(":")[0]) for e in again.effects] == [
            ("charge#1", "done", "run"),
            ("send#1", "done", "run"),
        ]
        assert [call.module for call in harness.calls].count("shop.get") == 2, "reads are made anew"


async def test_what_failed_is_made_and_what_came_before_is_taken_over() -> None:
    async with shop(STEPS, paid({"id": 7}, REFUSED, {"id": 8})) as harness:
        failed = await harness.run({"n": 1})
        assert failed.state == "failed"
        again = await harness.replay(failed.run.id)
        assert (again.state, again.output) == ("succeeded", {"id": 8})
        assert sent(harness) == [{"n": 1}, {"sum": 7}, {"sum": 7}]


async def test_a_replay_of_a_replay_knows_what_both_did() -> None:
    async with shop(STEPS, paid({"id": 7}, REFUSED, REFUSED, {"id": 8})) as harness:
        run = await harness.run({"n": 1})
        for _ in range(3):
            run = await harness.replay(run.run.id)
        assert (run.state, run.output) == ("succeeded", {"id": 8})
        assert len(sent(harness)) == 4


async def test_it_survives_that_the_run_which_it_replays_is_gone() -> None:
    async with shop(STEPS, paid({"id": 7}, {"id": 8})) as harness:
        first = await harness.run({"n": 1})
        again = await harness.replay(first.run.id)
        # as pruning leaves it: nothing of the first run answers for its effects any more
        assert isinstance(harness.store, MemoryStore)
        effects = harness.store._tables.effects
        for key in [key for key in effects if key[0] == first.run.id]:
            del effects[key]
        third = await harness.replay(again.run.id)
        assert third.state == "succeeded"
        assert len(sent(harness)) == 2


async def test_items_of_a_loop_are_known_by_their_keys() -> None:
    steps = """
- id: each
  foreach: ${{ trigger.items }}
  key: ${{ item.id }}
  steps:
    - id: send
      module: shop.charge
      with: {who: "${{ item.id }}"}
"""
    charge = Script({}, REFUSED, {})
    async with shop(steps, {"shop.charge": charge}) as harness:
        run = await harness.run({"items": [{"id": "a"}, {"id": "b"}, {"id": "c"}]})
        again = await harness.replay(run.run.id)
        assert again.state == "succeeded"
        assert [config["who"] for config in charge.configs] == ["a", "b", "b", "c"]


async def test_times_and_ids_in_a_request_are_those_of_the_first_run() -> None:
    steps = """
- id: send
  module: shop.charge
  with: {at: "${{ now() }}", id: "${{ uuid() }}"}
"""
    async with shop(steps, {"shop.charge": Script({})}) as harness:
        run = await harness.run({})
        await harness.clock.advance(3600)
        again = await harness.replay(run.run.id)
        assert (again.state, len(harness.calls)) == ("succeeded", 1)


# ---------------------------------------------------------------- another request under the same key


@pytest.fixture
def changing() -> tuple[str, dict[str, Script]]:
    steps = """
- id: look
  module: shop.get
  with: {}
- id: send
  module: shop.charge
  with: {n: "${{ look.n }}"}
- stop: success
  output: ${{ send }}
"""
    return steps, {"shop.get": Script({"n": 1}, {"n": 2}), "shop.charge": Script({"id": 7}, {"id": 8})}


@pytest.mark.parametrize(
    ("choice", "more", "output", "count"),
    [
        (Choice.REUSE, {}, {"id": 7}, 1),
        (Choice.AGAIN, {}, {"id": 8}, 2),
        (Choice.HAPPENED, {"output": {"id": 9}}, {"id": 9}, 1),
        (Choice.SKIP, {}, None, 1),
    ],
)
async def test_another_request_asks_and_a_person_decides(
    changing: Any, choice: Choice, more: Mapping[str, Any], output: Any, count: int
) -> None:
    steps, doubles = changing
    async with shop(steps, doubles) as harness:
        first = await harness.run({})
        again = await harness.replay(first.run.id)
        [hold] = again.holds
        assert (hold["code"], hold["step"]) == ("differs", "send")
        assert "n (1 there, 2 now)" in hold["message"]
        assert len(sent(harness)) == 1
        await harness.restart()
        settled = await resumed(harness, again.run.id, choice, **more)
        assert (settled.state, settled.output) == ("succeeded", output)
        assert len(sent(harness)) == count


async def test_what_was_sent_as_well_is_known_to_the_next_replay(changing: Any) -> None:
    steps, doubles = changing
    async with shop(steps, doubles) as harness:
        first = await harness.run({})
        second = await harness.replay(first.run.id)
        second = await resumed(harness, second.run.id, Choice.AGAIN)
        third = await harness.replay(second.run.id)
        assert (third.state, third.output) == ("succeeded", {"id": 8})
        assert len(sent(harness)) == 2


# ---------------------------------------------------------------- what is unknown


ONE = """
- id: send
  module: shop.{module}
  retry: {{attempts: 1}}
  with: {{}}
- stop: success
  output: ${{{{ send }}}}
"""


async def test_an_unknown_write_of_the_old_run_is_not_repeated() -> None:
    async with shop(ONE.format(module="charge"), {"shop.charge": Script(UNSURE, {"id": 1})}) as harness:
        first = await harness.run({})
        assert first.holds[0]["code"] == "unknown"
        again = await harness.replay(first.run.id)
        assert [hold["code"] for hold in again.holds] == ["unknown"]
        assert len(harness.calls) == 1
        old = await harness.look(first.run.id)
        assert (old.state, old.error["code"]) == ("cancelled", "replayed")
        settled = await resumed(harness, again.run.id, Choice.AGAIN, reason="not there", by="ana")
        assert (settled.state, settled.output) == ("succeeded", {"id": 1})
        states = [(e.state, e.settled_by) for e in await harness.store.effects_by_key(settled.effects[0].effect_key)]
        assert states == [("refused", "person:ana"), ("refused", "person:ana"), ("done", "vendor")]


@pytest.mark.parametrize("module", ["put", "pay"])
async def test_one_that_may_be_repeated_is_sent_once_more_with_the_stored_request(module: str) -> None:
    double = Script(UNSURE, {"id": 1})
    async with shop(ONE.format(module=module) + "", {f"shop.{module}": double}) as harness:
        first = await harness.run({})
        assert first.state == "failed"
        again = await harness.replay(first.run.id)
        assert (again.state, again.output) == ("succeeded", {"id": 1})
        assert len({call.key for call in harness.calls}) == 1, "the vendor gets the same key"


@pytest.mark.parametrize(
    ("answer", "state", "calls"),
    [(Happened({"id": 5}), "succeeded", 1), (ProbeResult.ABSENT, "failed", 1), (ProbeResult.UNKNOWN, "held", 1)],
)
async def test_the_vendor_is_asked_about_one_that_can_be_asked(answer: Any, state: str, calls: int) -> None:
    answers = [ProbeResult.UNKNOWN, answer]
    caller = DoubleCaller({"shop.probed": Script(UNSURE, {})}, {"shop.probed": lambda _config: answers.pop(0)})
    async with Harness([scenario(ONE.format(module="probed"))], caller=caller, registry=registry()) as harness:
        accepted = await harness.send({})
        first = await harness.result(accepted.runs[0], advance=100)
        assert first.state == "held"
        again = await harness.replay(first.run.id)
        assert (again.state, len(caller.calls)) == (state, calls)
        rows = await harness.store.effects_by_key(again.effects[0].effect_key)
        assert len({row.state for row in rows}) == 1, "what is learned holds for the row that it was taken from"


# ---------------------------------------------------------------- one at a time


async def refused(work: Any, words: str) -> None:
    with pytest.raises(CommandRefused, match=words):
        await work


async def test_only_one_run_of_an_event_does_anything() -> None:
    steps = "- id: nap\n  sleep: 1h\n" + STEPS.strip()
    async with shop(steps, paid({"id": 7}, REFUSED)) as harness:
        sleeping = await harness.run({"n": 1})
        await refused(harness.replay(sleeping.run.id), "sleeping, so it is not over")
        await harness.clock.advance(3600)
        failed = await harness.result(sleeping.run.id)
        assert failed.state == "failed"
        again = await harness.replay(failed.run.id)
        assert again.state == "sleeping"
        await refused(harness.replay(failed.run.id), "of the same event is sleeping")
        await refused(retry(harness.store, failed.run.id, harness.clock.time()), "of the same event is sleeping")
        await cancel(harness.store, again.run.id, harness.clock.time())
        await retry(harness.store, failed.run.id, harness.clock.time())


async def test_a_run_that_was_replayed_takes_over_what_its_replay_did() -> None:
    async with shop(STEPS, paid({"id": 7}, REFUSED, {"id": 8})) as harness:
        failed = await harness.run({"n": 1})
        assert (await harness.replay(failed.run.id)).state == "succeeded"
        await retry(harness.store, failed.run.id, harness.clock.time())
        harness.runner.wake()
        mended = await harness.result(failed.run.id)
        assert (mended.state, mended.output) == ("succeeded", {"id": 8})
        assert len(sent(harness)) == 3


async def test_what_was_undone_is_not_taken_for_done() -> None:
    steps = """
- id: send
  module: shop.charge
  with: {}
  undo:
    - id: back
      module: shop.put
      with: {}
- id: fails
  module: shop.get
  with: {}
  on_error: rollback
"""
    doubles: Mapping[str, Callable[..., Any]] = {
        "shop.charge": Script({}),
        "shop.put": Script({}),
        "shop.get": Script(REFUSED),
    }
    async with shop(steps, doubles) as harness:
        back = await harness.run({})
        await refused(harness.replay(back.run.id), "was rolled back")


async def test_a_replay_has_its_place_in_the_line_of_its_key() -> None:
    steps = "- id: send\n  module: shop.charge\n  with: {}\n  on_error: hold\n"
    async with with_head("order_by: ${{ trigger.who }}\n", steps, {"shop.charge": Script({}, REFUSED)}) as harness:
        first = await harness.run({"who": "ana"})
        held = await harness.run({"who": "ana"})
        assert held.state == "held"
        again = await harness.replay(first.run.id)
        assert again.state == "blocked"


# ---------------------------------------------------------------- from a step on


def keys(result: RunResult) -> list[str]:
    return sorted([row.key for row in (*result.records, *result.effects) if "#0" not in row.key])


async def test_from_a_step_on_everything_before_is_as_it_was() -> None:
    async with shop(STEPS, paid({"id": 7}, REFUSED, {"id": 8})) as harness:
        failed = await harness.run({"n": 1})
        await harness.clock.advance(60)
        again = await harness.replay(failed.run.id, "send")
        assert (again.state, again.output) == ("succeeded", {"id": 8})
        assert [call.module for call in harness.calls].count("shop.get") == 1
        assert keys(again) == ["charge#1", "look#1", "send#1"]


async def test_from_a_step_on_what_it_read_is_read_anew() -> None:
    async with shop(STEPS, paid({"id": 7}, {"id": 8})) as harness:
        first = await harness.run({"n": 1})
        again = await harness.replay(first.run.id, "look")
        assert again.state == "succeeded"
        assert [call.module for call in harness.calls].count("shop.get") == 2
        assert len(sent(harness)) == 2


async def test_what_was_slept_answered_and_said_before_the_step_is_not_asked_again() -> None:
    steps = """
- id: nap
  sleep: 1h
- id: ask
  wait_for: {approval: "shall we?"}
- set: {at: "${{ now() }}"}
- id: send
  module: shop.charge
  with: {}
- stop: success
  output: ${{ vars.at }}
"""
    async with shop(steps, {"shop.charge": Script(REFUSED, {})}) as harness:
        run = (await harness.run({})).run
        await harness.clock.advance(3600)
        result = await harness.approve(run.id)
        assert result.state == "failed"
        await harness.clock.advance(3600)
        again = await harness.replay(run.id, "send")
        assert (again.state, again.output) == ("succeeded", "2024-03-05T10:00:00.000Z")


async def test_from_an_item_of_a_loop_on() -> None:
    steps = """
- id: each
  foreach: ${{ trigger.items }}
  steps:
    - id: look
      module: shop.get
      with: {n: "${{ item }}"}
    - id: send
      module: shop.charge
      with: {n: "${{ look.n }}"}
"""
    get = Script({"n": 1}, {"n": 2}, {"n": 3}, {"n": 3})
    async with shop(steps, {"shop.get": get, "shop.charge": Script({}, {}, REFUSED, {})}) as harness:
        failed = await harness.run({"items": [1, 2, 3]})
        again = await harness.replay(failed.run.id, "each[2]/look")
        assert again.state == "succeeded"
        assert [config["n"] for config in get.configs] == [1, 2, 3, 3]


async def test_the_time_of_a_step_that_was_not_over_begins_anew() -> None:
    steps = """
- id: timed
  timeout: 10m
  steps:
    - id: charge
      module: shop.charge
      with: {n: 1}
    - id: send
      module: shop.charge
      with: {n: 2}
"""
    async with shop(steps, {"shop.charge": Script({}, REFUSED, {})}) as harness:
        failed = await harness.run({})
        await harness.clock.advance(3600)
        again = await harness.replay(failed.run.id, "send")
        assert again.state == "succeeded"


async def test_a_step_that_is_not_there_or_was_not_reached_is_refused() -> None:
    async with shop(STEPS, paid(REFUSED)) as harness:
        failed = await harness.run({"n": 1})
        with pytest.raises(NotReplayable, match="has no step 'sned'") as info:
            await harness.replay(failed.run.id, "sned")
        assert info.value.hint == "its steps: look, charge, send"
        await refused(harness.replay(failed.run.id, "send"), "never came to 'send'")


async def test_a_step_that_failed_before_it_sent_anything_can_be_begun_from() -> None:
    steps = STEPS.replace("${{ charge.id }}", "${{ charge.id + trigger.text }}")
    async with shop(steps, paid({"id": 7})) as harness:
        failed = await harness.run({"n": 1, "text": "t"})
        assert failed.error["step"] == "send"
        again = await harness.replay(failed.run.id, "send")
        assert again.error["step"] == "send"
        assert len(sent(harness)) == 1
