"""What a step's failure leads to: other outputs, steps that handle it, an early end, a hold that tries again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.runtime.commands import Choice, retry
from engine.sdk.errors import DataError, NotFound, RateLimitError
from engine.sdk.errors import TimeoutError as NoAnswer
from engine.store.records import EffectState
from tests.runtime.core import Script, resumed, shop, with_head


async def test_resume_goes_on_with_another_output_that_sees_the_error() -> None:
    steps = """
- id: customer
  module: shop.get
  with: {}
  on_error:
    resume: {found: false, why: "${{ error.type }} ${{ error.status }}"}
- stop: success
  output: {customer: "${{ customer }}", status: "${{ steps.customer.status }}"}
"""
    async with shop(steps, {"shop.get": Script(NotFound("no such customer", status=404))}) as harness:
        result = await harness.run({})
        assert result.output == {"customer": {"found": False, "why": "NotFound 404"}, "status": "handled"}


async def test_steps_handle_an_error_and_the_run_goes_on() -> None:
    steps = """
- id: customer
  module: shop.get
  with: {}
  on_error:
    - id: tell
      module: shop.put
      with: {text: "${{ error.step }}: ${{ error.message }} (${{ error.code }})", status: "${{ error.status }}"}
    - set: {seen: true}
- stop: success
  output: ["${{ customer }}", "${{ steps.customer.status }}", "${{ vars.seen }}", "${{ tell }}"]
"""
    tell = Script({"told": True})
    async with shop(steps, {"shop.get": Script(DataError("bad", status=422)), "shop.put": tell}) as harness:
        result = await harness.run({})
        assert result.output == [None, "handled", True, {"told": True}]
        assert tell.configs == [{"text": "customer: bad (data-error)", "status": 422}]
        assert [effect.key for effect in result.effects] == ["customer!handler/tell#1"]


async def test_a_handler_on_a_group_handles_what_failed_in_it() -> None:
    steps = """
- id: all
  steps:
    - id: each
      foreach: [1, 2]
      steps: []
    - id: customer
      module: shop.get
      with: {}
  on_error:
    - set: {step: "${{ error.step }}", all: "${{ steps.all.status }}"}
- stop: success
  output: ${{ vars }}
""".replace("[1, 2]", "${{ [run] }}")
    async with shop(steps, {"shop.get": Script(DataError("bad"))}) as harness:
        assert (await harness.run({})).output == {"step": "customer", "all": "failed"}


async def test_a_handler_that_fails_fails_the_step_and_keeps_the_first_error() -> None:
    steps = """
- id: customer
  module: shop.get
  with: {}
  on_error:
    - id: tell
      module: shop.put
      with: {}
"""
    doubles = {"shop.get": Script(DataError("first")), "shop.put": Script(DataError("second"), {})}
    async with shop(steps, doubles) as harness:
        result = await harness.run({})
        assert (result.state, result.error["step"], result.error["message"]) == (
            "failed",
            "customer!handler/tell",
            "second",
        )
        assert (result.error["handling"]["step"], result.error["handling"]["message"]) == ("customer", "first")
        # it goes on from the step that failed last
        await retry(harness.store, result.run.id, harness.clock.time())
        harness.runner.wake()
        assert (await harness.result(result.run.id)).state == "succeeded"
        assert doubles["shop.get"].count == 1


async def test_commit_ends_the_run_well_and_says_where() -> None:
    steps = """
- id: first
  module: shop.put
  with: {}
- id: each
  foreach: ${{ trigger.items }}
  steps:
    - id: one
      module: shop.get
      with: {n: "${{ item }}"}
      on_error: commit
- id: never
  module: shop.put
  with: {}
"""
    put = Script({})
    async with shop(steps, {"shop.get": Script({}, DataError("bad")), "shop.put": put}) as harness:
        result = await harness.run({"items": [1, 2, 3]})
        assert (result.state, put.count) == ("succeeded", 1)
        assert result._result() == {"committed": "each[1]/one"}


async def test_a_hold_carries_its_schedule() -> None:
    steps = """
- id: one
  module: shop.get
  with: {}
  on_error: {hold: {retry: [1m, 2h]}}
"""
    async with shop(steps, {"shop.get": Script(DataError("bad"))}) as harness:
        result = await harness.run({})
        assert (result.state, result.holds[0]["code"], result.holds[0]["retry"]) == ("held", "failed", [60.0, 7200.0])


@pytest.mark.parametrize("how", ["fail", "hold", "commit", "rollback", "[{set: {handled: true}}]"])
async def test_an_unknown_write_is_held_first_whatever_follows(how: str) -> None:
    steps = f"""
- id: charge
  module: shop.charge
  with: {{}}
  on_error: {how}
- stop: success
  output: ["${{{{ steps.charge.status }}}}", "${{{{ charge }}}}"]
"""
    charge = Script(NoAnswer("t"))
    async with shop(steps, {"shop.charge": charge}) as harness:
        held = await harness.run({})
        assert (held.state, held.holds[0]["code"]) == ("held", "unknown")
        after = await resumed(harness, held.run.id, Choice.HAPPENED, output={"id": 5})
        assert (after.state, after.output, charge.count) == ("succeeded", ["done", {"id": 5}], 1)


@pytest.mark.parametrize(
    ("how", "output"), [("ignore", ["failed", None]), ("{resume: {id: 0}}", ["handled", {"id": 0}])]
)
async def test_who_does_not_mind_goes_on_and_the_ledger_says_unknown(how: str, output: Any) -> None:
    steps = f"""
- id: charge
  module: shop.charge
  with: {{}}
  on_error: {how}
- stop: success
  output: ["${{{{ steps.charge.status }}}}", "${{{{ charge }}}}"]
"""
    charge = Script(NoAnswer("t"))
    async with shop(steps, {"shop.charge": charge}) as harness:
        result = await harness.run({})
        assert (result.state, result.output, charge.count) == ("succeeded", output, 1)
        assert result.effects[0].state is EffectState.UNKNOWN


async def test_on_failure_tells_of_a_run_that_failed_for_good() -> None:
    source_head = (
        "on_failure:\n  - id: tell\n    module: shop.put\n    with: {step: '${{ error.step }}', got: '${{ got.n }}'}\n"
    )
    steps = """
- id: got
  module: shop.get
  with: {}
- id: charge
  module: shop.charge
  with: {}
"""
    put = Script({})
    charge = Script(DataError("no", refused=True), DataError("no again", refused=True), {})
    doubles = {"shop.get": Script({"n": 3}), "shop.charge": charge, "shop.put": put}
    async with with_head(source_head, steps, doubles) as harness:
        result = await harness.run({})
        assert (result.state, result.error["step"]) == ("failed", "charge")
        assert put.configs == [{"step": "charge", "got": 3}]
        # a second try that fails too is told of too; one that does not is not
        for told, state in ((2, "failed"), (2, "succeeded")):
            await retry(harness.store, result.run.id, harness.clock.time())
            harness.runner.wake()
            assert (await harness.result(result.run.id)).state == state
            assert put.count == told


async def test_on_failure_that_fails_does_not_hide_the_first_error() -> None:
    head = "on_failure:\n  - id: tell\n    module: shop.put\n    with: {}\n"
    doubles = {"shop.put": Script(DataError("cannot tell", refused=True))}
    async with with_head(head, "- stop: failure\n  message: enough\n", doubles) as harness:
        result = await harness.run({})
        assert (result.state, result.error["message"]) == ("failed", "enough")
        assert result._result()["on_failure"]["message"] == "cannot tell"


async def test_a_run_that_a_person_gives_up_runs_no_on_failure() -> None:
    head = "on_failure:\n  - id: tell\n    module: shop.put\n    with: {}\n"
    put = Script({})
    steps = "- id: one\n  module: shop.get\n  with: {}\n  on_error: hold\n"
    async with with_head(head, steps, {"shop.get": Script(DataError("x")), "shop.put": put}) as harness:
        held = await harness.run({})
        assert (held.state, put.count) == ("held", 0)
        assert (await resumed(harness, held.run.id, Choice.GIVE_UP)).state == "failed"
        assert put.count == 0


async def test_a_try_that_takes_too_long_is_tried_again_where_that_is_safe() -> None:
    steps = """
- id: got
  module: shop.get
  with: {}
  timeout: {try: 20s, step: 5m}
- id: put
  module: shop.put
  with: {}
  timeout: {try: 20s}
- stop: success
  output: ["${{ got.n }}", "${{ put.n }}"]
"""
    get, put = Hanging(1, {"n": 1}), Hanging(2, {"n": 2})
    async with shop(steps, {"shop.get": get, "shop.put": put}) as harness:
        [run_id] = (await harness.send({})).runs
        result = await harness.result(run_id, advance=100)
        assert (result.state, result.output, get.count, put.count) == ("succeeded", [1, 2], 2, 3)


async def test_a_try_of_a_plain_write_that_takes_too_long_is_unknown_and_not_tried_again() -> None:
    steps = "- id: charge\n  module: shop.charge\n  with: {}\n  timeout: {try: 20s}\n"
    charge = Hanging(1, {})
    async with shop(steps, {"shop.charge": charge}) as harness:
        [run_id] = (await harness.send({})).runs
        result = await harness.result(run_id, advance=100)
        assert (result.state, result.holds[0]["code"], charge.count) == ("held", "unknown", 1)
        assert result.holds[0]["error"]["type"] == "TimeoutError"
        assert [effect.state for effect in result.effects] == ["unknown"]


async def test_what_a_vendor_asks_to_wait_is_waited_up_to_a_day() -> None:
    steps = "- id: got\n  module: shop.get\n  with: {}\n  retry: {attempts: 2, to: 1s}\n"
    get = Script(RateLimitError("slow", retry_after=10 * 86_400.0), {})
    async with shop(steps, {"shop.get": get}) as harness:
        result = await harness.run({})
        assert result.state == "sleeping"
        assert 86_300 < (result.run.due_at or 0) - harness.clock.time() <= 86_400


async def test_an_error_without_a_vendor_has_the_same_keys() -> None:
    steps = """
- id: one
  set: {a: "${{ trigger.n + 1 }}"}
  on_error:
    - set: {seen: "${{ [error.type, error.status, error.detail, error.attempt] }}"}
- stop: success
  output: ${{ vars.seen }}
"""
    async with shop(steps, {}) as harness:
        assert (await harness.run({"n": "x"})).output == ["ExpressionError", None, None, 0]


class Hanging:
    """A double that hangs the first times."""

    def __init__(self, times: int, answer: Any) -> None:
        self.times, self.answer, self.count = times, answer, 0

    async def __call__(self, _config: Any) -> Any:
        self.count += 1
        if self.count <= self.times:
            await asyncio.Event().wait()
        return self.answer
