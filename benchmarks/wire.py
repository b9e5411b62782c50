"""The customer API and the sender of events, as bare protocols: they must cost less than what they measure.

Both live in one process and one event loop, so that the sender learns at once that an event is through.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import cast

import orjson

from benchmarks.ledger import Ledger, now
from benchmarks.work import CUSTOMERS, body, customer, customer_id, update

HOST = "127.0.0.1"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


def message(buffer: bytes) -> tuple[bytes, bytes, int] | None:
    """Head, body and size of the first HTTP message in a buffer; None while some of it is missing."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head, start = buffer[:end], end + 4
    length = _LENGTH.search(head)
    size = start + (int(length[1]) if length else 0)
    return (head, buffer[start:size], size) if len(buffer) >= size else None


def answer(status: bytes, content: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        status,
        len(content),
        content,
    )


_OK = answer(b"200 OK", b'{"ok":true}')
_UNKNOWN = answer(b"404 Not Found", b"{}")
_CUSTOMERS = {
    b"/customers/%b" % customer_id(number).encode(): answer(b"200 OK", orjson.dumps(customer(number)))
    for number in range(CUSTOMERS)
}


class Api:
    """The customer API. It checks every update and enters it into the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        #: seconds that each answer is kept back
        self.delay = 0.0
        self.port = 0
        self._server: asyncio.AbstractServer | None = None

    async def listen(self) -> None:
        """Open a free port."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _ApiConnection(self), HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def reply(self, head: bytes, content: bytes) -> bytes:
        """The answer to one request."""
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0]
        if method == b"GET" and path in _CUSTOMERS:
            self.ledger.reads += 1
            return _CUSTOMERS[path]
        if method == b"POST" and path == b"/updates":
            self._take(content)
            return _OK
        self.ledger.wrong.append(head)
        return _UNKNOWN

    def _take(self, content: bytes) -> None:
        try:
            got = orjson.loads(content)
            event_id = got["event_id"]
            right = isinstance(event_id, str) and got == update(event_id, int(got["customer_id"][2:]))
        except (ValueError, TypeError, KeyError):
            right = False
        if right:
            self.ledger.complete(event_id)
        else:
            self.ledger.wrong.append(content)


class _ApiConnection(asyncio.Protocol):
    def __init__(self, api: Api) -> None:
        self._api = api
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not of the class that asyncio's are
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (found := message(self._buffer)) is not None:
            head, content, size = found
            self._buffer = self._buffer[size:]
            reply = self._api.reply(head, content)
            if self._api.delay:
                asyncio.get_running_loop().call_later(self._api.delay, self._write, reply)
            else:
                self._write(reply)

    def _write(self, reply: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(reply)


class Sender:
    """Posts events to a webhook over kept connections; what finds none free waits its turn.

    :param connections: how many are opened at most, each with one request at a time.
    """

    def __init__(self, ledger: Ledger, port: int, path: str, connections: int) -> None:
        self.ledger, self.port = ledger, port
        self._limit = connections
        self._open = 0
        self._free: list[_Connection] = []
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Type: application/json\r\nContent-Length: "
        ).encode()

    def send(self, event_id: str, number: int, due: float | None = None, content: bytes | None = None) -> None:
        """Send an event; what becomes of it is in the ledger."""
        self.ledger.due[event_id] = now() if due is None else due
        content = body(event_id, number) if content is None else content
        self._pass_on(event_id, b"%b%d\r\n\r\n%b" % (self._head, len(content), content))

    def _pass_on(self, event_id: str, request: bytes) -> None:
        while self._free:
            connection = self._free.pop()
            if not connection.closing:
                connection.write(event_id, request)
                return
        if self._open < self._limit:
            self._open += 1
            task = asyncio.get_running_loop().create_task(self._connect(event_id, request))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._waiting.append((event_id, request))

    async def _connect(self, event_id: str, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(lambda: _Connection(self), HOST, self.port)
        except OSError as error:
            self.ledger.cut(event_id, type(error).__name__)
            self._gone()
        else:
            connection.write(event_id, request)

    def answered(self, connection: _Connection, event_id: str, status: int) -> None:
        if 200 <= status < 300:
            self.ledger.accepted[event_id] = now()
        else:
            self.ledger.refuse(event_id, status)
        if connection.closing:
            return
        if self._waiting:
            connection.write(*self._waiting.popleft())
        else:
            self._free.append(connection)

    def lost(self, connection: _Connection, event_id: str | None) -> None:
        if connection in self._free:
            self._free.remove(connection)
        if event_id is not None:
            self.ledger.cut(event_id, "cut off")
        self._gone()

    def _gone(self) -> None:
        self._open -= 1
        if self._waiting:
            self._pass_on(*self._waiting.popleft())

    def close(self) -> None:
        for connection in self._free:
            connection.close()


class _Connection(asyncio.Protocol):
    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._buffer = b""
        self._event_id: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not of the class that asyncio's are
        self._transport = cast(asyncio.Transport, transport)

    @property
    def closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._transport.close()

    def write(self, event_id: str, request: bytes) -> None:
        self._event_id = event_id
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        found = message(self._buffer)
        if found is None:
            return
        head, _, size = found
        self._buffer = self._buffer[size:]
        event_id, self._event_id = self._event_id, None
        if _CLOSE.search(head):
            self._transport.close()
        if event_id is not None:
            self._sender.answered(self, event_id, int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._sender.lost(self, self._event_id)
