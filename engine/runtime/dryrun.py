"""A dry run: reads are made, writes are only shown."""

from __future__ import annotations

from collections.abc import Callable

from engine.runtime.callers import Attempt, Caller
from engine.runtime.pacing import Pace
from engine.scenario.plan import ModuleStep
from engine.sdk.modules import Config, Effect, Happened, Json, ProbeResult


class DryRunCaller:
    """Makes reads through another caller; a write sends nothing, and its output is null.

    :param show: told of each write that would have been sent.
    """

    def __init__(self, caller: Caller, show: Callable[[ModuleStep, Config], None]) -> None:
        self._caller = caller
        self._show = show

    def effect(self, step: ModuleStep, config: Config) -> Effect:
        return self._caller.effect(step, config)

    def prepare(self, step: ModuleStep, config: Config, attempt: Attempt) -> Config:
        return self._caller.prepare(step, config, attempt)

    def pace(self, step: ModuleStep, config: Config) -> Pace | None:
        # what is only shown waits for nobody
        return None if self.effect(step, config).writes else self._caller.pace(step, config)

    async def call(self, step: ModuleStep, config: Config, attempt: Attempt) -> Json:
        if self.effect(step, config).writes:
            self._show(step, config)
            return None
        return await self._caller.call(step, config, attempt)

    async def probe(self, step: ModuleStep, config: Config, attempt: Attempt) -> Happened | ProbeResult:
        return ProbeResult.UNKNOWN
