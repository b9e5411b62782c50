"""One part of the simulated vendor: some routes over the merchant's state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from aiohttp import web

from engine import Behaviour
from modules.yotpo_loyalty.simulator.state import State


@dataclass(frozen=True, slots=True)
class Created:
    """What a handler gives for a 201 answer."""

    body: Any


#: gives the JSON body of a 200 answer, or ``Created``, or raises ``modules.simulation.Refused``
Handler = Callable[[web.Request], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Route:
    """:param path: below the API's base, such as ``/customers``."""

    method: str
    path: str
    handler: Handler


class Room(ABC):
    """A subclass says its routes, and which of its behaviours are known and which assumed."""

    behaviours: ClassVar[Sequence[Behaviour]] = ()

    def __init__(self, state: State) -> None:
        self.state = state

    @abstractmethod
    def routes(self) -> Sequence[Route]: ...
