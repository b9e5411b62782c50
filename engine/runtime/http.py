"""The engine's HTTP client: one request, sent once, and an error that says whether it may have been applied.

What is known of a request that failed rests on one observation: whether its head was handed to a connection. Before
that (no address, no connection, no TLS) nothing was sent and the failure is ``refused``; after that the vendor may
have applied it. Nothing here sends a request again; only a token that the vendor did not accept is renewed once,
because a 401 or 403 says that the request was not let in.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import re
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import aiohttp
from yarl import URL

from engine.runtime import urls
from engine.runtime.auth import TokenSource, put_on, token_body
from engine.runtime.pacing import Pace
from engine.runtime.redact import Redactor
from engine.sdk import errors as kinds
from engine.sdk import jsontext
from engine.sdk.clock import Clock
from engine.sdk.connections import Auth, TokenAuth
from engine.sdk.http import ErrorTable, Response

#: bytes of an answer that are read
MAX_ANSWER = 10_000_000
#: seconds after which an unused connection is closed
KEEP_ALIVE = 10.0
#: the same for connections that carry writes: few servers close so early, and a write that meets a connection which
#: the server is closing has an outcome that nobody knows
KEEP_ALIVE_WRITES = 2.0

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = _READS | {"POST", "PUT", "PATCH", "DELETE"}
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
#: the client's own: they say where a request ends
_FRAMING = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "te", "transfer-encoding", "upgrade"}
)


def user_agent() -> str:
    """What the engine calls itself to vendors."""
    return f"scenario-engine/{importlib.metadata.version('scenario-engine')}"


@dataclass(slots=True)
class _Progress:
    """How far a request came. ``sent``: its head was handed to a connection."""

    sent: bool = False


class Pools:
    """Kept-alive connections, shared by all connections of a process; a pair of pools per event loop.

    Reads and writes have pools of their own, because writes only go over connections that are new or were used just
    now (``KEEP_ALIVE_WRITES``).

    :param keep_alive: seconds after which an unused connection is closed.
    :param allowed_addresses: link-local addresses that may be called nevertheless.
    """

    def __init__(
        self,
        *,
        keep_alive: float = KEEP_ALIVE,
        keep_alive_writes: float = KEEP_ALIVE_WRITES,
        allowed_addresses: Collection[str] = (),
    ) -> None:
        self._keep_alive = (keep_alive, min(keep_alive, keep_alive_writes))
        self._allowed = frozenset(allowed_addresses)
        self._sessions: dict[asyncio.AbstractEventLoop, tuple[aiohttp.ClientSession, aiohttp.ClientSession]] = {}

    def session(self, method: str) -> aiohttp.ClientSession:
        """The session for this method on the running event loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._sessions:
            reads, writes = self._keep_alive
            self._sessions[loop] = (self._new(reads), self._new(writes))
        return self._sessions[loop][0 if method in _READS else 1]

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        for session in self._sessions.pop(asyncio.get_running_loop(), ()):
            await session.close()

    def _new(self, keep_alive: float) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # the engine limits runs; a queue in here would eat into a request's timeout
                keepalive_timeout=keep_alive,
                socket_factory=self._socket,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            trace_configs=[_tracing()],
            headers={"User-Agent": user_agent()},
        )
        # aiohttp sends GET, HEAD, OPTIONS, PUT and DELETE again when a kept-alive connection drops; a PUT or DELETE
        # that some vendor does not treat as idempotent would be applied twice. The library has no public switch.
        session._retry_connection = False  # noqa: SLF001 - see above; tests/runtime/test_http_once.py guards it
        return session

    def _socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        # here, not at the name: this is the address that is connected to, whatever a name resolved to before
        family, kind, protocol, _, address = info
        if urls.refused_address(str(address[0]), self._allowed):
            raise OSError(f"{address[0]} is a link-local or metadata address, which is never called")
        return socket.socket(family, kind, protocol)


def _tracing() -> aiohttp.TraceConfig:
    async def sent(
        _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams
    ) -> None:
        progress: _Progress = context.trace_request_ctx
        progress.sent = True

    config = aiohttp.TraceConfig()
    config.on_request_headers_sent.append(sent)
    return config


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a connection leads, and how.

    :param base_url: with its fields inserted; empty: calls give whole URLs.
    :param fields: the connection's fields, secrets included.
    :param timeout: seconds for one request.
    :param allow_hosts: hosts that whole URLs may name; None: any.
    :param stand_in: the base URL is a simulator's: whole URLs lead there too.
    """

    base_url: str = ""
    auth: Sequence[Auth] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    errors: ErrorTable = field(default_factory=ErrorTable)
    timeout: float = 30.0
    allow_hosts: Sequence[str] | None = None
    stand_in: bool = False


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A request without its auth."""

    method: str
    path: str
    query: Mapping[str, Any]
    headers: Mapping[str, str]
    body: bytes | None


class ConnectionHttp:
    """``engine.sdk.http.Http`` for one connection.

    :param tokens: what ``Target.auth`` needs of tokens, in its order; shared by all calls over the connection.
    :param redactor: knows the connection's secrets; every message passes through it.
    :param warn: told when an answer was accepted although something is wrong with it.
    :param max_answer: bytes of an answer that are read.
    :param pace: hears what answers say of the vendor's limit. Who calls ``request`` has a turn.
    """

    def __init__(
        self,
        target: Target,
        pools: Pools,
        clock: Clock,
        *,
        tokens: Sequence[TokenSource] = (),
        redactor: Redactor | None = None,
        warn: Callable[[str], None] = lambda _message: None,
        max_answer: int = MAX_ANSWER,
        pace: Pace | None = None,
    ) -> None:
        self._target = target
        self._pools = pools
        self._clock = clock
        self._tokens = tokens
        self._redactor = redactor or Redactor()
        self._warn = warn
        self._max_answer = max_answer
        self._pace = pace

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
        """Send one request. See ``engine.sdk.http.Http.request``.

        An answer below 300 that is too large is cut and handed back with a warning, because the vendor said yes;
        that of a GET, which can be repeated, is a ``DataError``.
        """
        prepared = _prepare(method, path, query, headers, json, data)
        response = await self._authorised(prepared)
        if response.status < 300 or not raise_for_status:
            return response
        raise self._refusal(errors or self._target.errors, response, prepared)

    async def _authorised(self, prepared: _Prepared) -> Response:
        tokens = [await source.get(self._fetch_token) for source in self._tokens]
        response = await self._exchange(prepared, tokens)
        if response.status in (401, 403) and self._tokens:
            for source, token in zip(self._tokens, tokens, strict=True):
                source.reject(token)
            tokens = [await source.get(self._fetch_token) for source in self._tokens]
            self._count()
            response = await self._exchange(prepared, tokens)
        return response

    async def _fetch_token(self, auth: TokenAuth) -> str:
        """A new token. Whatever goes wrong here, the call itself was not sent."""
        path = urls.fill(auth.path, self._target.fields, "connection")
        prepared = _prepare("POST", path, None, None, token_body(auth, self._target.fields), None)
        self._count()
        try:
            response = await self._exchange(prepared, None)
            if response.status >= 300:
                raise self._refusal(self._target.errors, response, prepared)
            answer = response.json()
        except kinds.ModuleError as error:
            error.refused = True
            raise
        token = answer.get(auth.answer) if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token:
            raise kinds.AuthError(
                f"{self._name(prepared)} answered {response.status} without a token under '{auth.answer}'",
                refused=True,
                status=response.status,
            )
        return token

    async def _exchange(self, prepared: _Prepared, tokens: Sequence[str] | None) -> Response:
        """Send and read. ``tokens`` None: a request for a token, which carries no auth."""
        url, headers = self._address(prepared, tokens)
        progress = _Progress()
        try:
            async with (
                self._clock.timeout(self._target.timeout),
                self._pools.session(prepared.method).request(
                    prepared.method,
                    url,
                    headers=headers,
                    data=prepared.body,
                    allow_redirects=False,
                    trace_request_ctx=progress,
                ) as answer,
            ):
                body, whole = await _read(answer.content, self._max_answer)
        except TimeoutError:
            raise kinds.TimeoutError(
                f"{self._name(prepared)} was not answered within {self._target.timeout:g} s"
                + ("" if progress.sent else ": no connection came about; nothing was sent"),
                refused=not progress.sent,
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._broken(prepared, error, progress) from None
        said = {k.lower(): v for k, v in _joined(answer.headers).items()}
        if "retry-after" in said:
            # RFC 9110, 6.6.1: an answer without its date is given the time at which it came
            said.setdefault("date", formatdate(self._clock.time(), usegmt=True))
        response = Response(answer.status, said, body)
        if self._pace is not None:
            self._pace.heard(response.status, response.headers)
        if not whole and answer.status < 300:
            self._too_large(prepared)
        return response

    def _count(self) -> None:
        """Count a request for which nobody waits: it serves one that has its turn."""
        if self._pace is not None:
            self._pace.count()

    def _address(self, prepared: _Prepared, tokens: Sequence[str] | None) -> tuple[URL, dict[str, str]]:
        target = self._target
        headers = dict(prepared.headers)
        query = dict(prepared.query)
        rest = iter(tokens or ())
        for auth in target.auth if tokens is not None else ():
            token = next(rest) if isinstance(auth, TokenAuth) else None
            put_on(auth, target.fields, headers, query, prepared.body or b"", token)
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
                raise kinds.DataError(
                    f"header '{self._redactor.text(name)[:100]!a}' is no HTTP header, or its value holds a control "
                    "character; nothing was sent",
                    refused=True,
                )
        path = prepared.path
        if target.stand_in and re.match(r"https?://", path, re.IGNORECASE):
            whole = urls.build("", path, None, target.allow_hosts)
            path = whole.raw_path_qs
        return urls.build(target.base_url, path, query, target.allow_hosts), headers

    def _refusal(self, table: ErrorTable, response: Response, prepared: _Prepared) -> kinds.ModuleError:
        error = table.error(response, self._name(prepared))
        error.detail = self._redactor.json(error.detail)
        if response.status in (401, 403) and self._tokens:
            error.refused = True
        if response.status < 400:
            error.hint = "redirects are not followed; use the address where the vendor serves this"
        return error

    def _broken(self, prepared: _Prepared, error: Exception, progress: _Progress) -> kinds.ModuleError:
        why = self._redactor.text(_reason(error))
        if progress.sent:
            return kinds.ConnectionError(
                f"{self._name(prepared)}: the connection broke before a whole answer came: {why}", refused=False
            )
        return kinds.ConnectionError(f"{self._name(prepared)}: nothing was sent: {why}", refused=True)

    def _too_large(self, prepared: _Prepared) -> None:
        message = f"{self._name(prepared)} answered more than {self._max_answer:,} bytes"
        if prepared.method in _READS:
            raise kinds.DataError(message, hint="ask for less: a smaller page, fewer fields")
        self._warn(f"{message}; the rest of the answer is not kept")

    def _name(self, prepared: _Prepared) -> str:
        """The request for people: no query, because keys and personal data travel there."""
        path = prepared.path.partition("?")[0]
        base = "" if self._target.stand_in and "://" in path else self._target.base_url.rstrip("/")
        between = "/" if base and path and not path.startswith("/") else ""
        return self._redactor.text(f"{prepared.method} {base}{between}{path}")


def _prepare(
    method: str,
    path: str,
    query: Mapping[str, Any] | None,
    headers: Mapping[str, str] | None,
    json: Any,
    data: bytes | str | None,
) -> _Prepared:
    verb = method.upper()
    if verb not in _METHODS:
        raise kinds.DataError(
            f"'{method[:20]}' is no HTTP method that can be sent", refused=True, hint=f"use one of {_listed(_METHODS)}"
        )
    named = {name.lower(): urls.text_of(value) for name, value in (headers or {}).items() if value is not None}
    if own := _FRAMING & named.keys():
        raise kinds.DataError(f"the client sets {_listed(own)} itself; nothing was sent", refused=True)
    body: bytes | None = None
    if json is not ...:
        if data is not None:
            raise kinds.DataError("a request has a JSON body or other data, not both; nothing was sent", refused=True)
        try:
            body = jsontext.dumps(json)
        except TypeError as error:
            raise kinds.DataError(f"the body is no JSON: {error}; nothing was sent", refused=True) from None
        named.setdefault("content-type", "application/json")
    elif isinstance(data, str):
        body = data.encode()
        named.setdefault("content-type", "text/plain; charset=utf-8")
    else:
        body = data
    return _Prepared(verb, path, query or {}, named, body)


def _listed(words: Collection[str]) -> str:
    return ", ".join(sorted(words))


async def _read(content: aiohttp.StreamReader, limit: int) -> tuple[bytes, bool]:
    """The body up to so many bytes, and whether that is all of it."""
    parts: list[bytes] = []
    size = 0
    async for part in content.iter_chunked(65_536):
        parts.append(part)
        size += len(part)
        if size > limit:
            return b"".join(parts)[:limit], False
    return b"".join(parts), True


def _joined(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers by name; one that came several times is joined by commas (RFC 9110, 5.2)."""
    joined: dict[str, str] = {}
    for name, value in headers.items():
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the host name '{error.host}' cannot be resolved"
    if isinstance(error, aiohttp.ClientConnectorError):
        return str(error.os_error)
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed it"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
