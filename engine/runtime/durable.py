"""The durable ``Effects``: the journal, the effect ledger, and the rule that nothing leaves before what it rests on
is durable.

A read is made, and its answer rides along with the next commit. A write is made in three moves: its intent with the
resolved request is committed, and with it everything that the run recorded before; the request is sent; the outcome
rides. A process that dies between the first move and the last leaves an intent without an outcome behind: whether it
was applied is unknown, and an unknown write is repeated only where twice is once.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from engine.runtime.callers import Attempt, Caller
from engine.runtime.journal import Journal, attempt_key
from engine.runtime.observers import Observer
from engine.runtime.outcomes import Diverged, Interrupted, UnknownOutcome, Verdict
from engine.scenario.plan import ModuleStep, Step
from engine.sdk import jsontext
from engine.sdk.clock import Clock, iso, utc
from engine.sdk.errors import STANDARD_TYPES, DataError, ModuleError
from engine.sdk.faults import NO_FAULTS, Faults
from engine.sdk.modules import Config, Effect, Happened, ProbeResult, RunInfo, Transform
from engine.store.changes import AddEffect, AddRecord, Owner, SettleEffect
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.records import EffectRecord, EffectState, Record, Run

#: seconds of waiting from which on a run leaves memory
SUSPEND_AFTER = 5.0

#: namespace of the idempotency keys that vendors get: a name-based UUID of the effect's key
_KEYS = uuid.UUID("5f0c4b0e-3a53-5c0a-9d5c-7d1f5c2f7a11")


class DurableEffects:
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
    ) -> None:
        self.run = run
        self._shown_id = show(run.id)
        self._journal = journal
        self._store = store
        self._caller = caller
        self._clock = clock
        self._observer = observer
        self._faults = faults
        self._suspend = suspend
        self._owner = Owner(run.id, run.epoch)
        self._pending: dict[str, Any] = {}
        self._branches = 1
        self._waits: list[float] = []
        self._deadlines: list[float] = []
        self._cut: list[tuple[str, int, ModuleError]] = []
        #: settled effects that no awaited commit has covered yet, for the case that the store breaks
        self.unconfirmed: list[SettleEffect] = []
        self.round = sum(record.kind == "settled" for record in journal.records.values())

    # ------------------------------------------------------------------ what is remembered

    def now(self) -> float:
        return self._clock.time()

    def decided(self, key: str) -> Any:
        return self._journal.notes.get(key)

    def decide(self, key: str, compute: Callable[[], Any]) -> Any:
        notes = self._journal.notes
        if key in notes:
            return notes[key]
        value = notes[key] = self._pending[key] = compute()
        return value

    def context(self, path: str) -> StepContext:
        return StepContext(self, path)

    def chance(self, key: str) -> float:
        digest = hashlib.blake2b(f"{self.run.id}/{key}".encode(), digest_size=6).digest()
        return int.from_bytes(digest) / (1 << 48)

    def verdict(self, path: str, attempt: int) -> Verdict | None:
        return self._journal.verdict(path, attempt) if self.round else None

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
        return jsontext.dumps(notes)

    # ------------------------------------------------------------------ time and branches

    def branches(self, change: int) -> None:
        self._branches += change
        self._consider_suspending()

    async def sleep_until(self, due: float) -> None:
        wait = due - self._clock.time()
        if wait <= 0:
            return
        self._waits.append(due)
        self._consider_suspending()
        try:
            await self._clock.sleep(wait)
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
            if due - self._clock.time() > SUSPEND_AFTER:
                self._suspend(due)

    # ------------------------------------------------------------------ calls

    async def call(self, step: ModuleStep, path: str, attempt: int, config: Any) -> Any:
        if isinstance(step.module, Transform):
            return self.decide(path, lambda: self._transform(step, config))
        key = attempt_key(path, attempt)
        fingerprint = jsontext.fingerprint([step.module_name, config])
        if known := self._journal.effects.get(key):
            self._same(known, step, fingerprint)
            return await self._known(step, path, known)
        if record := self._journal.records.get(key):
            self._same(record, step, fingerprint)
            if record.kind == "failed":
                raise _restored(record.error)
            return _value(record.output)
        try:
            self._validate(step, config)
            effect = self._caller.effect(step, config)
            if not effect.writes:
                return await self._read(step, path, key, attempt, config, fingerprint)
            request = self._stored_request(path, attempt)
            if request is None:
                request = self._caller.prepare(step, config, self._attempt(path, attempt))
        except ModuleError as error:
            if key not in self._journal.records:
                self._fail(step, key, fingerprint, error)
            raise
        return await self._write(step, path, attempt, request, effect, fingerprint)

    def _transform(self, step: ModuleStep, config: Config) -> Any:
        self._validate(step, config)
        assert isinstance(step.module, Transform)
        return step.module.apply(config)

    def _validate(self, step: ModuleStep, config: Config) -> None:
        if not step.fixed and (fault := step.validate(config)):
            raise DataError(fault, refused=True, place=str(step.place))

    def _attempt(self, path: str, attempt: int) -> Attempt:
        warnings: list[str] = []

        def warn(message: str) -> None:
            warnings.append(message)
            self._pending[f"{path}!warnings"] = list(warnings)

        info = RunInfo(self._shown_id, self.run.scenario, attempt)
        return Attempt(str(uuid.uuid5(_KEYS, self.effect_key(path))), utc(self._clock.time()), info, warn)

    def effect_key(self, path: str) -> str:
        """The same for the same step of the same event in every run of it."""
        return f"{self.run.scenario}/{self.run.origin}/{path}"

    @staticmethod
    def _same(row: Record | EffectRecord, step: ModuleStep, fingerprint: str) -> None:
        if row.module != step.module_name or row.request_hash != fingerprint:
            raise Diverged(
                f"the journal has {row.module} with request {row.request_hash} here, "
                f"the scenario now makes {step.module_name} with request {fingerprint}"
            )

    # ------------------------------------------------------------------ reads

    async def _read(self, step: ModuleStep, path: str, key: str, attempt: int, config: Config, fingerprint: str) -> Any:
        self._faults.hit("call.before")
        output = await self._caller.call(step, config, self._attempt(path, attempt))
        self._faults.hit("call.after")
        self._record(step, key, "call", fingerprint, output=_encoded(step, output))
        return output

    def _fail(self, step: ModuleStep, key: str, fingerprint: str, error: ModuleError) -> None:
        self._record(step, key, "failed", fingerprint, error=jsontext.dumps(error.to_json()))

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
        self._journal.records[key] = record
        self._store.ride(AddRecord(record), owner=self._owner)

    # ------------------------------------------------------------------ writes

    async def _write(
        self, step: ModuleStep, path: str, attempt: int, request: Config, effect: Effect, fingerprint: str
    ) -> Any:
        self._journal.position += 1
        intent = EffectRecord(
            self.run.id,
            attempt_key(path, attempt),
            self._journal.position,
            self.effect_key(path),
            self.run.scenario,
            step.module_name,
            str(effect),
            jsontext.dumps(request),
            fingerprint,
            EffectState.INTENDED,
            self._clock.time(),
            self.run.subject,
            notes=self.take_notes(),
        )
        await self._intend(intent)
        self._journal.effects[intent.key] = intent
        self._faults.hit("effect.intended")
        info = self._attempt(path, attempt)
        try:
            output = await self._caller.call(step, request, info)
        except asyncio.CancelledError:
            cut = ModuleError("cut off before the answer came", place=str(step.place))
            self._settle(intent, EffectState.UNKNOWN, "timeout", error=cut)
            if not effect.repeatable:
                self._cut.append((path, attempt, cut))
            raise
        except ModuleError as error:
            self._faults.hit("effect.sent")
            if error.refused:
                self._settle(intent, EffectState.REFUSED, "vendor", error=error)
                raise
            self._settle(intent, EffectState.UNKNOWN, "vendor", error=error)
            return await self._unknown(step, path, self._journal.effects[intent.key], error)
        self._faults.hit("effect.sent")
        try:
            text = jsontext.dumps(output)
        except TypeError as error:
            info.warn(f"the vendor said yes, but the module's output is not JSON ({error}); it is null here")
            output, text = None, b"null"
        self._settle(intent, EffectState.DONE, "vendor", output=text)
        return output

    async def _intend(self, intent: EffectRecord) -> None:
        """Make the intent durable, and with it all that the run recorded before."""
        await self._store.put(AddEffect(intent), owner=self._owner)
        self.unconfirmed.clear()

    def _settle(
        self,
        effect: EffectRecord,
        state: EffectState,
        by: str,
        *,
        output: bytes | None = None,
        error: ModuleError | None = None,
    ) -> None:
        notes = effect.notes
        if self._pending:
            # the row keeps what its intent carried
            kept = jsontext.loads(effect.notes) if effect.notes else {}
            notes, self._pending = jsontext.dumps({**kept, **self._pending}), {}
        settled = SettleEffect(
            effect.run_id,
            effect.key,
            state,
            self._clock.time(),
            by,
            output,
            jsontext.dumps(error.to_json()) if error else None,
            notes=notes if notes is not effect.notes else None,
        )
        self._journal.effects[effect.key] = EffectRecord(
            effect.run_id,
            effect.key,
            effect.position,
            effect.effect_key,
            effect.scenario,
            effect.module,
            effect.effect,
            effect.request,
            effect.request_hash,
            state,
            effect.intended_at,
            effect.subject,
            settled.at,
            by,
            output,
            settled.error,
            notes=notes,
        )
        self.unconfirmed.append(settled)
        # without an owner: what is known of an effect counts even if the run has gone to somebody else
        self._store.ride(settled)

    def _stored_request(self, path: str, attempt: int) -> Config | None:
        """The request of the attempt before: a repeat sends what was stored, not what would be computed now."""
        before = self._journal.effects.get(attempt_key(path, attempt - 1))
        return jsontext.loads(before.request) if before else None

    # ------------------------------------------------------------------ outcomes known from before

    async def _known(self, step: ModuleStep, path: str, effect: EffectRecord) -> Any:
        if effect.state is EffectState.DONE:
            return _value(effect.output)
        if effect.state is EffectState.REFUSED:
            if effect.settled_by != "vendor":
                raise Interrupted("the attempt was settled as not applied")
            raise _restored(effect.error)
        if effect.state is EffectState.INTENDED:
            died = ModuleError("the process ended before the answer came", place=str(step.place))
            self._settle(effect, EffectState.UNKNOWN, "recovery", error=died)
            effect = self._journal.effects[effect.key]
        if effect.settled_by == "recovery" and Effect(effect.effect).repeatable:
            raise Interrupted("the process ended before the answer came; the same request is sent again")
        return await self._unknown(step, path, effect, _restored(effect.error))

    async def _unknown(self, step: ModuleStep, path: str, effect: EffectRecord, error: ModuleError) -> Any:
        """A write ended without a known outcome: ask the vendor where that is possible, else a person must."""
        if Effect(effect.effect).repeatable:
            raise error
        module = step.module
        settle_after = getattr(module, "settle_after", 0.0)
        if getattr(module, "probe", None) is None or self.verdict(path, _number(effect.key)):
            raise UnknownOutcome(error)
        await self.sleep_until((effect.settled_at or self._clock.time()) + settle_after)
        info = self._attempt(path, _number(effect.key))
        asked = Attempt(info.key, utc(effect.intended_at), info.run, info.warn)
        try:
            answer = await self._caller.probe(step, jsontext.loads(effect.request), asked)
        except ModuleError as failure:
            info.warn(f"the probe failed: {failure.message}")
            answer = ProbeResult.UNKNOWN
        if isinstance(answer, Happened):
            self._settle(effect, EffectState.DONE, "probe", output=_encoded(step, answer.output))
            return answer.output
        if answer is ProbeResult.ABSENT:
            self._settle(effect, EffectState.REFUSED, "probe", error=error)
            raise Interrupted("the vendor does not have it; it is sent again")
        raise UnknownOutcome(error)

    # ------------------------------------------------------------------ for whoever watches

    def started(self, step: Step, path: str, attempt: int) -> None:
        if self._observer is not None:
            self._observer.step_started(self.run, step, path, attempt)

    def retrying(self, step: Step, path: str, attempt: int, error: dict[str, Any], due: float) -> None:
        # a walk over the journal comes by attempts that were made long ago
        if self._observer is not None and due > self._clock.time():
            self._observer.step_retrying(self.run, step, path, attempt, error, due)

    def finished(self, step: Step, path: str, status: str, value: Any) -> None:
        if self._observer is not None:
            self._observer.step_finished(self.run, step, path, status, value)

    def cut_off(self) -> list[tuple[str, int, ModuleError]]:
        cut, self._cut = self._cut, []
        return cut


class StepContext:
    """What impure functions see in the expressions of one step."""

    __slots__ = ("_effects", "_path", "_uuids")

    def __init__(self, effects: DurableEffects, path: str) -> None:
        self._effects = effects
        self._path = path
        self._uuids = 0

    def now(self) -> str:
        return str(self._effects.decide(f"{self._path}@now", lambda: iso(self._effects.now())))

    def uuid(self) -> str:
        self._uuids += 1
        return str(uuid.uuid5(_KEYS, f"{self._effects.run.id}/{self._path}/{self._uuids}"))


def _number(key: str) -> int:
    return int(key.rpartition("#")[2])


def _value(text: bytes | None) -> Any:
    return None if text is None else jsontext.loads(text)


def _encoded(step: ModuleStep, output: Any) -> bytes:
    try:
        return jsontext.dumps(output)
    except TypeError as error:
        raise DataError(f"the output of {step.module_name} is not JSON: {error}", place=str(step.place)) from None


def _restored(text: bytes | None) -> ModuleError:
    """The error that a row holds."""
    data = _value(text) or {}
    kind = STANDARD_TYPES.get(data.get("type", ""), ModuleError)
    return kind(
        data.get("message", "failed"),
        refused=data.get("refused", False),
        status=data.get("status"),
        retry_after=data.get("retry_after"),
        detail=data.get("detail"),
        place=data.get("place"),
        hint=data.get("hint"),
    )
