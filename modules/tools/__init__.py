"""Tools: aggregators for texts, tables and numbers, and small helpers. Nothing leaves the machine."""

from __future__ import annotations

from engine import App, hookimpl
from modules.tools.numbers import AGGREGATE_NUMBERS
from modules.tools.table import AGGREGATE_TABLE
from modules.tools.text import AGGREGATE_TEXT, COMPOSE
from modules.tools.values import SWITCH


@hookimpl
def engine_apps() -> App:
    return App(
        name="tools",
        title="Tools",
        description="One value of many: text, table, numbers, by groups where wanted. And to compose and to choose.",
        modules=(AGGREGATE_TEXT, AGGREGATE_TABLE, AGGREGATE_NUMBERS, COMPOSE, SWITCH),
    )
