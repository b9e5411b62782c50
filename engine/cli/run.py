"""``engine run``: one scenario, each step as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from engine.cli import firing
from engine.cli.aio import Signals, run_async
from engine.cli.breaks import Breaks
from engine.cli.console import bold, dim, excerpt, note, on_terminal, print_json, width
from engine.cli.execute import Reports, at_rest, delivery_json, fine, prompt_stop, settle
from engine.cli.expressions import HISTORY
from engine.cli.failures import Finished
from engine.cli.given import given, input_options, read_event
from engine.cli.options import data_option, json_option, listen_options, simulate_option, verbose_option
from engine.cli.polled import PollRun
from engine.cli.session import Session
from engine.cli.transcript import Transcript, layout
from engine.cli.watch import Watcher
from engine.cli.workspace import Workspace, shorten, wrong_usage
from engine.plugins import Registry
from engine.runtime import starts
from engine.runtime.host import Host, Options
from engine.runtime.intake import Accepted
from engine.runtime.interpreter import Interpreter
from engine.runtime.polling import delivery as poll_delivery
from engine.runtime.stepping import stepping
from engine.runtime.webhooks import webhook_name
from engine.scenario.plan import Listening, ModuleTrigger, Polling, Scenario, Scheduled
from engine.scenario.timetables import show_moment
from engine.sdk import jsontext
from engine.sdk.clock import utc
from engine.sdk.modules import Delivery
from engine.server.service import Service
from engine.store.ids import show
from engine.store.records import DeliveryState, Run


@dataclass(frozen=True)
class Order:
    """What was asked for."""

    plan: Scenario
    called: Sequence[Scenario]
    body: bytes | None
    start: Delivery | None
    once: bool
    simulate: bool
    dry_run: bool
    break_at: tuple[str, ...]
    host: str | None
    port: int | None
    public_url: str | None


@click.command(
    epilog="\b\nExamples:\n"
    "  engine run scenarios/hello.yaml --event event.json --simulate\n"
    "  engine run scenarios/hello.yaml --public-url https://hooks.example.com"
)
@click.argument("scenario", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--event",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="Run once on the event in this JSON file; - reads stdin.",
)
@input_options
@click.option("--once", is_flag=True, help="Serve until one event has been processed; of a poll, take one event only.")
@click.option("--now", is_flag=True, help="Run once as if the schedule's moment were now.")
@simulate_option
@click.option("--dry-run", is_flag=True, help="Reads are made, writes are only shown; nothing is kept.")
@click.option(
    "--break-at",
    multiple=True,
    metavar="STEP[:after]",
    help="Stop before (or after) this step and show what it sees; ask on a terminal, else hold the run.",
)
@json_option
@data_option
@listen_options
@verbose_option
@click.pass_obj
def run(
    session: Session,
    scenario: Path,
    event: Path | None,
    inputs: tuple[str, ...],
    inputs_file: Path | None,
    once: bool,
    now: bool,
    simulate: bool,
    dry_run: bool,
    break_at: tuple[str, ...],
    host: str | None,
    port: int | None,
    public_url: str | None,
) -> None:
    """Run one scenario, and show each step as it happens.

    With --event it runs once on that event. Without, a scenario with a webhook prints its URL and serves until Ctrl-C;
    one with a schedule says when it fires, and runs whenever it does until Ctrl-C, or with --now once and at once; one
    that polls looks once, and runs what is new to its end; a scenario without trigger runs once. Exit code 0:
    everything succeeded, or the event was filtered, or there was nothing new.
    """
    workspace = Workspace.of(session, scenario)
    registry = workspace.registry()
    loaded = workspace.loaded(registry, [scenario], simulate=simulate)
    [plan] = loaded.scenarios
    start = None
    if event is not None and (inputs or inputs_file):
        raise wrong_usage("--event is an event of the trigger, --input starts by hand: give one of them")
    if inputs or inputs_file or (event is None and plan.trigger is None):
        start = starts.delivery(plan, given(plan, inputs, inputs_file), workspace.clock.time())
    elif event is not None and plan.inputs.fields:
        plan.inputs.complete(plan.name, {})
    body = start.raw if start is not None else read_event(event) if event is not None else None
    if now:
        body = _moment(plan, body, workspace.clock.time())
    polls = isinstance(plan.trigger, Polling)
    if body is None and dry_run and not polls:
        raise wrong_usage("--dry-run needs an event: add --event FILE")
    if body is None and polls and not plan.active:
        raise wrong_usage("the scenario is not active, so it is not polled; --event FILE runs it on one item")
    if body is None and isinstance(plan.trigger, Scheduled) and not plan.active:
        raise wrong_usage("the scenario is not active, so its schedule is not kept; --event FILE runs it on one moment")
    if body is None and break_at:
        raise wrong_usage("--break-at needs an event: add --event FILE")
    if body is not None and once:
        raise wrong_usage("--once is for serving; with --event a scenario runs once anyway")
    order = Order(plan, loaded.called, body, start, once, simulate, dry_run, break_at, host, port, public_url)
    good = run_async(_Run(workspace, registry, order).run())
    raise Finished(good)


def _moment(plan: Scenario, body: bytes | None, at: float) -> bytes:
    """The event of a schedule whose moment is now."""
    if not isinstance(plan.trigger, Scheduled):
        raise wrong_usage("--now is for a scenario with a schedule; --event FILE runs another on an event")
    if body is not None:
        raise wrong_usage("--now is an event of its own: leave --event and --input out")
    return jsontext.dumps({"scheduled_at": show_moment(int(at), plan.trigger.timetable.zone), "previous": None})


class _Run:
    def __init__(self, workspace: Workspace, registry: Registry, order: Order) -> None:
        self._workspace = workspace
        self._registry = registry
        self._order = order
        self._json = workspace.session.as_json

    async def run(self) -> bool:
        """Gives whether everything came to a good end."""
        order, workspace = self._order, self._workspace
        news = asyncio.Event()
        plan = replace(order.plan, active=True) if order.body is not None else order.plan
        self._screen = Transcript(layout([plan]), err=self._json, whole=order.body is None)
        self._watcher = watcher = Watcher(workspace.clock, news, self._screen)
        breaks = self._breaks(plan)
        options = Options(
            walk=stepping(breaks) if breaks is not None else Interpreter,
            data=workspace.session.data,
            simulate=order.simulate,
            dry_run=watcher if order.dry_run else None,
            observer=watcher,
            command=f"engine run {shorten(Path(plan.file))}",
        )
        with Signals(news) as self._signals:
            async with (
                Host(workspace.project, self._registry, [plan], options, called=order.called) as host,
                prompt_stop(host),
            ):
                watcher.redactor = await host.connections.redactor()
                if breaks is not None:
                    breaks.redactor = watcher.redactor
                self._reports = Reports(host, workspace, watcher, self._screen)
                if order.body is not None:
                    return await self._once(host, plan, order.body)
                if isinstance(plan.trigger, Polling):
                    poll = PollRun(host, plan, self._reports, watcher, self._screen, self._signals)
                    return await poll.run(once=order.once, as_json=self._json)
                return await self._serve(host, plan)

    def _breaks(self, plan: Scenario) -> Breaks | None:
        self._stopped = None
        if self._order.break_at:
            ask = not self._json and on_terminal()
            history = self._workspace.data / HISTORY
            self._stopped = Breaks(plan, self._order.break_at, self._screen, self._workspace.clock, history, ask=ask)
        return self._stopped

    # ------------------------------------------------------------------ one event

    async def _once(self, host: Host, plan: Scenario, raw: bytes) -> bool:
        body = jsontext.loads(raw)
        self._head(plan, body)
        # ids grow: what gets a larger one is of this event
        first = host.store.new_id()
        self._watcher.wants = lambda run: run.id > first
        headers = {"content-type": "application/json"}
        delivery = Delivery("POST", headers, {}, raw, body, utc(host.clock.time()))
        if self._order.start is not None:
            delivery = self._order.start
        elif isinstance(plan.trigger, Polling):
            delivery = poll_delivery([body], host.clock.time())
        accepted = await host.intake.accept("cli", [plan], delivery)
        self._fates(accepted)
        runs = await settle(host, accepted.runs, self._watcher, self._signals)
        for run in runs:
            await self._reports.show(run)
        if self._json:
            print_json(
                {
                    "receipt": show(accepted.receipt_id),
                    "deliveries": [delivery_json(d) for d in accepted.deliveries],
                    "runs": [self._reports.to_json(run) for run in runs],
                    **({"breaks": self._stopped.seen} if self._stopped is not None else {}),
                }
            )
        return fine(accepted, runs)

    def _head(self, plan: Scenario, body: Any) -> None:
        say, order = self._screen.say, self._order
        say(bold(plan.name))
        if plan.description:
            say(dim(f"  {excerpt(plan.description, width() - 3)}"))
        about = [f"event {_topic(body)}"] if _topic(body) else []
        about += [f"to {plan.trigger.module_name}"] if isinstance(plan.trigger, ModuleTrigger) else []
        if about:
            say(f"  {' '.join(about)}")
        if order.simulate:
            say(dim("  simulated: every app answers from its simulator"))
        if order.dry_run:
            say(dim("  dry run: reads are made, writes are only shown, nothing is kept"))
        say()

    def _fates(self, accepted: Accepted) -> None:
        for delivery in accepted.deliveries:
            if delivery.state is not DeliveryState.RUN:
                self._screen.say(f"  - no run: the event is {delivery.state} ({delivery.reason})")

    # ------------------------------------------------------------------ a webhook

    async def _serve(self, host: Host, plan: Scenario) -> bool:
        order = self._order
        arrived: list[Accepted] = []
        waiting: set[int] = set()

        def taken(accepted: Accepted) -> None:
            arrived.append(accepted)
            waiting.update(accepted.runs)
            self._fates(accepted)
            self._watcher.news.set()

        first = host.store.new_id()
        self._watcher.wants = lambda run: run.id > first
        service = Service(
            host,
            address=order.host,
            # a schedule is called by nobody
            port=0 if isinstance(plan.trigger, Scheduled) else order.port,
            public_url=order.public_url,
            admin_port=0,
            accepted=taken,
        )
        good = True
        async with service:
            if isinstance(plan.trigger, Listening):
                self._invite(plan, service.url(host.webhooks.hooks[webhook_name(plan, plan.trigger)]))
            elif isinstance(plan.trigger, Scheduled):
                firing.invite(plan, plan.trigger, host.timekeeper.coming(plan.name, firing.SHOWN), as_json=self._json)
            while not self._signals.stopping:
                self._watcher.news.clear()
                for run in await self._ended(host, waiting):
                    await self._tell(run)
                    if isinstance(plan.trigger, Scheduled) and not order.once:
                        firing.say_next(plan.trigger, host.timekeeper.coming(plan.name, 1))
                if order.once and arrived:
                    runs = await settle(host, arrived[0].runs, self._watcher, self._signals)
                    for run in runs:
                        if run.id in waiting:
                            await self._tell(run)
                    waiting.difference_update(arrived[0].runs)
                    good = fine(arrived[0], runs)
                    break
                await self._watcher.news.wait()
        await host.runner.stop()
        for run in await self._ended(host, waiting):
            await self._tell(run)
        return good

    async def _ended(self, host: Host, waiting: set[int]) -> list[Run]:
        found = [run for run_id in sorted(waiting) if (run := await host.store.run(run_id)) is not None]
        ended = [run for run in found if at_rest(run)]
        waiting.difference_update(run.id for run in ended)
        return ended

    async def _tell(self, run: Run) -> None:
        if self._json:
            print_json(self._reports.to_json(run), line=True)
        await self._reports.show(run)
        self._watcher.forget(run.id)

    def _invite(self, plan: Scenario, url: str) -> None:
        assert isinstance(plan.trigger, Listening)
        if self._json:
            print_json({"url": url}, line=True)
        else:
            click.echo(url)
        note(f"\n{bold(plan.name)} waits for events at this URL: give it to the sender ({plan.trigger.module.title}),")
        note("or try it from another terminal:\n")
        note(f"  curl -X POST -H 'Content-Type: application/json' --data @event.json {url}\n")
        if not plan.active:
            note("the scenario is not active: events are kept as parked, and not run\n")
        note(dim("Ctrl-C stops; a run that is not through by then goes on at the next start"))


def _topic(body: Any) -> str | None:
    if isinstance(body, dict):
        for key in ("topic", "type", "event"):
            if isinstance(body.get(key), str):
                return str(body[key])
    return None
