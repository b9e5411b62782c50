"""The settings of a project: ``engine.yaml``. Every key is in ``docs/reference/settings.md``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.runtime.alert_settings import KEYS as ALERT_KEYS
from engine.runtime.alert_settings import AlertChannel, read_alerts
from engine.runtime.checks import SenderCheck, read_check
from engine.runtime.data import DataSettings
from engine.runtime.environments import ENVIRONMENTS, Overlay, chosen, connections_of, environments_of, overlaid
from engine.runtime.reader import Reader
from engine.scenario.config import schema_mistake
from engine.scenario.keep import KEYS as KEEP_KEYS
from engine.scenario.keep import LEAST
from engine.scenario.keys import DEFAULTS, IDENTIFIER
from engine.scenario.load import Known, read_defaults
from engine.scenario.nodes import Mapping as MappingNode
from engine.scenario.nodes import Node, plain
from engine.scenario.nodes import Sequence as SequenceNode
from engine.scenario.plan import Keep
from engine.scenario.schedules import SCHEDULES
from engine.sdk.modules import Json

_WEBHOOK_NAME = re.compile(r"[a-z0-9][a-z0-9_\-]*")
_PUBLIC_URL = re.compile(r"https?://[^/?#\s]+(/[^?#\s]*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where the server listens.

    :param port: for webhooks; 0 takes a free one.
    :param public_url: how senders reach the webhook listener; None: it is ``http://host:port``.
    :param admin_port: for the API.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str | None = None
    admin_port: int = 8081


#: least bytes of ``limits.output``
LEAST_OUTPUT = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is taken at once.

    :param body: bytes of a webhook's body.
    :param output: bytes of a step's output, and of a value that a scenario computes, as JSON.
    :param run: bytes of what a run records.
    :param accept_rate: deliveries per second; None: no limit.
    :param concurrency: runs that are executed at the same time.
    :param queue_age: seconds that a run may wait for its turn before operators are told.
    :param stuck_after: seconds without a new journal record after which a run is cut off and held.
    """

    body: int = 5_000_000
    output: int = 5_000_000
    run: int = 50_000_000
    accept_rate: float | None = None
    concurrency: int = 200
    queue_age: float = 300.0
    stuck_after: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """Calls to vendors.

    :param allow_hosts: hosts that whole URLs in scenarios may name; None: any.
    :param timeout: seconds for one request; None: as the connection type says.
    :param keep_alive: seconds after which an unused connection is closed.
    """

    allow_hosts: tuple[str, ...] | None = None
    timeout: float | None = None
    keep_alive: float = 10.0


#: seconds of a day
DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySettings:
    """How long what is over stays. Nothing that is not over is ever removed.

    :param keep: for runs of scenarios that do not say it, and for deliveries that made no run.
    :param parked_for: seconds for deliveries that are parked or rejected, so that a command may still run them.
    :param effects_for: seconds for which a finished write answers for its effect key.
    :param dedupe_for: seconds for which an event is known again.
    """

    keep: Keep = field(default_factory=lambda: Keep(seconds=30 * DAY))
    parked_for: float = 90 * DAY
    effects_for: float = 90 * DAY
    dedupe_for: float = 90 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSettings:
    """Runs that are held because a step failed.

    :param retry: seconds before each automatic try, for steps whose ``on_error: hold`` says nothing of it.
    :param at_once: automatic tries of one scenario at the same time.
    """

    retry: tuple[float, ...] = ()
    at_once: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """A named webhook, shared by the scenarios that name it. Without a check its URL is its only secret."""

    check: SenderCheck | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What ``engine.yaml`` says, completed by the defaults."""

    server: ServerSettings = field(default_factory=ServerSettings)
    limits: Limits = field(default_factory=Limits)
    http: HttpSettings = field(default_factory=HttpSettings)
    held: HeldSettings = field(default_factory=HeldSettings)
    history: HistorySettings = field(default_factory=HistorySettings)
    webhooks: Mapping[str, WebhookSettings] = field(default_factory=dict)
    #: what the steps of all scenarios do that say nothing themselves, as JSON; see ``load_scenario``
    defaults: str = ""
    alerts: tuple[AlertChannel, ...] = ()
    data: Mapping[str, DataSettings] = field(default_factory=dict)
    #: what scenarios see as ``env``
    env: Mapping[str, Json] = field(default_factory=dict)
    #: names of all environments, and what the chosen one says of connections
    environments: tuple[str, ...] = ()
    overlay: Overlay = field(default_factory=Overlay)

    @property
    def known(self) -> Known:
        """What the check of a scenario knows of them."""
        return Known(data={name: store.schema or {} for name, store in self.data.items()}, env=self.env)


#: every key of the file, for its reference page
KEYS: Mapping[str, tuple[str, ...]] = {
    "server": ("host", "port", "public_url", "admin_port"),
    "limits": ("body", "output", "run", "accept_rate", "concurrency", "queue_age", "stuck_after"),
    "http": ("allow_hosts", "timeout", "keep_alive"),
    "history": ("keep", "parked_for", "effects_for", "dedupe_for"),
    "held": ("retry", "at_once"),
    "webhooks": (),
    "defaults": DEFAULTS,
    "alerts": ALERT_KEYS,
    "data": (),
    "env": (),
    "environments": (),
}


def read_settings(path: Path, environment: str | None = None) -> Settings:
    """The settings in a file; the defaults when there is none.

    :param environment: as which of the file's environments they are read; None: none of them.
    :raises SettingsError: with all mistakes, those of the other environments too.
    :raises UnknownEnvironment: the file has no such environment.
    """
    if not path.exists():
        if environment is not None:
            chosen({}, environment, str(path))
        return Settings()
    reader, node = Reader.open(path)
    top = reader.mapping(node, "engine.yaml", KEYS)
    sections = [key for key in KEYS if key != ENVIRONMENTS]
    environments = environments_of(reader, top.pop(ENVIRONMENTS, None), dict.fromkeys(sections))
    settings = _settings(reader, top)
    of_all = {}
    for name, given in environments.items():
        # what stands in the file twice over is a mistake once
        own = Reader(path)
        of_all[name] = (_settings(own, overlaid(top, given)), connections_of(reader, name, given))
        reader.diagnostics += [found for found in own.diagnostics if found not in reader.diagnostics]
    reader.finish()
    names = tuple(environments)
    if environment is None:
        return replace(settings, environments=names)
    chosen(environments, environment, str(path))
    settings, overlay = of_all[environment]
    return replace(settings, environments=names, overlay=replace(overlay, source=reader.source))


def _settings(reader: Reader, top: Mapping[str, Node]) -> Settings:
    return Settings(
        server=_server(reader, top.get("server")),
        limits=_limits(reader, top.get("limits")),
        http=_http(reader, top.get("http")),
        history=_history(reader, top.get("history")),
        held=_held(reader, top.get("held")),
        webhooks=_webhooks(reader, top.get("webhooks")),
        defaults=_defaults(reader, top.get("defaults")),
        alerts=read_alerts(reader, top.get("alerts")),
        data=_data(reader, top.get("data")),
        env=_env(reader, top.get("env")),
    )


def _server(reader: Reader, node: Node | None) -> ServerSettings:
    entries = reader.mapping(node, "server", KEYS["server"])
    default = ServerSettings()
    port = reader.number(entries.get("port"), "server.port", 0, 65_535)
    admin = reader.number(entries.get("admin_port"), "server.admin_port", 0, 65_535)
    public = reader.text(entries.get("public_url"), "server.public_url")
    if public and not _PUBLIC_URL.fullmatch(public):
        reader.report("bad-value", entries["public_url"].place, "server.public_url must be an http or https URL")
    chosen = ServerSettings(
        host=reader.text(entries.get("host"), "server.host") or default.host,
        port=default.port if port is None else port,
        public_url=public.rstrip("/") if public else None,
        admin_port=default.admin_port if admin is None else admin,
    )
    if chosen.port == chosen.admin_port != 0 and node is not None:
        at = entries.get("admin_port") or entries.get("port") or node
        reader.report(
            "bad-value", at.place, "server.port and server.admin_port are the same; the API has a listener of its own"
        )
    return chosen


def _limits(reader: Reader, node: Node | None) -> Limits:
    entries = reader.mapping(node, "limits", KEYS["limits"])
    default = Limits()
    output = reader.size(entries.get("output"), "limits.output") or default.output
    run = reader.size(entries.get("run"), "limits.run") or default.run
    if node is not None and output < LEAST_OUTPUT:
        reader.report("bad-value", entries["output"].place, f"limits.output must be at least {LEAST_OUTPUT} bytes")
    elif node is not None and run < output:
        at = entries.get("run") or entries["output"]
        reader.report(
            "bad-value", at.place, "limits.run must be at least limits.output, or no run could keep an output so large"
        )
    return Limits(
        body=reader.size(entries.get("body"), "limits.body") or default.body,
        output=output,
        run=run,
        accept_rate=reader.rate(entries.get("accept_rate"), "limits.accept_rate"),
        concurrency=reader.number(entries.get("concurrency"), "limits.concurrency", 1, 100_000) or default.concurrency,
        queue_age=reader.seconds(entries.get("queue_age"), "limits.queue_age") or default.queue_age,
        stuck_after=reader.seconds(entries.get("stuck_after"), "limits.stuck_after") or default.stuck_after,
    )


def _http(reader: Reader, node: Node | None) -> HttpSettings:
    entries = reader.mapping(node, "http", KEYS["http"])
    return HttpSettings(
        allow_hosts=reader.items(entries.get("allow_hosts"), "http.allow_hosts", reader.text),
        timeout=reader.seconds(entries.get("timeout"), "http.timeout"),
        keep_alive=reader.seconds(entries.get("keep_alive"), "http.keep_alive") or HttpSettings().keep_alive,
    )


def _history(reader: Reader, node: Node | None) -> HistorySettings:
    entries = reader.mapping(node, "history", KEYS["history"])
    default = HistorySettings()
    return HistorySettings(
        keep=_keep(reader, entries.get("keep")).over(default.keep),
        **{
            key: reader.seconds(entries.get(key), f"history.{key}") or getattr(default, key)
            for key in ("parked_for", "effects_for", "dedupe_for")
        },
    )


def _keep(reader: Reader, node: Node | None) -> Keep:
    what = "history.keep"
    if node is None:
        return Keep()
    if not isinstance(node, MappingNode):
        return Keep(seconds=_long(reader, node, what))
    entries = reader.mapping(node, what, KEEP_KEYS)
    return Keep(
        seconds=_long(reader, entries.get("for"), f"{what}.for"),
        runs=reader.number(entries.get("runs"), f"{what}.runs", 1, 2**40),
        failed=_long(reader, entries.get("failed_for"), f"{what}.failed_for"),
    )


def _long(reader: Reader, node: Node | None, what: str) -> float | None:
    seconds = reader.seconds(node, what)
    if seconds is not None and seconds < LEAST and node is not None:
        reader.report("bad-value", node.place, f"{what} must be at least {LEAST:g}s")
    return seconds


def _held(reader: Reader, node: Node | None) -> HeldSettings:
    entries = reader.mapping(node, "held", KEYS["held"])
    retry = entries.get("retry")
    schedule: tuple[float, ...] | None = None
    if isinstance(retry, SequenceNode):
        schedule = reader.items(retry, "held.retry", reader.seconds)
    elif name := reader.choice(retry, "held.retry", SCHEDULES):
        schedule = SCHEDULES[name]
    at_once = reader.number(entries.get("at_once"), "held.at_once", 1, 1000)
    return HeldSettings(retry=schedule or (), at_once=at_once or HeldSettings().at_once)


def _webhooks(reader: Reader, node: Node | None) -> dict[str, WebhookSettings]:
    webhooks = {}
    for name, inner in reader.mapping(node, "webhooks", None).items():
        if not _WEBHOOK_NAME.fullmatch(name):
            reader.report("bad-value", inner.place, f"webhook name '{name}' must match {_WEBHOOK_NAME.pattern}")
            continue
        check = reader.mapping(inner, f"webhook '{name}'", ("check",)).get("check")
        webhooks[name] = WebhookSettings(
            check=read_check(reader, check, f"check of webhook '{name}'") if check is not None else None
        )
    return webhooks


def _data(reader: Reader, node: Node | None) -> dict[str, DataSettings]:
    found = {}
    for name, inner in reader.mapping(node, "data", None).items():
        if not _WEBHOOK_NAME.fullmatch(name):
            reader.report("bad-value", inner.place, f"data store name '{name}' must match {_WEBHOOK_NAME.pattern}")
            continue
        entries = reader.mapping(inner, f"data store '{name}'", ("schema", "records"))
        schema_node = entries.get("schema")
        schema = None if schema_node is None else plain(schema_node)
        if schema_node is not None and not isinstance(schema, dict):
            reader.report("bad-value", schema_node.place, f"the schema of data store '{name}' must be a JSON Schema")
        elif schema_node is not None and (wrong := schema_mistake(schema)):
            reader.report("bad-value", schema_node.place, f"the schema of data store '{name}' is none: {wrong}")
        records = reader.number(entries.get("records"), f"data.{name}.records", 1, 10_000_000)
        found[name] = DataSettings(
            schema=schema if isinstance(schema, dict) else None, records=records or DataSettings().records
        )
    return found


def _env(reader: Reader, node: Node | None) -> dict[str, Json]:
    found = {}
    for name, inner in reader.mapping(node, "env", None).items():
        if IDENTIFIER.fullmatch(name):
            found[name] = plain(inner)
        else:
            reader.report("bad-value", inner.place, f"`env`: the name '{name}' must match {IDENTIFIER.pattern}")
    return found


def _defaults(reader: Reader, node: Node | None) -> str:
    if node is None:
        return ""
    text, mistakes = read_defaults(node)
    reader.diagnostics += mistakes
    return text
