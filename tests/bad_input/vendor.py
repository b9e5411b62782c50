"""A vendor that behaves badly: a real server whose answers are given byte by byte, and an app that calls it."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from engine import (
    CLIENT_ERRORS,
    Action,
    App,
    ConnectionType,
    Delivery,
    Effect,
    ErrorTable,
    Event,
    Request,
    WebhookTrigger,
)
from engine.plugins import Registry
from engine.runtime.host import Host, Options, load_scenarios
from engine.runtime.project import Project
from engine.sdk import jsontext
from engine.sdk.clock import utc
from engine.store.records import EffectFilter
from engine.testing import RunResult, VirtualClock

ANY = {"type": "object"}
#: real seconds after which something that does not come has failed
PATIENCE = 20.0
#: seconds within which the vendor has to answer
TIMEOUT = 30.0

SCENARIO = """\
scenario: test
trigger:
  module: vendor.watch
steps:
  - id: got
    module: vendor.read
    connection: vendor
    with: {email: "${{ trigger.email }}"}
    retry: {attempts: 2, backoff: fixed, from: 2s}
  - id: sent
    module: vendor.write
    connection: vendor
    with: {email: "${{ trigger.email }}"}
    retry: {attempts: 2, backoff: fixed, from: 2s}
"""


def answer(status: int, body: str = "{}", *headers: str) -> bytes:
    """An HTTP answer as it goes over the wire."""
    lines = [
        f"HTTP/1.1 {status} X",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


FINE = answer(200, '{"ok": true}')
#: nothing more is sent, and the connection stays open
HANG = b"<hang>"


@dataclass
class Vendor:
    """Gives each request the next answer of its kind; after the last one all is fine."""

    answers: dict[str, list[bytes]] = field(default_factory=lambda: {"GET": [], "POST": []})
    requests: list[str] = field(default_factory=list)
    waiting: set[asyncio.Task[Any]] = field(default_factory=set)
    hanging: int = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self.waiting):
            task.cancel()
        await asyncio.gather(*self.waiting, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.waiting.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            method = head.split(b" ", 1)[0].decode()
            planned = self.answers[method]
            reply = planned.pop(0) if planned else FINE
            self.requests.append(method)
            if reply == HANG:
                self.hanging += 1
                try:
                    await reader.read()
                finally:
                    self.hanging -= 1
            else:
                writer.write(reply)
                await writer.drain()
        finally:
            self.waiting.discard(task)
            writer.close()


def registry(port: int) -> Registry:
    app = App(
        name="vendor",
        title="Vendor",
        connections=[
            ConnectionType(
                "vendor",
                "Vendor",
                {"type": "object"},
                base_url=f"http://127.0.0.1:{port}",
                errors=ErrorTable(refused=CLIENT_ERRORS),
                timeout=TIMEOUT,
            )
        ],
        modules=[
            WebhookTrigger(
                name="watch", title="w", description="w", config=ANY, parse=lambda d: [Event(d.body, d.body.get("id"))]
            ),
            _call("read", Effect.READ, Request("GET", "/people")),
            _call("write", Effect.WRITE, Request("POST", "/events", body="@")),
        ],
    )
    result = Registry()
    result.add(app, "tests")
    assert not result.problems, result.problems
    return result


def _call(name: str, effect: Effect, request: Request) -> Action:
    return Action(
        name=name, title=name, description=name, config=ANY, connection="vendor", effect=effect, request=request
    )


@dataclass
class Shop:
    """A project that calls the vendor, executed over a real store with time that the test turns."""

    root: Path
    vendor: Vendor
    scenario: str = SCENARIO

    async def __aenter__(self) -> Self:
        self.clock = VirtualClock()
        self._stack = AsyncExitStack()
        (self.root / "connections.yaml").write_text("vendor: {type: vendor}\n")
        (self.root / "scenarios").mkdir(exist_ok=True)
        (self.root / "scenarios" / "test.yaml").write_text(textwrap.dedent(self.scenario))
        project = Project.find(self.root)
        known = registry(self.vendor.port)
        plans, diagnostics, _ = load_scenarios(project, known, [], simulate=False)
        assert not diagnostics, [str(d) for d in diagnostics]
        self.host = Host(project, known, plans, Options(), clock=self.clock, environment={})
        await self._stack.enter_async_context(self.host)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def send(self, **event: Any) -> int:
        """Deliver an event; gives the id of its run."""
        raw = jsontext.dumps(event)
        delivery = Delivery("POST", {"content-type": "application/json"}, {}, raw, event, utc(self.clock.time()))
        accepted = await self.host.intake.accept("test", self.host.catalog.scenarios, delivery)
        [run_id] = accepted.runs
        return run_id

    async def look(self, run_id: int) -> RunResult:
        run = await self.host.store.run(run_id)
        assert run is not None
        records = await self.host.store.records(run_id)
        return RunResult(run, records, await self.host.store.effects(EffectFilter(run_id=run_id)))

    async def result(self, run_id: int, *states: str) -> RunResult:
        """The run once it is in one of these states (or at its end); time moves on while the vendor is not asked."""
        wanted = states or ("succeeded", "failed", "held", "cancelled")
        async with asyncio.timeout(PATIENCE):
            while True:
                result = await self.look(run_id)
                if result.state in wanted:
                    return result
                if not self.vendor.waiting or self.vendor.hanging:
                    await self.clock.advance(1.0)
                await asyncio.sleep(0)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - a socket tells no event when it is through
                await asyncio.sleep(0)
