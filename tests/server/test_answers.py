"""What the webhook listener answers, over real HTTP."""

from __future__ import annotations

import asyncio
import gzip
import hmac
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest

from engine.sdk.errors import ConfigError
from engine.server.hooks import BODY_WITHIN
from engine.server.service import CannotListen, Service
from tests.server.desk import listening, signed
from tests.server.site import Reply, Site, until

NewSite = Callable[..., Site]
LIMITED = "limits: {body: 1000}\n"


async def test_202_with_the_receipt_and_a_run(site: Site) -> None:
    reply = await site.post({"email": "ana@example.com"}, query="?via=test", headers={"X-One": "1"})
    assert reply.status == 202
    receipt = await site.receipt(reply)
    assert receipt.body == b'{"email":"ana@example.com"}'
    assert b'"x-one":"1"' in receipt.headers
    assert receipt.query == b'{"via":"test"}'
    assert receipt.subject == "ana@example.com"
    [run] = await site.rest()
    assert (run.state, run.receipt_id, run.subject) == ("succeeded", receipt.id, "ana@example.com")
    assert site.desk.notes == [{"event": {"email": "ana@example.com"}}]


async def test_404_for_a_token_that_nobody_made(site: Site) -> None:
    base = site.url().rpartition("/")[0]
    for token in ("x", "%FF%00", "a" * 4000):
        reply = await site.post({}, url=f"{base}/{token}")
        assert (reply.status, reply.body) == (404, {"error": "unknown webhook token"})
    assert (await site.refusals())[0] == {("?", 404): 3}
    assert await site.receipts() == []


@pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "HEAD", "LOCK"])
async def test_405_for_a_method_that_delivers_nothing(site: Site, method: str) -> None:
    reply = await site.post({}, method=method)
    assert reply.status == 405
    assert reply.headers["Allow"] == "GET, POST, PUT, PATCH"
    assert await site.receipts() == []


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
async def test_other_methods_deliver(site: Site, method: str) -> None:
    reply = await site.post({"n": 1}, method=method)
    assert reply.status == 202
    assert (await site.receipt(reply)).method == method


async def test_410_after_the_grace_of_a_rotation(site: Site) -> None:
    old = site.url()
    await site.host.webhooks.rotate("scenario:first", 60.0)
    new = site.url()
    assert old != new
    for url in (old, new):
        assert (await site.post({"n": 1}, url=url)).status == 202
    await site.clock.advance(60.0)
    assert (await site.post({"n": 2}, url=old)).status == 410
    assert (await site.post({"n": 2}, url=new)).status == 202
    assert (await site.refusals())[0] == {("scenario:first", 410): 1}


async def test_urls_and_rotations_outlive_the_process(new_site: NewSite) -> None:
    async with new_site() as site:
        old = site.path
        await site.host.webhooks.rotate("scenario:first", 60.0)
        new = site.path
    again = new_site()
    async with again as site:
        assert site.path == new
        base = site.url().rpartition("/hooks/")[0]
        assert (await site.post({}, url=base + old)).status == 202
        await site.clock.advance(60.0)
        assert (await site.post({}, url=base + old)).status == 410


async def test_413_for_a_declared_length(new_site: NewSite) -> None:
    async with new_site(settings=LIMITED) as site:
        assert (await site.post(data=b"x" * 1000)).status == 202
        reply = await site.post(data=b"x" * 1001)
        assert (reply.status, reply.body) == (413, {"error": "the body has more than 1000 bytes"})
        # the announcement is enough
        head = f"POST {site.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n".encode()
        assert (await site.raw(head, until=b"\r\n")).startswith(b"HTTP/1.1 413 ")
        assert len(await site.receipts()) == 1


async def test_413_for_chunks_without_a_length(new_site: NewSite) -> None:
    async with new_site(settings=LIMITED) as site:

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(20):
                yield b"x" * 100

        reply = await site.post(data=chunks())
        assert reply.status == 413
        assert await site.receipts() == []


async def test_what_is_packed_counts_unpacked(new_site: NewSite) -> None:
    async with new_site(settings=LIMITED) as site:
        kind = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        reply = await site.post(data=gzip.compress(b'{"n": 1}'), headers=kind)
        assert (await site.receipt(reply)).body == b'{"n": 1}'
        bomb = gzip.compress(b"x" * 100_000)
        assert len(bomb) < 1000
        assert (await site.post(data=bomb, headers=kind)).status == 413
        assert (await site.post(data=b"not packed at all", headers=kind)).status == 400
        assert len(await site.receipts()) == 1


async def test_429_over_the_accept_rate(new_site: NewSite) -> None:
    async with new_site(settings="limits: {accept_rate: 0.5}\n") as site:
        assert (await site.post({"n": 1})).status == 202
        reply = await site.post({"n": 2})
        assert (reply.status, reply.headers["Retry-After"]) == (429, "2")
        await site.clock.advance(1.5)
        # never less than what has to be waited
        assert (await site.post({"n": 2})).headers["Retry-After"] == "1"
        await site.clock.advance(0.5)
        assert (await site.post({"n": 2})).status == 202
        assert (await site.refusals())[0] == {("scenario:first", 429): 2}


# ---------------------------------------------------------------- who sends

NAMED = "  webhook: shared\n"
CHECKS = {
    "header": "{header: X-Secret, secret: {env: HOOK_SECRET}}",
    "query": "{query: key, secret: {env: HOOK_SECRET}}",
    "hmac": "{hmac: {header: X-Sign, prefix: 'v1='}, secret: {env: HOOK_SECRET}}",
    "preset": "{preset: github, secret: {env: HOOK_SECRET}}",
}
BODY = b'{"n":1}'
DIGEST = hmac.new(b"s3cret-of-hook", BODY, "sha256").hexdigest()


def shared(new_site: NewSite, check: str) -> Site:
    settings = f"webhooks: {{shared: {{check: {CHECKS[check]}}}}}\n"
    return new_site(scenarios={"first": listening("first", head=NAMED)}, settings=settings)


@pytest.mark.parametrize(
    ("check", "headers", "query"),
    [
        ("header", {"X-Secret": "s3cret-of-hook"}, ""),
        ("query", {}, "?key=s3cret-of-hook"),
        ("hmac", {"X-Sign": f"v1={DIGEST}"}, ""),
        ("preset", {"X-Hub-Signature-256": f"sha256={DIGEST}"}, ""),
    ],
)
async def test_401_without_the_secret(new_site: NewSite, check: str, headers: dict[str, str], query: str) -> None:
    kind = {"Content-Type": "application/json"}
    async with shared(new_site, check) as site:

        async def post(headers: dict[str, str], query: str) -> Reply:
            return await site.post(data=BODY, to="shared", headers={**kind, **headers}, query=query)

        missing = await post({}, "")
        wrong = await post({name: value[:-1] + "x" for name, value in headers.items()}, query and query + "x")
        assert (missing.status, wrong.status) == (401, 401)
        assert "s3cret" not in str(wrong.body) + str(missing.body)
        assert await site.receipts() == []
        good = await post(headers, query)
        assert good.status == 202
        receipt = await site.receipt(good)
        assert b"s3cret" not in receipt.headers + receipt.query + receipt.body
        counts, latest = await site.refusals()
        assert counts == {("shared", 401): 2}
        assert "missing" in latest[1].reason
        await site.rest()
    for file in (site.root / ".engine").iterdir():
        assert b"s3cret" not in file.read_bytes()


async def test_a_secret_that_is_not_there_keeps_the_server_from_starting(new_site: NewSite) -> None:
    settings = "webhooks: {shared: {check: {header: X, secret: {env: NOT_SET}}}}\n"
    with pytest.raises(ConfigError, match=r"webhook 'shared' cannot check its sender.*NOT_SET"):
        async with new_site(settings=settings):
            raise AssertionError("it must not serve")


async def test_401_from_the_app_s_own_check(new_site: NewSite) -> None:
    text = listening("first", "desk.signed", "  connection: desk\n")
    async with new_site(scenarios={"first": text}) as site:
        assert (await site.post({"n": 1})).status == 401
        assert (await site.post(data=BODY, headers=signed(b"another"))).status == 401
        reply = await site.post(data=BODY, headers=signed(BODY))
        assert reply.status == 202
        assert b"s3cret-of-desk" not in (await site.receipt(reply)).headers


async def test_500_when_the_app_s_check_raises(new_site: NewSite) -> None:
    async with new_site(scenarios={"first": listening("first", "desk.broken_verify")}) as site:
        reply = await site.post({"n": 1})
        assert (reply.status, reply.body) == (500, {"error": "the sender could not be checked"})
        counts, [latest] = await site.refusals()
        assert counts == {("scenario:first", 500): 1}
        assert "desk.broken_verify failed: KeyError: 'a mistake of the app'" in latest.reason
        assert await site.receipts() == []


# ---------------------------------------------------------------- slow and vanishing senders


async def test_408_for_a_body_that_does_not_come(site: Site) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"POST {site.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345".encode())
    await until(bodies_awaited(site, 1))
    await site.clock.advance(BODY_WITHIN)
    head = await reader.readuntil(b"\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    writer.close()
    await writer.wait_closed()
    assert (await site.refusals())[0] == {("scenario:first", 408): 1}
    assert await site.receipts() == []


def bodies_awaited(site: Site, number: int) -> Callable[[], Awaitable[bool]]:
    async def awaited() -> bool:
        return site.waiting(BODY_WITHIN) == number

    return awaited


@pytest.mark.parametrize("sent", [b"", b"POST /hooks/abc HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_a_connection_without_a_whole_head_is_closed(new_site: NewSite, sent: bytes) -> None:
    async with new_site(idle_after=0.05) as site:
        assert await site.raw(sent) == b""


async def test_a_sender_that_vanishes_in_its_body_leaves_nothing(site: Site) -> None:
    for body in (b"12345", b""):
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(f"POST {site.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n".encode() + body)
        await until(bodies_awaited(site, 1))
        writer.transport.abort()

        async def gone() -> bool:
            return not site.clock._timers or site.clock.next_timer != site.clock.time() + BODY_WITHIN

        await until(gone)
    assert (await site.refusals())[0] == {("scenario:first", 400): 2}
    assert await site.receipts() == []
    assert (await site.post({"n": 1})).status == 202


async def test_a_sender_that_vanishes_after_sending_is_served(site: Site) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(
        f"POST {site.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n".encode()
        + BODY
    )
    await writer.drain()
    writer.close()

    async def noted() -> bool:
        return len(site.desk.notes) == 1

    await until(noted)
    [run] = await site.rest()
    assert run.state == "succeeded"
    assert len(await site.receipts()) == 1


# ---------------------------------------------------------------- handshakes


async def test_a_handshake_is_answered_and_stored_nowhere(new_site: NewSite) -> None:
    async with new_site(scenarios={"first": listening("first", "desk.challenged")}) as site:
        reply = await site.post(method="GET", query="?challenge=abc")
        assert (reply.status, reply.body) == (200, "abc")
        assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert await site.receipts() == []
        assert (await site.post({"n": 1})).status == 202


async def test_a_handshake_that_raises_loses_no_event(new_site: NewSite, caplog: pytest.LogCaptureFixture) -> None:
    async with new_site(scenarios={"first": listening("first", "desk.challenged")}) as site:
        assert (await site.post({"n": 1}, query="?break=1")).status == 202
        assert "the handshake of desk.challenged failed" in caplog.text
        [run] = await site.rest()
        assert run.state == "succeeded"


# ---------------------------------------------------------------- the listeners


async def test_a_port_that_is_taken_is_said(new_site: NewSite, site: Site) -> None:
    with pytest.raises(CannotListen, match=f"webhooks cannot listen on 127.0.0.1:{site.port}"):
        async with Service(site.host, port=site.port, admin_port=0):
            raise AssertionError("it must not serve")


async def test_an_ipv6_address_is_written_as_urls_want_it(site: Site) -> None:
    async with Service(site.host, address="::1", port=0, admin_port=0) as second:
        url = second.url(site.host.webhooks.hooks["scenario:first"])
        assert re.match(r"http://\[::1\]:\d+/hooks/", url)
        async with aiohttp.ClientSession() as client, client.post(url, json={}) as answer:
            assert answer.status == 202
