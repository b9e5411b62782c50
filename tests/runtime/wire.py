"""Raw servers on loopback, for what a well-behaved HTTP server would not do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Closing(bytes):
    """Bytes after which the server closes the connection."""


#: the server never answers
HANG = Closing(b"hang")


class Wire:
    """A TCP server that reads whole requests and lets the test say what happens then.

    :param answers: what each request is answered with, in order over all connections; the last one stays.
    """

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self.ended: asyncio.Queue[int] = asyncio.Queue()
        self.arrived = asyncio.Event()
        self.port = 0
        self.release = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            while True:
                request = await _request(reader)
                if request is None:
                    break
                self.requests.append(request)
                self.arrived.set()
                answer = self._answers[0] if len(self._answers) == 1 else self._answers.pop(0)
                if answer is HANG:
                    await self.release.wait()
                    break
                writer.write(answer)
                await writer.drain()
                if isinstance(answer, Closing):
                    break
        finally:
            writer.close()
            self.ended.put_nowait(number)


async def _request(reader: asyncio.StreamReader) -> bytes | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return None
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return head + await reader.readexactly(int(line.split(b":")[1]))
    return head


@asynccontextmanager
async def wire(*answers: bytes) -> AsyncIterator[Wire]:
    """A running ``Wire``."""
    server_side = Wire(*answers)
    server = await asyncio.start_server(server_side.serve, "127.0.0.1", 0)
    server_side.port = server.sockets[0].getsockname()[1]
    try:
        yield server_side
    finally:
        server_side.release.set()
        server.close()
        await server.wait_closed()


def answer(body: bytes = b"{}", status: str = "200 OK", *headers: str) -> bytes:
    """A whole HTTP/1.1 answer that keeps the connection open."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body
