"""A run sees its event as the store holds it, and a run that the store did not take does nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.sdk import jsontext
from engine.sdk.clock import utc
from engine.sdk.modules import Delivery, Event
from engine.store.interface import Store
from engine.store.memory import MemoryStore
from engine.store.records import Delivery as Record
from engine.store.records import DeliveryState
from tests.runtime.core import Script, shop, swapped

STEPS = """
- id: a
  module: shop.get
  with: {}
"""


async def test_a_receipt_delivered_by_command_is_not_run_when_its_event_has_run_before() -> None:
    double = Script({})
    async with shop(STEPS, {"shop.get": double}) as harness:
        event = {"event_id": "e1"}
        first = await harness.run(event)
        assert (first.state, double.count) == ("succeeded", 1)
        unheard = await harness.intake.accept("other", [], incoming := _delivery(event, harness.clock.time()))
        receipt = await harness.store.receipt(unheard.receipt_id)
        assert receipt is not None
        accepted = await harness.intake.deliver(receipt, harness.plans[0], incoming)
        await harness.clock.settle()
        assert accepted.runs == ()
        assert [d.state for d in accepted.deliveries] == [DeliveryState.DUPLICATE]
        assert double.count == 1


async def test_a_run_that_was_taken_up_again_while_it_was_accepted_is_begun_once() -> None:
    double = Script({})
    breaks = ["once"]

    class Breaking(MemoryStore):
        async def deliveries(self, receipt_ids: Sequence[int]) -> Sequence[Record]:
            if breaks and breaks.pop():
                # the store breaks and is mended between the commit and the first step
                harness.runner.broke()
                await harness.clock.settle()
                await harness.clock.settle()
                assert double.count == 1
            return await super().deliveries(receipt_ids)

    async def new_store(_before: Store | None) -> Store:
        store = Breaking(clock=harness.clock)
        await store.open()
        return store

    harness = shop(STEPS, {"shop.get": double}, new_store=new_store)
    async with harness:
        assert (await harness.run({"event_id": "e1"})).state == "succeeded"
        await harness.clock.settle()
        assert double.count == 1


async def test_an_event_that_an_app_made_is_seen_as_the_store_holds_it() -> None:
    steps = """
- stop: success
  output: ${{ trigger.list[-1] }}
"""
    async with shop(steps, {}) as harness:
        trigger = harness.plans[0].trigger
        assert trigger is not None
        with swapped(trigger.module, "parse", lambda _delivery: [Event({"list": (1, 2)})]):
            assert (await harness.run({})).output == 2


def _delivery(event: Any, now: float) -> Delivery:
    return Delivery("POST", {"content-type": "application/json"}, {}, jsontext.dumps(event), event, utc(now))
