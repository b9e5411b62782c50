"""What runs wait for, as rows, and what changes them.

A wait is *announced* when a link to it has been made before it begins, *early* when it was answered then, *open* while
a run waits, and then *answered*, *timed-out* or *closed* (its run ended, or went on without it). It leaves *open* once,
in one transaction with the journal's row of it; that decides every race.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

#: runs that a signal reaches in one transaction
AT_ONCE = 1000
#: seconds for which a signal that was sent is remembered
SIGNAL_KEPT = 86_400.0


class WaitState(StrEnum):
    ANNOUNCED = "announced"
    EARLY = "early"
    OPEN = "open"
    ANSWERED = "answered"
    TIMED_OUT = "timed-out"
    CLOSED = "closed"


class Wait(NamedTuple):
    """One wait of a run.

    :param key: of the journal's row, whose ``kind`` is ``waiting``, then ``answered``, ``timed-out`` or ``closed``.
    :param kind: ``signal``, ``approval`` or ``event``.
    :param name: of the signal; of the step that asks for approval; of the webhook that the event comes to.
    :param match: what else must be equal: the signal's key, or the fingerprint of what is read of an event.
    :param token: the secret part of an approval's link.
    :param detail: JSON: what is asked, or how an event is tested.
    :param answer: JSON.
    """

    run_id: int
    key: str
    kind: str
    name: str
    match: str
    state: WaitState
    scenario: str
    simulated: bool
    opened_at: float
    due_at: float | None = None
    token: str | None = None
    detail: bytes | None = None
    answer: bytes | None = None
    answered_at: float | None = None
    answered_by: str | None = None


class Signal(NamedTuple):
    """A signal that was sent.

    :param match: its key; empty: none.
    :param data: JSON.
    :param until: until when it waits for a run, where it found none.
    :param reached: how many runs it reached.
    """

    id: int
    name: str
    match: str
    simulated: bool
    data: bytes
    sent_at: float
    until: float
    reached: int = 0


class WaitSource(NamedTuple):
    """What is read of the events that come to a webhook, for the runs that wait for them.

    :param id: fingerprint of the others.
    :param module: the trigger that reads them; None: the body is the event.
    :param config: JSON of the trigger's settings.
    :param paths: JSON: the fields by whose values runs are found.
    """

    source: str
    id: str
    module: str | None
    connection: str | None
    config: bytes
    paths: bytes


class OpenWait(NamedTuple):
    """Opens a wait, behind its journal row; where an answer or a kept signal is there already, it is answered."""

    wait: Wait


class AnnounceWait(NamedTuple):
    """Makes a link work before its wait is open."""

    wait: Wait


class AnswerWait(NamedTuple):
    """Answers a wait, if it is open, and puts its run into the queue, if it waits; an announced one becomes early.

    :param must: refuse the transaction with ``LostOwnership`` where the wait is not open.
    """

    run_id: int
    key: str
    answer: bytes
    at: float
    by: str
    must: bool = False


class TimeOutWait(NamedTuple):
    """Ends a wait that is still open."""

    run_id: int
    key: str
    at: float


class TimeOutDue(NamedTuple):
    """Ends all waits of a run that are open when their time is over."""

    run_id: int
    at: float


class CloseWaits(NamedTuple):
    """Closes what a run has still open; ``keys`` of None: all of it."""

    run_id: int
    at: float
    keys: tuple[str, ...] | None = None


class RecheckWaits(NamedTuple):
    """After the move of a run to ``waiting``: puts it into the queue if one of these waits is not open any more."""

    run_id: int
    keys: tuple[str, ...]
    at: float


class SendSignal(NamedTuple):
    """Answers up to ``AT_ONCE`` open waits for a signal; sent again with the same id, the next ones.

    One that reaches nobody waits for a run until its time is over.
    """

    signal: Signal


class AddWaitSource(NamedTuple):
    source: WaitSource


WaitChange = (
    OpenWait
    | AnnounceWait
    | AnswerWait
    | TimeOutWait
    | TimeOutDue
    | CloseWaits
    | RecheckWaits
    | SendSignal
    | AddWaitSource
)


class WaitReads(Protocol):
    """The store's questions about waits. They see what is committed."""

    async def get(self, run_id: int, key: str) -> Wait | None: ...

    async def by_token(self, token: str) -> Wait | None: ...

    async def of_run(self, run_id: int) -> Sequence[Wait]:
        """All waits of a run, by key."""
        ...

    async def open(self, kind: str, name: str, match: str, simulated: bool, limit: int) -> Sequence[Wait]:
        """Open waits for one thing, the oldest run first."""
        ...

    async def listed(self, kind: str, name: str | None, limit: int) -> Sequence[Wait]:
        """Some open waits of a kind, for anything of this name."""
        ...

    async def signal(self, signal_id: int) -> Signal | None: ...

    async def sources(self) -> Sequence[WaitSource]:
        """What is read of events that runs wait for, or have waited for."""
        ...
