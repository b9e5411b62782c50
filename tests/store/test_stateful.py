"""Lives of the store: random transactions, deaths and full disks, against what was answered and what must always hold.

A file and the double in memory live the same life; after each step they give the same answers. What they must say is
known from what was answered alone.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections import defaultdict
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from engine.runtime.states import FINAL, Event, State, sources, target
from engine.sdk.errors import LostOwnership, StoreError
from engine.sdk.faults import SimulatedCrash
from engine.store.changes import (
    AS_ASKED,
    AddDelivery,
    AddEffect,
    AddReceipt,
    AddRecord,
    AddRun,
    Change,
    Fate,
    MoveRun,
    Owner,
    Prune,
    SettleEffect,
)
from engine.store.lanes import ACTIVE, RESTING, WANTING, Lanes
from engine.store.lanes_sql import SqlLaneRows
from engine.store.large import LARGE
from engine.store.memory import MemoryStore
from engine.store.records import DeliveryState, EffectState, Gather, Identity, Lane, Page, Run, RunFilter
from engine.store.schedules import PutSchedule, Schedule
from engine.store.sqlite import SqliteStore
from engine.store.tables import _LaneRows
from engine.store.waits import (
    AnswerWait,
    CloseWaits,
    OpenWait,
    RecheckWaits,
    SendSignal,
    Signal,
    TimeOutDue,
    Wait,
    WaitState,
)
from engine.store.waits_memory import MemoryWaitWriter
from engine.store.waits_sql import WaitWriter
from engine.store.writer import Writer
from tests.store.rows import FailAt, StillClock, delivery, effect, receipt, record, run
from tests.store.test_agreement import everything

T = TypeVar("T")
AnyStore = SqliteStore | MemoryStore
#: lane: how many places it has
LANES = {"one": 1, "two": 2}
KEY = "ok#1"
ALL = RunFilter(page=Page(limit=10_000))
#: what happens to a commit: an error, where, and whether the commit is in the file afterwards
TROUBLE = {
    "none": (None, "", True),
    "full at its beginning": (OSError(28, "No space left on device"), "store.begin", False),
    "full": (OSError(28, "No space left on device"), "store.commit", False),
    "death at its beginning": (SimulatedCrash("dead"), "store.begin", False),
    "death before": (SimulatedCrash("dead"), "store.commit", False),
    "death after": (SimulatedCrash("dead"), "store.committed", True),
}
BUSY = st.sampled_from(["queue", "queue", "queue", "skip", "replace"])
WHICH = st.integers(0, 1000)


class Lives(RuleBasedStateMachine):
    """What is written gathers until a rule commits it, all in one."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = StillClock()
        self.faults = FailAt()
        self.numbers = itertools.count(1)
        self.file: SqliteStore
        self.memory: MemoryStore
        self.epoch = 0
        self.gathered: list[tuple[tuple[Change, ...], Owner | None]] = []
        #: as they were when it was looked last
        self.runs: dict[int, Run] = {}
        #: receipts by id: what was answered, and what was refused
        self.kept: dict[int, bytes] = {}
        self.refused: set[int] = set()
        #: outputs of effects that were answered
        self.outputs: dict[int, bytes] = {}
        #: how each wait ended
        self.ended: dict[int, tuple[str, bytes | None]] = {}
        self.told: set[int] = set()
        self.tick: float | None = None

    # ------------------------------------------------------------ life

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        self.memory = MemoryStore(clock=self.clock, faults=self.faults)
        self.wait(self.open())

    async def open(self) -> None:
        self.file = SqliteStore(Path(self.folder.name) / "s.db", clock=self.clock, faults=self.faults)
        await self.file.open()
        await self.memory.open()
        self.epoch = await self.file.begin_epoch()
        assert await self.memory.begin_epoch() == self.epoch
        await self.look()

    async def look(self) -> None:
        self.runs = {found.id: found for found in await self.file.runs(ALL)}

    def teardown(self) -> None:
        with suppress(SimulatedCrash):
            if hasattr(self, "file"):
                self.wait(self.file.close())
        self.loop.close()
        self.folder.cleanup()

    def one(self, which: int, *states: str) -> Run | None:
        """A run in one of these states."""
        found = [self.runs[run_id] for run_id in sorted(self.runs) if self.runs[run_id].state in states]
        return found[which % len(found)] if found else None

    def write(self, *changes: Change, owner: Owner | None = None) -> None:
        self.gathered.append((changes, owner))

    def own(self, found: Run) -> Owner:
        return Owner(found.id, self.epoch)

    def now(self) -> float:
        self.clock.now += 1
        return self.clock.now

    # ------------------------------------------------------------ what comes

    @rule(
        lane=st.sampled_from([None, "one", "one", "one", "two"]),
        busy=BUSY,
        holds=st.booleans(),
        debounced=st.sampled_from([False, False, False, True]),
        identity=st.sampled_from([None, None, "e1", "e2"]),
        large=st.booleans(),
        tick=st.booleans(),
    )
    def event(
        self,
        *,
        lane: str | None,
        busy: str,
        holds: bool,
        debounced: bool,
        identity: str | None,
        large: bool,
        tick: bool,
    ) -> None:
        """A receipt, its fate and its run; from a schedule, with where that stands."""
        number, now = next(self.numbers), self.now()
        body = b'"%d%s"' % (number, b"x" * (LARGE if large else 0))
        new = run(number + 1000, state="gathering" if debounced else "queued", created_at=now)
        new = new._replace(due_at=now + 5 if debounced else None)
        changes: list[Change] = [
            AddReceipt(receipt(number, body=body, received_at=now)),
            AddDelivery(delivery(number, event=body), Identity(identity, now - 20, now + 20) if identity else None),
            AddRun(
                new,
                Lane(lane, LANES[lane], holds, busy) if lane else None,  # type: ignore[arg-type]  # one of its words
                Gather("g", now + 10) if debounced else None,
            ),
        ]
        if tick:
            changes.append(PutSchedule(Schedule("welcome", False, "every: 1h", now, now)))
        self.write(*changes)

    @rule(which=WHICH)
    def claim(self, which: int) -> None:
        if found := self.one(which, *sources(Event.CLAIM)):
            now = self.now()
            move = MoveRun(found.id, sources(Event.CLAIM), State.RUNNING, now, epoch=self.epoch)
            self.write(move, *([TimeOutDue(found.id, now)] if found.state == State.WAITING else []))

    @rule(which=WHICH, large=st.booleans())
    def work(self, which: int, large: bool) -> None:
        """A read, a write's intent, and its answer."""
        if found := self.one(which, "running"):
            number = next(self.numbers)
            output = b'"%d%s"' % (number, b"y" * (LARGE if large else 0))
            intent = effect(found.id, f"send#{number}", number)
            self.write(AddRecord(record(found.id, f"get#{number}", number + 1, output=output)), owner=self.own(found))
            self.write(AddEffect(intent), owner=self.own(found))
            self.write(SettleEffect(found.id, intent.key, EffectState.DONE, self.now(), "vendor", output))

    @rule(
        which=WHICH,
        event=st.sampled_from([Event.SLEEP, Event.HOLD, Event.SUCCEED, Event.SUCCEED, Event.FAIL]),
        on=WHICH,
    )
    def rest(self, which: int, event: Event, on: int) -> None:
        if found := self.one(which, "running"):
            ended = target(event) in FINAL
            due = self.clock.now + on % 5 if event is Event.SLEEP else None
            move = MoveRun(found.id, sources(event), target(event), self.now(), due_at=due, ended=ended)
            self.write(move, owner=self.own(found))

    @rule(which=WHICH, key=st.sampled_from(["", "a"]))
    def wait_for(self, which: int, key: str) -> None:
        found = self.one(which, "running")
        if found is not None and found.id not in self.told:
            self.told.add(found.id)
            now = self.now()
            row = record(found.id, KEY, 0, kind="waiting", module=None, request_hash=None, output=b'{"due":null}')
            asked = Wait(found.id, KEY, "signal", "stock", key, WaitState.OPEN, found.scenario, False, now, now + 9)
            self.write(AddRecord(row), OpenWait(asked), owner=self.own(found))

    @rule(which=WHICH)
    def leave(self, which: int) -> None:
        """A run with a wait leaves memory; the answer may have come meanwhile."""
        found = self.one(which, "running")
        if found is not None and found.id in self.told:
            now = self.now()
            move = MoveRun(found.id, sources(Event.WAIT), State.WAITING, now, due_at=now + 9)
            self.write(move, RecheckWaits(found.id, (KEY,), now), owner=self.own(found))

    @rule(which=WHICH, must=st.booleans())
    def answer(self, which: int, must: bool) -> None:
        if asked := sorted(self.told):
            value = b'"%d"' % next(self.numbers)
            self.write(AnswerWait(asked[which % len(asked)], KEY, value, self.now(), "ana", must))

    @rule(key=st.sampled_from(["", "a"]), kept=st.booleans())
    def signal(self, key: str, kept: bool) -> None:
        number, now = next(self.numbers), self.now()
        self.write(SendSignal(Signal(number, "stock", key, False, b'"%d"' % number, now, now + 50 * kept)))

    @rule(which=WHICH, event=st.sampled_from([Event.RESUME, Event.GIVE_UP, Event.RETRY, Event.CANCEL, Event.DUE]))
    def word(self, which: int, event: Event) -> None:
        """A person's, or the queue's."""
        if found := self.one(which, *sources(event)):
            now, ended = self.now(), target(event) in FINAL
            move = MoveRun(found.id, sources(event), target(event), now, ended=ended)
            self.write(move, *([CloseWaits(found.id, now)] if ended else []))

    @rule(age=st.integers(0, 20))
    def prune(self, age: int) -> None:
        final = tuple(str(state) for state in FINAL)
        keys = [(n, "welcome", 0) for n in self.kept]
        fates = (DeliveryState.DUPLICATE, DeliveryState.FILTERED)
        self.write(
            Prune(
                final=final,
                ended_before=self.clock.now - age,
                # what is not over is named too, and must stay
                runs=tuple(self.runs),
                deliveries=tuple((fate, key) for fate in fates for key in keys),
                effects_before=self.clock.now - age,
                identities=10,
                identities_until=self.clock.now,
            )
        )

    # ------------------------------------------------------------ what becomes of it

    @precondition(lambda self: self.gathered)
    @rule()
    def go_on(self) -> None:
        self.commit("none")

    @rule(which=WHICH)
    def finish(self, which: int) -> None:
        """All the way of a run, so that those behind it get their turn."""
        for step in (self.claim, partial(self.rest, event=Event.SUCCEED, on=0)):
            self.commit("none")
            step(which)

    @precondition(lambda self: self.gathered)
    @rule(trouble=st.sampled_from([*["none"] * 6, *TROUBLE]))
    def commit(self, trouble: str) -> None:
        self.wait(self.committed(*TROUBLE[trouble]))

    async def committed(self, error: BaseException | None, point: str, there: bool) -> None:
        batch, self.gathered = self.gathered, []
        self.faults.point, self.faults.error = point, error
        answers = await self.written(self.file, batch, error)
        assert answers == await self.written(self.memory, batch, error)
        self.faults.error = None
        if isinstance(error, SimulatedCrash):
            with suppress(SimulatedCrash):
                await self.file.close()
            self.memory = self.memory.reborn(self.faults)
            await self.open()
            for left in await self.file.orphans(self.epoch, False):
                self.write(MoveRun(left.id, sources(Event.RECOVER), State.QUEUED, self.now(), recovered=True))
        elif error is not None:
            assert set(answers) == {"StoreError"}
            assert self.file.broken
            assert self.memory.broken
            await self.file.reopen()
            await self.memory.reopen()
            self.epoch = await self.file.begin_epoch()
            assert await self.memory.begin_epoch() == self.epoch
            for left in await self.file.orphans(self.epoch, False):
                self.write(MoveRun(left.id, sources(Event.RECOVER), State.QUEUED, self.now()))
        for (changes, _), answer in zip(batch, answers, strict=True):
            self.note(changes, there if answer == "nothing" else isinstance(answer, Fate))
        await self.look()

    async def written(
        self, store: AnyStore, batch: list[tuple[tuple[Change, ...], Owner | None]], error: BaseException | None
    ) -> list[Any]:
        """What each was answered; who dies answers nothing."""
        futures = [store.put(*changes, owner=owner) for changes, owner in batch]
        if isinstance(error, SimulatedCrash):
            while not store.broken:  # noqa: ASYNC110 - a dead store tells no event
                await asyncio.sleep(0)
            assert not any(future.done() for future in futures)
            return ["nothing"] * len(futures)
        found = await asyncio.gather(*futures, return_exceptions=True)
        for one in found:
            assert isinstance(one, Fate | LostOwnership | StoreError), one
        return [one if isinstance(one, Fate) else type(one).__name__ for one in found]

    def note(self, changes: tuple[Change, ...], answered: bool) -> None:
        for change in changes:
            if isinstance(change, AddReceipt) and answered:
                self.kept[change.receipt.id] = change.receipt.body
            elif isinstance(change, AddReceipt):
                self.refused.add(change.receipt.id)
            elif isinstance(change, PutSchedule) and answered:
                self.tick = change.schedule.tick

    # ------------------------------------------------------------ what always holds

    @invariant()
    def both_say_the_same(self) -> None:
        if not self.gathered:
            assert self.wait(everything(self.file)) == self.wait(everything(self.memory))

    @invariant()
    def what_was_answered_is_there_and_what_was_refused_is_not(self) -> None:
        self.wait(self.receipts_are_there())

    async def receipts_are_there(self) -> None:
        if self.gathered:
            return
        for number, body in list(self.kept.items()):
            found = await self.file.receipt(number)
            if found is None:
                # pruned: nothing of it is needed any more
                assert number + 1000 not in self.runs
                assert await self.file.deliveries([number]) == []
                del self.kept[number]
            else:
                assert found.body == body
                [fate] = await self.file.deliveries([number])
                if fate.state is DeliveryState.RUN:
                    assert fate.run_id in self.runs
        for number in self.refused:
            assert await self.file.receipt(number) is None
        assert [row.tick for row in await self.file.schedules()] == ([] if self.tick is None else [self.tick])

    @invariant()
    def lanes_are_kept(self) -> None:
        self.wait(self.lanes())

    async def lanes(self) -> None:
        standing: dict[str, list[str]] = defaultdict(list)
        for found in self.runs.values():
            row = await self.file.lane(found.id)
            if row is None:
                assert found.state != State.BLOCKED
                continue
            assert (row.standing == State.BLOCKED) == (found.state == State.BLOCKED)
            assert (row.standing == ACTIVE) == (found.state in WANTING or (row.holds and found.state in RESTING)), (
                found.state,
                row,
            )
            standing[row.lane].append(row.standing)
        for lane, rows in standing.items():
            assert rows.count(ACTIVE) <= LANES[lane], f"lane {lane} has more than its places"
            if State.BLOCKED in rows:
                assert rows.count(ACTIVE) == LANES[lane], f"somebody is blocked in {lane}, and a place is free"

    @invariant()
    def a_wait_ends_once(self) -> None:
        self.wait(self.waits())

    async def waits(self) -> None:
        for run_id in self.told:
            found, row = self.runs.get(run_id), await self.file.waits.get(run_id, KEY)
            if found is None or row is None:
                continue
            if found.state == State.WAITING:
                assert row.state is WaitState.OPEN, "its run waits for what is over"
            if row.state is not WaitState.OPEN:
                assert self.ended.setdefault(run_id, (row.state, row.answer)) == (row.state, row.answer)
            [line] = [one for one in await self.file.records(run_id) if one.key == KEY]
            assert (line.kind == "waiting") == (row.state is WaitState.OPEN)


Lives.TestCase.settings = settings(
    max_examples=max(1, settings.default.max_examples // 4),  # type: ignore[union-attr]  # there is a default
    stateful_step_count=40,
    deadline=None,
)
TestLives = Lives.TestCase


# ---------------------------------------------------------------- mutants


def nobody_is_released(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lanes, "_release", lambda _self, _lane: None)


def one_more_place(patch: pytest.MonkeyPatch) -> None:
    for rows in (SqlLaneRows, _LaneRows):
        taken = rows.taken
        patch.setattr(rows, "taken", lambda self, lane, most, taken=taken: taken(self, lane, most + 1) - 1)


def acknowledged_before_it_is_written(patch: pytest.MonkeyPatch) -> None:
    def add(self: Writer, changes: Any, owner: Any, future: Any) -> None:
        add_later(self, changes, owner, None)
        if future is not None:
            future.set_result(AS_ASKED)

    add_later = Writer.add
    patch.setattr(Writer, "add", add)


def waits_are_not_looked_at_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(WaitWriter, "_recheck", lambda _self, _change: None)
    patch.setattr(MemoryWaitWriter, "_recheck", lambda _self, _change: None)


def life(*words: tuple[Any, ...]) -> None:
    """One life as it is told, looked at after each step."""
    lives = Lives()
    try:
        lives.begin()
        for name, *given in words:
            getattr(lives, name)(*given[:-1], **given[-1])
            lives.both_say_the_same()
            lives.what_was_answered_is_there_and_what_was_refused_is_not()
            lives.lanes_are_kept()
            lives.a_wait_ends_once()
    finally:
        lives.teardown()


PLAIN = {
    "lane": "one",
    "busy": "queue",
    "holds": True,
    "debounced": False,
    "identity": None,
    "large": True,
    "tick": True,
}
TWO = [("event", PLAIN), ("event", PLAIN), ("go_on", {})]
BEHIND = [*TWO, ("finish", 0, {}), ("go_on", {}), ("finish", 0, {}), ("go_on", {})]
FULL = [*TWO, ("event", PLAIN), ("commit", "full", {}), ("event", PLAIN), ("commit", "death before", {})]
ASKED = [("event", PLAIN), ("go_on", {}), ("claim", 0, {}), ("go_on", {}), ("wait_for", 0, {"key": ""}), ("go_on", {})]
ANSWERED = [*ASKED, ("answer", 0, {"must": True}), ("go_on", {}), ("leave", 0, {}), ("go_on", {})]


@pytest.mark.parametrize(
    ("mutant", "words"),
    [
        (nobody_is_released, BEHIND),
        (one_more_place, BEHIND),
        (acknowledged_before_it_is_written, FULL),
        (waits_are_not_looked_at_again, ANSWERED),
    ],
)
def test_a_life_fails_without_the_mechanism(mutant: Any, words: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    life(*words)
    mutant(monkeypatch)
    with pytest.raises(AssertionError):
        life(*words)
