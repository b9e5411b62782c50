"""``respond``: what is wrong with it, where."""

from __future__ import annotations

import pytest

from engine.scenario.load import load_scenario
from engine.scenario.together import check_together
from tests.language.crm import registry

HEAD = "scenario: s\ntrigger: {module: crm.watch_orders}\n"


def mistakes(text: str) -> list[str]:
    _, found = load_scenario(text, "s.yaml", registry())
    return [f"{d.place.line}:{d.place.column} {d.code}" for d in found]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("{}", []),
        ("{status: 404, headers: {X-A: b, X-C: 7}, body: {a: [1]}}", []),
        ("{status: '${{ trigger.id }}'}", []),
        ("{status: 99}", ["4:23 respond-status"]),
        ("{status: '200'}", ["4:23 respond-status"]),
        ("{status: '${{ trigger.email }}'}", ["4:23 respond-status"]),
        ("{state: 200}", ["4:15 unknown-key"]),
        ("{headers: {'a b': c}}", ["4:25 respond-header"]),
        ("{headers: {Content-Length: 7}}", ["4:25 respond-header"]),
        ("{headers: {X-A: [1]}}", ["4:30 respond-header"]),
        ("{headers: [a]}", ["4:24 wrong-value"]),
        ("{body: '${{ trigger.nothing }}'}", ["4:34 unknown-field"]),
        ("done", ["4:14 wrong-value"]),
    ],
)
def test_a_mistake_is_found_in_its_place(step: str, expected: list[str]) -> None:
    assert mistakes(f"{HEAD}steps:\n  - respond: {step}\n") == expected


@pytest.mark.parametrize(
    "head",
    ["", "trigger: {schedule: {every: 1h}}\n", "trigger: {module: crm.watch_customers, connection: crm}\n"],
)
def test_a_scenario_that_no_webhook_starts_answers_nobody(head: str) -> None:
    found = mistakes(f"scenario: s\n{head}steps:\n  - respond: {{}}\non_failure:\n  - respond: {{status: 500}}\n")
    assert [one.partition(" ")[2] for one in found] == ["respond-nobody", "respond-nobody"]


@pytest.mark.parametrize(
    ("steps", "lines"),
    [
        ("- respond: {}\n- respond: {}", [5]),
        ("- if: ${{ trigger.vip }}\n  steps: [{respond: {}}]\n- respond: {}", [6]),
        ("- if: ${{ trigger.vip }}\n  steps: [{respond: {}}]\n  else: [{respond: {}}]", []),
        ("- if: ${{ trigger.vip }}\n  steps: [{respond: {}}, {stop: success}]\n- respond: {}", []),
        ("- route:\n    - {if: '${{ trigger.vip }}', steps: [{respond: {}}]}\n  otherwise: [{respond: {}}]", []),
        ("- parallel:\n    a: [{respond: {}}]\n    b: [{respond: {}}]", [6]),
        ("- foreach: ${{ [1, 2] }}\n  steps: [{respond: {}}]", [5]),
        ("- steps: [{respond: {}}]\n- set: {a: 1}\n- steps: [{steps: [{respond: {}}]}]", [6]),
    ],
)
def test_a_second_answer_on_one_way_is_told(steps: str, lines: list[int]) -> None:
    text = "".join(f"  {line}\n" for line in steps.splitlines())
    found = mistakes(f"{HEAD.replace('crm.watch_orders', 'crm.watch_orders')}steps:\n{text}")
    assert [one for one in found if "unknown" not in one] == [
        one for one in found if one.endswith("respond-twice") and int(one.partition(":")[0]) in lines
    ]
    assert len([one for one in found if one.endswith("respond-twice")]) == len(lines)


@pytest.mark.parametrize(("within", "code"), [("5s", None), ("0s", "duration"), ("10m", "duration"), ("7", "duration")])
def test_how_long_a_sender_waits(within: str, code: str | None) -> None:
    found = mistakes(f"scenario: s\ntrigger:\n  module: crm.watch_orders\n  respond_within: {within}\nsteps: []\n")
    assert found == ([] if code is None else [f"4:19 {code}"])


def test_two_scenarios_at_one_webhook_do_not_answer_both() -> None:
    head = "trigger: {module: crm.watch_orders, webhook: shop}\nsteps:\n  - respond: {}\n"
    plans = [load_scenario(f"scenario: {name}\n{head}", f"{name}.yaml", registry())[0] for name in "ab"]
    found = check_together([plan for plan in plans if plan is not None])
    assert [(d.code, str(d.place)) for d in found] == [("respond-shared", f"{name}.yaml:4:5") for name in "ab"]
    quiet = load_scenario(f"scenario: c\n{head.replace('respond', 'set')}", "c.yaml", registry())[0]
    assert check_together([plan for plan in (plans[0], quiet) if plan is not None]) == []
    assert "respond-shared" in {d.code for d in found}
