"""``engine store``: how large the store is, and what history may go."""

from __future__ import annotations

from dataclasses import asdict

import click

from engine.cli.acting import change
from engine.cli.aio import run_async
from engine.cli.console import counted, moment, note, print_json, table
from engine.cli.options import Duration, data_option, json_option
from engine.cli.remote import hand_over
from engine.cli.session import Session
from engine.cli.workspace import Workspace, shorten
from engine.runtime.host import STORE_FILE, load_scenarios
from engine.runtime.pruning import Pruner
from engine.scenario.plan import Keep
from engine.store.changes import Pruned
from engine.store.file import compact as compact_file
from engine.store.history import HowLarge
from engine.store.interface import Store
from engine.store.large import LargeSizes
from engine.store.lock import ExecutorLock

older_option = click.option(
    "--older-than", type=Duration(), metavar="DURATION", help="In place of what `keep` says, such as 7d."
)


@click.group(
    invoke_without_command=True,
    epilog="\b\nExamples:\n  engine store\n  engine store prune --older-than 7d\n  engine store compact",
)
@json_option
@data_option
@click.pass_context
def store(ctx: click.Context) -> None:
    """Show how large the store is, and what may go; prune or compact it."""
    if ctx.invoked_subcommand is None:
        run_async(_show(Workspace.of(ctx.ensure_object(Session))))


async def _show(workspace: Workspace) -> None:
    async with workspace.store() as kept:
        size = await kept.ask(HowLarge())
        large, large_bytes = await kept.ask(LargeSizes())
        runs = await kept.run_counts()
        deliveries = await kept.delivery_counts()
        due = await _pruner(workspace, kept).due()
    if workspace.session.as_json:
        about = {
            "file_bytes": size.file,
            "free_bytes": size.free,
            "log_bytes": size.log,
            "runs": dict(runs),
            "receipts": deliveries.get("receipts", 0),
            "versions": size.versions,
            "large_values": {"count": large, "bytes": large_bytes},
            "kept_keys": size.kept,
            "oldest_run": size.oldest_run,
            "oldest_receipt": size.oldest_receipt,
            "over": {"runs": due.runs, "deliveries": due.deliveries},
        }
        print_json(about)
        return
    rows = [
        ("file", f"{_bytes(size.file)}, {_bytes(size.free)} of it free for new rows"),
        ("log", _bytes(size.log)),
        ("runs", _since(sum(runs.values()), size.oldest_run)),
        ("receipts", _since(deliveries.get("receipts", 0), size.oldest_receipt)),
        ("scenario versions", size.versions),
        ("large values", f"{large}, {_bytes(large_bytes)}"),
        ("keys of pruned runs", ", ".join(f"{number} {kind}" for kind, number in size.kept.items()) or 0),
        ("over by now", f"{counted(due.runs, 'run')}, {due.deliveries} deliveries that made none"),
    ]
    click.echo(table(rows))


def _since(count: int, oldest: float | None) -> str:
    return f"{count}, the oldest of {moment(oldest)}" if oldest else str(count)


@store.command(epilog="\b\nExample:\n  engine store prune --older-than 7d")
@older_option
@json_option
@data_option
@click.pass_obj
def prune(session: Session, older_than: float | None) -> None:
    """Remove history that is over, now.

    The process that executes the store does this by itself. What is not at its end stays in any case.
    """
    workspace = Workspace.of(session)
    removed = Pruned()
    more, quiet = True, False
    while more:
        # part by part: no request waits for all of it
        answer = hand_over(workspace, "/api/store/prune", {"older_than": older_than}, quiet=quiet)
        quiet = True
        if answer is None:
            run_async(_alone(workspace, older_than, removed))
            break
        removed.add(Pruned(**answer["removed"]))
        more = bool(answer["more"])
    if session.as_json:
        print_json(asdict(removed))
    else:
        click.echo(f"removed: {counted(removed.runs, 'run')}, {counted(removed.receipts, 'receipt')}")


async def _alone(workspace: Workspace, older_than: float | None, removed: Pruned) -> None:
    if not (workspace.data / STORE_FILE).is_file():
        note(f"there is no store in {shorten(workspace.data)} yet: nothing was run")
        return

    async def work(kept: Store) -> None:
        removed.add(await _pruner(workspace, kept).look(older_than=older_than))

    await change(workspace, "engine store prune", work)


@store.command(epilog="\b\nExample:\n  engine store compact")
@data_option
@click.pass_obj
def compact(session: Session) -> None:
    """Write the file anew without its free pages. No process may execute the store meanwhile."""
    workspace = Workspace.of(session)
    path = workspace.data / STORE_FILE
    if not path.is_file():
        note(f"there is no store in {shorten(workspace.data)} yet: nothing was run")
        return
    with ExecutorLock(workspace.data, clock=workspace.clock, command="engine store compact"):
        before = path.stat().st_size
        compact_file(path)
    click.echo(f"{_bytes(before)} -> {_bytes(path.stat().st_size)}")


def _pruner(workspace: Workspace, kept: Store) -> Pruner:
    registry = workspace.registry()
    plans, _, _ = load_scenarios(workspace.project, registry, (), simulate=True)
    keeps: dict[str, Keep | None] = {plan.name: plan.keep for plan in plans}
    current = frozenset(plan.version for plan in plans)
    return Pruner(kept, workspace.project.settings.history, keeps.get, lambda: current, workspace.clock)


def _bytes(number: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} bytes"
