"""What a module is: its name, schemas, effect, and how it is carried out."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from engine.sdk.batches import Batch, Outcomes, batch_output, with_on_refused
from engine.sdk.errors import ModuleError, NotFound
from engine.sdk.http import ErrorTable, Http
from engine.sdk.paging import Paging

#: any JSON value: None, bool, int, float, str, list or dict of them
Json = Any
#: a JSON Schema, draft 2020-12
Schema = Mapping[str, Any]
#: the resolved ``with:`` of a step
Config = Mapping[str, Any]


class Effect(enum.StrEnum):
    """What a call does to the outside world."""

    #: touches nothing outside
    NONE = "none"
    #: looks only; may be repeated at will
    READ = "read"
    #: changes something, and twice is not once
    WRITE = "write"
    #: changes something, and twice is once
    IDEMPOTENT = "idempotent"
    #: changes something, and the vendor honours an idempotency key
    KEYED = "keyed"

    @property
    def writes(self) -> bool:
        """Whether it changes something outside."""
        return self in (Effect.WRITE, Effect.IDEMPOTENT, Effect.KEYED)

    @property
    def repeatable(self) -> bool:
        """Whether the same request may be sent again when its outcome is not known."""
        return self is not Effect.WRITE


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The run that a call belongs to."""

    id: str
    scenario: str
    attempt: int


class Call(Protocol):
    """One call of a module, as the module sees it."""

    @property
    def config(self) -> Config:
        """The resolved ``with:`` of the step, as ``prepare`` left it."""
        ...

    @property
    def connection(self) -> Mapping[str, Json]:
        """The connection's settings without its secrets; empty when the step has none."""
        ...

    @property
    def http(self) -> Http:
        """The engine's client: it has the base URL, the auth and the limits of the connection."""
        ...

    def client(self) -> AbstractAsyncContextManager[Any]:
        """What the connection type's ``client`` made, in place of ``http`` where the vendor does not speak it.

        The connection's rate limit is kept: each ``async with call.client() as …`` takes one turn. Secrets of the
        connection are taken out of errors that pass through it.
        """
        ...

    @property
    def key(self) -> str:
        """The effect's key, the same in every repetition of this call: what a vendor's idempotency header takes."""
        ...

    @property
    def now(self) -> datetime:
        """When the call was begun, UTC; for a probe, when the write was."""
        ...

    @property
    def run(self) -> RunInfo:
        """The run that the call belongs to."""
        ...

    def warn(self, message: str) -> None:
        """Say something that the operator should see beside the step; the step goes on."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """A call declared rather than programmed.

    What is sent is made of the keys of the config as ``prepare`` left it and, under the name ``connection``, of the
    connection's fields without its secrets; fields that are not given have the default of the connection type. What
    comes of it is made of the answer (``wrapper``, ``expects``, ``output``), or of all that is known (``gives``).

    :param method: may be ``{connection.field}``.
    :param path: relative to the base URL; ``{key}`` inserts a key of the config, ``{connection.field}`` a field of the
        connection, percent-encoded. ``{+connection.field}`` inserts a path as it is; ``{key}`` inside that path is
        filled too. A field of a field is ``{connection.field.inner}``.
    :param query: JMESPath that gives an object; None values are left out.
    :param body: JMESPath that gives the JSON body; no body when not given.
    :param key_header: name of a header that takes the effect's key, for a vendor that honours idempotency keys.
    :param output: JMESPath over the answer's JSON; the whole answer when not given. Of a search, it gives the items.
    :param errors: a table in place of the connection type's.
    :param wrapper: the name that the body is wrapped in, and that the answer stands under; ``{connection.field}`` where
        a connection can set it. Empty: none. An answer without it is an error.
    :param expects: JMESPath over the answer, without its wrapper, that finds something in each that is as expected;
        others are errors. An answer that has it and no wrapper is taken as it is.
    :param gives: JMESPath that makes the output of ``answer`` (what ``output`` gives), ``config``, ``connection``,
        ``sent_at`` (ISO 8601, UTC), ``status``, and ``body`` (the answer as JSON, else as text). Where it looks at
        ``answer`` nowhere, the vendor may answer what it likes.
    :param absent: the output where the vendor answers ``NotFound``: JMESPath over ``config``, ``connection`` and
        ``sent_at``; ``omit()`` leaves it an error.
    :param warns: JMESPath over an answer's JSON; what it finds is said as a warning, and the call goes on.
    :param holes: what an inserted path calls a key of the config, where that is another name: ``{"id": "target_id"}``.
    """

    method: str
    path: str
    query: str | None = None
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    output: str | None = None
    errors: ErrorTable | None = None
    key_header: str | None = None
    wrapper: str | None = None
    expects: str | None = None
    gives: str | None = None
    absent: str | None = None
    warns: str | None = None
    holes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Happened:
    """A probe's answer: the vendor shows the effect; ``output`` is what the call would have given."""

    output: Json


class ProbeResult(enum.Enum):
    """A probe's other answers."""

    #: the vendor does not show the effect, and by now it would
    ABSENT = "absent"
    #: the probe cannot tell
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Probe:
    """A look at the vendor that tells whether a write happened, declared rather than programmed.

    :param request: a read, made of the write's config.
    :param found: JMESPath over ``{answer, config, connection, sent_at}``: the request's output, what the write was made
        of, and when it was sent (ISO 8601, UTC). Where it gives something, the write happened, and this is its output;
        null, false and what is empty mean that the vendor does not show it.
    :param absent: errors of the request that mean the same.
    :param paging: how the pages of the request go on; ``found`` is asked of each until it finds something. A list of
        more than 100 pages tells nothing.
    """

    request: Request
    found: str
    absent: tuple[type[ModuleError], ...] = (NotFound,)
    paging: Paging | None = None


@dataclass(frozen=True, kw_only=True)
class Module:
    """What all kinds of modules share.

    :param name: ``verb_object``; scenarios call it ``app.verb_object``.
    :param config: JSON Schema of ``with:``.
    :param output: JSON Schema of what it returns, or a function of the config that gives one.
    :param connection: name of the connection type that it uses.
    :param connection_required: False when a step may leave the connection out.
    :param example: a ``with:`` that is valid.
    :param deprecated: what to use in its place, in words; scenarios that use the module are told.
    """

    name: str
    title: str
    description: str
    config: Schema
    output: Schema | Callable[[Config], Schema] = field(default_factory=dict)
    connection: str | None = None
    connection_required: bool = True
    version: str = "1"
    example: Json = None
    deprecated: str | None = None

    def output_schema(self, config: Config) -> Schema:
        """The output's schema under this config. At load, values that are expressions are absent from ``config``."""
        return self.output(config) if callable(self.output) else self.output


@dataclass(frozen=True, kw_only=True)
class Action(Module):
    """A module that does one thing: one call makes one write at most.

    Exactly one of ``request`` and ``run`` is given.

    :param batch: the write has many items, each with an outcome of its own: ``run`` gives a list of ``Done``,
        ``Refused`` and ``Unknown``, and ``output`` is the schema of one item's output. Scenarios see ``{items, done,
        refused, unknown}``. It goes with ``run``, and with neither ``prepare`` nor ``probe``.

    :param effect: what it does outside, or a function of the resolved config that says so.
    :param prepare: completes the config before it is stored and sent: defaults that depend on the key or on now.
        It must be pure: the same arguments give the same result.
    :param probe: asks the vendor whether a write of unknown outcome happened: ``probe(call, sent_at)`` gives
        ``Happened(output)``, ``ProbeResult.ABSENT`` or ``ProbeResult.UNKNOWN``; or a ``Probe`` that declares it.
    :param settle_after: seconds until the vendor shows a change; an ``ABSENT`` before that counts as ``UNKNOWN``. Or a
        function of the resolved config that says so; its None means that the probe can find nothing under this config,
        and is not asked.
    """

    effect: Effect | Callable[[Config], Effect]
    request: Request | None = None
    run: Callable[[Call], Awaitable[Json | Outcomes]] | None = None
    batch: Batch | None = None
    prepare: Callable[[Call], Config] | None = None
    probe: Callable[[Call, datetime], Awaitable[Happened | ProbeResult]] | Probe | None = None
    settle_after: float | Callable[[Config], float | None] = 0.0

    def __post_init__(self) -> None:
        if (self.request is None) == (self.run is None):
            raise ValueError(f"action {self.name}: give either request or run")
        if self.request is not None or isinstance(self.probe, Probe):
            _free_for_connection(self)
        if self.batch is not None:
            if self.run is None or self.prepare is not None or self.probe is not None:
                raise ValueError(f"action {self.name}: a batch goes with run, and with neither prepare nor probe")
            object.__setattr__(self, "config", with_on_refused(self.name, self.batch, self.config))

    def output_schema(self, config: Config) -> Schema:
        """As of any module; of a batch, what becomes of each item."""
        schema = super().output_schema(config)
        return schema if self.batch is None else batch_output(schema)

    def effect_of(self, config: Config) -> Effect:
        """The effect under a resolved config."""
        return self.effect(config) if callable(self.effect) else self.effect

    def probed_after(self, config: Config) -> float | None:
        """Seconds after a write of unknown outcome at which its probe is asked; None: not at all."""
        if self.probe is None:
            return None
        return self.settle_after(config) if callable(self.settle_after) else self.settle_after


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search. ``cursor`` is JSON and leads to the next page; None: this was the last one."""

    items: Sequence[Json]
    cursor: Json = None


@dataclass(frozen=True, kw_only=True)
class Search(Module):
    """A module that finds records, page by page. Its output as a step is the list of items.

    Exactly one of ``request`` and ``page`` is given.

    :param page: ``page(call, cursor)``; the first cursor is None.
    :param request: reads a page; its ``output`` gives the list of items.
    :param paging: how the pages that ``request`` reads go on; None: there is one.
    :param output: JSON Schema of the list.
    """

    page: Callable[[Call, Json], Awaitable[Page]] | None = None
    request: Request | None = None
    paging: Paging | None = None

    def __post_init__(self) -> None:
        _one_reader(self, self.page, self.request, self.paging)


@dataclass(frozen=True, kw_only=True)
class Transform(Module):
    """A pure function of its config: no connection, no effect."""

    apply: Callable[[Config], Json]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook request as it came.

    :param headers: names in lower case.
    :param query: the last value of each key.
    :param raw: the body's bytes.
    :param body: the body as JSON: of a form the fields, of text the text.
    """

    method: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    raw: bytes
    body: Json
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a delivery.

    :param body: what scenarios see as ``trigger``.
    :param id: the vendor's identity of it, where the vendor sends one; a second event of the same id is a duplicate.
    :param subject: whom it is about: an e-mail, a customer id.
    """

    body: Json
    id: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer to a webhook's sender."""

    status: int = 200
    body: str = ""
    content_type: str = "text/plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """How a vendor is told the URL of a trigger's webhook by its API, so that nobody enters it by hand.

    Its functions get a call whose ``config`` is the trigger's ``with``, and the URL. An operator asks for them, again
    too: they look first, and leave what is there already as it is.

    :param connection: the connection type that they use. It may be another than the trigger's own, and another app's.
    :param attach: has the vendor call the URL for all that the config asks for; False: it did already.
    :param detach: has it call the URL no longer, whatever for; False: it did not.
    :param by_name: only where the operator names the webhook: because the vendor may call the URL already in a way that
        this API does not show, and each event would come twice.
    """

    connection: str
    attach: Callable[[Call, str], Awaitable[bool]]
    detach: Callable[[Call, str], Awaitable[bool]]
    by_name: bool = False


@dataclass(frozen=True, kw_only=True)
class WebhookTrigger(Module):
    """A trigger whose vendor calls a URL.

    :param parse: pure; gives the events of a delivery. Raises ``DataError`` for a body that is not the vendor's.
    :param accepts: whether an event passes the trigger's own filter under this config.
    :param identify: pure; completes an event for one scenario, before ``accepts``: the id and subject that its config
        tells where to find.
    :param verify: checks the vendor's signature with the connection's fields, secrets included; False refuses (401).
    :param handshake: answers a challenge that the vendor sends to try the URL; None means: an ordinary delivery.
    :param one_url: the vendor takes one URL for everything, so that scenarios of one connection share it.
    :param attachment: where the vendor can be told the URL by its API, how; of several ways, over connections of
        several types, the best first.
    """

    parse: Callable[[Delivery], Sequence[Event]]
    accepts: Callable[[Config, Event], bool] = lambda _config, _event: True
    identify: Callable[[Config, Delivery, Event], Event] | None = None
    verify: Callable[[Delivery, Mapping[str, Json]], bool] | None = None
    handshake: Callable[[Delivery], Answer | None] | None = None
    one_url: bool = False
    attachment: Attachment | tuple[Attachment, ...] | None = None

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The ways in which the vendor can be told the URL, the best first."""
        if isinstance(self.attachment, Attachment):
            return (self.attachment,)
        return self.attachment or ()


@dataclass(frozen=True, kw_only=True)
class PollingTrigger(Module):
    """A trigger that asks the vendor again and again: a search, plus the order and identity of its items.

    The engine keeps what it has seen, and starts a run for each item that is new or has changed. A *sweep* reads all
    pages, from the first cursor on.

    :param page: ``page(call, cursor)``, as of a ``Search``; the first cursor is None, or what ``resume`` gave.
    :param request: in place of ``page``, with ``paging``, as of a ``Search``; then there is no ``resume``.
    :param identify: pure; the event of an item. Its ``id`` is the record's identity and is needed here; a record that
        changes keeps it. Raises ``DataError`` for an item that is not the vendor's.
    :param order: pure; the item's position, which grows when a record is added or changed, such as the time of its
        last change; pages come sorted by it, oldest or newest first. Positions of one trigger are all numbers or all
        text that sorts, such as ISO times in UTC of one precision. None: what is new or has changed is told by identity
        and content, from all pages, each time.
    :param resume: pure; ``resume(config, position)`` gives the first cursor of a sweep that needs only what has this
        position or a later one: where the vendor can filter, or where ``page`` can end because the newest come first.
        It needs ``order``.
    :param moment: pure; the position of a moment, for ``start: {since: …}``; None: positions are ISO times. It needs
        ``order``.
    :param output: JSON Schema of one event's body, which scenarios see as ``trigger``.
    """

    page: Callable[[Call, Json], Awaitable[Page]] | None = None
    request: Request | None = None
    paging: Paging | None = None
    identify: Callable[[Config, Json], Event]
    order: Callable[[Json], str | int | float] | None = None
    resume: Callable[[Config, Json], Json] | None = None
    moment: Callable[[datetime], str | int | float] | None = None

    def __post_init__(self) -> None:
        _one_reader(self, self.page, self.request, self.paging)
        if self.request is not None and self.resume is not None:
            raise ValueError(f"polling trigger {self.name}: a sweep that resumes needs a page of its own, not request")
        if self.order is None and (self.resume is not None or self.moment is not None):
            raise ValueError(f"polling trigger {self.name}: resume and moment need order")


def _one_reader(module: Module, page: object, request: Request | None, paging: Paging | None) -> None:
    if (request is None) == (page is None):
        raise ValueError(f"{module.name}: give either request or page")
    if request is None and paging is not None:
        raise ValueError(f"{module.name}: paging says how the pages of a request go on, and there is none")
    if request is not None:
        _free_for_connection(module)


def _free_for_connection(module: Module) -> None:
    """In a declared call the name ``connection`` is the connection's."""
    if "connection" in module.config.get("properties", {}):
        raise ValueError(
            f"{module.name}: a declared call cannot have a key `connection` in its config; call it otherwise"
        )
