"""Words, shapes and names that authors bring along from elsewhere: the message alone says what to write."""

from __future__ import annotations

import pytest

from engine import plugins
from engine.scenario.load import load_scenario

REGISTRY = plugins.load()
BEGINNING = "scenario: x\ntrigger: {module: http.watch_webhook}\n"


def told(source: str) -> list[tuple[str, str | None]]:
    found = load_scenario(source, "x.yaml", REGISTRY)[1]
    return [(one.code, one.hint) for one in found]


@pytest.mark.parametrize(
    ("step", "hint"),
    [
        ("{for_each: '${{ trigger.orders }}', steps: []}", "here it is called `foreach`"),
        ("{iterator: '${{ trigger.orders }}'}", "here it is called `foreach`"),
        ("{delay: 5s}", "here it is called `sleep`"),
        ("{router: [{if: '${{ trigger.a }}', steps: []}]}", "here it is called `route`"),
        ("{set: {a: 1}, filter: '${{ trigger.a }}'}", "here it is called `if`"),
        ("{if: '${{ trigger.a }}', then: []}", "here it is called `steps`"),
        ("{if: '${{ trigger.a }}', steps: [], elif: []}", "here it is called `else_if`"),
        ("{route: [{if: '${{ trigger.a }}', steps: []}], fallback: []}", "here it is called `otherwise`"),
        ("{route: [{if: '${{ trigger.a }}', steps: []}], else: []}", "here it is called `otherwise`"),
        ("{respnd: {status: 200}}", "did you mean 'respond'?"),
        ("{repeat: 3, steps: []}", "such as `{times: 3}`, or `{until: ${{ … }}, max: 60}`"),
        ("{set: {a: 1}, retry: 3}", "such as `{attempts: 3}`"),
        ("{parallel: [{set: {a: 1}}]}", "a name and its steps for each branch: `first: [{…}]`"),
        ("{respond: Thanks}", "such as `{status: 200, body: …}`"),
    ],
)
def test_a_step_as_it_is_written_elsewhere(step: str, hint: str) -> None:
    assert [one for _, one in told(f"{BEGINNING}steps:\n  - {step}\n")] == [hint]


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("scenario: x\nschedule: {every: 15m}\nsteps: []\n", "it stands below `trigger`"),
        ("scenario: x\ntrigger: {schedule: {every: 15m}, timezone: UTC}\nsteps: []\n", "it stands below `schedule`"),
        (
            'scenario: x\ntrigger: {schedule: "0 6 * * *"}\nsteps: []\n',
            'such as `{cron: "0 6 * * 1-5"}` or `{every: 15m}`',
        ),
        ("scenario: x\ntasks: []\nsteps: []\n", "here it is called `steps`"),
    ],
)
def test_a_scenario_as_it_is_written_elsewhere(source: str, hint: str) -> None:
    assert hint in [one for _, one in told(source)]


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("add_days(now, 1)", "it is a function: now()"),
        ("emptystring", "write `''`"),
        ("timestamp", "write `to_timestamp(now())`"),
        ("executionId", "write `run.id`"),
        ("newline", "it is a function: newline()"),
        ("trigge.email", "did you mean 'trigger'?"),
        ("map(trigger.orders, &total)", "write map(&total, trigger.orders)"),
        ("sort_by(trigger.orders, 'total')", "write &total"),
        ("to_object(trigger.fields, 'name', &value)", "write &name"),
    ],
)
def test_an_expression_as_it_is_written_elsewhere(expression: str, hint: str) -> None:
    source = f'{BEGINNING}steps:\n  - set:\n      a: "${{{{ {expression} }}}}"\n'
    assert [one for _, one in told(source)] == [hint]


def test_who_joins_texts_by_plus_is_told_so_at_each_of_them() -> None:
    steps = "steps:\n  - set:\n      a: ${{ request.method + ' ' + run.id }}\n"
    assert [one for _, one in told(BEGINNING + steps)] == ["join texts by join('', [a, b])"] * 2
