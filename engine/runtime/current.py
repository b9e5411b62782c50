"""``--version current``: whether a run can go on under its scenario's current file, by walking it over the journal.

The rehearsal is the interpreter and the durable effects themselves, over a store that is not written and a world that
never answers: it comes as far as the journal leads and stops there. What the journal has of calls stays as it is, so a
corrected request matters only for what is still to be sent. Every write that was made must be met again, by the same
step and the same module, or it would be made a second time; a finished read that the file no longer makes is let
drop, because the file cannot refer to it. What a step without an id decided must be what the file would decide too,
because such a step is known by its place alone; where its place is another one now, it decides anew.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, cast

from engine.runtime import batches
from engine.runtime.callers import Attempt, Caller
from engine.runtime.catalog import Catalog
from engine.runtime.commands import Choice, CommandRefused, about_a_call, holds_of
from engine.runtime.durable import DurableEffects
from engine.runtime.effects import Ask, CallReply, Reply
from engine.runtime.interpreter import Interpreter
from engine.runtime.journal import Journal, attempt_key
from engine.runtime.outcomes import Held, UnknownOutcome
from engine.runtime.responding import Response
from engine.runtime.rundata import EventGone, past_data
from engine.runtime.settings import Limits
from engine.runtime.states import State
from engine.scenario.plan import CallStep, ModuleStep, RespondStep
from engine.sdk import jsontext
from engine.sdk.clock import Clock
from engine.sdk.modules import Effect
from engine.store.changes import AS_ASKED, Fate
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.records import EffectRecord, Record, Run

#: a rehearsal asks whether the file fits, not how large it gets
_UNLIMITED = Limits(output=sys.maxsize, run=sys.maxsize)
#: turns of the event loop without a step after which the rehearsal has come as far as it can
STILL = 50
#: misfits that a message names
NAMED = 5

#: what a step without an id decided: its kind and number stand in place of an id
_BY_PLACE = re.compile(r"(?:^|/)(?:\w+\.)*[a-z_]+@\d+(?:\?|\.message|\.output|\.routes|\.times)?$")


class DoesNotFit(CommandRefused):
    """What a run has done does not fit its scenario's current file. The message names what does not."""

    code = "does-not-fit"


async def current_version(
    store: Store, catalog: Catalog, clock: Clock, run: Run, choice: Choice, step: str | None = None
) -> str:
    """The version of the scenario's current file, under which the run can go on.

    :param choice: the word that is said of the run; one that is about its step needs that step.
    :raises DoesNotFit: with what does not fit; nothing was changed.
    """
    plan = catalog.current(run.scenario)
    hint = f"see `engine runs show {show(run.id)}`; without --version it goes on under the file that it started with"
    if plan is None:
        raise DoesNotFit(f"scenario '{run.scenario}' is not loaded, so there is no current file", hint=hint)
    if plan.version == run.version:
        raise DoesNotFit(
            f"run {show(run.id)} has the current file already, as it was when this process read it",
            hint="after the file was mended, stop `engine serve` and start it again: files are read at its start; "
            "otherwise leave --version out",
        )
    [past] = await store.pasts([run])
    journal = Journal.of(past.records, past.effects, run.notes)
    try:
        data = past_data(run, past, plan)
    except EventGone as error:
        raise DoesNotFit(error.message, hint=hint) from None
    stops = _stops(run)
    rehearsal = Rehearsal(run, journal, clock, stops)
    await walk_over(Interpreter(plan, rehearsal), rehearsal, data)
    misfits = list(rehearsal.misfits)
    for effect in past.effects:
        if effect.key not in rehearsal.reached:
            path = effect.key.rpartition("#")[0]
            misfits.append(f"{path}: it sent {effect.module}, and the current file does not come by it")
    for record in past.records:
        called, path = (record.module or "").startswith("call:"), record.key.rpartition("#")[0]
        if called and record.kind != "failed" and path not in rehearsal.reached:
            misfits.append(f"{path}: it called '{record.module}', and the current file does not come by it")
    if choice in (Choice.HAPPENED, Choice.SKIP):
        missing = {path for path, _ in stops if path and path not in rehearsal.paths and step in (None, path)}
        misfits += [
            f"{path}: the word is about this step, and the current file does not come by it" for path in missing
        ]
    if misfits:
        unique = list(dict.fromkeys(misfits))
        more = f"; and {len(unique) - NAMED} more" if len(unique) > NAMED else ""
        raise DoesNotFit(
            f"run {show(run.id)} does not fit the current file of '{run.scenario}': "
            + "; ".join(unique[:NAMED])
            + more,
            hint=hint,
        )
    return plan.version


def _stops(run: Run) -> set[tuple[str, int]]:
    """Where the run stands: steps and their attempts."""
    error = (jsontext.loads(run.result) if run.result else {}).get("error") or {}
    failed = [error] if run.state == State.FAILED and error.get("step") else []
    places = [hold for hold in holds_of(run) if about_a_call(hold)] or failed
    return {(place["step"], place.get("attempt", 0)) for place in places}


async def walk_over(walk: Interpreter, rehearsal: Rehearsal, data: Mapping[str, Any]) -> None:
    """Walk as far as the journal leads."""
    task = asyncio.ensure_future(walk.run(data))
    still, before = 0, -1
    while still < STILL and not task.done():
        await asyncio.sleep(0)
        still = still + 1 if rehearsal.steps == before else 0
        before = rehearsal.steps
    task.cancel()
    [outcome] = await asyncio.gather(task, return_exceptions=True)
    if isinstance(outcome, Exception):
        rehearsal.misfits.append(f"the current file cannot be walked: {type(outcome).__name__}: {outcome}")
    if isinstance(outcome, Held):
        rehearsal.misfits += [f"{hold.step}: {hold.message}" for hold in outcome.holds if hold.code == "diverged"]


class Rehearsal(DurableEffects):
    """What a run may do in a rehearsal: remember.

    :param stops: attempts at which the run stands, so that the rehearsal goes no further there.
    """

    def __init__(self, run: Run, journal: Journal, clock: Clock, stops: set[tuple[str, int]]) -> None:
        store, caller = cast("Store", _NoStore()), cast("Caller", _NoCaller())
        super().__init__(run, journal, store, caller, _NoClock(clock), limits=_UNLIMITED)
        self.reached: set[str] = set()
        self.paths: set[str] = set()
        self.misfits: list[str] = []
        #: grows with everything that is asked
        self.steps = 0
        self._stops = stops

    async def wait(self, path: str, ask: Callable[[], Ask]) -> Reply:
        self.steps += 1
        reply = self.replied(path)
        return await _never() if reply is None else reply

    async def respond(self, step: RespondStep, path: str, made: Callable[[], Response]) -> Any:
        self.steps += 1
        return await super().respond(step, path, made) if self.begun(path, 1) else await _never()

    async def call_scenario(self, step: CallStep, path: str, given: Any) -> CallReply:
        self.steps += 1
        self.paths.add(path)
        self.reached.add(path)
        reply = self.called(step, path)
        return await _never() if reply is None else reply

    async def call(self, step: ModuleStep, path: str, attempt: int, config: Any) -> Any:
        self.steps += 1
        self.paths.add(path)
        key = attempt_key(path, attempt)
        self.reached.add(key)
        if (path, attempt) in self._stops:
            row = self.journal.effects.get(key) or self.journal.records.get(key)
            if row is not None:
                self._same(row, step, "", config)
                if isinstance(row, EffectRecord) and (misfit := batches.misfit(step, row, config)):
                    self.misfits.append(f"{path}: {misfit}")
            return await _never()
        try:
            return await super().call(step, path, attempt, config)
        except UnknownOutcome:
            return await _never()

    async def known_items(self, path: str, names: Sequence[str]) -> Collection[str]:
        return ()

    def _same(self, row: Record | EffectRecord, step: ModuleStep, fingerprint: str, config: Any) -> None:
        if row.module != step.module_name:
            path = row.key.rpartition("#")[0]
            self.misfits.append(f"{path}: it called {row.module}, and the current file calls {step.module_name}")

    def decide(self, key: str, compute: Callable[[], Any]) -> Any:
        self.steps += 1
        if key in self.journal.notes and _BY_PLACE.search(key):
            before = self.journal.notes[key]
            try:
                now = compute()
            except Exception as error:  # noqa: BLE001 - whatever it is, the file does not come to what was decided
                now = error
            same = now.keys() == before.keys() if isinstance(now, dict) and isinstance(before, dict) else now == before
            if not same:
                self.misfits.append(f"{key}: it was decided otherwise there, and the step has no id to be known by")
        return super().decide(key, compute)


async def _never(*_args: object, **_kwargs: object) -> Any:
    return await asyncio.get_running_loop().create_future()


class _NoStore:
    """Keeps nothing."""

    def ride(self, *_changes: object, owner: object = None) -> None:
        """Drop it."""

    async def put(self, *_changes: object, owner: object = None) -> Fate:
        return AS_ASKED

    def __getattr__(self, _name: str) -> Callable[..., Awaitable[Any]]:
        return _never


class _NoCaller:
    """Never answers."""

    call = probe = staticmethod(_never)

    def effect(self, _step: ModuleStep, _config: object) -> Effect:
        return Effect.READ

    def prepare(self, _step: ModuleStep, config: Any, _attempt: Attempt) -> Any:
        return config

    def pace(self, _step: ModuleStep, _config: object) -> None:
        return None


class _NoClock:
    """Knows the time, and lets none go by."""

    def __init__(self, clock: Clock) -> None:
        self.time = clock.time

    async def sleep(self, _seconds: float) -> None:
        await _never()

    def timeout(self, _seconds: float | None) -> AbstractAsyncContextManager[object]:
        return nullcontext()
