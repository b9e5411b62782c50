"""What a person may say of a run, and what that changes in the store. Whoever executes the store then goes on."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from engine.runtime.batches import items_of, said
from engine.runtime.elsewhere import settle_others
from engine.runtime.journal import DIFFERS, attempt_key, from_key, verdict_key
from engine.runtime.outcomes import Hold
from engine.runtime.states import FINAL, Event, State, sources, target
from engine.sdk import jsontext
from engine.sdk.errors import EngineError, LostOwnership
from engine.sdk.modules import Effect
from engine.store.changes import AddRecord, Change, MoveRun, OnlyRun, SettleEffect, SetVersion, StillHeld
from engine.store.ids import read, show
from engine.store.interface import Store
from engine.store.records import EffectFilter, EffectRecord, EffectState, Record, Run
from engine.store.waits import CloseWaits

#: who has the word when a schedule lets a held run go on
SCHEDULE = "schedule"

#: holds that are about one call, so that a word settles that call
ABOUT_A_CALL = ("unknown", "failed", "authorization", "undo", DIFFERS)


class Choice(StrEnum):
    """How a held run goes on."""

    #: it happened (with the output that the step would have given)
    HAPPENED = "happened"
    #: it did not happen: send it again
    AGAIN = "again"
    #: leave the step out; its output is null
    SKIP = "skip"
    #: another run made the write with another request: go on with what that one gave
    REUSE = "reuse"
    #: end the run as failed
    GIVE_UP = "give-up"


class CommandRefused(EngineError):
    """A run cannot be resumed, retried or cancelled as it is now."""

    code = "command-refused"


class NotTogether(CommandRefused):
    """A write of unknown outcome is repeated by nothing but a person's word on that one run."""

    code = "not-together"


class Word(NamedTuple):
    """What is said of a run.

    :param by: who decided; kept, as is the reason.
    :param apart: said of this one run by a person who looked at it. A word on many runs at once, or a schedule's, never
        repeats a write of unknown outcome, and does not say that one was refused.
    :param version: the scenario version under which the run goes on; None: the one that it has.
    :param automatic: a schedule's.
    :param items: of a batch, keys or places of the items that are meant; none: all whose outcome is not known.
    """

    choice: Choice
    output: Any = None
    reason: str = ""
    by: str = ""
    apart: bool = True
    version: str | None = None
    automatic: bool = False
    items: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As the journal keeps it."""
        said: dict[str, Any] = {
            "choice": str(self.choice),
            "output": self.output,
            "reason": self.reason,
            "by": self.by,
        }
        said |= {"version": self.version} if self.version else {}
        return said | ({"automatic": True} if self.automatic else {})


def choices(hold: Mapping[str, Any]) -> tuple[Choice, ...]:
    """What makes sense for a hold."""
    if hold["code"] == DIFFERS:
        return (Choice.REUSE, Choice.AGAIN, Choice.HAPPENED, Choice.SKIP, Choice.GIVE_UP)
    if about_a_call(hold):
        return tuple(choice for choice in Choice if choice is not Choice.REUSE)
    if hold["code"] == "event-gone":
        return (Choice.GIVE_UP,)
    return (Choice.AGAIN, Choice.GIVE_UP)


def about_a_call(hold: Mapping[str, Any]) -> bool:
    """Whether a word on the hold settles a call."""
    return bool(hold["step"]) and hold["code"] in ABOUT_A_CALL


def holds_of(run: Run) -> list[dict[str, Any]]:
    """Why a run is held."""
    return jsontext.loads(run.hold) if run.hold else []


async def resume(
    store: Store,
    run_id: int,
    choice: Choice,
    now: float,
    *,
    output: Any = None,
    reason: str = "",
    by: str = "",
    step: str | None = None,
    version: str | None = None,
    items: Sequence[str] = (),
) -> Run:
    """Settle a held run's step, and let the run go on.

    :param step: which of several held steps; may be left out where there is one.
    :param by: who decided; kept, as is the reason.
    :param version: see ``Word``; likewise ``items``. A run of which items stay unknown is held again.
    :raises CommandRefused: the run is not held, or it is not clear which step is meant.
    """
    run = await held_run(store, run_id)
    word = Word(choice, output, reason, by, version=version, items=tuple(items))
    state = await settle(store, run, [] if choice is Choice.GIVE_UP else [_hold(run, step)], word, now)
    return run._replace(state=state)


async def settle(store: Store, run: Run, holds: Sequence[Mapping[str, Any]], word: Word, now: float) -> State:
    """Say a word on some of a run's holds, in one transaction that is refused when the run is held otherwise by now.

    :return: the state that the run has now: one that goes on may be ``blocked``, as its lane has no place.
    :raises CommandRefused: the word makes no sense for one of the holds.
    """
    still = StillHeld(run.id, run.hold)
    if word.choice is Choice.GIVE_UP:
        error = {"code": "given-up", "message": word.reason or "given up", "by": word.by}
        move = _move(run, Event.GIVE_UP, now, result=jsontext.dumps({"error": error}))
        return await _put(store, run, move, still, CloseWaits(run.id, now))
    changes = await _verdicts(store, run, holds, word, now)
    return await _put(store, run, _move(run, Event.RESUME, now), still, *changes)


async def retry(
    store: Store, run_id: int, now: float, *, reason: str = "", by: str = "", version: str | None = None
) -> Run:
    """Let a failed run go on from the step that failed; what was done before is not done again."""
    run = await found(store, run_id)
    state = await try_again(store, run, Word(Choice.AGAIN, None, reason, by, version=version), now)
    return run._replace(state=state)


async def try_again(store: Store, run: Run, word: Word, now: float) -> State:
    """Let a failed run go on; gives the state that it has now. Raises ``CommandRefused``."""
    *changes, move = await tried_again(store, run, word, now)
    assert isinstance(move, MoveRun)
    return await _put(store, run, move, *changes)


async def tried_again(store: Store, run: Run, word: Word, now: float) -> list[Change]:
    """What lets a failed run go on, its move at the end. Raises ``CommandRefused``."""
    result = jsontext.loads(run.result) if run.result else {}
    error = result.get("error") or {}
    if run.state != "failed" or error.get("code") in ("stopped", "given-up") or not error.get("step"):
        raise CommandRefused(f"run {show(run.id)} is {run.state} and has no failed step to try again")
    if result.get("rolled_back"):
        raise CommandRefused(
            f"run {show(run.id)} was rolled back: what it had done is undone",
            hint="its event must come anew: let the vendor send it again, or give it to `engine run`",
        )
    hold = Hold("failed", "", error["step"], error.get("attempt", 0)).to_json()
    changes = await _verdicts(store, run, [hold], word, now)
    # of the runs of one event only one does anything
    alone = OnlyRun(run.id, sources(Event.RETRY), tuple(FINAL))
    return [alone, *changes, _move(run, Event.RETRY, now)]


async def cancel(store: Store, run_id: int, now: float, *, reason: str = "", by: str = "") -> Run:
    """End a run that does not run now, whatever it waits for."""
    run = await found(store, run_id)
    return run._replace(state=await end(store, run, now, reason=reason, by=by))


async def end(store: Store, run: Run, now: float, *, reason: str, by: str) -> State:
    """Cancel a run; gives the state that it has now. Raises ``CommandRefused``."""
    error = {"code": "cancelled", "message": reason or "cancelled", "by": by}
    cancelled = _move(run, Event.CANCEL, now, result=jsontext.dumps({"error": error}))
    return await _put(store, run, cancelled, CloseWaits(run.id, now))


async def found(store: Store, run_id: int) -> Run:
    """The run. Raises ``CommandRefused``: there is none."""
    run = await store.run(run_id)
    if run is None:
        raise CommandRefused(f"there is no run {show(run_id)}", hint="list them with `engine runs`")
    return run


async def held_run(store: Store, run_id: int) -> Run:
    """The held run. Raises ``CommandRefused``: there is none, or it is not held."""
    run = await found(store, run_id)
    if run.state != "held":
        raise CommandRefused(f"run {show(run_id)} is {run.state}, not held", hint=f"`engine runs show {show(run_id)}`")
    return run


def _hold(run: Run, step: str | None) -> dict[str, Any]:
    holds = holds_of(run)
    fitting = [hold for hold in holds if step is None or hold["step"] == step]
    if len(fitting) != 1:
        steps = ", ".join(hold["step"] or hold["code"] for hold in holds)
        raise CommandRefused(f"run {show(run.id)} is held at: {steps}", hint="say which with --step")
    return fitting[0]


async def _verdicts(store: Store, run: Run, holds: Sequence[Mapping[str, Any]], word: Word, now: float) -> list[Change]:
    [past] = await store.pasts([run])
    records, effects = past.records, {row.key: row for row in past.effects}
    rows: Sequence[Record | EffectRecord] = [*records, *effects.values()]
    position = max((row.position for row in rows), default=0)
    keys = {row.key for row in records}
    if word.choice is Choice.REUSE:
        word = await _reused(store, run, holds, word)
    text = jsontext.dumps(word.to_json())
    changes: list[Change] = []
    for hold in holds:
        if word.choice not in choices(hold):
            raise CommandRefused(
                f"run {show(run.id)} is held as '{hold['code']}', which is about no single call",
                hint="choose --send-again to let it go on, or --give-up"
                if Choice.AGAIN in choices(hold)
                else "choose --give-up",
            )
        # a word that is about no call is kept under no path, so that no call takes it for its own
        path, attempt = (hold["step"], hold["attempt"]) if about_a_call(hold) else ("", 0)
        effect = effects.get(attempt_key(path, attempt))
        if not word.apart:
            _refuse_unknown(run, hold, effect, word.choice)
        key = next(key for n in itertools.count() if (key := verdict_key(path, attempt, n)) not in keys)
        keys.add(key)
        position += 1
        record = Record(run.id, key, position, "settled", now, output=text)
        settled = {Choice.AGAIN: EffectState.REFUSED, Choice.HAPPENED: EffectState.DONE}.get(word.choice)
        if word.items:
            _one_by_one(run, word, effect)
        if not (settled and word.apart and effect is not None and effect.state in ("unknown", "intended")):
            changes.append(AddRecord(record))
        else:
            output = jsontext.dumps(word.output) if settled is EffectState.DONE else None
            if items_of(effect):
                settled, output = said(effect, word.choice, word.output, word.by, word.items)
                record = record._replace(output=jsontext.dumps({**word.to_json(), "noted": True}))
            changes.append(AddRecord(record))
            who = f"person:{word.by}"
            changes.append(SettleEffect(run.id, effect.key, settled, now, who, output, reason=word.reason or None))
            if effect.notes and from_key(effect.key) in jsontext.loads(effect.notes):
                changes += await settle_others(store, effect, settled, now, who, output)
    if word.version:
        changes.append(SetVersion(run.id, word.version))
    return changes


def _one_by_one(run: Run, word: Word, effect: EffectRecord | None) -> None:
    """Raise ``CommandRefused`` where a word cannot be about single items."""
    hint = f"`engine runs show {show(run.id)}`"
    if word.choice not in (Choice.HAPPENED, Choice.AGAIN):
        raise CommandRefused("of single items it is said that they happened, or that they be sent again", hint=hint)
    if effect is None or effect.state not in ("unknown", "intended") or not items_of(effect):
        raise CommandRefused(f"run {show(run.id)} is held for no item whose outcome is not known", hint=hint)
    try:
        said(effect, word.choice, None, word.by, word.items)
    except LookupError as wrong:
        raise CommandRefused(f"run {show(run.id)}: {wrong.args[0]}", hint=hint) from None


async def _reused(store: Store, run: Run, holds: Sequence[Mapping[str, Any]], word: Word) -> Word:
    """The word that the write happened, with the output that the other run has of it."""
    for hold in holds:
        if Choice.REUSE not in choices(hold):
            raise CommandRefused(
                f"run {show(run.id)} is held as '{hold['code']}': there is no other run's output to take",
                hint="say what happened with --happened and --output",
            )
    [hold] = holds
    record = next(r for r in await store.records(run.id) if r.key == attempt_key(hold["step"], hold["attempt"]))
    about = (jsontext.loads(record.output) if record.output else None) or {}
    other = await store.effects(EffectFilter(run_id=read(about["run"]))) if about.get("run") else []
    effect = next((row for row in other if row.key == about.get("key")), None)
    if effect is None or effect.state is not EffectState.DONE:
        raise CommandRefused(
            f"run {show(run.id)}: what the other run did is not in the store, or its outcome is not known",
            hint="say what happened with --happened and --output",
        )
    output = jsontext.loads(effect.output) if effect.output else None
    return word._replace(choice=Choice.HAPPENED, output=output)


def _refuse_unknown(run: Run, hold: Mapping[str, Any], effect: EffectRecord | None, choice: Choice) -> None:
    """No word on many runs repeats what may have happened."""
    unknown = effect is not None and effect.state in ("unknown", "intended") and not Effect(effect.effect).repeatable
    if choice is Choice.AGAIN and hold["code"] == DIFFERS:
        raise NotTogether(
            f"run {show(run.id)}: another run made {hold['step']} with another request, so it is not sent here",
            hint=f"look at both, then say it of this one run: `engine runs show {show(run.id)}`",
        )
    if choice is Choice.AGAIN and (unknown or (hold["code"] == "unknown")):
        raise NotTogether(
            f"run {show(run.id)}: whether the vendor applied {hold['step']} is not known, so it is not sent again",
            hint=f"look there, then say it of this one run: `engine runs show {show(run.id)}`",
        )


def _move(run: Run, event: Event, now: float, *, result: bytes | None = None) -> MoveRun:
    ended = event in (Event.GIVE_UP, Event.CANCEL)
    return MoveRun(run.id, sources(event), target(event), now, result=result, ended=ended)


async def _put(store: Store, run: Run, move: MoveRun, *changes: Change) -> State:
    """Move a run, with all that must go along or not at all."""
    try:
        fate = await store.put(*changes, move)
    except LostOwnership as lost:
        why = lost.message if "is not alone" in lost.message else f"run {show(run.id)} is {run.state}"
        raise CommandRefused(f"{why}; that cannot be done to it", hint=f"`engine runs show {show(run.id)}`") from None
    return State.BLOCKED if run.id in fate.blocked else State(move.state)
