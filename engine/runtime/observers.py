"""For whoever watches runs: the command line, tests, later traces and metrics. Watching changes nothing."""

from __future__ import annotations

from typing import Any, Protocol

from engine.runtime.outcomes import Outcome
from engine.scenario.plan import ModuleStep, Step
from engine.store.records import Run


class Observer(Protocol):
    def run_started(self, run: Run) -> None: ...

    def step_started(self, run: Run, step: ModuleStep, path: str, attempt: int, config: Any) -> None:
        """A call is about to be made, or read from the journal, with this resolved config."""
        ...

    def step_retrying(self, run: Run, step: Step, path: str, attempt: int, error: dict[str, Any], due: float) -> None:
        """An attempt failed; the next one is made at ``due``, in Unix seconds."""

    def step_finished(self, run: Run, step: Step, path: str, status: str, value: Any) -> None: ...

    def run_ended(self, run: Run, outcome: Outcome) -> None:
        """The run has left memory: it ended, sleeps, or is held. Told when that is durable."""
        ...
