"""A project in a folder, served over real HTTP from a real file, with time that the test turns."""

from __future__ import annotations

import asyncio
import json
import textwrap
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp

from engine.runtime.host import Host, Options, load_scenarios
from engine.runtime.project import Project
from engine.sdk import jsontext
from engine.sdk.faults import NO_FAULTS, Faults
from engine.server.refusals import FLUSH_EVERY
from engine.server.service import Service
from engine.store.ids import read
from engine.store.records import Delivery, Receipt, ReceiptFilter, Run, RunFilter
from engine.testing import VirtualClock
from tests.server.desk import Desk, listening, registry

#: real seconds after which something that does not come has failed
PATIENCE = 20.0
ENVIRONMENT = {"HOOK_SECRET": "s3cret-of-hook", "DESK_SECRET": "s3cret-of-desk"}


@dataclass(frozen=True)
class Reply:
    """An answer of the server."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass
class Site:
    """The project. ``async with`` serves it.

    :param scenarios: texts by name.
    :param settings: what ``engine.yaml`` says besides the ports.
    """

    root: Path
    scenarios: Mapping[str, str] = field(default_factory=lambda: {"first": listening("first")})
    settings: str = ""
    connections: str = "desk: {type: desk, secret: {env: DESK_SECRET}}\n"
    faults: Faults = NO_FAULTS
    idle_after: float = 75.0

    def __post_init__(self) -> None:
        self.desk = Desk()
        self.clock = VirtualClock()
        self._stack = AsyncExitStack()
        (self.root / "engine.yaml").write_text("server: {port: 0, admin_port: 0}\n" + textwrap.dedent(self.settings))
        (self.root / "connections.yaml").write_text(self.connections)
        (self.root / "scenarios").mkdir(exist_ok=True)

    async def __aenter__(self) -> Self:
        for old in (self.root / "scenarios").iterdir():
            old.unlink()
        for name, text in self.scenarios.items():
            (self.root / "scenarios" / f"{name}.yaml").write_text(text)
        project = Project.find(self.root)
        known = registry(self.desk)
        plans, diagnostics, _ = load_scenarios(project, known, [], simulate=False)
        assert not diagnostics, [str(d) for d in diagnostics]
        self.host = Host(project, known, plans, Options(faults=self.faults), clock=self.clock, environment=ENVIRONMENT)
        try:
            await self._stack.enter_async_context(self.host)
            self.service = Service(self.host, idle_after=self.idle_after)
            await self._stack.enter_async_context(self.service)
            self.client = await self._stack.enter_async_context(aiohttp.ClientSession())
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def url(self, name: str = "scenario:first") -> str:
        return self.service.url(self.host.webhooks.hooks[name])

    @property
    def port(self) -> int:
        return int(self.url().split(":")[2].split("/")[0])

    @property
    def path(self) -> str:
        return "/hooks/" + self.url().rpartition("/")[2]

    async def post(
        self,
        body: Any = ...,
        *,
        to: str = "scenario:first",
        data: Any = None,
        method: str = "POST",
        url: str | None = None,
        query: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Deliver; ``body`` as JSON, or ``data`` as it is."""
        own = {"Content-Type": "application/json"} if body is not ... else {}
        payload = jsontext.dumps(body) if body is not ... else data
        async with self.client.request(
            method, (url or self.url(to)) + query, data=payload, headers={**own, **(headers or {})}
        ) as answer:
            text = await answer.text()
            is_json = answer.content_type == "application/json" and text
            return Reply(answer.status, answer.headers, json.loads(text) if is_json else text)

    async def raw(self, request: bytes, *, until: bytes | None = None, port: int | None = None) -> bytes:
        """What the server answers to these bytes, up to a text, or until it closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port or self.port)
        try:
            writer.write(request)
            async with asyncio.timeout(PATIENCE):
                return await (reader.readuntil(until) if until else reader.read())
        finally:
            writer.close()
            await writer.wait_closed()

    def waiting(self, seconds: float) -> int:
        """How many things wait until so many seconds from now."""
        due, clock = self.clock.time() + seconds, self.clock
        return sum(when == due and number not in clock._cancelled for when, number, _ in clock._timers)

    async def receipt(self, reply: Reply) -> Receipt:
        receipt = await self.host.store.receipt(read(reply.body["receipt"]))
        assert receipt is not None
        return receipt

    async def receipts(self) -> list[Receipt]:
        return list(await self.host.store.receipts(ReceiptFilter()))

    async def deliveries(self, reply: Reply) -> list[Delivery]:
        return list(await self.host.store.deliveries([read(reply.body["receipt"])]))

    async def runs(self) -> list[Run]:
        return list(await self.host.store.runs(RunFilter()))

    async def rest(self) -> list[Run]:
        """All runs, when none is queued or running."""

        async def resting() -> bool:
            return all(run.state not in ("queued", "running") for run in await self.runs())

        await until(resting)
        return await self.runs()

    async def refusals(self) -> tuple[dict[tuple[str, int], int], list[Any]]:
        """Counts of refused requests by webhook and status, and the last few, newest first."""
        await self.clock.advance(FLUSH_EVERY)
        # what rides is committed before what is put after it
        await self.host.store.put()
        counts, latest = await self.host.store.refusals()
        return {(webhook, status): n for webhook, status, n in counts}, list(latest)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return when it holds."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - files and sockets tell no event when they are through
            await asyncio.sleep(0)
