"""An app: modules, connection types and a simulator under one name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    :param simulator: makes a simulator on the engine's clock.
    """

    name: str
    title: str
    description: str = ""
    modules: Sequence[Module] = ()
    connections: Sequence[ConnectionType] = ()
    simulator: Callable[[Clock], Simulator] | None = None
