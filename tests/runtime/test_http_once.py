"""A request leaves once: no retry, no redirect, and no connection that the server is about to close."""

from __future__ import annotations

import asyncio

import pytest

from engine.runtime.http import ConnectionHttp, Pools, Target
from engine.sdk import errors
from tests.runtime.doubles import HandClock
from tests.runtime.wire import Closing, answer, wire

METHODS = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH"]


@pytest.mark.parametrize("method", METHODS)
async def test_a_server_that_reads_and_closes_gets_one_request(method: str) -> None:
    async with wire(Closing()) as server:
        pools = Pools()
        http = ConnectionHttp(Target(base_url=server.url), pools, HandClock())
        with pytest.raises(errors.ConnectionError) as caught:
            await http.request(method, "/things")
        await pools.close()
    assert len(server.requests) == 1
    assert not caught.value.refused


@pytest.mark.parametrize("method", METHODS)
async def test_a_kept_alive_connection_that_drops_gets_no_second_request(method: str) -> None:
    """This is where aiohttp by itself sends GET, HEAD, OPTIONS, PUT and DELETE again."""
    async with wire(answer(b""), Closing()) as server:
        pools = Pools()
        http = ConnectionHttp(Target(base_url=server.url), pools, HandClock())
        await http.request(method, "/first")
        with pytest.raises(errors.ConnectionError) as caught:
            await http.request(method, "/second")
        await pools.close()
    assert server.connections == 1
    assert len(server.requests) == 2
    assert not caught.value.refused


@pytest.mark.parametrize("status", ["301 Moved Permanently", "307 Temporary Redirect", "308 Permanent Redirect"])
async def test_redirects_are_errors(status: str) -> None:
    async with wire(answer(b"", status, "Location: /elsewhere")) as server:
        pools = Pools()
        http = ConnectionHttp(Target(base_url=server.url), pools, HandClock())
        with pytest.raises(errors.VendorError, match="answered 30") as caught:
            await http.request("GET", "/things")
        await pools.close()
    assert len(server.requests) == 1
    assert "redirects are not followed" in str(caught.value)


async def test_writes_do_not_go_over_a_connection_that_was_idle() -> None:
    async with wire(answer()) as server:
        pools = Pools(keep_alive=60.0, keep_alive_writes=0.0)
        http = ConnectionHttp(Target(base_url=server.url), pools, HandClock())
        await http.request("POST", "/things", json={})
        await http.request("POST", "/things", json={})
        await http.request("GET", "/things")
        await http.request("GET", "/things")
        await pools.close()
    assert server.connections == 2, "the second write opened one of its own, the reads did not"
    assert len(server.requests) == 4


async def test_a_connection_that_nobody_uses_is_closed() -> None:
    async with wire(answer()) as server:
        pools = Pools(keep_alive=0.05)
        http = ConnectionHttp(Target(base_url=server.url), pools, HandClock())
        await http.request("GET", "/things")
        assert await server.ended.get() == 1  # the client closed it by itself
        await http.request("GET", "/things")
        await pools.close()
    assert server.connections == 2


async def test_calls_at_the_same_time_each_have_a_connection() -> None:
    async with wire(answer()) as server:
        pools = Pools()
        http = ConnectionHttp(Target(base_url=server.url), pools, HandClock())
        await asyncio.gather(*(http.request("GET", f"/{n}") for n in range(5)))
        await pools.close()
    assert sorted(r.split(b" ")[1] for r in server.requests) == [b"/0", b"/1", b"/2", b"/3", b"/4"]
