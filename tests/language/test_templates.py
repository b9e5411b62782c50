"""Templates: values with ``${{ }}`` in them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.scenario.expressions import (
    OMIT,
    ExpressionError,
    ExpressionSyntaxError,
    Hole,
    Template,
    compile_template,
    split,
)

SCOPE: dict[str, Any] = {
    "trigger": {"email": "ada@example.com", "points": 501, "vip": True, "rate": 1.5, "tags": ["a"], "o": {"k": None}},
    "nothing": None,
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def evaluate(value: Any) -> Any:
    return compile_template(value).evaluate(SCOPE)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${{ trigger.points }}", 501),
        ("${{trigger.vip}}", True),
        ("${{ nothing }}", None),
        ("${{ trigger.o }}", {"k": None}),
        ("${{ trigger.points }}\n", 501),
        ("${{\n  trigger.points\n    > 500\n}}", True),
        (" ${{ trigger.points }}", " 501"),
        ("${{ trigger.points }}${{ trigger.points }}", "501501"),
        ("to ${{ trigger.email }}!", "to ada@example.com!"),
        ("[${{ nothing }}]", "[]"),
        ("${{ trigger.vip }}, ${{ trigger.rate }}", "true, 1.5"),
        ("tags: ${{ trigger.tags }} ${{ trigger.o }}", 'tags: ["a"] {"k":null}'),
        ("line\n${{ trigger.points }}\n", "line\n501\n"),
        ("no expression }} { $ {{", "no expression }} { $ {{"),
        ("${{ '${{' }} is literal", "${{ is literal"),
    ],
)
def test_texts(text: str, value: Any) -> None:
    result = evaluate(text)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ("${{ {a: {b: c}} }}", "{a: {b: c}}"),
        ("${{ {a: {b: c}}}}", "{a: {b: c}}"),
        ("${{ '}}' }}", "'}}'"),
        ("${{ 'it\\'s }}' }}", "'it\\'s }}'"),
        ('${{ "}}" }}', '"}}"'),
        ('${{ `{"a": {"b": "}}"}}` }}', '`{"a": {"b": "}}"}}`'),
        ("${{ a[?b == '}}'].{c: d} }}", "a[?b == '}}'].{c: d}"),
    ],
)
def test_closing_braces_inside_an_expression_do_not_end_it(text: str, inner: str) -> None:
    for before, after in (("", ""), ("x ", " y"), ("}} ", " }}")):
        parts = split(before + text + after)
        start = len(before) + text.index(inner)
        assert parts == [p for p in (before, Hole(inner, start, start + len(inner)), after) if p]


def test_an_open_hole_is_an_error() -> None:
    with pytest.raises(ExpressionSyntaxError, match=r"not closed") as caught:
        split("hello ${{ trigger.email }")
    assert caught.value.position == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${{ it's }}", "the quote ' is not closed"),
        ("${{ {a: b }}", "ends too early"),
        ("${{ }}", "empty"),
        ("x ${{ 'a' }} ${{ a b }}", "`b` cannot stand here"),
    ],
)
def test_a_broken_expression_says_what_is_broken(text: str, message: str) -> None:
    with pytest.raises(ExpressionSyntaxError) as caught:
        compile_template(text)
    assert message in caught.value.message


def test_omit_leaves_keys_and_items_out() -> None:
    value = {
        "phone": "${{ trigger.phone || omit() }}",
        "email": "${{ trigger.email || omit() }}",
        "null": "${{ nothing }}",
        "list": ["${{ omit() }}", 1, {"x": "${{ omit() }}"}],
    }
    assert evaluate(value) == {"email": "ada@example.com", "null": None, "list": [1, {}]}
    assert evaluate("${{ trigger.phone || omit() }}") is OMIT


def test_omit_inside_a_text_is_an_error() -> None:
    with pytest.raises(ExpressionSyntaxError, match="inside a text") as caught:
        compile_template("call ${{ trigger.phone || omit() }}")
    assert caught.value.position == len("trigger.phone || ")


def test_expressions_are_listed_with_their_places() -> None:
    template = compile_template({"a": [1, {"b": "x ${{ trigger.a }} ${{ b }}"}], "c": "${{ d }}", "e": "f"})
    assert not template.literal
    assert [(p.path, p.expression.text, p.start) for p in template.expressions] == [
        (("a", 1, "b"), "trigger.a", 6),
        (("a", 1, "b"), "b", 23),
        (("c",), "d", 4),
    ]


def test_templates_can_be_put_together() -> None:
    template = Template.mapping(
        {"to": Template.text("${{ trigger.email }}"), "list": Template.sequence([Template.constant("${{ x }}")])}
    )
    assert template.evaluate(SCOPE) == {"to": "ada@example.com", "list": ["${{ x }}"]}
    assert [p.path for p in template.expressions] == [("to",)]


def test_an_error_inside_a_text_names_the_expression() -> None:
    with pytest.raises(ExpressionError, match=r"in `nothing \+ 1` at character 1"):
        evaluate("x ${{ nothing + 1 }}")


def test_the_size_of_a_text_is_bounded() -> None:
    template = compile_template("${{ big }}" * 9)
    with pytest.raises(ExpressionError, match="the text has more than"):
        template.evaluate({"big": "x" * (2 * 1024 * 1024)})


@given(JSON)
def test_literal_json_stays_as_it_is(value: Any) -> None:
    template = Template.constant(value)
    assert template.literal
    assert template.expressions == ()
    assert template.evaluate({}) == value


@given(JSON)
def test_compiled_json_without_holes_stays_as_it_is(value: Any) -> None:
    if "${{" not in str(value):
        template = compile_template(value)
        assert template.literal
        assert template.evaluate({}) == value


@given(st.dictionaries(st.text(max_size=5), st.lists(st.integers(), max_size=3), min_size=1, max_size=3))
def test_what_a_template_gives_belongs_to_the_receiver(value: dict[str, Any]) -> None:
    template = compile_template(value)
    received = template.evaluate({})
    for items in received.values():
        items.append("changed")
    assert template.evaluate({}) == value


@given(st.lists(st.sampled_from(["${{", "}}", "{", "}", "'", '"', "`", "\\", "a", " ", "\n", "$"]), max_size=30))
def test_a_text_is_split_without_loss_or_refused(pieces: list[str]) -> None:
    text = "".join(pieces)
    try:
        parts = split(text)
    except ExpressionSyntaxError:
        return
    holes = [part for part in parts if isinstance(part, Hole)]
    assert all(text[hole.start : hole.end] == hole.text for hole in holes)
    assert "".join(p for p in parts if isinstance(p, str)).count("${{") == 0
    kept = sum(len(p) if isinstance(p, str) else len(p.text) for p in parts)
    assert kept <= len(text) - 5 * len(holes)
