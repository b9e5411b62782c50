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
    "receipt.taken": "a delivery has come and its fates are known; nothing of it is stored",
    "receipt.accepted": "the receipt is durable; the sender has no answer yet",
    "reload.keeping": "changed files are right; nothing of them is stored",
    "reload.kept": "the versions of changed scenarios are durable; those before them are still served",
    "poll.page": "a polling trigger has read a page; nothing of it is stored",
    "poll.stored": "a page of a polling trigger, its cursor and its runs are durable; none of the runs has begun",
    "run.claiming": "a run was found that is queued or due; nobody has it",
    "run.taken": "the claim of a run is durable; what the run did before is not read",
    "schedule.due": "moments of a schedule are due; nothing of them is stored",
    "run.claimed": "the run is claimed; no step has run",
    "run.recovering": "runs of a dead owner were found; none of them is back in the queue",
    "run.recovered": "all runs of a dead owner are back in the queue; none is claimed",
    "turn.asked": "a call is about to ask for its turn at a connection with a rate limit",
    "turn.taken": "a call has its turn; a write's intent is not recorded",
    "call.before": "a read is about to be made",
    "call.after": "a read was answered; the answer is not recorded",
    "effect.seeking": "a run that shares its event is about to look for a write that another one has made",
    "effect.taken-over": "a write of another run of the event rides along with the next commit; it is not durable",
    "loop.folding": "items of a loop are over; the checkpoint that stands for them is not written",
    "loop.folded": "a loop's checkpoint is durable, and the journal rows that it stands for are gone",
    "effect.intended": "a write's intent is durable; nothing was sent",
    "effect.sent": "a write was answered; the answer is not recorded",
    "effect.settled": "a write's outcome rides along with the next commit; it is not durable",
    "probe.before": "a vendor is about to be asked what became of a write",
    "probe.after": "the vendor has said what became of a write; the answer is not recorded",
    "wait.begun": "a branch of a run begins to wait for a time",
    "wait.over": "the time that a branch waited for has come, in memory",
    "branches.rested": "all branches of a `parallel` have come to rest; that they joined is not recorded",
    "repeat.round": "a round of a `repeat` is through; what follows from it is not decided",
    "run.replaying": "what a replay takes over is known; nothing of it is stored",
    "run.replayed": "a replay is stored, and queued; nobody has been told",
    "bulk.part": "a word on many runs was said of some; the others are as they were",
    "try.due": "the next automatic try of a held run is due; nothing is written",
    "run.rolling_back": "a run goes back: what it did is collected, nothing of it is undone",
    "undo.before": "a step is about to be undone",
    "alert.raising": "what has to be told is known; no alert is stored",
    "alert.raised": "alerts are stored; nothing was sent",
    "alert.tried": "that an alert is about to be sent is stored; nothing was sent",
    "alert.sent": "a channel has taken an alert; that is not stored",
    "wait.opening": "a step is about to wait for an answer; nothing of the wait is stored",
    "wait.opened": "a wait is durable and can be answered",
    "wait.answering": "an answer has come; it is not stored",
    "wait.answered": "an answer is durable, and its run queued or in memory; nobody has been told",
    "wait.timing": "the time of a wait is over; that is not stored",
    "wait.timed-out": "it is durable that the time of a wait was over before an answer",
    "run.calling": "a step is about to start a run of another scenario; nothing of it is stored",
    "run.called": "the called run and its caller's row are durable; it has not begun",
    "response.made": "a run is about to answer its webhook's sender; nothing of it is stored",
    "response.recorded": "the answer and all before it are durable; it has not left",
    "data.changing": "a step is about to change a record of a data store; nothing of it is stored",
    "data.changed": "the changed record and the row that says so are durable; the run has not gone on",
    "consent.taken": "somebody has agreed in the browser; the link is used up, the code is not exchanged",
    "consent.exchanged": "tokens came for a code; they are not stored",
    "consent.stored": "the tokens of a new authorization are durable; runs that were held for it are held still",
    "token.renewing": "a connection's access token is about to be renewed; nothing was sent",
    "token.renewed": "the vendor gave new tokens, and may have ended the old ones; they are not stored",
    "token.stored": "renewed tokens are durable; nobody has used them",
    "run.ending": "all steps are through; the end is not recorded",
    "run.moved": "the end, sleep or hold of a run is durable; nobody has been told",
    "history.step": "a step of pruning was chosen; nothing of it is written",
    "history.pruned": "a step of pruning is durable; the next one is not chosen",
    "erase.step": "a receipt of a subject is about to be blanked; those before it are, nothing of this one is written",
    "run.holding": "a run that cannot be walked is about to be held",
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
