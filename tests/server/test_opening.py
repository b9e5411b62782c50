"""Nothing is acknowledged by somebody who is not ready, and nothing large, slow or much gets in the way."""

from __future__ import annotations

import asyncio
import sys
import threading
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

import engine.server.hooks
from engine import plugins
from engine.runtime.host import Host, Options, load_scenarios
from engine.runtime.project import Project
from engine.sdk.errors import StoreError
from engine.server.service import Service
from engine.store.changes import CountRefusals
from tests.server.site import Site, until

NewSite = Callable[..., Site]

SLOW_PLUGIN = """
import engine
from engine import App, WebhookTrigger, hookimpl

@hookimpl
def engine_apps():
    import slow_gate
    slow_gate.reached.set()
    slow_gate.opened.wait(20)
    return App(name="slow", title="Slow", modules=[WebhookTrigger(
        name="watch", title="w", description="w", config={}, parse=lambda d: [engine.Event(d.body)])])
"""


async def test_the_listener_opens_when_every_scenario_is_loaded(
    tmp_path: Path, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = type(sys)("slow_gate")
    gate.reached, gate.opened = threading.Event(), threading.Event()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "slow_gate", gate)
    (tmp_path / "engine.yaml").write_text(f"server: {{port: {unused_tcp_port}, admin_port: 0}}\n")
    for folder in ("modules", "scenarios"):
        (tmp_path / folder).mkdir()
    (tmp_path / "modules" / "slow.py").write_text(SLOW_PLUGIN)
    (tmp_path / "scenarios" / "a.yaml").write_text(
        "scenario: a\ntrigger: {module: slow.watch}\nsteps:\n  - set: {a: 1}\n"
    )
    serving, done = asyncio.Event(), asyncio.Event()

    async def serve() -> None:
        project = Project.find(tmp_path)
        registry = await asyncio.to_thread(plugins.load, project.modules_folder)
        plans, diagnostics, _ = load_scenarios(project, registry, [], simulate=False)
        assert not diagnostics
        async with Host(project, registry, plans, Options()) as host, Service(host):
            assert len(host.webhooks.hooks) == 1
            serving.set()
            await done.wait()

    task = asyncio.create_task(serve())
    base = f"http://127.0.0.1:{unused_tcp_port}/hooks/x"
    async with aiohttp.ClientSession() as client:
        await asyncio.to_thread(gate.reached.wait, 20)
        with pytest.raises(aiohttp.ClientConnectorError):
            await client.post(base)
        gate.opened.set()
        await asyncio.wait({task, asyncio.ensure_future(serving.wait())}, return_when=asyncio.FIRST_COMPLETED)
        async with client.post(base) as answer:
            assert answer.status == 404
        done.set()
        await task
        with pytest.raises(aiohttp.ClientConnectorError):
            await client.post(base)


async def test_the_webhooks_listener_is_the_last_to_open(new_site: NewSite, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_self: object) -> None:
        raise StoreError("the store cannot be read")

    listened: list[str] = []
    listen = Service._listen

    async def note(self: Service, app: object, address: str, port: int, what: str, setting: str) -> int:
        listened.append(what)
        return await listen(self, app, address, port, what, setting)  # type: ignore[arg-type]

    monkeypatch.setattr(Service, "_listen", note)
    async with new_site() as site:
        assert listened == ["the API", "webhooks"]
        assert site.host.runner.epoch == 1
    listened.clear()
    monkeypatch.setattr("engine.runtime.runner.Runner.start", fail)
    with pytest.raises(StoreError):
        async with new_site():
            raise AssertionError("it must not serve")
    assert listened == []


@contextmanager
def peak() -> Iterator[Callable[[], int]]:
    """Gives the most bytes that Python's objects have had more than at the start."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


async def pieces(size: int) -> AsyncIterator[bytes]:
    piece = b"x" * 100_000
    for _ in range(size // len(piece)):
        yield piece


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_of_100_mb_is_refused_without_being_kept(site: Site, declared: bool) -> None:
    size = 100_000_000
    headers = {"Content-Length": str(size)} if declared else {}
    with peak() as most:
        try:
            reply = await site.post(data=pieces(size), headers=headers)
        except aiohttp.ClientConnectionError:
            # the server need not hear the rest; that it said no is counted all the same
            pass
        else:
            assert reply.status == 413
        assert (await site.refusals())[0] == {("scenario:first", 413): 1}
        # the limit is 5 MB; where no length is declared so much is read before it is known
        assert most() < (4_000_000 if declared else 20_000_000)
    assert await site.receipts() == []


async def test_the_measure_sees_a_body_that_is_kept(new_site: NewSite) -> None:
    async with new_site(settings="limits: {body: 50MB}\n") as site:
        with peak() as most:
            reply = await site.post(data=pieces(40_000_000), headers={"Content-Type": "application/json"})
            assert reply.status == 400
            assert most() > 40_000_000


async def test_a_slow_sender_does_not_keep_others_waiting(site: Site) -> None:
    head = f"POST {site.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n1".encode()
    # what else waits as long has begun to when something was taken
    assert (await site.post({"n": "first"})).status == 202
    before = site.waiting(engine.server.hooks.BODY_WITHIN)
    slow = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(50)]
    for _, writer in slow:
        writer.write(head)
    for number in range(10):
        assert (await site.post({"n": number})).status == 202

    async def all_wait() -> bool:
        return site.waiting(engine.server.hooks.BODY_WITHIN) >= before + len(slow)

    await until(all_wait)
    await site.clock.advance(engine.server.hooks.BODY_WITHIN)
    for reader, writer in slow:
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 408 ")
        writer.close()
        await writer.wait_closed()


async def test_a_flood_of_refusals_does_not_write_at_its_pace(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[CountRefusals] = []
    ride = site.host.store.ride

    def note(*changes: object, **more: object) -> None:
        written.extend(c for c in changes if isinstance(c, CountRefusals))
        ride(*changes, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(site.host.store, "ride", note)
    assert (await site.post(data=b"{", headers={"Content-Type": "application/json"})).status == 400
    for _ in range(300):
        assert (await site.post({}, url=site.url() + "x")).status == 404
    assert written == []
    counts, latest = await site.refusals()
    assert len(written) == 1
    assert counts == {("?", 404): 300, ("scenario:first", 400): 1}
    # the flood leaves those of the other webhooks to be seen
    assert sorted(r.webhook for r in latest) == ["?"] * 20 + ["scenario:first"]
    await site.post({}, url=site.url() + "x")
    assert (await site.refusals())[0][("?", 404)] == 301
    assert len(written) == 2


async def test_what_was_refused_last_is_written_when_the_server_stops(new_site: NewSite) -> None:
    async with new_site() as site:
        await site.post({}, url=site.url() + "x")
    async with new_site() as site:
        assert (await site.host.store.refusals())[0] == [("?", 404, 1)]


async def test_a_mistake_of_the_engine_is_answered_counted_and_logged(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no luck")

    with monkeypatch.context() as broken:
        broken.setattr(engine.server.hooks, "decode", fail)
        reply = await site.post({"n": 1})
    assert (reply.status, reply.body) == (500, {"error": "the engine failed"})
    counts, [latest] = await site.refusals()
    assert counts == {("scenario:first", 500): 1}
    assert latest.reason == "RuntimeError: no luck"
    assert "a delivery to webhook 'scenario:first' failed" in caplog.text
    assert (await site.post({"n": 1})).status == 202
