"""A polling trigger: what is new, once and only once; with both stores."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine import App, Page
from engine.plugins import Registry
from engine.runtime import polling
from engine.runtime.connections import Connections
from engine.runtime.intake import Intake
from engine.runtime.outcomes import PluginFault
from engine.runtime.polling import ROOM_EVERY, ModulePages, pause
from engine.runtime.secrets import KeyRing, SecretBox, Secrets
from engine.runtime.sweep import FORGET_AFTER
from engine.sdk.errors import AuthError, DataError, NotFound, RateLimitError, VendorError
from engine.store.memory import MemoryStore
from engine.store.records import DeliveryState
from engine.testing import CrashAt, Harness, VirtualClock
from tests.runtime.polls import NewHarness, Vendor, events, harness_maker, registry, scenario, told

DAY = "2024-03-0"


@pytest.fixture(params=["memory", "sqlite"])
def new_harness(request: pytest.FixtureRequest, tmp_path: Path) -> NewHarness:
    return harness_maker(request.param, tmp_path)


def five(**options: Any) -> Vendor:
    vendor = Vendor(**options)
    for number in range(1, 6):
        vendor.put(f"c{number}", f"{DAY}{number}")
    return vendor


ALL = ["c1", "c2", "c3", "c4", "c5"]


# ---------------------------------------------------------------- where it begins


async def test_from_now_only_marks_what_is_there(new_harness: NewHarness) -> None:
    vendor = five()
    async with new_harness(vendor, scenario()) as harness:
        assert await harness.poll() == []
        assert await told(harness) == []
        vendor.put("c6", f"{DAY}6")
        vendor.put("c2", f"{DAY}7")
        [accepted] = await harness.poll()
        assert len(accepted.runs) == 2
        assert await told(harness) == ["c6", "c2"]
        assert await harness.poll() == []


async def test_from_now_of_an_empty_vendor_runs_the_first_record(new_harness: NewHarness) -> None:
    vendor = Vendor()
    async with new_harness(vendor, scenario()) as harness:
        await harness.poll()
        vendor.put("c1", f"{DAY}1")
        await harness.poll()
        assert await told(harness) == ["c1"]


@pytest.mark.parametrize("newest_first", [False, True])
async def test_all_runs_what_is_there_and_then_what_is_new(new_harness: NewHarness, newest_first: bool) -> None:
    vendor = five(newest_first=newest_first)
    async with new_harness(vendor, scenario(start="all")) as harness:
        assert len(await harness.poll()) == 3  # pages, each a receipt
        # within a page the oldest is first, whichever way the pages come
        assert await told(harness) == (["c4", "c5", "c2", "c3", "c1"] if newest_first else ALL)
        assert await harness.poll() == []
        vendor.put("c6", f"{DAY}6")
        await harness.poll()
        assert (await told(harness))[5:] == ["c6"]


async def test_since_runs_what_has_changed_at_that_moment_or_later(new_harness: NewHarness) -> None:
    vendor = Vendor()
    vendor.put("before", "2024-03-03T08:59:59.999Z")
    vendor.put("there", "2024-03-03T09:00:00.000Z")
    vendor.put("later", "2024-03-03T10:00:00.000Z")
    async with new_harness(vendor, scenario(start="{since: 2024-03-03T10:00:00+01:00}")) as harness:
        await harness.poll()
        assert await told(harness) == ["there", "later"]
        vendor.put("before", "2024-03-04T00:00:00.000Z")
        await harness.poll()
        assert (await told(harness))[2:] == ["before"]


async def test_since_is_compared_by_the_apps_own_positions(new_harness: NewHarness) -> None:
    vendor = Vendor()
    for number in (1_709_629_199, 1_709_629_200, 1_709_629_201):
        vendor.put(str(number), no=number)
    async with new_harness(vendor, scenario("by_number", start="{since: 2024-03-05T09:00:00Z}")) as harness:
        await harness.poll()
        assert await told(harness) == ["1709629200", "1709629201"]


async def test_since_that_cannot_be_compared_fails_and_takes_nothing(new_harness: NewHarness) -> None:
    vendor = Vendor()
    vendor.put("c1", "on Tuesday")
    async with new_harness(vendor, scenario(start="{since: 2024-03-03}")) as harness:
        with pytest.raises(DataError, match=r"'on Tuesday' as the position of an item.*`since`"):
            await harness.poll()
        assert await told(harness) == []
        assert await harness.store.polls() == []


async def test_another_connection_or_config_begins_anew_and_another_start_does_not(new_harness: NewHarness) -> None:
    vendor = five()
    harness = new_harness(vendor, scenario(start="all"))
    async with harness:
        await harness.poll()
        assert await told(harness) == ALL
        harness.plans = [harness._load(scenario(start="from_now"), 0)]
        await harness.restart()
        await harness.poll()
        assert await told(harness) == ALL
        harness.plans = [harness._load(scenario(start="all", **{"with": "{tier: GOLD}"}), 0)]
        await harness.restart()
        await harness.poll()
        assert await told(harness) == ALL * 2


# ---------------------------------------------------------------- what is new


async def test_ties_at_the_mark_are_told_by_id_and_content(new_harness: NewHarness) -> None:
    vendor = five(size=10)
    async with new_harness(vendor, scenario()) as harness:
        await harness.poll()
        vendor.put("c6", f"{DAY}5")  # the same moment as the highest that was seen
        vendor.put("c0", f"{DAY}5")
        await harness.poll()
        assert await told(harness) == ["c0", "c6"]
        vendor.put("c6", f"{DAY}5", tier="GOLD")
        await harness.poll()
        assert (await events(harness))[2:] == [{"id": "c6", "at": f"{DAY}5", "tier": "GOLD"}]
        vendor.put("c7", f"{DAY}4")  # behind the mark
        await harness.poll()
        assert len(await told(harness)) == 3


async def test_a_record_that_changes_twice_between_polls_is_one_event(new_harness: NewHarness) -> None:
    vendor = five()
    async with new_harness(vendor, scenario()) as harness:
        await harness.poll()
        vendor.put("c1", f"{DAY}6", tier="SILVER")
        vendor.put("c1", f"{DAY}7", tier="GOLD")
        await harness.poll()
        assert await events(harness) == [{"id": "c1", "at": f"{DAY}7", "tier": "GOLD"}]


async def test_what_moves_while_the_pages_are_read_is_neither_lost_nor_repeated(new_harness: NewHarness) -> None:
    vendor = five(newest_first=True)
    changes = iter([("c6", f"{DAY}6"), ("c1", f"{DAY}7")])

    def change() -> None:
        # after each page something comes on top, and pushes what was read onto the next page
        for record, at in changes:
            vendor.put(record, at)
            return

    vendor.then = change
    async with new_harness(vendor, scenario(start="all")) as harness:
        await harness.poll()
        await harness.poll()
        assert sorted(await told(harness)) == ["c1", "c2", "c3", "c4", "c5", "c6"]


async def test_where_the_vendor_can_filter_only_what_is_at_or_beyond_the_mark_is_read(new_harness: NewHarness) -> None:
    vendor = five()
    async with new_harness(vendor, scenario("by_filter")) as harness:
        await harness.poll()
        vendor.asked.clear()
        vendor.put("c6", f"{DAY}6")
        await harness.poll()
        assert vendor.asked == [{"from": f"{DAY}5", "offset": 0}]
        assert await told(harness) == ["c6"]
        vendor.asked.clear()
        await harness.poll()
        assert vendor.asked == [{"from": f"{DAY}6", "offset": 0}]


async def test_a_filter_begins_at_since(new_harness: NewHarness) -> None:
    vendor = Vendor()
    vendor.put("before", "2024-03-03T08:00:00.000Z")
    vendor.put("there", "2024-03-03T09:00:00.000Z")
    async with new_harness(vendor, scenario("by_filter", start="{since: 2024-03-03T09:00:00Z}")) as harness:
        await harness.poll()
        assert vendor.asked == [{"from": "2024-03-03T09:00:00.000Z", "offset": 0}]
        assert await told(harness) == ["there"]


async def test_a_double_of_the_trigger_gives_its_items(tmp_path: Path) -> None:
    customers = [{"id": "c1", "at": f"{DAY}1"}]
    harness = Harness([scenario(start="all")], registry=registry(), doubles={"polled.by_time": lambda _: customers})
    async with harness:
        await harness.poll()
        customers.append({"id": "c2", "at": f"{DAY}2"})
        [accepted] = await harness.poll("s")
        assert len(accepted.runs) == 1
        assert await told(harness) == ["c1", "c2"]
        assert [call.module for call in harness.calls] == ["polled.by_time"] * 2


async def test_a_plugin_mistake_in_a_page_is_told_as_one(tmp_path: Path) -> None:
    async def broken(_call: Any, _cursor: Any) -> Page:
        return Page([{1, 2}])

    found = Registry()
    module = replace(registry().modules["polled.by_time"], page=broken)  # type: ignore[type-var]  # of whichever kind
    found.add(App(name="polled", title="Polled", modules=[module]), "the tests")
    secrets = Secrets({}, SecretBox(MemoryStore(clock=VirtualClock()), KeyRing(tmp_path, {}), VirtualClock()))
    pages = ModulePages(Connections({}, found, secrets, VirtualClock()), VirtualClock())
    async with Harness([scenario()], registry=found, pages=pages) as harness:
        with pytest.raises(PluginFault, match=r"polled.by_time raised TypeError: .*set.* at "):
            await harness.poll()


async def test_a_poll_without_news_writes_nothing(new_harness: NewHarness) -> None:
    for module in ("by_time", "by_content"):
        vendor = five()
        async with new_harness(vendor, scenario(module, start="all"), faults=CrashAt()) as harness:
            await harness.poll()
            await told(harness)
            assert isinstance(harness.faults, CrashAt)
            before = await harness.store.polls(), await harness.store.poll_items("s", False)
            hits = dict(harness.faults.hits)
            vendor.size = 10
            await harness.poll()
            assert (await harness.store.polls(), await harness.store.poll_items("s", False)) == before
            assert harness.faults.hits["store.commit"] == hits["store.commit"]


async def test_without_order_new_ids_and_new_contents_are_events(new_harness: NewHarness) -> None:
    vendor = Vendor()
    vendor.put("a", n=1)
    vendor.put("b", n=1)
    vendor.put("c", n=1)
    async with new_harness(vendor, scenario("by_content")) as harness:
        await harness.poll()
        assert await events(harness) == []
        vendor.put("b", n=2)
        vendor.put("d", n=1)
        await harness.poll()
        assert await events(harness) == [{"id": "b", "n": 2}, {"id": "d", "n": 1}]
        vendor.put("b", n=1)  # as it was is a change too
        await harness.poll()
        assert (await events(harness))[2:] == [{"id": "b", "n": 1}]
        vendor.records["b"]["fetched"] = "now"  # what `identify` leaves out is no change
        assert await harness.poll() == []


async def test_a_record_that_vanishes_is_known_for_a_week(new_harness: NewHarness) -> None:
    vendor = Vendor()
    vendor.put("a", n=1)
    vendor.put("b", n=1)
    harness = new_harness(vendor, scenario("by_content", start="all"))
    async with harness:
        await harness.poll()
        there, vendor.records = vendor.records, {}  # a vendor's bad minutes
        for _ in range(3):
            harness.clock.jump(60)
            await harness.poll()
        vendor.records = there
        await harness.poll()
        assert await told(harness) == ["a", "b"]
        gone = vendor.records.pop("a")
        await harness.poll()
        harness.clock.jump(FORGET_AFTER + 1)
        await harness.poll()
        vendor.records["a"] = gone
        await harness.poll()
        assert await told(harness) == ["a", "b", "a"]


async def test_an_item_that_the_app_cannot_read_is_rejected_once_and_stops_no_other(new_harness: NewHarness) -> None:
    vendor = Vendor(size=5)
    vendor.put("a", n=1)
    vendor.records["?"] = {"n": 2}
    vendor.put("b", n=1)
    async with new_harness(vendor, scenario("by_content", start="all")) as harness:
        await harness.poll()
        assert await harness.poll() == []
        assert await told(harness) == ["a", "b"]
        assert await events(harness, DeliveryState.REJECTED) == ["the record has no id"]


async def test_an_item_without_a_position_is_told_by_its_content(
    new_harness: NewHarness, caplog: pytest.LogCaptureFixture
) -> None:
    vendor = five()
    async with new_harness(vendor, scenario()) as harness:
        await harness.poll()
        vendor.put("x", n=1)
        vendor.put("y", at=7)
        await harness.poll()
        assert await harness.poll() == []
        assert sorted(await told(harness)) == ["x", "y"]
        assert "2 items show no position" in caplog.text
        vendor.put("x", n=2)
        await harness.poll()
        assert (await told(harness))[2:] == ["x"]


async def test_the_triggers_if_filters(new_harness: NewHarness) -> None:
    vendor = five()
    source = scenario(start="all", **{"if": "${{ trigger.id != 'c2' }}"})
    async with new_harness(vendor, source) as harness:
        await harness.poll()
        assert await told(harness) == ["c1", "c3", "c4", "c5"]
        assert await events(harness, DeliveryState.FILTERED) == ["the trigger's `if` is false"]


async def test_one_event_may_be_wanted_at_a_time(new_harness: NewHarness) -> None:
    vendor = five(newest_first=True, size=3)
    async with new_harness(vendor, scenario(start="all")) as harness:
        for _ in range(7):
            await harness.poller.sweep(harness.plans[0], limit=1)
        assert sorted(await told(harness)) == ALL
        assert (await told(harness))[0] == "c3"


# ---------------------------------------------------------------- crashes


async def lives(harness: Harness, faults: CrashAt, sweeps: int = 2) -> None:
    """Start, sweep, die where ``faults`` says, and sweep again as a new process."""
    harness.faults = faults

    async def live() -> None:
        await harness.start()
        for _ in range(sweeps):
            await harness.poll()
        await harness.rest()

    life, death = asyncio.ensure_future(live()), asyncio.ensure_future(faults.death())
    await asyncio.wait({life, death}, return_when=asyncio.FIRST_COMPLETED)
    life.cancel()
    death.cancel()
    for outcome in await asyncio.gather(life, death, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
    await harness.restart()
    await harness.poll()


CRASHES = [
    (point, nth)
    for point in ("poll.page", "store.begin", "store.commit", "store.committed", "receipt.accepted", "run.claimed")
    for nth in (1, 2, 3, 4)
]


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize(("point", "nth"), CRASHES)
async def test_a_crash_in_a_sweep_loses_nothing_and_repeats_nothing(
    new_harness: NewHarness, point: str, nth: int, newest_first: bool
) -> None:
    await crash_in_a_sweep(new_harness, point, nth, newest_first=newest_first)


async def crash_in_a_sweep(
    new_harness: NewHarness, point: str, nth: int, *, module: str = "by_time", newest_first: bool = False
) -> None:
    vendor = five(newest_first=newest_first)
    harness = new_harness(vendor, scenario(module, start="all"))
    faults = CrashAt(point, nth)
    try:
        await lives(harness, faults)
        assert sorted(await told(harness)) == ALL, f"{point} {nth}"
        vendor.put("c6", f"{DAY}6")
        await harness.poll()
        assert sorted(await told(harness)) == [*ALL, "c6"]
    finally:
        await harness.stop()
    assert faults.crashed or nth > 3


@pytest.mark.parametrize("first", ["cursor", "runs"])
async def test_with_the_cursor_in_a_transaction_of_its_own_the_check_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """The mutant: two commits in place of one, in either order."""
    accept = Intake.accept

    async def in_two(self: Intake, *args: Any, also: Any = (), **more: Any) -> Any:
        if first == "cursor":
            await self._store.put(*also)
            return await accept(self, *args, **more)
        accepted = await accept(self, *args, **more)
        await self._store.put(*also)
        return accepted

    monkeypatch.setattr(Intake, "accept", in_two)
    failed = 0
    for number in range(1, 9):
        new_harness = harness_maker("memory", tmp_path)
        try:
            await crash_in_a_sweep(new_harness, "store.begin", number)
        except AssertionError:
            failed += 1
    assert failed


@pytest.mark.parametrize("module", ["by_content", "by_filter"])
@pytest.mark.parametrize("point", ["poll.page", "store.commit", "store.committed"])
@pytest.mark.parametrize("nth", [2, 3])
async def test_a_crash_in_a_sweep_of_any_kind(new_harness: NewHarness, module: str, point: str, nth: int) -> None:
    await crash_in_a_sweep(new_harness, point, nth, module=module)


@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_first_look_that_is_broken_off_still_runs_nothing(new_harness: NewHarness, nth: int) -> None:
    for module in ("by_time", "by_content"):
        vendor = five()
        harness = new_harness(vendor, scenario(module))
        try:
            await lives(harness, CrashAt("poll.page", nth))
            assert await told(harness) == []
            vendor.put("c6", f"{DAY}6")
            await harness.poll()
            assert await told(harness) == ["c6"]
        finally:
            await harness.stop()


async def test_a_sweep_that_was_broken_off_goes_on_with_its_next_page(new_harness: NewHarness) -> None:
    vendor = five()
    harness = new_harness(vendor, scenario(start="all"))
    try:
        await lives(harness, CrashAt("poll.page", 2), sweeps=1)
        assert vendor.asked == [None, 2, 2, 4]
    finally:
        await harness.stop()


# ---------------------------------------------------------------- failures


async def test_a_cursor_that_the_vendor_no_longer_takes_begins_the_sweep_again(new_harness: NewHarness) -> None:
    vendor = five()
    async with new_harness(vendor, scenario(start="all")) as harness:
        vendor.troubles = []
        vendor.then = lambda: vendor.troubles.append(VendorError("down")) if len(vendor.asked) == 1 else None
        with pytest.raises(VendorError):
            await harness.poll()
        vendor.then = lambda: None
        vendor.troubles = [NotFound("the cursor has expired")]
        with pytest.raises(NotFound):
            await harness.poll()
        await harness.poll()
        assert vendor.asked == [None, 2, 2, None, 2, 4]
        assert await told(harness) == ALL


async def test_pages_that_lead_in_a_circle_end(new_harness: NewHarness) -> None:
    class Circle(Vendor):
        async def page(self, plan: Any, trigger: Any, cursor: Any) -> Any:
            found = await super().page(plan, trigger, cursor)
            return type(found)(found.items, 2 if cursor == 4 else found.cursor)

    vendor = Circle()
    for number in range(1, 6):
        vendor.put(f"c{number}", f"{DAY}{number}")
    async with new_harness(vendor, scenario(start="all")) as harness:
        with pytest.raises(DataError, match="in a circle: after the cursor 4"):
            await harness.poll()
        assert vendor.asked == [None, 2, 4]


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return harness_maker("memory", tmp_path)(five(), scenario(every="10s"))


def vendor_of(harness: Harness) -> Vendor:
    assert isinstance(harness.pages, Vendor)
    return harness.pages


async def test_polls_come_on_the_engines_clock_and_never_overlap(harness: Harness) -> None:
    vendor, clock = vendor_of(harness), harness.clock
    vendor.size = 5
    times: list[float] = []
    slow = 0.0

    async def page(plan: Any, trigger: Any, cursor: Any) -> Any:
        times.append(clock.time())
        found = await Vendor.page(vendor, plan, trigger, cursor)
        await clock.sleep(slow)
        return found

    vendor.page = page  # type: ignore[method-assign]
    start = clock.time()
    async with harness:
        harness.poller.start()
        await clock.advance(25)
        assert [time - start for time in times] == [0, 10, 20]
        slow = 25.0
        await clock.advance(60)
        assert [time - start for time in times] == [0, 10, 20, 30, 55, 80]


async def test_failures_are_told_and_tried_again_after_growing_pauses(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    vendor, clock = vendor_of(harness), harness.clock
    vendor.size = 5
    vendor.troubles = [VendorError("the vendor is down"), VendorError("still"), AuthError("the key was revoked")]
    start = clock.time()
    times: list[float] = []
    vendor.then = lambda: times.append(clock.time() - start)
    with caplog.at_level(logging.WARNING):
        async with harness:
            harness.poller.start()
            await clock.advance(200)
    # at 0, 10, 30 it fails
    assert times[:3] == [70, 80, 90]
    actions = [record.__dict__["action"] for record in caplog.records]
    assert actions == ["poll_failed", "poll_failed", "poll_failed", "poll_works"]
    assert "time 2 in a row" in caplog.text
    assert "the key was revoked; the vendor does not accept the credentials" in caplog.text


def test_pauses_grow_up_to_a_quarter_of_an_hour_or_to_every() -> None:
    assert [pause(60, failures) for failures in (0, 1, 2, 3, 4, 5, 99)] == [60, 60, 120, 240, 480, 900, 900]
    assert pause(3600, 5) == 3600


async def test_a_vendor_that_asks_for_a_pause_gets_it(harness: Harness) -> None:
    vendor, clock = vendor_of(harness), harness.clock
    vendor.size = 5
    vendor.troubles = [RateLimitError("slower", retry_after=120)]
    async with harness:
        harness.poller.start()
        await clock.advance(119)
        assert len(vendor.asked) == 1
        await clock.advance(2)
        assert len(vendor.asked) == 2


async def test_a_clock_that_is_set_back_makes_nobody_wait_longer(harness: Harness) -> None:
    vendor, clock = vendor_of(harness), harness.clock
    vendor.size = 5
    async with harness:
        vendor.then = lambda: clock.jump(-86_400)
        harness.poller.start()
        await clock.settle()
        vendor.then = lambda: None
        await clock.advance(11)
        assert len(vendor.asked) == 2


async def test_what_is_not_active_is_not_polled(tmp_path: Path) -> None:
    vendor = five()
    harness = harness_maker("memory", tmp_path)(vendor, scenario(active="false"))
    async with harness:
        harness.poller.start()
        await harness.clock.advance(1000)
    assert vendor.asked == []


async def test_a_broken_store_is_waited_for_and_nothing_is_lost(new_harness: NewHarness) -> None:
    class Full:
        error: Exception | None = None

        def hit(self, point: str) -> None:
            if point == "store.commit" and self.error is not None:
                raise self.error

    vendor, disk = five(), Full()
    harness = new_harness(vendor, scenario(every="10s", start="all"), faults=disk)
    async with harness:
        await told(harness)
        disk.error = OSError(28, "No space left on device")
        harness.poller.start()
        async with asyncio.timeout(30):
            while not harness.store.broken:  # noqa: ASYNC110 - a store sets no event
                await asyncio.sleep(0)
        assert await harness.store.polls() == []
        disk.error = None
        async with asyncio.timeout(30):
            while not await harness.store.polls() or len(vendor.asked) < 4:
                await harness.clock.advance(1)
        assert await told(harness) == ALL


async def test_no_page_is_read_while_too_many_runs_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(polling, "MOST_WAITING", 1)
    vendor = five()
    source = scenario(start="all").replace("- set: {seen", "- timeout: 1h\n    set: {seen")
    harness = harness_maker("memory", tmp_path)(vendor, source, max_running=0)
    async with harness:
        harness.poller.start()
        await harness.clock.advance(3 * ROOM_EVERY)
        assert vendor.asked == [None]
        assert "waits: more than 1 of its runs" in caplog.text
        harness.runner._lines._room = 10
        harness.runner.wake()
        await harness.clock.advance(3 * ROOM_EVERY)
        assert vendor.asked == [None, 2, 4]
        assert await told(harness) == ALL


async def test_simulated_polls_are_kept_apart(new_harness: NewHarness) -> None:
    vendor = five()
    harness = new_harness(vendor, scenario(start="all"), clock=VirtualClock())
    async with harness:
        harness.runner.simulated = True
        await harness.poll()
        assert [poll.simulated for poll in await harness.store.polls()] == [True]
        harness.runner.simulated = False
        vendor.asked.clear()
        await harness.poll()
        assert [poll.simulated for poll in await harness.store.polls()] == [False, True]
        assert vendor.asked == [None, 2, 4]


async def test_an_item_by_hand_is_an_event(new_harness: NewHarness) -> None:
    async with new_harness(five(), scenario()) as harness:
        result = await harness.run({"id": "c9", "email": "ana@example.com"})
        assert (result.state, result.run.subject) == ("succeeded", "ana@example.com")
        assert await harness.store.polls() == []


async def test_a_scenario_that_goes_and_comes_back_while_a_page_is_read_is_swept_once(new_harness: NewHarness) -> None:
    vendor = five(size=5)
    async with new_harness(vendor, scenario(start="all")) as harness:
        page, asked = vendor.page, asyncio.Semaphore(0)

        async def slowly(*given: Any) -> Page:
            found = await page(*given)
            asked.release()
            await harness.clock.sleep(5)
            return found

        vendor.page = slowly  # type: ignore[method-assign]  # the vendor takes its time
        harness.poller.start()
        await asked.acquire()
        await harness.written()
        harness.poller.follow([])
        harness.poller.follow(harness.plans)
        await harness.written()
        await harness.clock.advance(5)
        await asked.acquire()
        assert await told(harness) == ALL
        await harness.clock.advance(5)
        await harness.written()
        assert await told(harness) == ALL
        await harness.poller.stop()
