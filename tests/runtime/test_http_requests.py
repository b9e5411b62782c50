"""What leaves: URL, query, headers, auth, body; what may not leave; and how much of an answer comes back."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from aiohttp import web

from engine.runtime.auth import TokenSource
from engine.runtime.http import ConnectionHttp, Pools, Target
from engine.runtime.urls import fill
from engine.sdk import errors
from engine.sdk.connections import Auth, BasicAuth, BearerAuth, HeaderAuth, HmacAuth, QueryAuth, TokenAuth
from tests.runtime.doubles import HandClock
from tests.runtime.wire import HANG, answer, wire


@pytest.fixture
async def pools() -> AsyncIterator[Pools]:
    made = Pools()
    yield made
    await made.close()


async def sent(pools: Pools, method: str = "GET", path: str = "/x", target: Any = None, **options: Any) -> bytes:
    """The request as the server got it. ``target``: further arguments of ``Target``."""
    async with wire(answer()) as server:
        http = ConnectionHttp(Target(base_url=f"{server.url}/api/v2", **(target or {})), pools, HandClock())
        await http.request(method, path, **options)
        return server.requests[0]


async def refused(pools: Pools, path: str, **options: Any) -> errors.ModuleError:
    async with wire(answer()) as server:
        http = ConnectionHttp(Target(base_url=server.url), pools, HandClock())
        with pytest.raises(errors.DataError) as caught:
            await http.request("GET", path, **options)
        assert not server.requests
    assert caught.value.refused
    return caught.value


async def test_paths_are_below_the_base_url(pools: Pools) -> None:
    for path, line in {
        "/customers": b"GET /api/v2/customers HTTP/1.1",
        "customers": b"GET /api/v2/customers HTTP/1.1",
        "": b"GET /api/v2 HTTP/1.1",
        "?a=1": b"GET /api/v2?a=1 HTTP/1.1",
        "/a%2Fb/c d": b"GET /api/v2/a%2Fb/c%20d HTTP/1.1",
        "/x...y/..z": b"GET /api/v2/x...y/..z HTTP/1.1",
    }.items():
        assert (await sent(pools, path=path)).startswith(line), path


@pytest.mark.parametrize(
    "path",
    [
        "../admin",
        "/a/../../admin",
        "/a/%2e%2E/admin",
        "/a/..%2Fadmin",
        "/./a",
        "/a\\..\\b",
        "//evil.example.com/x",
        "http://evil.example.com/x",
        "/a\r\nX-Injected: 1",
        "/a\x00",
        "/a\tb",
        "/a#b",
    ],
)
async def test_paths_that_leave_the_base_url_are_refused(pools: Pools, path: str) -> None:
    await refused(pools, path)


async def test_query_values(pools: Pools) -> None:
    query = {
        "none": None,
        "yes": True,
        "no": False,
        "n": 3,
        "f": 1.5,
        "many": ["a", None, 2],
        "text": "a&b c+d/é",
        "": "",
    }
    line = (await sent(pools, path="/x?z=0", query=query)).split(b"\r\n")[0].decode()
    assert line == "GET /api/v2/x?z=0&yes=true&no=false&n=3&f=1.5&many=a&many=2&text=a%26b+c%2Bd/%C3%A9&= HTTP/1.1"
    assert "'q'" in str(await refused(pools, "/x", query={"q": {"a": 1}}))


async def test_the_engine_says_its_name(pools: Pools) -> None:
    assert b"\r\nUser-Agent: scenario-engine/" in await sent(pools)


async def test_bodies(pools: Pools) -> None:
    request = await sent(pools, "POST", json={"é": None})
    assert request.endswith('\r\n\r\n{"é":null}'.encode())
    assert b"application/json" in request
    assert (await sent(pools, "POST", json=None)).endswith(b"\r\n\r\nnull")
    text = await sent(pools, "POST", data="é", headers={"Content-Type": "text/csv"})
    assert b"text/csv" in text
    assert text.endswith("\r\n\r\né".encode())
    assert (await sent(pools, "PUT", data=b"\x00\x01")).endswith(b"\r\n\r\n\x00\x01")
    await refused(pools, "/x", json={}, data="x")
    await refused(pools, "/x", json=object())


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "1\r\nX-B: 2"},
        {"X-A": "\x00"},
        {"X A": "1"},
        {"X-A\n": "1"},
        {"": "1"},
        {"Content-Length": "0"},
        {"transfer-encoding": "chunked"},
        {"HOST": "evil.example.com"},
        {"X-A": "\ud83d"},
    ],
)
async def test_headers_that_would_change_the_message_are_refused(pools: Pools, headers: Mapping[str, str]) -> None:
    await refused(pools, "/x", headers=headers)


async def test_half_of_a_character_pair_is_refused(pools: Pools) -> None:
    """JSON can write it, no request can carry it; left out without a word, it would lead to something else."""
    await refused(pools, "/customers/\ud83d")
    await refused(pools, "/x", query={"a": "\ud83d"})
    await refused(pools, "/x", query={"\ud83d": 1})
    await refused(pools, "/x", data="\ud83d")
    await refused(pools, "/x", json={"a": "\ud83d"})
    with pytest.raises(errors.DataError) as caught:
        fill("/customers/{id}", {"id": "\ud83d"}, "config")
    assert caught.value.refused


async def test_headers_of_any_script_arrive(pools: Pools) -> None:
    assert "\r\nx-a: Köln\t東京 😀\r\n".encode() in await sent(pools, headers={"X-A": "Köln\t東京 😀"})


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "GET /x HTTP/1.1\r\n", ""])
async def test_unusual_methods_are_refused(pools: Pools, method: str) -> None:
    with pytest.raises(errors.DataError, match="use one of DELETE, GET"):
        await ConnectionHttp(Target(base_url="http://127.0.0.1:1"), pools, HandClock()).request(method, "/")


@pytest.mark.parametrize(
    ("auth", "wanted"),
    [
        (HeaderAuth("X-Api-Key", "key", "Key "), b"x-api-key: Key s3cret"),
        (BearerAuth("key"), b"authorization: Bearer s3cret"),
        (BasicAuth("user", "key"), b"authorization: Basic " + base64.b64encode(b"ann:s3cret")),
        (BasicAuth("key"), b"authorization: Basic " + base64.b64encode(b"s3cret:")),
        (QueryAuth("api_key", "key"), b"/x?a=1&api_key=s3cret"),
        (HmacAuth("X-Sign", "key"), b"x-sign: " + hmac.new(b"s3cret", b"[]", hashlib.sha256).hexdigest().encode()),
        (
            HmacAuth("X-Sign", "key", "sha1", "base64", "v1="),
            b"x-sign: v1=" + base64.b64encode(hmac.new(b"s3cret", b"[]", hashlib.sha1).digest()),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_auth_is_put_on_the_request(pools: Pools, auth: Auth, wanted: bytes) -> None:
    target = {"auth": (auth,), "fields": {"user": "ann", "key": "s3cret"}}
    # an author cannot take the place of the connection's auth
    own = {"x-api-key": "mine", "Authorization": "mine", "X-Sign": "mine"}
    request = await sent(pools, "POST", target=target, json=[], query={"a": 1, "api_key": "mine"}, headers=own)
    assert wanted in (request if b"?" not in wanted else request.replace(b"&api_key=mine", b""))


async def test_a_missing_credential_is_said_before_anything_is_sent(pools: Pools) -> None:
    target = Target(base_url="http://127.0.0.1:1", auth=(BearerAuth("key"),), fields={"key": ""})
    with pytest.raises(errors.AuthError, match="'key' is not set") as caught:
        await ConnectionHttp(target, pools, HandClock()).request("GET", "/x")
    assert caught.value.refused


class Vendor:
    """A vendor with tokens: ``/stores/<store>/tokens`` gives t1, t2, …; everything else wants the newest of them."""

    def __init__(self) -> None:
        self.given = 0
        self.asked: list[Any] = []
        self.calls = 0
        self.gate = asyncio.Event()
        self.waits = asyncio.Event()
        self.gate.set()
        self.broken = False

    async def __call__(self, request: web.Request) -> web.Response:
        if request.raw_path == "/stores/a%2Fb/tokens":
            self.asked.append(await request.json())
            self.waits.set()
            await self.gate.wait()
            if self.broken:
                return web.json_response({"error": "no"}, status=401)
            self.given += 1
            return web.json_response({"access_token": f"t{self.given}"})
        self.calls += 1
        if request.headers.get("X-Token") != f"T t{self.given}" or self.broken:
            return web.Response(status=403)
        return web.json_response({"token": request.headers["X-Token"]})


AUTH = TokenAuth("/stores/{store}/tokens", {"secret": "key"}, "access_token", "X-Token", "T ", lifetime=600)


@pytest.fixture
async def vendor() -> AsyncIterator[tuple[Vendor, str]]:
    made = Vendor()
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", made.__call__)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield made, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def with_token(url: str, pools: Pools, clock: HandClock, source: TokenSource) -> ConnectionHttp:
    target = Target(base_url=url, auth=(AUTH,), fields={"store": "a/b", "key": "s3cret"})
    return ConnectionHttp(target, pools, clock, tokens=(source,))


async def test_a_token_is_fetched_once_for_many_calls(pools: Pools, vendor: tuple[Vendor, str]) -> None:
    clock = HandClock()
    http = with_token(vendor[1], pools, clock, TokenSource(AUTH, clock))
    vendor[0].gate.clear()
    calls = [asyncio.create_task(http.request("POST", "/x")) for _ in range(5)]
    await vendor[0].waits.wait()
    calls[0].cancel()  # the one that began the fetch goes; the others get its token
    vendor[0].gate.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert [r.json() for r in results[1:] if not isinstance(r, BaseException)] == [{"token": "T t1"}] * 4
    assert vendor[0].asked == [{"secret": "s3cret"}]


async def test_a_token_is_renewed_when_it_is_old_or_refused(pools: Pools, vendor: tuple[Vendor, str]) -> None:
    clock = HandClock()
    http = with_token(vendor[1], pools, clock, TokenSource(AUTH, clock))
    await http.request("POST", "/x")
    clock.advance(599)
    await http.request("POST", "/x")
    assert vendor[0].given == 1
    clock.advance(1)
    await http.request("POST", "/x")
    assert vendor[0].given == 2
    vendor[0].given = 7  # the vendor forgets t2: each call is answered 403 until there is a new token
    vendor[0].calls = 0
    results = await asyncio.gather(*(http.request("POST", "/x") for _ in range(3)))
    assert {r.json()["token"] for r in results} == {"T t8"}
    assert vendor[0].given == 8
    assert vendor[0].calls == 6


async def test_credentials_that_are_wrong_are_tried_once_more_and_then_said(
    pools: Pools, vendor: tuple[Vendor, str]
) -> None:
    clock = HandClock()
    http = with_token(vendor[1], pools, clock, TokenSource(AUTH, clock))
    await http.request("POST", "/x")
    vendor[0].broken = True
    vendor[0].calls = 0
    with pytest.raises(errors.AuthError, match=r"tokens answered 401") as caught:
        await http.request("POST", "/x")
    assert caught.value.refused
    assert vendor[0].calls == 1


async def test_a_lost_token_fetch_leaves_nothing_open(pools: Pools) -> None:
    """The fetch may have happened or not; the call itself did not."""
    clock = HandClock()
    async with wire(HANG) as server:
        call = asyncio.create_task(with_token(server.url, pools, clock, TokenSource(AUTH, clock)).request("POST", "/x"))
        await server.arrived.wait()
        clock.advance(30)
        with pytest.raises(errors.TimeoutError) as caught:
            await call
    assert caught.value.refused


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"access_token": 3}', b"<html>"])
async def test_an_answer_without_a_token(pools: Pools, body: bytes) -> None:
    clock = HandClock()
    async with wire(answer(body)) as server:
        with pytest.raises(errors.ModuleError) as caught:
            await with_token(server.url, pools, clock, TokenSource(AUTH, clock)).request("POST", "/x")
    assert caught.value.refused


async def test_a_write_with_a_too_large_answer_was_accepted(pools: Pools) -> None:
    warnings: list[str] = []
    async with wire(answer(b"x" * 200_000)) as server:
        http = ConnectionHttp(Target(base_url=server.url), pools, HandClock(), warn=warnings.append, max_answer=100_000)
        response = await http.request("POST", "/x", json={})
        assert response.status == 200
        assert len(response.body) == 100_000
        assert "POST" in warnings[0]
        assert "100,000 bytes" in warnings[0]
        with pytest.raises(errors.DataError, match="more than 100,000 bytes"):
            await http.request("GET", "/x")
        assert len(warnings) == 1


async def test_a_small_body_that_unpacks_to_a_large_one_is_bounded(pools: Pools) -> None:
    import gzip

    bomb = gzip.compress(b"0" * 50_000_000)
    async with wire(answer(bomb, "200 OK", "Content-Encoding: gzip")) as server:
        http = ConnectionHttp(Target(base_url=server.url), pools, HandClock(), max_answer=1_000_000)
        with pytest.raises(errors.DataError, match="more than 1,000,000 bytes"):
            await http.request("GET", "/x")


async def test_answers_come_back_as_they_are(pools: Pools) -> None:
    reply = answer(b'{"a": 12345678901234567890123}', "201 Created", "X-Tag: 1", "X-Tag: 2")
    async with wire(reply) as server:
        response = await ConnectionHttp(Target(base_url=server.url), pools, HandClock()).request("POST", "/x")
    assert response.status == 201
    assert response.headers["x-tag"] == "1, 2"
    assert response.json() == {"a": 12345678901234567890123}


async def test_no_cookies_are_kept(pools: Pools) -> None:
    async with wire(answer(b"", "200 OK", "Set-Cookie: session=1")) as server:
        http = ConnectionHttp(Target(base_url=server.url), pools, HandClock())
        await http.request("GET", "/x")
        await http.request("GET", "/x")
    assert b"session" not in server.requests[1]
