"""An app: modules, connection types and a simulator under one name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import pluggy

from engine.sdk.clock import Clock
from engine.sdk.connections import ConnectionType
from engine.sdk.modules import Json, Module

if TYPE_CHECKING:
    from aiohttp import web

#: marks a plugin's functions as hook implementations
hookimpl = pluggy.HookimplMarker("engine")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One behaviour of a simulator, and how it is known.

    :param mark: ``verified`` (the vendor's documentation or answers were seen) or ``assumed``.
    """

    text: str
    mark: Literal["verified", "assumed"]


@dataclass(frozen=True, slots=True)
class Assumption:
    """Something that an app takes for true of its vendor, and that the vendor was not seen to say.

    :param about: what it is about, in a few words, such as ``path of custom events``; unique in its app.
    :param assumed: what is taken for true, as one sentence.
    :param changed_by: what changes it, should it be wrong: a field of the app's connection types (``base_url``), or a
        constant of the app (``package.module:NAME``); empty where nothing of the app's would change.
    :param settled_by: what would settle it.
    :param mark: ``inferred`` (from something that was seen: `source` says what) or ``unknown`` (searched for, and found
        nowhere).
    :param source: what it was inferred from, or where it was looked for.
    :param shown_by: the simulator's behaviours, marked ``assumed``, that rest on it; by their texts.
    """

    about: str
    assumed: str
    changed_by: str
    settled_by: str
    mark: Literal["inferred", "unknown"]
    source: str = ""
    shown_by: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class WebhookSample:
    """A webhook that a simulator can send.

    :param description: what it tells, in a few words; the vendor's topic first, where it has one.
    :param body: what is posted as JSON. It agrees with what the simulator would answer now.
    :param headers: what the vendor sends beside ``Content-Type: application/json``.
    """

    description: str
    body: Json
    headers: Mapping[str, str] = field(default_factory=dict)


class Simulator(Protocol):
    """A vendor in small: its validation, errors, limits and delays, on the engine's clock.

    One that can send webhooks is a ``WebhookSender`` too.
    """

    @property
    def behaviours(self) -> Sequence[Behaviour]:
        """Every behaviour that it shows, each marked as verified or assumed."""
        ...

    def application(self) -> web.Application:
        """The HTTP server. Called once."""
        ...

    def connection(self, base_url: str) -> Mapping[str, Any]:
        """Fields of a connection, secrets included, that the simulator at this URL accepts."""
        ...


@runtime_checkable
class ServingSimulator(Protocol):
    """A simulator of a vendor that does not speak HTTP: it serves in its own way, or is a folder on the disk."""

    @property
    def behaviours(self) -> Sequence[Behaviour]:
        """Every behaviour that it shows, each marked as verified or assumed."""
        ...

    def serve(self, host: str, port: int) -> AbstractAsyncContextManager[str]:
        """Be there, and yield where: such as ``smtp://127.0.0.1:2525``, or a folder. Called once.

        :param host: an address of this machine to listen on.
        :param port: 0 takes a free one.
        :raises OSError: it cannot listen there.
        """
        ...

    def connection(self, address: str) -> Mapping[str, Any]:
        """Fields of a connection, secrets included, that lead to the simulator at this address."""
        ...


@runtime_checkable
class WebhookSender(Protocol):
    """What a simulator has besides, when its vendor sends webhooks.

    :ivar send: called with each webhook that a change of the simulator's state causes. Who runs the simulator sets it;
        until then it does nothing.
    """

    send: Callable[[WebhookSample], None]

    @property
    def webhooks(self) -> Mapping[str, WebhookSample]:
        """Every webhook that it can send, by name, made of its state at this moment."""
        ...


@dataclass(frozen=True, kw_only=True)
class App:
    """What a plugin registers.

    :param name: ``[a-z][a-z0-9_]*``, unique among all installed apps.
    :param simulator: makes a simulator on the engine's clock; a ``ServingSimulator`` where the vendor does not speak
        HTTP.
    :param assumptions: what modules and simulator rest on without having seen it of the vendor.
    """

    name: str
    title: str
    description: str = ""
    modules: Sequence[Module] = ()
    connections: Sequence[ConnectionType] = ()
    simulator: Callable[[Clock], Simulator | ServingSimulator] | None = None
    assumptions: Sequence[Assumption] = ()
