"""Open connections: the fields of ``connections.yaml``, their secrets, and the HTTP client that carries them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from weakref import WeakSet

import jsonschema
from yarl import URL

from engine.plugins import Registry
from engine.runtime import consents, urls
from engine.runtime.auth import TokenGiver, TokenSource
from engine.runtime.clients import Clients
from engine.runtime.connection_file import ConnectionEntry
from engine.runtime.declared import DeclaredRequest
from engine.runtime.grants import CredentialsSource, Grant, Grants, GrantSource
from engine.runtime.http import ConnectionHttp, Pools, Target
from engine.runtime.pacing import Pace
from engine.runtime.reader import SecretRef
from engine.runtime.redact import Redactor
from engine.runtime.secrets import Secrets
from engine.runtime.settings import HttpSettings
from engine.runtime.tokens import OAuthClient, TokenServer
from engine.scenario.diagnostics import Place
from engine.sdk.clock import Clock, utc
from engine.sdk.connections import ConnectionType, Opening, TokenAuth
from engine.sdk.errors import AuthError, ConfigError, DataError, EngineError
from engine.sdk.faults import NO_FAULTS, Faults
from engine.sdk.http import ErrorTable, Http, Response
from engine.sdk.modules import Call, Config, Json, Request, RunInfo
from engine.sdk.oauth import OAuth2

_NOTHING: Mapping[str, Json] = MappingProxyType({})


def no_client() -> AbstractAsyncContextManager[Any]:
    """What a call without a connection has for a client."""
    raise DataError("there is no client for this call: its connection's type has none", refused=True)


class OpenConnection(NamedTuple):
    """A connection in use.

    :param public: its fields without secrets.
    :param http: the client; secrets are looked up at each request.
    :param fields: awaited, gives all fields, secrets included. Raises ``AuthError``.
    :param client: what its type's own client gives, where it has one.
    """

    public: Mapping[str, Json]
    http: Http
    fields: Callable[[], Awaitable[Mapping[str, Json]]]
    client: Callable[[], AbstractAsyncContextManager[Any]] = no_client


class Connections:
    """All connections of a project.

    :param entries: what ``connections.yaml`` says.
    :param http: the settings for calls.
    :param overrides: under simulation, the fields by connection type that take the place of every connection of that
        type, except those that the type has ``kept``; a type that is not among them cannot be called at all.
    :param folder: the project's.
    :param grants: what the connections were authorized for; by default what the secrets' store has.
    """

    def __init__(
        self,
        entries: Mapping[str, ConnectionEntry],
        registry: Registry,
        secrets: Secrets,
        clock: Clock,
        *,
        http: HttpSettings | None = None,
        overrides: Mapping[str, Mapping[str, Json]] | None = None,
        folder: Path | None = None,
        grants: Grants | None = None,
        faults: Faults = NO_FAULTS,
    ) -> None:
        self._entries = entries
        self._folder = folder if folder is not None else Path()
        self._clients = Clients()
        # a simulated vendor's tokens are no secrets, and end with the process
        box = secrets.box if overrides is None else None
        self.grants = grants if grants is not None else Grants(box, clock, faults)
        #: who hides secrets and is to know of tokens too
        self._redactors: WeakSet[Redactor] = WeakSet()
        self._registry = registry
        self._secrets = secrets
        self._clock = clock
        self._http = http or HttpSettings()
        self._overrides = overrides
        self._pools = Pools(keep_alive=self._http.keep_alive, allowed_addresses=self._http.allow_hosts or ())
        self._ready: dict[str, _Ready] = {}
        self._sources: dict[tuple[str | None, str | None], _Source] = {}
        #: what the references among a source's public fields named when they were looked at, and the fields then
        self._publics: dict[_Source, tuple[list[str | None], Mapping[str, Json]]] = {}
        self._paces: dict[str, Pace] = {}

    def follow(self, entries: Mapping[str, ConnectionEntry]) -> None:
        """Have these connections from now on. Calls that are under way go on as they began."""
        self._entries = entries
        self._sources.clear()

    def open(
        self,
        name: str | None,
        type_name: str | None,
        warn: Callable[[str], None] = lambda _message: None,
        *,
        admitted: bool = False,
    ) -> OpenConnection:
        """Open a connection.

        :param name: as in ``connections.yaml``; None: no credentials.
        :param type_name: the type that the module asks for; None: of any type.
        :param warn: told when an answer was accepted although something is wrong with it.
        :param admitted: the first request has its turn of the connection's ``pace`` already.
        :raises AuthError: there is no such connection, or a field comes from an environment variable that is not
            set. Nothing was sent. Secrets are looked up only when they are needed.
        """
        source = self._source(name, type_name)
        # a step without a connection sees none under simulation either; its whole URLs lead to the stand-in
        public = _NOTHING if source.name is None else self._public(source)
        late = _LateHttp(self, source, warn, self._pace(source), admitted=admitted)
        return OpenConnection(public, late, partial(self._resolve, source), late.client)

    def pace(self, name: str | None, type_name: str | None) -> Pace | None:
        """Who gives turns for requests over a connection; None: they need none.

        What is wrong with the connection is not said here but when it is opened.
        """
        try:
            return self._pace(self._source(name, type_name))
        except AuthError:
            return None

    async def test(self, name: str) -> bool:
        """Prove that a connection's credentials work; False when its type knows no way to tell.

        :raises ModuleError: they do not, or the vendor cannot be reached.
        """
        connection = self.open(name, None)
        kind = self._source(name, None).kind
        await connection.fields()
        if kind is None or kind.test is None:
            return False
        call = self.call(name, {})
        if isinstance(kind.test, Request):
            await DeclaredRequest(kind.test).call(call, writes=False)
        else:
            await kind.test(call)
        return True

    def call(self, name: str, config: Config) -> Call:
        """A call that belongs to no run: a person asked for it.

        :raises AuthError: there is no such connection, or a field comes from an environment variable that is not set.
        """
        connection = self.open(name, None)
        return _ByHand(connection.public, connection.http, utc(self._clock.time()), connection.client, config)

    async def redactor(self) -> Redactor:
        """Knows the secrets of all connections whose secrets can be found."""
        values: list[str] = []
        for entry in self._entries.values():
            for given in entry.fields.values():
                if isinstance(given, SecretRef):
                    try:
                        values.append(await self._secrets.resolve(given))
                    except ConfigError:
                        continue
        made = Redactor(values)
        for name, entry in self._entries.items():
            if self._signs_in(entry) and (grant := await self._grant(name)) is not None:
                made.learn(name, [token for token in (grant.access_token, grant.refresh_token) if token])
        self._redactors.add(made)
        return made

    async def close(self) -> None:
        """Close all network connections of the running event loop."""
        for ready in self._ready.values():
            for source in ready.tokens:
                await source.close()
        self._ready.clear()
        await self._clients.close()
        await self._pools.close()

    # ------------------------------------------------------------------ authorization

    def places(self) -> dict[str, Place]:
        """The connections that a person authorizes, and where each stands in ``connections.yaml``."""
        return {name: entry.place for name, entry in self._entries.items() if self._signs_in(entry)}

    async def server(self, name: str) -> TokenServer | None:
        """The authorization server of a connection; None: it signs in otherwise.

        :raises AuthError: there is no such connection, or a field of it is not set.
        """
        source = self._source(name, None)
        oauth = source.kind.oauth if source.kind is not None else None
        if oauth is None:
            return None
        fields = await self._resolve(source)
        return self._server(source, oauth, fields) if fields.get("client_id") else None

    async def unauthorized(self) -> dict[str, str]:
        """Connections that a person has to authorize, and why, in a few words."""
        found = {}
        for name in self.places():
            grant = await self._grant(name)
            if grant is None:
                found[name] = "nobody has authorized it yet"
            elif grant.lost is not None:
                found[name] = grant.lost
        return found

    def _signs_in(self, entry: ConnectionEntry) -> bool:
        return self._overrides is None and signs_in(entry, self._registry)

    async def _grant(self, name: str) -> Grant | None:
        try:
            return await self.grants.grant(name)
        except ConfigError:
            # the key is another one: whoever uses the connection is told
            return None

    def _server(self, source: _Source, oauth: OAuth2, fields: Mapping[str, Json]) -> TokenServer:
        client = OAuthClient.of(source.name or source.type_name or "", oauth, fields)
        # the simulator's own pages stand in for those of the vendor, on whatever host they are
        base = str(URL(str(fields.get("base_url") or "")).origin()) if source.simulated else ""
        target = Target(base_url=base, timeout=self._http.timeout or 30.0, stand_in=source.simulated)
        redactor = Redactor([client.client_secret] if client.client_secret else [])
        self._redactors.add(redactor)
        return TokenServer(client, ConnectionHttp(target, self._pools, self._clock, redactor=redactor), redactor)

    def _giver(
        self, source: _Source, auth: TokenAuth | OAuth2, fields: Mapping[str, Json], redactor: Redactor
    ) -> TokenGiver:
        if isinstance(auth, TokenAuth):
            return TokenSource(auth, self._clock)
        server = self._server(source, auth, fields)
        name = server.client.connection

        def learn(tokens: Iterable[str]) -> None:
            known = list(tokens)
            redactor.learn(name, known)
            for other in tuple(self._redactors):
                other.learn(name, known)

        if not server.client.asks:
            return CredentialsSource(server, self._clock, learn)
        return GrantSource(
            server, self.grants, learn, partial(consents.agree, server, self.grants) if source.simulated else None
        )

    # ------------------------------------------------------------------ fields

    def _source(self, name: str | None, type_name: str | None) -> _Source:
        source = self._sources.get((name, type_name))
        if source is None:
            source = self._sources[name, type_name] = self._find(name, type_name)
        return source

    def _find(self, name: str | None, type_name: str | None) -> _Source:
        entry = self._entries.get(name) if name is not None else None
        wanted = type_name or (entry.type if entry else None)
        kind = self._registry.connection_types.get(wanted) if wanted is not None else None
        if self._overrides is not None:
            given = self._overrides.get(wanted) if wanted is not None else None
            kept = _kept(entry, kind) if entry is not None and kind is not None else {}
            return _Source(name, wanted, kind, {**(given or {}), **kept}, simulated=True, absent=given is None)
        if name is None:
            return _Source(None, wanted, kind, {})
        if entry is None:
            raise AuthError(
                f"there is no connection '{name}'", refused=True, hint=f"add it: `engine connections add {name}`"
            )
        if kind is None or entry.type != wanted:
            raise AuthError(
                f"connection '{name}' is of type '{entry.type}', "
                + (f"not '{wanted}'" if entry.type != wanted else "which no installed plugin has"),
                refused=True,
                hint="name another connection in the scenario, or correct connections.yaml",
            )
        return _Source(name, wanted, kind, entry.fields)

    def _public(self, source: _Source) -> Mapping[str, Json]:
        if source.constant is not None:
            return source.constant
        # each call asks; what has not changed is not put together again
        seen = [self._secrets.known(reference) for _, reference in source.shown]
        before = self._publics.get(source)
        if before is not None and before[0] == seen and None not in seen:
            return before[1]
        references = {name: self._environment(source, name, given) for name, given in source.shown}
        public = MappingProxyType({name: references.get(name, source.fields[name]) for name in source.public})
        self._publics[source] = (seen, public)
        return public

    async def _resolve(self, source: _Source) -> Mapping[str, Json]:
        return (await self._look_up(source))[0]

    async def _look_up(self, source: _Source) -> tuple[Mapping[str, Json], tuple[str | None, ...]]:
        """All fields, and the values of the source's references that they were made of."""
        fields = dict(self._public(source))
        seen = {name: self._secrets.known(ref) for name, ref in source.fields.items() if isinstance(ref, SecretRef)}
        for name, given in source.fields.items():
            if name in fields:
                continue
            if not isinstance(given, SecretRef):
                fields[name] = given
                continue
            try:
                fields[name] = seen[name] = await self._secrets.resolve(given)
            except ConfigError as error:
                raise _unset(source, name, error) from None
        ready = self._ready.get(source.slot)
        unchanged = (ready is not None and ready.fields == fields) or self._clients.of(source.slot, fields)
        if source.kind is not None and source.name is not None and not (unchanged or source.absent):
            self._validate(source, source.kind, fields)
        return fields, tuple(seen.values())

    def _environment(self, source: _Source, name: str, reference: SecretRef) -> Json:
        try:
            text = self._secrets.environment(reference.name)
        except ConfigError as error:
            raise _unset(source, name, error) from None
        schema = source.kind.fields.get("properties", {}).get(name, {}) if source.kind else {}
        if schema.get("type") in ("integer", "number", "boolean"):
            try:
                return json.loads(text)
            except ValueError:
                return text
        return text

    def _validate(self, source: _Source, kind: ConnectionType, fields: Mapping[str, Json]) -> None:
        known = kind.fields.get("properties", {})
        instance = {k: v for k, v in fields.items() if k in source.given and (k != "base_url" or k in known)}
        error = next(jsonschema.Draft202012Validator(kind.fields).iter_errors(instance), None)
        if error is not None:
            hidden = _redactor(kind, fields)
            where = "".join(f"'{part}': " for part in error.absolute_path)
            raise AuthError(
                f"connection '{source.name}': {where}{hidden.text(error.message)}",
                refused=True,
                hint="correct connections.yaml, or the environment variable that the field comes from",
            )

    def _current(self, source: _Source) -> tuple[str | None, ...]:
        """What a connection's references name now, as far as that is known without asking the store."""
        return tuple([self._secrets.known(reference) for reference in source.references])

    # ------------------------------------------------------------------ calls

    @asynccontextmanager
    async def lease(self, source: _Source) -> AsyncIterator[Any]:
        """The client of a connection whose type has its own. Raises ``AuthError``, ``DataError``."""
        kind = source.kind
        if kind is None or kind.client is None:
            raise TypeError(f"connection type '{source.type_name}' has no client: calls go over call.http")
        _present(source)
        fields, _ = await self._look_up(source)
        timeout = self._http.timeout or kind.timeout
        opening = Opening(fields, self._clock, self._folder, timeout, simulated=source.simulated)
        async with self._clients.lease(source.slot, kind.client, opening, _redactor(kind, fields)) as client:
            yield client

    async def client(self, source: _Source) -> ConnectionHttp:
        """The client for the next request over a connection. Raises ``AuthError``, ``DataError``."""
        ready = self._ready.get(source.slot)
        if ready is not None and (not source.references or self._current(source) == ready.seen):
            return ready.client
        return self._client(source, *await self._look_up(source))

    def _pace(self, source: _Source) -> Pace | None:
        limit = source.kind.rate if source.kind is not None else None
        if limit is None or source.absent:
            return None
        given = source.fields.get(limit.field)
        if isinstance(given, SecretRef):
            given = self._environment(source, limit.field, given)
        # a value that is no rate is refused when the fields are validated, before anything is sent
        wanted = float(given) if isinstance(given, int | float) and given > 0 else None
        pace = self._paces.get(source.slot)
        if pace is None:
            pace = self._paces[source.slot] = Pace(limit, self._clock, wanted)
        else:
            pace.set(wanted)
        return pace

    def _client(self, source: _Source, fields: Mapping[str, Json], seen: tuple[str | None, ...]) -> ConnectionHttp:
        _present(source)
        ready = self._ready.get(source.slot)
        # other fields, as after a renewal, are not served with the token of the old ones
        if ready is None or ready.fields != fields:
            ready = self._ready[source.slot] = self._make_ready(source, fields)
        # what these fields were made of: what is known by now may have been renewed while they were looked up
        ready.seen = seen
        return ready.client

    def _make_ready(self, source: _Source, fields: Mapping[str, Json]) -> _Ready:
        kind = source.kind or ConnectionType("", "", {})
        target = Target(
            base_url=str(fields.get("base_url") or "") or urls.fill(kind.base_url, fields, "connection"),
            auth=kind.auth_for(fields),
            fields=fields,
            errors=kind.errors,
            timeout=self._http.timeout or kind.timeout,
            allow_hosts=self._http.allow_hosts,
            stand_in=source.simulated,
        )
        redactor = _redactor(kind, fields)
        tokens = tuple(
            self._giver(source, auth, fields, redactor) for auth in target.auth if isinstance(auth, TokenAuth | OAuth2)
        )
        client = ConnectionHttp(
            target,
            self._pools,
            self._clock,
            tokens=tokens,
            redactor=redactor,
            pace=self._paces.get(source.slot),
        )
        return _Ready(fields, tokens, client)


@dataclass(slots=True)
class _Ready:
    """What the calls over a connection share while its fields stay the same.

    :param seen: the values of its references when they were looked at last.
    """

    fields: Mapping[str, Json]
    tokens: tuple[TokenGiver, ...]
    client: ConnectionHttp
    seen: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """What a connection's fields come from: what is given, and the type's defaults for what is not.

    :param given: names of the fields that are given. The rules on which go together are about these alone.
    :param absent: simulating, and nothing stands in for it.
    :param references: what its fields name elsewhere.
    :param public: names of its fields without secrets; ``shown``: those among them that come from elsewhere.
    :param constant: its fields without secrets, unless one of them comes from elsewhere.
    """

    name: str | None
    type_name: str | None
    kind: ConnectionType | None
    fields: Mapping[str, Json | SecretRef]
    simulated: bool = False
    absent: bool = False
    given: frozenset[str] = field(init=False)
    slot: str = field(init=False)
    references: tuple[SecretRef, ...] = field(init=False)
    public: tuple[str, ...] = field(init=False)
    shown: tuple[tuple[str, SecretRef], ...] = field(init=False)
    constant: Mapping[str, Json] | None = field(init=False)

    def __post_init__(self) -> None:
        # frozen for everybody else
        object.__setattr__(self, "given", frozenset(self.fields))
        if self.kind is not None and (self.simulated or self.name is not None):
            object.__setattr__(self, "fields", self.kind.with_defaults(self.fields))
        hidden = self.kind.secrets if self.kind else frozenset()
        public = {name: given for name, given in self.fields.items() if name not in hidden}
        shown = tuple((name, given) for name, given in public.items() if isinstance(given, SecretRef))
        object.__setattr__(self, "slot", f"{self.type_name}/{self.name or ''}")
        object.__setattr__(self, "references", tuple(v for v in self.fields.values() if isinstance(v, SecretRef)))
        object.__setattr__(self, "public", tuple(public))
        object.__setattr__(self, "shown", shown)
        object.__setattr__(self, "constant", None if shown else MappingProxyType(public))


def _present(source: _Source) -> None:
    """Raise ``DataError`` where nothing stands in for a connection while simulating."""
    if source.absent:
        raise DataError(
            f"connection type '{source.type_name}' has no simulator; nothing is sent while simulating"
            if source.type_name
            else "nothing is sent while simulating, and no simulator stands in for this call",
            refused=True,
            hint="run without --simulate, or give the app a simulator",
        )


def _kept(entry: ConnectionEntry, kind: ConnectionType) -> dict[str, Json]:
    """The fields of a connection that a simulator leaves as they are."""
    if entry.type != kind.name:
        return {}
    return {n: v for n, v in entry.fields.items() if n in kind.kept and not isinstance(v, SecretRef)}


def signs_in(entry: ConnectionEntry, registry: Registry) -> bool:
    """Whether a person authorizes the connection, as far as its fields tell without their secrets."""
    kind = registry.connection_types.get(entry.type)
    oauth = kind.oauth if kind is not None else None
    if oauth is None or "client_id" not in entry.fields:
        return False
    return bool(oauth.authorize_url or "authorize_url" in entry.fields)


def _redactor(kind: ConnectionType, fields: Mapping[str, Json]) -> Redactor:
    return Redactor(str(fields[name]) for name in kind.secrets if fields.get(name) not in (None, ""))


def _unset(source: _Source, field: str, error: EngineError) -> AuthError:
    return AuthError(
        f"connection '{source.name}', field '{field}': {error.message}; nothing was sent",
        refused=True,
        hint=f"{error.hint}; or `engine connections add {source.name}`" if error.hint else None,
    )


class _LateHttp:
    """Looks for the client at each request, so that a secret which was renewed is used.

    :param pace: gives each request its turn before anything else happens.
    :param admitted: the first request has its turn.
    """

    __slots__ = ("_admitted", "_connections", "_pace", "_source", "_warn")

    def __init__(
        self,
        connections: Connections,
        source: _Source,
        warn: Callable[[str], None],
        pace: Pace | None,
        *,
        admitted: bool,
    ) -> None:
        self._connections = connections
        self._source = source
        self._warn = warn
        self._pace = pace
        self._admitted = admitted

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Any]:
        """See ``engine.sdk.modules.Call.client``."""
        if self._pace is not None and not self._admitted:
            await self._pace.take("the call")
        self._admitted = False
        async with self._connections.lease(self._source) as client:
            yield client

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = ...,
        data: bytes | str | None = None,
        errors: ErrorTable | None = None,
        raise_for_status: bool = True,
    ) -> Response:
        """See ``engine.sdk.http.Http.request``."""
        if self._pace is not None and not self._admitted:
            await self._pace.take(f"{method.upper()} {path.partition('?')[0]}")
        self._admitted = False
        client = await self._connections.client(self._source)
        return await client.request(
            method,
            path,
            query=query,
            headers=headers,
            json=json,
            data=data,
            errors=errors,
            raise_for_status=raise_for_status,
            warn=self._warn,
        )


@dataclass(frozen=True, slots=True)
class _ByHand:
    """The call that ``ConnectionType.test`` is given, and an ``Attachment``."""

    connection: Mapping[str, Json]
    http: Http
    now: datetime
    client: Callable[[], AbstractAsyncContextManager[Any]]
    config: Config
    key: str = ""
    run: RunInfo = field(default_factory=lambda: RunInfo("", "by hand", 1))

    def warn(self, message: str) -> None:
        """Nobody listens: the answer is yes, no or an error."""
