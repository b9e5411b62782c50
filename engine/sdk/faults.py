"""Named places where a test can make the engine fail.

Code passes them by calling ``faults.hit(name)``; in production that does nothing. The names are the list below, so
that a crash test can visit each.
"""

from __future__ import annotations

from typing import Protocol

#: every fault point, with what has and has not happened when it is reached
POINTS: dict[str, str] = {
    "store.begin": "a batch of transactions is about to be written; nothing of it is in the file",
    "store.commit": "the batch is written and about to be committed; nothing of it is durable",
    "store.committed": "the batch is durable; nobody has been told",
    "receipt.accepted": "the receipt is durable; the sender has no answer yet",
    "poll.page": "a polling trigger has read a page; nothing of it is stored",
    "run.claimed": "the run is claimed; no step has run",
    "call.before": "a read is about to be made",
    "call.after": "a read was answered; the answer is not recorded",
    "effect.intended": "a write's intent is durable; nothing was sent",
    "effect.sent": "a write was answered; the answer is not recorded",
    "run.ending": "all steps are through; the end is not recorded",
}


class SimulatedCrash(BaseException):
    """What a test raises at a fault point in place of a real kill; nothing catches it."""


class Faults(Protocol):
    def hit(self, point: str) -> None: ...


class NoFaults:
    """Production."""

    def hit(self, point: str) -> None:
        pass


NO_FAULTS = NoFaults()
