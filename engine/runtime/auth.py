"""How a connection's credentials get on a request, and how its tokens are kept."""

from __future__ import annotations

import asyncio
import base64
import hmac
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol

from engine.runtime.urls import text_of
from engine.sdk.clock import Clock
from engine.sdk.connections import Auth, BasicAuth, BearerAuth, HeaderAuth, HmacAuth, QueryAuth, TokenAuth
from engine.sdk.errors import AuthError
from engine.sdk.oauth import OAuth2


def put_on(
    auth: Auth,
    fields: Mapping[str, Any],
    headers: MutableMapping[str, str],
    query: MutableMapping[str, Any],
    body: bytes,
    token: str | None = None,
    *,
    now: float = 0.0,
) -> None:
    """Put one kind of auth on a request: changes ``headers`` (lower-case names) and ``query``.

    :param token: what ``TokenAuth`` fetched, or ``OAuth2`` has.
    :raises AuthError: a field that the auth needs is not set; nothing was sent.
    """
    match auth:
        case HeaderAuth():
            headers[auth.header.lower()] = auth.prefix + _field(fields, auth.field)
        case BearerAuth():
            headers["authorization"] = f"Bearer {_field(fields, auth.field)}"
        case BasicAuth():
            password = _field(fields, auth.password) if auth.password else ""
            pair = f"{_field(fields, auth.username)}:{password}".encode()
            headers["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        case QueryAuth():
            query[auth.parameter] = _field(fields, auth.field)
        case HmacAuth():
            _sign(auth, _field(fields, auth.field), headers, body, str(int(now)))
        case TokenAuth(query=parameter) if parameter:
            query[parameter] = token or ""
        case TokenAuth():
            headers[auth.header.lower()] = f"{auth.prefix}{token or ''}"
        case OAuth2(query=parameter) if parameter:
            query[parameter] = token or ""
        case OAuth2():
            headers[auth.header.lower()] = f"{auth.prefix}{token or ''}"


def _sign(auth: HmacAuth, secret: str, headers: MutableMapping[str, str], body: bytes, timestamp: str) -> None:
    """Put a signature into its header, and what it rests on into theirs."""
    name = ""
    if auth.id_header is not None:
        name = headers.setdefault(auth.id_header.lower(), str(uuid.uuid4()))
    if auth.timestamp_header is not None:
        headers[auth.timestamp_header.lower()] = timestamp
    # inserted piece by piece: a body that holds `{timestamp}` is only a body
    pieces = (part.replace("{timestamp}", timestamp).replace("{id}", name) for part in auth.signed.split("{body}"))
    digest = hmac.new(_key(auth, secret), body.join(piece.encode() for piece in pieces), auth.algorithm).digest()
    raw = digest.hex().encode() if auth.encoding == "base64-hex" else digest
    text = digest.hex() if auth.encoding == "hex" else base64.b64encode(raw).decode()
    headers[auth.header.lower()] = auth.value.replace("{timestamp}", timestamp).replace(
        "{signature}", auth.prefix + text
    )


def _key(auth: HmacAuth, secret: str) -> bytes:
    if auth.key_prefix is None or not secret.startswith(auth.key_prefix):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(auth.key_prefix), validate=True)
    except ValueError:
        raise AuthError(
            f"the connection's field '{auth.field}' is no base64 behind {auth.key_prefix}; nothing was sent",
            refused=True,
        ) from None


def token_body(auth: TokenAuth, fields: Mapping[str, Any]) -> dict[str, str]:
    """The JSON body that asks for a token."""
    return {**auth.extra, **{key: _field(fields, name) for key, name in auth.body.items()}}


def _field(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None or value == "":
        raise AuthError(
            f"the connection's field '{name}' is not set; nothing was sent",
            refused=True,
            hint="set it with `engine connections add NAME`",
        )
    return text_of(value)


class TokenGiver(Protocol):
    """Who has the token for a connection's next request."""

    #: statuses by which a vendor says that it does not take the token
    refusals: frozenset[int]

    async def token(self) -> str: ...

    def reject(self, token: str) -> None: ...

    async def close(self) -> None: ...


class TokenSource:
    """Keeps one connection's token. However many calls want a new one, it is fetched once.

    :param clock: decides how long a token is used.
    :ivar fetch: gets a new one.
    """

    refusals = frozenset({401, 403})

    def __init__(self, auth: TokenAuth, clock: Clock) -> None:
        self.auth = auth
        self.fetch: Callable[[TokenAuth], Awaitable[str]] | None = None
        self._clock = clock
        self._token: str | None = None
        self._fetched_at = 0.0
        self._fetching: asyncio.Task[str] | None = None

    async def token(self) -> str:
        """The token; a new one where there is none or it is too old."""
        age = self._clock.time() - self._fetched_at
        if self._token is not None and 0 <= age < self.auth.lifetime:
            return self._token
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._renew())
            self._fetching.add_done_callback(self._settled)
        # shielded: a caller that is cancelled does not take the token from the others that wait for it
        return await asyncio.shield(self._fetching)

    def reject(self, token: str) -> None:
        """The vendor did not accept this token. A newer one stays."""
        if self._token == token:
            self._token = None

    async def close(self) -> None:
        """Stop a fetch that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    async def _renew(self) -> str:
        assert self.fetch is not None
        token = await self.fetch(self.auth)
        self._token, self._fetched_at = token, self._clock.time()
        return token

    def _settled(self, task: asyncio.Task[str]) -> None:
        self._fetching = None
        if not task.cancelled():
            # looked at here because every caller may have been cancelled by now
            task.exception()
