"""Runs of the whole engine whose modules call their app's simulator: real HTTP, a virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from engine import plugins
from engine.runtime.callers import ModuleCaller
from engine.runtime.connections import Connections
from engine.runtime.secrets import Secrets
from engine.runtime.simulation import Simulators
from engine.testing import Harness, RunResult, VirtualClock

_SCENARIO = """
scenario: test
trigger: {%s}
steps:
"""


@dataclass(frozen=True)
class Runs:
    """:param simulator: the app's; to be asked, and to be made to fail."""

    harness: Harness
    simulator: Any

    async def run(self, event: Any, *, advance: float = 60.0) -> RunResult:
        """Deliver an event, and wait for its run.

        :param advance: seconds by which time may move while the run waits for it.
        """
        accepted = await self.harness.send(event)
        return await self.harness.result(accepted.runs[0], advance=advance)


@asynccontextmanager
async def runs(app: str, steps: str, trigger: str = "module: http.watch_webhook") -> AsyncIterator[Runs]:
    """An engine with one scenario.

    :param steps: YAML list of steps.
    :param trigger: the trigger's keys in YAML's flow style; by default a generic webhook.
    """
    clock = VirtualClock()
    registry = plugins.load()
    async with Simulators(registry, clock, apps=[app]) as simulators:
        connections = Connections({}, registry, Secrets({}), clock, overrides=simulators.overrides)
        try:
            source = _SCENARIO % trigger + "\n".join("  " + line for line in steps.strip().splitlines())
            async with Harness([source], caller=ModuleCaller(connections), registry=registry, clock=clock) as harness:
                yield Runs(harness, simulators.running[app])
        finally:
            await connections.close()
