"""What one run waits for besides time: opens waits, and learns how they ended.

Whether an answer or the timeout came first is decided by the store, in one transaction that also writes the journal's
row; a run in memory is only told to look. It looks after it has made itself known, so that nothing comes in between.
"""

from __future__ import annotations

import asyncio
import math
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.runtime.effects import Ask, Reply
from engine.runtime.event_sources import EventSources
from engine.runtime.journal import Journal, attempt_key
from engine.runtime.outcomes import Failed, Outcome, Succeeded, Waiting
from engine.scenario.inside import ITEM
from engine.sdk import jsontext
from engine.sdk.clock import Clock
from engine.sdk.errors import StoreError
from engine.sdk.faults import Faults
from engine.store.changes import AddRecord, Change
from engine.store.interface import Store
from engine.store.records import Record
from engine.store.waits import (
    AddWaitSource,
    AnnounceWait,
    CloseWaits,
    OpenWait,
    RecheckWaits,
    TimeOutWait,
    Wait,
    WaitState,
)

if TYPE_CHECKING:
    from engine.runtime.durable import DurableEffects

#: when a wait without a timeout is over
NEVER = math.inf
#: random bytes of an approval's link: 192 bits
TOKEN_BYTES = 24
#: what the paths of an ``on_failure`` begin with, and those of a later one of the same run
FAILED = "on_failure/"
_FAILED_AGAIN = re.compile(r"on_failure\[.*?@\d+\]/")
#: kind of the journal row of a wait that is open
WAITING = "waiting"


@dataclass(slots=True)
class Links:
    """Where people reach the webhook listener.

    :param base: without a slash at its end.
    """

    base: str = "http://127.0.0.1:8080"

    def approval(self, token: str) -> str:
        return f"{self.base}/approve/{token}"


class OpenWaits:
    """The waits of one run in memory.

    :param approvals: the paths of the plan's steps that ask for approval, by id.
    """

    def __init__(
        self,
        effects: DurableEffects,
        journal: Journal,
        store: Store,
        clock: Clock,
        faults: Faults,
        approvals: Mapping[str, str],
        links: Links,
        sources: EventSources | None,
    ) -> None:
        self._effects = effects
        self._journal = journal
        self._store = store
        self._clock = clock
        self._faults = faults
        self._approvals = approvals
        self._links = links
        self._sources = sources if sources is not None else EventSources()
        self._open: dict[str, asyncio.Event] = {}
        self._announced = False
        #: whether a wait was opened since, or may have been before
        self._begun = False
        self._remembers = journal.position > 0 or bool(journal.notes)

    @property
    def keys(self) -> tuple[str, ...]:
        """The waits that branches are at now."""
        return tuple(self._open)

    def look(self) -> None:
        """An answer may have come."""
        for event in self._open.values():
            event.set()

    # ------------------------------------------------------------------ one wait

    async def wait(self, path: str, ask: Callable[[], Ask]) -> Reply:
        """See ``Effects``."""
        attempt, record = self._latest(path)
        key = attempt_key(path, attempt)
        if record is None:
            record = await self.through(key, lambda: self._begin(path, key, ask()))
        elif record.kind == WAITING:
            record = await self.through(key)
        return self._reply(attempt, record)

    async def through(self, key: str, begin: Callable[[], Awaitable[Record]] | None = None) -> Record:
        """The journal's row of a wait, once it has ended.

        :param begin: opens it, and gives its row.
        """
        # known before it can be answered, so that no answer is missed
        self._open[key] = asyncio.Event()
        self._begun = True
        try:
            if begin is not None and (record := await begin()).kind != WAITING:
                return record
            return await self._answered(key)
        finally:
            del self._open[key]

    @staticmethod
    def _reply(attempt: int, record: Record) -> Reply:
        answered = record.kind == WaitState.ANSWERED
        return Reply(attempt, answered, jsontext.loads(record.output or b"null") if answered else None)

    def _latest(self, path: str) -> tuple[int, Record | None]:
        """The last attempt, or the one to be made: a person may let a wait begin anew that ended without an answer."""
        attempt = 1
        while (record := self._journal.records.get(attempt_key(path, attempt))) is not None:
            word = self._effects.verdict(path, attempt)
            again = word is not None and word.choice == "again"
            if record.kind != WaitState.CLOSED and not (record.kind == WaitState.TIMED_OUT and again):
                break
            attempt += 1
        return attempt, record

    async def _begin(self, path: str, key: str, ask: Ask) -> Record:
        self._effects.sizes.room(path, ask.place)
        self._faults.hit("wait.opening")
        now, run, detail = self._clock.time(), self._effects.run, dict(ask.detail or {})
        due = None if ask.limit is None else now + ask.limit
        token = None
        if ask.kind == "approval":
            token, detail["link"] = self._link(path)
        kept = self._effects.sizes.asked("what is kept for the answer", jsontext.dumps(detail) if detail else None)
        shown = {"for": ask.kind, "name": ask.name, "due": due}
        if ask.kind == "approval":
            shown["asked"] = detail["text"]
        record = self._effects.new_record(key, WAITING, shown)
        wait = Wait(
            run.id,
            key,
            ask.kind,
            ask.name,
            ask.match,
            WaitState.OPEN,
            run.scenario,
            run.simulated,
            now,
            due,
            token,
            kept,
        )
        changes: list[Change] = [AddRecord(record), OpenWait(wait)]
        if ask.source is not None:
            # known here before the wait is durable, so that no event is missed
            self._sources.add(ask.source)
            changes.append(AddWaitSource(ask.source))
        await self._store.put(*changes, owner=self._effects.owner)
        self._faults.hit("wait.opened")
        return record

    async def _answered(self, key: str) -> Record:
        """The journal's row of a wait, once it has ended."""
        event = self._open[key]
        record = self._journal.records[key]
        due = jsontext.loads(record.output or b"{}").get("due")
        with self._effects.idle(NEVER if due is None else due):
            while (record := await self._read(key)).kind == WAITING:
                event.clear()
                now = self._clock.time()
                if due is not None and due <= now:
                    await self._time_out(key, now)
                    continue
                try:
                    async with self._clock.timeout(None if due is None else due - now):
                        await event.wait()
                except TimeoutError:
                    await self._time_out(key, max(self._clock.time(), due))
        return record

    async def _time_out(self, key: str, now: float) -> None:
        self._faults.hit("wait.timing")
        await self._store.put(TimeOutWait(self._effects.run.id, key, now), owner=self._effects.owner)
        self._faults.hit("wait.timed-out")

    async def _read(self, key: str) -> Record:
        record = self._journal.records[key]
        wait = await self._store.waits.get(self._effects.run.id, key)
        if wait is None:
            raise StoreError(f"the wait {key} of a run is not in the store")
        if wait.state is not WaitState.OPEN:
            record = record._replace(kind=wait.state.value, output=wait.answer or record.output)
            self._effects.sizes.wrote(wait.answer)
            self._journal.records[key] = record
        return record

    # ------------------------------------------------------------------ links

    def link(self, path: str, step: str) -> str | None:
        """The link to the approval that a step asks for, as seen from another step; None: there is no such step."""
        pattern = self._approvals.get(step)
        if pattern is None:
            return None
        if pattern.startswith(FAILED) and (again := _FAILED_AGAIN.match(path)):
            pattern = again[0] + pattern.removeprefix(FAILED)
        found, *inside = pattern.split(ITEM)
        for part in inside:
            # the item that the other step is at
            end = path.find("]/", len(found)) + 2
            if not path.startswith(f"{found}[") or end < 2:
                return None
            found = path[:end] + part
        return self._link(found)[1]

    def _link(self, path: str) -> tuple[str, str]:
        """Token and address of an approval, decided once. The address rides along with what is recorded next."""

        def make() -> list[str]:
            token = secrets.token_urlsafe(TOKEN_BYTES)
            self._announce(path, token)
            return [token, self._links.approval(token)]

        token, address = self._effects.decide(f"{path}@link", make)
        return token, address

    def _announce(self, path: str, token: str) -> None:
        # committed before whatever carries the link out, because that is written later
        run = self._effects.run
        wait = Wait(
            run.id,
            attempt_key(path, 1),
            "approval",
            path.rpartition("/")[2],
            "",
            WaitState.ANNOUNCED,
            run.scenario,
            run.simulated,
            self._clock.time(),
            token=token,
        )
        self._announced = True
        self._store.ride(AnnounceWait(wait), owner=self._effects.owner)

    # ------------------------------------------------------------------ ends

    def replied(self, path: str) -> Reply | None:
        """See ``Effects``."""
        attempt, record = self._latest(path)
        if record is None:
            return None
        if record.kind == WAITING:
            self.leave(attempt_key(path, attempt), record)
            return None
        return self._reply(attempt, record)

    def leave(self, key: str, record: Record) -> None:
        """Wait for something no more."""
        self._journal.records[key] = record._replace(kind=WaitState.CLOSED.value)
        self._store.ride(CloseWaits(self._effects.run.id, self._clock.time(), (key,)), owner=self._effects.owner)

    def at_end(self, outcome: Outcome, now: float) -> Sequence[Change]:
        """What belongs to the move of a run that leaves memory."""
        run_id = self._effects.run.id
        if isinstance(outcome, Waiting):
            return (RecheckWaits(run_id, outcome.keys, now),)
        if not isinstance(outcome, Succeeded | Failed):
            return ()
        used = self._announced or self._begun
        if self._remembers and not used:
            used = any(row.kind == WAITING for row in self._journal.records.values())
            used = used or any(key.endswith("@link") for key in self._journal.notes)
        return (CloseWaits(run_id, now),) if used else ()
