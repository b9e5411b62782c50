"""Connection types: what a connection needs, where it leads, how auth is put on a request."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.sdk.clock import Clock
from engine.sdk.http import ErrorTable
from engine.sdk.oauth import OAuth2

if TYPE_CHECKING:
    from engine.sdk.modules import Call, Request

_HOLE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class HeaderAuth:
    """Send a field in a header; ``{field}`` in ``header`` inserts a field.

    :param prefix: is put before the value (``"Token "``).
    """

    header: str
    field: str
    prefix: str = ""


@dataclass(frozen=True)
class QueryAuth:
    """Send a field as a query parameter; ``{field}`` in ``parameter`` inserts a field."""

    parameter: str
    field: str


@dataclass(frozen=True)
class BearerAuth:
    """Send a field as ``Authorization: Bearer …``."""

    field: str


@dataclass(frozen=True)
class BasicAuth:
    """HTTP basic auth (RFC 7617) from two fields; no ``password`` field means an empty one."""

    username: str
    password: str | None = None


@dataclass(frozen=True)
class HmacAuth:
    """Send a keyed hash of the body in a header.

    :param algorithm: a name that ``hashlib`` knows.
    :param encoding: ``hex``, ``base64``, or ``base64-hex``: base64 of the hexadecimal digits.
    :param signed: what is signed; ``{body}``, ``{timestamp}`` (Unix seconds of sending) and ``{id}`` are inserted.
    :param value: what the header holds; ``{signature}`` and ``{timestamp}`` are inserted.
    :param timestamp_header: a header that gets the timestamp too.
    :param id_header: the header that has the message's id; a random one where the request does not set it.
    :param key_prefix: a secret that begins so is base64 of the key behind it; others are the key as they stand.
    """

    header: str
    field: str
    algorithm: str = "sha256"
    encoding: str = "hex"
    prefix: str = ""
    signed: str = "{body}"
    value: str = "{signature}"
    timestamp_header: str | None = None
    id_header: str | None = None
    key_prefix: str | None = None


@dataclass(frozen=True)
class TokenAuth:
    """Exchange the credentials for a token, send it along, and get a new one once on a 401 or 403.

    The token goes into the header, or into the query where ``query`` names a parameter.

    :param path: where to POST, relative to the base URL; ``{field}`` inserts a field.
    :param body: field names by key of the JSON body.
    :param answer: key of the answer that holds the token.
    :param lifetime: seconds after which a new one is fetched without being asked.
    :param query: the query parameter in which the token goes in place of the header.
    :param extra: what the JSON body has besides, as it stands.
    """

    path: str
    body: Mapping[str, str]
    answer: str
    header: str = "Authorization"
    prefix: str = ""
    lifetime: float = 3600.0
    query: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RateLimit:
    """How many requests a vendor takes over one connection; the engine waits before it sends more.

    :param per_second: requests per second, below 1 too; what a connection sets in its field goes before it.
    :param burst: requests that may go at once; never more than these in ``burst / per_second`` seconds. None: as many
        as a second has, one at least.
    :param field: the connection field that overrides ``per_second``; it is added to the type's fields.
    :param headers: names of the answer headers that tell how many requests are left, and in how many seconds the
        count begins anew; in lower case. ``Retry-After`` counts always.
    """

    per_second: float
    burst: int | None = None
    field: str = "requests_per_second"
    headers: tuple[str, str] = ("ratelimit-remaining", "ratelimit-reset")

    def __post_init__(self) -> None:
        if self.per_second <= 0 or (self.burst is not None and self.burst < 1):
            raise ValueError("a rate limit lets something through: per_second is above 0, burst 1 at least")

    @property
    def schema(self) -> Mapping[str, Any]:
        """JSON Schema of the connection field."""
        return {
            "type": "number",
            "title": "Requests per second",
            "description": "The most that is sent over this connection; the engine waits before it sends more.",
            "default": self.per_second,
            "exclusiveMinimum": 0,
            "maximum": 10_000,
        }


Auth = HeaderAuth | QueryAuth | BearerAuth | BasicAuth | HmacAuth | TokenAuth | OAuth2


@dataclass(frozen=True)
class Opening:
    """What a connection type's ``client`` is made of.

    :param fields: of the connection, secrets included.
    :param folder: the project's; a relative path in a field begins there.
    :param timeout: seconds that one exchange with the vendor may take.
    :param simulated: a simulator stands in for the vendor.
    """

    fields: Mapping[str, Any]
    clock: Clock
    folder: Path
    timeout: float
    simulated: bool = False


@dataclass(frozen=True)
class ConnectionType:
    """A kind of connection.

    :param name: unique among all installed apps; usually the app's name.
    :param fields: JSON Schema (2020-12) of an object. A field with ``"writeOnly": true`` is a secret: it is never
        handed to module code, logged, stored in a journal or shown. One that is not given has its ``default``.
    :param base_url: where calls go; ``{field}`` inserts a field. A connection may set ``base_url`` itself.
        Empty: module calls give whole URLs.
    :param auth: put on every request, in this order; one whose field is optional and not given is left out.
    :param errors: how the vendor's statuses map to the standard types.
    :param test: a cheap read that proves that the credentials work: a ``Request``, which sees the connection alone, or
        a function that raises ``AuthError`` when they do not.
    :param timeout: seconds for one request.
    :param rate: how many requests the vendor takes; None: the engine does not hold back.
    :param signature: a function of the connection's fields that gives how its requests are signed, after ``auth``.
    :param client: for a vendor that does not speak HTTP: makes what modules use in place of ``call.http``. It is
        entered once, before the first call over a connection, shared by all calls, and left when the connection's
        fields change or the engine stops, maybe by another task. Modules get what it yields from ``call.client()``.
    :param kept: fields that stay as ``connections.yaml`` has them while a simulator stands in, because they say what
        is worked with and not where it is. Secrets cannot be among them.
    """

    name: str
    title: str
    fields: Mapping[str, Any]
    base_url: str = ""
    auth: tuple[Auth, ...] = ()
    errors: ErrorTable = field(default_factory=ErrorTable)
    test: Callable[[Call], Awaitable[None]] | Request | None = None
    description: str = ""
    timeout: float = 30.0
    rate: RateLimit | None = None
    signature: Callable[[Mapping[str, Any]], tuple[HmacAuth, ...]] | None = None
    client: Callable[[Opening], AbstractAsyncContextManager[Any]] | None = None
    kept: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        properties: Mapping[str, Any] = self.fields.get("properties", {})
        if self.kept & self.secrets:
            raise ValueError(f"connection type {self.name}: secrets are not kept under simulation")
        added: dict[str, Any] = {} if self.rate is None else {self.rate.field: self.rate.schema}
        if (oauth := self.oauth) is not None:
            added |= oauth.fields
        if missing := {name: schema for name, schema in added.items() if name not in properties}:
            # so that whoever reads the fields (check, forms, pages) knows of them
            fields = {**self.fields, "properties": {**properties, **missing}}
            object.__setattr__(self, "fields", fields)

    @property
    def oauth(self) -> OAuth2 | None:
        """How the type signs in with OAuth 2, if it does."""
        return next((auth for auth in self.auth if isinstance(auth, OAuth2)), None)

    @property
    def defaults(self) -> Mapping[str, Any]:
        """What the fields without secrets are when a connection does not give them, where their schemas say so."""
        own = self.rate.field if self.rate is not None else None
        return {name: value for name, value in _defaults(self.fields).items() if name != own}

    def with_defaults(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """A connection's fields, and the defaults of those that it does not give; of an object, of those in it too."""
        return {**self.defaults, **_filled(self.fields, fields)}

    @property
    def secrets(self) -> frozenset[str]:
        """Names of the secret fields."""
        properties: Mapping[str, Any] = self.fields.get("properties", {})
        return frozenset(name for name, schema in properties.items() if schema.get("writeOnly"))

    def auth_for(self, fields: Mapping[str, Any]) -> tuple[Auth, ...]:
        """``auth`` as it applies to a connection with these fields, secrets included.

        What rests on an optional field that is not given is left out, so that one type can offer several ways to sign
        in. A missing required field is kept: sending the request then fails, and says which field it is.
        """
        required = frozenset(self.fields.get("required", ()))

        def given(name: str) -> bool:
            return fields.get(name) not in (None, "") or name in required

        chosen: list[Auth] = []
        for auth in self.auth:
            match auth:
                case BasicAuth(username, password) if given(username):
                    chosen.append(BasicAuth(username, password if password and given(password) else None))
                case HeaderAuth(header, name) if given(name):
                    chosen.append(replace(auth, header=_insert(header, fields)))
                case QueryAuth(parameter, name) if given(name):
                    chosen.append(replace(auth, parameter=_insert(parameter, fields)))
                case BearerAuth(name) | HmacAuth(field=name) if given(name):
                    chosen.append(auth)
                case TokenAuth():
                    chosen.append(auth)
                case OAuth2() if given("client_id"):
                    chosen.append(auth)
                case _:
                    pass
        if self.signature is not None:
            chosen += self.signature(fields)
        return tuple(chosen)


def _insert(name: str, fields: Mapping[str, Any]) -> str:
    return _HOLE.sub(lambda hole: str(fields.get(hole[1], "")), name)


def _defaults(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is there though nothing is given. An object lacks where it needs something that has no default."""
    properties: Mapping[str, Any] = schema.get("properties", {})
    found: dict[str, Any] = {}
    for name, one in properties.items():
        if one.get("writeOnly"):
            continue
        if "default" in one:
            found[name] = one["default"]
        elif (inner := _defaults(one)) and inner.keys() >= set(one.get("required", ())):
            found[name] = inner
    return found


def _filled(schema: Mapping[str, Any], given: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is given, and in each object of it the defaults of the fields that it lacks."""
    properties: Mapping[str, Any] = schema.get("properties", {})
    return {
        name: {**_defaults(properties[name]), **_filled(properties[name], value)}
        if isinstance(value, Mapping) and name in properties
        else value
        for name, value in given.items()
    }
