"""Defaults of project, scenario and group: the nearest word counts, key by key; a run keeps those it began with."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.runtime.reader import SettingsError
from engine.runtime.settings import read_settings
from engine.scenario.load import kept, load_kept, load_scenario
from engine.scenario.plan import GroupStep, OnError, Scenario, Step
from engine.sdk.errors import DataError
from tests.runtime.core import Script, shop, with_head
from tests.support.shop import registry, scenario

PROJECT = '{"retry": {"attempts": 9, "from": "5s"}, "timeout": {"try": "20s"}, "on_error": {"hold": {"retry": ["1m"]}}}'
HEAD = "defaults: {retry: {attempts: 7, to: 2m}, timeout: 5m}\n"
STEPS = """
- id: plain
  module: shop.get
  with: {}
- id: group
  retry: {attempts: 2}
  steps:
    - id: inner
      module: shop.get
      with: {}
      timeout: {step: 1m}
      on_error: fail
    - set: {a: 1}
"""


def load(head: str = HEAD, project: str = PROJECT) -> Scenario:
    plan, found = load_scenario(scenario(STEPS, head=head), "f.yaml", registry(), defaults=project)
    assert plan is not None, found
    return plan


def says(step: Step) -> tuple[object, ...]:
    return (step.retry.attempts, step.retry.first, step.retry.limit, step.try_timeout, step.timeout, step.on_error)


def test_a_nearer_default_replaces_single_keys() -> None:
    plain, group = load().steps
    assert isinstance(group, GroupStep)
    inner, setting = group.steps
    assert says(plain) == (7, 5.0, 120.0, 20.0, 300.0, OnError.HOLD)
    assert (plain.schedule, plain.inherited) == ((60.0,), True)
    assert says(inner) == (2, 5.0, 120.0, 20.0, 60.0, OnError.FAIL)
    # a default time is for calls
    assert says(setting)[3:] == (None, None, OnError.HOLD)
    assert (group.timeout, group.inherited) == (None, True)


def test_a_version_is_kept_with_the_defaults_of_its_project() -> None:
    plan, other = load(), load(project="")
    assert plan.version != other.version
    assert kept(other) == other.source
    again, _ = load_kept(kept(plan), "f.yaml", registry())
    assert again is not None
    assert (again.version, [says(s) for s in again.steps]) == (plan.version, [says(s) for s in plan.steps])


def test_the_projects_defaults_are_read_and_checked(tmp_path: Path) -> None:
    file = tmp_path / "engine.yaml"
    file.write_text("defaults:\n  retry: {attempts: 9}\n")
    assert read_settings(file).defaults == '{"retry":{"attempts":9}}'
    file.write_text("defaults:\n  retry: {attempts: x}\n  on_eror: hold\n")
    with pytest.raises(SettingsError) as caught:
        read_settings(file)
    assert [(d.place.line, d.place.column) for d in caught.value.diagnostics] == [(2, 21), (3, 3)]


async def test_a_default_is_about_the_step_itself_and_not_about_those_around_it() -> None:
    steps = """
- id: group
  steps:
    - id: bad
      module: shop.get
      with: {}
      on_error: fail
"""
    async with with_head("defaults: {on_error: ignore}\n", steps, {"shop.get": Script(DataError("no"))}) as harness:
        assert (await harness.run({})).state == "failed"


async def test_a_default_does_not_count_where_a_failure_is_dealt_with() -> None:
    steps = """
- id: bad
  module: shop.get
  with: {}
  on_error:
    - id: worse
      module: shop.get
      with: {}
"""
    async with with_head("defaults: {on_error: ignore}\n", steps, {"shop.get": Script(DataError("no"))}) as harness:
        result = await harness.run({})
        assert (result.state, result.error["step"]) == ("failed", "bad!handler/worse")


async def test_the_projects_defaults_reach_a_run() -> None:
    steps = "- id: bad\n  module: shop.get\n  with: {}\n"
    options = {"defaults": '{"on_error": {"hold": {"retry": "fusion"}}}'}
    async with shop(steps, {"shop.get": Script(DataError("no"))}, **options) as harness:
        [hold] = (await harness.run({})).holds
        assert hold["retry"] == [600.0, 3600.0, 10_800.0, 43_200.0, 86_400.0]
