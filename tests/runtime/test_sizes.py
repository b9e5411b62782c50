"""How large outputs, events and journals may be: what is too large fails in its place, and nothing is lost by it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from engine.runtime.commands import Choice
from engine.runtime.journal import Journal
from engine.runtime.settings import Limits
from engine.sdk.clock import utc
from engine.sdk.errors import DataError, VendorError
from engine.sdk.modules import Delivery as Incoming
from engine.sdk.modules import Event, Happened
from engine.store.records import DeliveryState, EffectFilter, EffectState
from engine.testing import CrashAt, DoubleCaller, Harness
from tests.runtime.core import Script, resumed, shop, swapped, with_head
from tests.runtime.polls import Vendor
from tests.runtime.polls import registry as polls
from tests.runtime.polls import scenario as polled
from tests.support.shop import SHOP

NOW = utc(0.0)
SMALL = Limits(output=100_000, run=1_000_000)
SECRET = "hunter2"
#: as JSON more than ``SMALL.output``; one that fits
LARGE, FITS = SECRET * 20_000, "x" * 90_000
READ = "- id: got\n  module: shop.get\n  with: {}\n"
WRITE = "- id: paid\n  module: shop.charge\n  with: {amount: 1}\n"


async def journal(harness: Harness, run_id: int) -> bytes:
    """All that the journal says."""
    rows = [*(await harness.store.pasts([(await harness.look(run_id)).run]))[0]]
    return repr(rows).encode()


# ---------------------------------------------------------------- outputs


@pytest.mark.parametrize("module", ["shop.get", "shop.find"])
async def test_an_output_that_is_too_large_fails_the_read_in_its_place(module: str) -> None:
    get = Script([LARGE])
    async with shop(READ.replace("shop.get", module), {module: get}, limits=SMALL) as harness:
        result = await harness.run({})
        assert result.state == "failed"
        assert (result.error["type"], result.error["step"], result.error["place"]) == (
            "DataError",
            "got",
            "scenario-0.yaml:5:5",
        )
        assert result.error["message"] == (
            f"the output of {module} would be 140,004 bytes as JSON, more than `limits.output` (100,000 bytes)"
        )
        assert "raise `limits.output`" in result.error["hint"]
        # it is not asked for again, because it would be as large again; and nothing of it is kept
        assert get.count == 1
        assert SECRET.encode() not in await journal(harness, result.run.id)


async def test_its_failure_is_remembered_whatever_the_limit_is_later() -> None:
    nap = "- sleep: 1h\n"
    get = Script(LARGE)
    steps = READ + "  on_error: ignore\n" + nap + "- set: {code: '${{ steps.got.error.code }}'}\n"
    async with shop(steps, {"shop.get": get}, limits=SMALL) as harness:
        run = (await harness.run({})).run
        harness.limits = Limits()
        await harness.restart()
        result = await harness.result(run.id, advance=3600)
        assert (result.state, get.count) == ("succeeded", 1)


async def test_what_fits_stays_when_the_limit_sinks() -> None:
    steps = (
        READ
        + "- set: {all: '${{ steps.got.output }}'}\n- sleep: 1h\n- stop: success\n  output: ${{ length(vars.all) }}\n"
    )
    get = Script(LARGE)
    async with shop(steps, {"shop.get": get}) as harness:
        run = (await harness.run({})).run
        harness.limits = SMALL
        await harness.restart()
        result = await harness.result(run.id, advance=3600)
        assert (result.state, result.output, get.count) == ("succeeded", len(LARGE), 1)


async def test_a_write_that_was_accepted_is_done_with_a_warning() -> None:
    charge = Script(LARGE)
    steps = WRITE + "- stop: success\n  output: ${{ steps.paid.output }}\n"
    async with shop(steps, {"shop.charge": charge}, limits=SMALL) as harness:
        result = await harness.run({})
        assert (result.state, result.output, charge.count) == ("succeeded", None, 1)
        kept = await journal(harness, result.run.id)
        assert b"the vendor said yes, but the output would be 140,002 bytes as JSON" in kept
        assert SECRET.encode() not in kept


@pytest.mark.parametrize("point", ["effect.sent", "effect.settled", "run.ending", "run.moved"])
async def test_a_crash_beside_it_sends_nothing_twice(point: str) -> None:
    charge = Script(LARGE)
    async with shop(WRITE, {"shop.charge": charge}, limits=SMALL) as harness:
        [result] = await harness.crash(CrashAt(point), {})
        assert (result.state, charge.count) == ("held" if point != "run.moved" else "succeeded", 1)


async def test_what_a_probe_found_is_measured_too() -> None:
    steps = "- id: p\n  module: shop.probed\n  with: {}\n- stop: success\n  output: ${{ steps.p.output }}\n"
    doubles = DoubleCaller(
        {"shop.probed": Script(VendorError("down"))}, probes={"shop.probed": lambda _config: Happened(LARGE)}
    )
    async with shop(steps, {}, caller=doubles, limits=SMALL) as harness:
        result = await harness.result((await harness.run({})).run.id, advance=600)
        assert (result.state, result.output) == ("succeeded", None)
        assert SECRET.encode() not in await journal(harness, result.run.id)


async def test_a_transform_is_measured() -> None:
    double = next(module for module in SHOP.modules if module.name == "double")
    with swapped(double, "apply", lambda _config: LARGE):
        async with shop("- id: d\n  module: shop.double\n  with: {n: 1}\n", {}, limits=SMALL) as harness:
            error = (await harness.run({})).error
            assert (error["code"], error["step"], error["place"]) == ("data-error", "d", "scenario-0.yaml:5:5")


# ---------------------------------------------------------------- values

TOO_LARGE = {
    "set": "- id: s\n  set: {small: 1, list: '${{ [trigger.x, trigger.x] }}'}\n",
    "stop": "- id: s\n  stop: success\n  output: ${{ [trigger.x, trigger.x] }}\n",
    "collect": "- id: s\n  foreach: ${{ [1, 2, 3] }}\n  as: n\n  collect: ${{ trigger.x }}\n"
    "  steps:\n    - set: {a: 1}\n",
    "side by side": "- id: s\n  foreach: ${{ [1, 2, 3] }}\n  as: n\n  concurrency: 3\n  collect: ${{ trigger.x }}\n"
    "  steps:\n    - set: {a: 1}\n",
    "resume": "- id: s\n  module: shop.get\n  with: {}\n  on_error: {resume: '${{ [trigger.x, trigger.x] }}'}\n",
}


@pytest.mark.parametrize("steps", TOO_LARGE.values(), ids=TOO_LARGE)
async def test_a_value_that_is_too_large_fails_where_it_is_computed(steps: str) -> None:
    event = {"x": SECRET * 10_000}
    async with shop(steps, {"shop.get": Script(DataError("no"))}, limits=SMALL) as harness:
        result = await harness.run(event)
        assert result.state == "failed"
        error = result.error
        assert (error["code"], error["step"], error["place"]) == ("value-too-large", "s", "scenario-0.yaml:5:5")
        assert "more than `limits.output` (100,000 bytes)" in error["message"]
        assert SECRET not in str(error)


async def test_the_message_names_the_value_that_is_large() -> None:
    async with shop(TOO_LARGE["set"], {}, limits=SMALL) as harness:
        result = await harness.run({"x": "y" * 70_000})
        assert result.error["message"].startswith("what `set` computes (`list` most of all) would be 140,")


async def test_so_does_a_variable_of_the_scenario() -> None:
    async with with_head("vars: {v: '${{ [trigger.x, trigger.x] }}'}\n", READ, {}, limits=SMALL) as harness:
        error = (await harness.run({"x": "y" * 70_000})).error
        assert (error["code"], error["step"]) == ("value-too-large", "vars")


async def test_what_a_loop_collected_stays_collected_when_the_limit_sinks() -> None:
    steps = (
        "- id: s\n  foreach: ${{ [1, 2, 3] }}\n  as: n\n  collect: ${{ trigger.x }}\n  steps:\n    - set: {a: 1}\n"
        "- sleep: 1h\n- stop: success\n  output: ${{ length(steps.s.output) }}\n"
    )
    async with shop(steps, {}) as harness:
        run = (await harness.run({"x": "y" * 70_000})).run
        harness.limits = SMALL
        await harness.restart()
        result = await harness.result(run.id, advance=3600)
        assert (result.state, result.output) == ("succeeded", 3)


async def test_a_loop_that_collected_too_much_begins_no_more_items_and_is_undone() -> None:
    steps = (
        "- id: s\n  foreach: ${{ [1, 2, 3, 4] }}\n  as: n\n  collect: ${{ trigger.x }}\n  on_error: rollback\n"
        "  steps:\n"
        "    - id: paid\n      module: shop.charge\n      with: {n: '${{ n }}'}\n"
        "      undo:\n        - {id: back, module: shop.put, with: {n: '${{ n }}'}}\n"
    )
    charge, put = Script({}), Script({})
    async with shop(steps, {"shop.charge": charge, "shop.put": put}, limits=SMALL) as harness:
        result = await harness.run({"x": "y" * 70_000})
        assert result.state == "failed"
        assert [c["n"] for c in charge.configs] == [1, 2]
        assert [c["n"] for c in put.configs] == [2, 1]


async def test_a_loop_that_collected_too_much_goes_on_by_command_when_the_limit_was_raised() -> None:
    steps = (
        "- id: s\n  foreach: ${{ [1, 2, 3] }}\n  as: n\n  collect: ${{ trigger.x }}\n  on_error: hold\n  steps:\n"
        "    - id: paid\n      module: shop.charge\n      with: {n: '${{ n }}'}\n"
    )
    charge = Script({})
    async with shop(steps, {"shop.charge": charge}, limits=SMALL) as harness:
        result = await harness.run({"x": "y" * 70_000})
        assert (result.holds[0]["step"], charge.count) == ("s", 2)
        harness.limits = Limits()
        await harness.restart()
        result = await resumed(harness, result.run.id, Choice.AGAIN)
        assert (result.state, charge.count) == ("succeeded", 3)


# ---------------------------------------------------------------- events


async def test_an_event_that_is_too_large_is_rejected_alone() -> None:
    event = {"several": [{"n": 1}, {"x": LARGE}, {"n": 3}]}
    async with shop("- set: {n: '${{ trigger.n }}'}\n", {}, limits=replace(SMALL, body=100_000)) as harness:
        accepted = await harness.send(event)
        states = [delivery.state for delivery in accepted.deliveries]
        assert states == [DeliveryState.RUN, DeliveryState.REJECTED, DeliveryState.RUN]
        reason = accepted.deliveries[1].reason or ""
        assert reason.startswith("the event would be 140,008 bytes as JSON, more than `limits.body` (100,000 bytes)")
        assert SECRET not in reason
        # with a higher limit it is delivered by command; the others have run
        harness.limits = Limits()
        await harness.restart()
        receipt = await harness.store.receipt(accepted.receipt_id)
        assert receipt is not None
        incoming = Incoming(receipt.method, {"content-type": "application/json"}, {}, receipt.body, event, NOW)
        again = await harness.intake.deliver(receipt, harness.plans[0], incoming)
        assert [delivery.number for delivery in again.deliveries] == [1]
        assert (await harness.result(again.runs[0])).state == "succeeded"


async def test_an_item_of_a_poll_that_is_too_large_is_rejected_alone() -> None:
    vendor = Vendor()
    vendor.put("a", at="2024-03-05T08:00:00Z", x=LARGE)
    vendor.put("b", at="2024-03-05T08:00:01Z")
    limits = replace(SMALL, body=100_000)
    async with Harness([polled(start="all")], pages=vendor, registry=polls(), limits=limits) as harness:
        [accepted] = await harness.poll()
        assert [delivery.state for delivery in accepted.deliveries] == [DeliveryState.REJECTED, DeliveryState.RUN]
        # it is not found again
        assert await harness.poll() == []


# ---------------------------------------------------------------- the journal as a whole


def many(module: str) -> str:
    return (
        "- id: each\n  foreach: ${{ trigger.items }}\n  as: n\n  steps:\n"
        f"    - id: one\n      module: {module}\n      with: {{}}\n"
    )


TWENTY = {"items": list(range(20))}


@pytest.mark.parametrize(("module", "held_at"), [("shop.get", 11), ("shop.charge", 12)])
async def test_a_journal_that_is_full_holds_the_run_and_with_more_room_it_goes_on(module: str, held_at: int) -> None:
    call = Script(FITS)
    async with shop(many(module), {module: call}, limits=SMALL) as harness:
        result = await harness.run(TWENTY)
        [hold] = result.holds
        assert (result.state, hold["code"], hold["step"]) == ("held", "too-large", f"each[{held_at}]/one")
        assert hold["place"] == "scenario-0.yaml:9:9"
        assert "more than `limits.run` (1 MB)" in hold["message"]
        # of a read the answer did not fit; a write's, which the vendor has carried out, is always kept
        assert call.count == 12
        # without more room it comes no further, in another life neither
        await harness.restart()
        result = await resumed(harness, result.run.id, Choice.AGAIN)
        assert result.holds[0]["step"] == f"each[{held_at}]/one"
        tried = call.count - 12
        assert tried == (1 if module == "shop.get" else 0)
        harness.limits = Limits()
        await harness.restart()
        result = await resumed(harness, result.run.id, Choice.AGAIN)
        assert (result.state, call.count) == ("succeeded", 20 + tried + (module == "shop.get"))


@pytest.mark.parametrize("point", ["effect.intended", "effect.sent", "effect.settled", "run.ending", "run.moved"])
async def test_a_crash_beside_a_full_journal_repeats_nothing(point: str) -> None:
    call = Script(FITS)
    async with shop(many("shop.pay"), {"shop.pay": call}, limits=SMALL) as harness:
        [result] = await harness.crash(CrashAt(point), TWENTY)
        assert result.holds[0]["code"] == "too-large"
        effects = await harness.store.effects(EffectFilter(run_id=result.run.id))
        states = Counter(effect.state for effect in effects)
        # what was cut off may be sent again, because the vendor honours its key
        assert states[EffectState.DONE] == 12
        assert states[EffectState.UNKNOWN] <= 1
        assert call.count <= 13


async def test_requests_fill_a_journal_too() -> None:
    charge = Script({})
    steps = many("shop.charge").replace("with: {}", "with: {x: '${{ trigger.x }}'}")
    async with shop(steps, {"shop.charge": charge}, limits=SMALL) as harness:
        result = await harness.run({**TWENTY, "x": FITS})
        assert (result.holds[0]["code"], result.holds[0]["step"], charge.count) == ("too-large", "each[11]/one", 11)


async def test_what_is_counted_is_the_same_in_each_life() -> None:
    steps = (
        READ + WRITE + "- set: {all: '${{ steps.got.output }}', at: '${{ now() }}'}\n"
        "- id: more\n  module: shop.charge\n"
        "  with: {all: '${{ vars.all }}'}\n- id: bad\n  module: shop.find\n  on_error: ignore\n  with: {}\n"
        "- sleep: 1h\n"
    )
    doubles = {"shop.get": Script(FITS), "shop.charge": Script({"ok": True}), "shop.find": Script(DataError("no"))}
    async with shop(steps, doubles) as harness:
        run = (await harness.run({})).run
        [past] = await harness.store.pasts([run])
        stored = Journal.of(past.records, past.effects, run.notes).size
        texts = [t for r in past.records for t in (r.output, r.error, r.notes)]
        texts += [t for e in past.effects for t in (e.output, e.error, e.notes, e.request)]
        assert stored == sum(len(text) for text in (*texts, run.notes) if text)
        assert stored > 2 * len(FITS)


async def test_values_fill_a_journal_too() -> None:
    steps = "- foreach: ${{ trigger.items }}\n  as: n\n  steps:\n    - id: s\n      set: {v: '${{ trigger.x }}'}\n"
    async with shop(steps, {}, limits=SMALL) as harness:
        result = await harness.run({**TWENTY, "x": FITS})
        [hold] = result.holds
        assert (hold["code"], hold["step"], hold["place"]) == ("too-large", "foreach@1[11]/s", "scenario-0.yaml:8:9")
        harness.limits = Limits()
        await harness.restart()
        assert (await resumed(harness, result.run.id, Choice.AGAIN)).state == "succeeded"


async def test_what_waits_in_memory_is_small_though_an_app_makes_much_of_little() -> None:
    watch = next(module for module in SHOP.modules if module.name == "watch")
    with swapped(watch, "parse", lambda delivery: [Event({"x": "y" * 50_000}), Event({"x": "y"})]):
        async with shop("- set: {n: 1}\n", {}, max_running=1) as harness:
            harness.runner.admits = lambda _plan: False  # type: ignore[method-assign]
            kept: list[int] = []
            harness.runner.queue = lambda run, plan, data, size: kept.append(size)  # type: ignore[method-assign]
            await harness.send({})
            assert kept == [50_008, 9]
