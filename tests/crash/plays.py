"""What the crash suite plays: every shipped scenario, and its own, which use what the language has."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

from engine import plugins
from engine.runtime.project import Project
from engine.testing import Harness, SimulatedHarness
from engine.testing.crash import Play

TOP = Path(__file__).parents[2]
OWN = Path(__file__).parent / "scenarios"
FILES = {
    file.parent.name: file for folder in (TOP / "scenarios", OWN) for file in sorted(folder.glob("*/scenario.yaml"))
}


@cache
def registry() -> plugins.Registry:
    """What is installed."""
    return plugins.load(Project.find(TOP / "scenarios").modules_folder)


def play(name: str, make: Callable[..., Harness] = SimulatedHarness) -> Play:
    """The play of a scenario: what is beside it, an event or a list of them; or else its polling trigger is swept."""
    file = FILES[name]
    source = file.read_text("utf-8")
    event = file.parent / "event.json"
    several = file.parent / "events.json"
    events = [json.loads(event.read_text("utf-8"))] if event.exists() else []
    events += json.loads(several.read_text("utf-8")) if several.exists() else []
    return Play(lambda: make([source], registry=registry()), events, polls=not events)
