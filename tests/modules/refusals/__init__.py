"""What each simulator refuses because its vendor does: one file for each app, named like it, with a ``TABLE``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["key", "field", "wrapper", "limit"]
#: what each app has an answer to: wrong credentials; something required left out; a body that is not wrapped as it must
#: be; more requests, or more in one request, than the vendor takes
KINDS: tuple[Kind, ...] = ("key", "field", "wrapper", "limit")


@dataclass(frozen=True)
class Ask:
    """A request to a simulator. ``path`` is below the ``base_url`` of the connection that it gives."""

    method: str
    path: str
    json: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refused:
    """A request that is refused.

    :param status: of the answer.
    :param says: stands in it.
    :param times: how often it is sent within a second; the last one is refused.
    """

    ask: Ask
    status: int
    says: str = ""
    times: int = 1


@dataclass(frozen=True)
class Elsewhere:
    """A test shows it, because it takes more than a request: ``FILE::TEST`` below ``tests/modules/``."""

    test: str


@dataclass(frozen=True)
class Nothing:
    """The vendor has nothing to refuse there, and why."""

    why: str


@dataclass(frozen=True)
class Table:
    """What an app's simulator refuses.

    :param good: a request that it takes: each refused one differs from one such, so that the reason is seen. None: all
        is shown elsewhere.
    :param takes: stands in the answer to it.
    :param refusals: for each kind one or several.
    :param before: what a simulator is told first.
    """

    good: Ask | None
    refusals: Mapping[Kind, Refused | Elsewhere | Nothing | tuple[Refused | Elsewhere, ...]]
    takes: str = ""
    before: Callable[[Any], None] = lambda _simulator: None
