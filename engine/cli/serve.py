"""``engine serve``: all scenarios of a project."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import click

from engine.cli import firing
from engine.cli.aio import Signals, run_async
from engine.cli.console import coloured, counted, dim, excerpt, note, table, took
from engine.cli.execute import prompt_stop
from engine.cli.failures import Finished
from engine.cli.options import data_option, listen_options, simulate_option, verbose_option
from engine.cli.session import Session
from engine.cli.workspace import Workspace, refuse, shorten
from engine.plugins import Registry
from engine.runtime.attaching import attachable, shown
from engine.runtime.effects import Progress
from engine.runtime.host import Host, Loaded, Options
from engine.runtime.outcomes import Failed, Held, Outcome, Sleeping, Succeeded
from engine.runtime.redact import Redactor
from engine.runtime.reload import Reloader, Taken
from engine.scenario.durations import show_duration
from engine.scenario.plan import ModuleStep, Polling, Scenario, Scheduled, Step
from engine.sdk.clock import Clock
from engine.sdk.errors import EngineError
from engine.server.service import Service
from engine.store.ids import show
from engine.store.records import Run

#: new objects, and collections of the younger generation, after which the garbage collector looks: Python's own
#: numbers are for programs that hold less for a moment than a few hundred runs do
COLLECT_AFTER = (10_000, 20, 20)
#: seconds for which lines about runs that ended are gathered
GATHER = 0.05


@click.command(
    epilog="\b\nExamples:\n"
    "  engine serve --public-url https://hooks.example.com\n"
    "  engine serve scenarios/loyalty --simulate"
)
@click.argument("paths", type=click.Path(exists=True, path_type=Path), nargs=-1, metavar="[PATH]...")
@simulate_option
@click.option("--quiet", "-q", is_flag=True, help="No line for each run that ends.")
@click.option("--no-reload", is_flag=True, help="Take over changed files only by `engine reload` or SIGHUP.")
@data_option
@listen_options
@verbose_option
@click.pass_obj
def serve(
    session: Session,
    paths: tuple[Path, ...],
    simulate: bool,
    quiet: bool,
    no_reload: bool,
    host: str | None,
    port: int | None,
    public_url: str | None,
) -> None:
    """Serve all scenarios of a project.

    Takes events at the scenarios' URLs, runs what they start, and goes on with what waits in the store, until Ctrl-C.
    When any scenario has a mistake, all mistakes are shown and nothing is served.

    Files that are changed meanwhile are checked, and taken over in one step; while one has a mistake, what was served
    goes on. Runs keep the version that they began with.
    """
    begun = time.time()
    workspace = Workspace.of(session, paths[0] if paths else None)
    registry = workspace.registry()
    loaded = workspace.loaded(registry, paths, simulate=simulate)
    plans = loaded.scenarios
    if not plans:
        raise refuse(
            "no-scenario", "there is no scenario to serve", "name a file or folder, or write scenarios/NAME.yaml"
        )
    listen = (host, port, public_url)
    how = _Watching([path.resolve() for path in paths], begun, by_itself=not no_reload)
    run_async(_serve(workspace, registry, loaded, simulate, quiet, listen, how))
    raise Finished(fine=True)


class _Watching(NamedTuple):
    """How changed files are taken over.

    :param paths: what is served; none: all of the project.
    :param since: when the files were begun to be read.
    :param by_itself: otherwise only when it is asked for.
    """

    paths: Sequence[Path]
    since: float
    by_itself: bool


async def _serve(
    workspace: Workspace,
    registry: Registry,
    loaded: Loaded,
    simulate: bool,
    quiet: bool,
    listen: tuple[str | None, int | None, str | None],
    how: _Watching,
) -> None:
    plans = loaded.scenarios
    address, port, public_url = listen
    news = asyncio.Event()
    ticker = None if quiet else Ticker(workspace.clock)
    options = Options(data=workspace.session.data, simulate=simulate, observer=ticker, command="engine serve")
    try:
        by_hand = asyncio.Event()

        def hear() -> None:
            by_hand.set()
            news.set()

        with Signals(news, hear) as signals:
            async with (
                Host(workspace.project, registry, plans, options, called=loaded.called) as host,
                prompt_stop(host),
            ):
                if ticker is not None:
                    ticker.redactor = await host.connections.redactor()
                # whoever asks for any free port has another project on the usual ones
                admin_port = 0 if port == 0 else None
                async with (
                    Service(host, address=address, port=port, public_url=public_url, admin_port=admin_port) as service,
                    _reloading(host, service, how) as reloader,
                ):
                    _announce(host, service, plans, simulate)
                    _settle_memory()
                    while not signals.stopping:
                        news.clear()
                        if by_hand.is_set():
                            by_hand.clear()
                            with suppress(EngineError):  # it is told, and what was served goes on
                                await reloader.reload()
                            continue
                        await news.wait()
    finally:
        # however it ends: the runs have come to rest, and what they came to is told
        if ticker is not None:
            with suppress(OSError):
                ticker.flush()


@asynccontextmanager
async def _reloading(host: Host, service: Service, how: _Watching) -> AsyncIterator[Reloader]:
    """Take over changed files in here."""

    def told(taken: Taken) -> None:
        note(f"changed files are taken: {taken}")
        fresh = {*taken.added, *taken.changed}
        for hook in host.webhooks.hooks.values():
            for plan in hook.listeners:
                if plan.name in fresh and any(until is None for until in hook.tokens.values()):
                    note(f"  {_listener(plan)}  {service.url(hook)}")

    reloader = Reloader(host, how.paths, shorten, told)
    await reloader.open(how.since)
    host.reloading = reloader
    if how.by_itself:
        reloader.watch()
    try:
        yield reloader
    finally:
        host.reloading = None
        await reloader.stop()


def _settle_memory() -> None:
    """Take what was loaded out of the garbage collector's sight: it stays, and looking through it costs each run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _announce(host: Host, service: Service, plans: list[Scenario], simulate: bool) -> None:
    rows = []
    for hook in host.webhooks.hooks.values():
        live = any(until is None for until in hook.tokens.values())
        if live and (hook.listeners or hook.name in host.project.settings.webhooks):
            rows.append((hook.name, ", ".join(_listener(plan) for plan in hook.listeners), service.url(hook)))
    for plan in plans:
        if isinstance(plan.trigger, Polling):
            about = f"polls {plan.trigger.module_name} every {show_duration(plan.trigger.every)}"
            rows.append(("-", _listener(plan), about if plan.active else "not polled"))
        elif isinstance(plan.trigger, Scheduled):
            fires = f"fires {firing.shown(plan.trigger, host.timekeeper.coming(plan.name, 1))}" if plan.active else ""
            rows.append(("-", _listener(plan), fires or "not kept"))
    if rows:
        click.echo(table(rows, ("webhook", "scenarios", "URL")))
    if not simulate:
        for hook in host.webhooks.hooks.values():
            if hook.listeners and attachable(hook, service.url(hook)):
                note(f"the vendor was not told this URL: `engine webhooks attach {shown(hook)}` does, or do it by hand")
    started_by_hand = [plan.name for plan in plans if plan.trigger is None]
    if started_by_hand:
        note(dim(f"without trigger, started by `engine start NAME`: {', '.join(started_by_hand)}"))
    environment = host.project.environment
    place = f" in environment '{environment}'" if environment else ""
    mode = ", simulated: every app answers from its simulator" if simulate else ""
    note(f"\nserving {counted(len(plans), 'scenario')}{place}{mode}. Ctrl-C stops\n")


def _listener(plan: Scenario) -> str:
    return plan.name if plan.active else f"{plan.name} (inactive)"


class Ticker:
    """One line for each run that ends, printed a few at a time: a terminal or a pipe takes longer than a run."""

    wants_steps = False

    def __init__(self, clock: Clock) -> None:
        self.redactor = Redactor()
        self._clock = clock
        self._lines: list[str] = []

    def flush(self) -> None:
        """Print what was gathered."""
        lines, self._lines = self._lines, []
        if lines:
            click.echo("\n".join(lines))

    def run_started(self, run: Run) -> None:
        """Only ends are told."""

    def step_started(self, run: Run, step: ModuleStep, path: str, attempt: int, config: object) -> None:
        """Only ends are told."""

    def step_retrying(
        self, run: Run, step: Step, path: str, attempt: int, error: dict[str, object], due: float
    ) -> None:
        """Only ends are told."""

    def step_finished(self, run: Run, step: Step, path: str, status: str, value: object) -> None:
        """Only ends are told."""

    def loop_progressed(self, run: Run, step: Step, path: str, progress: Progress) -> None:
        """Only ends are told."""

    def run_ended(self, run: Run, outcome: Outcome) -> None:
        """Gather the line."""
        if isinstance(outcome, Sleeping):
            return
        words: dict[type[Outcome], str] = {Succeeded: "succeeded", Failed: "failed", Held: "held"}
        state = words[type(outcome)]
        why = ""
        if isinstance(outcome, Failed):
            why = str(outcome.error.get("message"))
        elif isinstance(outcome, Held):
            why = "; ".join(hold.message for hold in outcome.holds)
        seconds = self._clock.time() - run.created_at
        about = f"{show(run.id)}  {run.scenario}  {coloured(state)}  {took(seconds)}  {run.subject or ''}"
        if not self._lines:
            asyncio.get_running_loop().call_later(GATHER, self.flush)
        self._lines.append(f"{about}  {excerpt(self.redactor.text(why), 160) if why else ''}".rstrip())
