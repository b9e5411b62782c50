"""What a run remembers of itself, and how it waits: what its effects stand on, whatever they are.

Decisions gather in memory until a row is written, which carries them; see ``Journal``.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from engine.runtime.effects import COLLECTED
from engine.runtime.journal import Journal, attempt_key
from engine.runtime.outcomes import Verdict
from engine.runtime.payload import SMALL, About, Sizes, ValueTooLarge
from engine.runtime.settings import Limits
from engine.sdk import jsontext
from engine.sdk.clock import Clock
from engine.sdk.faults import Faults
from engine.store.changes import Owner
from engine.store.folds import KnownItems
from engine.store.interface import Store
from engine.store.records import Record, Run

#: seconds of waiting from which on a run leaves memory
SUSPEND_AFTER = 5.0


class Remembered:
    """The part of a run's effects that touches nothing outside of it.

    :param suspend: called with a time when all branches wait at least until then.
    """

    def __init__(
        self,
        run: Run,
        journal: Journal,
        store: Store,
        clock: Clock,
        faults: Faults,
        suspend: Callable[[float], None],
        limits: Limits,
    ) -> None:
        self.run = run
        self.sizes = Sizes(limits, journal)
        self._limits = limits
        self._journal = journal
        self._store = store
        self._clock = clock
        self._faults = faults
        self._suspend = suspend
        self._owner = Owner(run.id, run.epoch)
        self._pending: dict[str, Any] = {}
        self._branches = 1
        self._waits: list[float] = []
        self._deadlines: list[float] = []
        self._hurry = False
        self.round = journal.round
        #: when the run last came to something new, and the step that it began last
        self.progress_at = clock.time()
        self.doing = ""

    @property
    def journal(self) -> Journal:
        """What the run remembers."""
        return self._journal

    @property
    def owner(self) -> Owner:
        return self._owner

    @property
    def store(self) -> Store:
        return self._store

    @property
    def pending(self) -> dict[str, Any]:
        """Decisions that no row has yet."""
        return self._pending

    def now(self) -> float:
        return self._clock.time()

    def decided(self, key: str) -> Any:
        return self._journal.notes.get(key)

    def remembers(self, key: str) -> bool:
        return key in self._journal.notes

    def begun(self, path: str, attempt: int) -> bool:
        key = attempt_key(path, attempt)
        # what a transform gave is a decision
        return key in self._journal.effects or key in self._journal.records or path in self._journal.notes

    def entered(self, loop: str) -> bool:
        return self._journal.entered(loop)

    def hit(self, point: str) -> None:
        self._faults.hit(point)

    async def known_items(self, path: str, names: Sequence[str]) -> Collection[str]:
        return await self._store.ask(KnownItems(self.run.id, path, tuple(names)))

    def hurry(self, *, on: bool) -> None:
        self._hurry = on

    def decide(self, key: str, compute: Callable[[], Any]) -> Any:
        notes = self._journal.notes
        if key in notes:
            return notes[key]
        value = notes[key] = self._pending[key] = compute()
        return value

    def keep(self, key: str, compute: Callable[[], Any], about: About) -> Any:
        return self.decide(key, lambda: self.sizes.value(compute(), about))

    def gathers(self, key: str, size: int, what: str = COLLECTED) -> None:
        if size <= SMALL:
            return
        limit = self._limits.output
        if not (self.decided(key) if self.remembers(key) else self.decide(key, lambda: size <= limit)):
            raise ValueTooLarge(what, size, limit)

    def chance(self, key: str) -> float:
        digest = hashlib.blake2b(f"{self.run.id}/{key}".encode(), digest_size=6).digest()
        return int.from_bytes(digest) / (1 << 48)

    def verdict(self, path: str, attempt: int) -> Verdict | None:
        word = self._journal.word(path, attempt)
        return word.verdict if word else None

    def renewed(self, path: str) -> int:
        word = self._journal.word(path, 0)
        return word.round if word and word.verdict.choice == "again" else 0

    def failed_at(self, path: str, attempt: int) -> float:
        key = attempt_key(path, attempt)
        if effect := self._journal.effects.get(key):
            return effect.settled_at or effect.intended_at
        return self._journal.records[key].at

    def take_notes(self) -> bytes | None:
        """Decisions that no row has yet, as JSON; the caller writes them with its own row."""
        if not self._pending:
            return None
        notes, self._pending = self._pending, {}
        self.sizes.unwritten = 0
        return jsontext.dumps(notes)

    def last_notes(self) -> bytes | None:
        """As ``take_notes``, for the run's own row, which may hold such decisions already."""
        if self._pending:
            self._pending = {**self._journal.tail, **self._pending}
        return self.take_notes()

    def new_record(self, key: str, kind: str, output: Any) -> Record:
        """A journal row of a wait, with the decisions made before it; the caller stores it."""
        self._journal.position += 1
        self.progress_at = self._clock.time()
        now, position = self._clock.time(), self._journal.position
        record = Record(self.run.id, key, position, kind, now, output=jsontext.dumps(output), notes=self.take_notes())
        self.sizes.wrote(record.output, record.notes)
        self._journal.records[key] = record
        return record

    # ------------------------------------------------------------------ time and branches

    def branches(self, change: int) -> None:
        self._branches += change
        self._consider_suspending()

    @contextmanager
    def idle(self, due: float) -> Iterator[None]:
        """While a branch waits in here, the run may leave memory."""
        self._waits.append(due)
        self._consider_suspending()
        try:
            yield
        finally:
            self._waits.remove(due)

    async def pause(self, key: str, due: float) -> None:
        woke = f"{key}@woke"
        # the clock may have been set back since
        if not self.decided(woke):
            await self.sleep_until(due)
            self.decide(woke, lambda: True)

    async def sleep_until(self, due: float) -> None:
        wait = due - self._clock.time()
        if wait <= 0:
            return
        self._waits.append(due)
        self._consider_suspending()
        try:
            self._faults.hit("wait.begun")
            await self._clock.sleep(wait)
            self._faults.hit("wait.over")
        finally:
            self._waits.remove(due)

    @asynccontextmanager
    async def timeout(self, seconds: float) -> AsyncIterator[None]:
        deadline = self._clock.time() + seconds
        self._deadlines.append(deadline)
        try:
            async with self._clock.timeout(seconds):
                yield
        finally:
            self._deadlines.remove(deadline)

    def _consider_suspending(self) -> None:
        if self._waits and len(self._waits) == self._branches:
            due = min(*self._waits, *self._deadlines, self._waits[0])
            now = self._clock.time()
            if due - now > SUSPEND_AFTER:
                # a run that is about to go back does not sit out what its branches wait for
                self._suspend(now if self._hurry else due)
