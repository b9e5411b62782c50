"""When a schedule fires: by the clock of a place, over the days on which it is set, from wherever it is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.scenario.timetables import (
    MOST_COUNTED,
    NICKNAMES,
    At,
    BadCron,
    Cron,
    Every,
    check_cron,
    count,
    moments,
    newest,
    read_moment,
    show_moment,
)

BERLIN = "Europe/Berlin"


def at(text: str, zone: str = BERLIN) -> float:
    found = read_moment(text, zone)
    assert found is not None
    return found


def fired(expression: str, after: str, number: int, zone: str = BERLIN) -> list[str]:
    found = moments(Cron((check_cron(expression),), zone), at(after, zone))
    return [show_moment(moment, zone) for moment in islice(found, number)]


# ---------------------------------------------------------------- ordinary days


def test_a_cron_expression_goes_by_the_clock_of_its_place() -> None:
    assert fired("0 6 * * 1-5", "2024-03-07T12:00", 3) == [
        "2024-03-08T06:00:00+01:00",
        "2024-03-11T06:00:00+01:00",
        "2024-03-12T06:00:00+01:00",
    ]
    assert fired("0 6 * * 1-5", "2024-03-07T12:00", 1, "UTC") == ["2024-03-08T06:00:00Z"]


def test_a_moment_itself_is_not_after_it_and_fractions_are_no_moments_of_their_own() -> None:
    every_minute = Cron(("* * * * *",), BERLIN)
    six = at("2024-03-05T06:00")
    assert every_minute.after(six) == six + 60
    assert every_minute.after(six - 0.25) == six
    assert every_minute.after(six + 0.75) == six + 60


def test_several_expressions_fire_together_once() -> None:
    both = Cron(("0 6 * * *", "0 */6 * * *"), "UTC")
    assert [m % 86_400 / 3600 for m in islice(moments(both, at("2024-03-05T00:00", "UTC")), 4)] == [6, 12, 18, 0]


def test_day_of_month_and_day_of_week_are_either_unless_one_is_any() -> None:
    assert fired("0 0 13 * 5", "2024-09-01T00:00", 3, "UTC") == [
        "2024-09-06T00:00:00Z",
        "2024-09-13T00:00:00Z",
        "2024-09-20T00:00:00Z",
    ]
    assert fired("0 0 L * *", "2024-02-01T00:00", 2, "UTC") == ["2024-02-29T00:00:00Z", "2024-03-31T00:00:00Z"]
    assert fired("0 0 * * MON#1", "2024-02-02T00:00", 1, "UTC") == ["2024-02-05T00:00:00Z"]


@pytest.mark.parametrize("name", NICKNAMES)
def test_nicknames_are_common_expressions(name: str) -> None:
    assert check_cron(name) == NICKNAMES[name]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0 25 * * *", "the field hour is not right"),
        ("0 6 * *", "a cron expression has five fields, this has 4"),
        ("0 0 6 * * *", "a cron expression has five fields, this has 6"),
        ("0 6 * * 5-1", "the field day-of-week is not right"),
        ("0 0 30 2 *", "the field day-of-month is not right"),
        ("0 0 31 4,6 *", "the field day-of-month is not right"),
        ("@often", "there is no nickname '@often'"),
    ],
)
def test_what_is_no_cron_expression_says_why(text: str, why: str) -> None:
    with pytest.raises(BadCron, match=why):
        check_cron(text)


def test_an_interval_counts_from_a_fixed_moment() -> None:
    nine = at("2024-03-05T09:00", "UTC")
    assert list(islice(moments(Every(900, 300), nine), 2)) == [nine + 300, nine + 1200]
    assert Every(86_400).after(nine) == at("2024-03-06T00:00", "UTC")
    # clocks that are set change nothing
    spring = at("2024-03-31T00:00")
    assert list(islice(moments(Every(3600), spring), 6)) == [spring + 3600 * n for n in range(1, 7)]


def test_one_moment_comes_once() -> None:
    nine = at("2024-12-24T09:00:00+01:00")
    assert list(moments(At(nine, BERLIN), 0)) == [nine]
    assert str(At(nine, BERLIN)) == "at 2024-12-24T09:00:00+01:00"


# ---------------------------------------------------------------- days on which clocks are set


def test_a_time_of_day_that_spring_leaves_out_fires_at_the_end_of_the_gap() -> None:
    assert fired("30 2 * * *", "2024-03-30T00:00", 3) == [
        "2024-03-30T02:30:00+01:00",
        "2024-03-31T03:00:00+02:00",
        "2024-04-01T02:30:00+02:00",
    ]


def test_times_of_day_in_one_gap_fire_once_together() -> None:
    assert fired("0,15,30 2,3 * * *", "2024-03-31T00:00", 3) == [
        "2024-03-31T03:00:00+02:00",
        "2024-03-31T03:15:00+02:00",
        "2024-03-31T03:30:00+02:00",
    ]


def test_a_time_of_day_that_comes_twice_in_autumn_fires_the_first_time() -> None:
    assert fired("30 2 * * *", "2024-10-26T12:00", 2) == ["2024-10-27T02:30:00+02:00", "2024-10-28T02:30:00+01:00"]
    # asked between the two, it has fired already
    assert fired("30 2 * * *", "2024-10-27T02:45:00+02:00", 1) == ["2024-10-28T02:30:00+01:00"]
    assert fired("30 2 * * *", "2024-10-27T02:15:00+01:00", 1) == ["2024-10-28T02:30:00+01:00"]


def test_an_expression_that_goes_by_real_time_skips_the_gap_and_fires_in_both_hours_of_the_same_name() -> None:
    assert fired("*/30 * * * *", "2024-03-31T01:00", 3) == [
        "2024-03-31T01:30:00+01:00",
        "2024-03-31T03:00:00+02:00",
        "2024-03-31T03:30:00+02:00",
    ]
    assert fired("30 * * * *", "2024-10-27T02:00:00+02:00", 3) == [
        "2024-10-27T02:30:00+02:00",
        "2024-10-27T02:30:00+01:00",
        "2024-10-27T03:30:00+01:00",
    ]
    assert fired("*/30 2 * * *", "2024-03-31T00:00", 1) == ["2024-04-01T02:00:00+02:00"]


def test_a_clock_that_is_set_by_half_an_hour_hides_nothing() -> None:
    lord_howe = "Australia/Lord_Howe"
    assert fired("*/30 2,12 * * *", "2024-04-07T00:00:00+11:00", 3, lord_howe) == [
        "2024-04-07T02:00:00+10:30",
        "2024-04-07T02:30:00+10:30",
        "2024-04-07T12:00:00+10:30",
    ]
    assert fired("*/30 12 * * *", "2024-10-06T00:00:00+10:30", 1, lord_howe) == ["2024-10-06T12:00:00+11:00"]


# ---------------------------------------------------------------- for any expression and place

PARTS = (
    ["0", "30", "59", "*", "*/5", "*/7", "5,35", "10-20", "0-59/20"],
    ["*", "0", "2", "3", "23", "*/2", "0-3", "2,3", "1-23/2", "*/6"],
    ["*", "*", "*", "1", "29", "31", "L", "*/2"],
    ["*", "*", "3", "10", "3,4,9,10,11"],
    ["*", "*", "7", "1-5", "MON#5", "6L"],
)
ZONES = (
    *("UTC", BERLIN, "America/New_York", "America/Sao_Paulo", "Africa/Casablanca", "Australia/Lord_Howe"),
    *("Asia/Kathmandu", "America/St_Johns", "America/Santiago", "Antarctica/Troll", "Pacific/Apia"),
)
#: clocks are set within hours of these, in one place or another
SET = (
    "2024-03-10T07",
    "2024-03-31T01",
    "2024-04-06T15",
    "2024-09-08T04",
    "2024-10-05T15",
    "2024-10-27T01",
    "2011-12-30T10",
)

crons = st.tuples(*map(st.sampled_from, PARTS)).map(" ".join)
hours = st.builds(
    lambda text, shift: datetime.fromisoformat(f"{text}:00+00:00").timestamp() + shift,
    st.sampled_from(SET),
    st.integers(-8 * 3600, 8 * 3600),
)


def cron_of(expression: str, zone: str) -> Cron:
    try:
        return Cron((check_cron(expression),), zone)
    except BadCron:
        assume(False)
        raise


@settings(max_examples=200, deadline=None)
@given(crons, st.sampled_from(ZONES), hours, st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_whatever_the_moment_it_is_asked_at_the_next_one_is_the_same(
    expression: str, zone: str, start: float, shares: list[float]
) -> None:
    timetable = cron_of(expression, zone)
    found = list(islice(moments(timetable, start - 86_400, start + 2 * 86_400), 300))
    assert found == sorted(set(found))
    assume(found)
    for share in shares:
        asked = start - 86_400 + (found[-1] - start + 86_399) * share
        assert timetable.after(asked) == next(moment for moment in found if moment > asked)


@settings(max_examples=150, deadline=None)
@given(crons, st.sampled_from(ZONES), hours)
def test_a_moment_shows_on_the_clock_what_the_expression_says(expression: str, zone: str, start: float) -> None:
    """Seen from the other side: every minute whose clock fits fires, none else but one at the end of a gap does."""
    timetable = cron_of(expression, zone)
    minutes, wanted_hours = (field(text, top) for text, top in zip(expression.split(), (59, 23), strict=False))
    assume(expression.split()[2:] == ["*", "*", "*"])
    place, begin = ZoneInfo(zone), datetime.fromtimestamp(start // 60 * 60, UTC)
    fits, second = set(), set()
    for number in range(1, 24 * 60):
        moment = begin + timedelta(minutes=number)
        local = moment.astimezone(place)
        if local.minute in minutes and local.hour in wanted_hours:
            (second if local.fold else fits).add(moment.timestamp())
    found = set(moments(timetable, begin.timestamp(), begin.timestamp() + 24 * 3600 - 60))
    by_real_time = expression.startswith("*") or expression.split()[1].startswith("*")
    if by_real_time:
        assert found == fits | second
    else:
        assert fits <= found
        for moment in found - fits:
            before, after = (datetime.fromtimestamp(m, place).utcoffset() for m in (moment - 60, moment))
            assert before != after


def field(text: str, top: int) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        low, high = (0, top) if span == "*" else (int(first), int(last or first))
        found |= set(range(low, high + 1, int(step or 1)))
    return found


@settings(max_examples=60, deadline=None)
@given(crons, st.sampled_from(ZONES), hours, st.integers(1, 20), st.integers(0, 5 * 86_400))
def test_the_newest_are_the_last_of_all_and_the_others_are_counted(
    expression: str, zone: str, start: float, most: int, length: int
) -> None:
    timetable = cron_of(expression, zone)
    every = list(moments(timetable, start, start + length))
    assert newest(timetable, start, start + length, most) == every[-most:]
    assert count(timetable, start, start + length + 1) == (len(every), False)


def test_a_year_of_missed_minutes_is_not_counted_to_its_end() -> None:
    minutely, now = Cron(("* * * * *",), BERLIN), at("2024-03-05T09:00")
    assert count(minutely, now - 366 * 86_400, now) == (MOST_COUNTED, True)
    assert newest(minutely, now - 366 * 86_400, now, 2) == [now - 60, now]
    assert count(Every(1), now - 366 * 86_400, now) == (366 * 86_400 - 1, False)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-12-24T09:00:00+01:00", "2026-12-24T09:00:00+01:00"),
        ("2026-12-24T09:00", "2026-12-24T09:00:00+01:00"),
        ("2026-07-24T09:00Z", "2026-07-24T11:00:00+02:00"),
        ("2024-03-31T02:30", "2024-03-31T03:30:00+02:00"),
        ("2024-10-27T02:30", "2024-10-27T02:30:00+02:00"),
    ],
)
def test_a_moment_is_read_in_its_place(text: str, shown: str) -> None:
    assert show_moment(at(text), BERLIN) == shown


@pytest.mark.parametrize("text", ["2026-12-24", "tomorrow", "09:00", "9999-12-31T23:59:59-12:00", ""])
def test_what_is_no_moment(text: str) -> None:
    assert read_moment(text, BERLIN) is None
