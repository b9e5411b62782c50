"""For whoever watches runs: the command line, tests, later traces and metrics. Watching changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol

from engine.runtime.effects import Progress
from engine.runtime.outcomes import Outcome
from engine.scenario.plan import ModuleStep, Step
from engine.store.records import Run

log = logging.getLogger(__name__)
P = ParamSpec("P")


class Observer(Protocol):
    """Told of runs and their steps. One whose ``wants_steps`` is False is told of runs alone."""

    @property
    def wants_steps(self) -> bool: ...

    def run_started(self, run: Run) -> None: ...

    def step_started(self, run: Run, step: ModuleStep, path: str, attempt: int, config: Any) -> None:
        """A call is about to be made, or read from the journal, with this resolved config."""
        ...

    def step_retrying(self, run: Run, step: Step, path: str, attempt: int, error: dict[str, Any], due: float) -> None:
        """An attempt failed; the next one is made at ``due``, in Unix seconds."""

    def step_finished(self, run: Run, step: Step, path: str, status: str, value: Any) -> None:
        """A step ended; a long list that a loop collected is handed over as ``Later``."""
        ...

    def loop_progressed(self, run: Run, step: Step, path: str, progress: Progress) -> None:
        """Many items of a long loop are over; nothing more is told of them."""
        ...

    def run_ended(self, run: Run, outcome: Outcome) -> None:
        """The run has left memory: it ended, sleeps, or is held. Told when that is durable."""
        ...


class Guarded:
    """Passes everything on to an observer, whose mistakes (a broken pipe, say) are logged and change nothing."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._complained = False

    @property
    def wants_steps(self) -> bool:
        return self._observer.wants_steps

    def run_started(self, run: Run) -> None:
        self._tell(self._observer.run_started, run)

    def step_started(self, run: Run, step: ModuleStep, path: str, attempt: int, config: Any) -> None:
        self._tell(self._observer.step_started, run, step, path, attempt, config)

    def step_retrying(self, run: Run, step: Step, path: str, attempt: int, error: dict[str, Any], due: float) -> None:
        self._tell(self._observer.step_retrying, run, step, path, attempt, error, due)

    def step_finished(self, run: Run, step: Step, path: str, status: str, value: Any) -> None:
        self._tell(self._observer.step_finished, run, step, path, status, value)

    def loop_progressed(self, run: Run, step: Step, path: str, progress: Progress) -> None:
        self._tell(self._observer.loop_progressed, run, step, path, progress)

    def run_ended(self, run: Run, outcome: Outcome) -> None:
        self._tell(self._observer.run_ended, run, outcome)

    def _tell(self, told: Callable[P, None], *args: P.args, **more: P.kwargs) -> None:
        try:
            told(*args, **more)
        except Exception as error:  # noqa: BLE001 - whatever a watcher raises, the run is none of its business
            if not self._complained:
                self._complained = True
                log.warning("a watcher of runs failed: %s: %s", type(error).__name__, error)
