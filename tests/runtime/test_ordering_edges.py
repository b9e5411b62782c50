"""Where order, gathering and duplicates meet: keys that fail, keys that change, runs that are replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.runtime.commands import Choice
from engine.store.ids import show
from engine.store.records import DeliveryState
from tests.promises.shop_runs import NewHarness
from tests.runtime.core import resumed
from tests.runtime.test_ordering import still
from tests.support.shop import scenario

PUT = '- id: put\n  module: shop.put\n  with: {n: "${{ trigger.n }}"}'
SLOW = PUT + "\n- sleep: 10m\n"
SIGNAL = '- id: paid\n  wait_for: {signal: paid, key: "${{ trigger.email }}"}\n'


def answer(config: Mapping[str, Any]) -> Any:
    return {}


# ------------------------------------------------------------------ what comes twice


async def test_an_event_whose_key_fails_is_known_again(new_harness: NewHarness) -> None:
    head = "order_by: ${{ length(trigger.n) }}\n"
    async with new_harness(scenario(PUT, head=head), doubles={"shop.put": answer}) as harness:
        first = await harness.send({"n": 1, "event_id": "e1"})
        again = await harness.send({"n": 1, "event_id": "e1"})
        assert [d.state for d in first.deliveries] == [DeliveryState.RUN]
        assert [(d.state, d.reason) for d in again.deliveries] == [(DeliveryState.DUPLICATE, show(first.receipt_id))]
        assert await harness.store.run_counts() == {"held": 1}
        assert (await resumed(harness, first.runs[0], Choice.AGAIN)).state == "succeeded"


async def test_an_event_whose_subject_fails_is_known_again_by_the_authors_key(new_harness: NewHarness) -> None:
    head = 'subject: ${{ length(trigger.n) }}\ndedupe: {key: "${{ trigger.email }}", within: 1h}\n'
    async with new_harness(scenario(PUT, head=head), doubles={"shop.put": answer}) as harness:
        states = [(await harness.send({"n": n, "email": "a"})).deliveries[0].state for n in range(2)]
        assert states == [DeliveryState.RUN, DeliveryState.DUPLICATE]


async def test_an_object_is_the_same_key_whatever_the_order_of_its_fields(new_harness: NewHarness) -> None:
    head = 'dedupe: {key: "${{ trigger.who }}", within: 1h}\n'
    async with new_harness(scenario(PUT, head=head), doubles={"shop.put": answer}) as harness:
        people = ({"id": 1, "shop": 2}, {"shop": 2, "id": 1}, {"shop": 1, "id": 2})
        states = [(await harness.send({"n": 0, "who": who})).deliveries[0].state for who in people]
        assert states == [DeliveryState.RUN, DeliveryState.DUPLICATE, DeliveryState.RUN]


async def test_a_duplicate_is_not_gathered(new_harness: NewHarness) -> None:
    seen: list[Any] = []
    head = 'debounce: {key: "${{ trigger.email }}", for: 30s}\n'
    async with new_harness(scenario(PUT, head=head), doubles={"shop.put": lambda c: seen.append(c["n"])}) as harness:
        first = await harness.send({"n": 0, "email": "a", "event_id": "e1"})
        await harness.clock.advance(20)
        again = await harness.send({"n": 1, "email": "a", "event_id": "e1"})
        assert [d.state for d in again.deliveries] == [DeliveryState.DUPLICATE]
        await harness.clock.advance(11)
        assert (await harness.result(first.runs[0])).state == "succeeded"
        assert seen == [0], "neither its event nor its moment changed"


# ------------------------------------------------------------------ gathering in lanes


async def test_a_gathering_run_waits_for_whom_its_newest_event_says(new_harness: NewHarness) -> None:
    head = 'order_by: "${{ trigger.email }}"\ndebounce: {key: "${{ trigger.n }}", for: 30s}\n'
    async with new_harness(scenario(SLOW, head=head), doubles={"shop.put": answer}) as harness:
        first = (await harness.send({"n": 1, "email": "a"})).runs[0]
        await harness.clock.advance(31)
        await still(harness)
        second = await harness.send({"n": 2, "email": "b"})
        assert (await harness.send({"n": 2, "email": "a"})).runs == second.runs
        third = (await harness.send({"n": 3, "email": "b"})).runs[0]
        await harness.clock.advance(31)
        await still(harness)
        states = [(await harness.look(run)).state for run in (first, second.runs[0], third)]
        assert states == ["sleeping", "blocked", "sleeping"]
        assert (await harness.result(second.runs[0], advance=2000)).state == "succeeded"


async def test_a_gathering_run_whose_newest_event_has_no_key_waits_for_nobody(new_harness: NewHarness) -> None:
    head = 'order_by: "${{ trigger.email }}"\ndebounce: {key: "${{ trigger.n }}", for: 30s}\n'
    async with new_harness(scenario(SLOW, head=head), doubles={"shop.put": answer}) as harness:
        await harness.send({"n": 1, "email": "a"})
        await harness.clock.advance(31)
        await still(harness)
        second = (await harness.send({"n": 2, "email": "a"})).runs[0]
        await harness.send({"n": 2, "email": None})
        await harness.clock.advance(31)
        await still(harness)
        assert (await harness.look(second)).state == "sleeping"


# ------------------------------------------------------------------ what was replaced


async def test_a_signal_goes_to_the_run_that_replaced_another(new_harness: NewHarness) -> None:
    head = 'order_by: "${{ trigger.email }}"\nmode: replace\n'
    async with new_harness(scenario(SIGNAL + PUT, head=head), doubles={"shop.put": answer}) as harness:
        first = (await harness.send({"n": 0, "email": "a"})).runs[0]
        await still(harness)
        second = (await harness.send({"n": 1, "email": "a"})).runs[0]
        await still(harness)
        assert [(await harness.look(run)).state for run in (first, second)] == ["cancelled", "waiting"]
        assert [wait.state for wait in await harness.store.waits.of_run(first)] == ["closed"]
        assert await harness.signal("paid", "a") == 1
        assert (await harness.result(second)).state == "succeeded"
