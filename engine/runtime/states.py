"""The states of a run.

Two rules: a run's state changes only by an event of the table below, and only through ``move``. Who may cause an
event stands beside it.

A run is *queued* until an executor claims it. Before that it may be *gathering* events of its key (``debounce``), or
*blocked* because its lane has no place; the store queues it in the transaction that gives a place free. It is then
*running* until its steps are through (*succeeded*, *failed*), or until it has to wait: for a time (*sleeping*), for a
signal, an approval or an event (*waiting*), or until a person mends something (*held*). An executor that dies leaves
*running* runs behind; the next one puts them back into the queue, nothing else. *succeeded*, *failed* and *cancelled*
are final, but a failed run may be tried again by command.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    QUEUED = "queued"
    GATHERING = "gathering"
    BLOCKED = "blocked"
    RUNNING = "running"
    SLEEPING = "sleeping"
    WAITING = "waiting"
    HELD = "held"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Event(StrEnum):
    #: an executor takes the run
    CLAIM = "claim"
    #: the executor has no room for a run whose moment has come; it waits for its turn
    DUE = "due"
    #: the store: the run's lane has no place
    BLOCK = "block"
    #: the store: a place in the run's lane became free
    RELEASE = "release"
    #: an executor finds that the run's owner is gone
    RECOVER = "recover"
    #: its owner: all branches wait for a time
    SLEEP = "sleep"
    #: its owner: all branches wait, some of them for an answer
    WAIT = "wait"
    #: an answer has come that the run waits for
    ANSWER = "answer"
    #: its owner: a person has to decide
    HOLD = "hold"
    #: its owner: the steps are through
    SUCCEED = "succeed"
    #: its owner: a step failed for good
    FAIL = "fail"
    #: a person has decided how a held run goes on
    RESUME = "resume"
    #: a person ends a held run
    GIVE_UP = "give up"
    #: a person wants a failed run tried again from where it failed
    RETRY = "retry"
    #: a person ends a run that does not run now
    CANCEL = "cancel"


_TABLE: dict[Event, tuple[tuple[State, ...], State]] = {
    Event.CLAIM: ((State.QUEUED, State.SLEEPING, State.WAITING, State.GATHERING), State.RUNNING),
    Event.DUE: ((State.SLEEPING, State.WAITING, State.GATHERING), State.QUEUED),
    Event.BLOCK: ((State.QUEUED, State.RUNNING), State.BLOCKED),
    Event.RELEASE: ((State.BLOCKED,), State.QUEUED),
    Event.RECOVER: ((State.RUNNING,), State.QUEUED),
    Event.SLEEP: ((State.RUNNING,), State.SLEEPING),
    Event.WAIT: ((State.RUNNING,), State.WAITING),
    Event.ANSWER: ((State.WAITING,), State.QUEUED),
    Event.HOLD: ((State.RUNNING,), State.HELD),
    Event.SUCCEED: ((State.RUNNING,), State.SUCCEEDED),
    Event.FAIL: ((State.RUNNING,), State.FAILED),
    Event.RESUME: ((State.HELD,), State.QUEUED),
    Event.GIVE_UP: ((State.HELD,), State.FAILED),
    Event.RETRY: ((State.FAILED,), State.QUEUED),
    Event.CANCEL: (
        (State.QUEUED, State.GATHERING, State.BLOCKED, State.SLEEPING, State.WAITING, State.HELD),
        State.CANCELLED,
    ),
}

#: states that nothing leaves without a command
FINAL: frozenset[State] = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})

#: states in which a new run may be stored: claimed at once, waiting for a claim, for its lane, for more events, or in
#: need of a person
INITIAL: frozenset[State] = frozenset({State.RUNNING, State.QUEUED, State.BLOCKED, State.GATHERING, State.HELD})
#: states in which a run waits for a moment at which an executor takes it up
TIMED: tuple[State, ...] = (State.SLEEPING, State.WAITING, State.GATHERING)


def sources(event: Event) -> tuple[str, ...]:
    """The states that the event may find."""
    return _TABLE[event][0]


def target(event: Event) -> State:
    """The state that the event leads to."""
    return _TABLE[event][1]
