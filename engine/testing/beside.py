"""What is beside a scenario's file, and the play that it makes for the crash test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.runtime.project import CONNECTIONS, SETTINGS
from engine.scenario.plan import Polling, Scenario, Scheduled
from engine.testing.crash import Play
from engine.testing.harness import Harness

#: holds a JSON list of events, delivered one after another; every other file holds one event
SEVERAL = "events.json"


def events_beside(file: Path) -> list[Path]:
    """The files with events for a scenario, in the order of their names.

    Beside ``NAME.yaml`` these are ``NAME.event.json``, ``NAME.*.event.json`` and ``NAME.events.json``; a scenario that
    is alone in its folder also has ``event.json``, ``events.json``, every ``*.event.json`` there, and what is in the
    folder ``events``.
    """
    others = [
        path
        for path in (*file.parent.glob("*.yaml"), *file.parent.glob("*.yml"))
        if path.name not in (file.name, SETTINGS, CONNECTIONS) and not path.stem.endswith(".test")
    ]

    def belongs(path: Path) -> bool:
        named = path.name.endswith((".event.json", f".{SEVERAL}"))
        if named and path.name.startswith(f"{file.stem}."):
            return True
        return not others and (named or path.name in ("event.json", SEVERAL))

    inside = [] if others else file.parent.joinpath("events").glob("*.json")
    return [*sorted(filter(belongs, file.parent.glob("*.json"))), *sorted(inside)]


def several(path: Path) -> bool:
    """Whether a file holds a list of events, and not one."""
    return path.name == SEVERAL or path.name.endswith(f".{SEVERAL}")


def play_of(plan: Scenario, events: Sequence[Any], new: Callable[[], Harness]) -> Play | None:
    """The play of a scenario; None where nothing starts it.

    Without events a polling trigger is swept, a schedule has its next moment, and what is started by hand is started
    where its inputs have defaults. The events of what is started by hand are its inputs.
    """
    if plan.trigger is None:
        required = any(field.required for field in plan.inputs.fields)
        starts = list(events) or ([] if required else [{}])
        return Play(new, starts=starts) if starts else None
    if events:
        return Play(new, events)
    if isinstance(plan.trigger, Polling):
        return Play(new, polls=True)
    if isinstance(plan.trigger, Scheduled):
        return Play(new, ticks=True)
    return None
