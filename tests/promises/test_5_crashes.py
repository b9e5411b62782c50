"""Promises 1 and 5 through deaths: events that are gathered, lanes with several places, lanes of several scenarios."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest

from engine.sdk.faults import SimulatedCrash
from engine.store.records import DeliveryState, Page, ReceiptFilter, RunFilter
from engine.testing import CrashAt, Harness
from tests.promises.shop_runs import NewHarness
from tests.promises.test_5_order import PAIR, Book, assert_in_order, settle
from tests.support.shop import scenario

ALL = Page(limit=10_000)
POINTS = [
    *("store.begin", "store.commit", "store.committed", "receipt.taken", "receipt.accepted", "run.claiming"),
    *("run.taken", "run.claimed", "effect.intended", "effect.sent", "run.ending", "run.moved"),
]
MOMENTS = [(point, nth) for point in POINTS for nth in (1, 2)]
#: the same, when more runs wait for one another
LATER = [(point, 4) for point in POINTS]
GATHERED = """
- id: put
  module: shop.put
  with: {email: "${{ trigger.email }}", n: "${{ trigger.n }}"}
"""


async def lives(harness: Harness, events: list[Any], point: str, nth: int, *, to: tuple[str, ...] = ("test",)) -> bool:
    """Two lives: the first dies where it is told, and the sender repeats in its order what it has no answer for.

    :returns: whether the first life died.
    """
    answered = 0

    async def live() -> None:
        nonlocal answered
        await harness.start()
        for number, event in enumerate(events):
            await harness.send(event, to=to[number % len(to)])
            answered += 1
            await harness.clock.advance(1)
        await gathered(harness)
        await settle(harness)

    faults = CrashAt(point, nth)
    harness.faults = faults
    life, death = asyncio.ensure_future(live()), asyncio.ensure_future(faults.death())
    await asyncio.wait({life, death}, return_when=asyncio.FIRST_COMPLETED)
    died = not life.done() or life.exception() is not None
    life.cancel()
    death.cancel()
    for outcome in await asyncio.gather(life, death, return_exceptions=True):
        with suppress(SimulatedCrash):
            if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
                raise outcome
    await harness.restart()
    left = len(await harness.store.receipts(ReceiptFilter(page=ALL)))
    assert left in (answered, answered + 1), "what was acknowledged is there"
    for number in range(left, len(events)):
        await harness.send(events[number], to=to[number % len(to)])
    await gathered(harness)
    await settle(harness)
    return died


async def gathered(harness: Harness) -> None:
    """Let time pass until no run gathers events."""
    while await harness.store.runs(RunFilter(states=("gathering",))):
        await harness.written()
        await harness.clock.advance(16)


@pytest.mark.parametrize(("point", "nth"), MOMENTS)
async def test_gathered_events_survive_a_death(new_harness: NewHarness, point: str, nth: int) -> None:
    seen: dict[str, list[int]] = defaultdict(list)

    def put(config: Mapping[str, Any]) -> Any:
        seen[config["email"]].append(config["n"])
        return {}

    head = 'debounce: {key: "${{ trigger.email }}", for: 30s}\n'
    harness = new_harness(scenario(GATHERED, head=head), doubles={"shop.put": put})
    events = [{"email": email, "n": n} for n in range(3) for email in ("a", "b")]
    try:
        await lives(harness, events, point, nth)
        receipts = await harness.store.receipts(ReceiptFilter(page=ALL))
        fates = await harness.store.deliveries([receipt.id for receipt in receipts])
        assert [fate.state for fate in fates] == [DeliveryState.RUN] * 6
        runs = {run.id: run for run in await harness.store.runs(RunFilter(page=ALL))}
        assert {fate.run_id for fate in fates} == runs.keys(), "each event names a run that there is"
        assert all(run.state == "succeeded" for run in runs.values())
        for email in ("a", "b"):
            # an idempotent write is repeated where its answer was not recorded
            assert set(seen[email]) == {2}, "one run works on the newest event of its key"
        assert len(runs) == 2
    finally:
        await harness.stop()


@pytest.mark.parametrize(("point", "nth"), LATER)
async def test_runs_of_a_group_keep_their_order_over_a_death(new_harness: NewHarness, point: str, nth: int) -> None:
    book = Book()
    head = 'order_by: {key: "${{ trigger.email }}", group: people}\n'
    one = scenario(PAIR, head=head)
    harness = new_harness(one, one.replace("scenario: test", "scenario: other"), doubles={"shop.put": book.put})
    events = [{"email": "a@example.com", "n": n} for n in range(4)]
    try:
        await lives(harness, events, point, nth, to=("test", "other"))
    finally:
        await harness.stop()
    assert len(book.lines["a@example.com"]) == 8
    assert_in_order(book, 4)


@pytest.mark.parametrize(("point", "nth"), LATER)
async def test_a_lane_with_two_places_never_has_three(new_harness: NewHarness, point: str, nth: int) -> None:
    inside: set[int] = set()
    most = 0

    def put(config: Mapping[str, Any]) -> Any:
        nonlocal most
        (inside.add if config["part"] == "begin" else inside.discard)(config["n"])
        most = max(most, len(inside))
        return {}

    head = 'concurrency: {limit: 2, key: "${{ trigger.email }}", waiting: hold}\n'
    harness = new_harness(scenario(PAIR, head=head), doubles={"shop.put": put})
    try:
        await lives(harness, [{"email": "a@example.com", "n": n} for n in range(5)], point, nth)
        assert await harness.store.run_counts() == {"succeeded": 5}
        assert (most, inside) == (2, set())
    finally:
        await harness.stop()


async def test_the_moments_are_come_by(new_harness: NewHarness) -> None:
    for point in POINTS:
        if point.startswith("store."):
            continue
        head = 'debounce: {key: "${{ trigger.email }}", for: 30s}\n'
        harness = new_harness(scenario(GATHERED, head=head), doubles={"shop.put": lambda _: {}})
        try:
            assert await lives(harness, [{"email": "a", "n": 0}], point, 1), point
        finally:
            await harness.stop()
