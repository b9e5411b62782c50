"""Whose turn it is: how the room for runs is divided between scenarios.

Each scenario has a line of its own. As long as there is room and nobody waits, whoever comes gets in. When runs wait,
the room that becomes free is shared out between the lines that have some waiting, by their priority; so a scenario
that is flooded fills its own line, and the others' runs pass it by. A scenario may also limit itself: so many runs in
memory at a time (``concurrency``), so many new ones in a time (``rate``).

Nothing here is kept. What waits is in the store; a line only knows whether it has to look.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping

from engine.runtime.states import State
from engine.scenario.plan import Scenario
from engine.store.records import Run

#: shares of the room by priority, where runs of several scenarios wait
WEIGHTS: Mapping[str, int] = {"high": 8, "normal": 4, "low": 1}


class Line:
    """The runs of one scenario, as far as they are in memory or wait for it."""

    __slots__ = ("_given", "_per", "_rate", "coming", "had", "limit", "limited", "running", "unread", "weight")

    def __init__(self, plan: Scenario | None, begun: int, now: float) -> None:
        """
        :param plan: None for a scenario that is not loaded now; its runs go on under the version they have.
        :param begun: how many of its runs began in the last time that its rate counts by.
        """
        rate = plan.rate if plan is not None else None
        #: whether it has limits of its own
        self.limited = plan is not None and (plan.limit is not None or rate is not None)
        self.weight = WEIGHTS[plan.priority if plan is not None else "normal"]
        self.limit = plan.limit if plan is not None else None
        self.running = 0
        #: claimed, and not in memory yet
        self.coming = 0
        #: whether runs were put into the queue since it was read last
        self.unread = False
        #: shares of the room that it has had, by its weight
        self.had = 0.0
        self._rate = rate.runs if rate is not None else 0
        self._per = rate.seconds if rate is not None else 0.0
        #: when the latest runs began, oldest first
        self._given: deque[float] = deque([now] * min(begun, self._rate))

    def follow(self, plan: Scenario | None, begun: int, now: float) -> None:
        """The scenario is another one; who is in stays in."""
        rate = plan.rate if plan is not None else None
        before = (self._rate, self._per)
        self.weight = WEIGHTS[plan.priority if plan is not None else "normal"]
        self.limit = plan.limit if plan is not None else None
        self._rate = rate.runs if rate is not None else 0
        self._per = rate.seconds if rate is not None else 0.0
        if before != (self._rate, self._per):
            self._given = deque([now] * min(begun, self._rate))

    def free(self, now: float) -> int | None:
        """How many runs may enter; None: no limit of its own."""
        places = self.places()
        if not self._rate:
            return places
        spare = max(0, self._rate - self._begun(now))
        return spare if places is None else min(places, spare)

    def places(self) -> int | None:
        """How many runs that have begun before may enter; None: no limit of its own."""
        return None if self.limit is None else max(0, self.limit - self.running - self.coming)

    def _begun(self, now: float) -> int:
        """How many runs began in the time that the rate counts by."""
        given = self._given
        ahead = 0
        while given and given[-1] > now:
            given.pop()
            ahead += 1
        # the clock was set back: nobody waits for the moments that it showed before
        given.extend([now] * ahead)
        while given and given[0] + self._per <= now:
            given.popleft()
        return len(given)

    def opens(self, now: float) -> float | None:
        """When the next run may enter, as far as that is a matter of time."""
        if self.free(now) != 0:
            return now
        if self.places() == 0:
            return None
        return self._given[0] + self._per

    def begins(self, now: float) -> None:
        """A run begins for the first time."""
        if self._rate:
            self._given.append(now)

    def begins_not(self) -> None:
        """A run that was said to begin found no place, or was somebody's already."""
        if self._given:
            self._given.pop()


class Lines:
    """All lines of an executor.

    :param room: runs in memory at a time, of all scenarios together.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._lines: dict[str, Line] = {}
        self._waiting: dict[str, Line] = {}
        self.running = 0
        self._coming = 0
        #: what the line that was served last had had; and the one before the shares that are given now
        self._had = self._had_before = 0.0

    def open(self, name: str, plan: Scenario | None, begun: int, now: float) -> None:
        """A scenario was loaded."""
        self._lines[name] = Line(plan, begun, now)

    def follow(self, name: str, plan: Scenario | None, begun: int, now: float) -> None:
        """A scenario is another one now; None: it is not loaded any more."""
        if name in self._lines:
            self._lines[name].follow(plan, begun, now)
        else:
            self.open(name, plan, begun, now)

    def _line(self, name: str) -> Line:
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = Line(None, 0, 0.0)
        return line

    @property
    def room(self) -> int:
        """How many runs more may be in memory."""
        return self._room - self.running - self._coming

    @property
    def idle(self) -> bool:
        """Whether no run waits that is known of."""
        return not self._waiting

    def admits(self, name: str, now: float, *, new: bool) -> bool:
        """Whether a run may come into memory at once; then its room is kept for it until it ``came``.

        :param new: whether it has not begun yet.
        """
        if self._room <= self.running + self._coming:
            return False
        line = self._lines.get(name) or self._line(name)
        if self._waiting and ((new and name in self._waiting) or any(self._eligible(now))):
            return False
        # a rate is about those that begin; the others pass them by
        if line.limited and (line.free(now) if new else line.places()) == 0:
            return False
        self._coming += 1
        line.coming += 1
        if new:
            line.begins(now)
        return True

    def _eligible(self, now: float) -> Iterator[bool]:
        return (line.free(now) != 0 for line in self._waiting.values())

    # ------------------------------------------------------------------ who waits

    def wake(self, names: Iterable[str]) -> None:
        """Runs of these scenarios were put into the queue."""
        for name in names:
            line = self._line(name)
            line.unread = True
            if name not in self._waiting:
                # what it did not want while it was empty is not owed to it
                line.had = max(line.had, self._had)
                self._waiting[name] = line

    def shares(self, now: float) -> dict[str, int]:
        """How many waiting runs each line may claim now, together no more than there is room for."""
        # stride scheduling: whoever has had least for its weight is next
        heap = [(line.had, name, line, line.free(now)) for name, line in self._waiting.items()]
        heap = [entry for entry in heap if entry[3] != 0]
        heapq.heapify(heap)
        found: dict[str, int] = {}
        self._had_before = self._had
        for _ in range(self.room):
            if not heap:
                break
            _, name, line, free = heap[0]
            found[name] = found.get(name, 0) + 1
            line.unread = False
            self._had, line.had = line.had, line.had + 1 / line.weight
            free = None if free is None else free - 1
            if free == 0:
                heapq.heappop(heap)
            else:
                heapq.heapreplace(heap, (line.had, name, line, free))
        return found

    def read(self, shares: Mapping[str, int], runs: Iterable[Run]) -> None:
        """These runs were found for the shares: a line that has fewer than its share has no more."""
        found = Counter(run.scenario for run in runs)
        for name, share in shares.items():
            line = self._waiting[name]
            if missing := share - found[name]:
                line.had -= missing / line.weight
                if not line.unread:
                    del self._waiting[name]
        # whoever comes next is behind what was had, not behind what was only offered
        served = (self._line(name).had - 1 / self._line(name).weight for name in shares if found[name])
        self._had = max((self._had_before, *served))

    def opens(self, now: float) -> float | None:
        """When the next line may go on, as far as that is a matter of time."""
        moments = [moment for line in self._waiting.values() if (moment := line.opens(now)) is not None]
        return min(moments, default=None)

    # ------------------------------------------------------------------ who is in

    def comes(self, name: str, now: float, *, new: bool) -> None:
        """A run is about to come into memory: room is kept for it."""
        line = self._line(name)
        self._coming += 1
        line.coming += 1
        if new:
            line.begins(now)

    def came(self, name: str, *, begun: bool) -> None:
        """A run that room was kept for is in memory, or will not come.

        :param begun: False where it was new, and did not begin.
        """
        line = self._line(name)
        self._coming -= 1
        line.coming -= 1
        if not begun:
            line.begins_not()

    def enters(self, name: str) -> None:
        """A run is in memory."""
        self.running += 1
        self._line(name).running += 1

    def leaves(self, name: str) -> None:
        """A run has left memory."""
        self.running -= 1
        self._line(name).running -= 1


def is_new(run: Run) -> bool:
    """Whether a run that waits has not begun yet."""
    return run.started_at is None and run.state in (State.QUEUED, State.GATHERING)
