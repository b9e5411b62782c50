"""What runs wait for, in words and as JSON."""

from __future__ import annotations

from typing import Any

from engine.cli.console import excerpt, moment
from engine.cli.workspace import Workspace
from engine.runtime import answers
from engine.sdk import jsontext
from engine.store.ids import show
from engine.store.waits import Wait


def wait_json(wait: Wait) -> dict[str, Any]:
    """A wait as ``--json`` shows it."""
    detail = jsontext.loads(wait.detail) if wait.detail else {}
    called = {"called": detail.get("run")} if wait.kind == "call" else {}
    return {
        "run": show(wait.run_id),
        "scenario": wait.scenario,
        "simulated": wait.simulated,
        "step": answers.path_of(wait),
        "for": wait.kind,
        "name": wait.name,
        "key": (wait.match or None) if wait.kind == "signal" else None,
        "state": str(wait.state),
        "opened_at": wait.opened_at,
        "due_at": wait.due_at,
        "asked": detail.get("text"),
        "link": detail.get("link"),
        **called,
    }


def describe(about: dict[str, Any], workspace: Workspace) -> str:
    """What a run waits for, until when, and how it is answered."""
    until = f" until {moment(about['due_at'])}" if about["due_at"] is not None else ""
    head = f"waits at {about['step']}{until} for "
    if about["for"] == "signal":
        key = ["--key", about["key"]] if about["key"] else []
        return f"{head}signal '{about['name']}': {workspace.command('signal', about['name'], *key)}"
    if about["for"] == "approval":
        command = workspace.command("approve", about["run"], "--step", about["step"], "--yes")
        return f"{head}an answer to {excerpt(about['asked'] or '', 80)!r}: {command}"
    if about["for"] == "call":
        return f"{head}run {about['called']} of '{about['name']}': {workspace.command('runs', 'show', about['called'])}"
    return f"{head}an event at webhook '{about['name']}'"
