"""Watching changes nothing: not even a watcher that fails."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from engine.runtime.observers import Guarded, Observer
from engine.runtime.runner import Runner
from tests.runtime.core import Script, shop

STEPS = """
- id: charge
  module: shop.charge
  with: {}
- stop: success
  output: done
"""


class Broken:
    """Fails at everything it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.wants_steps = True

    def __getattr__(self, name: str) -> Any:
        def fail(*_args: Any) -> None:
            self.told.append(name)
            raise BrokenPipeError("nobody reads any more")

        return fail


async def test_a_watcher_that_fails_is_logged_once_and_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watcher, double = Broken(), Script({})
    init = Runner.__init__

    def watched(self: Runner, *args: Any, **more: Any) -> None:
        init(self, *args, **{**more, "observer": watcher})

    monkeypatch.setattr(Runner, "__init__", watched)
    with caplog.at_level(logging.WARNING):
        async with shop(STEPS, {"shop.charge": double}) as harness:
            result = await harness.run({})
    assert (result.state, result.output, double.count) == ("succeeded", "done", 1)
    assert watcher.told == ["run_started", "step_started", "step_finished", "step_finished", "run_ended"]
    assert caplog.text.count("a watcher of runs failed: BrokenPipeError: nobody reads any more") == 1


async def test_a_watcher_that_wants_no_steps_is_told_of_none(monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = Broken()
    watcher.wants_steps = False
    init = Runner.__init__
    monkeypatch.setattr(
        Runner, "__init__", lambda self, *args, **more: init(self, *args, **{**more, "observer": watcher})
    )
    async with shop(STEPS, {"shop.charge": Script({})}) as harness:
        await harness.run({})
    assert watcher.told == ["run_started", "run_ended"]


def test_everything_an_observer_is_told_is_passed_on() -> None:
    told = {name for name in vars(Observer) if not name.startswith("_")}
    assert told == {name for name in vars(Guarded) if not name.startswith("_")}
