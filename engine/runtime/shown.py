"""What a person is shown of a held run: why, where, what was sent and answered, what it rests on, what can be said.

Everything is from the store, and redacted; nothing here is what a run goes on with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.runtime.commands import choices, holds_of
from engine.runtime.outcomes import HOLD_CODES
from engine.runtime.redact import Redactor
from engine.runtime.replays import links
from engine.runtime.rundata import BY_HAND, EventGone, past_event
from engine.runtime.waiting import waits_for
from engine.sdk import jsontext
from engine.store.calls import Call, CallsBy, CallsOf
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.records import EffectRecord, Past, Record, Run

#: characters of JSON above which a value of the context is cut to its beginning
LARGEST = 4000
#: what there is of a result
RESULT = ("output", "message", "error", "committed", "rolled_back", "on_failure")
#: steps whose outputs are shown, the last ones
STEPS = 30


async def shown(store: Store, run: Run, redactor: Redactor) -> dict[str, Any]:
    """A run, and of a held one its holds in full and what they could see."""
    result = jsontext.loads(run.result) if run.result else {}
    records = await store.records(run.id)
    about: dict[str, Any] = {
        "id": show(run.id),
        "scenario": run.scenario,
        "version": run.version,
        "state": str(run.state),
        "subject": run.subject,
        "simulated": run.simulated,
        "receipt": show(run.receipt_id),
        "created_at": run.created_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "due_at": run.due_at,
        "recoveries": run.recoveries,
        **links(records),
        **{name: redactor.json(result.get(name)) for name in RESULT},
        **await trace(store, run),
        "waits_for": redactor.json(await waits_for(store, run)),
    }
    if run.hold is None:
        return {**about, "holds": []}
    [past] = await store.pasts([run])
    rows: list[Record | EffectRecord] = sorted([*past.records, *past.effects], key=lambda row: row.position)
    holds = [_hold(hold, rows, redactor) for hold in holds_of(run)]
    return {**about, "holds": holds, "context": context(run, past, rows, redactor)}


async def trace(store: Store, run: Run) -> dict[str, Any]:
    """Which run called it, which it called, and with which run all that began."""
    by = (await store.ask(CallsOf([run.id]))).get(run.id)
    made = [
        {"run": show(c.call.run_id), "scenario": c.scenario, "state": c.state, "step": c.call.key.rpartition("#")[0]}
        for c in await store.ask(CallsBy(run.id))
    ]
    return {**called_by(by), "calls": made}


def called_by(call: Call | None) -> dict[str, Any]:
    """By which run a run was called, as it is shown; and with which run that began."""
    if call is None:
        return {"called_by": None, "root": None}
    step = call.key.rpartition("#")[0]
    about = {"run": show(call.caller_id), "step": step, "waits": call.awaited}
    return {"called_by": about, "root": show(call.root)}


def _hold(hold: Mapping[str, Any], rows: Sequence[Record | EffectRecord], redactor: Redactor) -> dict[str, Any]:
    error = hold.get("error") or {}
    attempts = [row for row in rows if row.key.startswith(f"{hold['step']}#") and _is_attempt(row)]
    last = next((row for row in reversed(attempts) if isinstance(row, EffectRecord)), None)
    shown_hold: dict[str, Any] = redactor.json(dict(hold))
    return {
        **shown_hold,
        "meaning": HOLD_CODES.get(hold["code"]),
        "place": error.get("place") or hold.get("place"),
        "request": _value(last.request, redactor) if last is not None else None,
        "answer": redactor.json({name: error.get(name) for name in ("status", "detail")}) if error else None,
        "attempts": [_attempt(row, redactor) for row in attempts],
        "choices": [str(choice) for choice in choices(hold)],
        "next_try": hold.get("due_at"),
    }


def _is_attempt(row: Record | EffectRecord) -> bool:
    return isinstance(row, EffectRecord) or row.kind in ("call", "failed")


def _attempt(row: Record | EffectRecord, redactor: Redactor) -> dict[str, Any]:
    error = (jsontext.loads(row.error) if row.error else None) or {}
    write = isinstance(row, EffectRecord)
    return {
        "attempt": int(row.key.rpartition("#")[2]),
        "at": row.intended_at if isinstance(row, EffectRecord) else row.at,
        "settled_at": row.settled_at if isinstance(row, EffectRecord) else row.at,
        "state": str(row.state) if isinstance(row, EffectRecord) else row.kind,
        "write": write,
        "error": redactor.text(str(error.get("message"))) if error else None,
    }


def context(run: Run, past: Past, rows: Sequence[Record | EffectRecord], redactor: Redactor) -> dict[str, Any]:
    """What the run's steps could see: its event or its inputs, and the outputs of the last steps that ended."""
    event, by_hand = None, False
    try:
        receipt, event = past_event(run, past)
        by_hand = receipt.method in BY_HAND
    except EventGone:
        pass  # pruned or erased; what is left is shown
    outputs: dict[str, Any] = {}
    for row in rows:
        if row.output is not None and (isinstance(row, EffectRecord) or row.kind == "call"):
            path = row.key.rpartition("#")[0]
            outputs.pop(path, None)
            outputs[path] = row.output
    kept = dict(list(outputs.items())[-STEPS:])
    return {
        ("inputs" if by_hand else "trigger"): bounded(redactor.json(event)),
        "steps": {path: _value(text, redactor) for path, text in kept.items()},
        "left_out": len(outputs) - len(kept),
    }


def _value(text: bytes, redactor: Redactor) -> Any:
    return bounded(redactor.json(jsontext.loads(text)))


def bounded(value: Any) -> Any:
    """The value, or where it is large the beginning of its JSON text."""
    text = jsontext.dumps(value).decode()
    return value if len(text) <= LARGEST else f"{text[:LARGEST]}… ({len(text)} characters)"
