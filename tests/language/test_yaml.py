"""YAML is read strictly: nothing means two things, every node knows its place, no file can take the engine down."""

from __future__ import annotations

import json
import string
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.scenario.diagnostics import ScenarioError
from engine.scenario.yaml import MAX_BYTES, MAX_NODES, Mapping, Node, Scalar, Sequence, parse, place_in, plain, read

WORDS_THAT_ARE_TEXT = [
    *["on", "off", "yes", "no", "y", "n", "True", "TRUE", "False", "Null", "NULL", "inf", "nan", "=", "."],
    *["12:30", "190:20:30", "2020-01-01", "2020-01-01T10:00:00Z", "0012", "00.5", "+15550100", "+1.5", "1_000"],
    *["0b101", "0X1F", "1e"],
]


def mistakes(text: str) -> list[tuple[str, str]]:
    with pytest.raises(ScenarioError) as caught:
        parse(text, "f.yaml")
    return [(f"{d.place.line}:{d.place.column}", d.code) for d in caught.value.diagnostics]


def hint(text: str) -> str | None:
    with pytest.raises(ScenarioError) as caught:
        parse(text, "f.yaml")
    return caught.value.diagnostics[0].hint


def scalar(text: str) -> Scalar:
    node = parse(text, "f.yaml")
    while not isinstance(node, Scalar):
        node = node.items[0] if isinstance(node, Sequence) else node.entries[0][1]
    return node


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-12", -12),
        ("1234567890123456789012345", 1234567890123456789012345),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        (".5", 0.5),
        ("2.", 2.0),
        ("-1e3", -1000.0),
        ('"12"', "12"),
        ("'true'", "true"),
    ]
    + [(text, text) for text in WORDS_THAT_ARE_TEXT],
)
def test_a_plain_scalar_means_what_the_core_schema_says(written: str, meant: object) -> None:
    value = plain(parse(f"key: {written}\n", "f.yaml"))["key"]
    assert value == meant
    assert type(value) is type(meant)


def test_keys_are_the_text_as_written() -> None:
    assert plain(parse("1: a\ntrue: b\n0x1: c\n12:30: d\n", "f.yaml")) == {
        "1": "a",
        "true": "b",
        "0x1": "c",
        "12:30": "d",
    }


def test_an_empty_file_is_null() -> None:
    assert parse("", "f.yaml") == parse("# nothing\n", "f.yaml") == Scalar(None, parse("", "f.yaml").place)


def test_an_alias_stands_for_its_anchor() -> None:
    assert plain(parse("a: &a {x: [1, 2]}\nb: [*a, *a]\n", "f.yaml"))["b"] == [{"x": [1, 2]}, {"x": [1, 2]}]


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert plain(parse(read(b"\xef\xbb\xbfa: b", "f.yaml"), "f.yaml")) == {"a": "b"}


def test_nodes_know_their_places() -> None:
    root = parse("a: 1\nbc:\n  - x\n  - {y: zz}\n", "f.yaml")
    assert isinstance(root, Mapping)
    found = []

    def visit(node: Node) -> None:
        found.append((node.place.line, node.place.column, node.place.length))
        if isinstance(node, Mapping):
            for key, value in node.entries:
                visit(key)
                visit(value)
        elif isinstance(node, Sequence):
            for item in node.items:
                visit(item)

    visit(root)
    assert found == [(1, 1, 1), (1, 1, 1), (1, 4, 1), (2, 1, 2), (3, 3, 1), (3, 5, 1), (4, 5, 1), (4, 6, 1), (4, 9, 2)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\na: 4\n", [("3:1", "yaml-duplicate-key"), ("4:1", "yaml-duplicate-key")]),
        ("a: 1\n'a': 2\n", [("2:1", "yaml-duplicate-key")]),
        ("<<: {a: 1}\nb: !foo 2\nc: !!str 3\n", [("1:1", "yaml-merge"), ("2:4", "yaml-tag"), ("3:4", "yaml-tag")]),
        ("a: !x!y z", [("1:4", "yaml-tag")]),
        ("--- 1\n--- 2\n", [("2:1", "yaml-documents")]),
        ("%YAML 1.2\n---\na: 1\n", [("1:1", "yaml-directive")]),
        ("%YAML 3.0\n---\na: 1\n", [("1:1", "yaml-directive")]),
        ("%TAG ! tag:example.com,2000:\n---\na: 1\n", [("1:1", "yaml-directive")]),
        ("? [a]\n: 1\n", [("1:3", "yaml-key")]),
        ("~: 1\n", [("1:1", "yaml-key")]),
        ("? \n: 1\n", [("1:2", "yaml-key")]),
        ("a: &x b\n*x : 1\n", [("2:1", "yaml-key")]),
        ("a: *x\nb: 1\nb: 2\n", [("1:4", "yaml-alias"), ("3:1", "yaml-duplicate-key")]),
        ("a: &a [1, *a]", [("1:11", "yaml-alias")]),
        ("a: .inf\nb: -.INF\nc: .nan\nd: 1e999\n", [(f"{n}:4", "yaml-number") for n in (1, 2, 3, 4)]),
        ("a:\n\tb: 1\n", [("2:1", "yaml-tab")]),
        ("a: b\x00\n", [("1:5", "yaml-character")]),
        ("a: b\nc: d\u2028e\n", [("2:5", "yaml-character")]),
        ("a: '\ud800'\n", [("1:5", "yaml-character")]),
        ("a: @b\n", [("1:4", "yaml-syntax")]),
        ("a: 'b\nc: d\n", [("1:4", "yaml-syntax")]),
        ("a: [1, 2\nb: 3\n", [("2:2", "yaml-syntax")]),
        ("a: {b: 1\nc: 3\n", [("2:2", "yaml-syntax")]),
        ("a: {b: 1\n\n", [("1:4", "yaml-syntax")]),
        ("a: b: c\n", [("1:5", "yaml-syntax")]),
        ("a: 1\n  b: 2\n", [("2:4", "yaml-syntax")]),
        ("a: 1\n- b\n", [("2:1", "yaml-syntax")]),
        ("a: }\n", [("1:4", "yaml-syntax")]),
        ('a: "\\q"\n', [("1:5", "yaml-syntax")]),
        ("a: 1\nb\nc: 2\n", [("2:1", "yaml-syntax")]),
    ],
)
def test_what_could_mean_two_things_is_an_error(text: str, expected: list[tuple[str, str]]) -> None:
    assert mistakes(text) == expected


@pytest.mark.parametrize(
    ("text", "place", "code", "fix"),
    [
        ("a: {b: ${{ c }}}", "1:8", "yaml-expression-flow", '"${{ c }}"'),
        ("a: {b: ${{ c }}, d: 1}", "1:8", "yaml-expression-flow", '"${{ c }}"'),
        ("a: {b: to ${{ c }} now, d: 1}", "1:8", "yaml-expression-flow", '"to ${{ c }} now"'),
        ("a: [1, ${{ {x: {y: z}} }}]", "1:8", "yaml-expression-flow", '"${{ {x: {y: z}} }}"'),
        ('a: [${{ "b-c" }}]', "1:5", "yaml-expression-flow", "'${{ \"b-c\" }}'"),
        ("a: {{ b }} and c", "1:4", "yaml-expression-dollar", "${{ b }}"),
        ("a: [{{ b }}]", "1:5", "yaml-expression-dollar", '"${{ b }}"'),
        ("- {{b.c}}", "1:3", "yaml-expression-dollar", "${{ b.c }}"),
        ("a: {{ {b: c} }}", "1:4", "yaml-expression-dollar", '"${{ {b: c} }}"'),
        ("a: {{}: 1}", "1:5", "yaml-key", "quote"),
        ("a: ${{ {b: c} }}", "1:4", "yaml-expression-colon", '"${{ {b: c} }}"'),
        ("a: ${{ b }}: c", "1:4", "yaml-expression-colon", '"${{ b }}: c"'),
        ("- ${{ {b: c} }}", "1:3", "yaml-expression-colon", '"${{ {b: c} }}"'),
        ("a: ${{ b #c }}", "1:4", "yaml-expression-comment", '"${{ b #c }}"'),
        ("a: ${{ b[?c == ' #d'] }}", "1:4", "yaml-expression-comment", "\"${{ b[?c == ' #d'] }}\""),
        ("a: ${{ b\n  # why\n  && c }}", "1:4", "yaml-expression-comment", "`>-`"),
        ('a: "${{ b == "C" }}"', "1:15", "yaml-expression-quotes", "\"${{ b == 'C' }}\""),
        ("a: '${{ b == 'C' }}'", "1:15", "yaml-expression-quotes", "\"${{ b == 'C' }}\""),
    ],
)
def test_an_expression_that_breaks_the_yaml_is_told_how_to_be_quoted(
    text: str, place: str, code: str, fix: str
) -> None:
    assert mistakes(text) == [(place, code)]
    assert fix in (hint(text) or "")


@pytest.mark.parametrize(
    "text",
    [
        "a: ${{ b }} # ordinary comment",
        "a: ${{ b && c }}",
        "a: ${{ b }}/${{ c }}",
        "a: ${{ b\n  && c }}",
        "a: '${{ {b: c} }}'",
        "a: {b: '${{ c }}'}",
        "a: >-\n  ${{ {b: c} #d\n  }}\n",
        "a: $ {{ b",
    ],
)
def test_expressions_that_yaml_can_carry_are_left_alone(text: str) -> None:
    parse(text, "f.yaml")


def test_the_fix_that_is_shown_is_right() -> None:
    assert plain(parse("a: [\"${{ b[?c == ' #d'] }}\", '${{ \"b-c\" }}']", "f"))["a"] == [
        "${{ b[?c == ' #d'] }}",
        '${{ "b-c" }}',
    ]


def test_bytes_that_are_not_utf_8_are_named_with_their_place() -> None:
    with pytest.raises(ScenarioError) as caught:
        read("a: ä\nb: ö".encode("latin-1"), "f.yaml")
    assert str(caught.value).startswith("f.yaml:1:4: error[")
    assert caught.value.diagnostics[0].code == "yaml-encoding"


def test_an_alias_bomb_is_refused_quickly() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    started = time.process_time()
    assert mistakes("\n".join(lines))[0][1] == "yaml-nodes"
    assert time.process_time() - started < 0.5


def test_size_depth_and_number_of_values_are_bounded() -> None:
    parse(f"[{','.join('x' * (MAX_NODES - 1))}]", "f.yaml")
    assert mistakes(f"[{','.join('x' * MAX_NODES)}]") == [("1:40000", "yaml-nodes")]
    parse("[" * 64 + "]" * 64, "f.yaml")
    assert mistakes("[" * 65 + "]" * 65) == [("1:65", "yaml-depth")]
    assert mistakes("[" * 100_000)[0][1] == "yaml-depth"
    assert mistakes("- " * 100_000)[0][1] == "yaml-depth"
    deep = "&d " + "[" * 40 + "]" * 40
    assert mistakes(f"- {deep}\n- {'[' * 30}*d{']' * 30}\n")[0][1] == "yaml-depth"
    assert mistakes("#" * (MAX_BYTES + 1)) == [("1:1", "yaml-size")]


@pytest.mark.parametrize(
    ("text", "needle", "place"),
    [
        ("a: one ${{ two }}", "two", "1:12"),
        ("a:\n  - one\n\n    ${{ two\n    && three }}", "three", "5:8"),
        ("a: 'it''s ${{ two }}'", "two", "1:15"),
        ("a: 'one\n\n  ${{ two }}'", "two", "3:7"),
        ('a: "\\u00e9\\t\\"${{ two }}"', "two", "1:19"),
        ('a: "one \\\n   ${{ two }}"', "two", "2:8"),
        ("a: |\n  one\n    ${{ two }}\n", "two", "3:9"),
        ("a: >2-  # folded\n    one\n\n  ${{ a\n  && two }}\n", "two", "5:6"),
        ("a: &x |-\n  ${{ two }}", "two", "2:7"),
        ("a: &x ${{ two }}", "two", "1:11"),
    ],
)
def test_a_character_inside_of_a_scalar_is_found_in_the_file(text: str, needle: str, place: str) -> None:
    node = scalar(text)
    found = place_in(node, node.text.index(needle), len(needle))
    assert f"{found.line}:{found.column}" == place
    assert text.splitlines()[found.line - 1][found.column - 1 :].startswith(needle)


def test_the_end_of_a_text_has_a_place() -> None:
    node = scalar("a: ${{ b  ")
    assert str(place_in(node, len(node.text))) == "f.yaml:1:9"
    assert place_in(scalar("a: ''"), 0) == scalar("a: ''").place


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(
        st.characters(min_codepoint=0x20, max_codepoint=0xD7FF, exclude_characters="\x7f\x85\u2028\u2029")
    ).filter(lambda text: all(ord(c) < 0x7F or ord(c) >= 0xA0 for c in text)),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(string.ascii_letters, max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(values)
@settings(deadline=None)
def test_json_is_read_as_json(value: object) -> None:
    assert plain(parse(json.dumps(value, ensure_ascii=False), "f.yaml")) == value


@given(st.text(st.sampled_from("ab:-[]{}'\"#&*!|>%@`$,?.~<\t\n \r0+é\\x"), max_size=60))
@example("a: ${{")
@example("? ${{")
@example("'${{'${{")
@example("[${{")
@example("${{: {")
@settings(deadline=None, max_examples=1500)
def test_any_text_gives_nodes_or_mistakes_with_places(text: str) -> None:
    try:
        node = parse(text, "f.yaml")
    except ScenarioError as error:
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for mistake in error.diagnostics:
            assert 1 <= mistake.place.line <= len(lines)
            assert 1 <= mistake.place.column <= len(lines[mistake.place.line - 1]) + 1
    else:
        json.dumps(plain(node), allow_nan=False)


@given(
    st.sampled_from(["a: {}", "a: '{}'", 'a: "{}"', "a: |\n  {}", "a: >\n  {}"]),
    st.lists(st.text("xyzé(", min_size=1, max_size=4), min_size=1, max_size=5),
    st.sampled_from([" ", "  ", "\n  ", "\n\n  "]),
    st.data(),
)
@settings(deadline=None)
def test_every_character_is_found_where_it_stands(form: str, words: list[str], gap: str, data: st.DataObject) -> None:
    text = form.format(gap.join(words))
    node = scalar(text)
    offset = data.draw(st.integers(0, len(node.text.rstrip()) - 1))
    place = place_in(node, offset)
    if not node.text[offset].isspace():
        assert text.split("\n")[place.line - 1][place.column - 1] == node.text[offset]
