"""What a person may say of a run: resume a held one, retry a failed one, cancel one that waits; and what is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from engine.runtime.commands import Choice, CommandRefused, cancel, resume, retry
from engine.sdk import errors, jsontext
from engine.testing import Harness, RunResult
from tests.runtime.core import Script, resumed, shop

UNSURE = errors.TimeoutError("no answer")
REFUSED = errors.DataError("not like this", refused=True)

TWO = """
- id: both
  foreach: [1, 2]
  concurrency: 2
  steps:
    - id: send
      module: shop.charge
      with: {n: "${{ item }}"}
- id: after
  module: shop.put
  with: {sent: "${{ trigger.n }}"}
"""
TWO = TWO.replace("[1, 2]", "${{ trigger.items }}")
ONE = """
- id: send
  module: shop.charge
  with: {n: 1}
- id: after
  module: shop.put
  with: {sent: "${{ send }}"}
"""


def fine(_config: Mapping[str, Any]) -> Any:
    return {}


async def held(harness: Harness, **event: Any) -> RunResult:
    result = await harness.run(event)
    assert result.state == "held"
    return result


async def refused(command: Awaitable[Any], words: str) -> None:
    with pytest.raises(CommandRefused, match=words) as info:
        await command
    assert info.value.code == "command-refused"


# ---------------------------------------------------------------- resume


async def test_of_several_holds_one_is_named() -> None:
    async with shop(TWO, {"shop.charge": Script(UNSURE), "shop.put": fine}) as harness:
        run = (await held(harness, items=[1, 2])).run
        now = harness.clock.time()
        await refused(resume(harness.store, run.id, Choice.SKIP, now), r"both\[0\]/send, both\[1\]/send")
        await refused(resume(harness.store, run.id, Choice.SKIP, now, step="both[5]/send"), "is held at")
        result = await resumed(harness, run.id, Choice.SKIP, step="both[1]/send")
        assert [hold["step"] for hold in result.holds] == ["both[0]/send"]
        result = await resumed(harness, run.id, Choice.SKIP)
        assert result.state == "succeeded"
        assert [effect.state for effect in result.effects] == ["unknown", "unknown", "done"]


@pytest.mark.parametrize(
    ("choice", "more", "sent", "state", "by"),
    [
        (Choice.HAPPENED, {"output": {"id": 5}}, {"id": 5}, "done", "person:ana"),
        (Choice.SKIP, {}, None, "unknown", "vendor"),
    ],
)
async def test_a_word_is_kept_with_who_and_why(
    choice: Choice, more: dict[str, Any], sent: Any, state: str, by: str
) -> None:
    async with shop(ONE, {"shop.charge": Script(UNSURE), "shop.put": fine}) as harness:
        run = (await held(harness)).run
        result = await resumed(harness, run.id, choice, reason="seen at the vendor's", by="ana", **more)
        assert result.state == "succeeded"
        assert harness.calls[-1].config == {"sent": sent}
        effect = result.effects[0]
        assert (effect.state, effect.settled_by) == (state, by)
        if choice is Choice.HAPPENED:
            assert effect.reason == "seen at the vendor's"
        [word] = [jsontext.loads(r.output or b"") for r in result.records if r.kind == "settled"]
        assert word == {
            "choice": str(choice),
            "output": more.get("output"),
            "reason": "seen at the vendor's",
            "by": "ana",
        }


async def test_giving_up_ends_it_as_failed() -> None:
    async with shop(ONE, {"shop.charge": Script(UNSURE), "shop.put": fine}) as harness:
        run = (await held(harness)).run
        result = await resumed(harness, run.id, Choice.GIVE_UP, reason="not worth it", by="ana")
        assert result.state == "failed"
        assert (result.error["code"], result.error["message"], result.error["by"]) == (
            "given-up",
            "not worth it",
            "ana",
        )
        assert result.run.ended_at == harness.clock.time()
        assert result.effects[0].state == "unknown"


async def test_a_second_word_on_the_same_hold_is_refused() -> None:
    script = Script(UNSURE, {})
    async with shop(ONE, {"shop.charge": script, "shop.put": fine}) as harness:
        run = (await held(harness)).run
        now = harness.clock.time()
        await resume(harness.store, run.id, Choice.AGAIN, now)
        await refused(resume(harness.store, run.id, Choice.AGAIN, now), "is queued, not held")
        harness.runner.wake()
        assert (await harness.result(run.id)).state == "succeeded"
        assert script.count == 2
        await refused(resume(harness.store, run.id, Choice.AGAIN, now), "is succeeded, not held")


async def test_a_hold_that_is_about_no_call_goes_on_or_is_given_up() -> None:
    steps = "- set: {a: 1}"
    source = "subject: ${{ trigger.n + 1 }}\n"
    async with shop(steps, {}) as harness:
        harness.plans[:] = [harness._load(source + harness.sources[0], 0)]
        await harness.restart()
        run = (await held(harness, n="x")).run
        now = harness.clock.time()
        for choice in (Choice.HAPPENED, Choice.SKIP):
            await refused(
                resume(harness.store, run.id, choice, now), "held as 'trigger', which is about no single call"
            )
        assert (await resumed(harness, run.id, Choice.AGAIN)).state == "succeeded"


# ---------------------------------------------------------------- retry


async def test_a_failed_run_goes_on_from_the_step_that_failed() -> None:
    get = Script({"n": 1})
    steps = "- id: got\n  module: shop.get\n  with: {}\n" + ONE.lstrip("\n")
    script = Script(REFUSED, {"id": 7})
    async with shop(steps, {"shop.get": get, "shop.charge": script, "shop.put": fine}) as harness:
        result = await harness.run({})
        assert (result.state, result.error["step"]) == ("failed", "send")
        await retry(harness.store, result.run.id, harness.clock.time(), reason="mended", by="ana")
        harness.runner.wake()
        result = await harness.result(result.run.id)
        assert result.state == "succeeded"
        assert (get.count, script.count) == (1, 2)
        assert [effect.state for effect in result.effects] == ["refused", "done", "done"]
        assert harness.calls[-1].config == {"sent": {"id": 7}}


async def test_a_failed_run_may_be_tried_again_and_again() -> None:
    script = Script(REFUSED, REFUSED, REFUSED, {})
    async with shop(ONE, {"shop.charge": script, "shop.put": fine}) as harness:
        result = await harness.run({})
        for number in (2, 3, 4):
            assert result.state == "failed"
            await retry(harness.store, result.run.id, harness.clock.time())
            harness.runner.wake()
            result = await harness.result(result.run.id)
            assert script.count == number
        assert result.state == "succeeded"


@pytest.mark.parametrize("steps", ["- stop: failure\n  message: enough", "- set: {a: 1}"])
async def test_what_has_no_failed_step_is_not_tried_again(steps: str) -> None:
    async with shop(steps, {}) as harness:
        result = await harness.run({})
        await refused(retry(harness.store, result.run.id, harness.clock.time()), "no failed step to try again")


async def test_a_run_that_was_given_up_is_not_tried_again() -> None:
    async with shop(ONE, {"shop.charge": Script(UNSURE), "shop.put": fine}) as harness:
        run = (await held(harness)).run
        await resumed(harness, run.id, Choice.GIVE_UP)
        await refused(retry(harness.store, run.id, harness.clock.time()), "no failed step to try again")


# ---------------------------------------------------------------- cancel


async def test_a_held_run_is_cancelled_and_stays_so() -> None:
    async with shop(ONE, {"shop.charge": Script(UNSURE), "shop.put": fine}) as harness:
        run = (await held(harness)).run
        await cancel(harness.store, run.id, harness.clock.time(), reason="by mistake", by="ana")
        result = await harness.look(run.id)
        assert result.state == "cancelled"
        assert (result.error["code"], result.error["message"]) == ("cancelled", "by mistake")
        await harness.restart()
        await harness.clock.advance(100)
        assert (await harness.look(run.id)).state == "cancelled"
        await refused(cancel(harness.store, run.id, 0.0), "is cancelled; that cannot be done to it")


async def test_a_sleeping_run_is_cancelled_and_never_wakes() -> None:
    script = Script(errors.RateLimitError("slow down", retry_after=60.0), {})
    async with shop(ONE, {"shop.charge": script, "shop.put": fine}) as harness:
        result = await harness.run({})
        assert result.state == "sleeping"
        await cancel(harness.store, result.run.id, harness.clock.time())
        await harness.clock.advance(120)
        assert (await harness.look(result.run.id)).state == "cancelled"
        assert script.count == 1


@pytest.mark.parametrize(
    "command",
    [
        lambda store: resume(store, 5, Choice.AGAIN, 0.0),
        lambda store: retry(store, 5, 0.0),
        lambda store: cancel(store, 5, 0.0),
    ],
)
async def test_a_run_that_is_not_there(command: Callable[[Any], Awaitable[Any]]) -> None:
    async with shop(ONE, {}) as harness:
        await refused(command(harness.store), "there is no run 0000000000005")
