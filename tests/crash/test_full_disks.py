"""The disk fails at a commit of a day: what was refused is sent again, and all comes out as on a good disk.

Files are real; below SQLite writes answer that the disk is full, or syncs fail, from the middle of a commit on until
the disk is mended. Files that cannot grow and folders that cannot be written, under a real process, are in
``test_real_disks.py``.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

import engine.store.file
from engine.runtime.alerts import LOOK_AGAIN as OUTBOX_LOOKS_AGAIN
from engine.runtime.answers import AnswerRefused, decide
from engine.runtime.commands import Choice, CommandRefused, resume, retry
from engine.runtime.erasing import erase
from engine.runtime.pruning import Pruner
from engine.runtime.queue import LOOK_AGAIN
from engine.runtime.runner import MEND_EVERY
from engine.runtime.settings import DAY, HistorySettings
from engine.runtime.watch import LOOK_EVERY
from engine.scenario.plan import Keep
from engine.sdk import errors
from engine.sdk.errors import StoreError
from engine.store.alerts_rows import DropTroubles, RaiseAlert, SettleAlert, TryAlert
from engine.store.changes import (
    AddDelivery,
    AddEffect,
    AddReceipt,
    AddRecord,
    AddRun,
    MoveRun,
    Prune,
    PutPoll,
    PutPollItems,
    SettleEffect,
    StillHeld,
)
from engine.store.erase import Erase
from engine.store.interface import Store
from engine.store.records import Run, RunFilter
from engine.store.schedules import PutSchedule, Schedule
from engine.store.sql import migrations
from engine.store.sqlite import SqliteStore
from engine.store.waits import AnnounceWait, AnswerWait, CloseWaits, OpenWait, SendSignal, TimeOutDue
from engine.store.writer import Writer
from engine.testing import Harness, VirtualClock
from tests.runtime import polls
from tests.runtime.told import Told, channel
from tests.support.shop import SHOP, scenario
from tests.support.vfs import SQLITE_FULL, SQLITE_IOERR_FSYNC, LoggingVfs, logging_vfs

T = TypeVar("T")
#: times that something is tried, and real seconds in which everything comes to rest, before a test gives up
PATIENCE = 20
#: looks, a second apart, at which nothing has changed when everything is at rest; the queue looks at itself more often
QUIET = int(LOOK_AGAIN) + 3
#: syncs that fail: of the commit, of the closing of the file, and when it is opened again
FAILED_SYNCS = 3


def named(name: str, steps: str, head: str = "") -> str:
    return scenario(steps, head=head).replace("scenario: test", f"scenario: {name}")


ORDER = """
- id: got
  module: shop.get
  with: {n: "${{ trigger.n }}"}
- id: charge
  module: shop.charge
  with: {n: "${{ got.n }}"}
- id: asked
  wait_for: {approval: "May order ${{ trigger.n }} go out?", timeout: 5d}
- id: go
  wait_for: {signal: go, timeout: 5d}
- id: put
  module: shop.put
  with: {n: "${{ trigger.n }}"}
"""
BOOK = """
- id: booking
  on_error: rollback
  steps:
    - id: booked
      module: shop.charge
      with: {n: booked}
      undo:
        - id: unbooked
          module: shop.charge
          with: {n: unbooked}
    - id: answer
      wait_for: {approval: "May it go out?", timeout: 2h}
"""
SOURCES = [
    named("order", ORDER, "order_by: ${{ trigger.email }}\n"),
    named("book", BOOK),
    named("unsure", "- id: charge\n  module: shop.charge\n  with: {n: unsure}\n  on_error: hold"),
    named("bad", "- id: charge\n  module: shop.charge\n  with: {n: bad}"),
    named(
        "gathered",
        "- id: charge\n  module: shop.charge\n  with: {n: gathered}",
        'debounce: {key: "${{ trigger.email }}", for: 10m}\n',
    ),
    "scenario: daily\ntrigger:\n  schedule: {every: 1h}\nsteps:\n  - set: {a: 1}\n",
    polls.scenario(start="all"),
]
#: what a commit may be for; the disk fails at those that carry one of these
KINDS: frozenset[type] = frozenset(
    (
        *(AddReceipt, AddDelivery, AddRun, AddRecord, AddEffect, SettleEffect, MoveRun, StillHeld),
        *(OpenWait, AnnounceWait, AnswerWait, SendSignal, TimeOutDue, CloseWaits),
        *(PutSchedule, PutPoll, PutPollItems, RaiseAlert, TryAlert, SettleAlert, DropTroubles, Prune, Erase),
    )
)


@pytest.fixture
def vfs() -> Iterator[LoggingVfs]:
    with logging_vfs("days") as vfs:
        yield vfs


class Disk:
    """Fails at commits, and goes on failing until it is mended.

    :param nths: of the commits that carry a change of a kind, for each kind, those that it fails at.
    :param sync: its syncs fail, and not its writes.
    """

    def __init__(self, vfs: LoggingVfs, *nths: int, sync: bool = False) -> None:
        self.vfs = vfs
        self.passed: Counter[type] = Counter()
        #: kinds at which it has failed
        self.failed: set[type] = set()
        self.sync = sync
        self._nths = nths

    def commits(self, kinds: set[type]) -> None:
        """A commit that carries these kinds is about to be made."""
        self.passed.update(kinds)
        due = {kind for kind in kinds & KINDS if self.passed[kind] in self._nths}
        if due:
            self.failed |= due
            if self.sync:
                self.vfs.fail_syncs = SQLITE_IOERR_FSYNC
            else:
                self.vfs.fail_writes = SQLITE_FULL

    def mend(self) -> bool:
        """Mend it; where syncs fail, not before a try of the engine to mend its store has failed too.

        Then the log was not emptied when the file was closed, and whoever opens the file reads it anew.
        """
        if self.sync and sum(operation.failed for operation in self.vfs.log) < FAILED_SYNCS:
            return False
        self.vfs.mend()
        self.vfs.log.clear()
        return True


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[Disk]:
    """The disk that the writer's commits are made to, once there is one."""
    disks: list[Disk] = []
    commit = Writer._commit

    def watched(self: Writer, batch: Any) -> Any:
        if disks:
            disks[-1].commits({type(change) for changes, _, _ in batch for change in changes})
        return commit(self, batch)

    monkeypatch.setattr(Writer, "_commit", watched)
    return disks


class Day:
    """An engine over a disk that fails, and all who ask something of it, again and again until it is taken."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self.disk = disk
        #: what reached the vendor: writes that must not be made twice, and others
        self.charged: Counter[str] = Counter()
        self.put: Counter[str] = Counter()
        self.told = Told()
        self.well = False
        vendor = polls.Vendor()
        for number in range(3):
            vendor.put(f"c{number}", f"2024-03-0{number + 1}")
        registry = polls.registry()
        registry.add(SHOP, "the tests")
        self.harness = Harness(
            SOURCES,
            doubles={"shop.get": lambda config: config, "shop.put": self._put, "shop.charge": self._charge},
            registry=registry,
            clock=VirtualClock(VirtualClock().time() + 30 * DAY),
            pages=vendor,
            channels=[channel()],
            sender=self.told,
            new_store=partial(self._open, path),
        )

    async def _open(self, path: Path, before: Store | None) -> Store:
        if before is not None:
            await before.close()
        store = SqliteStore(path, clock=self.harness.clock, vfs=self.disk.vfs.name)
        await store.open()
        return store

    def _put(self, config: Mapping[str, Any]) -> Any:
        self.put[str(config["n"])] = 1
        return {}

    def _charge(self, config: Mapping[str, Any]) -> Any:
        self.charged[str(config["n"])] += 1
        if config["n"] == "unsure":
            raise errors.TimeoutError("no answer")
        if config["n"] == "bad" and not self.well:
            raise errors.DataError("not like this", refused=True)
        return {}

    async def insist(self, what: Callable[[], Awaitable[T]]) -> T | None:
        """As whoever is refused does: again, until it is taken, or it turns out that it was taken before."""
        refused = False
        for _ in range(PATIENCE):
            try:
                return await what()
            except StoreError:
                refused = True
                await self.calm()
            except (AnswerRefused, CommandRefused):
                assert refused
                return None
        raise AssertionError("it is refused for ever")

    async def start(self) -> None:
        """As an operator does: the engine ends where it cannot start; with room on the disk it is started again."""
        for _ in range(PATIENCE):
            try:
                return await self.harness.start()
            except StoreError:
                assert not self.harness.executes
                self.disk.mend()
        raise AssertionError("it does not start")

    async def calm(self) -> None:
        """Let everything go on; a disk that has failed is mended, and the engine finds that out by itself."""
        harness, idle, before = self.harness, 0, None
        async with asyncio.timeout(PATIENCE):
            while idle < QUIET:
                await harness.written()
                await harness.store.run_counts()
                if harness.store.broken or harness.runner.mending:
                    self.disk.mend()
                    assert isinstance(harness.store, SqliteStore)
                    async with harness.store._mending:
                        # a try to mend it takes real time
                        pass
                    await harness.clock.advance(MEND_EVERY if harness.runner.mending else LOOK_EVERY)
                    idle = 0
                    continue
                now = [len(self.told.messages), Counter(self.charged), await harness.store.runs(RunFilter())]
                idle, before = (idle + 1 if now == before else 0), now
                await harness.clock.advance(1.0)

    async def runs(self, name: str, state: str) -> list[Run]:
        await self.calm()
        found = await self.harness.store.runs(RunFilter())
        return sorted((run for run in found if (run.scenario, run.state) == (name, state)), key=lambda run: run.id)

    async def send(self, to: str, n: int) -> None:
        event = {"event_id": f"{to}-{n}", "n": n, "email": "ana@example.com"}
        await self.insist(lambda: self.harness.send(event, to=to, webhook=f"scenario:{to}"))

    async def pass_time(self, seconds: float) -> None:
        await self.calm()
        self.harness.clock.jump(seconds)
        await self.harness.clock.advance(LOOK_AGAIN)
        await self.calm()

    async def live(self) -> Mapping[str, Any]:
        """The day; gives what came of it."""
        harness, store = self.harness, lambda: self.harness.store
        now = harness.clock.time
        await self.start()
        harness.watch.start()
        await self.orders()
        await self.send("unsure", 1)
        [held] = await self.runs("unsure", "held")
        await self.insist(lambda: resume(store(), held.id, Choice.HAPPENED, now(), output={}, reason="seen", by="ana"))
        await self.send("bad", 1)
        [failed] = await self.runs("bad", "failed")
        self.well = True
        await self.insist(lambda: retry(store(), failed.id, now(), reason="mended", by="ana"))
        harness.runner.wake()
        for number in range(2):
            await self.send("gathered", number)
        await self.send("book", 1)
        await self.pass_time(2 * 3600)
        await self.insist(harness.tick)
        await self.insist(lambda: harness.poll("s"))
        await self.calm()
        came_of_it = Counter((run.scenario, str(run.state)) for run in await store().runs(RunFilter()))
        await self.erase_and_prune()
        while await store().troubles(False, 1) or await store().next_alert() is not None:
            await self.pass_time(OUTBOX_LOOKS_AGAIN)
        self.disk.vfs.mend()
        await harness.stop()
        told = {(message.body["kind"], message.body["scenario"]) for _, message in self.told.messages}
        # how long the disk was broken shows in these
        told = {about for about in told if about[0] not in ("store", "queue_age")}
        return {"runs": came_of_it, "told": told, "charged": self.charged, "put": self.put}

    async def orders(self) -> None:
        """Two orders of one customer: the second waits for the first, which is asked about, and waits for a signal."""
        harness = self.harness
        for number in range(2):
            await self.send("order", number)
        for _ in range(2):
            [run] = await self.runs("order", "waiting")
            await self.insist(partial(self._approve, run.id))
            await self.calm()
            await self.insist(lambda: harness.signal("go", keep=DAY))
            await self.calm()

    async def _approve(self, run_id: int) -> None:
        await decide(self.harness.store, self.harness.runner, run_id, self.harness.clock.time(), yes=True)

    async def erase_and_prune(self) -> None:
        harness, now = self.harness, self.harness.clock.time
        while True:
            part = await self.insist(lambda: erase(harness.store, "ana@example.com", "erased", now()))
            if part is not None and not part.more:
                break
        assert not await harness.store.runs(RunFilter(subject="ana@example.com"))
        versions = frozenset(plan.version for plan in harness.plans)
        settings = HistorySettings(keep=Keep(seconds=DAY), parked_for=DAY)
        pruner = Pruner(harness.store, settings, lambda _name: None, lambda: versions, harness.clock)
        await self.pass_time(2 * DAY)
        await self.insist(pruner.look)
        await self.calm()
        await self.insist(pruner.look)
        assert await harness.store.run_counts() == {}


#: what comes of a day: runs by scenario and state, what operators were told, and how often which write was made
CAME_OF_IT = {
    "runs": {
        ("order", "succeeded"): 2,
        ("book", "failed"): 1,
        ("unsure", "succeeded"): 1,
        ("bad", "succeeded"): 1,
        ("gathered", "succeeded"): 1,
        ("daily", "succeeded"): 1,
        ("s", "succeeded"): 3,
    },
    "told": {("held", "unsure"), ("failed", "bad"), ("failed", "book")},
    "charged": {"0": 1, "1": 1, "unsure": 1, "bad": 2, "gathered": 1, "booked": 1, "unbooked": 1},
    "put": {"0": 1, "1": 1},
}


async def test_a_day_has_every_kind_of_commit(tmp_path: Path, failing: list[Disk], vfs: LoggingVfs) -> None:
    failing.append(Disk(vfs))
    assert await Day(tmp_path / "store.db", failing[-1]).live() == CAME_OF_IT
    assert failing[-1].passed.keys() >= KINDS


@pytest.mark.parametrize("sync", [False, True], ids=["full", "fsync"])
@pytest.mark.parametrize("nths", [(1,), (2,), (3,), (1, 2), (4, 5, 6)], ids=str)
async def test_it_comes_out_as_on_a_good_disk(
    tmp_path: Path, failing: list[Disk], vfs: LoggingVfs, nths: tuple[int, ...], sync: bool
) -> None:
    failing.append(Disk(vfs, *nths, sync=sync))
    assert await Day(tmp_path / "store.db", failing[-1]).live() == CAME_OF_IT
    if 1 in nths:
        assert failing[-1].failed == KINDS


# ---------------------------------------------------------------- one by one


async def broken_once(harness: Harness, vfs: LoggingVfs) -> None:
    """Return when the engine has found its store broken, and has tried to mend it, without success."""
    while sum(operation.failed for operation in vfs.log) < FAILED_SYNCS:
        await harness.written()
        await harness.clock.advance(MEND_EVERY)


async def test_a_write_whose_intent_could_not_be_synced_was_not_sent(
    tmp_path: Path, vfs: LoggingVfs, failing: list[Disk]
) -> None:
    day = Day(tmp_path / "store.db", Disk(vfs, 1, sync=True))
    harness = day.harness
    await harness.start()
    failing.append(day.disk)
    day.disk.passed = Counter(dict.fromkeys(KINDS - {AddEffect}, 9))
    await harness.send({"n": 7, "email": "ana@example.com"}, to="gathered", webhook="scenario:gathered")
    await harness.clock.advance(601)
    # the intent is in the log; nobody knows whether it is on the disk
    await broken_once(harness, vfs)
    vfs.mend()
    [run] = await day.runs("gathered", "succeeded")
    first, second = (await harness.look(run.id)).effects
    assert [(first.state, first.settled_by), (second.state, second.settled_by)] == [
        ("refused", "engine"),
        ("done", "vendor"),
    ]
    assert day.charged == {"gathered": 1}
    await harness.stop()


async def test_a_long_outage_keeps_nothing_of_what_is_refused(tmp_path: Path, vfs: LoggingVfs) -> None:
    store = SqliteStore(tmp_path / "store.db", clock=VirtualClock(), vfs=vfs.name)
    await store.open()
    vfs.fail_writes = SQLITE_FULL
    refusals = []
    for number in range(9):
        with pytest.raises(StoreError, match="the disk is full") as refused:
            await store.put(PutSchedule(Schedule("daily", False, float(number), "x")))
        refusals.append(refused.value)
    # an error that is raised again keeps the frames of all who it was raised to before
    assert len(set(map(id, refusals))) == 9
    vfs.mend()
    await store.close()


@pytest.mark.parametrize("sync", [False, True], ids=["full", "fsync"])
async def test_a_migration_that_failed_at_a_step_goes_on_from_there(
    tmp_path: Path, vfs: LoggingVfs, monkeypatch: pytest.MonkeyPatch, sync: bool
) -> None:
    step = engine.store.file._step
    failed_at: list[int] = []

    def failing_once(db: sqlite3.Connection, number: int, script: str) -> None:
        if number not in failed_at:
            failed_at.append(number)
            vfs.fail_syncs, vfs.fail_writes = (SQLITE_IOERR_FSYNC, 0) if sync else (0, SQLITE_FULL)
        step(db, number, script)

    monkeypatch.setattr(engine.store.file, "_step", failing_once)
    path = tmp_path / "store.db"
    for number, _ in migrations():
        store = SqliteStore(path, clock=VirtualClock(), vfs=vfs.name)
        with pytest.raises(StoreError, match="the disk") as refused:
            await store.open()
        assert refused.value.place == str(path)
        assert failed_at[-1] == number
        vfs.mend()
    store = SqliteStore(path, clock=VirtualClock(), vfs=vfs.name)
    await store.open()
    assert await store.run_counts() == {}
    await store.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert db.execute("pragma user_version").fetchone() == (len(migrations()),)
