"""Optimove Track & Trigger: send it events, and take Yotpo's loyalty events as it does."""

from __future__ import annotations

from engine import App, hookimpl
from modules.optimove.assumptions import ASSUMPTIONS
from modules.optimove.connection import CONNECTION
from modules.optimove.name_event import NAME_LOYALTY_EVENT
from modules.optimove.send_event import SEND_EVENT
from modules.optimove.simulator import OptimoveSimulator
from modules.optimove.watch import WATCH_EVENTS


@hookimpl
def engine_apps() -> App:
    return App(
        name="optimove",
        title="Optimove",
        description="Events for Optimove Track & Trigger, and the loyalty events that it takes from Yotpo.",
        modules=(WATCH_EVENTS, NAME_LOYALTY_EVENT, SEND_EVENT),
        connections=(CONNECTION,),
        simulator=OptimoveSimulator,
        assumptions=ASSUMPTIONS,
    )
