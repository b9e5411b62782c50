"""Functions: each does what its examples say; null, wrong values, bounds, and dates where clocks are set."""

from __future__ import annotations

from typing import Any

import pytest

from engine.scenario.expressions import FUNCTIONS, OMIT, ExpressionError, ExpressionSyntaxError, compile_expression
from engine.scenario.expressions.library.tokens import TOKENS
from engine.scenario.expressions.names import ELSEWHERE, hint_for
from engine.sdk.function_names import BUILT_IN
from engine.sdk.functions import Example
from tests.language.test_expressions import evaluate

EXAMPLES = [(name, example) for name, function in FUNCTIONS.items() for example in function.examples]


@pytest.mark.parametrize(
    ("name", "example"), EXAMPLES, ids=lambda one: one.expression if isinstance(one, Example) else ""
)
def test_each_example_gives_what_it_says(name: str, example: Example) -> None:
    result = evaluate(example.expression, example.data)
    assert result == example.result
    assert type(result) is type(example.result)
    assert name in compile_expression(example.expression).functions


def test_no_plugin_can_take_a_name_of_the_language() -> None:
    assert set(FUNCTIONS) == BUILT_IN


def test_every_name_of_elsewhere_leads_to_something_that_is_there() -> None:
    for there, here in ELSEWHERE.items():
        assert here.startswith("`") or here in FUNCTIONS, there
        assert there not in FUNCTIONS or there in ("add", "in")


@pytest.mark.parametrize(
    ("there", "hint"),
    [
        ("formatDate", "did you mean 'format_date'?"),
        ("addDays", "did you mean 'add_days'?"),
        ("ifempty", "did you mean 'if_empty'?"),
        ("encodeURL", "here it is called url_encode()"),
        ("toCollection", "here it is called to_object()"),
        ("equal", "write `a == b`"),
        ("startOfMonth", "write `start_of(date, 'month')`"),
        ("formatdat", "did you mean 'format_date'?"),
        ("lenght", "did you mean 'length'?"),
        ("zzzzzz", None),
    ],
)
def test_a_name_from_elsewhere_is_told_in_ours(there: str, hint: str | None) -> None:
    assert hint_for(there, FUNCTIONS) == hint


@pytest.mark.parametrize(
    "text",
    [
        "upper(missing)",
        "format_date(missing, 'YYYY')",
        "add_days(missing, 1)",
        "add_days('2026-01-02', missing)",
        "round(missing)",
        "replace(missing, 'a', 'b')",
        "parse_json(missing)",
        "sha256(missing)",
        "matches(missing, 'a')",
        "first(missing)",
        "group_by(missing, &a)",
        "zip(list, missing)",
    ],
)
def test_null_gives_null(text: str) -> None:
    assert evaluate(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("round(2.567, missing)", 3),
        ("byte_length(missing)", 0),
        ("concat('a', missing, 1, true)", "a1true"),
        ("is_empty(missing)", True),
        ("format_date('2026-01-02', 'YYYY', missing)", "2026"),
        ("coalesce(missing, missing)", None),
        ("if(missing, 1)", None),
        ("switch(missing, null, 'none', 'some')", "none"),
        ("switch(a, 8, 'x')", None),
        ("if(true, 1, a / 0)", 1),
        ("coalesce(1, a / 0)", 1),
        ("if_empty('x', a / 0)", "x"),
        ("switch(1, 1, 'one', a / 0, 'x')", "one"),
        ("get(trigger, 'tags[-1]')", "b"),
        ("get(trigger, 'tags.0')", "a"),
        ("get(trigger, 'none.at.all', 5)", 5),
        ("substring('abc', 2, 1)", ""),
        ("split('', ',')", [""]),
        ("split('abc', '')", ["a", "b", "c"]),
        ("unique([1, true, '1', 1.0, null, null, {a: 1}, {a: 1.0}])", [1, True, "1", None, {"a": 1}]),
        ("sort(['b', 'A', 'a', 'B'], 'asc ci')", ["A", "a", "b", "B"]),
        ("sort_by([{k: 1, n: 1}, {k: 1, n: 2}], &k, 'desc')[*].n", [1, 2]),
        ("group_by([{k: 1}, {k: true}], &k)", {"1": [{"k": 1}], "true": [{"k": True}]}),
        ("range(5, 5)", []),
        ("range(0, 7, 3)", [0, 3, 6]),
        ("range(3, 0, -1)", [3, 2, 1]),
        ("flatten(list, 0)", [1, 2, 3, 4]),
        ("merge_deep({a: {x: 1}, b: 1}, {a: 2}, missing)", {"a": 2, "b": 1}),
        ("round(0.5)", 1),
        ("round(1e300)", 10**300),
        ("format_number(1000, 0, '.', ',')", "1,000"),
        ("format_number(-0.001, 2)", "0.00"),
        ("format_number(999.999, 2, ',', '.')", "1.000,00"),
        ("parse_number('-1 234,5', ',')", -1234.5),
        ("parse_number('')", None),
        ("power(2, -1)", 0.5),
        ("sqrt(2) > 1.41", True),
        ("median([1, 2])", 1.5),
        ("stdev_sample([1])", None),
        ("match('b', 'a')", None),
        ("match('ab', '(a)|(c)').groups", ["a", None]),
        ("replace_pattern('a.b', '[.]', '$$')", "a$b"),
        ("replace_pattern('ab', '(?P<first>a)(b)', '${first}-$2-$&')", "a-b-ab"),
        ("replace_pattern('abc', '', '-')", "-a-b-c-"),
        ("split_pattern('abc', '')", ["a", "b", "c"]),
        ("parse_csv('')", []),
        ("parse_csv('a,b')", []),
        ("parse_csv(concat('a,b', newline(), '1'))", [{"a": "1", "b": None}]),
        ("to_csv([['a', null], ['b \"c\"', 1]])", 'a,\r\n"b ""c""",1\r\n'),
        ("strip_html(concat('a', '<script>x()</script>', '<br>', 'b &lt;c&gt;'))", "ab <c>"),
        ("strip_html('1 < 2')", "1 < 2"),
        ("mime_type('noending')", None),
        ("base64_decode('Wm/D qw')", "Zoë"),
        ("start_case('ADA  lovelace')", "Ada  Lovelace"),
        ("url_encode('ä&=')", "%C3%A4%26%3D"),
    ],
)
def test_odd_values(text: str, value: Any) -> None:
    result = evaluate(text)
    assert result == value
    assert type(result) is type(value)


def test_omit_may_be_one_of_the_ways() -> None:
    for text in (
        "if(false, 1, omit())",
        "switch(a, 8, 'x', omit())",
        "if_empty(missing, omit())",
        "coalesce(missing, omit())",
    ):
        assert evaluate(text) is OMIT
    for text in (
        "if(omit(), 1)",
        "switch(omit(), 1, 2)",
        "switch(1, omit(), 2)",
        "[if(true, omit())]",
        "upper(omit())",
    ):
        with pytest.raises(ExpressionSyntaxError, match="omit"):
            compile_expression(text)


@pytest.mark.parametrize(
    ("text", "position", "message", "hint"),
    [
        ("upper(a)", 6, "upper() takes string for `text`, not number", "to_string(a)"),
        (
            "join(trigger.tags, ', ')",
            5,
            "join() takes string for `glue`",
            "the glue comes first: join(', ', trigger.tags)",
        ),
        ("left('abc', 1.5)", 12, "takes a whole number for `count`", "floor(1.5)"),
        ("replace('a', '', 'b')", 13, "the text to look for is empty", None),
        ("to_date('tomorrow')", 8, "this is no date", "parse_date()"),
        ("to_date('2026-02-30')", 8, "there is no such date", None),
        ("to_date(trigger.email)", 8, "this is no date", "ISO 8601"),
        ("format_date(trigger.email, 'YYYY')", 12, "this is no date", None),
        ("format_date('2026-01-02', 'YYYY', trigger.tier)", 34, "there is no time zone 'GOLD'", None),
        ("parse_date('2026/01', 'YYYY-MM')", 11, "the text is not of the form YYYY-MM", None),
        ("parse_date('Mon 2026-01-02', 'ddd YYYY-MM-DD')", 11, "that day is a Friday", None),
        ("parse_date('366 2026', 'DDD YYYY')", 11, "the year 2026 has no day 366", None),
        ("add_years('2026-01-02', 9000)", 10, "beyond the years 1 to 9999", None),
        ("power(10, 400)", 0, "too large for a number", None),
        ("power(10, 99999999999)", 0, "too large for a number", None),
        ("sqrt(-1)", 5, "no square root", None),
        ("parse_json('{')", 11, "this is not JSON", None),
        ("parse_csv(concat('a', newline(), '1,2'))", 10, "row 2 has more values", "another delimiter"),
        ("base64_decode('ü')", 14, "this is not base64", None),
        ("base64_decode('/w==')", 14, "the bytes are no UTF-8 text", "recode()"),
        ("group_by(orders, &total)", 17, "needs a text or a number as key", "leave such items out"),
        ("at(list, 'x')", 9, "at() takes integer for `index`", "to_number('x')"),
        ("pad_left('a', -1)", 14, "the width cannot be less than 0", None),
        ("chunk(list, 0)", 12, "the size is at least 1", None),
        ("replace_pattern('a', 'a', '$1')", 26, "the pattern has no group '1'", None),
        ("random_integer(2, 1)", 18, "the upper bound is below", None),
    ],
)
def test_what_a_function_refuses_is_told_at_its_place(text: str, position: int, message: str, hint: str | None) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "") if hint else True
    # a mistake of the whole call is told at the call
    assert caught.value.position in (position, 0)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("format_date(a, 'yyyy-MM-dd')", "`yyyy` means nothing in a format", "write YYYY"),
        ("format_date(a, 'YYYY at HH')", "`at` means nothing in a format", "[at]"),
        ("parse_date(a, 'DD.MM.')", "has at least the year", "YYYY"),
        ("parse_date(a, 'YYYY-MM-DD DD')", "has the day twice", None),
        ("parse_date(a, 'YYYY [week] W')", "`W` can be written, but not read", None),
        ("format_date(a, 'YYYY', 'Europe/Berln')", "there is no time zone 'Europe/Berln'", "Europe/Berlin"),
        ("to_date(a, '../../etc/passwd')", "there is no time zone", None),
        ("in_zone(a, 'localtime')", "there is no time zone 'localtime'", None),
        ("start_of(a, 'months')", "`unit` is one of", "did you mean 'month'?"),
        ("sort(list, 'down')", "`order` is one of 'asc', 'desc'", None),
        ("matches(a, '(')", "the pattern cannot be read: missing )", None),
        ("matches(a, '(?=x)')", "the pattern cannot be read", "cannot look ahead or behind"),
        ("matches(a, '(a)\\1')", "the pattern cannot be read", "cannot refer back"),
        ("replace_pattern(a, '/x/g', '')", None, None),
        ("matches(a, 'x', 'g')", "there is no flag 'g'", "i: small and capital"),
        ("set_month(a, 'Mai')", "there is no month 'Mai'", "January"),
        ("get(a, 'x[')", "the path cannot be read at character 2", "lines[0].name"),
        ("work_minutes(a, a, '9-17')", "working hours are written like", None),
        ("omit(trigger, 'a')", "omit() takes 0 arguments, not 2", "omit_keys"),
        ("round()", "round() takes 1 to 2 arguments, not 0", "round(n"),
        ("switch(a)", "switch() takes at least 3 arguments, not 1", None),
    ],
)
def test_what_is_written_out_is_checked_before_anything_runs(text: str, message: str | None, hint: str | None) -> None:
    if message is None:
        compile_expression(text)
        return
    with pytest.raises(ExpressionSyntaxError) as caught:
        compile_expression(text)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "") if hint else True


# ---------------------------------------------------------------------- dates


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # In Berlin, 2026-03-29: 02:00 becomes 03:00. A day is 23 hours, and 02:30 is not there.
        ("add_days('2026-03-28T12:00:00Z', 1, 'Europe/Berlin')", "2026-03-29T11:00:00.000Z"),
        ("add_hours('2026-03-28T12:00:00Z', 24, 'Europe/Berlin')", "2026-03-29T12:00:00.000Z"),
        ("add_days('2026-03-28T02:30:00', 1, 'Europe/Berlin')", "2026-03-29T01:30:00.000Z"),
        ("to_date('2026-03-29T02:30:00', 'Europe/Berlin')", "2026-03-29T01:30:00.000Z"),
        ("in_zone('2026-03-29T02:30:00', 'Europe/Berlin')", "2026-03-29T03:30:00.000+02:00"),
        # 2026-10-25: 03:00 becomes 02:00. 02:30 comes twice; the first is meant, the second stays the second.
        ("to_date('2026-10-25T02:30:00', 'Europe/Berlin')", "2026-10-25T00:30:00.000Z"),
        ("add_days('2026-10-25T01:30:00Z', 0, 'Europe/Berlin')", "2026-10-25T01:30:00.000Z"),
        ("in_zone('2026-10-25T01:30:00Z', 'Europe/Berlin')", "2026-10-25T02:30:00.000+01:00"),
        ("date_difference('2026-10-26', '2026-10-25', 'hours', 'Europe/Berlin')", 25),
        ("date_difference('2026-10-26', '2026-10-25', 'days', 'Europe/Berlin')", 1),
        ("start_of('2026-10-25T23:30:00Z', 'day', 'Europe/Berlin')", "2026-10-25T23:00:00.000Z"),
        ("end_of('2026-10-25T12:00:00Z', 'day', 'Europe/Berlin')", "2026-10-25T22:59:59.999Z"),
        # months differ in length
        ("add_months('2026-01-31', 1)", "2026-02-28T00:00:00.000Z"),
        ("add_months('2024-03-31', -1)", "2024-02-29T00:00:00.000Z"),
        ("add_years('2024-02-29', 1)", "2025-02-28T00:00:00.000Z"),
        ("date_difference('2026-02-28', '2026-01-31', 'months')", 1),
        ("date_difference('2026-01-31', '2026-02-28', 'months')", 0),
        ("date_difference('2026-01-01', '2026-01-02T12:00:00Z', 'days')", -1),
        ("set_day_of_month('2026-02-10', 30)", "2026-03-02T00:00:00.000Z"),
        ("set_month('2026-03-31', 2)", "2026-02-28T00:00:00.000Z"),
        ("set_month('2026-01-31', 13)", "2027-01-31T00:00:00.000Z"),
        ("set_hour('2026-01-02T10:00:00Z', 25)", "2026-01-03T01:00:00.000Z"),
        ("set_day_of_week('2026-01-04', 1)", "2025-12-29T00:00:00.000Z"),
        ("end_of('2024-02-10', 'quarter')", "2024-03-31T23:59:59.999Z"),
        ("start_of('2026-01-04', 'week')", "2025-12-29T00:00:00.000Z"),
        # forms
        ("to_date('2026-01-02 03:04')", "2026-01-02T03:04:00.000Z"),
        ("to_date('2026-01-02T03:04:05,6789+0530')", "2026-01-01T21:34:05.678Z"),
        ("to_date('2026-01-02', '+05:30')", "2026-01-01T18:30:00.000Z"),
        ("from_timestamp(-1)", "1969-12-31T23:59:59.000Z"),
        ("parse_date('2.1.26', 'D.M.YY')", "2026-01-02T00:00:00.000Z"),
        ("parse_date('12:05 am 3rd MAY 1969', 'hh:mm a Do MMMM YYYY')", "1969-05-03T00:05:00.000Z"),
        ("parse_date('20260102T030405.678+0100', 'YYYYMMDDTHHmmss.SSSZZ')", "2026-01-02T02:04:05.678Z"),
        ("parse_date('1767323045678', 'x')", "2026-01-02T03:04:05.678Z"),
        ("parse_date('002 2026', 'DDDD YYYY')", "2026-01-02T00:00:00.000Z"),
        ("is_date('x')", False),
        ("is_date(5)", False),
        ("week('2027-01-01')", 53),
        # working time
        ("add_weekdays('2026-01-05', -1)", "2026-01-02T00:00:00.000Z"),
        ("add_weekdays('2026-01-03', 0)", "2026-01-03T00:00:00.000Z"),
        ("weekday_difference('2026-01-02', '2026-01-05')", -1),
        ("weekday_difference('2026-12-28', '2026-12-24', 'UTC', ['2026-12-25'])", 1),
        ("work_minutes('2026-01-03T10:00:00Z', '2026-01-03T09:00:00Z')", 0),
        ("work_minutes('2026-01-02', '2026-01-05', '00:00-24:00')", -1440),
        ("work_minutes('2026-03-30', '2026-03-27', '00:00-24:00', 'Europe/Berlin')", 1440),
    ],
)
def test_dates(text: str, value: Any) -> None:
    assert evaluate(text) == value


def test_each_token_is_written_as_its_line_says() -> None:
    date = "2026-01-02T03:04:05.678Z"
    for token, about in TOKENS.items():
        zone = "+01:00" if token in ("Z", "ZZ") else "UTC"
        written = evaluate(f"format_date('{date}', '{token}', '{zone}')")
        shown = about.doc.replace(":", ",").split(",")[-1].strip() if token not in ("Z", "A", "a") else None
        if token == "YY":
            shown = "26"
        expected = {"Z": "+01:00", "A": "AM", "a": "am", "ZZ": "+0100"}.get(token, shown)
        assert written == expected, token


# ---------------------------------------------------------------------- bounds


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("repeat('0123456789', 100000000)", "expression-too-large"),
        ("pad_left('x', 1000000000)", "expression-too-large"),
        ("replace(repeat('a', 1000000), 'a', repeat('b', 1000))", "expression-too-large"),
        ("range(0, 1000000000)", "expression-too-long"),
        ("map(&repeat('x', 1000000), range(0, 1000))", "expression-too-long"),
        ("map(&upper($.big), range(0, 1000))", "expression-too-long"),
        ("range(0, 1000)[?$.big == $.other]", "expression-too-long"),
        ("range(0, 1000)[?$.big < $.other]", "expression-too-long"),
        ("join(repeat('x', 100000), map(&'y', range(0, 1000)))", "expression-too-large"),
        ("sort(map(&$.big, range(0, 1000)))", "expression-too-long"),
        ("replace_pattern(big, 'a.*b|a', 'x')", "expression-too-long"),
        ("strip_html(repeat('<div>', 100000))", "expression-too-long"),
        ("weekday_difference('9999-12-31', '0001-01-01')", "expression-too-long"),
        ("add_weekdays('2026-01-01', 2000000)", "expression-too-long"),
        ("range(0, 100000)[*].[@, @, @, @, @, @, @, @, @, @, @, @]", "expression-too-long"),
        ("range(0, 30000)[?" + " or ".join(["@ == 'x'"] * 100) + "]", "expression-too-long"),
        ("map(&to_string($.list), range(0, 1000))", "expression-too-long"),
        ("parse_json(repeat('[', 100000))", "expression-error"),
    ],
)
def test_no_function_takes_for_ever_or_fills_the_memory(text: str, code: str) -> None:
    scope = {"big": "a" * 100_000, "other": "".join(["a"] * 100_000), "list": ["a" * 1000] * 100}
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text).evaluate(scope)
    assert caught.value.code == code


def test_a_pattern_takes_time_by_the_text_alone() -> None:
    # with backtracking this would take longer than the universe has been there
    assert evaluate("matches(t, '^(a+)+$')", {"t": "a" * 100_000 + "b"}) is False
    assert evaluate("replace_pattern(t, '(x+x+)+y', '')", {"t": "x" * 50_000}) == "x" * 50_000


def test_what_authors_do_every_day_is_within_the_bounds() -> None:
    scope = {"t": "word  word\n" * 3000, "rows": [{"id": n, "name": f"n{n % 7}"} for n in range(20_000)]}
    assert len(evaluate("replace_pattern(t, '\\s+', ' ')", scope)) == 30_000
    assert len(evaluate("group_by(rows[?id > 5 and name != 'n3'], &name)", scope)) == 6
    assert len(evaluate("parse_csv(to_csv(rows))", scope)) == 20_000
    assert evaluate("length(unique(rows[*].name))", scope) == 7
