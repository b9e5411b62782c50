"""A walk over the journal sees what the first walk saw, and does nothing that the first walk did not do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from engine.runtime.callers import ModuleCaller, plugin_fault
from engine.runtime.commands import Choice
from engine.runtime.connections import Connections
from engine.runtime.outcomes import PluginFault
from engine.runtime.secrets import Secrets
from engine.scenario.plan import ModuleStep
from engine.sdk.errors import DataError, ModuleError, RateLimitError, VendorError
from engine.sdk.errors import TimeoutError as NoAnswer
from engine.sdk.modules import Effect, Happened
from engine.testing import VirtualClock
from tests.runtime.core import Script, resumed, shop, swapped
from tests.support.shop import registry

#: a step that puts the run to sleep for a minute, so that everything before it is walked twice
NAP = """
- id: nap
  module: shop.find
  with: {}
"""


def sleeper() -> Script:
    return Script(RateLimitError("slow down", retry_after=60), [])


async def test_decisions_outlive_several_holds_without_a_row_between_them() -> None:
    steps = """
- id: first
  set: {at: "${{ now() }}"}
- id: one
  on_error: hold
  set: {x: "${{ trigger.text + 1 }}"}
- id: second
  set: {later: "${{ now() }}"}
- id: two
  on_error: hold
  set: {x: "${{ trigger.text + 1 }}"}
- stop: success
  output: ${{ vars.at }}
"""
    async with shop(steps, {}) as harness:
        started = (await harness.run({"text": "t"})).run
        result = None
        for _ in range(2):
            await harness.clock.advance(3600)
            result = await resumed(harness, started.id, Choice.SKIP)
        assert result is not None
        assert (result.state, result.output) == ("succeeded", "2024-03-05T09:00:00.000Z")


class Oddity(VendorError):
    """A plugin's own error, of a standard kind."""

    code = "shop-oddity"


@pytest.mark.parametrize("error", [Oddity("odd"), DataError("no", detail={"why": ("a", "b")}), KeyError("a mistake")])
@pytest.mark.parametrize("module", ["get", "charge"])
async def test_a_failure_looks_the_same_when_it_is_walked_again(module: str, error: Exception) -> None:
    steps = f"""
- id: a
  module: shop.{module}
  on_error: ignore
  retry: {{attempts: 1}}
  with: {{}}
- id: before
  set: {{error: "${{{{ steps.a.error }}}}"}}
{NAP}
- if: ${{{{ steps.a.error == vars.error }}}}
  steps:
    - stop: success
      output: ${{{{ vars.error.code }}}}
- stop: failure
"""

    def double(_config: Mapping[str, Any]) -> Any:
        if isinstance(error, ModuleError):
            raise error
        raise plugin_fault(engine.plans[0].steps[0], error)  # type: ignore[arg-type]  # it is the module step

    async with shop(steps, {f"shop.{module}": double, "shop.find": sleeper()}) as engine:
        [run_id] = (await engine.send({})).runs
        result = await engine.result(run_id, advance=100)
        assert result.state == "succeeded", result.error
        assert result.output == ("plugin-error" if isinstance(error, KeyError) else error.code)  # type: ignore[attr-defined]  # as above


async def test_a_plugins_own_error_of_a_transient_kind_is_still_tried_again_after_a_sleep() -> None:
    steps = """
- id: a
  module: shop.get
  retry: {attempts: 2, from: 60s}
  with: {}
"""
    double = Script(Oddity("odd"), {})
    async with shop(steps, {"shop.get": double}) as harness:
        [run_id] = (await harness.send({})).runs
        result = await harness.result(run_id, advance=100)
        assert (result.state, double.count) == ("succeeded", 2)


@pytest.mark.parametrize("module", ["get", "charge"])
async def test_an_output_is_seen_as_the_journal_holds_it_the_first_time_too(module: str) -> None:
    steps = f"""
- id: a
  module: shop.{module}
  with: {{}}
- id: before
  set: {{a: "${{{{ a }}}}", last: "${{{{ a.list[-1] }}}}"}}
{NAP}
- stop: success
  output: {{same: "${{{{ a == vars.a }}}}", last: "${{{{ vars.last }}}}"}}
"""
    output = {"list": (1, 2), 5: None}
    double = {f"shop.{module}": lambda _config: output, "shop.find": sleeper()}
    async with shop(steps, double) as harness:
        [run_id] = (await harness.send({})).runs
        result = await harness.result(run_id, advance=100)
        assert (result.state, result.output) == ("succeeded", {"same": True, "last": 2})


async def test_a_probes_output_is_seen_as_the_journal_holds_it() -> None:
    steps = f"""
- id: a
  module: shop.probed
  with: {{}}
- id: before
  set: {{last: "${{{{ a.list[-1] }}}}"}}
{NAP}
- stop: success
  output: ${{{{ vars.last }}}}
"""
    harness = shop(steps, {"shop.probed": Script(NoAnswer("t")), "shop.find": sleeper()})
    harness._caller.probes["shop.probed"] = lambda _config: Happened({"list": (1, 2)})
    async with harness:
        [run_id] = (await harness.send({})).runs
        assert (await harness.result(run_id, advance=200)).output == 2


async def test_a_loop_that_failed_does_not_go_on_with_its_items_when_it_is_walked_again() -> None:
    steps = f"""
- id: each
  foreach: ${{{{ trigger.items }}}}
  concurrency: 2
  on_error: ignore
  steps:
    - id: put
      module: shop.charge
      with: {{n: "${{{{ item }}}}"}}
{NAP}
"""
    slow = asyncio.Event()
    seen: list[int] = []

    async def charge(config: Mapping[str, Any]) -> Any:
        seen.append(config["n"])
        if config["n"] == 1:
            await slow.wait()
        if config["n"] == 2:
            raise DataError("no", refused=True)
        return {}

    async with shop(steps, {"shop.charge": charge, "shop.find": sleeper()}) as harness:
        [run_id] = (await harness.send({"items": [1, 2, 3, 4]})).runs
        await harness.clock.settle()
        slow.set()
        result = await harness.result(run_id, advance=100)
        assert (result.state, seen) == ("succeeded", [1, 2])


async def test_a_transforms_mistake_is_the_plugins_and_fails_the_step() -> None:
    steps = """
- id: a
  module: shop.double
  on_error: ignore
  retry: {attempts: 2, on: [DataError]}
  with: {n: "${{ trigger.n }}"}
- stop: success
  output: ${{ steps.a.error.code }}
"""
    async with shop(steps, {}) as harness:
        [run_id] = (await harness.send({"n": "text"})).runs
        result = await harness.result(run_id, advance=100)
        assert (result.state, result.output) == ("succeeded", "data-error"), result.holds
        transform = harness.plans[0].steps[0].module  # type: ignore[attr-defined]  # it is a module step
        with swapped(transform, "apply", lambda config: config["absent"]):
            result = await harness.run({"n": 1})
        assert (result.state, result.output) == ("succeeded", "plugin-error"), result.holds


async def test_an_effect_function_that_raises_is_the_plugins_mistake() -> None:
    def mistaken(_config: Mapping[str, Any]) -> Effect:
        raise KeyError("method")

    [step] = shop("- id: a\n  module: shop.call\n  with: {}", {}).plans[0].steps
    assert isinstance(step, ModuleStep)
    caller = ModuleCaller(Connections({}, registry(), Secrets({}), VirtualClock()))
    with swapped(step.module, "effect", mistaken), pytest.raises(PluginFault, match="raised KeyError"):
        caller.effect(step, {})
