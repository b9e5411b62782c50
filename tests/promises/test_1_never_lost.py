"""An acknowledged event is never lost, and every delivery's fate is visible."""

from __future__ import annotations

import pytest

from engine.store.records import DeliveryState
from tests.promises.shop_runs import PASSED, Crashed, NewHarness, crash
from tests.support.shop import scenario


def assert_nothing_lost(crashed: Crashed) -> None:
    """Each acknowledged event has one run, and that is finished or waits for a person."""
    for email in crashed.acknowledged.values():
        assert crashed.states.get(email) in (["succeeded"], ["held"]), (email, crashed.states)


@pytest.mark.parametrize("nth", [1, 2, 3, 5])
@pytest.mark.parametrize("point", PASSED)
async def test_acknowledged_events_survive_a_crash_anywhere(new_harness: NewHarness, point: str, nth: int) -> None:
    crashed = await crash(new_harness, point, nth)
    assert_nothing_lost(crashed)
    await crashed.harness.stop()


async def test_all_is_done_without_a_crash(new_harness: NewHarness) -> None:
    crashed = await crash(new_harness, None, 0)
    assert set(crashed.faults.hits) == set(PASSED), "each of them is visited"
    assert len(crashed.acknowledged) == 3
    assert set(crashed.vendor.charges.values()) == {1}
    assert all(states == ["succeeded"] for states in crashed.states.values())
    await crashed.harness.stop()


async def test_every_delivery_has_one_fate_and_the_sums_add_up(new_harness: NewHarness) -> None:
    gold = scenario("- set: {a: 1}").replace("scenario: test", "scenario: gold")
    gold = gold.replace("  module: shop.watch\n", "  module: shop.watch\n  with: {types: [gold]}\n")
    idle = scenario("- set: {a: 1}").replace("scenario: test", "scenario: idle\nactive: false")
    picky = scenario("- set: {a: 1}").replace("scenario: test", "scenario: picky")
    picky = picky.replace("  module: shop.watch\n", "  module: shop.watch\n  if: ${{ trigger.points > 5 }}\n")
    async with new_harness(gold, idle, picky) as harness:
        await harness.send({"type": "gold", "points": 9})
        await harness.send({"type": "tin", "points": 1})
        await harness.send({"crash_parser": True})
        await harness.send("no object")
        await harness.send({"event_id": "e1", "type": "gold", "points": 9})
        await harness.send({"event_id": "e1", "type": "gold", "points": 9})
        await harness.send({"type": "gold", "points": "many"})
        counts = dict(await harness.store.delivery_counts())
        assert counts.pop("receipts") == 7
        assert sum(counts.values()) == 7 * 3
        assert (
            counts
            == {
                DeliveryState.RUN: 2 + 0 + 2 + 0 + 2,
                DeliveryState.FILTERED: 2,
                DeliveryState.PARKED: 5,
                DeliveryState.REJECTED: 6,
                DeliveryState.DUPLICATE: 2,
            }
            | {}
        )


async def test_a_filter_that_fails_holds_the_run_and_loses_nothing(new_harness: NewHarness) -> None:
    source = scenario("- set: {a: 1}").replace(
        "  module: shop.watch\n", "  module: shop.watch\n  if: ${{ trigger.n > 5 }}\n"
    )
    async with new_harness(source) as harness:
        result = await harness.run({"n": "many"})
        assert result.state == "held"
        assert result.holds[0]["code"] == "trigger"
        assert '"many"' in result.holds[0]["message"]


@pytest.mark.parametrize("point", ["run.claimed", "store.commit", "store.committed"])
@pytest.mark.parametrize("nth", range(2, 14, 2))
async def test_a_backlog_survives_a_crash_while_it_is_claimed(new_harness: NewHarness, point: str, nth: int) -> None:
    crashed = await crash(new_harness, point, nth, events=8, max_running=2)
    assert_nothing_lost(crashed)
    assert set(crashed.vendor.charges.values()) <= {1}, "nobody is charged twice"
    await crashed.harness.stop()
