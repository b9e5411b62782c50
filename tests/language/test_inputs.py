"""``inputs``: what they become, how texts are read by their types, and what is wrong with them."""

from __future__ import annotations

import pytest

from engine.scenario.inputs import FORMATS, mistakes
from engine.scenario.load import load_scenario
from engine.scenario.plan import Scenario
from tests.language.crm import CONNECTIONS, WEBHOOKS, registry


def load(inputs: str, trigger: str = "", steps: str = "[]") -> tuple[Scenario | None, list[str]]:
    source = f"scenario: s\ninputs: {inputs}\n{trigger}steps: {steps}\n"
    plan, found = load_scenario(source, "f.yaml", registry(), CONNECTIONS, WEBHOOKS)
    return plan, [f"{d.place.line}:{d.place.column} {d.code}: {d.message} ({d.hint})" for d in found]


def test_an_input_is_a_type_or_a_schema() -> None:
    plan, mistakes = load("{email: string, points: {type: integer, default: 10}, at: {type: string, required: true}}")
    assert mistakes == []
    assert plan is not None
    assert plan.inputs.defaults == {"email": None, "points": 10, "at": None}
    assert [(f.name, f.required) for f in plan.inputs.fields] == [("email", False), ("points", False), ("at", True)]


def test_texts_are_read_by_their_types() -> None:
    plan, _ = load("{a: string, b: integer, c: boolean, d: number, e: array, f: {description: any}}")
    assert plan is not None
    texts = {"a": "5", "b": "5", "c": "true", "d": "5", "e": "[1, 2]", "f": '{"x": 1}'}
    assert plan.inputs.parse(texts) == {"a": "5", "b": 5, "c": True, "d": 5, "e": [1, 2], "f": {"x": 1}}
    # what stands for no value of the type stays a text, which the check names
    assert plan.inputs.parse({"b": "five", "c": "yes", "e": "1", "f": "free"}) == {
        "b": "five",
        "c": "yes",
        "e": "1",
        "f": "free",
    }


@pytest.mark.parametrize(
    ("inputs", "mistake"),
    [
        ("{email: strng}", "2:17 input: the type of 'email' cannot be 'strng' (did you mean 'string'?)"),
        ("{email: [string]}", "2:17 input: the type of 'email' cannot be a list"),
        ("{email: {type: text}}", "2:24 input: the type of 'email' cannot be 'text' (one of string, integer"),
        ("{E-mail: string}", "2:10 input: 'E-mail' cannot be an input's name"),
        ("{email: {type: string, requird: true}}", "2:32 unknown-key: an input has no key 'requird' (did you mean"),
        ("{email: {type: string, required: yes}}", "2:42 wrong-value: `required` of 'email' must be true or false"),
        ("{email: {type: string, format: emial}}", "2:40 input: 'email' has a format that is not checked (one of"),
        ("{n: {type: integer, default: ten}}", "2:38 input: the default of 'n' is not what it takes: wants a whole"),
        ("{n: {type: integer, default: 1, required: true}}", "2:38 input: 'n' is required, so that its default"),
        ("{n: {type: integer, minimum: low}}", "2:38 input: 'n' is no schema: minimum: 'low' is not of type"),
        ('{n: {type: integer, default: "${{ 1 }}"}}', "2:38 expression-here: `n` is read before there is data"),
        ("[email]", "2:9 wrong-value: `inputs` must be a mapping"),
    ],
)
def test_what_is_wrong_with_an_input_is_said_where_it_is(inputs: str, mistake: str) -> None:
    _, found = load(inputs)
    assert found
    assert found[0].startswith(mistake), found


def test_events_bring_no_inputs_so_that_none_can_be_required_beside_a_trigger() -> None:
    _, [mistake] = load("{n: {type: integer, required: true}}", "trigger: {schedule: {every: 5m}}\n")
    assert mistake.startswith("2:39 input: 'n' is required, and events of the trigger bring no inputs")


def test_expressions_know_the_inputs_and_their_types() -> None:
    inputs = "{n: {type: integer, default: 1}, email: string}"
    _, [mistake] = load(inputs, steps='[{set: {a: "${{ inputs.emial }}"}}]')
    assert "unknown-field: there is no field 'emial' here (did you mean 'email'?)" in mistake
    _, [mistake] = load(inputs, steps='[{if: "${{ inputs.n }}", steps: []}]')
    assert "condition-type" in mistake
    # what may be left out can be null
    _, [mistake] = load(inputs, steps='[{set: {a: "to ${{ inputs.email }}"}}]')
    assert "null-in-text" in mistake


def test_without_inputs_nothing_has_that_name() -> None:
    source = 'scenario: s\nsteps:\n  - set: {a: "${{ inputs.a }}"}\n'
    _, [found] = load_scenario(source, "f.yaml", registry(), CONNECTIONS, WEBHOOKS)
    assert (found.code, found.message) == ("unknown-name", "nothing is named 'inputs' here")


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("email", "ana@example.com", "ana@example"),
        ("date", "2024-02-29", "2024-02-30"),
        ("date-time", "2024-03-05T09:00:00Z", "2024-03-05T09:00:00"),
        ("uri", "https://example.com/x", "example.com"),
        ("uuid", "0b0e3f2a-7d8e-4c7f-9a51-2f1d1f3b9f10", "0b0e"),
    ],
)
def test_formats_are_checked(name: str, right: str, wrong: str) -> None:
    assert name in FORMATS
    schema = {"type": "string", "format": name}
    assert mistakes(schema, right) == []
    assert mistakes(schema, wrong) == [f"'{wrong}' is no {name}"]
