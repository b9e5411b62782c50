"""What a person may say of a run, and what that changes in the store. Whoever executes the store then goes on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from engine.runtime.journal import verdict_key
from engine.runtime.states import Event, sources, target
from engine.sdk import jsontext
from engine.sdk.errors import EngineError, LostOwnership
from engine.store.changes import AddRecord, Change, MoveRun, SettleEffect
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.records import EffectFilter, EffectRecord, EffectState, Record, Run


class Choice(StrEnum):
    """How a held run goes on."""

    #: it happened (with the output that the step would have given)
    HAPPENED = "happened"
    #: it did not happen: send it again
    AGAIN = "again"
    #: leave the step out; its output is null
    SKIP = "skip"
    #: end the run as failed
    GIVE_UP = "give-up"


class CommandRefused(EngineError):
    """A run cannot be resumed, retried or cancelled as it is now."""

    code = "command-refused"


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
) -> Run:
    """Settle a held run's step, and let the run go on.

    :param step: which of several held steps; may be left out where there is one.
    :param by: who decided; kept, as is the reason.
    :raises CommandRefused: the run is not held, or it is not clear which step is meant.
    """
    run = await _run(store, run_id)
    if run.state != "held":
        raise CommandRefused(f"run {show(run_id)} is {run.state}, not held", hint=f"`engine runs show {show(run_id)}`")
    if choice is Choice.GIVE_UP:
        error = {"code": "given-up", "message": reason or "given up", "by": by}
        move = _move(run, Event.GIVE_UP, now, result=jsontext.dumps({"error": error}))
        await _put(store, run, move)
        return run
    hold = _hold(run, step)
    changes: list[Change] = []
    path, attempt = hold["step"], hold["attempt"]
    if path and hold["code"] in ("unknown", "failed"):
        word = {"choice": str(choice), "output": output, "reason": reason, "by": by}
        changes += await _verdict(store, run, path, attempt, word, now)
    elif choice is not Choice.AGAIN:
        raise CommandRefused(
            f"run {show(run_id)} is held as '{hold['code']}', which is about no single call",
            hint="choose --send-again to let it go on, or --give-up",
        )
    await _put(store, run, *changes, _move(run, Event.RESUME, now))
    return run


async def retry(store: Store, run_id: int, now: float, *, reason: str = "", by: str = "") -> Run:
    """Let a failed run go on from the step that failed; what was done before is not done again."""
    run = await _run(store, run_id)
    error = (jsontext.loads(run.result) if run.result else {}).get("error", {})
    path = error.get("step")
    if run.state != "failed" or error.get("code") in ("stopped", "given-up") or not path:
        raise CommandRefused(f"run {show(run_id)} is {run.state} and has no failed step to try again")
    word = {"choice": str(Choice.AGAIN), "output": None, "reason": reason, "by": by}
    changes = await _verdict(store, run, path, error.get("attempt", 0), word, now)
    await _put(store, run, *changes, _move(run, Event.RETRY, now))
    return run


async def cancel(store: Store, run_id: int, now: float, *, reason: str = "", by: str = "") -> Run:
    """End a run that is queued, sleeping or held."""
    run = await _run(store, run_id)
    error = {"code": "cancelled", "message": reason or "cancelled", "by": by}
    await _put(store, run, _move(run, Event.CANCEL, now, result=jsontext.dumps({"error": error})))
    return run


async def _run(store: Store, run_id: int) -> Run:
    run = await store.run(run_id)
    if run is None:
        raise CommandRefused(f"there is no run {show(run_id)}", hint="list them with `engine runs`")
    return run


def _hold(run: Run, step: str | None) -> dict[str, Any]:
    holds: list[dict[str, Any]] = jsontext.loads(run.hold) if run.hold else []
    fitting = [hold for hold in holds if step is None or hold["step"] == step]
    if len(fitting) != 1:
        steps = ", ".join(hold["step"] or hold["code"] for hold in holds)
        raise CommandRefused(f"run {show(run.id)} is held at: {steps}", hint="say which with --step")
    return fitting[0]


async def _verdict(store: Store, run: Run, path: str, attempt: int, word: dict[str, Any], now: float) -> list[Change]:
    records = await store.records(run.id)
    effects = await store.effects(EffectFilter(run_id=run.id))
    rows: Sequence[Record | EffectRecord] = [*records, *effects]
    position = max((row.position for row in rows), default=0) + 1
    keys = {row.key for row in records}
    key = next(key for n in itertools.count() if (key := verdict_key(path, attempt, n)) not in keys)
    changes: list[Change] = [AddRecord(Record(run.id, key, position, "settled", now, output=jsontext.dumps(word)))]
    settled = {Choice.AGAIN: EffectState.REFUSED, Choice.HAPPENED: EffectState.DONE}.get(Choice(word["choice"]))
    unknown = [e for e in effects if e.key == f"{path}#{attempt}" and e.state in ("unknown", "intended")]
    if settled and unknown:
        output = jsontext.dumps(word["output"]) if settled is EffectState.DONE else None
        who = f"person:{word['by']}"
        changes.append(SettleEffect(run.id, unknown[0].key, settled, now, who, output, reason=word["reason"] or None))
    return changes


def _move(run: Run, event: Event, now: float, *, result: bytes | None = None) -> MoveRun:
    ended = event in (Event.GIVE_UP, Event.CANCEL)
    return MoveRun(run.id, sources(event), target(event), now, result=result, ended=ended)


async def _put(store: Store, run: Run, *changes: Change) -> None:
    try:
        await store.put(*changes)
    except LostOwnership:
        raise CommandRefused(
            f"run {show(run.id)} is {run.state}; that cannot be done to it", hint=f"`engine runs show {show(run.id)}`"
        ) from None
