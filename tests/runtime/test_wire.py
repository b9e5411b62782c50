"""One connection: an answer is whole or it is said why not, and after anything unexpected nobody else gets the wire."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from yarl import URL

from engine.runtime.wire import MAX_HEAD, Answer, BrokenAnswer, Wire
from engine.runtime.wires import Place, Progress, Wires
from tests.runtime.loops import on_both_loops
from tests.runtime.wire import Closing, answer, wire

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
PACKED = gzip.compress(b"packed " * 100)


class Line:
    """A transport that keeps what is written, for feeding a connection piece by piece."""

    def __init__(self) -> None:
        self.unsent = 0
        self.closed = False

    def write(self, data: bytes) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


def fed(pieces: list[bytes], *, method: str = "GET", limit: int = 10_000, end: bool = False) -> tuple[Wire, Answer]:
    """The connection and its answer after these pieces came. ``end``: the server closes behind them."""

    async def feed() -> tuple[Wire, Answer]:
        one, line = Wire(), Line()
        one.connection_made(line)  # type: ignore[arg-type]
        coming = one.send(method, b"", limit)
        for piece in pieces:
            if not line.closed:
                one.data_received(piece)
        if end:
            one.eof_received()
        assert coming.done(), "the answer is waited for"
        return one, await coming

    return asyncio.run(feed())


def split(data: bytes) -> list[list[bytes]]:
    """The same bytes as one piece, one by one, and in pieces that end in the middle of everything."""
    return [[data], [data[n : n + 1] for n in range(len(data))], [data[n : n + 7] for n in range(0, len(data), 7)]]


@pytest.mark.parametrize(
    ("data", "status", "body", "reusable"),
    [
        pytest.param(HEAD + b"Content-Length: 2\r\n\r\nab", 200, b"ab", True, id="length"),
        pytest.param(HEAD + b"Content-Length: 0\r\n\r\n", 200, b"", True, id="empty"),
        pytest.param(b"HTTP/1.1 201\r\nContent-Length: 1\r\n\r\na", 201, b"a", True, id="no reason phrase"),
        pytest.param(CHUNKED + b"1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n", 200, b"abc", True, id="chunks"),
        pytest.param(b"HTTP/1.1 204 None\r\n\r\n", 204, b"", True, id="204"),
        pytest.param(b"HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n", 304, b"", True, id="304 with a length"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", 200, b"a", False, id="HTTP/1.0"),
        pytest.param(
            b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na", 200, b"a", True, id="1.0 kept"
        ),
        pytest.param(HEAD + b"Connection: close\r\nContent-Length: 1\r\n\r\na", 200, b"a", False, id="close"),
        pytest.param(
            HEAD + b"Upgrade: h2,h2c\r\nConnection: Upgrade, Keep-Alive\r\nContent-Length: 1\r\n\r\na",
            200,
            b"a",
            True,
            id="offers another protocol",
        ),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"a"), 200, b"a", True, id="100"),
        pytest.param(
            b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 102 Wait\r\n\r\n" + answer(b"a"), 200, b"a", True, id="103"
        ),
        pytest.param(
            HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(PACKED) + PACKED,
            200,
            b"packed " * 100,
            True,
            id="gzip",
        ),
        pytest.param(
            HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % (2 * len(PACKED)) + PACKED + PACKED,
            200,
            b"packed " * 200,
            True,
            id="two gzips",
        ),
        pytest.param(
            HEAD + b"Content-Encoding: deflate\r\nContent-Length: 9\r\n\r\n" + zlib.compress(b"a"),
            200,
            b"a",
            True,
            id="deflate",
        ),
        pytest.param(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", 200, b"", True, id="empty gzip"),
    ],
)
def test_answers_that_are_whole(data: bytes, status: int, body: bytes, reusable: bool) -> None:
    for pieces in split(data):
        one, came = fed(pieces)
        assert (came.status, came.body, came.whole, one.reusable) == (status, body, True, reusable)
        assert "link" not in came.headers


@pytest.mark.parametrize(
    ("data", "body"),
    [
        pytest.param(HEAD + b"\r\nall of it", b"all of it", id="no length"),
        pytest.param(HEAD + b"Transfer-Encoding: Identity\r\n\r\nall of it", b"all of it", id="identity"),
        pytest.param(HEAD + b"Content-Encoding: gzip\r\n\r\n" + PACKED, b"packed " * 100, id="gzip"),
        pytest.param(HEAD + b"\r\n", b"", id="nothing"),
    ],
)
def test_answers_until_the_end_of_the_connection(data: bytes, body: bytes) -> None:
    for pieces in split(data):
        one, came = fed(pieces, end=True)
        assert (came.body, came.whole, one.reusable) == (body, True, False)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="length and chunks"
        ),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", id="chunks and length"
        ),
        pytest.param(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", id="two lengths"),
        pytest.param(HEAD + b"Content-Length: -1\r\n\r\n", id="negative length"),
        pytest.param(HEAD + b"Content-Length: 3\r\n\r\nab", id="cut"),
        pytest.param(CHUNKED + b"2\r\nab\r\n", id="last chunk missing"),
        pytest.param(CHUNKED + b"3\r\nab", id="cut in a chunk"),
        pytest.param(CHUNKED + b"2\r\nabc\r\n0\r\n\r\n", id="chunk longer than it says"),
        pytest.param(CHUNKED + b"x\r\nab\r\n0\r\n\r\n", id="no chunk size"),
        pytest.param(HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", id="another coding"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", id="chunks not last"),
        pytest.param(HEAD + b"Content-Len", id="cut in the head"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", id="only an interim answer"),
        pytest.param(b"HTTP/1.1 104 New\r\nContent-Length: 5\r\n\r\nhello" + answer(b"a"), id="interim with a body"),
        pytest.param(b"HTTP/1.1 000 New\r\nContent-Length: 5\r\n\r\nhello", id="status 000"),
        pytest.param(b"HTTP/1.1 101 Go\r\n\r\n" + answer(b"a"), id="101"),
        pytest.param(b"HTTP/1.1 101 Go\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\nxx", id="101 with upgrade"),
        pytest.param(b"HTTP/2 200\r\n\r\n", id="HTTP/2"),
        pytest.param(b"SSH-2.0-server\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\nContent-Length: 1\n\na", id="bare line feeds"),
        pytest.param(
            HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % (len(PACKED) - 9) + PACKED[:-9],
            id="gzip cut, the answer is not",
        ),
        pytest.param(HEAD + b"Content-Encoding: gzip\r\n\r\n" + PACKED[:-1], id="gzip cut by the end"),
        pytest.param(
            HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % (len(PACKED) + 4) + PACKED + b"junk",
            id="junk behind a gzip",
        ),
    ],
)
def test_answers_that_are_broken(data: bytes) -> None:
    for pieces in split(data):
        with pytest.raises(BrokenAnswer):
            fed(pieces, end=True)


def test_trailers_and_interim_answers_do_not_change_the_head() -> None:
    data = (
        b"HTTP/1.1 103 Hints\r\nRetry-After: 1\r\n\r\nHTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nX-Name: caf\xe9\r\n"
        b"X-Ort: K\xc3\xb6ln\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-A: 3\r\nRetry-After: 9\r\n\r\n"
    )
    for pieces in split(data):
        one, came = fed(pieces)
        assert came.headers == {"x-a": "1, 2", "x-name": "café", "x-ort": "Köln", "transfer-encoding": "chunked"}
        assert one.reusable


@pytest.mark.parametrize("behind", [b"H", b"HTTP/1.1 200 OK\r\nX-Evil: 1\r\nConte", answer(b"evil"), b"evil", b"\x00"])
@pytest.mark.parametrize("first", [answer(b"a"), b"HTTP/1.1 204 None\r\nContent-Length: 4\r\n\r\n"])
def test_a_second_answer_in_the_same_piece_ends_the_connection(first: bytes, behind: bytes) -> None:
    alone = fed([first])[1]
    for pieces in ([first + behind], [first[:20], first[20:] + behind], [first, behind]):
        one, came = fed(pieces)
        assert came == alone, "what came behind it is no part of the answer"
        assert not one.reusable
        assert not one.open


@pytest.mark.parametrize(
    ("data", "reusable"),
    [
        (HEAD + b"Content-Length: 5\r\n\r\n", True),
        (HEAD + b"Content-Length: 5\r\n\r\nhello", False),
        (HEAD + b"Content-Length: 5\r\n\r\nh", False),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n", False),
        (HEAD + b"Connection: close\r\nContent-Length: 5\r\n\r\n", False),
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n", True),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 5\r\n\r\n", True),
    ],
)
def test_the_answer_to_a_head_request_has_no_body(data: bytes, reusable: bool) -> None:
    one, came = fed([data], method="HEAD")
    assert (came.status, came.body, came.whole, one.reusable) == (200, b"", True, reusable)


def test_as_much_of_a_body_is_kept_as_was_wanted() -> None:
    for size, whole in ((9, True), (10, True), (11, False), (500, False)):
        packed = gzip.compress(b"x" * size)
        for data in (
            answer(b"x" * size),
            CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size),
            answer(packed, "200 OK", "Content-Encoding: gzip"),
        ):
            for pieces in split(data):
                one, came = fed(pieces, limit=10)
                assert (came.body, came.whole) == (b"x" * min(size, 10), whole)
                assert one.reusable is one.open is whole


def test_an_empty_line_behind_an_answer_does_no_harm() -> None:
    one, came = fed([answer(b"a") + b"\r\n"])
    assert (came.body, one.reusable) == (b"a", True)


def test_no_more_is_unpacked_than_was_wanted() -> None:
    bomb = answer(gzip.compress(b"0" * 50_000_000), "200 OK", "Content-Encoding: gzip")
    tracemalloc.start()
    try:
        assert fed([bomb], limit=1_000)[1].body == b"0" * 1_000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_body_without_length_that_a_reset_ends_is_not_whole() -> None:
    async def reset() -> None:
        one = Wire()
        one.connection_made(Line())  # type: ignore[arg-type]
        coming = one.send("GET", b"", 100)
        one.data_received(HEAD + b"\r\nnot all of it")
        one.connection_lost(ConnectionResetError("reset"))
        with pytest.raises(ConnectionResetError):
            await coming

    asyncio.run(reset())


def endless(start: bytes, more: bytes) -> list[bytes]:
    return [start, *([more * (1_000 // len(more))] * 80)]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(endless(HEAD, b"X-A: 1\r\n"), id="headers"),
        pytest.param(endless(HEAD + b"X-A: ", b"a"), id="one header"),
        pytest.param(endless(b"HTTP/1.1 200 ", b"a"), id="reason phrase"),
        pytest.param(endless(b"", b"HTTP/1.1 103 Hints\r\n\r\n"), id="interim answers"),
        pytest.param(endless(CHUNKED + b"1\r\na\r\n0\r\n", b"X-A: 1\r\n"), id="trailers"),
        pytest.param(endless(CHUNKED + b"1;x=", b"a"), id="chunk extension"),
    ],
)
def test_what_is_no_body_is_bounded(pieces: list[bytes]) -> None:
    with pytest.raises(BrokenAnswer, match=f"{MAX_HEAD:,} bytes that are no body"):
        fed(pieces)


def test_small_chunks_of_a_large_body_are_not_mistaken_for_that() -> None:
    pieces = [CHUNKED, *([b"1\r\na\r\n" * 100] * 200), b"0\r\n\r\n"]
    assert fed(pieces, limit=20_000)[1].body == b"a" * 20_000


def test_an_answer_before_the_whole_request_had_left_ends_the_connection() -> None:
    async def early() -> tuple[Wire, Answer]:
        one, line = Wire(), Line()
        one.connection_made(line)  # type: ignore[arg-type]
        coming = one.send("POST", b"", 100)
        line.unsent = 1
        one.data_received(answer(b"no", "413 Too Large"))
        return one, await coming

    one, came = asyncio.run(early())
    assert came.status == 413
    assert not one.reusable


# ---------------------------------------------------------------------- over real sockets


async def ask(wires: Wires, url: str, method: str = "GET", body: bytes | None = None, limit: int = 1_000_000) -> Answer:
    return await wires.exchange(method, Place.of(URL(url)), URL(url).raw_path_qs, {}, body, limit, Progress())


def pool() -> Wires:
    return Wires(keep_alive=60.0, keep_alive_writes=60.0, allowed_addresses=(), agent="test")


@pytest.mark.parametrize(
    ("first", "method"),
    [
        pytest.param(answer(b"1") + b"HTTP/1.1 200 OK\r\nConte", "GET", id="the begin of another answer"),
        pytest.param(answer(b"1") + answer(b"evil"), "GET", id="another answer"),
        pytest.param(answer(b"1", "200 OK", "Connection: close"), "GET", id="close"),
        pytest.param(answer(b"1"), "HEAD", id="a body to HEAD"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n1", "GET", id="1.0"),
    ],
)
@on_both_loops
async def test_after_anything_unexpected_the_next_request_has_a_connection_of_its_own(
    first: bytes, method: str
) -> None:
    async with wire(first, answer(b"2")) as server:
        wires = pool()
        assert (await ask(wires, server.url, method)).body == (b"" if method == "HEAD" else b"1")
        assert (await ask(wires, server.url)).body == b"2"
        await wires.close()
    assert server.connections == 2


@on_both_loops
async def test_what_comes_while_nobody_asks_closes_the_connection() -> None:
    talk = asyncio.Event()
    closed = asyncio.Event()
    served = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        served += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(b"%d" % served))
        if served == 1:
            await talk.wait()
            writer.write(answer(b"evil", "408 Too Slow"))
            with suppress(ConnectionResetError):
                await reader.read()
            closed.set()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        wires = pool()
        assert (await ask(wires, url)).body == b"1"
        talk.set()
        await closed.wait()
        assert (await ask(wires, url)).body == b"2"
        await wires.close()


@on_both_loops
async def test_a_server_that_closes_while_idle_is_noticed() -> None:
    async with wire(Closing(answer(b"1")), answer(b"2")) as server:
        wires = pool()
        await ask(wires, server.url, "POST", b"x")
        assert await server.ended.get() == 1
        for _ in range(3):  # the end is there; the loop looks at its sockets in each of its rounds
            await asyncio.sleep(0)
        assert (await ask(wires, server.url, "POST", b"x")).body == b"2"
        await wires.close()
    assert [request[-1:] for request in server.requests] == [b"x", b"x"]


async def unread(close: Callable[[asyncio.StreamWriter], None], first: bytes = b"") -> tuple[int, Answer | Exception]:
    """Send 30 MB to a server that reads only the head, says ``first`` and closes in this way. How many came first."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(first if connections == 1 else answer(b"second"))
        if connections == 1:
            close(writer)
            try:
                await done.wait()
            finally:
                writer.transport.abort()
        else:
            writer.close()

    done = asyncio.Event()
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        wires = pool()
        try:
            came: Answer | Exception = await ask(wires, url, "POST", b"x" * 30_000_000)
        except (BrokenAnswer, OSError) as error:
            came = error
        assert (await ask(wires, url)).body == b"second"
        await wires.close()
        done.set()
        return connections, came


@on_both_loops
async def test_a_server_that_answers_without_reading_everything() -> None:
    connections, came = await unread(lambda _writer: None, answer(b"no", "413 Too Large"))
    assert isinstance(came, Answer)
    assert came.status == 413
    assert connections == 2, "the rest of the first request never left"


@on_both_loops
async def test_a_server_that_hangs_up_without_reading_everything() -> None:
    connections, came = await unread(lambda writer: writer.write_eof())
    assert isinstance(came, BrokenAnswer), "and it does not wait until the whole request has left"
    assert connections == 2


@on_both_loops
async def test_a_server_that_resets_the_connection() -> None:
    _, came = await unread(lambda writer: writer.transport.abort())
    assert isinstance(came, BrokenAnswer | OSError)


@on_both_loops
async def test_a_large_request_and_a_large_answer_arrive() -> None:
    body = bytes(range(256)) * 20_000
    async with wire(answer(body)) as server:
        wires = pool()
        for _ in range(2):
            assert (await ask(wires, server.url, "POST", body, len(body))).body == body
        cut = await ask(wires, server.url, limit=100_000)
        assert (cut.body, cut.whole) == (body[:100_000], False)
        await wires.close()
    assert server.connections == 1
    assert all(request.endswith(body) for request in server.requests[:2])
