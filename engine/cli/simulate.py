"""``engine simulate``: an app's simulator on a port, and the webhooks that its vendor would send."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import click

from engine.cli.aio import Signals, run_async
from engine.cli.console import bold, counted, dim, excerpt, note, table, width
from engine.cli.failures import Finished
from engine.cli.options import Duration
from engine.cli.session import Session
from engine.cli.workspace import Workspace, wrong_usage
from engine.plugins import Registry
from engine.runtime.sending import Sent, WebhookPost
from engine.runtime.simulation import Simulators, new_simulator, simulated_app, webhooks_of
from engine.scenario.diagnostics import did_you_mean
from engine.sdk.apps import App, ServingSimulator, Simulator, WebhookSample, WebhookSender
from engine.sdk.clock import Clock

#: a name for all of them
ALL = "all"
#: names and values of headers by RFC 9110, without line breaks
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*?)[ \t]*")


class Header(click.ParamType[tuple[str, str]]):
    """``NAME: VALUE``."""

    name = "header"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        found = _HEADER.fullmatch(value)
        if found is None:
            self.fail(f"'{value}' is no header; write 'NAME: VALUE'", param, ctx)
        return found[1], found[2]


class WebhookUrl(click.ParamType[str]):
    """Where webhooks are sent."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        parts = urlsplit(str(value))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            self.fail(f"'{value}' is no URL; such as http://127.0.0.1:8080/hooks/TOKEN", param, ctx)
        return str(value)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the command is to do.

    :param port: None: nothing is served, unless nothing is to be sent either.
    :param names: webhooks that are sent, in this order, in each round.
    :param every: seconds between two rounds; None: one follows the other.
    :param rounds: None: until Ctrl-C.
    """

    host: str
    port: int | None
    url: str | None = None
    names: Sequence[str] = ()
    every: float | None = None
    rounds: int | None = 1
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def serves(self) -> bool:
        return self.port is not None or not self.names


@click.command(
    epilog="\b\nExamples:\n"
    "  engine simulate yotpo_loyalty --port 9000\n"
    "  engine simulate yotpo_loyalty --list\n"
    "  engine simulate yotpo_loyalty --print tier_earned > event.json\n"
    "  engine simulate yotpo_loyalty --send tier_earned --webhook http://127.0.0.1:8080/hooks/TOKEN"
)
@click.argument("app")
@click.option("--port", type=click.IntRange(0, 65_535), help="Where to listen; 0 takes a free port.  [default: 0]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address on which to listen.")
@click.option("--list", "listing", is_flag=True, help="Show what it does and which webhooks it can send, and end.")
@click.option(
    "--print", "printed", metavar="NAME", help="Print the body of this webhook, as a file of events, and end."
)
@click.option(
    "--webhook",
    type=WebhookUrl(),
    metavar="URL",
    help="Where webhooks are sent; `engine webhooks` shows URLs. Without --send, those that requests cause.",
)
@click.option(
    "--send",
    multiple=True,
    metavar="NAME",
    help=f"Send this webhook, or `{ALL}`. The command ends then, unless --port is given too. Can be repeated.",
)
@click.option("--every", type=Duration(), metavar="DURATION", help="Send it again and again, so long apart.")
@click.option("--count", type=click.IntRange(1), help="How often to send it.  [default: 1; with --every until Ctrl-C]")
@click.option(
    "--header",
    "headers",
    type=Header(),
    multiple=True,
    metavar="'NAME: VALUE'",
    help="Send this header too; {uuid} in it is a new UUID each time. Can be repeated.",
)
@click.pass_obj
def simulate(
    session: Session,
    app: str,
    port: int | None,
    host: str,
    listing: bool,
    printed: str | None,
    webhook: str | None,
    send: tuple[str, ...],
    every: float | None,
    count: int | None,
    headers: tuple[tuple[str, str], ...],
) -> None:
    """Run an app's simulator on a port.

    It answers as the vendor does, as far as is known: --list shows each behaviour, verified or assumed. The lines that
    it prints for connections.yaml lead a connection to it.

    With --webhook it sends webhooks too: by itself those that a request to it causes, and with --send any that the
    vendor is known to send, made of the simulator's state. The exit code is 1 when one of the latter is not taken.
    """
    workspace = Workspace.of(session)
    registry = workspace.registry()
    vendor = simulated_app(registry, app)
    simulator = new_simulator(registry, vendor, workspace.clock)
    samples = webhooks_of(registry, vendor, simulator)
    if listing:
        _list(vendor, simulator, samples)
        return
    if printed is not None:
        _check_name(vendor, samples, printed)
        click.echo(json.dumps(samples[printed].body, indent=2, ensure_ascii=False))
        return
    _check_usage(vendor, samples, webhook=webhook, send=send, every=every, count=count, headers=headers)
    order = Order(
        host=host,
        port=port,
        url=webhook,
        names=[one for name in send for one in (samples if name == ALL else (name,))],
        every=every,
        rounds=count or (1 if every is None else None),
        headers=dict(headers),
    )
    raise Finished(run_async(_simulate(workspace, registry, vendor, order)))


def _list(app: App, simulator: Simulator | ServingSimulator, samples: Mapping[str, WebhookSample]) -> None:
    click.echo(table([(one.mark, one.text) for one in simulator.behaviours], ("known how", "behaviour")))
    if not samples:
        note(f"\nthe simulator of app '{app.name}' sends no webhooks")
        return
    rows = [(name, sample.description) for name, sample in samples.items()]
    click.echo(f"\n{table(rows, ('webhook', 'what it tells'))}")


def _check_usage(
    app: App,
    samples: Mapping[str, WebhookSample],
    *,
    webhook: str | None,
    send: Sequence[str],
    every: float | None,
    count: int | None,
    headers: Sequence[object],
) -> None:
    if (webhook or send) and not samples:
        raise wrong_usage(f"the simulator of app '{app.name}' sends no webhooks")
    for name in send:
        _check_name(app, samples, name, ALL)
    if send and not webhook:
        raise wrong_usage("--send needs --webhook URL: where to send it")
    if headers and not webhook:
        raise wrong_usage("--header goes with --webhook")
    if (every is not None or count is not None) and not send:
        raise wrong_usage("--every and --count go with --send")


def _check_name(app: App, samples: Mapping[str, WebhookSample], name: str, *more: str) -> None:
    if name not in (*samples, *more):
        hint = did_you_mean(name, (*samples, *more)) or f"`engine simulate {app.name} --list` shows them"
        raise wrong_usage(f"there is no webhook '{name}' ({hint})")


async def _simulate(workspace: Workspace, registry: Registry, app: App, order: Order) -> bool:
    """Serve and send as ordered; gives whether all that was to be sent was taken."""
    news = asyncio.Event()
    fine = True
    async with AsyncExitStack() as stack:
        signals = stack.enter_context(Signals(news))
        if order.serves:
            wanted = Simulators(registry, workspace.clock, apps=[app.name], host=order.host, port=order.port or 0)
            simulators = await stack.enter_async_context(wanted)
            simulator = simulators.running[app.name]
            _introduce(app, simulators, order)
        else:
            simulator = new_simulator(registry, app, workspace.clock)
        if order.url is not None:
            post = await stack.enter_async_context(WebhookPost(order.url, order.headers))
            stack.callback(_forward(simulator, post).cancel)
            sending = _Sending(workspace.clock, post, order, news, signals)
            fine = await sending.run(lambda: webhooks_of(registry, app, simulator))
        while order.serves and not signals.stopping:
            await news.wait()
            news.clear()
    return fine


class _Sending:
    """The webhooks that were asked for, round by round."""

    def __init__(self, clock: Clock, post: WebhookPost, order: Order, news: asyncio.Event, signals: Signals) -> None:
        self._clock = clock
        self._post = post
        self._order = order
        self._news = news
        self._signals = signals

    async def run(self, webhooks: Callable[[], Mapping[str, WebhookSample]]) -> bool:
        """Send them, until all is sent or somebody says stop; gives whether all were taken."""
        fine = True
        left = self._order.rounds
        while self._order.names and left != 0:
            for name in self._order.names:
                if self._signals.stopping:
                    return fine
                sent = await self._post.send(webhooks()[name])
                _show(name, sent)
                fine = fine and sent.taken
            left = None if left is None else left - 1
            if left != 0 and self._order.every is not None:
                await self._pause(self._order.every)
        return fine

    async def _pause(self, seconds: float) -> None:
        waits = [asyncio.ensure_future(one) for one in (self._clock.sleep(seconds), self._news.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()


def _forward(simulator: Simulator | ServingSimulator, post: WebhookPost) -> asyncio.Task[None]:
    """Send, one after another, what requests to the simulator cause, until it is cancelled."""
    caused: asyncio.Queue[WebhookSample] = asyncio.Queue()
    if isinstance(simulator, WebhookSender):
        simulator.send = caused.put_nowait

    async def go_on() -> None:
        while True:
            sample = await caused.get()
            _show(sample.description, await post.send(sample))

    return asyncio.ensure_future(go_on())


def _show(what: str, sent: Sent) -> None:
    status = "no answer" if sent.status is None else str(sent.status)
    click.echo(
        f"{what}  {click.style(status, fg='green' if sent.taken else 'red')}  {excerpt(sent.answer, width())}".rstrip()
    )
    if sent.advice is not None:
        note(f"  next: {sent.advice}")


def _introduce(app: App, simulators: Simulators, order: Order) -> None:
    click.echo(simulators.urls[app.name])
    note(f"\n{bold(app.title)} is simulated at this URL until Ctrl-C.\n")
    for kind in app.connections:
        note("\n".join(_snippet(kind.name, simulators.overrides[kind.name], kind.secrets)))
    behaviours = simulators.running[app.name].behaviours
    verified = sum(behaviour.mark == "verified" for behaviour in behaviours)
    note(
        f"it is like the vendor in {counted(len(behaviours), 'point')}, {verified} of them verified; "
        f"`engine simulate {app.name} --list` shows them"
    )
    if order.url is not None:
        note(f"webhooks that requests to it cause are sent to {order.url}")


def _snippet(kind: str, fields: Mapping[str, Any], secrets: frozenset[str]) -> list[str]:
    lines = [dim("# connections.yaml, under the name that your scenarios use"), f"{kind}-simulated:", f"  type: {kind}"]
    exports = []
    for name, value in fields.items():
        if name in secrets:
            variable = f"{kind}_{name}".upper()
            lines.append(f"  {name}: {{env: {variable}}}")
            exports.append(f"export {variable}={value}")
        else:
            lines.append(f"  {name}: {json.dumps(value, ensure_ascii=False)}")
    return [*lines, *([dim("# and in the shell"), *exports] if exports else []), ""]
