"""HTTP/1.1 connections to vendors: one request at a time over each, and exact knowledge of whether it left.

httptools parses and aiohappyeyeballs connects. What stands here is what the promise about unknown outcomes rests on,
and what general clients do not offer: nothing is ever sent a second time, not even by a retry of the library's own,
and ``Progress.sent`` turns true at the moment at which the request is handed to an open connection. It is also where
a run spends most of its time: a request costs a third of what it costs through a general client (docs/performance.md).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import zlib
from collections import defaultdict, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

import aiohappyeyeballs
import httptools
from yarl import URL

from engine.runtime import urls

#: seconds after which an unused connection is closed
KEEP_ALIVE = 10.0
#: the same for one that is to carry a write: few servers close so early, and a write that meets a connection which
#: the server is closing has an outcome that nobody knows
KEEP_ALIVE_WRITES = 2.0
#: bytes of an answer's head
MAX_HEAD = 65_536
#: seconds after which another address of a host is tried beside the one that does not answer (RFC 8305)
NEXT_ADDRESS_AFTER = 0.25

READS = frozenset({"GET", "HEAD", "OPTIONS"})
#: methods whose requests say the length of their body even without one (RFC 9110, 8.6)
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
#: headers that the client sends unless the caller does
_OWN = frozenset({"user-agent", "accept", "accept-encoding"})
_ENCODINGS = frozenset({"gzip", "x-gzip", "deflate"})


class BrokenAnswer(Exception):
    """The connection ended, or what came over it is no HTTP answer."""


@dataclass(slots=True)
class Progress:
    """How far a request came. ``sent``: it was handed to a connection."""

    sent: bool = False


class Answer(NamedTuple):
    """An answer as it came.

    :param headers: names in lower case; one that came several times is joined by commas (RFC 9110, 5.2).
    :param whole: False: the body is longer, this is as much of it as was wanted.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool


class _Wire(asyncio.Protocol):
    """One connection. Feeds the parser, whose callbacks (``on_…``) put an answer together."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self.reusable = False
        self.idle_since = 0.0

    # ------------------------------------------------------------------ for the pool

    def send(self, method: str, request: bytes, limit: int) -> asyncio.Future[Answer]:
        """Send a request; the future gives its answer, or raises ``BrokenAnswer`` or ``OSError``.

        :param limit: bytes of the body that are wanted.
        """
        assert self._transport is not None
        self._parser = httptools.HttpResponseParser(self)
        self._method = method
        self._limit = limit
        self._status = 0
        self._headers: dict[str, str] = {}
        self._head = 0
        self._body: list[bytes] = []
        self._size = 0
        self._inflate: zlib._Decompress | None = None
        self._until_end = False
        self.reusable = False
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._waiter

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------------ asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are none of asyncio's class
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            # nobody asked: what a server says between two requests belongs to neither
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(BrokenAnswer("the server switched to another protocol"))
        except httptools.HttpParserError as error:
            cause = error.__context__ if isinstance(error.__context__, BrokenAnswer) else None
            self._fail(cause or BrokenAnswer(f"this is no HTTP answer: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.reusable = False
        if self._waiter is None:
            return
        if self._until_end and exc is None:
            self._finish(whole=True)
        else:
            self._fail(exc if isinstance(exc, OSError) else BrokenAnswer("the server closed it"))

    # ------------------------------------------------------------------ httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head += len(name) + len(value)
        if self._head > MAX_HEAD:
            raise BrokenAnswer(f"the head of the answer has more than {MAX_HEAD:,} bytes")
        key, text = _text(name).lower(), _text(value)
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        if self._status < 200:
            return
        headers = self._headers
        if self._method == "HEAD":
            # the parser would wait for the body that the head announces
            self.reusable = self._parser.should_keep_alive()
            self._finish(whole=True)
        elif "content-length" not in headers and "transfer-encoding" not in headers:
            self._until_end = self._status not in (204, 304)
        if headers.get("content-encoding", "").lower() in _ENCODINGS:
            # 32: gzip and zlib are told apart by their first bytes
            self._inflate = zlib.decompressobj(32 + zlib.MAX_WBITS)

    def on_body(self, data: bytes) -> None:
        if self._waiter is None:
            return
        if self._inflate is not None:
            try:
                data = self._inflate.decompress(data, self._limit - self._size + 1)
            except zlib.error as error:
                raise BrokenAnswer(f"the body cannot be unpacked: {error}") from None
        self._body.append(data)
        self._size += len(data)
        if self._size > self._limit:
            self._finish(whole=False)
            self.close()

    def on_message_complete(self) -> None:
        if self._status < 200:
            # an interim answer (RFC 9110, 15.2); the final one follows
            self._headers = {}
        elif self._waiter is not None:
            self.reusable = self._parser.should_keep_alive()
            self._finish(whole=True)

    # ------------------------------------------------------------------ how it ends

    def _finish(self, *, whole: bool) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            waiter.set_result(Answer(self._status, self._headers, body[: self._limit], whole))

    def _fail(self, error: Exception) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        self.close()


class Wires:
    """The connections of one event loop, kept open between requests.

    :param keep_alive: seconds after which an unused connection is closed.
    :param keep_alive_writes: seconds after which it carries no write any more.
    :param allowed_addresses: link-local addresses that may be called nevertheless.
    :param agent: what the client calls itself.
    """

    def __init__(
        self, *, keep_alive: float, keep_alive_writes: float, allowed_addresses: Collection[str], agent: str
    ) -> None:
        self._keep_alive = keep_alive
        self._keep_alive_writes = keep_alive_writes
        self._allowed = allowed_addresses
        self._common = f"User-Agent: {agent}\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n"
        self._idle: defaultdict[tuple[str, str | None, int | None], deque[_Wire]] = defaultdict(deque)
        self._loop = asyncio.get_running_loop()
        self._tls: ssl.SSLContext | None = None
        self._sweep: asyncio.TimerHandle | None = None

    async def exchange(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, limit: int, progress: Progress
    ) -> Answer:
        """Send one request, once, and read its answer.

        :param headers: names in lower case; where the request ends is said here.
        :param limit: bytes of the body that are wanted; more are not read.
        :raises OSError: no connection, or it broke.
        :raises BrokenAnswer: it ended too early, or this is no HTTP.
        """
        place = (url.scheme, url.raw_host, url.port)
        request = self._request(method, url, headers, body)
        wire = self._take(place, self._keep_alive if method in READS else self._keep_alive_writes)
        if wire is None:
            wire = await self._connect(url)
        try:
            progress.sent = True
            answer = await wire.send(method, request, limit)
        except BaseException:
            wire.close()
            raise
        if wire.reusable and wire.open:
            self._give_back(place, wire)
        else:
            wire.close()
        return answer

    def close(self) -> None:
        """Close all that are idle."""
        for wires in self._idle.values():
            for wire in wires:
                wire.close()
        self._idle.clear()
        if self._sweep is not None:
            self._sweep.cancel()

    def _request(self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None) -> bytes:
        lines = [f"{method} {url.raw_path_qs} HTTP/1.1\r\nHost: {url.host_port_subcomponent}\r\n"]
        lines.append(
            self._common if "user-agent" not in headers and "accept" not in headers else self._missing(headers)
        )
        lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}\r\n\r\n")
            return "".join(lines).encode("utf-8", "surrogateescape") + body
        lines.append("Content-Length: 0\r\n\r\n" if method in _WITH_BODY else "\r\n")
        return "".join(lines).encode("utf-8", "surrogateescape")

    def _missing(self, headers: Mapping[str, str]) -> str:
        """The common headers without those that the caller sets."""
        lines = self._common.splitlines(keepends=True)
        return "".join(line for line in lines if line.partition(":")[0].lower() not in headers)

    # ------------------------------------------------------------------ keeping them open

    def _take(self, place: tuple[str, str | None, int | None], fresh: float) -> _Wire | None:
        """The connection that was used last, if that was not too long ago."""
        wires = self._idle.get(place)
        while wires:
            wire = wires.pop()
            if wire.open and self._loop.time() - wire.idle_since < fresh:
                return wire
            if wire.open:
                # too old for a write, and all others are older; reads may still use it
                wires.append(wire)
                return None
        return None

    def _give_back(self, place: tuple[str, str | None, int | None], wire: _Wire) -> None:
        wire.idle_since = self._loop.time()
        self._idle[place].append(wire)
        if self._sweep is None:
            self._sweep = self._loop.call_later(self._keep_alive, self._close_old)

    def _close_old(self) -> None:
        """Close what nobody has used for long; again as long as there is something to close."""
        self._sweep = None
        old = self._loop.time() - self._keep_alive
        for place, wires in list(self._idle.items()):
            while wires and (not wires[0].open or wires[0].idle_since <= old):
                wires.popleft().close()
            if not wires:
                del self._idle[place]
        if self._idle:
            oldest = min(wires[0].idle_since for wires in self._idle.values())
            self._sweep = self._loop.call_at(oldest + self._keep_alive, self._close_old)

    # ------------------------------------------------------------------ connecting

    async def _connect(self, url: URL) -> _Wire:
        host, port = url.raw_host or "", url.port
        try:
            addresses = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise OSError(f"the host name '{url.host}' cannot be resolved") from error
        connected = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=NEXT_ADDRESS_AFTER, interleave=1, socket_factory=self._socket
        )
        try:
            secure = self._context() if url.scheme == "https" else None
            _, wire = await self._loop.create_connection(
                _Wire, sock=connected, ssl=secure, server_hostname=host if secure else None
            )
        except BaseException:
            connected.close()
            raise
        return wire

    def _socket(self, info: aiohappyeyeballs.AddrInfoType) -> socket.socket:
        # here, not at the name: this is the address that is connected to, whatever a name resolved to before
        family, kind, protocol, _, address = info
        if urls.refused_address(str(address[0]), self._allowed):
            raise OSError(f"{address[0]} is a link-local or metadata address, which is never called")
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


def _text(raw: bytes) -> str:
    """A header's bytes as text: what is no UTF-8 is read as Latin-1, which HTTP began with."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
