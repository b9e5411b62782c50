"""How a ``stop`` step ends a run, and what is kept of what it says."""

from __future__ import annotations

from tests.runtime.core import shop


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
