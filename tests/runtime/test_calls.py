"""``call``: a scenario starts a run of another one, once, and waits for it or not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from engine.runtime.callees import DEEPEST
from engine.runtime.commands import Choice, CommandRefused, cancel, resume, retry
from engine.runtime.replays import Wanted, lend, replay
from engine.sdk.errors import ConnectionError as NoConnection
from engine.sdk.errors import DataError
from engine.store.calls import CallsBy, CallsOf
from engine.store.changes import MoveRun, Prune
from engine.store.ids import read, show
from engine.store.records import EffectState, RunFilter
from engine.testing import CrashAt, Harness, RunResult
from tests.runtime.core import Double, Script
from tests.support.shop import registry

CALLER = """
scenario: caller
trigger:
  module: shop.watch
steps:
  - id: tier
    call: vip-tier
    with: {email: "${{ trigger.email }}"}
output: ${{ tier }}
"""
TIER = """
scenario: vip-tier
inputs:
  email: {type: string, required: true}
steps:
  - id: charge
    module: shop.charge
    with: {for: "${{ inputs.email }}"}
output: {tier: "${{ charge.tier }}", of: "${{ inputs.email }}"}
"""
ANA = {"email": "ana@example.com"}
GOLD = {"tier": "GOLD"}


def both(doubles: Mapping[str, Double], caller: str = CALLER, callee: str = TIER, **options: Any) -> Harness:
    return Harness([caller, callee], doubles=doubles, registry=registry(), **options)


async def called(harness: Harness, event: Any = ANA, **more: Any) -> RunResult:
    """The caller's run, once it is at rest."""
    return await harness.run(event, to="caller", **more)


async def child_of(harness: Harness, run_id: int) -> RunResult:
    [found] = await harness.store.ask(CallsBy(run_id))
    return await harness.look(found.call.run_id)


async def runs_of(harness: Harness, scenario: str) -> int:
    return len(await harness.store.runs(RunFilter(scenario=scenario)))


# ---------------------------------------------------------------------- what it gives


async def test_a_call_gives_what_the_called_run_gives() -> None:
    async with both({"shop.charge": Script(GOLD)}) as harness:
        result = await called(harness)
        for _ in range(3):
            result = await harness.result(result.run.id)
        assert (result.state, result.output) == ("succeeded", {"tier": "GOLD", "of": "ana@example.com"})
        child = await child_of(harness, result.run.id)
        assert (child.run.scenario, child.run.subject) == ("vip-tier", result.run.subject)
        call = (await harness.store.ask(CallsOf([child.run.id])))[child.run.id]
        assert (call.caller_id, call.key, call.depth, call.root) == (result.run.id, "tier#1", 1, result.run.id)


async def test_a_caller_waits_without_memory_and_over_a_restart() -> None:
    waits = TIER.replace("steps:\n", "steps:\n  - {id: go, wait_for: {signal: go}}\n")
    async with both({"shop.charge": Script(GOLD)}, callee=waits) as harness:
        result = await called(harness)
        assert (result.state, result.run.due_at) == ("waiting", None)
        assert harness.runner._tasks == {}
        await harness.restart()
        assert await harness.signal("go") == 1
        assert (await at_end(harness, result.run.id)).output["tier"] == "GOLD"
        assert await runs_of(harness, "vip-tier") == 1


async def at_end(harness: Harness, run_id: int, *, advance: float = 0.0) -> RunResult:
    """A run once all that goes on by itself has gone on."""
    for _ in range(20):
        await harness.rest()
        await harness.written()
        result = await harness.result(run_id, advance=advance)
        if result.state != "waiting":
            return result
    return result


async def test_a_call_that_is_not_waited_for_gives_the_run() -> None:
    caller = CALLER.replace("    call: vip-tier\n", "    call: vip-tier\n    wait: false\n")
    async with both({"shop.charge": Script(NoConnection("down"))}, caller) as harness:
        result = await called(harness)
        assert (result.state, result.output["scenario"]) == ("succeeded", "vip-tier")
        child = await harness.result(read(result.output["run"]), advance=60)
        assert child.state == "held"
        assert (await harness.look(result.run.id)).state == "succeeded"


# ---------------------------------------------------------------------- failure


async def test_the_failure_of_the_called_run_is_the_steps() -> None:
    doubles = {"shop.charge": Script(DataError("no way", refused=True))}
    async with both(doubles) as harness:
        result = await at_end(harness, (await called(harness)).run.id, advance=60)
        assert (result.state, result.error["code"], result.error["step"]) == ("failed", "call-failed", "tier")
        assert result.error["type"] == "DataError"
        child = await child_of(harness, result.run.id)
        assert show(child.run.id) in result.error["message"]
        assert "no way" in result.error["message"]
        assert result.error["detail"]["error"]["step"] == "charge"


async def test_a_held_run_keeps_its_caller_waiting() -> None:
    async with both({"shop.charge": Script(NoConnection("lost"), GOLD)}) as harness:
        result = await at_end(harness, (await called(harness)).run.id)
        assert result.state == "waiting"
        child = await child_of(harness, result.run.id)
        assert child.state == "held"
        await resume(harness.store, child.run.id, Choice.HAPPENED, harness.clock.time(), output=GOLD)
        harness.runner.wake()
        assert (await at_end(harness, result.run.id)).output["tier"] == "GOLD"


async def test_a_called_run_that_is_cancelled_fails_the_step() -> None:
    async with both({"shop.charge": Script(NoConnection("lost"))}) as harness:
        result = await at_end(harness, (await called(harness)).run.id)
        child = await child_of(harness, result.run.id)
        await cancel(harness.store, child.run.id, harness.clock.time(), reason="not needed")
        harness.runner.wake()
        result = await at_end(harness, result.run.id)
        assert (result.state, result.error["code"]) == ("failed", "call-failed")
        assert "was cancelled: not needed" in result.error["message"]


async def test_a_caller_that_is_cancelled_leaves_the_called_run_alone() -> None:
    async with both({"shop.charge": Script(NoConnection("lost"))}) as harness:
        result = await at_end(harness, (await called(harness)).run.id)
        await cancel(harness.store, result.run.id, harness.clock.time())
        child = await child_of(harness, result.run.id)
        assert child.state == "held"
        await resume(harness.store, child.run.id, Choice.HAPPENED, harness.clock.time(), output=GOLD)
        harness.runner.wake()
        assert (await harness.result(child.run.id)).state == "succeeded"
        assert (await harness.look(result.run.id)).state == "cancelled"


async def test_a_call_that_takes_too_long_fails_and_the_called_run_goes_on() -> None:
    caller = CALLER.replace("    call: vip-tier\n", "    call: vip-tier\n    timeout: 10m\n")
    waits = TIER.replace("steps:\n", "steps:\n  - {id: go, wait_for: {signal: go}}\n")
    async with both({"shop.charge": Script(GOLD)}, caller, waits) as harness:
        result = await called(harness)
        assert result.run.due_at == harness.clock.time() + 600
        await harness.clock.advance(601)
        result = await at_end(harness, result.run.id)
        assert (result.state, result.error["code"]) == ("failed", "timeout")
        assert "10m" in result.error["message"]
        assert await harness.signal("go") == 1
        child = await child_of(harness, result.run.id)
        assert (await harness.result(child.run.id)).state == "succeeded"
        assert (await harness.look(result.run.id)).state == "failed"
        # tried again, it takes what the run has given meanwhile
        await retry(harness.store, result.run.id, harness.clock.time())
        harness.runner.wake()
        assert (await at_end(harness, result.run.id)).output["tier"] == "GOLD"
        assert await runs_of(harness, "vip-tier") == 1


async def test_on_timeout_goes_on_in_another_way() -> None:
    more = "    call: vip-tier\n    timeout: 10m\n    on_timeout:\n      - set: {late: true}\n"
    caller = CALLER.replace("    call: vip-tier\n", more).replace("${{ tier }}", "${{ vars.late }}")
    waits = TIER.replace("steps:\n", "steps:\n  - {id: go, wait_for: {signal: go}}\n")
    async with both({"shop.charge": Script(GOLD)}, caller, waits) as harness:
        result = await called(harness)
        await harness.clock.advance(601)
        assert (await at_end(harness, result.run.id)).output is True


async def test_a_caller_that_is_tried_again_lets_the_called_run_go_on_from_where_it_failed() -> None:
    callee = TIER.replace("steps:\n", "steps:\n  - {id: first, module: shop.pay, with: {a: 1}}\n")
    pay, charge = Script({}), Script(DataError("down", refused=True), GOLD)
    async with both({"shop.pay": pay, "shop.charge": charge}, callee=callee) as harness:
        result = await at_end(harness, (await called(harness)).run.id, advance=60)
        assert result.state == "failed"
        await retry(harness.store, result.run.id, harness.clock.time())
        harness.runner.wake()
        result = await at_end(harness, result.run.id)
        assert (result.state, result.output["tier"]) == ("succeeded", "GOLD")
        assert (pay.count, await runs_of(harness, "vip-tier")) == (1, 1)


async def test_what_a_run_wrote_that_cannot_go_on_is_not_written_again() -> None:
    callee = TIER.replace("output:", "  - {stop: failure, message: enough}\noutput:")
    charge = Script(GOLD)
    async with both({"shop.charge": charge}, callee=callee) as harness:
        result = await at_end(harness, (await called(harness)).run.id)
        assert "enough" in result.error["message"]
        await retry(harness.store, result.run.id, harness.clock.time())
        harness.runner.wake()
        result = await at_end(harness, result.run.id)
        assert (result.state, result.error["code"]) == ("failed", "call-not-again")
        assert charge.count == 1


async def test_a_run_that_wrote_nothing_and_cannot_go_on_is_made_anew() -> None:
    callee = "scenario: vip-tier\ninputs:\n  email: {type: string}\nsteps:\n  - {stop: failure, message: no}\n"
    async with both({}, callee=callee) as harness:
        result = await at_end(harness, (await called(harness)).run.id)
        await retry(harness.store, result.run.id, harness.clock.time())
        harness.runner.wake()
        assert (await at_end(harness, result.run.id)).error["code"] == "call-failed"
        assert await runs_of(harness, "vip-tier") == 2


# ---------------------------------------------------------------------- what cannot be called


@pytest.mark.parametrize(
    ("caller", "callee", "code"),
    [
        (CALLER.replace("call: vip-tier", "call: vip-teer"), TIER, "unknown-scenario"),
        (CALLER, TIER.replace("inputs:", "active: false\ninputs:"), "not-startable"),
        (CALLER, "scenario: vip-tier\ntrigger: {module: shop.watch}\nsteps: []\n", "not-startable"),
        (CALLER.replace("email:", "e_mail:"), TIER, "bad-inputs"),
        (CALLER.replace("trigger.email", "trigger"), TIER, "bad-inputs"),
    ],
)
async def test_a_call_that_cannot_be_made_fails_its_step(caller: str, callee: str, code: str) -> None:
    async with both({}, caller, callee) as harness:
        result = await called(harness)
        assert (result.state, result.error["code"], result.error["step"]) == ("failed", code, "tier")
        assert result.error["place"]
        assert await runs_of(harness, "vip-tier") == 0


async def test_calls_have_an_end() -> None:
    caller = CALLER.replace("call: vip-tier", "call: caller").replace("trigger:", "inputs: {email: {}}\ntrigger:")
    caller = caller.replace("trigger.email", "inputs.email || 'a'")
    async with both({}, caller) as harness:
        result = await at_end(harness, (await called(harness)).run.id)
        assert result.state == "failed"
        assert await runs_of(harness, "caller") == DEEPEST + 1
        codes = [run.error["code"] for run in await harness.rest()]
        assert codes == ["call-too-deep", *["call-failed"] * DEEPEST]


@pytest.mark.parametrize("wait", [True, False])
async def test_a_key_that_the_caller_holds_is_not_waited_for(wait: bool) -> None:
    order = 'order_by: {key: "${{ KEY.email }}", group: customers}\n'
    caller = CALLER.replace("steps:", order.replace("KEY", "trigger") + "steps:")
    caller = caller.replace("call: vip-tier", f"call: vip-tier\n    wait: {str(wait).lower()}")
    callee = TIER.replace("steps:", order.replace("KEY", "inputs") + "steps:")
    async with both({"shop.charge": Script(GOLD)}, caller, callee) as harness:
        result = await at_end(harness, (await called(harness)).run.id)
        if wait:
            assert (result.state, result.error["code"]) == ("failed", "call-deadlock")
        else:
            assert result.state == "succeeded"
            assert (await harness.result(read(result.output["run"]))).state == "succeeded"


async def test_the_called_scenarios_own_order_holds() -> None:
    callee = TIER.replace("steps:", "order_by: ${{ inputs.email }}\nsteps:\n  - {id: go, wait_for: {signal: go}}")
    async with both({"shop.charge": Script(GOLD)}, callee=callee) as harness:
        first, second = [(await called(harness)).run.id for _ in range(2)]
        states = [(await child_of(harness, run_id)).state for run_id in (first, second)]
        assert states == ["waiting", "blocked"]
        for run_id in (first, second):
            assert await harness.signal("go") == 1
            assert (await at_end(harness, run_id)).state == "succeeded"


async def test_a_scenario_that_skips_makes_no_run_and_says_so() -> None:
    callee = TIER.replace(
        "steps:", "order_by: ${{ inputs.email }}\nmode: skip\nsteps:\n  - {id: go, wait_for: {signal: go}}"
    )
    async with both({}, callee=callee) as harness:
        first, second = [(await called(harness)).run.id for _ in range(2)]
        assert (await harness.look(first)).state == "waiting"
        assert (await at_end(harness, second)).error["code"] == "call-skipped"


async def test_a_skipped_run_that_is_not_waited_for_is_told_too() -> None:
    caller = CALLER.replace("    call: vip-tier\n", "    call: vip-tier\n    wait: false\n")
    callee = TIER.replace(
        "steps:", "order_by: ${{ inputs.email }}\nmode: skip\nsteps:\n  - {id: go, wait_for: {signal: go}}"
    )
    async with both({}, caller, callee) as harness:
        first, second = [await called(harness) for _ in range(2)]
        assert first.state == "succeeded"
        assert (second.state, second.error["code"]) == ("failed", "call-skipped")
        await harness.restart()
        await retry(harness.store, second.run.id, harness.clock.time())
        harness.runner.wake()
        assert (await at_end(harness, second.run.id)).error["code"] == "call-skipped"


async def test_a_run_that_a_newer_one_replaces_fails_its_caller() -> None:
    callee = TIER.replace(
        "steps:", "order_by: ${{ inputs.email }}\nmode: replace\nsteps:\n  - {id: go, wait_for: {signal: go}}"
    )
    async with both({}, callee=callee) as harness:
        first, second = [(await called(harness)).run.id for _ in range(2)]
        assert "took its place" in (await at_end(harness, first)).error["message"]
        assert (await harness.look(second)).state == "waiting"


async def test_a_debounced_scenario_is_called_at_once() -> None:
    callee = TIER.replace("steps:", "debounce: {for: 1h}\nsteps:")
    async with both({"shop.charge": Script(GOLD)}, callee=callee) as harness:
        assert (await at_end(harness, (await called(harness)).run.id)).output["tier"] == "GOLD"


# ---------------------------------------------------------------------- loops, branches, crashes


async def test_calls_side_by_side_are_calls_of_their_own() -> None:
    caller = """
scenario: caller
trigger: {module: shop.watch}
steps:
  - id: each
    foreach: ${{ trigger.emails }}
    concurrency: 3
    collect: ${{ tier.of }}
    steps:
      - {id: tier, call: vip-tier, with: {email: "${{ item }}"}}
output: ${{ each }}
"""
    emails = [f"{name}@example.com" for name in "abcde"]
    async with both({"shop.charge": lambda _config: GOLD}, caller) as harness:
        result = await at_end(harness, (await called(harness, {"emails": emails})).run.id)
        assert (result.state, result.output) == ("succeeded", emails)
        assert await runs_of(harness, "vip-tier") == 5


@pytest.mark.parametrize("point", ["run.calling", "run.called", "run.moved", "run.ending", "run.claimed", "run.taken"])
@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_death_anywhere_starts_no_second_run(point: str, nth: int) -> None:
    faults = CrashAt(point, nth)
    harness = both({"shop.put": lambda _config: GOLD}, callee=TIER.replace("shop.charge", "shop.put"), faults=faults)

    async def live() -> None:
        await harness.start()
        await harness.send(ANA, to="caller")
        await harness.rest()

    # who is dead answers nobody
    life, death = asyncio.ensure_future(live()), asyncio.ensure_future(faults.death())
    await asyncio.wait({life, death}, return_when=asyncio.FIRST_COMPLETED)
    life.cancel()
    death.cancel()
    await asyncio.gather(life, death, return_exceptions=True)
    await harness.restart()
    caller = min(run.id for run in await harness.store.runs(RunFilter(scenario="caller")))
    result = await at_end(harness, caller)
    assert (result.state, result.output["tier"]) == ("succeeded", "GOLD")
    assert await runs_of(harness, "vip-tier") == 1
    child = await child_of(harness, caller)
    assert child.effects[-1].state is EffectState.DONE
    await harness.stop()


async def test_a_rollback_waits_for_no_called_run() -> None:
    caller = """
scenario: caller
trigger: {module: shop.watch}
steps:
  - id: each
    foreach: ${{ [1, 2] }}
    concurrency: 2
    steps:
      - if: ${{ item == 1 }}
        steps:
          - {id: tier, call: vip-tier, with: {email: a}}
        else:
          - {id: bad, module: shop.pay, with: {}, on_error: rollback}
"""
    waits = TIER.replace("steps:\n", "steps:\n  - {id: go, wait_for: {signal: go}}\n")
    async with both({"shop.pay": Script(DataError("no", refused=True))}, caller, waits) as harness:
        result = await at_end(harness, (await called(harness)).run.id, advance=60)
        assert result.state == "failed"
        assert (await child_of(harness, result.run.id)).state == "waiting"


async def test_a_finished_call_cannot_be_retried_from_the_called_side_twice() -> None:
    async with both({"shop.charge": Script(DataError("no", refused=True))}) as harness:
        result = await at_end(harness, (await called(harness)).run.id, advance=60)
        child = await child_of(harness, result.run.id)
        assert child.state == "failed"
        await retry(harness.store, child.run.id, harness.clock.time())
        with pytest.raises(CommandRefused):
            await retry(harness.store, child.run.id, harness.clock.time())
        # while it goes on, its caller waits for the same run again
        await retry(harness.store, result.run.id, harness.clock.time())
        harness.runner.wake()
        result = await at_end(harness, result.run.id, advance=60)
        assert (result.state, await runs_of(harness, "vip-tier")) == ("failed", 1)


# ---------------------------------------------------------------------- replays


async def replayed(harness: Harness, run_id: int) -> RunResult:
    catalog = harness.runner._catalog
    made = await replay(harness.store, catalog, harness.clock, run_id, Wanted(), epoch=harness.runner.epoch)
    harness.runner.wake(made.scenarios)
    return await at_end(harness, made.run.id)


async def test_a_replay_of_the_caller_calls_nothing_again() -> None:
    charge = Script(GOLD)
    async with both({"shop.charge": charge}) as harness:
        result = await at_end(harness, (await called(harness)).run.id)
        again = await replayed(harness, result.run.id)
        assert (again.state, again.output) == ("succeeded", result.output)
        assert (charge.count, await runs_of(harness, "vip-tier")) == (1, 1)


async def test_a_replay_that_would_call_with_other_inputs_asks() -> None:
    charge = Script(GOLD)
    text = CALLER.replace("${{ trigger.email }}", "${{ run.id }}")
    async with both({"shop.charge": charge}, text) as harness:
        result = await at_end(harness, (await called(harness)).run.id)
        await harness.clock.advance(60)
        again = await replayed(harness, result.run.id)
        assert (again.state, [hold["code"] for hold in again.holds]) == ("held", ["differs"])
        assert charge.count == 1
        await resume(harness.store, again.run.id, Choice.AGAIN, harness.clock.time())
        harness.runner.wake()
        assert (await at_end(harness, again.run.id)).state == "succeeded"
        assert (charge.count, await runs_of(harness, "vip-tier")) == (2, 2)


HOLDS = TIER.replace("    with: {for", "    on_error: hold\n    with: {for")


async def test_who_waits_for_a_held_run_waits_for_its_replay() -> None:
    charge = Script(DataError("no", refused=True), GOLD)
    async with both({"shop.charge": charge}, callee=HOLDS) as harness:
        result = await at_end(harness, (await called(harness)).run.id)
        child = await child_of(harness, result.run.id)
        assert (result.state, child.state) == ("waiting", "held")
        again = await replayed(harness, child.run.id)
        assert again.state == "succeeded"
        assert (await harness.look(child.run.id)).state == "cancelled"
        result = await at_end(harness, result.run.id)
        assert (result.state, result.output["tier"], charge.count) == ("succeeded", "GOLD", 2)
        call = (await harness.store.ask(CallsOf([again.run.id])))[again.run.id]
        assert (call.caller_id, call.depth) == (result.run.id, 1)


async def test_a_caller_that_is_tried_again_takes_what_a_replay_of_the_called_run_gave() -> None:
    caller = CALLER.replace("    call: vip-tier\n", "    call: vip-tier\n    timeout: 10m\n")
    charge = Script(DataError("no", refused=True), GOLD)
    async with both({"shop.charge": charge}, caller, HOLDS) as harness:
        result = await called(harness)
        await harness.clock.advance(601)
        result = await at_end(harness, result.run.id)
        assert (result.state, result.error["code"]) == ("failed", "timeout")
        child = await child_of(harness, result.run.id)
        assert (await replayed(harness, child.run.id)).state == "succeeded"
        await retry(harness.store, result.run.id, harness.clock.time())
        harness.runner.wake()
        assert (await at_end(harness, result.run.id)).output["tier"] == "GOLD"
        assert (charge.count, await runs_of(harness, "vip-tier")) == (2, 2)


@pytest.mark.parametrize("wait", [True, False])
async def test_a_replay_of_the_caller_takes_what_a_run_gave_that_is_gone(wait: bool) -> None:
    caller = CALLER.replace("call: vip-tier", f"call: vip-tier\n    wait: {str(wait).lower()}")
    charge = Script(GOLD)
    async with both({"shop.charge": charge}, caller) as harness:
        result = await at_end(harness, (await called(harness)).run.id)
        child = await child_of(harness, result.run.id)
        await harness.store.put(
            Prune(final=("succeeded",), ended_before=harness.clock.time() + 1, runs=(child.run.id,))
        )
        assert await runs_of(harness, "vip-tier") == 0
        again = await replayed(harness, result.run.id)
        assert (again.state, again.output) == ("succeeded", result.output)
        assert (charge.count, await runs_of(harness, "vip-tier")) == (1, 0)


async def test_what_a_run_did_that_is_gone_and_failed_is_not_done_again() -> None:
    callee = TIER.replace("output:", "  - {stop: failure, message: enough}\noutput:")
    charge = Script(GOLD)
    async with both({"shop.charge": charge}, callee=callee) as harness:
        result = await at_end(harness, (await called(harness)).run.id)
        child = await child_of(harness, result.run.id)
        await harness.store.put(Prune(final=("failed",), ended_before=harness.clock.time() + 1, runs=(child.run.id,)))
        again = await replayed(harness, result.run.id)
        assert (again.state, again.error["code"], charge.count) == ("failed", "call-not-again", 1)


async def test_a_rollback_undoes_a_call_that_ended_while_nobody_looked() -> None:
    caller = """
scenario: caller
trigger: {module: shop.watch}
steps:
  - parallel:
      first:
        - {id: told, wait_for: {signal: told}}
        - {id: bad, set: {x: "${{ 1 / 0 }}"}, on_error: rollback}
      second:
        - id: tier
          call: vip-tier
          with: {email: a}
          undo:
            - {id: back, module: shop.put, with: {of: "${{ tier.tier }}"}}
"""
    waits = TIER.replace("output:", "  - {id: go, wait_for: {signal: go}}\noutput:")
    put = Script({})
    async with both({"shop.charge": Script(GOLD), "shop.put": put}, caller, waits) as harness:
        result = await at_end(harness, (await called(harness)).run.id)
        child = await child_of(harness, result.run.id)
        assert (result.state, child.state) == ("waiting", "waiting")
        result_ = b'{"output":{"tier":"GOLD"}}'
        end = MoveRun(child.run.id, ("waiting",), "succeeded", harness.clock.time(), result=result_, ended=True)
        await harness.store.put(end)
        assert await harness.signal("told") == 1
        harness.runner.wake()
        result = await at_end(harness, result.run.id)
        assert (result.state, result.error["step"], put.configs) == ("failed", "bad", [{"of": "GOLD"}])


async def test_who_rehearses_a_replay_knows_what_the_called_runs_gave() -> None:
    async with both({"shop.charge": Script(GOLD)}) as harness, both({}) as elsewhere:
        result = await at_end(harness, (await called(harness)).run.id)
        await lend(harness.store, result.run.id, elsewhere.store, harness.clock.time())
        again = await replayed(elsewhere, result.run.id)
        assert (again.state, again.output, elsewhere.calls) == ("succeeded", result.output, [])


CROSSED = """
scenario: NAME
trigger: {module: shop.watch}
order_by: {key: "${{ trigger.email }}", group: OWN}
steps:
  - {id: go, wait_for: {signal: NAME}}
  - {id: sub, call: part-of-OTHER, with: {email: "${{ trigger.email }}"}}
output: ${{ sub }}
"""
PART = """
scenario: part-of-OWN
inputs: {email: {type: string}}
order_by: {key: "${{ inputs.email }}", group: OWN}
steps: []
output: done
"""


async def test_two_callers_do_not_wait_for_each_others_keys_for_ever() -> None:
    named = [("one", "left", "right"), ("two", "right", "left")]
    callers = [CROSSED.replace("NAME", n).replace("OWN", own).replace("OTHER", other) for n, own, other in named]
    parts = [PART.replace("OWN", group) for group in ("left", "right")]
    async with Harness([*callers, *parts], registry=registry()) as harness:
        first = await harness.run(ANA, to="one")
        second = await harness.run(ANA, to="two")
        assert await harness.signal("one") == 1
        assert (await at_end(harness, first.run.id)).state == "waiting"
        assert (await child_of(harness, first.run.id)).state == "blocked"
        assert await harness.signal("two") == 1
        second = await at_end(harness, second.run.id)
        assert (second.state, second.error["code"]) == ("failed", "call-deadlock")
        first = await at_end(harness, first.run.id)
        assert (first.state, first.output) == ("succeeded", "done")
