"""One run calls another scenario: its run is started once, waited for without memory, and its end is the step's.

The called run is stored in the transaction of the caller's journal row; the row is why no crash and no replay starts a
second one. That the called run has ended, and the answer to the caller, is one transaction too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.runtime.commands import Choice, Word, tried_again
from engine.runtime.effects import CallReply
from engine.runtime.elsewhere import Differs
from engine.runtime.journal import DIFFERS, Journal, attempt_key
from engine.runtime.open_waits import WAITING, OpenWaits
from engine.runtime.outcomes import Diverged, Hold, MustHold, StepFailed
from engine.runtime.scope import Scope
from engine.scenario.durations import show_duration
from engine.scenario.plan import CallStep
from engine.sdk import errors, jsontext
from engine.sdk.errors import EngineError, LostOwnership, StoreError
from engine.sdk.faults import Faults
from engine.store import ids
from engine.store.calls import ENDED, SKIPPED, AddCall, Call, CallsBy, CallsOf, CallUnder, answer_of
from engine.store.changes import AddRecord, Change
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.records import EffectFilter, EffectState, Record, Run
from engine.store.waits import OpenWait, Wait, WaitState

if TYPE_CHECKING:
    from engine.runtime.callees import Callees
    from engine.runtime.durable import DurableEffects
    from engine.runtime.intake import Start
    from engine.runtime.interpreter import Interpreter

#: kinds of the journal row of a call that is not waited for, and of one that could not be made
STARTED, REFUSED = "call", "failed"
#: how often a called run is looked at anew because somebody else has moved it meanwhile
TRIES = 5


class Prepared(NamedTuple):
    """A run that is to be started, or goes on.

    :param changes: what makes it so.
    :param start: of a new run; None: it was made before.
    """

    run_id: int
    scenario: str
    depth: int
    root: int
    changes: list[Change]
    start: Start | None = None


class Known(NamedTuple):
    """The journal row of a call whose run is gone, as an earlier run of the event has it."""

    kind: str
    about: Mapping[str, Any]


class CallFailed(EngineError):
    """The run of another scenario that a step has started has failed, or was cancelled. ``detail`` tells how."""

    code = "call-failed"


class CallSkipped(EngineError):
    """The called scenario made no run: another one has the place, and its ``mode`` is ``skip``."""

    code = "call-skipped"


class CallNotAgain(EngineError):
    """A call is tried again, and its run can neither go on nor be made anew: what it did would be done twice."""

    code = "call-not-again"


async def call_scenario(walk: Interpreter, step: CallStep, path: str, loop: str, scope: Scope) -> Any:
    """Walk a step that calls a scenario: what the called run gave, or which run was started."""
    effects = walk.effects
    given = step.given.evaluate(scope.names, effects.context(path))
    try:
        reply = await effects.call_scenario(step, path, given)
    except Diverged as other:
        raise MustHold(Hold("diverged", str(other), path, place=str(step.place))) from None
    if reply.error is None:
        return reply.output
    word = effects.verdict(path, reply.attempt)
    if word is not None:
        return word.output
    if reply.error["code"] == DIFFERS:
        error = {**reply.error, "place": str(step.place)}
        raise MustHold(Hold("differs", error["message"], path, reply.attempt, error, place=error["place"]))
    if reply.late and step.on_timeout is not None:
        await walk.steps(step.on_timeout, loop, path[len(loop) :] + "/", scope)
        return None
    raise StepFailed(path, {**reply.error, "place": str(step.place)}, reply.attempt)


class OpenCalls:
    """The calls of one run in memory."""

    def __init__(
        self,
        effects: DurableEffects,
        journal: Journal,
        store: Store,
        faults: Faults,
        waits: OpenWaits,
        callees: Callees | None,
    ) -> None:
        self._effects = effects
        self._journal = journal
        self._store = store
        self._faults = faults
        self._waits = waits
        self._callees = callees

    async def call(self, step: CallStep, path: str, given: Any) -> CallReply:
        """See ``Effects.call_scenario``."""
        attempt, record = self._latest(path)
        key = attempt_key(path, attempt)
        module, fingerprint = f"call:{step.scenario}", jsontext.fingerprint([step.scenario, given])
        if record is not None:
            if (record.module, record.request_hash) != (module, fingerprint) and (
                record.module != module or record.position >= self._journal.switched
            ):
                message = f"the journal has {record.module} here, the scenario now calls '{step.scenario}'"
                raise Diverged(message + ("" if record.module != module else " with other inputs"))
        else:

            async def begin() -> Record:
                return await self._begin(step, path, attempt, given, fingerprint)

            record = await (self._waits.through(key, begin) if step.wait else begin())
        if record.kind == WAITING:
            record = await self._waits.through(key)
        return reply_of(step.scenario, step.limit, attempt, record)

    def called(self, step: CallStep, path: str) -> CallReply | None:
        """See ``Effects.called``."""
        attempt, record = self._latest(path)
        if record is None:
            return None
        if record.kind == WAITING:
            self._waits.leave(attempt_key(path, attempt), record)
            return None
        return reply_of(step.scenario, step.limit, attempt, record)

    def _latest(self, path: str) -> tuple[int, Record | None]:
        """The last attempt, or the one to be made: a person may let a call be tried again that failed."""
        attempt = 1
        while (record := self._journal.records.get(attempt_key(path, attempt))) is not None:
            word = self._effects.verdict(path, attempt)
            if record.kind != WaitState.CLOSED and not (word is not None and word.choice == "again"):
                break
            attempt += 1
        return attempt, record

    # ------------------------------------------------------------------ beginning

    async def _begin(self, step: CallStep, path: str, attempt: int, given: Any, fingerprint: str) -> Record:
        effects, key = self._effects, attempt_key(path, attempt)
        effects.doing = path
        effects.sizes.room(path, step.place)
        self._faults.hit("run.calling")
        record: Record | None = None
        left = TRIES
        while True:
            try:
                prepared = await self._prepared(step, path, attempt, given, fingerprint)
            except (LostOwnership, StoreError):
                raise
            except EngineError as error:
                record = self._record(record, key, REFUSED, step, fingerprint, None)
                record = record._replace(error=jsontext.dumps(error.to_json()))
                self._journal.records[key] = record
                self._store.ride(AddRecord(record), owner=effects.owner)
                return record
            if isinstance(prepared, Known):
                record = self._record(record, key, prepared.kind, step, fingerprint, prepared.about)
                self._store.ride(AddRecord(record), owner=effects.owner)
                return record
            now, run = effects.now(), effects.run
            due = now + step.limit if step.wait and step.limit is not None else None
            about: dict[str, Any] = {"run": show(prepared.run_id), "scenario": step.scenario}
            if step.wait:
                about |= {"for": "call", "name": step.scenario, "due": due}
            record = self._record(record, key, WAITING if step.wait else STARTED, step, fingerprint, about)
            changes: list[Change] = [*prepared.changes, AddRecord(record)]
            if step.wait:
                detail = jsontext.dumps({"run": show(prepared.run_id)})
                kind = (run.scenario, run.simulated)
                wait = Wait(run.id, key, "call", step.scenario, "", WaitState.OPEN, *kind, now, due, detail=detail)
                changes.append(OpenWait(wait))
            under = (effects.effect_key(path), fingerprint)
            call = Call(prepared.run_id, run.id, key, step.wait, prepared.depth, prepared.root, *under)
            changes.append(AddCall(call, now))
            try:
                fate = await self._store.put(*changes, owner=effects.owner)
            except LostOwnership:
                # was it the called run that somebody else has moved, or has this one lost its owner?
                left -= 1
                if prepared.start is not None or not left or not await self._mine():
                    raise
                continue
            self._faults.hit("run.called")
            assert self._callees is not None
            self._callees.begin(prepared, fate)
            if not step.wait and fate.redirected and prepared.start is not None:
                text = answer_of(prepared.run_id, SKIPPED, None)
                record = self._journal.records[key] = record._replace(kind=WaitState.ANSWERED.value, output=text)
            return record

    def _record(
        self,
        before: Record | None,
        key: str,
        kind: str,
        step: CallStep,
        fingerprint: str,
        output: Mapping[str, Any] | None,
    ) -> Record:
        record = before if before is not None else self._effects.new_record(key, kind, output)
        text = None if output is None else jsontext.dumps(output)
        record = record._replace(kind=kind, module=f"call:{step.scenario}", request_hash=fingerprint, output=text)
        self._journal.records[key] = record
        return record

    async def _mine(self) -> bool:
        stored = await self._store.run(self._effects.run.id)
        return stored is not None and (stored.state, stored.epoch) == ("running", self._effects.run.epoch)

    async def _prepared(
        self, step: CallStep, path: str, attempt: int, given: Any, fingerprint: str
    ) -> Prepared | Known:
        if self._callees is None:
            raise NotImplementedError("runs cannot be started here")
        effects, before = self._effects, await self._before(step, path, attempt, fingerprint)
        if before is not None:
            child = await self._store.run(before.run_id)
            if child is None:
                return await self._left(step, before)
            changes = await self._again(child) if step.wait else []
            if changes is not None:
                return Prepared(child.id, child.scenario, before.depth, before.root, changes)
        return await self._callees.prepare(effects.run, step, given, effects.effect_key(path))

    async def _left(self, step: CallStep, call: Call) -> Known:
        """What a called run gave that is not in the store any more. Raises ``CallNotAgain``: that is not known."""
        if not step.wait:
            return Known(STARTED, {"run": show(call.run_id), "scenario": step.scenario})
        rows = await self._store.records(call.caller_id)
        row = next((row for row in rows if row.key == call.key and row.kind == WaitState.ANSWERED), None)
        about = jsontext.loads(row.output) if row is not None and row.output else None
        if about is None or about.get("state") != "succeeded":
            message = f"run {show(call.run_id)} of '{step.scenario}' is not in the store any more"
            raise CallNotAgain(message, hint=_SAY)
        return Known(WaitState.ANSWERED.value, about)

    async def _before(self, step: CallStep, path: str, attempt: int, fingerprint: str) -> Call | None:
        """The call that was made before: by an earlier attempt, or by another run of the same event."""
        record = self._journal.records.get(attempt_key(path, attempt - 1))
        if record is not None and record.output:
            run_id = jsontext.loads(record.output).get("run")
            if run_id is None or _state(record) == SKIPPED:
                return None
            call = (await self._store.ask(CallsOf([ids.read(run_id)]))).get(ids.read(run_id))
            if call is None:
                raise CallNotAgain(f"run {run_id} of '{step.scenario}' is not in the store any more", hint=_SAY)
            # it may have been replayed meanwhile
            last = await self._store.ask(CallUnder(call.effect_key))
            return last if last is not None and last.request_hash == call.request_hash else call
        if record is not None and jsontext.loads(record.error or b"{}").get("code") == DIFFERS:
            # a person has said that it is called as well
            return None
        call = await self._store.ask(CallUnder(self._effects.effect_key(path)))
        if call is not None and call.request_hash != fingerprint:
            raise Differs(
                f"run {show(call.caller_id)} of the same event called run {show(call.run_id)} here, with another "
                "scenario or with other inputs; nothing was started",
                hint="look at both, then say whether this one is started as well",
            )
        return call

    async def _again(self, child: Run) -> list[Change] | None:
        """What lets the run of an earlier attempt go on, so that nothing of it is done twice; None: make a new one."""
        if child.state not in ENDED or child.state == "succeeded":
            return []
        result = jsontext.loads(child.result) if child.result else {}
        error = result.get("error") or {}
        over = child.state == "cancelled" or error.get("code") in ("stopped", "given-up") or not error.get("step")
        if not over and not result.get("rolled_back"):
            word = Word(Choice.AGAIN, None, "its caller is tried again", f"run:{show(self._effects.run.id)}")
            return await tried_again(self._store, child, word, self._effects.now())
        effects = await self._store.effects(EffectFilter(run_id=child.id))
        done = any(effect.state is not EffectState.REFUSED for effect in effects)
        called = await self._store.ask(CallsBy(child.id))
        if result.get("rolled_back") or not (done or called):
            return None
        message = (
            f"run {show(child.id)} of '{child.scenario}' is {child.state}, cannot go on, and has written something"
        )
        raise CallNotAgain(message, hint=_SAY)


_SAY = "say what it gave with `engine runs resume … --happened --output JSON`, or let the event come anew"


def _state(record: Record) -> str | None:
    found: str | None = jsontext.loads(record.output or b"{}").get("state")
    return found


def reply_of(scenario: str, limit: float | None, attempt: int, record: Record) -> CallReply:
    """What a call came to, by its journal row."""
    if record.kind == REFUSED:
        return CallReply(attempt, None, jsontext.loads(record.error or b"{}"))
    about = jsontext.loads(record.output or b"{}")
    if record.kind == STARTED:
        return CallReply(attempt, {"run": about["run"], "scenario": about["scenario"]})
    if record.kind == WaitState.TIMED_OUT:
        message = f"run {about['run']} of '{scenario}' had not ended within {show_duration(limit or 0)}; it goes on"
        hint = f"see `engine runs show {about['run']}`"
        return CallReply(attempt, None, errors.TimeoutError(message, hint=hint).to_json(), late=True)
    state, result = about.get("state"), about.get("result") or {}
    if state == "succeeded":
        return CallReply(attempt, result.get("output"))
    if state == SKIPPED:
        message = f"'{scenario}' made no run: another one has the place, and its `mode` is skip"
        return CallReply(attempt, None, CallSkipped(message).to_json())
    cause = result.get("error") or {}
    word = "was cancelled" if state == "cancelled" else "failed"
    message = f"run {about.get('run')} of '{scenario}' {word}: {cause.get('message')}"
    error = CallFailed(message, hint=f"see `engine runs show {about.get('run')}`").to_json()
    detail = {"run": about.get("run"), "scenario": scenario, "state": state, "error": cause}
    detail |= {"output": result.get("output")}
    return CallReply(
        attempt, None, {**error, "type": cause.get("type"), "status": cause.get("status"), "detail": detail}
    )
