"""The engine's log: write an entry."""

from __future__ import annotations

from engine import App, hookimpl
from modules.log.entries import WRITE_ENTRY


@hookimpl
def engine_apps() -> App:
    return App(
        name="log",
        title="Log",
        description="Lines on the engine's own log. Nothing leaves the machine.",
        modules=(WRITE_ENTRY,),
    )
