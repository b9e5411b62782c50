"""Carrying out a module's call. The durable rules stand above this seam; the outside world is below it."""

from __future__ import annotations

import traceback
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar

from engine.runtime.connections import Connections, no_client
from engine.runtime.declared import Declared
from engine.runtime.items import answered
from engine.runtime.outcomes import PluginFault
from engine.runtime.pacing import Pace
from engine.scenario.plan import ModuleStep, ModuleTrigger
from engine.sdk import jsontext
from engine.sdk.batches import Batch
from engine.sdk.data import DataWrite
from engine.sdk.errors import DataError, EngineError, ModuleError
from engine.sdk.http import Http, Response
from engine.sdk.modules import (
    Action,
    Call,
    Config,
    Effect,
    Happened,
    Json,
    Module,
    Page,
    ProbeResult,
    RunInfo,
    Search,
    Transform,
)

_T = TypeVar("_T")

#: namespace of the idempotency keys that vendors get, and of all else that is random and must be the same again
KEY_SPACE = uuid.UUID("5f0c4b0e-3a53-5c0a-9d5c-7d1f5c2f7a11")

#: a search without a ``limit`` of its own gives up above so many items rather than cut them off in silence
SEARCH_LIMIT = 10_000


class Attempt(NamedTuple):
    """What an attempt is about, for whoever carries it out.

    :param effect_key: the same for the same step of the same event in every run of it.
    :param admitted: its first request has a turn of the connection's pace.
    """

    effect_key: str
    now: datetime
    run: RunInfo
    warn: Callable[[str], None]
    admitted: bool = False

    @property
    def key(self) -> str:
        """The effect's key as vendors get it: a name-based UUID. Few modules ask for it, so it is made when asked."""
        return str(uuid.uuid5(KEY_SPACE, self.effect_key))


class Caller(Protocol):
    """Carries out calls. A test double and a dry run are others."""

    def effect(self, step: ModuleStep, config: Config) -> Effect:
        """What the call does to the outside world."""
        ...

    def prepare(self, step: ModuleStep, config: Config, attempt: Attempt) -> Config:
        """Complete the config before it is stored and sent."""
        ...

    def pace(self, step: ModuleStep, config: Config) -> Pace | None:
        """Who gives the turn that the call's first request waits for; None: it needs none."""
        ...

    async def call(self, step: ModuleStep, config: Config, attempt: Attempt) -> Json: ...

    async def probe(self, step: ModuleStep, config: Config, attempt: Attempt) -> Happened | ProbeResult: ...


class ModuleCall(NamedTuple):
    """The module's view of an attempt: ``engine.Call``."""

    config: Config
    connection: Mapping[str, Json]
    http: Http
    attempt: Attempt
    lease: Callable[[], AbstractAsyncContextManager[Any]] = no_client

    def client(self) -> AbstractAsyncContextManager[Any]:
        return self.lease()

    @property
    def key(self) -> str:
        return self.attempt.key

    @property
    def now(self) -> datetime:
        return self.attempt.now

    @property
    def run(self) -> RunInfo:
        return self.attempt.run

    def warn(self, message: str) -> None:
        self.attempt.warn(message)


class ModuleCaller:
    """Calls the modules themselves, over real connections or those of simulators.

    :param most: bytes that a search may gather page by page; None: no limit.
    """

    def __init__(self, connections: Connections, most: int | None = None) -> None:
        self.connections = connections
        self._most = most
        self._declared = Declared()

    def effect(self, step: ModuleStep, config: Config) -> Effect:
        try:
            return effect_of(step.module, config)
        except EngineError:
            raise
        except Exception as error:
            raise plugin_fault(step, error) from error

    def prepare(self, step: ModuleStep, config: Config, attempt: Attempt) -> Config:
        module = step.module
        if not isinstance(module, Action) or module.prepare is None:
            return config
        try:
            return module.prepare(self._open(step, config, attempt))
        except EngineError:
            raise
        except Exception as error:
            raise plugin_fault(step, error) from error

    def pace(self, step: ModuleStep, config: Config) -> Pace | None:
        return self.connections.pace(step.connection, step.module.connection)

    async def call(self, step: ModuleStep, config: Config, attempt: Attempt) -> Json:
        module = step.module
        call = self._open(step, config, attempt)
        if isinstance(module, Search):
            read = self._declared.reader(step.module_name, module)
            if step.page is not None:
                page = await self._guard(step, read(call, step.page.cursor))
                return {"items": page.items, "cursor": page.cursor}
            return await self._guard(step, search(module.name, read, call, self._most))
        assert isinstance(module, Action)
        writes = module.effect_of(config).writes
        if module.request is not None:
            declared = self._declared.request(step.module_name, module.request)
            return await self._guard(step, declared.call(call, writes=writes))
        assert module.run is not None
        if not writes:
            return await self._guard(step, module.run(call))
        watched = WatchedHttp(call.http)
        if module.batch is not None:
            work = module.run(call._replace(http=watched))
            try:
                return await self._guard(step, _outcomes(module.batch, config, work))
            except ModuleError as error:
                # what fails behind an answer leaves unknown what became of the items
                error.refused = error.refused and error is not watched.later
                raise
        try:
            return await self._guard(step, module.run(call._replace(http=watched)))
        except ModuleError as error:
            if not watched.accepted or (error.refused and error is not watched.later):
                raise
            attempt.warn(f"the vendor accepted the call, but then: {error.message}; the output is null")
            return None

    async def probe(self, step: ModuleStep, config: Config, attempt: Attempt) -> Happened | ProbeResult:
        module = step.module
        if not isinstance(module, Action) or module.probe is None:
            return ProbeResult.UNKNOWN
        probe = self._declared.probe(step.module_name, module.probe)
        return await self._guard(step, probe(self._open(step, config, attempt), attempt.now))

    def _open(self, step: ModuleStep, config: Config, attempt: Attempt) -> ModuleCall:
        connection = self.connections.open(
            step.connection, step.module.connection, attempt.warn, admitted=attempt.admitted
        )
        return ModuleCall(config, connection.public, connection.http, attempt, connection.client)

    @staticmethod
    async def _guard(step: ModuleStep, work: Awaitable[_T]) -> _T:
        try:
            return await work
        except EngineError:
            raise
        except Exception as error:
            raise plugin_fault(step, error) from error


async def _outcomes(batch: Batch, config: Config, work: Awaitable[Any]) -> Json:
    return answered(batch, config, await work)


class WatchedHttp:
    """A client that knows whether the vendor has accepted a request that may change something.

    :ivar later: how a request after that one failed: it may be refused, and proves nothing of what was accepted.
    """

    def __init__(self, http: Http) -> None:
        self._http = http
        self.accepted = False
        self.later: ModuleError | None = None

    async def request(self, method: str, path: str, **options: Any) -> Response:
        """See ``engine.sdk.http.Http.request``."""
        try:
            response = await self._http.request(method, path, **options)
        except ModuleError as error:
            self.later = error if self.accepted else None
            raise
        if response.status < 300 and method.upper() not in ("GET", "HEAD", "OPTIONS"):
            self.accepted = True
        return response


def effect_of(module: Module, config: Config) -> Effect:
    """The effect of a module under a config: an action says so, a search reads, a transform does nothing."""
    if isinstance(module, Action):
        return module.effect_of(config)
    if isinstance(module, DataWrite):
        return Effect.WRITE
    return Effect.NONE if isinstance(module, Transform) else Effect.READ


async def search(
    name: str, read: Callable[[Call, Json], Awaitable[Page]], call: Call, most: int | None = None
) -> list[Json]:
    """All items of a search, page by page, up to the config's ``limit``.

    :param name: the search's, for messages.
    :param read: reads the page of a cursor.
    :param most: bytes that may be gathered before the last page; the caller sees to the whole.
    :raises DataError: there are too many, they are too large, or the pages come to no end.
    """
    limit = call.config.get("limit")
    items: list[Json] = []
    cursor: Json = None
    passed: set[str] = set()
    size = 0
    while True:
        passed.add(jsontext.fingerprint(cursor))
        page = await read(call, cursor)
        items += page.items
        before, cursor = cursor, page.cursor
        if limit is not None and len(items) >= limit:
            return items[:limit]
        if cursor is None:
            return items
        if most is not None and (size := size + jsontext.size(page.items)) > most:
            raise DataError(
                f"the pages of {name} have more than {most} bytes (`limits.output`)",
                hint="narrow it, say how many you want (`limit`), or raise `limits.output` in engine.yaml",
            )
        # pages may bring nothing, so that it is not enough to count what they bring
        if jsontext.fingerprint(cursor) in passed or len(passed) >= SEARCH_LIMIT:
            raise DataError(f"the pages of {name} lead in a circle, or to no end: after the cursor {before!r}")
        if len(items) >= SEARCH_LIMIT:
            raise DataError(
                f"the search found more than {SEARCH_LIMIT} items", hint="narrow it, or say how many you want: `limit`"
            )


def plugin_fault(step: ModuleStep | ModuleTrigger, error: Exception) -> PluginFault:
    """The error that stands for a plugin's own mistake, with the file and line of it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "/engine/runtime/" not in f.filename] or frames
    where = f"{own[-1].filename}:{own[-1].lineno}" if own else "?"
    return PluginFault(
        f"{step.module_name} raised {type(error).__name__}: {error} at {where}",
        place=str(step.place),
        hint="this is a mistake in the plugin",
    )
