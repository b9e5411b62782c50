"""Schedules: each moment starts one run, or is left out and the receipt says so, whatever the clock does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.runtime.ticks import GRACE, REWIND
from engine.scenario.timetables import moments, show_moment
from engine.sdk import jsontext
from engine.sdk.errors import StoreError
from engine.store.records import DeliveryState, Page, ReceiptFilter
from engine.testing import CrashAt, Harness, VirtualClock
from tests.runtime.polls import _files
from tests.runtime.told import Told, channel, looked

BERLIN = "Europe/Berlin"
#: a Tuesday
NINE = VirtualClock().time()


def scenario(schedule: str = "every: 1h", **keys: str) -> str:
    top = "".join(f"{key}: {value}\n" for key, value in keys.items())
    steps = "steps:\n  - set: {at: '${{ trigger.scheduled_at }}'}\n"
    return f"scenario: s\n{top}trigger:\n  schedule: {{{schedule}}}\n{steps}"


@pytest.fixture(params=["memory", "sqlite"])
def new_harness(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    def make(source: str, **options: Any) -> Harness:
        harness = Harness([source], **options)
        if request.param == "sqlite":
            harness.new_store = _files(harness, tmp_path / "store.db")
        return harness

    return make


async def events(harness: Harness) -> list[dict[str, Any]]:
    """The events of all runs that schedules have started, the oldest first; each run has succeeded."""
    await harness.rest()
    found = []
    for receipt in reversed(await harness.store.receipts(ReceiptFilter(page=Page(limit=10_000)))):
        assert (receipt.source, receipt.method) == ("schedule:s", "SCHEDULE")
        for delivery in await harness.store.deliveries([receipt.id]):
            if delivery.state is DeliveryState.RUN:
                assert delivery.run_id is not None
                run = await harness.store.run(delivery.run_id)
                assert run is not None
                assert run.state == "succeeded"
                found.append(jsontext.loads(delivery.event or b"null"))
    return found


async def ticked(harness: Harness) -> list[str]:
    return [event["scheduled_at"] for event in await events(harness)]


async def left_out(harness: Harness) -> list[str]:
    found = []
    for receipt in reversed(await harness.store.receipts(ReceiptFilter(page=Page(limit=10_000)))):
        deliveries = await harness.store.deliveries([receipt.id])
        found += [d.reason or "" for d in deliveries if d.state is DeliveryState.FILTERED]
    return found


def shown(*times: str) -> list[str]:
    return [f"2024-03-05T{time}:00Z" for time in times]


# ---------------------------------------------------------------- ordinary time


async def test_each_moment_starts_a_run_that_knows_it_and_the_one_before() -> None:
    async with Harness([scenario()]) as harness:
        harness.timekeeper.start()
        await harness.clock.advance(2 * 3600)
        await harness.rest()
        assert await events(harness) == [
            {"scheduled_at": "2024-03-05T10:00:00Z", "previous": None},
            {"scheduled_at": "2024-03-05T11:00:00Z", "previous": "2024-03-05T10:00:00Z"},
        ]
        assert await left_out(harness) == []


async def test_a_run_says_how_it_came(new_harness: Any) -> None:
    source = scenario(subject="${{ request.method }}")
    async with new_harness(source) as harness:
        harness.clock.jump(3600)
        [accepted] = await harness.tick()
        result = await harness.result(accepted.runs[0])
        assert (result.run.subject, result.state) == ("SCHEDULE", "succeeded")


async def test_a_new_schedule_begins_now_and_not_with_the_moment_that_it_is(new_harness: Any) -> None:
    async with new_harness(scenario(), clock=VirtualClock(NINE)) as harness:
        assert await harness.tick() == []
        harness.clock.jump(3599)
        assert await harness.tick() == []
        harness.clock.jump(1)
        assert len(await harness.tick()) == 1
        assert await harness.tick() == []


async def test_the_triggers_if_filters_moments(new_harness: Any) -> None:
    source = scenario().replace("steps:", "  if: \"${{ contains(trigger.scheduled_at, 'T11') }}\"\nsteps:", 1)
    async with new_harness(source) as harness:
        for _ in range(3):
            harness.clock.jump(3600)
            await harness.tick()
        assert await ticked(harness) == shown("11:00")
        assert await left_out(harness) == ["the trigger's `if` is false"] * 2


async def test_an_edit_of_the_schedule_begins_anew_and_one_of_the_steps_does_not(new_harness: Any) -> None:
    harness = new_harness(scenario())
    async with harness:
        harness.clock.jump(2 * 3600)
        harness.plans = [harness._load(scenario(description="text"), 0)]
        await harness.restart()
        await harness.tick()
        assert await ticked(harness) == shown("11:00")
        harness.plans = [harness._load(scenario("every: 30m"), 0)]
        harness.clock.jump(2 * 3600)
        await harness.restart()
        assert await harness.tick() == []
        harness.clock.jump(1800)
        await harness.tick()
        assert await ticked(harness) == shown("11:00", "13:30")


async def test_of_an_inactive_scenario_no_moments_are_kept(new_harness: Any) -> None:
    harness = new_harness(scenario(schedule="every: 1h, missed: all"))
    async with harness:
        harness.plans = [harness._load(scenario(schedule="every: 1h, missed: all", active="false"), 0)]
        await harness.restart()
        assert await harness.store.schedules() == []
        harness.clock.jump(10 * 3600)
        assert await harness.tick() == []
        harness.plans = [harness._load(scenario(schedule="every: 1h, missed: all"), 0)]
        await harness.restart()
        assert await harness.tick() == []
        harness.clock.jump(3600)
        await harness.tick()
        assert await ticked(harness) == shown("20:00")


async def test_a_look_when_nothing_is_due_writes_nothing(new_harness: Any) -> None:
    async with new_harness(scenario(), faults=CrashAt()) as harness:
        assert isinstance(harness.faults, CrashAt)
        hits = dict(harness.faults.hits)
        harness.clock.jump(600)
        await harness.tick()
        assert harness.faults.hits == hits


async def test_an_authors_dedupe_does_not_stand_for_the_moments(new_harness: Any) -> None:
    harness = new_harness(scenario(dedupe="{key: '${{ request.method }}', within: 1d}"))
    async with harness:
        for step in (3600, 3600, -7200 - 2 * REWIND, 2 * REWIND + 3600, 3600, 3600):
            harness.clock.jump(step)
            await harness.tick()
        assert await ticked(harness) == shown("10:00", "11:00", "12:00")


# ---------------------------------------------------------------- days on which clocks are set


@pytest.mark.parametrize(
    ("day", "schedule", "expected"),
    [
        ("2024-03-30T12:00", '"30 2 * * *"', ["31T03:00:00+02:00", "01T02:30:00+02:00"]),
        ("2024-10-26T12:00", '"30 2 * * *"', ["27T02:30:00+02:00", "28T02:30:00+01:00"]),
        ("2024-10-26T12:00", '"30 1-2 * * *"', ["27T01:30:00+02:00", "27T02:30:00+02:00", "28T01:30:00+01:00"]),
        (
            "2024-10-26T12:00",
            '"30 */2 27 * *"',
            [f"27T0{t}" for t in ("0:30:00+02:00", "2:30:00+02:00", "2:30:00+01:00")],
        ),
    ],
)
async def test_spring_and_autumn(day: str, schedule: str, expected: list[str]) -> None:
    start = datetime.fromisoformat(f"{day}+01:00").timestamp()
    source = scenario(f"cron: {schedule}, timezone: {BERLIN}")
    async with Harness([source], clock=VirtualClock(start)) as harness:
        for _ in range(48 * 4):
            harness.clock.jump(900)
            await harness.tick()
        found = [event[8:] for event in await ticked(harness)]
        assert found[: len(expected)] == expected


# ---------------------------------------------------------------- silence


@pytest.mark.parametrize("of", ["runs", "successes"])
async def test_a_schedule_is_silent_only_where_its_runs_are_missing(new_harness: Any, of: str) -> None:
    told = Told()
    daily = scenario('cron: "0 6 * * *"', expect=f"{{within: 25h, of: {of}}}")
    harness = new_harness(daily, channels=[channel()], sender=told)
    harness.sources.append(scenario('cron: "0 6 1 * *"').replace("scenario: s", "scenario: monthly"))
    harness.plans.append(harness._load(harness.sources[-1], 1))
    async with harness:
        for _ in range(5 * 24):
            await looked(harness, 3600)
            await harness.tick()
        await harness.rest()
        assert told.kinds == []
        for _ in range(30):
            await looked(harness, 3600)
        assert told.kinds == [("silence", "raised", 1)]


# ---------------------------------------------------------------- missed moments


@pytest.mark.parametrize(
    ("missed", "runs", "omitted"),
    [
        ("skip", [], "4 moments since 2024-03-05T10:00:00Z had passed"),
        ("once", ["13:00"], "3 moments since 2024-03-05T10:00:00Z had passed"),
        ("all", ["10:00", "11:00", "12:00", "13:00"], None),
        ("all, limit: 3", ["11:00", "12:00", "13:00"], "1 moment since 2024-03-05T10:00:00Z had passed"),
    ],
)
async def test_what_passed_while_nothing_ran(
    new_harness: Any, caplog: pytest.LogCaptureFixture, missed: str, runs: list[str], omitted: str | None
) -> None:
    harness = new_harness(scenario(f"every: 1h, missed: {missed}"))
    async with harness:
        harness.clock.jump(4 * 3600 + 1800)
        await harness.restart()
        await harness.tick()
        assert await ticked(harness) == shown(*runs)
        reasons = await left_out(harness)
        assert [reason.partition(" when")[0] for reason in reasons] == ([omitted] if omitted else [])
        assert (omitted or "") in caplog.text
        assert await harness.tick() == []
        harness.clock.jump(1800)
        await harness.tick()
        assert await ticked(harness) == shown(*runs, "14:00")


async def test_previous_spans_what_was_left_out(new_harness: Any) -> None:
    async with new_harness(scenario("every: 1h, missed: skip")) as harness:
        harness.clock.jump(3600)
        await harness.tick()
        harness.clock.jump(3 * 3600 + 600)
        await harness.tick()
        harness.clock.jump(3000)
        await harness.tick()
        assert [event["previous"] for event in await events(harness)] == [None, *shown("10:00")]


@pytest.mark.parametrize(("late", "runs"), [(GRACE, 1), (GRACE + 1, 0)])
async def test_a_moment_that_is_a_little_late_is_not_missed(new_harness: Any, late: float, runs: int) -> None:
    async with new_harness(scenario("every: 1h, missed: skip")) as harness:
        harness.clock.jump(3600 + late)
        await harness.tick()
        assert len(await events(harness)) == runs


async def test_one_moment_comes_once_late_or_not(new_harness: Any) -> None:
    harness = new_harness(scenario("at: 2024-03-05T10:00:00Z"))
    async with harness:
        harness.clock.jump(7200)
        await harness.restart()
        await harness.tick()
        harness.clock.jump(400 * 86_400)
        await harness.restart()
        await harness.tick()
        assert await ticked(harness) == shown("10:00")


# ---------------------------------------------------------------- clocks that jump


async def test_a_clock_that_is_set_back_starts_nothing_twice() -> None:
    async with Harness([scenario()]) as harness:
        harness.timekeeper.start()
        await harness.clock.advance(2 * 3600)
        harness.clock.jump(-1.5 * 3600)
        await harness.clock.advance(3 * 3600)
        await harness.rest()
        assert await ticked(harness) == shown("10:00", "11:00", "12:00")


async def test_a_clock_that_jumps_forward_while_it_is_slept_is_noticed() -> None:
    async with Harness([scenario()]) as harness:
        harness.timekeeper.start()
        await harness.clock.settle()
        harness.clock.jump(3700)
        await harness.clock.advance(5)
        assert await ticked(harness) == shown("10:00")


async def test_a_clock_that_was_years_ahead_does_not_stop_a_schedule_and_repeats_nothing(
    new_harness: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with new_harness(scenario()) as harness:
        harness.clock.jump(3600)
        await harness.tick()
        harness.clock.jump(10 * REWIND)
        await harness.tick()
        harness.clock.jump(-10 * REWIND)
        harness.clock.jump(-1800)
        for _ in range(5):
            await harness.tick()
            harness.clock.jump(1800)
        assert await ticked(harness) == ["2024-03-05T10:00:00Z", "2024-03-15T10:00:00Z", *shown("11:00")]
        assert "far ahead of the clock" in caplog.text


# ---------------------------------------------------------------- crashes and broken stores


def points() -> Iterator[tuple[str, int]]:
    for point in ("schedule.due", "store.begin", "store.commit", "store.committed", "receipt.accepted"):
        for nth in range(1, 9):
            yield point, nth
    yield "run.claimed", 1
    yield "run.ending", 2


async def lives(harness: Harness, faults: CrashAt, hours: int) -> None:
    """Start, look each hour, die where ``faults`` says, and go on as a new process in the same hour."""
    harness.faults = faults
    gone = 0

    async def live() -> None:
        nonlocal gone
        await harness.start()
        while gone < hours:
            await harness.tick()
            await harness.rest()
            harness.clock.jump(3600)
            gone += 1
        await harness.tick()
        await harness.rest()

    life, death = asyncio.ensure_future(live()), asyncio.ensure_future(faults.death())
    await asyncio.wait({life, death}, return_when=asyncio.FIRST_COMPLETED)
    life.cancel()
    death.cancel()
    for outcome in await asyncio.gather(life, death, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
    await harness.restart()
    while gone < hours:
        await harness.tick()
        harness.clock.jump(3600)
        gone += 1
    await harness.tick()


@pytest.mark.parametrize(("point", "nth"), [*points()])
async def test_a_crash_anywhere_gives_each_moment_one_run(new_harness: Any, point: str, nth: int) -> None:
    harness = new_harness(scenario("every: 1h, missed: all"))
    begun = False
    try:
        await lives(harness, CrashAt(point, nth), 4)
        found = await ticked(harness)
        begun = True
    finally:
        await harness.stop()
    # a schedule that was not yet kept when the process died begins with the next process, in the same hour here
    assert begun
    assert found == shown("10:00", "11:00", "12:00", "13:00")


async def test_a_store_that_breaks_at_a_moment_loses_none_when_it_is_mended() -> None:
    class Disk:
        full = False

        def hit(self, point: str) -> None:
            if self.full and point == "store.commit":
                raise OSError(28, "No space left on device")

    disk = Disk()
    async with Harness([scenario("every: 1h, missed: all")], faults=disk) as harness:
        harness.timekeeper.start()
        await harness.clock.advance(3600)
        disk.full = True
        await harness.clock.advance(2 * 3600)
        assert harness.store.broken
        with pytest.raises(StoreError):
            await harness.tick()
        disk.full = False
        await harness.clock.advance(120)
        assert await ticked(harness) == shown("10:00", "11:00", "12:00")


# ---------------------------------------------------------------- whatever happens

SCHEDULES = (
    *('cron: "*/7 * * * *"', 'cron: "30 2 * * *"', 'cron: ["15 */2 * * *", "0 3 * * *"]', "every: 25m, offset: 5m"),
    'cron: "*/20 1-3 * * *"',
)
#: hours before clocks are set, there
PLACES = (
    ("Europe/Berlin", "2024-03-30T20:00:00+00:00"),
    ("Europe/Berlin", "2024-10-26T20:00:00+00:00"),
    ("America/New_York", "2024-11-03T00:00:00+00:00"),
    ("Australia/Lord_Howe", "2024-04-06T10:00:00+00:00"),
)
acts = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 6 * 3600)),
        st.tuples(st.just("back"), st.integers(1, 3 * 86_400)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(
            st.sampled_from(["schedule.due", "store.begin", "store.commit", "store.committed", "receipt.accepted"]),
            st.integers(1, 6 * 3600),
        ),
    ),
    min_size=3,
    max_size=14,
)


async def live(harness: Harness, act: str, seconds: int) -> None:
    if act == "back":
        harness.clock.jump(-seconds)
    elif act == "restart":
        await harness.restart()
    elif act != "wait":
        harness.clock.jump(seconds)
        await harness.restart()
        faults = CrashAt(act)
        harness.intake._faults = harness.timekeeper._faults = harness.store._faults = faults  # type: ignore[attr-defined]
        looking, death = asyncio.ensure_future(harness.tick()), asyncio.ensure_future(faults.death())
        await asyncio.wait({looking, death}, return_when=asyncio.FIRST_COMPLETED)
        looking.cancel()
        death.cancel()
        await asyncio.gather(looking, death, return_exceptions=True)
        await harness.restart()
        # one that is taken over again and again is held as poison, which is not what this is about
        await harness.rest()
    else:
        harness.clock.jump(seconds)
    await harness.tick()


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SCHEDULES), st.sampled_from(PLACES), acts)
def test_no_moment_comes_twice_and_under_all_none_is_lost(
    schedule: str, place: tuple[str, str], doings: list[tuple[str, int]]
) -> None:
    zone, start = place
    begin = datetime.fromisoformat(start).timestamp()
    timezone = "" if schedule.startswith("every") else f", timezone: {zone}"
    source = scenario(f"{schedule}{timezone}, missed: all, limit: 5000")

    async def story() -> None:
        harness = Harness([source], clock=VirtualClock(begin))
        async with harness:
            highest, rewound = begin, False
            for act, seconds in doings:
                stands = max((row.at for row in await harness.store.schedules()), default=0.0)
                await live(harness, act, seconds)
                rewound = rewound or stands - harness.clock.time() > REWIND
                highest = max(highest, harness.clock.time())
            found = await ticked(harness)
            trigger = harness.timekeeper.plans[0].trigger
            wanted = [show_moment(m, trigger.timetable.zone) for m in moments(trigger.timetable, begin, highest)]  # type: ignore[union-attr]
            assert len(found) == len(set(found)), "a moment came twice"
            if rewound:
                # the time before the first one may have come by then
                assert set(wanted) <= set(found)
            else:
                assert found == wanted

    asyncio.run(story())
