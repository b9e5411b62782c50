"""Lanes and gatherings: which run has to wait for which.

A run with a lane stands in it in one of four ways. *active*: it has one of the lane's places. *blocked*: it waits for
one; its state is ``blocked``. *away*: it has not begun, or it sleeps, waits or is held in a lane that holds no place
meanwhile. *ended*: it failed, and would have to take a place again if it were retried. Wherever a run leaves its place,
the first of the blocked ones gets it in the same transaction; so nobody but the store has to look for whom to wake.

The rules are here; the rows are the backend's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from engine.sdk import jsontext
from engine.store.changes import AddRun, MoveRun
from engine.store.ids import show
from engine.store.records import Lane, Run
from engine.store.waits import CloseWaits

BLOCKED = "blocked"
GATHERING = "gathering"
ACTIVE, AWAY, ENDED = "active", "away", "ended"
#: states of a run in which it has or wants its place
WANTING = ("queued", "running")
#: states in which it wants one only where the lane holds it; a newer run may replace it in the first two
RESTING = ("sleeping", "waiting", "held")


class Standing(NamedTuple):
    """A run in its lane."""

    run_id: int
    lane: str
    most: int
    holds: bool
    replaces: bool
    standing: str


class LaneRows(Protocol):
    """What the rules need of a backend."""

    def gathering(self, key: str) -> tuple[int, float] | None:
        """The run that gathers events of a key, and until when."""
        ...

    def begin_gathering(self, key: str, run_id: int, until: float) -> None: ...

    def end_gathering(self, run_id: int) -> None: ...

    def gather(self, run_id: int, newer: Run, due_at: float) -> None:
        """Give a run the event of a newer one."""
        ...

    def lane_of(self, run_id: int) -> Standing | None: ...

    def enter(self, row: Standing) -> None: ...

    def stand(self, run_id: int, standing: str) -> None: ...

    def leave(self, run_id: int) -> None: ...

    def taken(self, lane: str, most: int) -> int:
        """Places of a lane that are taken, counted up to ``most``."""
        ...

    def first(self, lane: str, standing: str) -> Standing | None:
        """The oldest run that stands so."""
        ...

    def replacement(self, lane: str, run_id: int) -> int | None:
        """The newest run of a lane, after this one, that replaces older ones."""
        ...

    def replaceable(self, lane: str, run_id: int) -> Sequence[tuple[int, str]]:
        """Older runs of a lane that have not begun, or wait; with their states."""
        ...

    def release(self, run_id: int) -> str:
        """Let a blocked run into the queue; gives its scenario."""
        ...

    def redirect(self, run: Run, state: str, run_id: int | None, reason: str) -> None:
        """Give the delivery of a run that is being added another fate."""
        ...


class Lanes:
    """Carries the rules out, inside one transaction after another.

    :param move: applies the move of another run.
    :param close: closes what a run waits for that will not go on.
    """

    def __init__(
        self, rows: LaneRows, move: Callable[[MoveRun, str], None], close: Callable[[CloseWaits], object]
    ) -> None:
        self._rows = rows
        self._move = move
        self._close = close
        #: of the transaction that is being applied
        self.blocked: list[int] = []
        self.released: list[str] = []
        self.redirected = False

    def begin(self) -> None:
        """Another transaction begins."""
        self.blocked, self.released, self.redirected = [], [], False

    def add(self, change: AddRun) -> Run | None:
        """A new run as it is to be stored; None: it is not."""
        run, lane = change.run, change.lane
        if change.gather is not None and self._gathers(change):
            return None
        if lane is None:
            return run
        standing = ACTIVE
        if run.state not in WANTING:
            standing = AWAY
        else:
            if lane.busy == "replace":
                for other, state in self._rows.replaceable(lane.key, run.id):
                    self._cancel(other, state, run.id, run.created_at)
            if self._rows.taken(lane.key, lane.most) >= lane.most or self._rows.first(lane.key, BLOCKED):
                if lane.busy == "skip":
                    holder = self._rows.first(lane.key, ACTIVE)
                    reason = f"run {show(holder.run_id if holder else 0)} has the place, and `mode` is skip"
                    self._rows.redirect(run, "filtered", None, reason)
                    self.redirected = True
                    return None
                standing = BLOCKED
                self.blocked.append(run.id)
                run = run._replace(state=BLOCKED, started_at=None)
        self._rows.enter(_row(run.id, lane, standing))
        return run

    def _gathers(self, change: AddRun) -> bool:
        """Whether another run takes the event; else this one begins to gather."""
        run, gather = change.run, change.gather
        assert gather is not None
        found = self._rows.gathering(gather.key)
        if found is None:
            self._rows.begin_gathering(gather.key, run.id, gather.until)
            return False
        other, until = found
        self._rows.gather(other, run, min(run.due_at or until, until))
        # it waits for whom its newest event says
        self._rows.leave(other)
        if change.lane is not None:
            self._rows.enter(_row(other, change.lane, AWAY))
        self._rows.redirect(run, "run", other, f"run {show(other)} gathers the events of this key")
        self.redirected = True
        return True

    def _cancel(self, run_id: int, state: str, by: int, at: float) -> None:
        self._move(MoveRun(run_id, (state,), "cancelled", at, result=_replaced(by), ended=True), state)
        # or an answer would go to nobody
        self._close(CloseWaits(run_id, at))

    def moving(self, move: MoveRun, before: str) -> MoveRun:
        """The move of a run as its lane lets it happen. What follows for others is done.

        :param before: the state that it leaves.
        """
        if before == GATHERING:
            self._rows.end_gathering(move.run_id)
        row = self._rows.lane_of(move.run_id)
        if row is None:
            return move
        if move.state in RESTING[:2] and (newer := self._rows.replacement(row.lane, row.run_id)) is not None:
            move = move._replace(state="cancelled", due_at=None, result=_replaced(newer), ended=True)
            self._close(CloseWaits(row.run_id, move.at))
        wanted = _standing(move.state, holds=row.holds)
        if wanted == ACTIVE != row.standing and self._rows.taken(row.lane, row.most) >= row.most:
            wanted = BLOCKED
            self.blocked.append(row.run_id)
            move = move._replace(state=BLOCKED, due_at=None, epoch=None)
        if wanted is None:
            self._rows.leave(row.run_id)
        elif wanted != row.standing:
            self._rows.stand(row.run_id, wanted)
        if row.standing == ACTIVE != wanted:
            self._release(row.lane)
        return move

    def _release(self, lane: str) -> None:
        while (first := self._rows.first(lane, BLOCKED)) and self._rows.taken(lane, first.most) < first.most:
            self._rows.stand(first.run_id, ACTIVE)
            self.released.append(self._rows.release(first.run_id))


def _row(run_id: int, lane: Lane, standing: str) -> Standing:
    return Standing(run_id, lane.key, lane.most, lane.holds, lane.busy == "replace", standing)


def _standing(state: str, *, holds: bool) -> str | None:
    """How a run in this state wants to stand in its lane; None: it leaves it."""
    if state in WANTING:
        return ACTIVE
    if state in RESTING:
        return ACTIVE if holds else AWAY
    return ENDED if state == "failed" else None


def _replaced(by: int) -> bytes:
    message = f"run {show(by)} of the same key took its place"
    return jsontext.dumps({"error": {"code": "replaced", "message": message}})
