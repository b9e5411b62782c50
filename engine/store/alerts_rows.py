"""What operators are told of: the rows, and the changes to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from engine.sdk import jsontext


class Trouble(NamedTuple):
    """A run that failed or was held, and of which nobody was told yet."""

    number: int
    run_id: int
    scenario: str
    state: str
    at: float


class Alert(NamedTuple):
    """One message to one channel.

    :param channel: its name; empty where nobody is told.
    :param event: ``raised`` or ``recovered``.
    :param scenario: empty where it is about none.
    :param times: how often it happened until the message was first tried.
    :param detail: JSON about the last time.
    :param state: ``waiting``, ``delivered``, ``given-up``, or ``kept`` where nobody is told.
    :param tried_at: when it was first tried.
    :param error: why the last try failed.
    """

    id: int
    channel: str
    kind: str
    event: str
    scenario: str
    simulated: bool
    times: int
    first_at: float
    last_at: float
    detail: bytes
    state: str = "waiting"
    attempts: int = 0
    due_at: float = 0.0
    tried_at: float | None = None
    ended_at: float | None = None
    error: str | None = None


class Standing(NamedTuple):
    """Something that is watched.

    :param since: from when on it is watched, or is as it is.
    :param raised_at: when operators were last told; None: nothing is wrong.
    :param times: how often they were told since it went wrong.
    """

    kind: str
    scenario: str
    simulated: bool
    since: float
    raised_at: float | None = None
    times: int = 0


class Waiting(NamedTuple):
    """A run that waits, since when or for which moment."""

    run_id: int
    scenario: str
    since: float


@dataclass(frozen=True, slots=True)
class RaiseAlert:
    """Counts into the message of the same channel, kind, event and scenario that nobody has tried to send yet; adds one
    where there is none, due ``every`` seconds after the last was first tried. Where nobody is told, what happens within
    ``every`` seconds of the first time is one message."""

    alert: Alert
    every: float


@dataclass(frozen=True, slots=True)
class TryAlert:
    """Says that a message is about to be sent: from now on nothing is counted into it."""

    id: int
    at: float


@dataclass(frozen=True, slots=True)
class SettleAlert:
    """Says what became of a try; with ``waiting`` it is tried again at ``due_at``. What has ended stays."""

    id: int
    state: str
    at: float
    due_at: float = 0.0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class PruneAlerts:
    """Forgets messages that ended and whose cause is older than ``before``."""

    before: float


@dataclass(frozen=True, slots=True)
class DropTroubles:
    """Forgets the troubles up to a number."""

    upto: int
    simulated: bool


@dataclass(frozen=True, slots=True)
class PutStanding:
    standing: Standing


@dataclass(frozen=True, slots=True)
class DropStanding:
    """Watches for something no longer."""

    kind: str
    scenario: str
    simulated: bool


class Heard(NamedTuple):
    """Counts a run for ``expect``, at a moment.

    :param delivery: receipt, scenario and number of the delivery that made the run: a duplicate is not counted.
    """

    scenario: str
    simulated: bool
    at: float
    delivery: tuple[int, str, int] | None = None


@dataclass(frozen=True, slots=True)
class DropHeard:
    """Forgets counts before a moment."""

    scenario: str
    simulated: bool
    before: float


AlertChange = (
    RaiseAlert | TryAlert | SettleAlert | PruneAlerts | DropTroubles | PutStanding | DropStanding | Heard | DropHeard
)


def is_trouble(state: str, due_at: float | None, sources: tuple[str, ...] = (), hold: bytes | None = None) -> bool:
    """Whether operators are to be told of a run that comes into this state.

    A held run that goes on by itself at some moment is not, unless one of its branches does not; nor is one that a
    person has just given up.
    """
    if state == "held":
        return due_at is None or (hold is not None and any(not one.get("due_at") for one in jsontext.loads(hold)))
    return state == "failed" and sources != ("held",)
