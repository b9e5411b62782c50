"""An effect whose outcome is unknown is never repeated blindly."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from engine.runtime.commands import Choice, CommandRefused, resume
from engine.sdk.errors import ConnectionError, RateLimitError, TimeoutError, VendorError  # noqa: A004 - the field's names
from engine.sdk.modules import Happened, ProbeResult
from engine.store.records import EffectState
from engine.testing import Harness, RunResult
from tests.promises.shop_runs import PASSED, Crashed, NewHarness, crash, settle
from tests.support.shop import scenario


def assert_nothing_doubled(crashed: Crashed) -> None:
    """The write that must not be made twice reached the vendor once at most; unknown ones wait for a person."""
    assert all(count <= 1 for count in crashed.vendor.charges.values()), crashed.vendor.charges
    for email, states in crashed.states.items():
        if states == ["succeeded"]:
            assert crashed.vendor.charges[email] == 1
        else:
            assert (states, crashed.holds[email]) == (["held"], ["unknown"])


@pytest.mark.parametrize("nth", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("point", PASSED)
async def test_nothing_is_sent_twice_after_a_crash_anywhere(new_harness: NewHarness, point: str, nth: int) -> None:
    crashed = await crash(new_harness, point, nth)
    assert_nothing_doubled(crashed)
    await crashed.harness.stop()


CHARGE_ONCE = scenario("""
- id: charge
  module: shop.charge
  with: {email: "${{ trigger.email }}"}
- stop: success
  output: ${{ charge }}
""")


class Scripted:
    """A module double that fails in a given way first."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.count = 0

    def __call__(self, config: Mapping[str, Any]) -> Any:
        self.count += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def held(new_harness: NewHarness, double: Any) -> tuple[Harness, RunResult]:
    harness = new_harness(CHARGE_ONCE, doubles={"shop.charge": double})
    await harness.start()
    result = await harness.run({"email": "ana@example.com"})
    return harness, result


@pytest.mark.parametrize("error", [TimeoutError("t"), ConnectionError("reset"), VendorError("500", status=500)])
async def test_an_unknown_write_holds_the_run_without_another_try(new_harness: NewHarness, error: Exception) -> None:
    double = Scripted(error)
    harness, result = await held(new_harness, double)
    assert (result.state, result.holds[0]["code"], double.count) == ("held", "unknown", 1)
    assert result.effects[0].state is EffectState.UNKNOWN
    await harness.stop()


async def test_a_refused_write_is_tried_again(new_harness: NewHarness) -> None:
    double = Scripted(RateLimitError("slow down", retry_after=2.0), ConnectionError("refused", refused=True), {"id": 1})
    harness = new_harness(CHARGE_ONCE, doubles={"shop.charge": double})
    async with harness:
        [run_id] = (await harness.send({"email": "ana@example.com"})).runs
        result = await harness.result(run_id, advance=60)
        assert (result.state, result.output, double.count) == ("succeeded", {"id": 1}, 3)
        assert [e.state for e in result.effects] == ["refused", "refused", "done"]
        assert result.effects[1].intended_at - result.effects[0].intended_at >= 2.0


@pytest.mark.parametrize(
    ("choice", "output", "state", "expected", "count"),
    [
        (Choice.HAPPENED, {"id": 9}, "succeeded", {"id": 9}, 1),
        (Choice.AGAIN, None, "succeeded", {"id": 2}, 2),
        (Choice.SKIP, None, "succeeded", None, 1),
        (Choice.GIVE_UP, None, "failed", None, 1),
    ],
)
async def test_a_person_settles_the_rest(
    new_harness: NewHarness, choice: Choice, output: Any, state: str, expected: Any, count: int
) -> None:
    double = Scripted(TimeoutError("t"), {"id": 2})
    harness, result = await held(new_harness, double)
    run_id = result.run.id
    await resume(harness.store, run_id, choice, harness.clock.time(), output=output, reason="looked", by="eve")
    harness.runner.wake()
    await settle(harness)
    after = await harness.result(run_id)
    assert (after.state, after.output, double.count) == (state, expected, count)
    if choice in (Choice.AGAIN, Choice.HAPPENED):
        assert (after.effects[0].settled_by, after.effects[0].reason) == ("person:eve", "looked")
    with pytest.raises(CommandRefused, match="not held"):
        await resume(harness.store, run_id, choice, harness.clock.time())
    await harness.stop()


async def test_the_repeat_sends_the_stored_request(new_harness: NewHarness) -> None:
    source = scenario("""
- id: charge
  module: shop.charge
  with: {email: "${{ trigger.email }}", at: "${{ now() }}"}
""")
    seen: list[Any] = []

    def charge(config: Mapping[str, Any]) -> Any:
        seen.append(dict(config))
        if len(seen) == 1:
            raise TimeoutError("t")
        return {}

    async with new_harness(source, doubles={"shop.charge": charge}) as harness:
        result = await harness.run({"email": "a@example.com"})
        await harness.clock.advance(3600)
        await resume(harness.store, result.run.id, Choice.AGAIN, harness.clock.time())
        harness.runner.wake()
        await settle(harness)
        assert (await harness.look(result.run.id)).state == "succeeded"
        assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("answer", "state", "count"),
    [(Happened({"id": 5}), "succeeded", 1), (ProbeResult.ABSENT, "succeeded", 2), (ProbeResult.UNKNOWN, "held", 1)],
)
async def test_a_probe_settles_what_it_can(new_harness: NewHarness, answer: Any, state: str, count: int) -> None:
    source = CHARGE_ONCE.replace("shop.charge", "shop.probed")
    double = Scripted(TimeoutError("t"), {"id": 6})
    harness = new_harness(source, doubles={"shop.probed": double})
    harness._caller.probes["shop.probed"] = lambda _config: answer
    async with harness:
        [run_id] = (await harness.send({"email": "a@example.com"})).runs
        await settle(harness)
        assert double.count == 1, "the vendor shows changes after a minute; an absent before that is no absent"
        result = await harness.result(run_id, advance=61)
        assert (result.state, double.count) == (state, count)


@pytest.mark.parametrize("config", ["blind: true", "mistaken: true"])
async def test_a_probe_that_can_find_nothing_is_neither_waited_for_nor_asked(
    new_harness: NewHarness, config: str
) -> None:
    source = CHARGE_ONCE.replace("shop.charge", "shop.probed").replace("with: {", f"with: {{{config}, ")
    double = Scripted(TimeoutError("t"))
    harness = new_harness(source, doubles={"shop.probed": double})
    asked: list[Any] = []
    harness._caller.probes["shop.probed"] = lambda given: asked.append(given) or Happened({"id": 5})
    async with harness:
        [run_id] = (await harness.send({"email": "a@example.com"})).runs
        result = await harness.result(run_id, advance=0)
        assert (result.state, double.count, asked) == ("held", 1, [])


async def test_an_idempotent_write_is_repeated_with_the_same_key(new_harness: NewHarness) -> None:
    source = CHARGE_ONCE.replace("shop.charge", "shop.pay")
    double = Scripted(TimeoutError("t"), {"id": 6})
    async with new_harness(source, doubles={"shop.pay": double}) as harness:
        [run_id] = (await harness.send({"email": "a@example.com"})).runs
        result = await harness.result(run_id, advance=60)
        assert result.state == "succeeded"
        assert [e.state for e in result.effects] == ["unknown", "done"]
        assert len({call.key for call in harness.calls}) == 1


async def test_a_timeout_in_a_write_holds_the_run(new_harness: NewHarness) -> None:
    source = scenario("""
- id: charge
  module: shop.charge
  timeout: 5s
  with: {}
""")

    async def hang(_config: Mapping[str, Any]) -> Any:
        await asyncio.Event().wait()

    async with new_harness(source, doubles={"shop.charge": hang}) as harness:
        [run_id] = (await harness.send({})).runs
        result = await harness.result(run_id, advance=10)
        assert (result.state, result.holds[0]["code"]) == ("held", "unknown")
        await resume(harness.store, run_id, Choice.HAPPENED, harness.clock.time(), output={})
        harness.runner.wake()
        await settle(harness)
        assert (await harness.look(run_id)).state == "succeeded"


async def test_ignore_goes_on_and_the_ledger_says_unknown(new_harness: NewHarness) -> None:
    source = CHARGE_ONCE.replace("    with:", "    on_error: ignore\n    with:")
    double = Scripted(TimeoutError("t"))
    harness = new_harness(source, doubles={"shop.charge": double})
    async with harness:
        result = await harness.run({"email": "a@example.com"})
        assert (result.state, double.count) == ("succeeded", 1)
        assert result.effects[0].state is EffectState.UNKNOWN
