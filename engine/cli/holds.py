"""Why a run is held, and the commands that let it go on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.cli.console import bold, dim, moment
from engine.cli.workspace import Workspace
from engine.runtime.commands import Choice, about_a_call, choices
from engine.runtime.items import is_outcome
from engine.runtime.redact import Redactor

_MEANING = {
    Choice.REUSE: ("--reuse", "send nothing: go on with what the other run's request gave"),
    Choice.HAPPENED: (
        "--happened --output null",
        "it happened: go on; in place of null, the output that later steps use",
    ),
    Choice.AGAIN: ("--send-again", "it did not happen: send it again"),
    Choice.SKIP: ("--skip", "leave the step out; its output is null"),
}
#: of a batch, where only the items that are not settled are meant
_OF_ITEMS = {
    Choice.HAPPENED: (
        "--happened --output null",
        "these items happened: go on; in place of null, the output of each, or a list with one for each",
    ),
    Choice.AGAIN: ("--send-again", "they did not happen: send them again, and nothing else"),
    Choice.SKIP: ("--skip", "leave them as they are, and go on"),
}
_ANYWAY = ("--send-again", "send this request too")
_AGAIN = ("--send-again", "let the run go on from there")
_END = ("--give-up", "end the run as failed")


def commands(workspace: Workspace, run: str, holds: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Every command that is possible now, and what it does."""
    found: list[tuple[str, str]] = []
    for hold in holds:
        which = ["--step", hold["step"]] if len(holds) > 1 and hold["step"] else []
        for choice in choices(hold):
            if choice is Choice.GIVE_UP:
                continue
            meanings = _OF_ITEMS if is_outcome((hold.get("error") or {}).get("detail")) else _MEANING
            option, meaning = meanings[choice] if about_a_call(hold) else _AGAIN
            if hold["code"] == "differs" and choice is Choice.AGAIN:
                option, meaning = _ANYWAY
            found.append((workspace.command("runs", "resume", run, *which, *option.split()), meaning))
        if one := _one_of_several(hold):
            words = (*_OF_ITEMS[Choice.HAPPENED][0].split(), "--item", one)
            found.append(
                (workspace.command("runs", "resume", run, *which, *words), "of single items; with --send-again too")
            )
        if hold["code"] in ("diverged", "version-unavailable"):
            words = (*_AGAIN[0].split(), "--version", "current")
            found.append(
                (workspace.command("runs", "resume", run, *words), "go on under the scenario's file as it is now")
            )
    option, meaning = _END
    return [*found, (workspace.command("runs", "resume", run, option), meaning)]


def _one_of_several(hold: Mapping[str, Any]) -> str | None:
    """How the first of several items is called whose outcome is not known."""
    detail: Any = (hold.get("error") or {}).get("detail")
    if hold["code"] != "unknown" or not is_outcome(detail) or detail["unknown"] < 2:
        return None
    first = next((item for item in detail["items"] if item["state"] == "unknown"), None)
    return first and str(first["key"] or first["index"])


def explain(
    workspace: Workspace, run: str, holds: Sequence[Mapping[str, Any]], redactor: Redactor, indent: str = "  "
) -> Iterable[str]:
    """Lines that say why a run is held and what can be done."""
    for hold in holds:
        where = f"at {bold(hold['step'])} " if hold["step"] else ""
        yield f"{indent}held {where}as '{hold['code']}': {redactor.text(str(hold['message']))}"
        if place := (hold.get("error") or {}).get("place") or hold.get("place"):
            yield f"{indent}  in {place}"
        if hold.get("due_at"):
            yield f"{indent}  tried again by itself {moment(hold['due_at'])}, try {hold['tries'] + 1} of {hold['of']}"
        elif hold.get("of"):
            yield f"{indent}  its schedule has tried it {hold['of']} times; it stays for a person now"
    if any(hold["code"] == "unknown" for hold in holds):
        yield f"{indent}whether the vendor applied it is not known: look there, then say how the run goes on"
    for command, meaning in commands(workspace, run, holds):
        yield f"{indent}  {command}   {dim('# ' + meaning)}"


def awaited(waits: Mapping[str, Any]) -> str:
    """What a run waits for, in a few words."""
    match waits["for"]:
        case "lane":
            after = f" behind run {waits['behind']}, which is {waits['behind_state']}" if waits.get("behind") else ""
            return f"its turn{after}"
        case "events":
            return f"more events of its key, until {moment(waits['until'])} at the latest"
        case "time":
            return moment(waits["until"])
        case "answer":
            return f"an answer, until {moment(waits['until'])}" if waits["until"] is not None else "an answer"
    return "its turn"


def behind(workspace: Workspace, waits: Mapping[str, Any], indent: str = "  ") -> Iterable[str]:
    """Lines that say which run the place is taken by, and what can be done."""
    if waits.get("behind"):
        place = "a place" if waits["places"] > 1 else "the place"
        yield f"{indent}run {waits['behind']}, which is {waits['behind_state']}, has {place} of '{waits['key']}'"
        yield f"{indent}  {workspace.command('runs', 'show', waits['behind'])}"
