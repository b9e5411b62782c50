"""CSV, JSON and JSON Lines in a folder: read row by row, append once, replace as a whole."""

from __future__ import annotations

from engine import App, hookimpl
from modules.files.connection import CONNECTION
from modules.files.reads import READ_CSV, READ_JSON, READ_JSON_LINES
from modules.files.simulator import FilesSimulator
from modules.files.writes import APPEND_JSON_LINES, APPEND_ROWS, WRITE_JSON, WRITE_ROWS


@hookimpl
def engine_apps() -> App:
    return App(
        name="files",
        title="Files",
        description="CSV, JSON and JSON Lines in a folder: read row by row, append once, replace as a whole.",
        modules=(READ_CSV, READ_JSON_LINES, READ_JSON, APPEND_ROWS, APPEND_JSON_LINES, WRITE_ROWS, WRITE_JSON),
        connections=(CONNECTION,),
        simulator=FilesSimulator,
    )
