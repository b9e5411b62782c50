"""Every failure says whether the request may have been applied, and never shows a secret."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from engine.runtime.http import ConnectionHttp, Pools, Target
from engine.runtime.redact import Redactor
from engine.sdk import errors
from engine.sdk.connections import HeaderAuth, QueryAuth
from engine.sdk.http import CLIENT_ERRORS, ErrorTable
from tests.runtime.doubles import HandClock
from tests.runtime.wire import HANG, Closing, answer, wire


@pytest.fixture
async def pools() -> AsyncIterator[Pools]:
    made = Pools()
    yield made
    await made.close()


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def test_a_refused_connection_proves_that_nothing_was_sent(pools: Pools) -> None:
    http = ConnectionHttp(Target(base_url=f"http://127.0.0.1:{closed_port()}"), pools, HandClock())
    with pytest.raises(errors.ConnectionError, match="nothing was sent") as caught:
        await http.request("POST", "/things", json={})
    assert caught.value.refused


async def test_an_unknown_host_name_proves_that_nothing_was_sent(pools: Pools) -> None:
    http = ConnectionHttp(Target(base_url="http://nobody.invalid"), pools, HandClock())
    with pytest.raises(errors.ConnectionError, match=r"'nobody\.invalid' cannot be resolved") as caught:
        await http.request("POST", "/things", json={})
    assert caught.value.refused


async def test_a_failed_tls_handshake_proves_that_nothing_was_sent(pools: Pools) -> None:
    async def no_tls(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"this is not TLS\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(no_tls, "127.0.0.1", 0) as plain:
        port = plain.sockets[0].getsockname()[1]
        http = ConnectionHttp(Target(base_url=f"https://127.0.0.1:{port}"), pools, HandClock())
        with pytest.raises(errors.ConnectionError, match="nothing was sent") as caught:
            await http.request("POST", "/things", json={})
    assert caught.value.refused


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"", id="closed without an answer"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this", id="closed mid-answer"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", id="closed mid-chunk"),
        pytest.param(b"220 smtp.example.com ESMTP\r\n\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd", id="broken gzip"),
    ],
)
async def test_a_connection_that_breaks_after_sending_leaves_the_outcome_open(pools: Pools, reply: bytes) -> None:
    async with wire(Closing(reply)) as server:
        http = ConnectionHttp(Target(base_url=server.url), pools, HandClock())
        with pytest.raises(errors.ConnectionError, match=r"POST http://127.0.0.1:\d+/things: the connection") as caught:
            await http.request("POST", "/things", json={})
    assert not caught.value.refused


async def test_a_timeout_after_sending_leaves_the_outcome_open(pools: Pools) -> None:
    clock = HandClock()
    async with wire(HANG) as server:
        http = ConnectionHttp(Target(base_url=server.url, timeout=30), pools, clock)
        call = asyncio.create_task(http.request("POST", "/things", json={}))
        await server.arrived.wait()
        clock.advance(29)
        await asyncio.sleep(0)
        assert not call.done()
        clock.advance(1)
        with pytest.raises(errors.TimeoutError, match=r"was not answered within 30 s$") as caught:
            await call
    assert not caught.value.refused


async def test_a_timeout_while_connecting_proves_that_nothing_was_sent(pools: Pools) -> None:
    clock = HandClock()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)  # the TLS hello is never answered
        port = silent.getsockname()[1]
        http = ConnectionHttp(Target(base_url=f"https://127.0.0.1:{port}", timeout=5), pools, clock)
        call = asyncio.create_task(http.request("POST", "/things", json={}))
        await clock.waiting.wait()
        clock.advance(5)
        with pytest.raises(errors.TimeoutError, match="nothing was sent") as caught:
            await call
    assert caught.value.refused


async def test_cancellation_goes_through(pools: Pools) -> None:
    async with wire(HANG) as server:
        http = ConnectionHttp(Target(base_url=server.url), pools, HandClock())
        call = asyncio.create_task(http.request("GET", "/things"))
        await server.arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


@pytest.mark.parametrize(
    ("status", "kind", "refused"),
    [
        ("400 Bad Request", errors.DataError, False),
        ("401 Unauthorized", errors.AuthError, False),
        ("404 Not Found", errors.NotFound, False),
        ("422 Unprocessable", errors.DataError, False),
        ("429 Too Many Requests", errors.RateLimitError, True),
        ("500 Oh No", errors.VendorError, False),
        ("503 Unavailable", errors.VendorError, False),
    ],
)
async def test_statuses_become_the_standard_types(
    pools: Pools, status: str, kind: type[errors.ModuleError], refused: bool
) -> None:
    async with wire(answer(b'{"why":"x"}', status, "Retry-After: 7")) as server:
        http = ConnectionHttp(Target(base_url=server.url), pools, HandClock())
        with pytest.raises(kind) as caught:
            await http.request("POST", "/things", json={})
        again = await http.request("POST", "/things", json={}, raise_for_status=False)
    assert type(caught.value) is kind
    assert caught.value.refused is refused
    assert caught.value.status == int(status[:3]) == again.status
    assert caught.value.retry_after == 7
    assert caught.value.detail == {"why": "x"}
    assert f"POST {server.url}/things answered {status[:3]}" in str(caught.value)


async def test_a_table_of_the_call_comes_before_that_of_the_connection(pools: Pools) -> None:
    async with wire(answer(b"", "404 Not Found")) as server:
        target = Target(base_url=server.url, errors=ErrorTable(refused=CLIENT_ERRORS))
        http = ConnectionHttp(target, pools, HandClock())
        with pytest.raises(errors.NotFound) as caught:
            await http.request("POST", "/things")
        assert caught.value.refused
        with pytest.raises(errors.Conflict) as other:
            await http.request("POST", "/things", errors=ErrorTable(types={404: errors.Conflict}))
        assert not other.value.refused


async def test_no_message_shows_a_secret(pools: Pools) -> None:
    secret = "s3cr3t/with+odd chars"
    fields = {"key": secret}
    echo = b'{"you_sent": "s3cr3t/with+odd chars", "api_key": "another", "url": "?key=s3cr3t%2Fwith%2Bodd%20chars"}'
    auth = (HeaderAuth("X-Key", "key"), QueryAuth("key", "key"))
    redactor = Redactor([secret])
    async with wire(answer(echo, "400 Bad Request")) as server:
        target = Target(base_url=f"{server.url}/s3cr3t%2Fwith%2Bodd%20chars", auth=auth, fields=fields)
        http = ConnectionHttp(target, pools, HandClock(), redactor=redactor)
        with pytest.raises(errors.DataError) as caught:
            await http.request("POST", "/things", query={"a": secret})
    assert secret.encode() in server.requests[0]
    shown = f"{caught.value} {caught.value.to_json()}"
    assert "s3cr3t" not in shown
    assert "another" not in shown
    assert caught.value.detail == {"you_sent": "•••", "api_key": "•••", "url": "?key=•••"}

    dead = Target(base_url=f"http://127.0.0.1:{closed_port()}", auth=auth, fields=fields)
    with pytest.raises(errors.ConnectionError) as broken:
        await ConnectionHttp(dead, pools, HandClock(), redactor=redactor).request("GET", f"/{secret}")
    assert "s3cr3t" not in str(broken.value)
