"""How a ``stop`` step ends a run, and what is kept of what it says."""

from __future__ import annotations

import pytest

from tests.runtime.core import Script, shop


async def test_success_keeps_output_and_message() -> None:
    async with shop(
        "- stop: success\n  output: ${{ trigger.n + 1 }}\n  message: nothing for ${{ trigger.n }}", {}
    ) as h:
        result = await h.run({"n": 4})
        assert (result.state, result.output, result.message, result.error) == ("succeeded", 5, "nothing for 4", None)


async def test_failure_keeps_message_and_output() -> None:
    async with shop('- stop: failure\n  output: {n: "${{ trigger.n }}"}\n  message: too few', {}) as h:
        result = await h.run({"n": 4})
        assert (result.state, result.output, result.error["message"]) == ("failed", {"n": 4}, "too few")
        assert result.error["code"] == "stopped"


async def test_nothing_said_is_nothing_kept() -> None:
    async with shop("- stop: success\n- set: {never: 1}", {}) as h:
        result = await h.run({})
        assert (result.state, result.output, result.message) == ("succeeded", None, None)


@pytest.mark.parametrize("how", ["ignore", "rollback", "commit", "[{set: {seen: true}}]"])
async def test_a_stop_is_a_decision_to_which_no_on_error_answers(how: str) -> None:
    taken, taken_back = Script({"id": 1}), Script({})
    steps = f"""
- id: take
  module: shop.put
  undo:
    - id: back
      module: shop.charge
- id: each
  foreach: ${{{{ [1, 2] }}}}
  on_item_error: continue
  steps:
    - if: ${{{{ item == 1 }}}}
      on_error: {how}
      steps:
        - stop: failure
          message: no more
"""
    async with shop(steps, {"shop.put": taken, "shop.charge": taken_back}) as h:
        result = await h.run({})
        assert (result.state, result.error["code"], result.error["message"]) == ("failed", "stopped", "no more")
        assert (len(taken.configs), taken_back.configs) == (1, [])
