"""How the engine is: a few numbers, and what of them is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from engine.runtime.settings import Limits
from engine.runtime.silence import KIND as SILENCE
from engine.runtime.states import TIMED, State
from engine.store.alerts_rows import Waiting
from engine.store.ids import show
from engine.store.interface import Store

#: seconds for which a message that did not get through counts as wrong
FRESH = 86_400.0


async def late(store: Store, simulated: bool, now: float) -> list[Waiting]:
    """Of each way to wait for a turn, the run that does so longest: never claimed yet, or its moment has passed."""
    found = [await store.overdue(state, simulated, now) for state in (State.QUEUED, *TIMED)]
    return [run for run in (await store.oldest_queued(simulated), *found) if run is not None]


async def health(
    store: Store,
    limits: Limits,
    now: float,
    *,
    simulated: bool = False,
    unauthorized: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """What the store tells of the engine's health; ``wrong`` lists what needs somebody.

    :param simulated: which kind of runs it is about.
    :param unauthorized: connections that a person has to authorize, and why.
    """
    oldest = min(await late(store, simulated, now), key=lambda run: run.since, default=None)
    age = None if oldest is None else max(0.0, now - oldest.since)
    running = await store.oldest_in(State.RUNNING, simulated)
    counts = await store.open_counts(simulated)
    standings = [s for s in await store.standings() if s.simulated == simulated and s.raised_at is not None]
    silent = {s.scenario: s.times for s in standings if s.kind == SILENCE}
    failed = await store.failed_alert()
    wrong = []
    if age is not None and oldest is not None and age >= limits.queue_age:
        wrong.append(f"run {show(oldest.run_id)} of '{oldest.scenario}' has waited {age:.0f} s for its turn")
    if held := counts.get(State.HELD, 0):
        wrong.append(f"{held} held: `engine runs --state held`")
    wrong += [f"'{scenario}' is silent" for scenario in silent]
    wrong += [
        f"connection '{name}' is not authorized ({why}): `engine connections authorize {name}`"
        for name, why in sorted(unauthorized.items())
    ]
    if failed is not None and now - failed.last_at < FRESH:
        wrong.append(f"an alert did not reach '{failed.channel}': {failed.error}")
    return {
        "runs": {
            state: counts.get(state, 0)
            for state in ("queued", "gathering", "blocked", "running", "sleeping", "waiting", "held")
        },
        "queue_age": age,
        "oldest_running": {"run": show(running.run_id), "seconds": max(0.0, now - (running.since or now))}
        if running
        else None,
        "silent": sorted(silent),
        "unauthorized": sorted(unauthorized),
        "alert_failure": None
        if failed is None
        else {"id": show(failed.id), "channel": failed.channel, "at": failed.last_at, "error": failed.error},
        "wrong": wrong,
    }
