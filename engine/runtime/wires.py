"""Connections to vendors: opened, kept open between requests, and exact knowledge of whether a request left.

aiohappyeyeballs connects; ``runtime/wire.py`` is one connection. General clients do not offer what the promise about
unknown outcomes rests on: nothing is ever sent a second time, not even by a retry of the library's own, and
``Progress.sent`` turns true at the moment at which the request is handed to an open connection. It is also where a run
spends most of its time: a request costs a third of what it costs through a general client (docs/performance.md).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import defaultdict, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import aiohappyeyeballs
from yarl import URL

from engine.runtime import urls
from engine.runtime.wire import Answer, Wire

#: seconds after which an unused connection is closed
KEEP_ALIVE = 10.0
#: the same for one that is to carry a write: few servers close so early, and a write that meets a connection which
#: the server is closing has an outcome that nobody knows
KEEP_ALIVE_WRITES = 2.0
#: seconds after which another address of a host is tried beside the one that does not answer (RFC 8305)
NEXT_ADDRESS_AFTER = 0.25

READS = frozenset({"GET", "HEAD", "OPTIONS"})
#: methods whose requests say the length of their body even without one (RFC 9110, 8.6)
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
#: headers that the client sends unless the caller does
_OWN = frozenset({"user-agent", "accept", "accept-encoding"})


class Place(NamedTuple):
    """Where a connection leads.

    :param host: without brackets, as DNS has it.
    :param name: host and port, as the ``Host`` header has them.
    """

    scheme: str
    host: str
    port: int
    name: str

    @classmethod
    def of(cls, url: URL) -> Place:
        """The place of a URL that ``urls.build`` made: it has a host and a port."""
        return cls(url.scheme, url.raw_host or "", url.port or 0, url.host_port_subcomponent or "")


@dataclass(slots=True)
class Progress:
    """How far a request came. ``sent``: it was handed to a connection."""

    sent: bool = False


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
        self._idle: defaultdict[Place, deque[Wire]] = defaultdict(deque)
        self._loop = asyncio.get_running_loop()
        self._tls: ssl.SSLContext | None = None
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    async def exchange(
        self,
        method: str,
        place: Place,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        limit: int,
        progress: Progress,
    ) -> Answer:
        """Send one request, once, and read its answer.

        :param path: with the query, as it goes over the wire.
        :param headers: names in lower case; where the request ends is said here.
        :param limit: bytes of the body that are wanted; more are not read.
        :raises OSError: no connection, or it broke.
        :raises BrokenAnswer: it ended too early, or this is no HTTP.
        """
        request = self._request(method, place, path, headers, body)
        wire = self._take(place, self._keep_alive if method in READS else self._keep_alive_writes)
        if wire is None:
            wire = await self._connect(place)
        # nothing is awaited from here on until the request is handed over: an open connection is still open then
        try:
            progress.sent = True
            answer = await wire.send(method, request, limit)
        except BaseException:
            wire.close()
            raise
        if wire.reusable and not self._closed:
            self._give_back(place, wire)
        else:
            wire.close()
        return answer

    async def close(self) -> None:
        """Close all that are idle; those that carry a request are closed after it."""
        self._closed = True
        for wires in self._idle.values():
            for wire in wires:
                wire.close()
        self._idle.clear()
        if self._sweep is not None:
            self._sweep.cancel()
        # the loop closes the sockets in its next round, which may be its last
        await asyncio.sleep(0)

    def _request(self, method: str, place: Place, path: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
        lines = [f"{method} {path} HTTP/1.1\r\nHost: {place.name}\r\n"]
        lines.append(self._common if _OWN.isdisjoint(headers) else self._missing(headers))
        lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}\r\n\r\n")
            return "".join(lines).encode() + body
        lines.append("Content-Length: 0\r\n\r\n" if method in _WITH_BODY else "\r\n")
        return "".join(lines).encode()

    def _missing(self, headers: Mapping[str, str]) -> str:
        """The common headers without those that the caller sets."""
        lines = self._common.splitlines(keepends=True)
        return "".join(line for line in lines if line.partition(":")[0].lower() not in headers)

    # ------------------------------------------------------------------ keeping them open

    def _take(self, place: Place, fresh: float) -> Wire | None:
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

    def _give_back(self, place: Place, wire: Wire) -> None:
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

    async def _connect(self, place: Place) -> Wire:
        """A new connection that is open. Raises ``OSError``."""
        host, port = place.host, place.port
        try:
            addresses = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            # UnicodeError: an empty label or one that is too long is found while the name is encoded
            raise OSError(f"the host name '{host}' cannot be resolved") from error
        try:
            connected = await aiohappyeyeballs.start_connection(
                addresses, happy_eyeballs_delay=NEXT_ADDRESS_AFTER, interleave=1, socket_factory=self._socket
            )
        except RuntimeError as error:
            # some of uvloop's say what asyncio says by an OSError
            raise OSError(str(error)) from error
        try:
            secure = self._context() if place.scheme == "https" else None
            # certificates name hosts without the dot at the end
            name = host.rstrip(".") if secure else None
            _, wire = await self._loop.create_connection(Wire, sock=connected, ssl=secure, server_hostname=name)
        except BaseException:
            connected.close()
            raise
        if not wire.open:
            raise OSError("the server closed the connection at once")
        return wire

    def _socket(self, info: aiohappyeyeballs.AddrInfoType) -> socket.socket:
        # here, not at the name: this is the address that is connected to, whatever a name resolved to before
        family, kind, protocol, _, address = info
        if urls.refused_address(str(address[0]), self._allowed):
            raise OSError(f"{address[0]} is a link-local or metadata address, which is never called")
        return socket.socket(family, kind, protocol)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls
