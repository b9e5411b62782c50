"""``alerts`` of ``engine.yaml``: who is told of what, and how. Every key is in ``docs/reference/settings.md``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from engine.runtime.reader import Reader, SecretRef
from engine.runtime.redact import looks_secret
from engine.scenario.nodes import Mapping as MappingNode
from engine.scenario.nodes import Node, Scalar
from engine.scenario.nodes import Sequence as SequenceNode

#: what is told, by the word under ``on``
KINDS: Mapping[str, str] = {
    "failed": "a run failed",
    "held": "a run waits for a person",
    "silence": "a scenario had fewer runs than its `expect` says",
    "queue_age": "a run waits for its turn for longer than `limits.queue_age`",
    "store": "the store does not work",
    "reload": "files of the project were changed, and have mistakes; what was served goes on",
    "connection": "a connection is not authorized any more: the vendor has taken it back, or it has ended",
    "stuck": "a run made no progress: it had no owner, was held as `poison`, or was cut off as `stuck`",
}
#: seconds within which a channel is told once of the same kind and scenario
EVERY = 900.0

KEYS = ("name", "webhook", "secret", "headers", "email", "on", "scenarios", "every")
EMAIL_KEYS = ("to", "from", "host", "port", "tls", "user", "password")
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_URL = re.compile(r"https?://[^\s/?#@]+([/?][^\s#]*)?")
_ADDRESS = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+")
_OURS = ("content-type", "user-agent", "x-engine-alert", "x-engine-signature")


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """A URL that is called.

    :param secret: signs the body.
    """

    url: str | SecretRef
    secret: SecretRef | None = None
    headers: Mapping[str, str | SecretRef] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EmailTarget:
    """A mail server, and who gets the mail.

    :param tls: ``starttls``, ``tls`` from the first byte, or ``none``.
    """

    to: tuple[str, ...]
    sender: str
    host: str
    port: int
    tls: str = "starttls"
    user: str | None = None
    password: SecretRef | None = None


@dataclass(frozen=True, slots=True)
class AlertChannel:
    """Who is told of what.

    :param scenarios: names, or patterns such as ``vip-*``; None: all.
    :param every: seconds within which it is told once of the same kind and scenario.
    """

    name: str
    target: WebhookTarget | EmailTarget
    on: tuple[str, ...] = tuple(KINDS)
    scenarios: tuple[str, ...] | None = None
    every: float = EVERY

    def wants(self, kind: str, scenario: str) -> bool:
        """Whether it is told; what is about no scenario is told to all."""
        named = self.scenarios is None or not scenario
        return kind in self.on and (named or any(fnmatchcase(scenario, name) for name in self.scenarios or ()))


def read_alerts(reader: Reader, node: Node | None) -> tuple[AlertChannel, ...]:
    """The channels of the file; notes what is wrong with them."""
    channels = reader.items(node, "alerts", lambda item, _what: _channel(reader, item)) or ()
    if isinstance(node, SequenceNode):
        seen: set[str] = set()
        for channel in channels:
            if channel.name in seen:
                hint = "give each channel a `name` of its own"
                reader.report("bad-value", node.place, f"two channels of alerts are named '{channel.name}'", hint)
            seen.add(channel.name)
    return channels


def _channel(reader: Reader, node: Node) -> AlertChannel | None:
    if not isinstance(node, MappingNode):
        reader.mapping(node, "a channel of alerts", KEYS)
        return None
    entries = reader.mapping(node, "a channel of alerts", KEYS)
    if ("webhook" in entries) == ("email" in entries):
        reader.report("missing-key", node.place, "a channel of alerts needs either 'webhook' or 'email'")
        return None
    target: WebhookTarget | EmailTarget | None
    if "webhook" in entries:
        target = _webhook(reader, entries)
    else:
        for key in ("secret", "headers"):
            if key in entries:
                reader.report("unknown-key", entries[key].place, f"'{key}' belongs to a channel with 'webhook'")
        target = _email(reader, entries["email"])
    name = reader.text(entries.get("name"), "name of a channel")
    on = reader.items(entries.get("on"), "on", lambda item, what: reader.choice(item, what, KINDS))
    scenarios = reader.items(entries.get("scenarios"), "scenarios", reader.text)
    every = reader.seconds(entries.get("every"), "every")
    if target is None:
        return None
    return AlertChannel(
        name or _name(target),
        target,
        tuple(KINDS) if on is None else on,
        scenarios,
        EVERY if every is None else every,
    )


def _name(target: WebhookTarget | EmailTarget) -> str:
    if isinstance(target, EmailTarget):
        return target.to[0]
    return target.url.name if isinstance(target.url, SecretRef) else urlsplit(target.url).hostname or "webhook"


def _webhook(reader: Reader, entries: Mapping[str, Node]) -> WebhookTarget | None:
    node = entries["webhook"]
    url: str | SecretRef | None = reader.reference(node)
    if url is None:
        url = reader.text(node, "webhook")
        if url is not None and not _URL.fullmatch(url):
            hint = "or its source, where the URL itself is the secret: {env: NAME} or {secret: NAME}"
            reader.report("bad-value", node.place, "webhook must be an http or https URL", hint)
            url = None
    signing = entries.get("secret")
    secret = reader.secret(signing, "secret", signing.place) if signing is not None else None
    headers = {}
    for name, value in reader.mapping(entries.get("headers"), "headers", None).items():
        if not _HEADER.fullmatch(name) or name.lower() in _OURS:
            reader.report("bad-value", value.place, f"'{name}' is no header that can be set here")
            continue
        reference = reader.reference(value)
        if reference is None and looks_secret(name):
            reference = reader.secret(value, f"header {name}", value.place)
        given = reference if reference is not None or looks_secret(name) else reader.text(value, f"header {name}")
        if given is not None:
            headers[name] = given
    return WebhookTarget(url, secret, headers) if url is not None else None


def _email(reader: Reader, node: Node) -> EmailTarget | None:
    entries = reader.mapping(node, "email", EMAIL_KEYS)
    missing = [key for key in ("to", "from", "host") if key not in entries]
    if missing and isinstance(node, MappingNode):
        listed = ", ".join(f"'{key}'" for key in missing)
        reader.report("missing-key", node.place, f"email needs {listed}")
    to = reader.items(entries.get("to"), "to", lambda item, what: _address(reader, item, what))
    if to is not None and not to:
        reader.report("bad-value", entries["to"].place, "to must name somebody")
    sender = _address(reader, entries.get("from"), "from")
    host = reader.text(entries.get("host"), "host")
    tls = reader.choice(entries.get("tls"), "tls", _PORTS) or "starttls"
    port = reader.number(entries.get("port"), "port", 1, 65_535) or _PORTS[tls]
    user = reader.text(entries.get("user"), "user")
    given = entries.get("password")
    password = reader.secret(given, "password", given.place) if given is not None else None
    if ("user" in entries) != ("password" in entries):
        reader.report("missing-key", node.place, "email needs both 'user' and 'password', or neither")
    if password is not None and tls == "none":
        reader.report(
            "bad-value", node.place, "without TLS the password would travel in the clear", "use `tls: starttls`"
        )
    if not to or sender is None or host is None:
        return None
    return EmailTarget(to, sender, host, port, tls, user, password)


def _address(reader: Reader, node: Node | None, what: str) -> str | None:
    text = reader.text(node, what)
    if text is not None and node is not None and not _ADDRESS.fullmatch(text):
        quoted = node.text if isinstance(node, Scalar) else text
        reader.report("bad-value", node.place, f"{what}: '{quoted}' is no mail address")
        return None
    return text
