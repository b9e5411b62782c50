"""What conditions tell, what is known where ways come together again, and which steps no run comes to."""

from __future__ import annotations

import pytest

from engine.scenario.load import load_scenario
from tests.language.crm import CONNECTIONS, WEBHOOKS, registry

REGISTRY = registry()
HEAD = """\
scenario: s
trigger:
  module: crm.watch_orders
steps:
  - {id: customer, module: crm.get_customer, connection: crm, with: {id: 7}}
"""
ASK = "{id: gift, module: crm.get_customer, connection: crm, with: {id: 1}}"
USE = '{set: {text: "for ${{ gift.email }}"}}'


VIP = "'${{ customer.vip }}'"
NEXT = "{set: {m: '${{ vars.n + 1 }}'}}"


def codes(steps: str) -> list[str]:
    steps = steps.replace("VIP", VIP).replace("NEXT", NEXT)
    return [d.code for d in load_scenario(HEAD + steps, "f.yaml", REGISTRY, CONNECTIONS, WEBHOOKS)[1]]


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("customer.vip", True),
        ("customer.phone != null", False),
        ("customer.phone != null and customer.vip", False),
        ("customer.phone != null or customer.vip", True),
        ("not (customer.phone == null)", False),
        ("customer.phone == '+15550100'", False),
        ("contains(['+15550100', '+15550101'], customer.phone)", False),
        ("starts_with(customer.phone, '+1')", False),
        ("length(customer.phone) > 0", False),
        ("length(customer.phone) >= 0", True),
        ("customer.phone > '+'", False),
    ],
)
def test_a_condition_tells_that_a_value_is_there(condition: str, told: bool) -> None:
    # written otherwise in the text than in the condition, so that only what is known of it counts
    step = f'  - if: "${{{{ {condition} }}}}"\n    steps: [{{set: {{a: "call ${{{{ $.customer.phone }}}}"}}}}]\n'
    assert codes(step) == ["null-in-text"] * told


def test_so_it_does_behind_what_ends_the_run() -> None:
    text = '  - set: {a: "call ${{ $.customer.phone }}"}\n'
    assert codes(text) == ["null-in-text"]
    assert codes(f"  - if: ${{{{ customer.phone == null }}}}\n    stop: success\n{text}") == []
    assert codes(f"  - if: ${{{{ customer.phone == null }}}}\n    steps: [{{stop: success}}]\n{text}") == []
    group = "  - if: ${{ customer.phone != null }}\n    steps: []\n    else: [{stop: success}]\n"
    assert codes(group + text) == []
    route = (
        "  - route: [{if: '${{ customer.phone == null }}', steps: [{stop: failure}]}, {if: '${{ run.attempt > 1 }}',"
    )
    assert codes(f"{route} steps: []}}]\n{text}") == []


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("customer.phone != null && length($.customer.phone) + 1 || 0", []),
        ("customer.points != null && $.customer.points + 1 || 0", []),
        ("customer.points + 1", ["null-operand"]),
        ("trigger.lines[?note != null].note | [0]", []),
        ("trigger.reason == 'x' and trigger.id == 7", []),
        ("trigger.channel == 'web' or trigger.channel == 'webb'", ["impossible-value"]),
        ("trigger.channel == 'web' and trigger.channel == 'shop'", ["impossible-value"]),
        ("trigger.channel != 'web' and trigger.channel == 'shop'", []),
        ("customer.id == '7'", ["unlike-types"]),
        ("customer.email == null", []),
        ("customer.email[0]", ["not-a-list"]),
        ("customer.tags[0]", []),
        ("customer.email + 1", ["wrong-operand"]),
        ("-customer.email", ["wrong-operand"]),
        ("join(', ', trigger.lines[*].price)", ["wrong-argument"]),
        ("length(customer.id)", ["wrong-argument"]),
    ],
)
def test_what_an_expression_tells_itself(expression: str, found: list[str]) -> None:
    assert codes(f'  - set: {{a: "${{{{ {expression} }}}}"}}\n') == found


def test_events_are_told_apart_by_what_they_have() -> None:
    text = '  - set: {a: "because ${{ trigger.reason }}"}\n'
    assert codes(text) == ["null-in-text"]
    assert codes(f"  - if: ${{{{ trigger.reason != null }}}}\n    steps:\n    {text}") == []


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        (f"  - {ASK}\n  - {USE}\n", []),
        (f"  - if: VIP\n    steps: [{ASK}]\n  - {USE}\n", ["null-in-text"]),
        (f"  - if: VIP\n    steps: [{ASK}]\n    else: [{{stop: success}}]\n  - {USE}\n", []),
        # under the same condition again it is there
        (
            (f"  - if: VIP\n    steps: [{ASK}]\n  - if: VIP\n    steps: [{USE}]\n"),
            [],
        ),
        (f"  - {ASK[:-1]}, on_error: ignore}}\n  - {USE}\n", ["null-in-text"]),
        (f"  - {ASK[:-1]}, on_error: {{resume: {{email: nobody}}}}}}\n  - {USE}\n", []),
        (f"  - {ASK[:-1]}, on_error: {{resume: {{email: null}}}}}}\n  - {USE}\n", ["null-in-text"]),
        (f"  - repeat: {{times: 3}}\n    steps: [{ASK}]\n  - {USE}\n", []),
        (f"  - parallel: {{one: [{ASK}], two: []}}\n  - {USE}\n", []),
    ],
)
def test_an_output_may_be_missing_where_its_step_may_not_be_done(steps: str, told: list[str]) -> None:
    assert codes(steps) == told


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("{set: {n: 1}}, NEXT", []),
        ("{set: {n: x}}, NEXT", ["wrong-operand"]),
        ("{set: {m: '${{ vars.n }}'}}, {set: {n: x}}", ["always-null"]),
        ("{if: VIP, set: {n: 1}}, NEXT", ["null-operand"]),
        (
            "{if: VIP, steps: [{set: {n: 1}}], else: [{set: {n: 2}}]}, NEXT",
            [],
        ),
        (
            "{if: VIP, steps: [{set: {n: 1}}], else: [{stop: success}]}, NEXT",
            [],
        ),
        (
            "{if: VIP, steps: [{set: {n: 1}}], else: [{set: {n: x}}]}, {set: {m: '${{ vars.n * 2 }}'}}",
            [],
        ),
        (
            "{set: {n: 0}}, {repeat: {times: 3}, steps: [{set: {n: '${{ vars.n + 1 }}'}}]}, NEXT",
            [],
        ),
        ("{set: {n: 0}}, {repeat: {times: 3}, steps: [{set: {m: '${{ vars.n + 1 }}', n: x}}]}", []),
        ("{set: {n: a}}, {if: \"${{ vars.n == 'b' }}\", steps: []}", ["impossible-value"]),
        ("{foreach: '${{ customer.tags }}', steps: [{set: {n: 1}}]}, {set: {m: '${{ vars.n }}'}}", ["always-null"]),
        (
            "{set: {n: null}}, {if: VIP, set: {n: 1}}, {if: '${{ vars.n != null }}', set: {m: '${{ vars.n + 1 }}'}}",
            [],
        ),
    ],
)
def test_variables_are_known_as_they_are_set(steps: str, told: list[str]) -> None:
    listed = "".join(f"  - {step}\n" for step in _split(steps.replace("NEXT", NEXT)))
    assert codes(listed) == told


def _split(steps: str) -> list[str]:
    """The mappings of a list that is written without brackets."""
    found, depth, start = [], 0, 0
    for position, character in enumerate(steps):
        depth += (character == "{") - (character == "}")
        if depth == 0 and character == "}":
            found.append(steps[start : position + 1].lstrip(", "))
            start = position + 1
    return found


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("  - stop: success\n  - stop: success\n", True),
        ("  - {if: VIP, stop: success}\n  - stop: success\n", False),
        ("  - steps: [{stop: success}]\n  - stop: success\n", True),
        (
            "  - {if: VIP, steps: [{stop: success}], else: [{stop: failure}]}\n  - stop: success\n",
            True,
        ),
        ("  - {if: VIP, steps: [{stop: success}], else: []}\n  - stop: success\n", False),
        ("  - {foreach: '${{ customer.tags }}', steps: [{stop: success}]}\n  - stop: success\n", False),
        ("  - {parallel: {a: [{stop: success}], b: []}}\n  - stop: success\n", True),
        (
            ("  - {route: [{if: VIP, steps: [{stop: success}]}], otherwise: [{stop: success}]}\n  - stop: success\n"),
            True,
        ),
    ],
)
def test_a_step_that_no_run_comes_to_is_told(steps: str, told: bool) -> None:
    assert codes(steps) == ["unreachable-step"] * told
