"""A vendor in the engine's own process: so many bundles, page by page, and writes that cost nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from engine import Action, App, Call, Effect, Page, Search, hookimpl

#: where each page that is read is noted, in the folder of the process
PAGES = Path("pages.log")
_INTEGER = {"type": "integer"}


async def page(call: Call, cursor: Any) -> Page:
    begin = cursor or 0
    end = min(begin + call.config["size"], call.config["count"])
    with PAGES.open("a", encoding="utf-8") as file:  # noqa: ASYNC230 - a line in a benchmark
        file.write(f"{os.getpid()} {begin}\n")
    items = [
        {"id": number, "email": f"customer{number}@example.com", "points": number % 997, "tier": "GOLD"}
        for number in range(begin, end)
    ]
    return Page(items, end if end < call.config["count"] else None)


async def keep(call: Call) -> Any:
    return {"id": call.config["id"]}


@hookimpl
def engine_apps() -> App:
    return App(
        name="bundles",
        title="Bundles",
        modules=[
            Search(
                name="find",
                title="Find",
                description="Finds so many bundles.",
                config={"type": "object", "properties": {"count": _INTEGER, "size": _INTEGER}},
                output={"type": "array", "items": {"type": "object"}},
                page=page,
            ),
            Action(
                name="keep",
                title="Keep",
                description="Changes nothing, as a write.",
                effect=Effect.WRITE,
                config={"type": "object", "properties": {"id": _INTEGER}},
                run=keep,
            ),
        ],
    )
