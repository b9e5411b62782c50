"""Any HTTP API: make a request, watch a webhook."""

from __future__ import annotations

from engine import App, hookimpl
from modules.http.assumptions import ASSUMPTIONS
from modules.http.connection import CONNECTION
from modules.http.requests import MAKE_REQUEST
from modules.http.simulator import HttpSimulator
from modules.http.webhooks import WATCH_WEBHOOK


@hookimpl
def engine_apps() -> App:
    return App(
        name="http",
        title="HTTP",
        description="Any HTTP API that has no app of its own.",
        modules=(WATCH_WEBHOOK, MAKE_REQUEST),
        connections=(CONNECTION,),
        simulator=HttpSimulator,
        assumptions=ASSUMPTIONS,
    )
