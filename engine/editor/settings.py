"""``engine.yaml`` and ``connections.yaml`` as forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.editor.forms import (
    ANY_TEXT,
    DURATION,
    VALUE,
    Form,
    any_of,
    closed,
    listed,
    mapped,
    named,
    ref,
    told,
    whole,
    words,
)
from engine.editor.language import DRAFT, KEEP_FORM
from engine.editor.policies import DEFAULTS_FORM
from engine.editor.translate import Translator
from engine.plugins import Registry
from engine.runtime import alert_settings, checks
from engine.runtime.data import DataSettings
from engine.runtime.environments import CONNECTIONS, ENVIRONMENTS
from engine.runtime.settings import (
    KEYS,
    LEAST_OUTPUT,
    HistorySettings,
    HttpSettings,
    Limits,
    ServerSettings,
)
from engine.scenario.durations import show_duration
from engine.scenario.keys import IDENTIFIER
from engine.scenario.schedules import SCHEDULES
from engine.sdk.connections import ConnectionType

_NAMES = r"[a-z0-9][a-z0-9_\-]*"
_SIZE = any_of(whole(1), named("[0-9]+ ?([KMG]i?B|B)?", "A number of bytes, or such as 5MB, 64KiB."))
_URL = named(r"https?://\S+", "An http or https URL.")
_SECRET = told(
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "env": told(named("[A-Za-z_][A-Za-z0-9_]*", "Letters, digits and _."), "A variable of the environment."),
            "secret": told(ANY_TEXT, "The name of a stored secret; `engine connections add` stores it."),
        },
        "minProperties": 1,
        "maxProperties": 1,
        "errorMessage": "Secrets are not kept in files: name the source, {env: NAME} or {secret: NAME}.",
    },
    "Where the secret comes from: `{env: NAME}` or `{secret: NAME}`. Never the secret itself.",
    examples=[{"env": "NAME"}],
)
_ENV = closed(("env",), {"env": told(ANY_TEXT, "A variable of the environment.")}, required=["env"])


def settings_schema(_registry: Registry) -> Form:
    """The JSON Schema of ``engine.yaml``."""
    sections = _sections()
    own = {**{key: ref(key) for key in sections}, CONNECTIONS: mapped({"type": ["object", "null"]})}
    named_ = closed([*(key for key in KEYS if key != ENVIRONMENTS), CONNECTIONS], own)
    sections_ = {key: ref(key) for key in sections}
    environments = told(
        mapped(named_, "[a-z0-9][a-z0-9-]*", "Small letters, digits and -."), "What is otherwise under `--env NAME`."
    )
    return {
        "$schema": DRAFT,
        "description": "The settings of a project. Everything has a default.",
        **closed(KEYS, {**sections_, ENVIRONMENTS: environments}),
        "definitions": {**sections, "secret": _SECRET},
    }


def connections_schema(registry: Registry) -> Form:
    """The JSON Schema of ``connections.yaml``, with the installed types."""
    types = registry.connection_types
    definitions: dict[str, Form] = {"secret": _SECRET}
    branches = []
    for name, kind in types.items():
        definitions[f"type.{name}"] = _type(name, kind, definitions)
        condition = {"type": "object", "required": ["type"], "properties": {"type": {"const": name}}}
        branches.append({"if": condition, "then": ref(f"type.{name}")})
    of_type = told(
        words(list(types), [kind.title for kind in types.values()]), "A connection type of an installed app."
    )
    base = {"type": "object", "required": ["type"], "properties": {"type": of_type}}
    return {
        "$schema": DRAFT,
        "description": "Names of connections, and where each secret comes from.",
        **mapped({"allOf": [*branches, base]}, _NAMES, "Small letters, digits, - and _."),
        "definitions": definitions,
    }


def _type(name: str, kind: ConnectionType, definitions: dict[str, Form]) -> Form:
    form = Translator(f"type.{name}", definitions).root(kind.fields, expressions=False)
    given: Mapping[str, Any] = form.get("properties", {})
    fields = {field: _field(value, secret=field in kind.secrets) for field, value in given.items()}
    base_url = told(any_of(_URL, _ENV), "Replaces the address of the type.")
    about = {"title": name, "description": kind.description or kind.title}
    open_ = kind.fields.get("additionalProperties", False)
    properties = {"type": {}, "base_url": base_url, **fields}
    # limits of fields together are about values, of which some are not here
    return {
        **about,
        "type": "object",
        "properties": properties,
        "required": list(form.get("required", ())),
        "additionalProperties": open_,
    }


def _field(form: Form, *, secret: bool) -> Form:
    about: Form = {key: form[key] for key in ("title", "description", "default") if key in form}
    if secret:
        return {**about, **any_of(ref("secret"))}
    return {**about, **any_of(form, _ENV)}


def _sections() -> dict[str, Form]:
    """The keys of each section; one that is not read, or not described, is refused."""
    sections: dict[str, dict[str, Form]] = {
        "server": _server(),
        "limits": _limits(),
        "http": {
            "allow_hosts": told(listed(ANY_TEXT), "Hosts that whole URLs in scenarios may name; `*.example.com` too."),
            "timeout": told(DURATION, "Time for one request; as the connection type says when left out."),
            "keep_alive": told(
                DURATION,
                "After so long, an unused connection to a vendor is closed.",
                default=show_duration(HttpSettings().keep_alive),
            ),
        },
        "history": _history(),
        "held": {
            "retry": told(
                any_of(words(SCHEDULES), listed(DURATION)), "When a held run is tried again by itself: a list of waits."
            ),
            "at_once": told(whole(1, 1000), "Such tries of one scenario at the same time.", default=3),
        },
    }
    found = {name: closed(KEYS[name], forms) for name, forms in sections.items()}
    hook = closed(("check",), {"check": told(_check(), "How the sender proves itself.")})
    found["webhooks"] = told(
        mapped({**hook, "type": ["object", "null"]}, _NAMES, "Small letters, digits, - and _."),
        "Webhooks that scenarios share, by name.",
    )
    store = closed(
        ("schema", "records"),
        {
            "schema": told({"type": "object"}, "A JSON Schema that each record must fit."),
            "records": told(whole(1, 10_000_000), "How many records it takes.", default=DataSettings().records),
        },
    )
    found["data"] = told(
        mapped({**store, "type": ["object", "null"]}, _NAMES, "Small letters, digits, - and _."),
        "The project's data stores, by name.",
    )
    found["env"] = told(mapped(VALUE, IDENTIFIER.pattern, "Small letters, digits and _."), "`env.NAME` in expressions.")
    found["defaults"] = told(DEFAULTS_FORM, "What the steps of all scenarios do that say nothing themselves.")
    found["alerts"] = told(listed(_channel()), "Who is told of what.")
    nullable = {name: {**form, "type": [form["type"], "null"]} for name, form in found.items() if name != "alerts"}
    return {**nullable, "alerts": found["alerts"]}


def _server() -> dict[str, Form]:
    default = ServerSettings()
    port = whole(0, 65_535)
    return {
        "host": told(ANY_TEXT, "The address of both listeners.", default=default.host),
        "port": told(port, "Webhooks; `0` takes a free port.", default=default.port),
        "public_url": told(_URL, "How senders reach the webhook listener, for the URLs that are printed."),
        "admin_port": told(
            port, "The API, on a listener of its own; `0` takes a free port.", default=default.admin_port
        ),
    }


def _limits() -> dict[str, Form]:
    default = Limits()
    return {
        "body": told(_SIZE, "The largest body of a webhook.", default=default.body),
        "output": told(_SIZE, f"The largest output of a step; at least {LEAST_OUTPUT}.", default=default.output),
        "run": told(_SIZE, "The largest sum of what a run records.", default=default.run),
        "accept_rate": told({"type": "number", "exclusiveMinimum": 0}, "Webhook deliveries per second."),
        "concurrency": told(whole(1, 100_000), "Runs that are executed at the same time.", default=default.concurrency),
        "queue_age": told(
            DURATION, "How long a run may wait before operators are told.", default=show_duration(default.queue_age)
        ),
        "stuck_after": told(
            DURATION,
            "A run that comes to nothing new for so long is cut off and held.",
            default=show_duration(default.stuck_after),
        ),
    }


def _history() -> dict[str, Form]:
    default = HistorySettings()
    return {
        "keep": told(
            KEEP_FORM, "How long runs stay after their end; a scenario's own `keep` goes before.", default="30d"
        ),
        "parked_for": told(
            DURATION, "How long parked and rejected deliveries stay.", default=show_duration(default.parked_for)
        ),
        "effects_for": told(
            DURATION, "How long a finished write answers for its key.", default=show_duration(default.effects_for)
        ),
        "dedupe_for": told(
            DURATION, "How long an event is known as a duplicate.", default=show_duration(default.dedupe_for)
        ),
    }


def _check() -> Form:
    hmac = closed(
        checks.HMAC_KEYS,
        {
            "header": told(ANY_TEXT, "Where the signature is."),
            "algorithm": told(words(checks.ALGORITHMS), "Of the signature.", default="sha256"),
            "encoding": told(words(checks.ENCODINGS), "Of the signature.", default="hex"),
            "prefix": told(ANY_TEXT, "Stands before the signature."),
            "signed": told(ANY_TEXT, "What is signed; `{body}` and `{timestamp}` are inserted."),
            "timestamp_header": told(ANY_TEXT, "Unix time of sending."),
            "tolerance": told(DURATION, "How far that time may be from now.", default="5m"),
        },
        required=["header"],
    )
    return closed(
        checks.KEYS,
        {
            "header": told(ANY_TEXT, "The secret is sent in this header."),
            "prefix": told(ANY_TEXT, "Stands before the secret in the header."),
            "query": told(ANY_TEXT, "The secret is sent as this query parameter."),
            "hmac": told(hmac, "The body is signed."),
            "preset": told(words(checks.PRESETS), "The body is signed in the way of a well-known sender."),
            "tolerance": told(DURATION, "Of a preset: how far the time of sending may be from now."),
            "secret": ref("secret"),
        },
        required=["secret"],
        oneOf=[{"required": [kind]} for kind in checks.KINDS],
        dependencies={"prefix": ["header"], "tolerance": ["preset"]},
    )


def _channel() -> Form:
    address = named(r"[^\s@<>,;]+@[^\s@<>,;]+", "A mail address.")
    kinds = alert_settings.KINDS
    email = closed(
        alert_settings.EMAIL_KEYS,
        {
            "to": told(listed(address, 1), "Who gets it."),
            "from": told(address, "The sender's address."),
            "host": told(ANY_TEXT, "The mail server."),
            "port": told(whole(1, 65_535), "Of the mail server; by `tls` when left out."),
            "tls": told(words(("starttls", "tls", "none")), "How it is encrypted.", default="starttls"),
            "user": told(ANY_TEXT, "The user at the mail server."),
            "password": ref("secret"),
        },
        required=["to", "from", "host"],
        dependencies={"user": ["password"], "password": ["user"]},
    )
    return closed(
        alert_settings.KEYS,
        {
            "name": told(ANY_TEXT, "Its name; no two have the same."),
            "webhook": told(any_of(_URL, ref("secret")), "A URL that is called, or its source."),
            "secret": ref("secret"),
            "headers": told(mapped(any_of(ANY_TEXT, ref("secret"))), "More headers."),
            "email": told(email, "A mail server, and who gets the mail."),
            "on": told(listed(words(kinds, list(kinds.values()))), "Of what it is told; of all when left out."),
            "scenarios": told(listed(ANY_TEXT), "Names of scenarios, or patterns such as `order-*`."),
            "every": told(DURATION, "At most one message of the same kind and scenario in that time.", default="15m"),
        },
        oneOf=[{"required": ["webhook"]}, {"required": ["email"]}],
        dependencies={"secret": ["webhook"], "headers": ["webhook"]},
    )
