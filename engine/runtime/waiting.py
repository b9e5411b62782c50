"""What a run that does not run now waits for, as far as the store knows."""

from __future__ import annotations

from typing import Any

from engine.runtime.states import FINAL, State
from engine.store.calls import Called, CallsBy
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.records import Run
from engine.store.waits import WaitState

_AT_REST = frozenset({State.HELD, State.WAITING, *FINAL})


async def waits_for(store: Store, run: Run) -> dict[str, Any] | None:
    """What must come to pass before the run goes on; None: it runs, or is over.

    :return: ``for`` (``turn``, ``lane``, ``events``, ``time``, ``answer``, ``person``), and ``until`` where that is a
        moment; for a lane its ``key``, its ``places``, and the run that holds one: ``behind``, and ``behind_state``;
        for an answer the runs that it called and waits for: ``runs``, with ``step``, ``run``, ``scenario``, ``state``.
    """
    match run.state:
        case State.QUEUED:
            return {"for": "turn"}
        case State.BLOCKED:
            return {"for": "lane", **await _lane(store, run)}
        case State.GATHERING:
            return {"for": "events", "until": run.due_at}
        case State.SLEEPING:
            return {"for": "time", "until": run.due_at}
        case State.WAITING:
            return {"for": "answer", "until": run.due_at, "runs": [_called(call) for call in await awaited(store, run)]}
        case State.HELD:
            return {"for": "person", "until": run.due_at}
    return None


async def awaited(store: Store, run: Run) -> list[Called]:
    """The runs that a run has called and waits for now."""
    waits = await store.waits.of_run(run.id)
    keys = {wait.key for wait in waits if wait.kind == "call" and wait.state is WaitState.OPEN}
    made = await store.ask(CallsBy(run.id)) if keys else ()
    # who waited for a run that was replayed waits for the replay
    return [called for called in made if called.call.key in keys and called.call.awaited]


def _called(called: Called) -> dict[str, Any]:
    step = called.call.key.rpartition("#")[0]
    return {"step": step, "run": show(called.call.run_id), "scenario": called.scenario, "state": called.state}


async def rests(store: Store, run: Run) -> bool:
    """Whether nothing here moves the run on: it is over, or held, or waits for an answer, or is behind such a one, or
    has called such a one."""
    if run.state == State.WAITING:
        below = [await store.run(called.call.run_id) for called in await awaited(store, run)]
        return all([await rests(store, one) for one in below if one is not None])
    state = (await _lane(store, run)).get("behind_state") if run.state == State.BLOCKED else run.state
    return state in _AT_REST


async def _lane(store: Store, run: Run) -> dict[str, Any]:
    place = await store.lane(run.id)
    if place is None:
        return {}
    first = await store.lane_holder(place.lane)
    other = None if first is None else await store.run(first.run_id)
    behind = {} if other is None else {"behind": show(other.id), "behind_state": str(other.state)}
    return {"key": place.lane, "places": place.most, **behind}
