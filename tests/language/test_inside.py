"""What walks plans finds every step, whatever list it stands in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from engine.scenario.inside import every, path_of, steps_within, with_paths
from engine.scenario.keys import KINDS
from engine.scenario.load import load_scenario
from engine.scenario.plan import Scenario, Step
from engine.scenario.yaml import parse
from tests.support.shop import registry

SOURCE = """
scenario: nested
steps:
  - if: ${{ trigger.big }}
    steps:
      - id: loop
        foreach: ${{ trigger.items }}
        steps:
          - set: {in_loop: 1}
    else:
      - set: {in_else: 1}
  - id: wait
    wait_for: {signal: go, timeout: 1h}
    on_timeout:
      - set: {late: 1}
  - id: pay
    module: shop.pay
    on_error:
      - set: {handled: 1}
    finally:
      - steps:
          - set: {cleaned: 1}
    undo:
      - set: {undone: 1}
on_failure:
  - set: {failed: 1}
"""


def load() -> Scenario:
    plan, found = load_scenario(SOURCE, "nested.yaml", registry())
    assert plan is not None, found
    return plan


def steps_in(part: object) -> Iterator[Step]:
    """All steps that a value of the plan holds, by its fields: what the visitor must not miss."""
    if isinstance(part, Step):
        yield part
    if is_dataclass(part):
        for field in fields(part):
            yield from steps_in(getattr(part, field.name))
    elif isinstance(part, tuple):
        for inner in part:
            yield from steps_in(inner)


def test_every_step_is_found_wherever_it_stands() -> None:
    plan = load()
    assert {id(step) for step in every(plan.steps, plan.on_failure)} == {id(step) for step in steps_in(plan)}


def test_their_paths_are_those_of_the_journal() -> None:
    assert [path for path, _ in with_paths(load().steps)] == [
        "if@1",
        "loop",
        "loop[*]/set@1",
        "if@1/else.set@1",
        "wait",
        "wait/on_timeout.set@1",
        "pay",
        "pay!handler/set@1",
        "pay!finally/steps@1",
        "pay!finally/steps@1/set@1",
        "undo/pay/set@1",
    ]


def test_a_step_with_an_id_is_named_by_it_and_the_items_around_it() -> None:
    first, wait, _ = load().steps
    assert path_of(wait, "each[3]/", "if@1/") == "each[3]/wait"
    assert path_of(first, "each[3]/", "if@1/") == "each[3]/if@1/if@1"


def test_every_step_of_a_file_is_found_before_it_is_read() -> None:
    root, plan = parse(SOURCE, "nested.yaml"), load()
    in_file = [step.place for key in ("steps", "on_failure") for step in steps_within(root.get(key))]
    assert in_file == [step.place for step in every(plan.steps, plan.on_failure)]


def test_each_kind_of_step_has_its_word_in_the_file() -> None:
    assert {kind.kind for kind in Step.__subclasses__()} <= {*KINDS}
