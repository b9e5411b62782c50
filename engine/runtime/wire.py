"""One HTTP/1.1 connection to a vendor: one request at a time, and exact knowledge of how its answer ended.

httptools parses. What stands here is what the promise about unknown outcomes rests on: an answer is whole, or it is
said why not; and a connection over which anything unexpected came carries no other request. ``runtime/wires.py`` keeps
connections open between requests.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import NamedTuple, cast

import httptools

#: bytes of an answer's head, or between two pieces of its body, after which no more is waited for
MAX_HEAD = 65_536

_ENCODINGS = frozenset({"gzip", "x-gzip", "deflate"})


class BrokenAnswer(Exception):
    """The connection ended, or what came over it is no HTTP answer."""


class Answer(NamedTuple):
    """An answer as it came.

    :param headers: names in lower case; one that came several times is joined by commas (RFC 9110, 5.2).
    :param whole: False: the body is longer, this is as much of it as was wanted.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool


class Wire(asyncio.Protocol):
    """One connection. Feeds the parser, whose callbacks (``on_…``) put an answer together.

    ``reusable``: the last answer came whole, and another request may follow. ``idle_since`` is the pool's.
    """

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
        self._status = 0  # until the end of a head
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._unread = 0  # bytes since the last piece of the body
        self._packed = False
        self._inflate: zlib._Decompress | None = None
        self._until_end = False
        self.reusable = False
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._waiter

    @property
    def open(self) -> bool:
        """Whether a request can be handed to it, as far as is known."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Close at once, whatever is under way."""
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
        self._unread += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(BrokenAnswer("the server switched to another protocol"))
        except httptools.HttpParserError as error:
            cause = error.__context__ if isinstance(error.__context__, BrokenAnswer) else None
            self._fail(cause or BrokenAnswer(f"this is no HTTP answer: {error}"))
        else:
            if self._unread > MAX_HEAD and self._waiter is not None:
                self._fail(BrokenAnswer(f"the answer has more than {MAX_HEAD:,} bytes that are no body"))

    def eof_received(self) -> None:
        # asyncio would go on sending first, and a server that hung up may never take the rest of a request
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._end(exc)

    def _end(self, error: Exception | None) -> None:
        self.reusable = False
        if self._waiter is None:
            return
        if self._until_end and error is None:
            self._finish(whole=True)
        else:
            self._fail(error if isinstance(error, OSError) else BrokenAnswer("the server closed it"))

    # ------------------------------------------------------------------ httptools

    def on_message_begin(self) -> None:
        if self._waiter is None:
            # another answer behind the one that was asked for
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._status:
            # behind the body, where it must not take the place of what the head said (RFC 9110, 6.5.1)
            return
        key, text = _text(name).lower(), _text(value)
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        if self._waiter is None:
            return
        self._status = self._parser.get_status_code()
        if self._status < 200:
            return
        headers = self._headers
        coding = headers.get("transfer-encoding", "identity").lower()
        if self._method == "HEAD":
            # the parser waits for the body that the head announces; should one come after all, it closes the connection
            self.reusable = coding == "identity" and self._parser.should_keep_alive()
            self._finish(whole=True)
        elif coding == "identity":
            self._until_end = "content-length" not in headers and self._status not in (204, 304)
        elif coding != "chunked":
            raise BrokenAnswer(f"it is coded as '{coding[:40]}', which nobody asked for")
        self._packed = headers.get("content-encoding", "").lower() in _ENCODINGS

    def on_body(self, data: bytes) -> None:
        if self._waiter is None:
            self.close()
            return
        if self._status < 200:
            raise BrokenAnswer(f"an interim answer ({self._status}) has a body")
        self._unread = 0
        if self._packed:
            data = self._unpack(data)
            if not data:
                return
        self._body.append(data)
        self._size += len(data)
        if self._size > self._limit:
            self._finish(whole=False)
            self.close()

    def on_message_complete(self) -> None:
        if self._waiter is None:
            return
        if self._status < 200:
            # an interim answer (RFC 9110, 15.2); the final one follows
            self._status, self._headers = 0, {}
            return
        assert self._transport is not None
        # an answer that came before the whole request had left says nothing of the rest
        self.reusable = self._parser.should_keep_alive() and not self._transport.get_write_buffer_size()
        self._finish(whole=True)

    def _unpack(self, data: bytes) -> bytes:
        unpacked = b""
        room = self._limit - self._size + 1
        while data and room > 0:
            if self._inflate is None or self._inflate.eof:
                # several may stand one after the other (RFC 1952, 2.2). 32: gzip and zlib are told apart by their first
                # bytes
                self._inflate = zlib.decompressobj(32 + zlib.MAX_WBITS)
            try:
                piece = self._inflate.decompress(data, room)
            except zlib.error as error:
                raise BrokenAnswer(f"the body cannot be unpacked: {error}") from None
            unpacked += piece
            room -= len(piece)
            data = self._inflate.unused_data
        return unpacked

    # ------------------------------------------------------------------ how it ends

    def _finish(self, *, whole: bool) -> None:
        if whole and self._inflate is not None and not self._inflate.eof:
            self._fail(BrokenAnswer("the packed body is not complete"))
            return
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            waiter.set_result(Answer(self._status, self._headers, body[: self._limit], whole))

    def _fail(self, error: Exception) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        self.close()


def _text(raw: bytes) -> str:
    """A header's bytes as text: what is no UTF-8 is read as Latin-1, which HTTP began with."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
