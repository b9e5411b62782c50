"""Expressions, on generated input: the compiler agrees with the library, and no text breaks it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import jmespath
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from jmespath.exceptions import JMESPathError

from engine.scenario.expressions import FUNCTIONS, ExpressionError, ExpressionSyntaxError, compile_expression
from engine.scenario.expressions.values import kind

# 0 and 1 are left out: inside lists and objects the library takes them for false and true
NUMBERS = st.sampled_from([2, 3, 10, -4, 2.5])
SCALARS = st.none() | st.booleans() | NUMBERS | st.sampled_from(["", "a", "b", "ab", "10"])
DATA = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        max_leaves=25,
    ),
    max_size=3,
)

IDENTIFIERS = st.sampled_from(["a", "b", "c", '"a"', "@"])
LITERALS = st.sampled_from(["'a'", "''", "`2`", "`2.5`", "`null`", "`true`", "`[]`", '`[2, "a"]`', '`{"a": 3}`'])
BRACKETS = st.sampled_from(["[0]", "[-1]", "[*]", "[]", "[1:]", "[::-1]", "[:-1]", ".*", ".a", ".b", ".c"])
UNARY = [
    name
    for name, f in FUNCTIONS.items()
    if len(f.parameters) == 1 and f.pure and name not in ("to_number", "to_string")
]


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["||", "&&", "|", "==", "!="])
    orderings = st.sampled_from(["<", "<=", ">", ">="])
    return st.one_of(
        st.tuples(inner, BRACKETS).map(lambda t: f"{t[0]}{t[1]}" if t[0][-1:] != "`" else f"({t[0]}){t[1]}"),
        st.tuples(inner, operators, inner).map(" ".join),
        st.tuples(inner, orderings, inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]})[?{t[1]}]"),
        st.tuples(inner, inner, BRACKETS).map(lambda t: f"({t[0]})[?{t[1]}]{t[2]}"),
        st.tuples(inner, inner).map(lambda t: f"[{t[0]}, {t[1]}]"),
        st.tuples(inner, inner).map(lambda t: f"{{x: {t[0]}, b: {t[1]}}}"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]}).[{t[1]}, a]"),
        # the library reads `!a.b` and `!a[]` as `(!a).b` and `(!a)[]`, ours as everybody expects
        inner.map(lambda e: f"(!({e}))"),
        inner.map(lambda e: f"({e})"),
        st.tuples(st.sampled_from(UNARY), inner).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(st.sampled_from(["contains", "starts_with", "not_null"]), inner, inner).map(
            lambda t: f"{t[0]}({t[1]}, {t[2]})"
        ),
        # the library looks at the type of the first argument only
        st.tuples(inner, inner).map(lambda t: f"merge({{x: {t[0]}, b: {t[0]}}}, {{b: {t[1]}}})"),
        st.tuples(st.sampled_from(["sort_by", "max_by", "min_by"]), inner, inner).map(
            lambda t: f"{t[0]}({t[1]}, &({t[2]}))"
        ),
        st.tuples(inner, inner).map(lambda t: f"map(&({t[0]}), {t[1]})"),
    )


STANDARD = st.recursive(IDENTIFIERS | LITERALS, _larger, max_leaves=8)


def same(first: Any, second: Any) -> bool:
    """Equal, with the library's blindness for the difference of true and 1 taken away."""
    if kind(first) != kind(second):
        return False
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    return bool(first == second)


@settings(max_examples=600, deadline=None)
@given(STANDARD, DATA)
@example("a[*].b[]", {"a": [{"b": [2, [3]]}, {"b": None}, {"b": 2}]})
@example("a[].b[?a].c | [0]", {"a": [[{"b": [{"a": True, "c": 2}]}]]})
@example("*.a[::-1]", {"a": {"a": [2, 3]}, "b": 2})
def test_standard_expressions_mean_what_the_library_says(text: str, data: dict[str, Any]) -> None:
    try:
        expected = jmespath.search(text, data)
    except (JMESPathError, TypeError):
        # the library refuses, sometimes by accident; ours refuses too, or gives what its own rules say about null
        with suppress(ExpressionError, ExpressionSyntaxError):
            compile_expression(text).evaluate(data)
        return
    assert same(compile_expression(text).evaluate(data), expected)


WORDS = ["a", "b.c", "and", "or", "not", "let", "in", "true", "null", "length(", "map(&", "omit()", "now()"]
SIGNS = [*"$@*[](){},:.|&!=<>+-/%'\"`\\", "[]", "[?", "||", "&&", "!=", "==", "<=", ">=", "[*]", "[1:2]", "$x"]
VALUES = ["1", "-1", "1.5", "1e", "0", "007", "`1`", "'x'", '"y"', "\n", "é", "\x00", "\ud800", "🙂", ""]
FRAGMENTS = st.sampled_from(WORDS + SIGNS + VALUES)


def refused(text: str) -> ExpressionSyntaxError | ExpressionError | None:
    """The error that an expression ends in, when it is compiled and evaluated."""
    try:
        compile_expression(text).evaluate({"a": [{"b": 2}], "b": {"c": "x"}})
    except (ExpressionSyntaxError, ExpressionError) as error:
        return error
    return None


@settings(max_examples=800, deadline=None)
@given(st.lists(FRAGMENTS, max_size=14).map(" ".join) | st.lists(FRAGMENTS, max_size=14).map("".join) | st.text())
@example("[" * 3000)
@example("!" * 3000)
@example("-" * 3000)
@example("a" + "[*]" * 2000)
@example("a" + ".b" * 3000)
@example("a" + "[0].b" * 1500)
@example("&" * 3000)
@example("`" + "[" * 4000 + "]" * 4000 + "`")
@example("`" + "[" * 900 + "]" * 900 + "`")
@example("let $x = " * 800)
@example("9" * 8000)
@example('"\\ud800"')
@example("to_string('\ud800')")
def test_any_text_compiles_or_is_refused(text: str) -> None:
    error = refused(text)
    if error is not None:
        assert 0 <= error.position <= len(text)
        assert str(error)


@given(st.integers(), st.integers())
def test_integers_stay_exact(a: int, b: int) -> None:
    scope = {"a": a, "b": b}
    for operator, result in (("+", a + b), ("-", a - b), ("*", a * b)):
        assert compile_expression(f"a {operator} b").evaluate(scope) == result
    if b:
        assert compile_expression("a * b / b").evaluate(scope) == a
        assert type(compile_expression("a * b / b").evaluate(scope)) is int


NUMBER = st.integers(0, 99).map(str)


@given(st.recursive(NUMBER, lambda e: st.tuples(e, st.sampled_from("+-*"), e).map("".join) | e.map("({})".format)))
def test_precedence_is_that_of_arithmetic(text: str) -> None:
    assume("inside each other" not in str(refused(text)))
    assert compile_expression(text).evaluate({}) == eval(text)
