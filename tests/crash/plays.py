"""What the crash suite plays: every shipped scenario, and its own, which use what the language has."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from engine import plugins
from engine.runtime.project import Project
from engine.testing import Harness, SimulatedHarness
from engine.testing.beside import events_beside, play_of, several
from engine.testing.crash import Play
from tests.crash import desk

TOP = Path(__file__).parents[2]
OWN = Path(__file__).parent / "scenarios"
FILES = {
    file.parent.name: file for folder in (TOP / "scenarios", OWN) for file in sorted(folder.glob("*/scenario.yaml"))
}
#: scenarios whose vendors cannot count for another process, and why; they die in this process only
UNSEEN = {
    "csv-to-loyalty": "its files are written by whoever runs, and no server is told of which run a row is",
    "daily-digest": "its mail goes to a server that is not told of which run it is",
    "orders-to-warehouse": "its simulated database is no server that is told of which run a statement is",
}


@cache
def registry() -> plugins.Registry:
    """What is installed."""
    found = plugins.load(Project.find(TOP / "scenarios").modules_folder)
    found.add(desk.APP, "tests")
    return found


def play(name: str, make: Callable[..., Harness] = SimulatedHarness) -> Play:
    """The play of a scenario, by what is beside it."""
    file = FILES[name]
    called = sorted(file.parent.glob("callees/*.yaml"))
    sources = [path.read_text("utf-8") for path in (file, *called)]
    events: list[Any] = []
    for path in events_beside(file):
        found = json.loads(path.read_text("utf-8"))
        events += found if several(path) else [found]
    # what a shipped scenario reads lies in its project
    project = Project.find(file.parent) if file.is_relative_to(TOP / "scenarios") else None

    def new() -> Harness:
        return make(sources, registry=registry(), project=project)

    own = play_of(new().plans[0], events, new)
    assert own is not None
    return replace(own, prods=[desk.say_what_happened], counts=desk.counts) if name == "batched" else own
