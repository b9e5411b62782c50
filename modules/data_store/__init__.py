"""The project's data stores: records by key that outlive runs."""

from __future__ import annotations

from engine import App, hookimpl
from modules.data_store.reads import COUNT, EXISTS, GET, SEARCH
from modules.data_store.writes import COMPARE_AND_SET, DELETE, INCREMENT, PUT, UPDATE


@hookimpl
def engine_apps() -> App:
    return App(
        name="data_store",
        title="Data Store",
        description="Records by key that outlive runs. The stores are declared in engine.yaml.",
        modules=(GET, EXISTS, SEARCH, COUNT, PUT, UPDATE, INCREMENT, COMPARE_AND_SET, DELETE),
    )
