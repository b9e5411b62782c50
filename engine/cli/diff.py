"""``engine runs diff``: two runs side by side."""

from __future__ import annotations

from collections.abc import Iterator

import click

from engine.cli.acting import look_up
from engine.cli.aio import run_async
from engine.cli.console import bold, coloured, dim, excerpt, print_json, width
from engine.cli.options import Id, data_option, json_option
from engine.cli.session import Session
from engine.cli.workspace import Workspace
from engine.runtime.diff import Diff, Difference, side_json
from engine.runtime.diff import diff as compare
from engine.store.ids import show
from engine.store.records import Run


@click.command(epilog="\b\nExample:\n  engine runs diff 01j9z6t3k4m5n 01j9z6t3k4m7q")
@click.argument("first", type=Id(), metavar="A")
@click.argument("second", type=Id(), metavar="B")
@json_option
@data_option
@click.pass_obj
def diff(session: Session, first: int, second: int) -> None:
    """Compare two runs step by step: what was asked, what came back, which way each went, where they part."""
    workspace = Workspace.of(session)
    a, b, found = run_async(_compare(workspace, first, second))
    if session.as_json:
        steps = [
            {"path": s.path, "same": s.same, "first": side_json(s.first), "second": side_json(s.second)}
            for s in found.steps
        ]
        print_json({"first": show(a.id), "second": show(b.id), "parted": found.parted, "steps": steps})
        return
    click.echo("\n".join(_lines(a, b, found)))


async def _compare(workspace: Workspace, first: int, second: int) -> tuple[Run, Run, Diff]:
    a, b = await look_up(workspace, first), await look_up(workspace, second)
    async with workspace.store() as store:
        return a, b, await compare(store, a, b, workspace.redactor)


def _lines(a: Run, b: Run, found: Diff) -> Iterator[str]:
    for mark, run in (("-", a), ("+", b)):
        yield f"{mark} run {bold(show(run.id))}  {run.scenario}  {coloured(run.state)}  version {run.version[:8]}"
    yield ""
    for step in found.steps:
        if step.same:
            yield dim(f"  = {step.path}")
        else:
            yield from _parted(step)
    yield ""
    yield f"they part at {bold(found.parted)}" if found.parted else "they are alike in every step"


def _parted(step: Difference) -> Iterator[str]:
    yield f"  ≠ {bold(step.path)}  {step.first.module or step.second.module or ''}".rstrip()
    if step.first.state is None or step.second.state is None:
        mark, colour, side = ("-", "red", step.first) if step.second.state is None else ("+", "green", step.second)
        yield click.style(f"      {mark} only here: {side.state}", fg=colour)
    for name in ("state", "request", "output", "error"):
        before, after = getattr(step.first, name), getattr(step.second, name)
        if before == after or (name == "state" and None in (before, after)):
            continue
        room = width() - 20
        if before is not None:
            yield click.style(f"      - {name:<8} {excerpt(before, room)}", fg="red")
        if after is not None:
            yield click.style(f"      + {name:<8} {excerpt(after, room)}", fg="green")
