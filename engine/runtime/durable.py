"""The durable ``Effects``: the journal, the effect ledger, and the rule that nothing leaves before what it rests on
is durable.

A read is made, and its answer rides along with the next commit. A write is made in three moves: its intent with the
resolved request is committed, and with it everything that the run recorded before; the request is sent; the outcome
rides. A process that dies between the first move and the last leaves an intent without an outcome behind: whether it
was applied is unknown, and an unknown write is repeated only where twice is once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from engine.runtime import batches, folding, own
from engine.runtime.callers import Attempt, Caller, plugin_fault
from engine.runtime.calls import OpenCalls
from engine.runtime.data import ANY_DATA, DeclaredData
from engine.runtime.differences import differing
from engine.runtime.effects import Ask, CallReply, Checkpoint, Progress, Reply
from engine.runtime.elsewhere import differs, found, settle_others
from engine.runtime.error_texts import differed, error_text, restored
from engine.runtime.event_sources import EventSources
from engine.runtime.journal import DIFFERS, Journal, attempt_key, from_key
from engine.runtime.observers import Observer
from engine.runtime.open_waits import Links, OpenWaits
from engine.runtime.outcomes import Diverged, Interrupted, UnknownOutcome
from engine.runtime.payload import DEFAULT_LIMITS
from engine.runtime.remembered import Remembered
from engine.runtime.responding import FIRST, Response, Responses
from engine.runtime.settings import Limits
from engine.runtime.step_context import StepContext
from engine.scenario.plan import CallStep, ModuleStep, RespondStep, Step
from engine.sdk import errors, jsontext
from engine.sdk.clock import Clock, utc
from engine.sdk.data import DataRead, DataWrite
from engine.sdk.errors import DataError, EngineError, ModuleError, StoreError
from engine.sdk.faults import NO_FAULTS, Faults
from engine.sdk.modules import Action, Config, Effect, Happened, ProbeResult, RunInfo, Transform
from engine.store.changes import AddEffect, AddRecord, Owner, SettleEffect
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.records import EffectRecord, EffectState, Record, Run

if TYPE_CHECKING:
    from engine.runtime.callees import Callees

#: what settled an attempt that was cut off from its answer: by the death of the process, by a timeout or a shutdown
_CUT_OFF = ("recovery", "cut-off")


class DurableEffects(Remembered):
    """What one run may do, with everything in the store that a next owner needs.

    :param suspend: called with a time when all branches wait at least until then.
    """

    def __init__(
        self,
        run: Run,
        journal: Journal,
        store: Store,
        caller: Caller,
        clock: Clock,
        *,
        observer: Observer | None = None,
        faults: Faults = NO_FAULTS,
        suspend: Callable[[float], None] = lambda _due: None,
        approvals: Mapping[str, str] | None = None,
        links: Links | None = None,
        sources: EventSources | None = None,
        limits: Limits = DEFAULT_LIMITS,
        callees: Callees | None = None,
        responses: Responses | None = None,
        data: DeclaredData = ANY_DATA,
    ) -> None:
        super().__init__(run, journal, store, clock, faults, suspend, limits)
        self._shown_id = show(run.id)
        self._caller = caller
        self._observer = observer
        #: settled effects that no awaited commit has covered yet, for the case that the store breaks
        self.unconfirmed: list[SettleEffect] = []
        #: what the run waits for besides time
        self.waits = OpenWaits(self, journal, store, clock, faults, approvals or {}, links or Links(), sources)
        self._callees = callees
        self._responses = responses
        self.data = data

    # ------------------------------------------------------------------ checkpoints, and what values see

    def folded(self, path: str) -> Any:
        return folding.state_of(self, path)

    def set_aside(self, key: str) -> bytes:
        return folding.part_of(self, key)

    async def fold(self, path: str, checkpoint: Checkpoint) -> bool:
        self._faults.hit("loop.folding")
        changes = folding.fold(self, path, checkpoint)
        if changes is None:
            return False
        # waited for, so that what a loop records cannot pile up before it is written
        await self._store.put(*changes, owner=self._owner)
        self._faults.hit("loop.folded")
        return True

    def context(self, path: str) -> StepContext:
        return StepContext(self, path)

    # ------------------------------------------------------------------ waits, answers and other scenarios

    async def rest(self, path: str, due: Callable[[], float]) -> None:
        key = attempt_key(path, 1)
        record = self._journal.records.get(key)
        if record is None:
            # a row of its own, because a branch at its side may go on long without writing one
            record = self.new_record(key, "sleep", {"due": due()})
            self._store.ride(AddRecord(record), owner=self._owner)
        await self.pause(path, _value(record.output)["due"])

    async def wait(self, path: str, ask: Callable[[], Ask]) -> Reply:
        return await self.waits.wait(path, ask)

    def replied(self, path: str) -> Reply | None:
        return self.waits.replied(path)

    async def respond(self, step: RespondStep, path: str, made: Callable[[], Response]) -> Any:
        key = attempt_key(path, 1)
        record, response = self._journal.records.get(key), None
        if record is None:
            self.doing = path
            self.sizes.room(path, step.place)
            response = made()
            self._faults.hit("response.made")
            first = self.decide(FIRST, lambda: path) == path
            self.sizes.output("respond", jsontext.dumps(response.body), step.place)
            record = self.new_record(key, "respond", {**response.to_json(), "first": first})
            await self._store.put(AddRecord(record), owner=self._owner)
            self._faults.hit("response.recorded")
        about = _value(record.output)
        # after a crash in between nobody knows
        given: bool | None = None
        if response is not None:
            given = about["first"] and self._responses is not None and self._responses.give(self.run.id, response)
        sent = self.decide(f"{path}.sent", lambda: given)
        return {"status": about["status"], "sent": sent}

    def _calls(self) -> OpenCalls:
        # few runs call others
        return OpenCalls(self, self._journal, self._store, self._faults, self.waits, self._callees)

    async def call_scenario(self, step: CallStep, path: str, given: Any) -> CallReply:
        return await self._calls().call(step, path, given)

    def called(self, step: CallStep, path: str) -> CallReply | None:
        return self._calls().called(step, path)

    # ------------------------------------------------------------------ calls

    async def call(self, step: ModuleStep, path: str, attempt: int, config: Any) -> Any:
        self.doing = path
        key = attempt_key(path, attempt)
        fingerprint = jsontext.fingerprint([step.module_name, config])
        if known := self._journal.effects.get(key):
            self._same(known, step, fingerprint, config)
            return await self._known(step, path, known)
        if record := self._journal.records.get(key):
            self._same(record, step, fingerprint, config)
            if record.kind == "failed":
                raise batches.unmade(step, self._journal, path, attempt, restored(record.error))
            if record.kind == DIFFERS:
                raise differed(record.error)
            return _value(record.output)
        self.sizes.room(path, step.place)
        try:
            if isinstance(step.module, Transform):
                return self.decide(path, lambda: self._transform(step, path, attempt, config))
            refused = self._validate(step, path, attempt, config)
            # what is wrong is not shown to the module; only what was written elsewhere can come of it
            effect = Effect.WRITE if refused is not None else self._caller.effect(step, config)
            if not effect.writes:
                return await self._read(step, path, key, attempt, config, fingerprint)
            before: EffectRecord | bytes | None = None
            opened: bytes | None = None
            if self._journal.shared and not self.remembers(f"{path}@sought"):
                before = await self._sought(step, path, key, fingerprint, config)
            if refused is not None and not isinstance(before, EffectRecord):
                return self._none_fit(step, path, key, fingerprint, jsontext.dumps(refused), cut_off=before is not None)
            if isinstance(step.module, DataWrite) and not isinstance(before, EffectRecord):
                before = await self.change(step, step.module, path, key, config, fingerprint)
            if not isinstance(before, EffectRecord):
                request = self._request(step, path, attempt, config) if before is None else before
                if isinstance(step.module, Action) and step.module.batch is not None:
                    request, opened = batches.begin(step, step.module.batch, self._journal, path, attempt, request)
        except ModuleError as error:
            failure = self._fail(step, key, fingerprint, error)
            raise batches.unmade(step, self._journal, path, attempt, failure) from error
        if isinstance(before, EffectRecord):
            return await self._known(step, path, before)
        self.sizes.room(path, step.place, len(request))
        # before the intent: a process that dies while a write waits for its turn leaves nothing unknown behind
        await self._turn(step, config)
        return await self._write(step, path, attempt, request, effect, fingerprint, opened)

    async def change(
        self, step: ModuleStep, module: DataWrite, path: str, key: str, config: Config, fingerprint: str
    ) -> EffectRecord:
        """Change a record of a data store."""
        return await own.change(self, step, module, path, key, config, fingerprint)

    def _transform(self, step: ModuleStep, path: str, attempt: int, config: Config) -> Any:
        self._validate(step, path, attempt, config)
        assert isinstance(step.module, Transform)
        try:
            output = step.module.apply(config)
        except EngineError:
            raise
        except Exception as error:
            raise plugin_fault(step, error) from error
        place = step.place
        text = self.sizes.output(step.module_name, _encoded(step, output), place)
        self.sizes.room(path, place, len(text))
        self.sizes.unwritten += len(text)
        return jsontext.loads(text)

    def _validate(self, step: ModuleStep, path: str, attempt: int, config: Config) -> dict[str, Any] | None:
        """Raise ``DataError`` for a config that is wrong. A batch goes without wrong items; its outcome, if all are."""
        if step.fixed or not (fault := step.validate(config)) or batches.faults(step, config):
            return None
        # of items that an earlier attempt was about to send nobody says that they were not sent
        sent = batches.before_of(self._journal, path, attempt) is not None
        if sent or (refused := batches.none_fit(step, config)) is None:
            raise DataError(fault, refused=True, place=str(step.place))
        return refused

    def _none_fit(
        self, step: ModuleStep, path: str, key: str, fingerprint: str, refused: bytes, *, cut_off: bool
    ) -> Any:
        """The outcome of a batch of which every item is wrong.

        :param cut_off: another run of the event may have sent it all the same.
        """
        if cut_off:
            text = "another run of this event was cut off sending these items, and the schema now refuses all of them"
            raise DataError(text, refused=True, place=str(step.place))
        return self._keep(step, path, key, fingerprint, refused)

    def _attempt(self, path: str, attempt: int) -> Attempt:
        warnings: list[str] = []

        def warn(message: str) -> None:
            warnings.append(message)
            self._pending[f"{path}!warnings"] = list(warnings)

        info = RunInfo(self._shown_id, self.run.scenario, attempt)
        return Attempt(self.effect_key(path), utc(self._clock.time()), info, warn, admitted=True)

    def effect_key(self, path: str) -> str:
        """The same for the same step of the same event in every run of it."""
        return f"{self.run.scenario}/{self.run.origin}/{path}"

    def _same(self, row: Record | EffectRecord, step: ModuleStep, fingerprint: str, config: Any) -> None:
        # what was done under an earlier version stays as it is, whatever the file asks for now
        if row.module == step.module_name and (
            row.request_hash == fingerprint
            or row.position < self._journal.switched
            or self.remembers(from_key(row.key))
        ):
            return
        differs = "" if row.module != step.module_name else differing(row, config)
        raise Diverged(
            f"the journal has {row.module} with request {row.request_hash} here, "
            f"the scenario now makes {step.module_name} with request {fingerprint}{differs}"
        )

    async def _turn(self, step: ModuleStep, config: Config) -> None:
        """Wait until the connection's rate limit lets the call's first request through.

        It is no try: a turn that is far off is slept for in the store, and asked for again after that.
        """
        if pace := self._caller.pace(step, config):
            self._faults.hit("turn.asked")
            while wait := await pace.turn():
                await self.sleep_until(self._clock.time() + wait)
            self._faults.hit("turn.taken")

    async def _try(self, step: ModuleStep, config: Config, attempt: Attempt) -> Any:
        """Make the call within the time of one try."""
        try:
            async with self._clock.timeout(step.try_timeout):
                return await self._caller.call(step, config, attempt)
        except TimeoutError:
            message = f"the try was not finished within {step.try_timeout:g} s"
            raise errors.TimeoutError(message, place=str(step.place)) from None

    # ------------------------------------------------------------------ reads

    async def _read(self, step: ModuleStep, path: str, key: str, attempt: int, config: Config, fingerprint: str) -> Any:
        self._faults.hit("call.before")
        await self._turn(step, config)
        if isinstance(step.module, DataRead):
            output = _encoded(step, await own.read(self, step, step.module, config))
        else:
            made = self._caller.call if step.try_timeout is None else self._try
            output = _encoded(step, await made(step, config, self._attempt(path, attempt)))
        self._faults.hit("call.after")
        return self._keep(step, path, key, fingerprint, output)

    def _keep(self, step: ModuleStep, path: str, key: str, fingerprint: str, output: bytes) -> Any:
        """What a call gave that changed nothing; it rides."""
        place = step.place
        self.sizes.room(path, place, len(self.sizes.output(step.module_name, output, place)))
        self._record(step, key, "call", fingerprint, output=output)
        return _value(output)

    def _fail(self, step: ModuleStep, key: str, fingerprint: str, error: ModuleError) -> ModuleError:
        text = error_text(error)
        self._record(step, key, "failed", fingerprint, error=text)
        return restored(text)

    def _record(
        self,
        step: ModuleStep,
        key: str,
        kind: str,
        fingerprint: str,
        *,
        output: bytes | None = None,
        error: bytes | None = None,
    ) -> None:
        self._journal.position += 1
        self.progress_at = self._clock.time()
        record = Record(
            self.run.id,
            key,
            self._journal.position,
            kind,
            self._clock.time(),
            step.module_name,
            fingerprint,
            output,
            error,
            self.take_notes(),
        )
        self.sizes.wrote(output, error, record.notes)
        self._journal.records[key] = record
        self._store.ride(AddRecord(record), owner=self._owner)

    # ------------------------------------------------------------------ writes

    def _request(self, step: ModuleStep, path: str, attempt: int, config: Config) -> bytes:
        """What is sent. A repeat sends what the attempt before it stored, not what would be computed now."""
        # of a batch the row before has only what it sent; all its items are as they were, or the run has diverged
        batch = isinstance(step.module, Action) and step.module.batch is not None
        before = None if batch else self._journal.effects.get(attempt_key(path, attempt - 1))
        # under another version what was provably not applied may be asked otherwise
        if before and not (before.state is EffectState.REFUSED and self._asked_anew(before)):
            return before.request
        request = config
        if getattr(step.module, "prepare", None) is not None:
            request = self._caller.prepare(step, config, self._attempt(path, attempt))
        try:
            return jsontext.dumps(request)
        except TypeError as error:
            message = f"the request of {step.module_name} is not JSON: {error}; nothing was sent"
            raise DataError(message, refused=True, place=str(step.place)) from None

    def _asked_anew(self, before: EffectRecord) -> bool:
        return before.position < self._journal.switched or self.remembers(from_key(before.key))

    async def _write(
        self,
        step: ModuleStep,
        path: str,
        attempt: int,
        request: bytes,
        effect: Effect,
        fingerprint: str,
        opened: bytes | None,
    ) -> Any:
        """Make an attempt.

        :param opened: of a batch, the outcomes with which it begins.
        """
        self._journal.position += 1
        self.progress_at = self._clock.time()
        intent = EffectRecord(
            self.run.id,
            attempt_key(path, attempt),
            self._journal.position,
            self.effect_key(path),
            self.run.scenario,
            step.module_name,
            str(effect),
            request,
            fingerprint,
            EffectState.INTENDED,
            self._clock.time(),
            self.run.subject,
            output=opened,
            notes=self.take_notes(),
        )
        try:
            await self._intend(intent)
        except (asyncio.CancelledError, StoreError):
            # a commit that failed at its sync may stand in the file all the same, and is read from there as an intent
            unsent = Interrupted("cut off before it was sent", refused=True)
            left = None if opened is None else batches.unsent(intent)
            self._settle(intent, EffectState.REFUSED, "engine", output=left, error=unsent, owner=self._owner)
            raise
        self._journal.effects[intent.key] = intent
        self.sizes.wrote(request, intent.notes, opened)
        self._faults.hit("effect.intended")
        info = self._attempt(path, attempt)
        made = self._caller.call if step.try_timeout is None else self._try
        try:
            output = await made(step, jsontext.loads(request), info)
        except asyncio.CancelledError:
            cut = ModuleError("cut off before the answer came", place=str(step.place))
            self._settle(intent, EffectState.UNKNOWN, "cut-off", output=opened, error=cut)
            raise
        except ModuleError as error:
            self._faults.hit("effect.sent")
            state = EffectState.REFUSED if error.refused else EffectState.UNKNOWN
            left = None
            if opened is not None:
                state, left = batches.failed(intent, error)
            settled = self._settle(intent, state, "vendor", output=left, error=error)
            return await self._known(step, path, settled)
        self._faults.hit("effect.sent")
        if opened is not None:
            state, left = batches.settled(intent, output, self._limits.output, info.warn)
            return await self._known(step, path, self._settle(intent, state, "vendor", output=left))
        text = self.sizes.accepted(output, info)
        self._settle(intent, EffectState.DONE, "vendor", output=text)
        return _value(text)

    async def _intend(self, intent: EffectRecord) -> None:
        """Make the intent durable, and with it all that the run recorded before."""
        before = tuple(self.unconfirmed)
        await self._store.put(AddEffect(intent), owner=self._owner)
        # what another branch settled meanwhile may be in a later commit
        self.unconfirmed = [settled for settled in self.unconfirmed if settled not in before]

    def _settle(
        self,
        effect: EffectRecord,
        state: EffectState,
        by: str,
        *,
        output: bytes | None = None,
        error: ModuleError | None = None,
        owner: Owner | None = None,
    ) -> EffectRecord:
        notes = effect.notes
        if self._pending:
            # the row keeps what its intent carried
            kept = jsontext.loads(effect.notes) if effect.notes else {}
            notes, self._pending = jsontext.dumps({**kept, **self._pending}), {}
            self.sizes.unwritten = 0
        settled = SettleEffect(
            effect.run_id,
            effect.key,
            state,
            self._clock.time(),
            by,
            output,
            error_text(error) if error else None,
            notes=notes if notes is not effect.notes else None,
        )
        result = self._journal.effects[effect.key] = effect._replace(
            state=state, settled_at=settled.at, settled_by=by, output=output, error=settled.error, notes=notes
        )
        self._journal.size -= len(effect.notes or b"")
        self.sizes.wrote(output, settled.error, notes)
        self.unconfirmed.append(settled)
        # an answer comes without an owner: what is known of an effect counts even if the run has gone to somebody else
        self._store.ride(settled, owner=owner)
        self._faults.hit("effect.settled")
        return result

    def _died(self, step_place: str | None, effect: EffectRecord) -> EffectRecord:
        died = ModuleError("the process ended before the answer came", place=step_place)
        return self._settle(effect, EffectState.UNKNOWN, "recovery", output=effect.output, error=died)

    # ------------------------------------------------------------------ what other runs of the event did

    async def _sought(
        self, step: ModuleStep, path: str, key: str, fingerprint: str, config: Config
    ) -> EffectRecord | bytes | None:
        """The row of a write that another run has made, now in this run's journal; or the request that is sent again.

        :raises Differs: it was made with another request.
        """
        self._faults.hit("effect.seeking")
        batch = isinstance(step.module, Action) and step.module.batch is not None
        rows = [row for row in await self._store.effects_by_key(self.effect_key(path)) if row.run_id != self.run.id]
        known = (
            batches.elsewhere(rows, self._journal, path, _number(key), step.module_name, fingerprint)
            if batch
            else found(rows, step.module_name, fingerprint)
        )
        if known is None:
            return None
        if known.repeatable:
            return known.row.request
        if not known.same:
            # whoever says that it is sent all the same is not asked again
            self.decide(f"{path}@sought", lambda: True)
            error = differs(known.row, step.module_name, config, str(step.place))
            about = {"run": show(known.row.run_id), "key": known.row.key}
            text = jsontext.dumps(error.to_json())
            self._record(step, key, DIFFERS, fingerprint, output=jsontext.dumps(about), error=text)
            raise error
        return self._take_over(path, key, known.row)

    def _take_over(self, path: str, key: str, row: EffectRecord) -> EffectRecord:
        self._journal.position += 1
        self.progress_at = self._clock.time()
        # the run that it is from may be pruned, and this one be replayed
        origin = show(row.run_id)
        self.decide(from_key(key), lambda: [origin, row.key])
        taken = row._replace(run_id=self.run.id, key=key, position=self._journal.position, subject=self.run.subject)
        if row.state is EffectState.DONE:
            warning = f"run {origin} did this before: its output is taken, nothing is sent"
            self._pending[f"{path}!warnings"] = [warning]
            taken = taken._replace(settled_by=f"run:{origin}", error=None)
        elif row.state is EffectState.INTENDED:
            cut = ModuleError("the process ended before the answer came")
            taken = taken._replace(state=EffectState.UNKNOWN, settled_by="recovery", error=error_text(cut))
        taken = taken._replace(reason=None, notes=self.take_notes())
        self.sizes.wrote(taken.request, taken.output, taken.notes)
        self._journal.effects[key] = taken
        self._store.ride(AddEffect(taken), owner=self._owner)
        self._faults.hit("effect.taken-over")
        return taken

    async def _settle_others(self, effect: EffectRecord, state: EffectState, output: bytes | None = None) -> None:
        if self.remembers(from_key(effect.key)):
            now = self._clock.time()
            self._store.ride(*await settle_others(self._store, effect, state, now, "probe", output))

    # ------------------------------------------------------------------ outcomes known from before

    async def _known(self, step: ModuleStep, path: str, effect: EffectRecord) -> Any:
        if effect.state is EffectState.DONE:
            return _value(effect.output)
        if effect.state is EffectState.INTENDED:
            effect = self._died(str(step.place), effect)
        if effect.output is not None and isinstance(step.module, Action) and step.module.batch is not None:
            raise batches.rest(step.module.batch, effect, step.retry.covers, str(step.place))
        if effect.state is EffectState.REFUSED:
            if (effect.settled_by or "").startswith("person:"):
                raise Interrupted("a person says that it did not happen", refused=True)
            raise restored(effect.error)
        if effect.settled_by in _CUT_OFF and Effect(effect.effect).repeatable:
            raise Interrupted("it was cut off before the answer came; the same request is sent again")
        return await self._unknown(step, path, effect, restored(effect.error))

    async def _unknown(self, step: ModuleStep, path: str, effect: EffectRecord, error: ModuleError) -> Any:
        """A write ended without a known outcome: ask the vendor where that is possible, else a person must."""
        if Effect(effect.effect).repeatable:
            raise error
        config = jsontext.loads(effect.request)
        info = self._attempt(path, _number(effect.key))
        try:
            wait = step.module.probed_after(config) if isinstance(step.module, Action) else None
        except Exception as mistake:  # noqa: BLE001 - a plugin's mistake; what is unknown stays so, and a person decides
            info.warn(f"when to probe cannot be told: {plugin_fault(step, mistake).message}")
            wait = None
        if wait is None or self.verdict(path, _number(effect.key)):
            raise UnknownOutcome(error)
        await self.sleep_until((effect.settled_at or self._clock.time()) + wait)
        await self._turn(step, config)
        asked = info._replace(now=utc(effect.intended_at))
        self._faults.hit("probe.before")
        try:
            answer = await self._caller.probe(step, config, asked)
        except ModuleError as failure:
            info.warn(f"the probe failed: {failure.message}")
            answer = ProbeResult.UNKNOWN
        self._faults.hit("probe.after")
        if isinstance(answer, Happened):
            text = self.sizes.accepted(answer.output, info)
            self._settle(effect, EffectState.DONE, "probe", output=text)
            await self._settle_others(effect, EffectState.DONE, text)
            return _value(text)
        if answer is ProbeResult.ABSENT:
            if effect.settled_by in _CUT_OFF:
                error = Interrupted("the vendor does not have it; it is sent again")
            # else it is a try like one that the vendor refused at once, or a vendor that fails each time would never
            # be left alone
            error.refused = True
            self._settle(effect, EffectState.REFUSED, "probe", error=error)
            await self._settle_others(effect, EffectState.REFUSED)
            raise error
        raise UnknownOutcome(error)

    # ------------------------------------------------------------------ for whoever watches

    def started(self, step: ModuleStep, path: str, attempt: int, config: Any) -> None:
        if self._observer is not None:
            self._observer.step_started(self.run, step, path, attempt, config)

    def retrying(self, step: Step, path: str, attempt: int, error: dict[str, Any], due: float) -> None:
        # a walk over the journal comes by attempts that were made long ago
        if self._observer is not None and due > self._clock.time():
            self._observer.step_retrying(self.run, step, path, attempt, error, due)

    def progressed(self, step: Step, path: str, progress: Progress) -> None:
        if self._observer is not None:
            self._observer.loop_progressed(self.run, step, path, progress)

    def finished(self, step: Step, path: str, status: str, value: Any) -> None:
        if self._observer is not None:
            self._observer.step_finished(self.run, step, path, status, value)


def _number(key: str) -> int:
    return int(key.rpartition("#")[2])


def _value(text: bytes | None) -> Any:
    return None if text is None else jsontext.loads(text)


def _encoded(step: ModuleStep, output: Any) -> bytes:
    try:
        return jsontext.dumps(output)
    except TypeError as error:
        raise DataError(f"the output of {step.module_name} is not JSON: {error}", place=str(step.place)) from None
