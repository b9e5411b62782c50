"""What a scenario becomes: a plan in which everything is compiled and every default is filled in."""

from __future__ import annotations

from typing import Any

import pytest

from engine.scenario.config import config_validator
from engine.scenario.durations import parse_duration
from engine.scenario.load import load_scenario
from engine.scenario.plan import (
    DEFAULT_RETRY,
    Backoff,
    ForeachStep,
    GroupStep,
    Listening,
    ModuleStep,
    OnError,
    Retry,
    Scenario,
    SetStep,
    StopStep,
)
from engine.sdk.errors import STANDARD_TYPES
from tests.language.crm import registry

SOURCE = """\
scenario: orders
description: Shows every kind of step.
active: false
trigger:
  module: crm.watch_orders
  webhook: shared
  with: {events: [order]}
  if: ${{ trigger.total > 5 }}
subject: ${{ trigger.email }}
vars: {currency: EUR, label: "order ${{ trigger.id }}"}
steps:
  - id: customer
    name: the customer
    module: crm.get_customer
    connection: main
    with: {email: "${{ trigger.email }}", with_history: false}
    retry: {attempts: 5, backoff: fixed, from: 2s, to: 5m, jitter: 0, on: [RateLimitError, TimeoutError]}
    timeout: 90s
    on_error: hold
  - set: {a: 1}
  - if: ${{ customer.vip }}
    steps:
      - set: {b: "${{ customer.email }}"}
      - if: false
        set: {c: 3}
    else:
      - set: {b: 2}
      - steps:
          - stop: failure
            message: no ${{ vars.label }}
  - foreach: ${{ trigger.lines }}
    as: line
    key: ${{ line.sku }}
    concurrency: 3
    steps:
      - id: update
        module: crm.update_customer
        with: {id: 7, points: 12}
  - id: skus
    foreach: ${{ trigger.lines }}
    collect: ${{ item.sku }}
    steps: []
  - stop: success
    output: {skus: "${{ skus }}"}
"""


def plan(source: str = SOURCE) -> Scenario:
    scenario, diagnostics = load_scenario(source, "orders.yaml", registry())
    assert diagnostics == []
    assert scenario is not None
    return scenario


def test_the_head_of_a_scenario() -> None:
    scenario = plan()
    assert (scenario.name, scenario.description, scenario.active) == ("orders", "Shows every kind of step.", False)
    assert str(scenario.place) == "orders.yaml:1:11"
    trigger = scenario.trigger
    assert isinstance(trigger, Listening)
    assert (trigger.module_name, trigger.webhook, trigger.connection) == ("crm.watch_orders", "shared", None)
    assert trigger.config == {"events": ["order"]}
    assert trigger.condition is not None
    assert trigger.condition.test({"trigger": {"total": 6}})
    assert scenario.subject is not None
    assert scenario.subject.evaluate({"trigger": {"email": "ann@example.com"}}) == "ann@example.com"
    scope = {"trigger": {"id": 9}}
    values = {name: template.evaluate(scope) for name, template in scenario.variables.items()}
    assert values == {"currency": "EUR", "label": "order 9"}


def test_a_step_that_calls_a_module() -> None:
    step = plan().steps[0]
    assert isinstance(step, ModuleStep)
    assert (step.id, step.path, step.name, step.connection) == ("customer", "customer", "the customer", "main")
    assert step.module_name == "crm.get_customer"
    assert step.config.evaluate({"trigger": {"email": "x"}}) == {"email": "x", "with_history": False}
    types = (STANDARD_TYPES["RateLimitError"], STANDARD_TYPES["TimeoutError"])
    assert step.retry == Retry(5, Backoff.FIXED, 2.0, 300.0, 0.0, types)
    assert (step.timeout, step.on_error) == (90.0, OnError.HOLD)
    assert not step.fixed
    assert str(step.place) == "orders.yaml:12:5"


def test_a_config_without_expressions_is_fixed_and_checked_once() -> None:
    loop = plan().steps[3]
    assert isinstance(loop, ForeachStep)
    (step,) = loop.steps
    assert isinstance(step, ModuleStep)
    assert step.fixed
    assert step.config.literal
    assert (step.retry, step.timeout, step.on_error, step.connection) == (DEFAULT_RETRY, None, OnError.FAIL, None)


def test_paths_are_ids_or_kind_and_position_and_differ_among_siblings() -> None:
    scenario = plan()
    assert [step.path for step in scenario.steps] == ["customer", "set@2", "if@3", "foreach@4", "skus", "stop@6"]
    group = scenario.steps[2]
    assert isinstance(group, GroupStep)
    assert [step.path for step in group.steps] == ["set@1", "set@2"]
    assert [step.path for step in group.otherwise] == ["else.set@1", "else.steps@2"]
    inner = group.otherwise[1]
    assert isinstance(inner, GroupStep)
    assert [step.path for step in inner.steps] == ["stop@1"]


def test_the_other_kinds_of_steps() -> None:
    _, first, group, loop, collecting, stop = plan().steps
    assert isinstance(first, SetStep)
    assert {name: value.evaluate({}) for name, value in first.values.items()} == {"a": 1}
    assert isinstance(group, GroupStep)
    assert group.condition is not None
    assert group.condition.text == "customer.vip"
    never = group.steps[1]
    assert never.condition is not None
    assert never.condition.test({}) is False
    assert isinstance(loop, ForeachStep)
    assert (loop.variable, loop.concurrency, loop.collect) == ("line", 3, None)
    assert loop.key is not None
    assert loop.key.text == "line.sku"
    assert isinstance(collecting, ForeachStep)
    assert (collecting.variable, collecting.concurrency, collecting.key) == ("item", 1, None)
    assert collecting.collect is not None
    assert collecting.collect.evaluate({"item": {"sku": "x"}}) == "x"
    assert isinstance(stop, StopStep)
    assert stop.success
    assert stop.output is not None
    assert stop.output.evaluate({"skus": ["x"]}) == {"skus": ["x"]}


def test_the_version_is_that_of_the_text() -> None:
    assert plan().version == plan().version
    assert plan().version != plan(SOURCE + "# changed\n").version


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("60s", 60.0),
        ("5m", 300.0),
        ("2h", 7200.0),
        ("30d", 2_592_000.0),
        ("1.5h", 5400.0),
        ("0s", 0.0),
        *((text, None) for text in ["", "5", "s", "5 m", "-5m", "5M", "1h30m", "5min", "1e3s", "٣s"]),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({"id": 1}, None),
        ({"id": 1, "points": None}, "points: wants a number, not null"),
        ({"points": 1}, "'id' is missing"),
        ({"id": 1, "x": 1}, "has no key 'x'"),
        ({"id": 1, "tags": ["a", None]}, "tags[1]: wants a text, not null"),
        ({"id": 1, "custom": {"a": {"b": 1}}}, "custom.a: wants a text or a number, not an object"),
        ({"id": 1, "contact": {"email": "a", "id": 1}}, "contact: only one of 'email', 'id' may be given here"),
        ({"id": 1, "contact": {"email": ""}}, "contact.email: must not be empty"),
    ],
)
def test_a_resolved_config_is_checked_at_run_time(config: dict[str, Any], fault: str | None) -> None:
    module = registry().modules["crm.update_customer"]
    assert config_validator(module)(config) == fault
