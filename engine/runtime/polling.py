"""Asking vendors again and again: when a polling trigger is swept, and what happens when that fails.

Each page becomes one transaction: its receipt, the deliveries and runs of its new items, and where the trigger stands
after it. So a crash leaves a page either taken or not seen. What is new is decided in ``sweep``.

The sweeps of a scenario never overlap. One that fails is begun again at the next turn, after pauses that grow; what it
has taken stays taken.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from engine.runtime.callers import Attempt, ModuleCall, plugin_fault
from engine.runtime.connections import Connections
from engine.runtime.declared import Declared
from engine.runtime.intake import POLL, Accepted, Intake
from engine.runtime.runner import MEND_EVERY, Runner
from engine.runtime.states import State
from engine.runtime.sweep import Sweep
from engine.scenario.plan import Polling, Scenario
from engine.sdk import jsontext
from engine.sdk.clock import Clock, utc
from engine.sdk.errors import AuthError, DataError, EngineError, ModuleError, StoreError
from engine.sdk.faults import NO_FAULTS, Faults
from engine.sdk.modules import Delivery, Json, Page, RunInfo
from engine.store.changes import Change
from engine.store.interface import Store
from engine.store.records import Page as Rows
from engine.store.records import RunFilter

log = logging.getLogger(__name__)

#: longest pause in seconds after failures, unless ``every`` is longer
LONGEST_PAUSE = 900.0
#: most seconds for which a vendor's ``Retry-After`` is waited
LONGEST_ASKED = 3600.0
#: no page is read while more runs of the scenario than this are queued or running
MOST_WAITING = 1000
#: pages in a row that bring nothing, or the same as the page before, after which a sweep is given up
MOST_IDLE = 1000
#: failures in a row after which a sweep begins again, whatever the vendor says of its cursor
STUCK_AFTER = 5
#: seconds after which it is looked again whether fewer wait
ROOM_EVERY = 1.0

_HEADERS = {"content-type": "application/json"}


class Pages(Protocol):
    """Reads pages. A test double is another."""

    async def page(self, plan: Scenario, trigger: Polling, cursor: Json) -> Page: ...


class ModulePages:
    """Reads the pages of the modules themselves, over real connections or those of simulators."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        self._connections = connections
        self._clock = clock
        self._declared = Declared()

    async def page(self, plan: Scenario, trigger: Polling, cursor: Json) -> Page:
        """Read a page; it is JSON and nothing else. Raises ``ModuleError``."""
        module = trigger.module

        def warn(message: str) -> None:
            log.warning("polling for '%s': %s", plan.name, message, extra={"action": "poll_warning"})

        connection = self._connections.open(trigger.connection, module.connection, warn)
        attempt = Attempt(source_of(plan), utc(self._clock.time()), RunInfo("", plan.name, 1), warn)
        try:
            read = self._declared.reader(trigger.module_name, module)
            call = ModuleCall(trigger.config, connection.public, connection.http, attempt, connection.client)
            page = await read(call, cursor)
            items, following = jsontext.loads(jsontext.dumps([list(page.items), page.cursor]))
            return Page(items, following)
        except EngineError:
            raise
        except Exception as error:
            raise plugin_fault(trigger, error) from error


def source_of(plan: Scenario) -> str:
    """The source of the receipts that a scenario's polling makes."""
    return f"poll:{plan.name}"


def polled(plan: Scenario) -> Polling | None:
    """The polling trigger of a scenario; None: it has none."""
    return plan.trigger if isinstance(plan.trigger, Polling) else None


def delivery(items: Sequence[Json], now: float) -> Delivery:
    """Items as intake takes them."""
    raw = jsontext.dumps(list(items))
    return Delivery(POLL, _HEADERS, {}, raw, jsontext.loads(raw), utc(now))


class Poller:
    """Sweeps the polling triggers of scenarios.

    :param scenarios: those without a polling trigger, and those that are not active, are left alone.
    :param accepted: told of every page that brought something.
    """

    def __init__(
        self,
        scenarios: Iterable[Scenario],
        store: Store,
        runner: Runner,
        intake: Intake,
        pages: Pages,
        clock: Clock,
        *,
        faults: Faults = NO_FAULTS,
    ) -> None:
        self._plans = [plan for plan in scenarios if plan.active and polled(plan) is not None]
        self._store = store
        self._runner = runner
        self._intake = intake
        self._pages = pages
        self._clock = clock
        self._faults = faults
        self._polled: dict[str, _Polled] = {}
        #: sweeps that end behind their page, and of which scenario
        self._leaving: dict[asyncio.Task[None], str] = {}
        self._started = False
        #: pages of each scenario that could not be read, in a row
        self._stuck: dict[str, int] = {}

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        """Sweep each scenario at once, and then as often as it says."""
        self._started = True
        for plan in self._plans:
            self._begin(plan)

    async def stop(self) -> None:
        """Sweep no more. A page that is being stored is stored, or is read again later."""
        self._started = False
        tasks = [*(own.task for own in self._polled.values()), *self._leaving]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._polled = {}

    def follow(self, scenarios: Iterable[Scenario]) -> None:
        """Sweep these scenarios from now on. A sweep that is under way ends behind its page; none is cut off."""
        self._plans = [plan for plan in scenarios if plan.active and polled(plan) is not None]
        if not self._started:
            return
        wanted = {plan.name: plan for plan in self._plans}
        before = self._polled
        same = {name for name, own in before.items() if name in wanted and wanted[name].version == own.version}
        self._polled = {name: before[name] for name in same}
        for name in before.keys() - same:
            before[name].gone.set()
            self._leaving[before[name].task] = name
            before[name].task.add_done_callback(self._leaving.pop)
        for name in wanted.keys() - same:
            self._begin(wanted[name])

    def _begin(self, plan: Scenario) -> None:
        gone = asyncio.Event()
        # the sweeps of a scenario never overlap, also where it was gone meanwhile
        after = {task for task, name in self._leaving.items() if name == plan.name}
        task = asyncio.create_task(self._poll(plan, gone, after), name=source_of(plan))
        self._polled[plan.name] = _Polled(plan.version, gone, task)

    async def _poll(self, plan: Scenario, gone: asyncio.Event, after: set[asyncio.Task[None]]) -> None:
        trigger = polled(plan)
        assert trigger is not None
        if after:
            await asyncio.wait(after)
        failures = 0
        while not gone.is_set():
            began, asked = self._clock.time(), 0.0
            try:
                await self.sweep(plan, gone=gone)
            except EngineError as error:
                if isinstance(error, StoreError) and self._store.broken:
                    await self._mended()
                    continue
                failures += 1
                self._say(plan, error, failures)
                if isinstance(error, ModuleError):
                    asked = min(error.retry_after or 0.0, LONGEST_ASKED)
            except Exception:
                failures += 1
                log.exception("polling for '%s' met a mistake of the engine", plan.name)
            else:
                if failures:
                    log.warning("polling for '%s' works again", plan.name, extra={"action": "poll_works"})
                failures = 0
            longest = pause(trigger.every, failures)
            # a clock that was set back makes nobody wait longer
            left = min(began + longest - self._clock.time(), longest)
            await self._rest(max(left, asked, 0.0), gone)

    async def _rest(self, seconds: float, gone: asyncio.Event) -> None:
        """Return after so long, or when the scenario is another."""
        timer, leaving = asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(gone.wait())
        try:
            await asyncio.wait({timer, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            leaving.cancel()

    async def _mended(self) -> None:
        while self._store.broken:
            await self._clock.sleep(MEND_EVERY)

    def _say(self, plan: Scenario, error: EngineError, failures: int) -> None:
        trigger = polled(plan)
        assert trigger is not None
        what = "the vendor does not accept the credentials" if isinstance(error, AuthError) else "it is tried again"
        log.warning(
            "polling for '%s' failed (%s, time %d in a row): %s; %s",
            plan.name,
            trigger.module_name,
            failures,
            error,
            what,
            extra={"action": "poll_failed"},
        )

    # ------------------------------------------------------------------ one sweep

    async def sweep(
        self,
        plan: Scenario,
        *,
        limit: int | None = None,
        accepted: Callable[[Accepted], None] = lambda _accepted: None,
        gone: asyncio.Event | None = None,
    ) -> Sweep:
        """Read all pages, and start what is new.

        :param limit: new items after which to stop; the others are left for the next sweep. None: all.
        :param accepted: told of each page that brought something, when it is stored.
        :param gone: set when the scenario is another; the pages that are left are left for its sweep.
        :raises EngineError: a page could not be read or stored; what came before it is kept.
        """
        trigger = polled(plan)
        assert trigger is not None
        simulated = self._runner.simulated
        own = [p for p in await self._store.polls() if (p.scenario, p.simulated) == (plan.name, simulated)]
        kept = await self._store.poll_items(plan.name, simulated)
        sweep = Sweep(plan.name, simulated, trigger, own[0] if own else None, kept)
        cursor = sweep.cursor()
        way = _Way(trigger)
        while True:
            await self._room(plan, gone)
            if gone is not None and gone.is_set():
                break
            page = await self._page(plan, trigger, sweep, cursor, way)
            self._faults.hit("poll.page")
            now = self._clock.time()
            found = sweep.look(page, cursor, now, limit)
            if found.items:
                incoming = delivery(found.items, now)
                taken = await self._intake.accept(source_of(plan), [plan], incoming, also=found.changes)
                self._faults.hit("poll.stored")
                accepted(taken)
                limit = None if limit is None else limit - len(found.items)
            elif found.changes:
                await self._put(found.changes)
            if page.cursor is None or found.cut or limit == 0:
                break
            cursor = page.cursor
        if sweep.unplaced:
            log.warning(
                "polling for '%s': %d items show no position that can be believed, and are told by their content",
                plan.name,
                sweep.unplaced,
                extra={"action": "poll_unplaced"},
            )
        return sweep

    async def _page(self, plan: Scenario, trigger: Polling, sweep: Sweep, cursor: Json, way: _Way) -> Page:
        try:
            page = await self._pages.page(plan, trigger, cursor)
            way.passed(cursor, page)
        except ModuleError as error:
            failures = self._stuck[plan.name] = self._stuck.get(plan.name, 0) + 1
            expired = not error.transient and not isinstance(error, AuthError)
            if expired or failures >= STUCK_AFTER:
                # a cursor that was kept may have expired; what was taken is known, so nothing is repeated
                await self._put(sweep.again(self._clock.time()))
            raise
        self._stuck.pop(plan.name, None)
        return page

    async def _room(self, plan: Scenario, gone: asyncio.Event | None = None) -> None:
        """Wait until not too many runs of the scenario wait."""
        wanted = RunFilter((State.QUEUED, State.BLOCKED, State.RUNNING), plan.name, page=Rows(limit=MOST_WAITING + 1))
        said = False
        while sum(run.simulated == self._runner.simulated for run in await self._store.runs(wanted)) > MOST_WAITING:
            if not said:
                log.warning(
                    "polling for '%s' waits: more than %d of its runs are queued or running",
                    plan.name,
                    MOST_WAITING,
                    extra={"action": "poll_waits"},
                )
                said = True
            if gone is not None and gone.is_set():
                return
            await self._clock.sleep(ROOM_EVERY)

    async def _put(self, changes: Sequence[Change]) -> None:
        if not changes:
            return
        try:
            await self._store.put(*changes)
        except StoreError:
            if self._store.broken:
                self._runner.broke()
            raise


class _Polled(NamedTuple):
    """The sweeps of a scenario in one version.

    :param gone: set when it is to end.
    """

    version: str
    gone: asyncio.Event
    task: asyncio.Task[None]


class _Way:
    """The pages of a sweep, as far as it matters whether they come to an end."""

    def __init__(self, trigger: Polling) -> None:
        self._name = trigger.module_name
        self._cursors: set[str] = set()
        self._last = ""
        self._idle = 0

    def passed(self, cursor: Json, page: Page) -> None:
        """Take note of a page. Raises ``DataError`` when the way does not lead to an end."""
        self._cursors.add(jsontext.fingerprint(cursor))
        if page.cursor is None:
            return
        if jsontext.fingerprint(page.cursor) in self._cursors:
            raise DataError(f"the pages of {self._name} lead in a circle: after the cursor {cursor!r}")
        items = jsontext.fingerprint(list(page.items))
        # a vendor that does not know the parameter by which it is asked for the next page gives the first for ever
        self._idle = self._idle + 1 if not page.items or items == self._last else 0
        self._last = items
        if self._idle >= MOST_IDLE:
            raise DataError(
                f"{self._idle} pages in a row brought nothing, or the same again: {self._name} finds no last page",
                hint="tell the author of the app; the sweep begins again at its first page",
            )


def pause(every: float, failures: int) -> float:
    """Seconds between the beginnings of two sweeps, after so many failures in a row."""
    return min(every * 2.0 ** min(max(failures - 1, 0), 32), max(every, LONGEST_PAUSE))
