"""Functions, on generated values: what is written is read back, and nothing but an error of ours comes out."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.scenario.expressions import FUNCTIONS, ExpressionError, ExpressionSyntaxError, compile_expression
from tests.language.test_expressions import FixedContext

TEXTS = st.text(max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - zone is given
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "+05:45"])


def run(text: str, **scope: Any) -> Any:
    return compile_expression(text).evaluate(scope, FixedContext())


def shown(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@given(TEXTS)
def test_encodings_are_read_back(t: str) -> None:
    for name in ("base64", "base64url", "hex"):
        assert run(f"{name}_decode({name}_encode(t))", t=t) == t
    assert run("url_decode(url_encode(t))", t=t) == t
    assert run("unescape_html(escape_html(t))", t=t) == t
    assert run("base64_encode(t)", t=t) == base64.b64encode(t.encode()).decode()
    assert run("sha256(t)", t=t) == hashlib.sha256(t.encode()).hexdigest()


@given(JSON)
def test_json_is_read_back(value: Any) -> None:
    assert run("parse_json(to_json(v))", v=value) == value
    assert json.loads(run("to_json(v, 2)", v=value)) == value


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=8)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=5), st.sampled_from([",", ";", "\t"]))
def test_csv_is_read_back(rows: list[list[str]], delimiter: str) -> None:
    assert run("parse_csv(to_csv(r, d), d, false)", r=rows, d=delimiter) == rows
    records = [{"a": first, "b": second} for first, second in rows]
    assert run("parse_csv(to_csv(r, d), d)", r=records, d=delimiter) == records


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5), max_size=4))
def test_queries_and_objects_are_read_back(fields: dict[str, str]) -> None:
    assert run("parse_query(to_query(f))", f=fields) == fields
    assert run("to_object(entries(f), &key, &value)", f=fields) == fields


@given(MOMENTS, ZONES)
def test_dates_are_read_back(moment: datetime, zone: str) -> None:
    date = shown(moment)
    assert run("to_date(d)", d=date) == date
    assert run("to_date(in_zone(d, z))", d=date, z=zone) == date
    form = "YYYY-MM-DDTHH:mm:ss.SSSZ"
    written = run("format_date(d, f, z)", d=date, z=zone, f=form)
    # offsets of old days have seconds, which no offset of ISO 8601 has
    if run("format_date(d, 'YYYY', z)", d=date, z=zone) >= "1973":
        assert run("parse_date(w, f)", w=written, f=form) == date
    assert run("parse_date(format_date(d, 'x'), 'x')", d=date) == date


@given(MOMENTS, st.integers(-400, 400), ZONES)
def test_days_go_by_the_clocks_and_hours_by_elapsed_time(moment: datetime, count: int, zone: str) -> None:
    date = shown(moment)
    hours = run("add_hours(d, n)", d=date, n=count)
    assert hours == shown(moment.replace(microsecond=moment.microsecond // 1000 * 1000) + timedelta(hours=count))
    moved = run("add_days(d, n, z)", d=date, n=count, z=zone)
    assert run("date_difference(m, d, 'days', z)", m=moved, d=date, z=zone) in (
        count,
        count - (count > 0),
        count + (count < 0),
    )
    if not zone.startswith("+"):
        before = moment.astimezone(ZoneInfo(zone))
        wall = (before.replace(tzinfo=None) + timedelta(days=count)).replace(microsecond=0)
        # but where the clocks leave that time out
        there = wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        if there == wall:
            assert run("format_date(m, 'HH:mm:ss', z)", m=moved, z=zone) == wall.strftime("%H:%M:%S")


@given(MOMENTS, st.integers(-30, 30))
def test_weekdays_are_counted_as_they_are_added(moment: datetime, count: int) -> None:
    date = run("start_of(d, 'day')", d=shown(moment))
    moved = run("add_weekdays(d, n)", d=date, n=count)
    if count > 0:
        assert run("weekday_difference(m, d)", m=moved, d=date) == count
    if count:
        assert not run("is_weekend(m)", m=moved)


@given(st.lists(st.integers(0, 5) | st.sampled_from("ab"), max_size=8), st.lists(st.integers(0, 5), max_size=8))
def test_sets(a: list[Any], b: list[Any]) -> None:
    assert set(run("union(a, b)", a=a, b=b)) == {*a, *b}
    assert set(run("intersection(a, b)", a=a, b=b)) == {*a} & {*b}
    assert set(run("difference(a, b)", a=a, b=b)) == {*a} - {*b}
    assert set(run("symmetric_difference(a, b)", a=a, b=b)) == {*a} ^ {*b}
    assert sorted(map(str, run("shuffle(a)", a=a))) == sorted(map(str, a))


@given(st.floats(-1e12, 1e12) | st.integers(-(10**12), 10**12), st.integers(0, 6))
def test_numbers_are_read_back(n: float, digits: int) -> None:
    written = run("format_number(n, d, ',', '.')", n=n, d=digits)
    assert run("parse_number(w, ',')", w=written) == run("round(n, d)", n=n, d=digits)


CALLS = st.sampled_from([name for name, function in FUNCTIONS.items() if name != "omit"])
ARGUMENTS = st.lists(
    st.sampled_from(["a", "b", "c", "d", "e", "&a", "1", "-1", "''", "'x'", "2.5", "null", "true"]), max_size=5
)


@settings(max_examples=1500, deadline=None)
@given(CALLS, ARGUMENTS, JSON, TEXTS, MOMENTS)
def test_whatever_a_function_is_given_it_answers_or_refuses(
    name: str, given: list[str], a: Any, t: str, m: datetime
) -> None:
    scope = {"a": a, "b": t, "c": shown(m), "d": [a, t], "e": {"a": t}}
    try:
        result = compile_expression(f"{name}({', '.join(given)})").evaluate(scope, FixedContext())
    except (ExpressionError, ExpressionSyntaxError):
        return
    json.dumps(result, allow_nan=False)
