"""Replays: a new run of an event to which a run has answered before.

The new run and the old one answer to the same event, so their writes have the same effect keys: what one has made the
other takes over. That holds as long as only one of them does anything, so a replay is made when all runs of the event
are over, and one that is held is ended by it, in one transaction. From then on each of them looks for what the others
did before it makes a write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.runtime.back import ROLLBACK
from engine.runtime.catalog import Catalog
from engine.runtime.commands import CommandRefused, found
from engine.runtime.eventkeys import event_keys
from engine.runtime.journal import REPLAY, REPLAY_KEY, REPLAYED, replayed_key
from engine.runtime.rundata import EventGone, past_data
from engine.runtime.states import FINAL, Event, State, sources, target
from engine.runtime.taken import Start, Taken, names, owned, take
from engine.scenario.expressions import ExpressionError
from engine.scenario.inside import every
from engine.scenario.plan import Scenario
from engine.sdk import jsontext
from engine.sdk.clock import Clock
from engine.sdk.errors import EngineError, LostOwnership
from engine.sdk.faults import NO_FAULTS, Faults
from engine.store.calls import AddCall, CallsBy, CallsOf
from engine.store.changes import (
    AddDelivery,
    AddEffect,
    AddReceipt,
    AddRecord,
    AddRun,
    AddVersion,
    Change,
    MoveRun,
    OnlyRun,
    StillHeld,
)
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.records import EffectRecord, EffectState, Page, Record, Run, RunFilter
from engine.store.waits import CloseWaits

#: runs of one delivery that are looked at: a page of a poll has thousands
MOST = 100_000

_UNFINISHED = {
    State.QUEUED: "it begins when the engine executes this store",
    State.RUNNING: "wait until it is over",
    State.BLOCKED: "it waits for its turn; wait, or end it with `engine runs cancel`",
    State.GATHERING: "it waits for more events; wait, or end it with `engine runs cancel`",
    State.SLEEPING: "it goes on by itself; wait, or end it with `engine runs cancel`",
    State.WAITING: "answer what it waits for, or end it with `engine runs cancel`",
    State.HELD: "settle it with `engine runs resume`, or replay that one",
}


class NotReplayable(CommandRefused):
    """A run cannot be replayed as it is."""

    code = "not-replayable"


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay that was made.

    :param scenarios: those that have a run more in the queue for it.
    :param warnings: what a person should know of it.
    """

    run: Run
    scenarios: tuple[str, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for.

    :param start: path of the step from which everything is done anew; None: from the beginning.
    :param current: under the scenario's current file, otherwise under the version that the run had.
    :param by: who wants it; kept, as is the reason.
    """

    start: str | None = None
    current: bool = True
    reason: str = ""
    by: str = ""


async def replay(
    store: Store,
    catalog: Catalog,
    clock: Clock,
    run_id: int,
    wanted: Wanted,
    *,
    epoch: int,
    faults: Faults = NO_FAULTS,
) -> Replay:
    """Make a replay of a run; whoever executes the store takes it from there.

    :raises NotReplayable: and nothing was changed.
    """
    old = await found(store, run_id)
    await _refuse_unfinished(store, old)
    plan = await _plan(catalog, old, wanted)
    [past] = await store.pasts([old])
    rows: list[Record | EffectRecord] = sorted([*past.records, *past.effects], key=lambda row: row.position)
    now = clock.time()
    run = old._replace(
        id=store.new_id(),
        version=plan.version,
        state=State.QUEUED,
        epoch=epoch,
        created_at=now,
        started_at=None,
        ended_at=None,
        due_at=None,
        recoveries=0,
        hold=None,
        result=None,
        notes=None,
    )
    try:
        data = past_data(run, past, plan)
        lane = event_keys(plan, data, None, now, simulated=old.simulated).lane
    except EventGone as error:
        raise NotReplayable(error.message, hint="its event was pruned; nothing is left to run it on") from None
    except ExpressionError as error:
        raise NotReplayable(f"the event has no place in its line: {error.message}", place=error.place) from None
    taken = owned(_taken(old, rows, plan, wanted), run.id, run.subject)
    root = next((_root(row) for row in rows if isinstance(row, Record) and row.kind == REPLAY), None) or show(old.id)
    said = {"of": show(old.id), "root": root, "from": wanted.start, "reason": wanted.reason, "by": wanted.by}
    notes = jsontext.dumps(taken.notes) if taken.notes else None
    made = Record(run.id, REPLAY_KEY, 0, REPLAY, now, output=jsontext.dumps(said), notes=notes)
    last = max((row.position for row in rows), default=0)
    told = Record(old.id, replayed_key(run.id), last + 1, REPLAYED, now, output=jsontext.dumps({"as": show(run.id)}))
    call = (await store.ask(CallsOf([old.id]))).get(old.id)
    waits = call is not None and call.awaited and old.state == State.HELD
    changes: list[Change] = [
        OnlyRun(old.id, (old.state,), tuple(FINAL)),
        # who waits for a run that is held waits for its replay then
        *([AddCall(call._replace(awaited=False), now)] if call is not None else ()),
        *_ended(old, run, wanted, now),
        AddRecord(told),
        AddRun(run, lane._replace(busy="queue") if lane is not None else None),
        *([AddCall(call._replace(run_id=run.id, awaited=waits), now)] if call is not None else ()),
        AddRecord(made),
        *(AddRecord(row) for row in taken.records),
        *(AddEffect(row) for row in taken.effects),
    ]
    faults.hit("run.replaying")
    try:
        fate = await store.put(*changes)
    except LostOwnership as lost:
        raise NotReplayable(lost.message, hint="look at them with `engine runs`, and try again") from None
    faults.hit("run.replayed")
    if run.id in fate.blocked:
        run = run._replace(state=State.BLOCKED)
    return Replay(run, (run.scenario, *fate.released), tuple(_warnings(past.effects, plan)))


def _ended(old: Run, run: Run, wanted: Wanted, now: float) -> Sequence[Change]:
    """A run that is held ends with its replay, or both would go on."""
    if old.state != State.HELD:
        return ()
    error = {"code": "replayed", "message": f"replayed as run {show(run.id)}", "by": wanted.by}
    result = jsontext.dumps({"error": error})
    move = MoveRun(old.id, sources(Event.CANCEL), target(Event.CANCEL), now, result=result, ended=True)
    return (StillHeld(old.id, old.hold), move, CloseWaits(old.id, now))


async def _refuse_unfinished(store: Store, old: Run) -> None:
    if old.state not in (*FINAL, State.HELD):
        raise NotReplayable(f"run {show(old.id)} is {old.state}, so it is not over", hint=_UNFINISHED[State(old.state)])
    for run in await of_event(store, old):
        if run.id != old.id and run.state not in FINAL:
            raise NotReplayable(
                f"run {show(run.id)} of the same event is {run.state}", hint=_UNFINISHED[State(run.state)]
            )
        if run.result and jsontext.loads(run.result).get("rolled_back"):
            raise NotReplayable(
                f"run {show(run.id)} was rolled back: what it had done is undone",
                hint="its event must come anew: let the vendor send it again, or give it to `engine run`",
            )
    if old.state == State.HELD and await _goes_back(store, old):
        raise NotReplayable(f"run {show(old.id)} is being rolled back", hint="settle it first: `engine runs resume`")


async def _goes_back(store: Store, run: Run) -> bool:
    rows = await store.records(run.id)
    return any(ROLLBACK in jsontext.loads(notes) for notes in (*(row.notes for row in rows), run.notes) if notes)


async def of_event(store: Store, run: Run) -> list[Run]:
    """All runs of the event that a run answers to, the newest first; the run itself among them."""
    wanted = RunFilter(None, run.scenario, None, run.receipt_id, Page(MOST))
    return [other for other in await store.runs(wanted) if other.origin == run.origin]


async def _plan(catalog: Catalog, old: Run, wanted: Wanted) -> Scenario:
    if not wanted.current:
        try:
            return await catalog.plan(old.scenario, old.version)
        except EngineError as error:
            raise NotReplayable(error.message, hint="replay it under the current file: --version current") from None
    plan = catalog.current(old.scenario)
    if plan is None:
        raise NotReplayable(
            f"scenario '{old.scenario}' is not loaded, so there is no current file",
            hint="put its file back, or replay the run under the version that it had: --version same",
        )
    return plan


def _taken(old: Run, rows: Sequence[Record | EffectRecord], plan: Scenario, wanted: Wanted) -> Taken:
    same = plan.version == old.version
    if wanted.start is None:
        return take(old, rows, None, same=same)
    start = Start(plan, wanted.start)
    if not start.found:
        known = ", ".join(names(plan)) or "none that has an id"
        raise NotReplayable(f"scenario '{plan.name}' has no step '{wanted.start}'", hint=f"its steps: {known}")
    taken = take(old, rows, start, same=same)
    if not taken.reached:
        raise NotReplayable(
            f"run {show(old.id)} never came to '{wanted.start}', so what comes before it is not known",
            hint="name an earlier step, or leave --from out",
        )
    return taken


def _root(row: Record) -> str | None:
    root: str | None = ((jsontext.loads(row.output) if row.output else None) or {}).get("root")
    return root


def _warnings(effects: Sequence[EffectRecord], plan: Scenario) -> list[str]:
    """Writes that the run made and that no step of the plan is known by."""
    ids = {name for step in every(plan.steps, plan.on_failure) for name in (step.id, step.path)}
    gone = dict.fromkeys(
        (path, effect.module)
        for effect in effects
        if effect.state is not EffectState.REFUSED
        and (path := effect.key.rpartition("#")[0]).rpartition("/")[2] not in ids
    )
    return [
        f"{path}: it made {module} there, and the current file has no such step; under another id it is made again"
        for path, module in gone
    ]


def links(records: Sequence[Record]) -> dict[str, object]:
    """What a run's journal tells of replays: of which run it is one, and as which runs it was replayed."""
    found_: dict[str, object] = {"replay_of": None, "replayed_as": []}
    for row in records:
        if row.kind == REPLAY:
            found_["replay_of"] = (jsontext.loads(row.output) if row.output else None) or {"of": None}
    found_["replayed_as"] = [show(replay_of(row)) for row in records if row.kind == REPLAYED]
    return found_


def replay_of(row: Record) -> int:
    """The run that a row of kind ``replayed`` tells of; known from its key, which erasing leaves."""
    return int(row.key.rpartition("#")[2])


async def lend(store: Store, run_id: int, to: Store, now: float) -> None:
    """Give another store, which is empty, all that a replay of a run needs.

    :raises CommandRefused: there is no such run.
    """
    run = await found(store, run_id)
    runs = await of_event(store, run)
    changes: list[Change] = []
    for other, past in zip(runs, await store.pasts(runs), strict=True):
        if other.id == run.id:
            changes += [AddReceipt(past.receipt)] if past.receipt is not None else []
            changes += [AddDelivery(past.delivery)] if past.delivery is not None else []
        changes.append(AddRun(other))
        changes += [AddRecord(row) for row in past.records]
        changes += [AddEffect(row) for row in past.effects]
        # one that goes on is no affair of a store in which it has nothing
        for called in await store.ask(CallsBy(other.id)):
            child = await store.run(called.call.run_id) if called.state in FINAL else None
            changes += [AddRun(child), AddCall(called.call._replace(awaited=False), now)] if child is not None else []
    source = await store.version(run.version)
    if source is not None:
        changes.append(AddVersion(run.version, run.scenario, source, now))
    await to.put(*changes)
