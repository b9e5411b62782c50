"""What a watcher makes of the steps that the engine tells."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from engine import plugins
from engine.cli.watch import StepReport, Watcher
from engine.runtime.outcomes import Sleeping, Succeeded
from engine.scenario.load import load_scenario
from engine.scenario.plan import GroupStep
from engine.store.records import Run
from engine.testing.clock import VirtualClock

SOURCE = """
scenario: nested
steps:
  - id: first
    module: http.make_request
    with: {url: https://api.example.com/a}
  - if: ${{ first.status == 200 }}
    steps:
      - if: ${{ first.body == null }}
        steps:
          - id: inner
            module: http.make_request
            with: {url: https://api.example.com/b}
    else:
      - id: other
        module: http.make_request
        with: {url: https://api.example.com/c}
"""


@dataclass
class Lines:
    told: list[str] = field(default_factory=list)

    def step_began(self, run: Run, report: StepReport) -> None:
        self.told.append(f"{report.path} began")

    def step_ended(self, run: Run, report: StepReport) -> None:
        self.told.append(f"{report.path} {report.status} {report.reason or ''}".strip())

    def retrying(self, run: Run, report: StepReport, attempt: int, error: dict[str, Any], seconds: float) -> None:
        self.told.append(f"{report.path} again in {seconds:g}")

    def sleeping(self, run: Run, due: float, *, waits: bool = False) -> None:
        self.told.append("sleeping")

    def ended(self, run: Run, steps: list[StepReport]) -> None:
        self.told.append("ended")


def test_the_walk_after_a_wait_does_not_tell_again_what_was_told() -> None:
    plan, _ = load_scenario(SOURCE, "nested.yaml", plugins.load())
    assert plan is not None
    first, group = plan.steps
    assert isinstance(group, GroupStep)
    lines = Lines()
    watcher = Watcher(VirtualClock(), asyncio.Event(), lines, wants=lambda _run: True)
    run = Run(1, "nested", plan.version, 1, 0, "1:0", "running", 1, 0.0)

    watcher.step_started(run, first, "first", 1, {})
    watcher.step_finished(run, first, "first", "done", {})
    watcher.run_ended(run, Sleeping(60.0))
    watcher.step_started(run, first, "first", 1, {})
    watcher.step_finished(run, first, "first", "done", {})
    watcher.step_finished(run, group.steps[0], "if@2/if@1", "done", None)
    watcher.step_finished(run, group, "if@2", "done", None)
    watcher.run_ended(run, Succeeded())

    assert lines.told == [
        "first began",
        "first done",
        "sleeping",
        "inner skipped `if: first.body == null` is false",
        "other skipped `if: first.status == 200` is true",
        "ended",
    ]


WAYS = """
scenario: ways
steps:
  - id: way
    route:
      - name: one
        if: ${{ run.attempt == 1 }}
        steps:
          - id: first
            module: http.make_request
            with: {url: https://api.example.com/a}
      - if: ${{ run.attempt == 2 }}
        steps:
          - parallel:
              side:
                - id: second
                  module: http.make_request
                  with: {url: https://api.example.com/b}
  - if: ${{ run.attempt == 1 }}
    steps:
      - id: third
        module: http.make_request
        with: {url: https://api.example.com/c}
    else_if:
      - if: ${{ run.attempt == 2 }}
        steps:
          - id: fourth
            module: http.make_request
            with: {url: https://api.example.com/d}
"""


def test_steps_of_ways_that_were_not_taken_are_told_as_skipped() -> None:
    plan, _ = load_scenario(WAYS, "ways.yaml", plugins.load())
    assert plan is not None
    router, group = plan.steps
    lines = Lines()
    watcher = Watcher(VirtualClock(), asyncio.Event(), lines, wants=lambda _run: True)
    run = Run(1, "ways", plan.version, 1, 0, "1:0", "running", 1, 0.0)

    watcher.step_finished(run, router, "way", "done", ["one"])
    watcher.step_finished(run, group, "if@2", "done", None)

    assert lines.told == [
        "second skipped the route taken is one",
        "way done",
        "third skipped `if: run.attempt == 1` is false",
        "fourth skipped another branch is taken",
    ]
