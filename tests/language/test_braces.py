"""Braces without a dollar are text: who writes them as in other tools is told, with the right spelling."""

from __future__ import annotations

import json

import pytest

from engine.scenario.diagnostics import Severity
from engine.scenario.load import load_scenario
from tests.language.crm import CONNECTIONS, WEBHOOKS, registry

REGISTRY = registry()


def told(text: str, before: str = "") -> list[tuple[str, str | None]]:
    source = f"scenario: s\nsteps:\n  - set:\n{before}      a: {json.dumps(text)}\n"
    plan, found = load_scenario(source, "f.yaml", REGISTRY, CONNECTIONS, WEBHOOKS, hints=True)
    assert plan is not None
    found = [mistake for mistake in found if mistake.code != "unused-variable"]
    assert {(mistake.code, mistake.severity) for mistake in found} <= {("braces-without-dollar", Severity.WARNING)}
    return [(mistake.message.partition("`")[2].partition("`")[0], mistake.hint) for mistake in found]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("{{ trigger.email }}", "write ${{ trigger.email }}"),
        ("{{trigger.email}}", "write ${{ trigger.email }}"),
        ("{{trigger.\n  email}}", "write ${{ trigger. email }}"),
        ("a {{ join(': ', b) }}", "write \"${{ join(': ', b) }}\""),
        ("{{1.email}}", "write ${{ trigger.email }}, or the id of the step that gives it in place of `trigger`"),
        ("{{4.`Last name`}}", 'write ${{ trigger."Last name" }}, or the id of the step that gives it in place of'),
        ("{{ 1.5 }}", "write ${{ 1.5 }}"),
    ],
)
def test_the_right_spelling_is_in_the_hint(text: str, hint: str) -> None:
    [(_, found)] = told(text)
    assert found is not None
    assert found.startswith(hint)


def test_each_pair_is_told_and_expressions_are_not() -> None:
    assert [what for what, _ in told("{{ a }} ${{ run.id }}{{b}} ${{ '{{ c }}' }}")] == ["{{ a }}", "{{b}}"]


@pytest.mark.parametrize(
    "text",
    ["{{}}", "{{ }}", "{{ a }", "{{{ a }}}", "{{#each a}}{{ b }}{{/each}}", "{% if a %}{{ a }}{% endif %}", "}} {{"],
)
def test_what_is_no_expression_of_anybody_or_another_language_is_left(text: str) -> None:
    assert told(text) == []


def test_what_is_meant_is_said_to_be() -> None:
    assert (
        told("Dear {{ name }}", before="      # engine: ignore[braces-without-dollar] the vendor fills it in\n") == []
    )


@pytest.mark.parametrize(("text", "right"), [("{{ run.id }}", "run.id"), ("{{1.a}}", "trigger.a")])
def test_a_condition_of_braces_is_told_how_it_is_written(text: str, right: str) -> None:
    source = f"scenario: s\nsteps:\n  - if: '{text}'\n    steps: []\n"
    _, [found] = load_scenario(source, "f.yaml", REGISTRY, CONNECTIONS, WEBHOOKS)
    assert (found.code, found.hint) == ("expression-wanted", f"write it as ${{{{ {right} }}}}")


@pytest.mark.parametrize("kind", ["sleep", "sleep_until"])
def test_so_is_a_time(kind: str) -> None:
    source = f"scenario: s\nsteps:\n  - {kind}: '{{{{ run.attempt * 60 }}}}'\n"
    _, [found] = load_scenario(source, "f.yaml", REGISTRY, CONNECTIONS, WEBHOOKS)
    assert found.hint == "write ${{ run.attempt * 60 }}"
