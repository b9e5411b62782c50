"""Author-given URLs: which hosts, and never link-local or metadata addresses, whatever a name resolves to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.http import ConnectionHttp, Pools, Target
from engine.runtime.urls import PLAIN, build, fill, host_allowed, refused_address
from engine.runtime.wires import Place
from engine.sdk import errors
from tests.runtime.doubles import HandClock
from tests.runtime.wire import answer, wire


@pytest.fixture
async def pools() -> AsyncIterator[Pools]:
    made = Pools()
    yield made
    await made.close()


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "[fe80::1]",
        "febf::1",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "100.100.100.200",
    ],
)
def test_refused_addresses(address: str) -> None:
    assert refused_address(address)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.0.0.1", "8.8.8.8", "fd00:ec2::1", "169.253.1.1", "a.example.com"]
)
def test_other_addresses(address: str) -> None:
    assert not refused_address(address)


def test_a_listed_address_is_allowed() -> None:
    assert not refused_address("169.254.1.1", {"169.254.1.1"})
    assert refused_address("169.254.1.2", {"169.254.1.1"})


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "example.com/x",
        "/x",
        "",
        "http://",
        "http:///x",
        "http://user:pass@example.com/",
        "http://user@example.com/",
        "http://exa mple.com/",
        "http://example.com:99999/",
        "http://xn--a/",
        "http://example.com/\r\nx",
    ],
)
async def test_urls_that_are_refused(pools: Pools, url: str) -> None:
    with pytest.raises(errors.DataError) as caught:
        await ConnectionHttp(Target(), pools, HandClock()).request("GET", url)
    assert caught.value.refused
    assert "pass" not in str(caught.value).replace("passwd", "")


async def test_credentials_in_a_base_url_are_refused(pools: Pools) -> None:
    """They would not be sent, and the vendor would say no for a reason that nobody sees."""
    http = ConnectionHttp(Target(base_url="http://ann:s3cret@example.com/api"), pools, HandClock())
    with pytest.raises(errors.DataError, match=r"'http://example\.com' holds credentials") as caught:
        await http.request("GET", "/x@y")
    assert caught.value.refused


@pytest.mark.parametrize("host", ["http://2852039166/", "http://0xA9FEA9FE/", "http://169.254.43518/"])
async def test_numbers_that_mean_a_refused_address(pools: Pools, host: str) -> None:
    with pytest.raises(errors.ModuleError) as caught:
        await asyncio.wait_for(ConnectionHttp(Target(), pools, HandClock()).request("GET", host), 10)
    assert caught.value.refused


async def test_a_name_that_resolves_to_a_refused_address(pools: Pools, monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(*_args: Any, **_options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    for target in (Target(), Target(base_url="http://innocent.example.com")):
        with pytest.raises(errors.ConnectionError, match="metadata address") as caught:
            await ConnectionHttp(target, pools, HandClock()).request(
                "GET", "/x" if target.base_url else "http://innocent.example.com/x"
            )
        assert caught.value.refused


async def test_hosts_can_be_restricted(pools: Pools) -> None:
    async with wire(answer()) as server:
        http = ConnectionHttp(Target(allow_hosts=("127.0.0.1",)), pools, HandClock())
        await http.request("GET", f"{server.url}/x?y=1")
        with pytest.raises(errors.DataError, match=r"allow_hosts in engine\.yaml"):
            await http.request("GET", f"http://localhost:{server.port}/x")
        assert len(server.requests) == 1
        # what the operator wrote into connections.yaml is not the author's
        mine = ConnectionHttp(Target(base_url=server.url, allow_hosts=()), pools, HandClock())
        await mine.request("GET", "/x")


def test_host_patterns() -> None:
    assert host_allowed("API.example.com.", ["api.example.com"])
    assert host_allowed("a.b.example.com", ["*.example.com"])
    assert not host_allowed("example.com", ["*.example.com"])
    assert not host_allowed("evilexample.com", ["*.example.com"])
    assert not host_allowed("example.com", [])
    assert host_allowed("example.com", None)


async def test_a_simulator_stands_in_for_every_host(pools: Pools) -> None:
    async with wire(answer()) as server:
        http = ConnectionHttp(Target(base_url=server.url, stand_in=True), pools, HandClock())
        await http.request("GET", "https://api.example.com/a/b?c=1", query={"d": 2})
        await http.request("GET", "/plain")
    assert server.requests[0].startswith(b"GET /a/b?c=1&d=2 HTTP/1.1")
    assert server.requests[1].startswith(b"GET /plain HTTP/1.1")


def test_values_in_paths_are_encoded_and_must_be_there() -> None:
    assert fill("/a/{x}/{y}", {"x": "ä/..?#", "y": 3}, "config") == "/a/%C3%A4%2F..%3F%23/3"
    for value in (None, "", [], {}):
        with pytest.raises(errors.DataError, match="'x' of the config"):
            fill("/{x}", {"x": value}, "config")


BASES = ("https://api.example.com", "https://api.example.com/", "http://[::1]:8080/v1", "http://x.example.com/a%20b/c/")


@pytest.mark.parametrize("base", BASES)
@given(path=st.text("/.a~-_%? Zé", max_size=12).map("/".__add__))
async def test_the_short_way_below_a_base_url_leads_where_the_long_way_does(base: str, path: str) -> None:
    http = ConnectionHttp(Target(base_url=base), Pools(), HandClock())
    if not PLAIN.fullmatch(path):
        return
    url = build(base, path, None, None)
    assert http._address(path, {}) == (Place.of(url), url.raw_path_qs)


async def test_a_base_url_with_a_query_has_no_short_way() -> None:
    http = ConnectionHttp(Target(base_url="https://api.example.com/v1?key=1"), Pools(), HandClock())
    assert http._place is None
