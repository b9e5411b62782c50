"""Commands that change a run, where no other process executes the store: done here, and the run goes on here."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from engine.cli.aio import Signals
from engine.cli.execute import Reports, prompt_stop, settle
from engine.cli.transcript import Transcript, layout
from engine.cli.watch import Watcher
from engine.cli.workspace import Workspace
from engine.runtime.commands import CommandRefused
from engine.runtime.host import STORE_FILE, Host, Options
from engine.runtime.states import State
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.lock import ExecutorLock
from engine.store.records import EffectState, Run
from engine.store.sqlite import SqliteStore


@dataclass(frozen=True)
class Ended:
    """How runs ended that were let go on here."""

    runs: Sequence[Run]
    reports: Reports

    @property
    def fine(self) -> bool:
        return all(run.state == State.SUCCEEDED for run in self.runs)


def who() -> str:
    """The person at the keyboard, as the operating system knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


async def look_up(workspace: Workspace, run_id: int) -> Run:
    """The run. Raises ``CommandRefused``: there is none."""
    async with workspace.store() as store:
        run = await store.run(run_id)
    if run is None:
        raise CommandRefused(f"there is no run {show(run_id)}", hint="list them with `engine runs`")
    return run


async def change(workspace: Workspace, command: str, work: Callable[[Store], Awaitable[object]]) -> None:
    """Do something to the store that lets no run go on."""
    with ExecutorLock(workspace.data, clock=workspace.clock, command=command):
        store = SqliteStore(workspace.data / STORE_FILE, clock=workspace.clock, environment=workspace.environment)
        await store.open()
        try:
            await work(store)
        finally:
            await store.close()


async def go_on(
    workspace: Workspace,
    command: str,
    simulate: bool,
    work: Callable[[Host], Awaitable[Sequence[int]]],
    *,
    dry_run: bool = False,
) -> Ended:
    """Start what executes the store, do something, and follow the runs that it is about until they are at rest.

    :param work: gives the ids of those runs.
    :param dry_run: in a store in memory, and nothing is written anywhere.
    """
    registry = workspace.registry()
    plans = workspace.scenarios(registry, (), simulate=simulate, tolerant=True)
    news = asyncio.Event()
    screen = Transcript(layout(plans), err=workspace.session.as_json)
    watcher = Watcher(workspace.clock, news, screen)
    options = Options(
        data=workspace.session.data,
        simulate=simulate,
        dry_run=watcher if dry_run else None,
        observer=watcher,
        command=command,
    )
    with Signals(news) as signals:
        async with Host(workspace.project, registry, plans, options) as host, prompt_stop(host):
            watcher.redactor = await host.connections.redactor()
            ids = await work(host)
            for run_id in ids:
                watcher.known[run_id] = await _done_before(host.store, run_id)
            wanted = set(ids)
            watcher.wants = lambda run: run.id in wanted
            host.runner.wake()
            runs = await settle(host, ids, watcher, signals)
            reports = Reports(host, workspace, watcher, screen)
            for run in runs:
                await reports.show(run)
            return Ended(runs, reports)


async def _done_before(store: Store, run_id: int) -> set[str]:
    run = await store.run(run_id)
    [past] = await store.pasts([run] if run is not None else [])
    keys = [record.key for record in past.records if record.kind == "call"]
    keys += [effect.key for effect in past.effects if effect.state is EffectState.DONE]
    return {key.rpartition("#")[0] for key in keys}
