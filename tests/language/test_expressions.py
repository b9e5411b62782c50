"""Expressions: what the language adds to JMESPath, and what it says when something is wrong."""

from __future__ import annotations

from collections import ChainMap
from typing import Any

import pytest

from engine.scenario.expressions import (
    FUNCTIONS,
    OMIT,
    ExpressionError,
    ExpressionSyntaxError,
    Function,
    compile_expression,
    quoted_comparisons,
)
from engine.scenario.expressions.frame import MAX_STEPS
from engine.scenario.expressions.parser import MAX_LENGTH

SCOPE: dict[str, Any] = {
    "trigger": {"email": "ada@example.com", "points": 501, "tier": "GOLD", "vip": True, "tags": ["a", "b"]},
    "orders": [
        {"email": "ada@example.com", "total": 30},
        {"email": "bob@example.com", "total": 12.5},
        {"email": "ada@example.com", "total": None},
    ],
    "a": 7,
    "b": 2,
    "a-b": "dash",
    "and": "word",
    "words": {"and": 1, "or": 2, "not": 3, "let": 4, "in": 5, "true": 6, "null": 7},
    "list": [1, 2, 3, 4],
    "nothing": None,
}


class FixedContext:
    def now(self) -> str:
        return "2026-01-02T03:04:05.678Z"

    def uuid(self) -> str:
        return "9f0c6f3e-7d55-4c55-9d6e-0f6a1c6f4a11"

    def approval_link(self, step: str) -> str | None:
        return "https://hooks.example.com/approve/3vZ0…" if step == "ok" else None


def evaluate(text: str, scope: Any = SCOPE) -> Any:
    return compile_expression(text).evaluate(scope, FixedContext())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("trigger.points > 500", True),
        ("1.5", 1.5),
        ("-2", -2),
        ("1e3", 1000.0),
        ("0", 0),
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("10 - 3 - 2", 5),
        ("12 / 2 / 3", 2),
        ("7 / 2", 3.5),
        ("7 % 3", 1),
        ("-7 % 3", 2),
        ("- -2", 2),
        ("-a", -7),
        ("-a + 8", 1),
        ("a-b", 5),
        ("a - b", 5),
        ("a -b", 5),
        ("a- 1", 6),
        ("a -1", 6),
        ('"a-b"', "dash"),
        ("a * b", 14),
        ("a*b", 14),
        ("a*-b", -14),
        ("2 * list[0]", 2),
        ("list[-1] * 2", 8),
        ("length(list[*]) * 2", 8),
        ("sum(list[*]) + a", 17),
        ("9007199254740993 + 0", 9007199254740993),
        ("a > 1 + 5", True),
        ("a + 1 == 8", True),
    ],
)
def test_numbers_and_arithmetic(text: str, value: Any) -> None:
    result = evaluate(text)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("list[1:-1]", [2, 3]),
        ("list[-2:]", [3, 4]),
        ("list[::-1]", [4, 3, 2, 1]),
        ("list[-1]", 4),
        ("[1, 2]", [1, 2]),
        ("[-1, a]", [-1, 7]),
        ("[a - 1, b]", [6, 2]),
        ("[1.5]", [1.5]),
        ("[-1 + 2]", [1]),
        ("{n: -1, m: 1.5}", {"n": -1, "m": 1.5}),
        ("list[*] ", [1, 2, 3, 4]),
        ("words.* | length(@) * 2", 14),
        ("*.points", [501]),
        ("orders[*].total", [30, 12.5]),
        ("list[?@ * 2 > 4]", [3, 4]),
        ("list[?@ % 2 == 0]", [2, 4]),
    ],
)
def test_brackets_and_stars_are_told_apart(text: str, value: Any) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a == 7 and b == 2", True),
        ("a == 7 and b == 3 or b == 2", True),
        ("b == 2 or a == 7 and b == 3", True),
        ("not a == 8", True),
        ("not a == 7 or b == 2", True),
        ("not (a == 7)", False),
        ("not not a", True),
        ("!trigger.vip", False),
        ("!nothing.at.all and !(a == 1)", True),
        ("words.and", 1),
        ("words.or + words.not + words.let + words.in", 14),
        ("words.true + words.null", 13),
        ("words | and", 1),
        ("words.{and: or, or: and, not: not, let: let, in: in}", {"and": 2, "or": 1, "not": 3, "let": 4, "in": 5}),
        ('"and"', "word"),
        ("and", "word"),
        ("trigger.vip == true", True),
        ("nothing == null", True),
        ("a != null", True),
        ("false || 'x'", "x"),
        ("orders[?total != null].total", [30, 12.5]),
    ],
)
def test_words_are_operators_only_where_one_is_expected(text: str, value: Any) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("orders[?email == $.trigger.email].total", [30]),
        ("$.a", 7),
        ("$.orders[0].total", 30),
        ("list[*] | [0] + $.a", 8),
        ("map(&(@ * $.b), list)", [2, 4, 6, 8]),
        ("let $x = a in $x + 1", 8),
        ("let $x = a, $y = b in $x * $y", 14),
        ("let $m = trigger.email in orders[?email == $m].total", [30]),
        ("let $x = a in let $x = $x + 1 in $x", 8),
        ("let $x = orders[*].total in $x[0]", 30),
        ("let $x = a in list[*].[@, $x] | [0]", [1, 7]),
        ("let $x = 1 in [$x, let $x = 2 in $x, $x]", [1, 2, 1]),
    ],
)
def test_root_and_let(text: str, value: Any) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("`1` == `1.0`", True),
        ("1 == true", False),
        ("[1] == [true]", False),
        ("{a: 1, b: 2} == {b: 2, a: 1.0}", True),
        ("contains(list, 2.0)", True),
        ("contains([true], 1)", False),
        ("a == '7'", False),
        ("'2026-01-02' < '2026-01-10T00:00:00Z'", True),
        ("nothing > 5", None),
        ("5 > missing.at.all", None),
        ("list > 5", None),
    ],
)
def test_comparison(text: str, value: Any) -> None:
    assert evaluate(text) is value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("length(missing)", 0),
        ("length(missing) > 0", False),
        ("abs(missing)", None),
        ("join(', ', missing)", None),
        ("starts_with(missing, 'a')", None),
        ("sort_by(missing, &a)", None),
        ("sum(missing)", None),
        ("to_string(missing)", "null"),
        ("to_number(missing)", None),
        ("type(missing)", "null"),
        ("to_array(missing)", [None]),
        ("not_null(missing, a)", 7),
        ("merge(missing, {x: 1})", {"x": 1}),
        ("merge(missing)", {}),
        ("to_number('0x10')", None),
        ("to_number('NaN')", None),
        ("to_number('1_0')", None),
        ("to_number(' 1')", None),
        ("to_number('-1.5e1')", -15.0),
        ("avg([1, 2, 6])", 3),
        ("contains('abc', 1)", False),
    ],
)
def test_functions_on_null_and_odd_values(text: str, value: Any) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=lambda function: function.name)
def test_each_function_does_what_its_example_says(function: Function) -> None:
    example = function.example
    assert evaluate(example.expression, example.data) == example.result
    assert function.name in compile_expression(example.expression).functions
    assert function.doc.endswith(".")


def test_there_is_no_time_without_a_context() -> None:
    for text in ("now()", "uuid()", "approval_link('ok')"):
        with pytest.raises(ExpressionError, match="has no meaning here"):
            compile_expression(text).evaluate({})


def test_there_is_no_link_to_a_step_that_asks_nothing() -> None:
    with pytest.raises(ExpressionError, match="asks for no approval"):
        evaluate("approval_link('send')")


@pytest.mark.parametrize("text", ["omit()", "missing || omit()", "a == 8 && a || omit()", "let $x = 1 in omit()"])
def test_omit_is_a_result(text: str) -> None:
    assert evaluate(text) is OMIT


@pytest.mark.parametrize(
    "text",
    [
        "[omit()]",
        "{a: omit()}",
        "omit() || a",
        "omit() == a",
        "to_string(omit())",
        "list[?omit()]",
        "!omit()",
        "a + omit()",
    ],
)
def test_omit_is_nothing_but_a_result(text: str) -> None:
    with pytest.raises(ExpressionSyntaxError, match="omit") as caught:
        compile_expression(text)
    assert caught.value.position == text.index("omit")


def test_conditions() -> None:
    assert compile_expression("trigger.vip").test(SCOPE)
    assert not compile_expression("a > 7").test(SCOPE)
    assert not compile_expression("missing > 7").test(SCOPE)
    assert not compile_expression("missing").test(SCOPE)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("trigger.tier", "write trigger.tier == 'GOLD', or trigger.tier != null"),
        ("a", "write a > 0, or a != null"),
        ("list", "write length(list) > 0"),
        ("trigger", "write trigger != null"),
        ("a || b", "write (a || b) > 0, or (a || b) != null"),
        ("omit()", "write omit() != null"),
    ],
)
def test_a_condition_that_is_no_boolean_names_the_fix(text: str, hint: str) -> None:
    with pytest.raises(ExpressionError, match="a condition must be true or false") as caught:
        compile_expression(text).test(SCOPE)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("text", "position", "message", "hint"),
    [
        ("missing + 1", 0, "`missing` is null, `+` needs a number", "write (missing || 0)"),
        ("1 + trigger.missing", 4, "`trigger.missing` is null", "write (trigger.missing || 0)"),
        ("a * trigger.tier", 4, "`trigger.tier` is of type string", "write to_number(trigger.tier)"),
        ("-trigger.tier", 1, "`trigger.tier` is of type string", "to_number"),
        ("trigger.tier + '!'", 0, "these are texts", "join('', [trigger.tier, '!'])"),
        ("a / (b - 2)", 4, "divides by zero", "test the divisor"),
        ("a % 0", 4, "divides by zero", None),
        ("1e308 * 10", 0, "too large", None),
        ("a == 7 and b < 'x'", 11, "`b < 'x'` compares a number with a string", "to_number('x')"),
        ("trigger.tier >= 5", 0, "compares a string with a number", "to_number(trigger.tier)"),
        ("abs('x')", 4, "abs() takes number for `n`, not string", "to_number('x')"),
        ("starts_with(a, 'x')", 12, "not number", "to_string(a)"),
        ("sum(['1'])", 4, "sum() takes a list of numbers", None),
        ("sum(map(&total, orders))", 4, "sum() takes a list of numbers", "leave nulls out"),
        ("sort([1, 'a'])", 5, "a list of numbers or of strings", None),
        ("join(',', list)", 10, "a list of strings", "map(&to_string(@), list)"),
        ("sort_by(orders, &total)", 16, "needs a number for every item", "leave such items out"),
    ],
)
def test_errors_name_place_value_and_fix(text: str, position: int, message: str, hint: str | None) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text)
    error = caught.value
    assert message in str(error)
    assert (error.text, error.position) == (text, position)
    assert f"at character {position + 1}" in str(error)
    assert hint in (error.hint or "") if hint else True


@pytest.mark.parametrize(
    ("text", "position", "message", "hint"),
    [
        ("", 0, "empty", None),
        ("  ", 2, "empty", None),
        ("a ==", 4, "ends too early", None),
        ("a = 1", 2, "`=` cannot stand here", "write =="),
        ("a === 1", 4, "`=` cannot stand here", None),
        ("a AND b", 2, "`AND` cannot stand here", "did you mean 'and'?"),
        ("a & b", 2, "`&` cannot stand here", "write && or `and`"),
        ("a b", 2, "`b` cannot stand here", "operator missing"),
        ("it's", 2, "the quote ' is not closed", None),
        ("a ? b : c", 2, "`?` means nothing here", None),
        ("größe", 2, "`ö` means nothing here", "double quotes"),
        ("007", 0, "does not begin with 0", None),
        ("2nd", 0, "neither a number nor a name", None),
        ("`gold`", 0, "is not JSON", None),
        ("lenght(a)", 0, "there is no function lenght()", "did you mean 'length'?"),
        ("a.lenght(@)", 2, "there is no function", "did you mean 'length'?"),
        ("length()", 0, "length() takes 1 argument, not 0", "length(subject"),
        ("abs(a, b)", 0, "abs() takes 1 argument, not 2", None),
        ("not_null()", 0, "at least 1 argument", None),
        ("sort_by(a, b)", 11, "takes an expression for `key`", "write &b"),
        ("abs(&a)", 4, "can only be an argument of", None),
        ("f(a b)", 4, "`b` cannot stand here", None),
        ("{a: b c: d}", 6, "`c` cannot stand here", None),
        ("a['b']", 2, "only a whole number", "reached by a dot"),
        ("a[b]", 2, "only a whole number", ".b"),
        ("a[1.5]", 2, "only a whole number", None),
        ("a.[0]", 2, "an index has no dot before it", "list[0]"),
        ("a[::0]", 2, "step of a slice", None),
        ("$x", 0, "the variable $x is not known here", "$.x"),
        ("let $total = a in $totl", 18, "the variable $totl is not known", "did you mean 'total'?"),
        ("[let $x = a in $x, $x]", 19, "the variable $x is not known", None),
        ("let $x = a", 10, "a let needs `in`", None),
        ('"length"(a)', 0, "the name of a function has no quotes", "write length("),
        ("a" * (MAX_LENGTH + 1), MAX_LENGTH, "at most 8,192 characters", None),
        ("(" * 65 + "a" + ")" * 65, 64, "levels inside each other", None),
        ("1" + "0" * 400, 0, "at most 300 digits", None),
        ("1e999", 0, "too large", None),
    ],
)
def test_syntax_errors_name_place_and_fix(text: str, position: int, message: str, hint: str | None) -> None:
    with pytest.raises(ExpressionSyntaxError) as caught:
        compile_expression(text)
    error = caught.value
    assert message in error.message
    assert (error.text, error.position) == (text, position)
    assert hint in (error.hint or "") if hint else True


def test_long_chains_are_fine_or_refused_in_words() -> None:
    assert evaluate(" || ".join(["missing"] * 150 + ["a"])) == 7
    assert evaluate("+".join(["a"] * 150)) == 1050
    assert evaluate("(" * 60 + "a" + ")" * 60) == 7
    with pytest.raises(ExpressionSyntaxError, match="operators in a row"):
        compile_expression("+".join(["a"] * 4000))


def test_work_is_bounded() -> None:
    scope = {"l": list(range(1200))}
    with pytest.raises(ExpressionError, match=r"more than 1,000,000 steps"):
        compile_expression("map(&map(&@, $.l), l)").evaluate(scope)
    assert MAX_STEPS > 1200
    with pytest.raises(ExpressionError, match=r"more than 1,000,000 steps"):
        compile_expression("l[*].[let $x = @ in $.l[?@ > $x]] | length(@)").evaluate(scope)


def test_size_is_bounded() -> None:
    doubling = "[@,@]" + " | [@,@]" * 60
    with pytest.raises(ExpressionError, match="characters"):
        compile_expression(doubling).evaluate({"a": 1})
    with pytest.raises(ExpressionError, match="characters"):
        compile_expression(f"to_string({doubling})").evaluate({"a": 1})
    twice = f"let $x = {doubling}, $y = {doubling} in $x == $y"
    with pytest.raises(ExpressionError, match="steps"):
        compile_expression(twice).evaluate({"a": [1]})
    with pytest.raises(ExpressionError, match="condition") as caught:
        compile_expression("let $x = @ in to_array($x)").test({"a": 1})
    assert len(str(caught.value)) < 400
    with pytest.raises(ExpressionError, match="characters"):
        compile_expression("t" + " | join(@, [@,@,@,@,@,@,@,@,@,@])" * 12).evaluate({"t": "0123456789"})
    with pytest.raises(ExpressionError, match="too large"):
        compile_expression("a" + " | @ * @" * 40).evaluate({"a": 10})


def test_deep_values_are_an_error_and_no_crash() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(ExpressionError):
        compile_expression("to_string(x)").evaluate({"x": deep})
    other: Any = 1
    for _ in range(5000):
        other = [other]
    assert compile_expression("x == y").evaluate({"x": deep, "y": other}) is True


@pytest.mark.parametrize("name", ["__class__", "__init__", "get", "items", "keys", "mro", "format"])
def test_expressions_cannot_reach_python(name: str) -> None:
    for text in (f"trigger.{name}", f"trigger.email.{name}", f"list.{name}", f"a.{name}", f"@.{name}"):
        assert evaluate(text) is None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("trigger.email", {"trigger"}),
        ("orders[?email == $.trigger.email].total", {"orders", "trigger"}),
        ("a > b and not list", {"a", "b", "list"}),
        ("orders[*].{e: email, t: $.a}", {"orders", "a"}),
        ("{x: a, y: [b]}", {"a", "b"}),
        ("orders | [0].total", {"orders"}),
        ("sort_by(orders, &total)[0].email", {"orders"}),
        ("let $x = a in $x.y + b", {"a", "b"}),
        ("@.a", {"a"}),
        ("$.[a, b]", {"a", "b"}),
        ("words.and", {"words"}),
        ("'a' == true", set()),
        ("trigger.[email, a]", {"trigger"}),
        ("length(trigger.tags[-1])", {"trigger"}),
    ],
)
def test_names_looked_up_at_the_root_are_known(text: str, names: set[str]) -> None:
    assert compile_expression(text).names == names


def test_references_tell_path_and_place() -> None:
    found = compile_expression("customer.address.city == $.trigger.city[0].x || a.[b].c").references
    assert [(r.path, r.starts) for r in found] == [
        (("customer", "address", "city"), (0, 9, 17)),
        (("trigger", "city"), (27, 35)),
        (("a",), (48,)),
    ]


def test_every_node_has_a_place() -> None:
    text = "let $x = a in orders[?total > -$x].{n: $.b, m: [email, list[1:]]} | sort_by(@, &n)[*].m[]"
    pending = [compile_expression(text).ast]
    while pending:
        node = pending.pop()
        assert 0 <= node["start"] < node["end"] <= len(text), node
        if node["type"] == "field":
            assert text[node["start"] : node["end"]] == node["value"]
        if node["type"] != "slice":
            pending.extend(node["children"])


def test_quoted_comparisons_are_found() -> None:
    expression = compile_expression('tier == "GOLD" and ("a-b" || x[?y != "z"]) and "p".q == \'r\'')
    assert quoted_comparisons(expression) == [(8, "GOLD"), (37, "z")]
    assert quoted_comparisons(compile_expression("tier == 'GOLD'")) == []


def test_any_mapping_is_a_scope() -> None:
    scope = ChainMap({"item": {"a": 1}}, {"trigger": {"b": 2}})
    assert compile_expression("item.a + trigger.b").evaluate(scope) == 3
    assert compile_expression("sort(keys(@))").evaluate(scope) == ["item", "trigger"]
    assert compile_expression("*.b").evaluate(scope) == [2]


def test_values_are_not_shared_with_the_expression() -> None:
    expression = compile_expression("`[1]`")
    expression.evaluate({}).append(2)
    assert expression.evaluate({}) == [1]
