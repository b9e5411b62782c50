"""What a run that does not run now waits for, as far as the store knows."""

from __future__ import annotations

from typing import Any

from engine.runtime.states import FINAL, State
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.records import Run

_AT_REST = frozenset({State.HELD, State.WAITING, *FINAL})


async def waits_for(store: Store, run: Run) -> dict[str, Any] | None:
    """What must come to pass before the run goes on; None: it runs, or is over.

    :return: ``for`` (``turn``, ``lane``, ``events``, ``time``, ``answer``, ``person``), and ``until`` where that is a
        moment; for a lane its ``key``, its ``places``, and the run that holds one: ``behind``, and ``behind_state``.
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
            return {"for": "answer", "until": run.due_at}
        case State.HELD:
            return {"for": "person", "until": run.due_at}
    return None


async def rests(store: Store, run: Run) -> bool:
    """Whether nothing here moves the run on: it is over, or held, or waits for an answer, or is behind such a one."""
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
