"""How a run, or the part of it that is running, ends; and what interrupts it on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.sdk.errors import EngineError, ModuleError, PluginError


@dataclass(frozen=True, slots=True)
class Succeeded:
    """All steps are through, or a ``stop: success`` was reached, with what it said.

    :param committed: the step that failed and whose ``on_error: commit`` ended the run.
    """

    output: Any = None
    message: Any = None
    committed: str | None = None

    def to_json(self) -> dict[str, Any]:
        said = {"output": self.output, "message": self.message, "committed": self.committed}
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Failed:
    """A step failed for good, or a ``stop: failure`` was reached, with the output that it gave.

    :param rolled_back: whether what was done before was undone.
    :param on_failure: the error of the scenario's ``on_failure``, which does not hide the first one.
    """

    error: dict[str, Any]
    output: Any = None
    rolled_back: bool = False
    on_failure: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        beside = {"output": self.output, "rolled_back": self.rolled_back or None, "on_failure": self.on_failure}
        return {"error": self.error, **{name: value for name, value in beside.items() if value is not None}}


#: why runs are held, for the reference pages
HOLD_CODES: dict[str, str] = {
    "unknown": "a write that must not be repeated ended without a known outcome",
    "break": "`engine run --break-at` stopped the run there, and the person at the terminal left it so",
    "differs": "another run of the same event has made this write with another request; nothing was sent",
    "failed": "a step failed, and its `on_error` is `hold`",
    "authorization": "the step's connection is not authorized; the run goes on by itself when somebody authorizes it",
    "undo": "the run is being rolled back, and a step of an `undo` failed or ended without a known outcome",
    "diverged": "the journal holds another call under this key than the scenario makes now",
    "poison": "the run was taken over several times and made no progress",
    "stuck": "the run made no progress for longer than `limits.stuck_after`, and was cut off",
    "too-large": "what the run records would have become larger than `limits.run`; the next step was not begun",
    "trigger": "the trigger's filter or subject failed on this event",
    "version-unavailable": "the scenario version that the run started with no longer loads",
    "event-gone": "the receipt that the run answers to is not in the store",
    "internal": "the engine met a mistake of its own",
}


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a run waits for a person.

    :param code: a key of ``HOLD_CODES``.
    :param step: the step's path.
    :param attempt: number of the attempt that it is about.
    :param retry: seconds until the run is tried again without a person, one for each time.
    :param place: file and line of the step.
    """

    code: str
    message: str
    step: str
    attempt: int = 0
    error: dict[str, Any] | None = None
    retry: tuple[float, ...] = ()
    place: str | None = None

    def to_json(self) -> dict[str, Any]:
        hold = {
            "code": self.code,
            "message": self.message,
            "step": self.step,
            "attempt": self.attempt,
            "error": self.error,
        }
        more = {"retry": list(self.retry) or None, "place": self.place}
        return hold | {name: value for name, value in more.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Held:
    """One hold, or several where branches ran side by side."""

    holds: tuple[Hold, ...]

    def to_json(self) -> list[dict[str, Any]]:
        return [hold.to_json() for hold in self.holds]


@dataclass(frozen=True, slots=True)
class Sleeping:
    due: float


@dataclass(frozen=True, slots=True)
class Waiting(Sleeping):
    """All branches wait, and some of them for an answer.

    :param keys: of the waits that are open.
    """

    keys: tuple[str, ...] = ()


Outcome = Succeeded | Failed | Held | Sleeping


_BLANK = {"type": None, "status": None, "detail": None}


class StepFailed(Exception):
    """A step failed for good. ``step`` is its path, ``error`` what the reader of the run is shown."""

    def __init__(self, step: str, error: dict[str, Any], attempt: int = 0, output: Any = None) -> None:
        super().__init__(error.get("message"))
        #: what it has come to all the same: of a batch, what became of each item
        self.output = output
        self.step = step
        # those that tell of no vendor have the same keys as those that do: `error` in a handler is always alike
        self.error = {**_BLANK, **error, "step": step, "attempt": attempt}
        self.attempt = attempt


class MustHold(Exception):
    """The run cannot go on without a person."""

    def __init__(self, *holds: Hold) -> None:
        super().__init__(holds[0].message)
        self.holds = holds


class Stopped(Exception):
    """A ``stop`` step was reached."""

    def __init__(self, outcome: Succeeded | Failed) -> None:
        super().__init__("stop")
        self.outcome = outcome


class RollBack(Exception):
    """A step failed whose ``on_error`` is ``rollback``. The decision is remembered."""


class CutOff(Exception):
    """A branch of a run that goes back came to something that was not begun before."""


class Interrupted(ModuleError):
    """An attempt whose owner died or whose result a person or a probe declared absent: it is made again, uncounted."""

    code = "interrupted"
    transient = True


class PluginFault(ModuleError, PluginError):
    """A module's code raised something that is none of the standard types: a mistake in the plugin."""

    code = "plugin-error"


class UnknownOutcome(Exception):
    """A write that must not be repeated ended without a known outcome."""

    def __init__(self, cause: EngineError) -> None:
        super().__init__(cause.message)
        self.cause = cause


class Diverged(Exception):
    """The journal holds another call under this key than the plan makes now."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A word on a step: ``again``, ``happened`` (with output) or ``skip``; a person's, or that of a schedule.

    :param version: the scenario version under which the run goes on from here.
    :param noted: it was about items of a batch whose outcome was not known, and is noted with them; it says nothing of
        the others.
    """

    choice: str
    output: Any = None
    reason: str | None = None
    by: str | None = None
    version: str | None = None
    automatic: bool = False
    noted: bool = False
