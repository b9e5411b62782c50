"""A polled vendor that answers with nonsense stops nothing for ever, and starts nothing again and again."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from engine import Page
from engine.runtime import polling, queue
from engine.runtime.states import State
from engine.scenario.plan import Polling, Scenario
from engine.sdk.errors import DataError, VendorError
from engine.store.changes import AddReceipt, AddRun
from engine.testing import Harness, VirtualClock
from tests.runtime.polls import NewHarness, Vendor, events, harness_maker, scenario, told
from tests.store.rows import receipt, run

DAY = "2024-03-0"


@pytest.fixture(params=["memory", "sqlite"])
def new_harness(request: pytest.FixtureRequest, tmp_path: Path) -> NewHarness:
    return harness_maker(request.param, tmp_path)


class Raw(Vendor):
    """Gives one page of whatever it is told to give, identities that are none of one record only included."""

    def __init__(self, *items: Any) -> None:
        super().__init__()
        self.items = list(items)

    async def page(self, _plan: Scenario, _trigger: Polling, cursor: Any) -> Page:
        self.asked.append(cursor)
        return Page([dict(item) for item in self.items])


# ---------------------------------------------------------------- positions that nobody can believe


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("position", ["9999-12-31T00:00:00Z", "2099-01-01", "n/a", "unknown", ""])
async def test_a_position_that_cannot_be_hides_nothing_that_comes_later(
    new_harness: NewHarness, position: str, newest_first: bool, caplog: pytest.LogCaptureFixture
) -> None:
    vendor = Vendor(newest_first=newest_first)
    vendor.put("c1", f"{DAY}1")
    async with new_harness(vendor, scenario()) as harness:
        await harness.poll()
        vendor.put("odd", position)
        with caplog.at_level(logging.WARNING):
            await harness.poll()
        assert await told(harness) == ["odd"]
        assert "1 items show no position that can be believed" in caplog.text
        for number in (2, 3):
            vendor.put(f"c{number}", f"{DAY}{number}")
            await harness.poll()
            await harness.restart()
        assert await told(harness) == ["odd", "c2", "c3"]
        vendor.put("odd", position, tier="GOLD")
        await harness.poll()
        assert await told(harness) == ["odd", "c2", "c3", "odd"]


async def test_an_empty_position_is_none(new_harness: NewHarness) -> None:
    vendor = Vendor(size=9)
    vendor.put("c1", "k1")
    async with new_harness(vendor, scenario()) as harness:
        await harness.poll()
        vendor.put("odd", "")
        vendor.put("c2", "k2")
        for _ in range(2):
            await harness.poll()
        assert await told(harness) == ["c2", "odd"]


async def test_a_number_that_stands_for_a_moment_far_ahead_hides_nothing(new_harness: NewHarness) -> None:
    vendor = Vendor(size=9)
    vendor.put("c1", no=1_709_000_000)
    async with new_harness(vendor, scenario("by_number")) as harness:
        await harness.poll()
        vendor.put("milliseconds", no=1_709_000_001_000)
        await harness.poll()
        vendor.put("c2", no=1_709_000_002)
        await harness.poll()
        await harness.poll()
        assert await told(harness) == ["milliseconds", "c2"]


@pytest.mark.parametrize("start", ["from_now", "all", "{since: 2024-03-01T12:00:00Z}"])
@pytest.mark.parametrize("module", ["by_time", "by_filter"])
async def test_a_clock_that_stands_far_behind_repeats_and_loses_nothing(
    new_harness: NewHarness, module: str, start: str
) -> None:
    vendor, clock = Vendor(), VirtualClock()
    for number in (1, 2, 3):
        vendor.put(f"c{number}", f"{DAY}{number}")
    behind = 20 * 365 * 86_400
    wanted = {"from_now": [], "all": ["c1", "c2", "c3"]}.get(start, ["c2", "c3"])
    clock.jump(-behind)
    async with new_harness(vendor, scenario(module, start=start), clock=clock) as harness:
        for number in (4, 5, 6):
            await harness.poll()
            await harness.poll()
            assert await told(harness) == wanted
            vendor.put(f"c{number}", f"{DAY}{number}")
            wanted.append(f"c{number}")
            await harness.poll()
            # behind, right, and behind again
            clock.jump(behind if number == 4 else -behind)
        await harness.poll()
        assert await told(harness) == wanted


async def test_what_was_told_by_content_is_not_repeated_when_its_moment_comes(new_harness: NewHarness) -> None:
    vendor, clock = Vendor(), VirtualClock()
    vendor.put("c1", f"{DAY}1")
    async with new_harness(vendor, scenario(), clock=clock) as harness:
        await harness.poll()
        vendor.put("planned", "2024-03-20")
        for _ in range(4):
            await harness.poll()
            clock.jump(6 * 86_400)
        vendor.put("c2", "2024-03-21")
        await harness.poll()
        assert await told(harness) == ["planned", "c2"]


async def test_what_was_told_by_content_is_an_event_when_it_is_put_right_behind_the_mark(
    new_harness: NewHarness,
) -> None:
    vendor = Vendor()
    vendor.put("c5", f"{DAY}5")
    async with new_harness(vendor, scenario()) as harness:
        await harness.poll()
        vendor.put("odd", "9999-12-31")
        await harness.poll()
        vendor.put("odd", f"{DAY}1")
        for _ in range(3):
            await harness.poll()
        assert [event["at"] for event in await events(harness)] == ["9999-12-31", f"{DAY}1"]


# ---------------------------------------------------------------- identities that are none


@pytest.mark.parametrize("module", ["by_time", "by_content", "by_filter"])
async def test_records_that_share_an_identity_run_once_each(new_harness: NewHarness, module: str) -> None:
    at = f"{DAY}1"
    vendor = Raw({"id": "x", "at": at, "no": 1}, {"id": "x", "at": at, "no": 2}, {"id": "x", "at": at, "no": 3})
    async with new_harness(vendor, scenario(module, start="all")) as harness:
        for _ in range(3):
            await harness.poll()
            vendor.items.reverse()
            await harness.restart()
        assert sorted(event["no"] for event in await events(harness)) == [1, 2, 3]
        vendor.items[1] = {"id": "x", "at": at, "no": 4}
        for _ in range(3):
            await harness.poll()
        assert [event["no"] for event in await events(harness)][3:] == [4]


async def test_without_order_a_record_that_changes_back_is_an_event(new_harness: NewHarness) -> None:
    vendor = Raw({"id": "x", "no": 1}, {"id": "x", "no": 2})
    async with new_harness(vendor, scenario("by_content", start="all")) as harness:
        await harness.poll()
        for numbers in ((1,), (2,), (1,), (1,)):
            vendor.items = [{"id": "x", "no": number} for number in numbers]
            await harness.poll()
        assert [event["no"] for event in await events(harness)] == [1, 2, 2, 1]


@pytest.mark.parametrize("module", ["by_time", "by_content"])
async def test_one_at_a_time_takes_records_that_share_an_identity_once_each(
    new_harness: NewHarness, module: str
) -> None:
    vendor = Raw(*({"id": "x", "at": f"{DAY}1", "no": number} for number in (1, 2, 3)))
    async with new_harness(vendor, scenario(module, start="all")) as harness:
        for _ in range(5):
            await harness.poller.sweep(harness.plans[0], limit=1)
        assert sorted(event["no"] for event in await events(harness)) == [1, 2, 3]


# ---------------------------------------------------------------- pages without end


@pytest.mark.parametrize("items", [[], [{"id": "c1", "at": f"{DAY}1"}]])
async def test_pages_that_never_end_are_given_up(
    new_harness: NewHarness, monkeypatch: pytest.MonkeyPatch, items: list[Any]
) -> None:
    """A vendor that does not know the parameter by which it is asked for the next page, or always names one."""
    monkeypatch.setattr(polling, "MOST_IDLE", 10)

    class Endless(Raw):
        async def page(self, plan: Scenario, trigger: Polling, cursor: Any) -> Page:
            assert len(self.asked) < 100
            found = await super().page(plan, trigger, cursor)
            return Page(found.items, (cursor or 0) + 1)

    vendor = Endless(*items)
    async with new_harness(vendor, scenario(start="all")) as harness:
        for _ in range(2):
            vendor.asked.clear()
            with pytest.raises(DataError, match="10 pages in a row brought nothing"):
                await harness.poll()
            assert vendor.asked[0] is None
        assert await told(harness) == [item["id"] for item in items]


# ---------------------------------------------------------------- too much at once


async def test_a_huge_page_starts_no_more_runs_than_may_be_in_memory(new_harness: NewHarness) -> None:
    vendor = Vendor(size=100)
    for number in range(50):
        vendor.put(f"c{number:02}", f"{DAY}1")
    async with new_harness(vendor, scenario(start="all"), max_running=3) as harness:
        begin, most = harness.runner.begin, 0

        def watched(*args: Any) -> None:
            nonlocal most
            begin(*args)
            most = max(most, len(harness.runner._tasks))

        harness.runner.begin = watched  # type: ignore[method-assign]
        [accepted] = await harness.poll()
        assert len(accepted.runs) == 50
        assert sorted(await told(harness)) == [f"c{number:02}" for number in range(50)]
        assert most == 3


async def test_a_run_of_a_huge_page_is_taken_up_without_the_rest_of_the_page(
    new_harness: NewHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "AT_HAND", 0)
    vendor = Vendor(size=100)
    for number in range(50):
        vendor.put(f"c{number:02}", f"{DAY}1")
    async with new_harness(vendor, scenario(start="all"), max_running=1) as harness:
        read: list[Any] = []
        deliveries = harness.store.deliveries

        async def watched(receipt_ids: Any) -> Any:
            read.append(receipt_ids)
            return await deliveries(receipt_ids)

        monkeypatch.setattr(harness.store, "deliveries", watched)
        await harness.poll()
        await harness.rest()
        assert read == []
        assert len(await told(harness)) == 50


async def test_runs_of_the_other_kind_hold_no_page_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "MOST_WAITING", 1)
    vendor = Vendor()
    harness: Harness = harness_maker("memory", tmp_path)(vendor, scenario(start="all"))
    async with harness:
        for number in (1, 2, 3):
            left = run(number + 10, state=State.QUEUED, scenario="s", simulated=True)
            await harness.store.put(AddReceipt(receipt(number)), AddRun(left))
        harness.poller.start()
        await harness.clock.advance(5)
        assert vendor.asked == [None]


async def test_a_cursor_at_which_the_vendor_always_breaks_down_is_given_up(new_harness: NewHarness) -> None:
    """An expired cursor, answered as if the vendor were down."""

    class Expired(Vendor):
        stale = False

        async def page(self, plan: Scenario, trigger: Polling, cursor: Any) -> Page:
            if self.stale and cursor is not None:
                self.asked.append(cursor)
                raise VendorError("500")
            return await super().page(plan, trigger, cursor)

    vendor = Expired()
    for number in range(1, 6):
        vendor.put(f"c{number}", f"{DAY}{number}")
    async with new_harness(vendor, scenario(start="all")) as harness:
        vendor.then = lambda: setattr(vendor, "stale", True)
        for _ in range(polling.STUCK_AFTER):
            with pytest.raises(VendorError):
                await harness.poll()
        assert vendor.asked == [None] + [2] * polling.STUCK_AFTER
        vendor.stale, vendor.then = False, lambda: None
        vendor.asked.clear()
        await harness.poll()
        assert vendor.asked == [None, 2, 4]
        assert await told(harness) == ["c1", "c2", "c3", "c4", "c5"]


async def test_a_vendor_that_is_down_for_a_moment_does_not_send_the_sweep_back(new_harness: NewHarness) -> None:
    vendor = Vendor()
    for number in range(1, 14):
        vendor.put(f"c{number}", f"2024-03-{number:02}")
    cursors = range(2, 13, 2)
    assert len(cursors) > polling.STUCK_AFTER
    async with new_harness(vendor, scenario(start="all")) as harness:
        for asked in cursors:
            vendor.then = lambda: vendor.troubles.append(VendorError("down"))
            with pytest.raises(VendorError):
                await harness.poll()
            assert vendor.asked[-1] == asked
        vendor.then = lambda: None
        await harness.poll()
        assert vendor.asked == [None, *(cursor for cursor in cursors for _ in range(2))]
