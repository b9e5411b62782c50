"""Runs of the whole engine whose modules call their app's simulator: real HTTP, a virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.runtime.project import Project
from engine.testing import CrashAt, RunResult, SimulatedHarness

_SCENARIO = """
scenario: test
trigger: {%s}
steps:
"""


@dataclass(frozen=True)
class Runs:
    """:param simulator: the app's; to be asked, and to be made to fail."""

    harness: SimulatedHarness
    simulator: Any

    async def run(self, event: Any, *, advance: float = 60.0) -> RunResult:
        """Deliver an event, and wait for its run.

        :param advance: seconds by which time may move while the run waits for it.
        """
        accepted = await self.harness.send(event)
        return await self.harness.result(accepted.runs[0], advance=advance)


@asynccontextmanager
async def runs(
    app: str, steps: str, trigger: str = "module: http.watch_webhook", *, project: Path | None = None
) -> AsyncIterator[Runs]:
    """An engine with one scenario.

    :param steps: YAML list of steps.
    :param trigger: the trigger's keys in YAML's flow style; by default a generic webhook.
    :param project: the folder of a project, whose connections keep what simulators leave to them.
    """
    async with _harness(steps, trigger, project) as harness:
        yield Runs(harness, harness.simulator(app))


@asynccontextmanager
async def crash(
    app: str, steps: str, point: str, *, project: Path | None = None
) -> AsyncIterator[tuple[RunResult, Any]]:
    """One run whose process dies at a fault point, and which another goes on with; gives its end and the simulator."""
    harness = _harness(steps, "module: http.watch_webhook", project)
    try:
        [result] = await harness.crash(CrashAt(point), {})
        yield result, harness.simulator(app)
    finally:
        await harness.stop()


def _harness(steps: str, trigger: str, project: Path | None) -> SimulatedHarness:
    source = _SCENARIO % trigger + "\n".join("  " + line for line in steps.strip().splitlines())
    return SimulatedHarness([source], project=Project.find(project) if project is not None else None)
