"""A comment silences the check that it names where it stands, and nothing else; one that silences nothing is told."""

from __future__ import annotations

import pytest

from engine.scenario.comments import comments_of
from engine.scenario.load import kept, load_kept, load_scenario
from tests.language.crm import CONNECTIONS, WEBHOOKS, registry

REGISTRY = registry()
HEAD = "scenario: s\nsteps:\n"
CUSTOMER = "  - {id: customer, module: crm.get_customer, connection: crm, with: {id: 7}}\n"


def found(steps: str) -> list[tuple[int, str]]:
    source = f"{HEAD}{CUSTOMER}{steps}"
    found = load_scenario(source, "f.yaml", REGISTRY, CONNECTIONS, WEBHOOKS, hints=True)[1]
    return [(d.place.line, d.code) for d in found if not d.code.startswith("unused-") or d.code == "unused-ignore"]


def test_at_the_end_of_the_line() -> None:
    assert found('  - set: {a: "call ${{ customer.phone }}"}\n') == [(4, "null-in-text")]
    assert found('  - set: {a: "call ${{ customer.phone }}"} # engine: ignore[null-in-text]\n') == []


@pytest.mark.parametrize("between", ["", "\n", "  # another word\n", "  # engine: ignore[null-in-text] once more\n"])
def test_alone_in_a_line_above(between: str) -> None:
    ignore = "  # engine: ignore[null-in-text] shops know it\n"
    assert found(f'{ignore}{between}  - set: {{a: "call ${{{{ customer.phone }}}}"}}\n') == []


def test_above_a_text_of_several_lines() -> None:
    text = "  - set:\n      {}a: >-{}\n        call\n        ${{{{ customer.phone }}}}\n        now\n"
    assert found(text.format("", "")) == [(7, "null-in-text")]
    assert found(text.format("# engine: ignore[null-in-text]\n      ", "")) == []
    assert found(text.format("", " # engine: ignore[null-in-text]")) == []


def test_only_the_check_that_is_named() -> None:
    step = '  - set: {a: "call ${{ customer.phone }}", b: "${{ customer.emial }}"} # engine: ignore[unknown-field]\n'
    assert found(step) == [(4, "null-in-text")]
    assert found(step.replace("[unknown-field]", "[unknown-field, null-in-text] both")) == []


def test_only_in_its_own_line() -> None:
    ignore = "  # engine: ignore[null-in-text]\n  - set: {a: 1}\n"
    assert found(f'{ignore}  - set: {{b: "call ${{{{ customer.phone }}}}"}}\n') == [
        (4, "unused-ignore"),
        (6, "null-in-text"),
    ]


@pytest.mark.parametrize(
    ("comment", "hint"),
    [
        ("# engine: ignore[null-in-text]", "take the comment away"),
        ("# engine: ignore[null-in-txt]", "did you mean 'null-in-text'?"),
        ("# engine: ignore", "write `# engine: ignore[null-in-text] why`"),
        ("# engine: ignore[]", "write `# engine: ignore[null-in-text] why`"),
    ],
)
def test_a_comment_that_silences_nothing_is_told(comment: str, hint: str) -> None:
    source = f"{HEAD}  - stop: success {comment}\n"
    (told,) = load_scenario(source, "f.yaml", REGISTRY, hints=True)[1]
    assert (told.code, told.hint) == ("unused-ignore", hint)


def test_what_no_plan_can_be_made_without_is_not_silenced() -> None:
    step = "  - {id: x, module: crm.nothing} # engine: ignore[unknown-module]\n"
    assert found(step) == [(4, "unknown-module"), (4, "unused-ignore")]


def test_an_error_that_is_silenced_lets_the_scenario_load() -> None:
    source = f'{HEAD}{CUSTOMER}  - set: {{b: "${{{{ customer.emial }}}}"}}'
    assert load_scenario(source, "f.yaml", REGISTRY, CONNECTIONS)[0] is None
    assert load_scenario(f"{source} # engine: ignore[unknown-field]\n", "f.yaml", REGISTRY, CONNECTIONS)[0] is not None


def test_runs_go_on_under_a_version_that_a_newer_check_doubts() -> None:
    source = f"{HEAD}{CUSTOMER}  - set: {{b: '${{{{ customer.email }}}}'}}\n"
    plan, _ = load_scenario(source, "f.yaml", REGISTRY)
    assert plan is not None
    doubtful = kept(plan).replace("email", "emial")
    assert load_kept(doubtful, "f.yaml", REGISTRY)[0] is not None
    assert load_scenario(doubtful, "f.yaml", REGISTRY)[0] is None


def test_comments_are_told_from_text() -> None:
    text = """\
# one
a: >-  # two
  b # text
    # text too
  # text as well
 # three
c: "x # text"  # four
d: plain#text
e: [f, # five
  'g # text']
h: |
  # text
# six"""
    comments = comments_of(text, "f.yaml").found
    assert [(c.text, c.place.line, c.place.column, c.alone) for c in comments] == [
        ("# one", 1, 1, True),
        ("# two", 2, 8, False),
        ("# three", 6, 2, True),
        ("# four", 7, 16, False),
        ("# five", 9, 8, False),
        ("# six", 13, 1, True),
    ]
