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
from typing import Any, NamedTuple

from engine.runtime import urls
from engine.runtime.auth import TokenGiver, TokenSource, put_on, token_body
from engine.runtime.pacing import Pace
from engine.runtime.redact import Redactor
from engine.runtime.told import error_in, said_in
from engine.runtime.wire import BrokenAnswer
from engine.runtime.wires import KEEP_ALIVE, KEEP_ALIVE_WRITES, READS, Place, Progress, Wires
from engine.sdk import errors as kinds
from engine.sdk import jsontext
from engine.sdk.clock import Clock
from engine.sdk.connections import Auth, QueryAuth, TokenAuth
from engine.sdk.http import ErrorTable, Response
from engine.sdk.oauth import OAuth2

#: bytes of an answer that are read
MAX_ANSWER = 10_000_000
_METHODS = READS | {"POST", "PUT", "PATCH", "DELETE"}
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*")
#: the client's own: they say where a request ends
_FRAMING = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "te", "transfer-encoding", "upgrade"}
)


def user_agent() -> str:
    """What the engine calls itself to vendors."""
    return f"scenario-engine/{importlib.metadata.version('scenario-engine')}"


class Pools:
    """Kept-alive connections, shared by all connections of a process; a pool per event loop.

    :param keep_alive: seconds after which an unused connection is closed.
    :param keep_alive_writes: the same for one that is to carry a write.
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
        self._wires: dict[asyncio.AbstractEventLoop, Wires] = {}

    def wires(self) -> Wires:
        """The connections of the running event loop."""
        loop = asyncio.get_running_loop()
        wires = self._wires.get(loop)
        if wires is None:
            reads, writes = self._keep_alive
            wires = self._wires[loop] = Wires(
                keep_alive=reads, keep_alive_writes=writes, allowed_addresses=self._allowed, agent=user_agent()
            )
        return wires

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        if wires := self._wires.pop(asyncio.get_running_loop(), None):
            await wires.close()


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


class _Prepared(NamedTuple):
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
        tokens: Sequence[TokenGiver] = (),
        redactor: Redactor | None = None,
        warn: Callable[[str], None] = lambda _message: None,
        max_answer: int = MAX_ANSWER,
        pace: Pace | None = None,
    ) -> None:
        self._target = target
        self._pools = pools
        self._clock = clock
        self._tokens = tokens
        for source in tokens:
            if isinstance(source, TokenSource):
                source.fetch = self._fetch_token
        self._redactor = redactor or Redactor()
        self._warn = warn
        self._max_answer = max_answer
        self._pace = pace
        # A vendor's links repeat the query of the request. Credentials are put on each request, and who reads a link
        # is not to keep them
        names = "|".join(re.escape(name) for name in map(_parameter, target.auth) if name)
        self._repeats = re.compile(rf"([?&])(?:{names})=[^&>]*&?") if names else None
        # the base URL taken apart, for the paths that need nothing but to be put below it
        base = urls.plain_base(target.base_url)
        self._place = None if base is None else Place.of(base)
        self._below = "" if base is None else base.raw_path.rstrip("/")

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
        warn: Callable[[str], None] | None = None,
    ) -> Response:
        """Send one request. See ``engine.sdk.http.Http.request``.

        An answer below 300 that is too large is cut and handed back with a warning, because the vendor said yes;
        that of a GET, which can be repeated, is a ``DataError``.
        """
        prepared = _prepare(method, path, query, headers, json, data)
        response = await self._authorised(prepared, warn or self._warn)
        if not raise_for_status:
            return response
        table = errors or self._target.errors
        if response.status >= 300:
            raise self._refusal(table, response, prepared, said_in(table, response))
        if table.body is not None and (said := error_in(table, response)) is not None:
            raise self._refusal(table, response, prepared, said)
        return response

    async def _authorised(self, prepared: _Prepared, warn: Callable[[str], None]) -> Response:
        if not self._tokens:
            return await self._exchange(prepared, (), warn)
        tokens = [await source.token() for source in self._tokens]
        response = await self._exchange(prepared, tokens, warn)
        if rejected := [pair for pair in zip(self._tokens, tokens, strict=True) if response.status in pair[0].refusals]:
            for source, token in rejected:
                source.reject(token)
            tokens = [await source.token() for source in self._tokens]
            self._count()
            response = await self._exchange(prepared, tokens, warn)
        return response

    async def _fetch_token(self, auth: TokenAuth) -> str:
        """A new token. Whatever goes wrong here, the call itself was not sent."""
        path = urls.fill(auth.path, self._target.fields, "connection")
        prepared = _prepare("POST", path, None, None, token_body(auth, self._target.fields), None)
        self._count()
        try:
            response = await self._exchange(prepared, None, self._warn)
            if response.status >= 300:
                raise self._refusal(self._target.errors, response, prepared, said_in(self._target.errors, response))
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

    async def _exchange(
        self, prepared: _Prepared, tokens: Sequence[str] | None, warn: Callable[[str], None]
    ) -> Response:
        """Send and read. ``tokens`` None: a request for a token, which carries no auth."""
        headers, query = self._signed(prepared, tokens)
        place, path = self._address(prepared.path, query)
        progress = Progress()
        try:
            async with self._clock.timeout(self._target.timeout):
                answer = await self._pools.wires().exchange(
                    prepared.method, place, path, headers, prepared.body, self._max_answer, progress
                )
        except TimeoutError:
            raise kinds.TimeoutError(
                f"{self._name(prepared)} was not answered within {self._target.timeout:g} s"
                + ("" if progress.sent else ": no connection came about; nothing was sent"),
                refused=not progress.sent,
            ) from None
        except (BrokenAnswer, OSError) as error:
            raise self._broken(prepared, error, progress) from None
        if "retry-after" in answer.headers:
            # RFC 9110, 6.6.1: an answer without its date is given the time at which it came
            answer.headers.setdefault("date", formatdate(self._clock.time(), usegmt=True))
        if self._repeats is not None and (link := answer.headers.get("link")):
            answer.headers["link"] = self._repeats.sub(r"\1", link)
        if self._pace is not None:
            self._pace.heard(answer.status, answer.headers)
        if not answer.whole and answer.status < 300:
            self._too_large(prepared, warn)
        return Response(answer.status, answer.headers, answer.body)

    def _count(self) -> None:
        """Count a request for which nobody waits: it serves one that has its turn."""
        if self._pace is not None:
            self._pace.count()

    def _signed(self, prepared: _Prepared, tokens: Sequence[str] | None) -> tuple[Mapping[str, str], Mapping[str, Any]]:
        """Headers and query with the connection's auth."""
        target = self._target
        headers = dict(prepared.headers)
        query = dict(prepared.query)
        rest = iter(tokens or ())
        for auth in target.auth if tokens is not None else ():
            token = next(rest) if isinstance(auth, TokenAuth | OAuth2) else None
            put_on(auth, target.fields, headers, query, prepared.body or b"", token, now=self._clock.time())
        for name, value in headers.items():
            # printable is what nearly all are, and asked ten times as fast
            if not _HEADER_NAME.fullmatch(name) or not (value.isprintable() or _HEADER_VALUE.fullmatch(value)):
                raise kinds.DataError(
                    f"header '{self._redactor.text(name)[:100]!a}' is no HTTP header, or its value holds a control "
                    "character or half of a character pair; nothing was sent",
                    refused=True,
                )
        return headers, query

    def _address(self, path: str, query: Mapping[str, Any]) -> tuple[Place, str]:
        """Where a request goes, and what it asks for there."""
        target = self._target
        if self._place is not None and not query and urls.PLAIN.fullmatch(path):
            return self._place, self._below + path
        if target.stand_in and re.match(r"https?://", path, re.IGNORECASE):
            whole = urls.build("", path, None, target.allow_hosts)
            path = whole.raw_path_qs
        url = urls.build(target.base_url, path, query, target.allow_hosts)
        return Place.of(url), url.raw_path_qs

    def _refusal(
        self, table: ErrorTable, response: Response, prepared: _Prepared, said: str | None
    ) -> kinds.ModuleError:
        error = table.error(response, self._name(prepared), None if said is None else self._redactor.text(said))
        error.detail = self._redactor.json(error.detail)
        if response.status in (401, 403) and self._tokens:
            error.refused = True
        if 300 <= response.status < 400:
            error.hint = "redirects are not followed; use the address where the vendor serves this"
        return error

    def _broken(self, prepared: _Prepared, error: Exception, progress: Progress) -> kinds.ModuleError:
        why = self._redactor.text(_reason(error))
        if progress.sent:
            return kinds.ConnectionError(
                f"{self._name(prepared)}: the connection broke before a whole answer came: {why}", refused=False
            )
        return kinds.ConnectionError(f"{self._name(prepared)}: nothing was sent: {why}", refused=True)

    def _too_large(self, prepared: _Prepared, warn: Callable[[str], None]) -> None:
        message = f"{self._name(prepared)} answered more than {self._max_answer:,} bytes"
        if prepared.method in READS:
            raise kinds.DataError(message, hint="ask for less: a smaller page, fewer fields")
        warn(f"{message}; the rest of the answer is not kept")

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
        try:
            body = data.encode()
        except UnicodeEncodeError as error:
            raise kinds.DataError(f"the body is no text: {error.reason}; nothing was sent", refused=True) from None
        named.setdefault("content-type", "text/plain; charset=utf-8")
    else:
        body = data
    return _Prepared(verb, path, query or {}, named, body)


def _parameter(auth: Auth) -> str:
    """The query parameter that carries a credential; empty: it goes elsewhere."""
    if isinstance(auth, QueryAuth):
        return auth.parameter
    return auth.query if isinstance(auth, TokenAuth | OAuth2) else ""


def _listed(words: Collection[str]) -> str:
    return ", ".join(sorted(words))


def _reason(error: Exception) -> str:
    if isinstance(error, BrokenAnswer | socket.gaierror) or not str(error):
        return str(error) or type(error).__name__
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
