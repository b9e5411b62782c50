"""Modules against their own simulators, over the engine's HTTP client and a clock that is turned by hand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
from aiohttp.test_utils import TestServer

from engine import (
    Action,
    ConnectionType,
    Happened,
    Json,
    Page,
    PollingTrigger,
    ProbeResult,
    Request,
    Response,
    RunInfo,
    Search,
    Simulator,
)
from engine.runtime.auth import TokenSource
from engine.runtime.callers import search
from engine.runtime.declared import Declared, DeclaredRequest
from engine.runtime.http import ConnectionHttp, Pools, Target
from engine.runtime.urls import fill
from engine.sdk.connections import TokenAuth
from tests.runtime.doubles import HandClock

FIXTURES = Path(__file__).parent.parent / "fixtures"


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / name).read_text())


def problems(value: Json, schema: Mapping[str, Any]) -> list[str]:
    """What a schema has against a value."""
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(value)]


@dataclass
class BenchCall:
    """``engine.Call`` for a test."""

    config: Mapping[str, Any]
    connection: Mapping[str, Json]
    http: ConnectionHttp
    now: datetime
    key: str = "scenario/receipt/step"
    run: RunInfo = field(default_factory=lambda: RunInfo("run", "scenario", 1))
    warnings: list[str] = field(default_factory=list)

    def warn(self, message: str) -> None:
        self.warnings.append(message)


class Bench:
    """A connection to a simulator that is being served."""

    def __init__(self, kind: ConnectionType, fields: Mapping[str, Any], clock: HandClock, pools: Pools) -> None:
        assert problems(fields, kind.fields) == []
        auth = kind.auth_for(fields)
        self.kind = kind
        self.fields = fields
        self.clock = clock
        base = str(fields.get("base_url") or "") or fill(kind.base_url, fields, "connection")
        self.http = ConnectionHttp(
            Target(base_url=base, auth=auth, fields=fields, errors=kind.errors, timeout=kind.timeout),
            pools,
            clock,
            tokens=[TokenSource(one, clock) for one in auth if isinstance(one, TokenAuth)],
        )

    def call(self, config: Mapping[str, Any], **changes: Any) -> BenchCall:
        given = self.kind.with_defaults(self.fields)
        public = {name: value for name, value in given.items() if name not in self.kind.secrets}
        return BenchCall(config, public, self.http, datetime.fromtimestamp(self.clock.time(), UTC), **changes)

    async def test(self) -> None:
        """What `engine connections test` does."""
        call, test = self.call({}), self.kind.test
        assert test is not None
        await (DeclaredRequest(test).call(call, writes=False) if isinstance(test, Request) else test(call))

    async def run(self, action: Action, config: Mapping[str, Any], **changes: Any) -> Json:
        """What the engine does with a step: check, prepare, send, and look whether the output is as declared."""
        assert problems(config, action.config) == []
        call = self.call(config, **changes)
        if action.prepare:
            call.config = action.prepare(call)
            assert problems(call.config, action.config) == []
        output = await self.carry_out(action, call)
        assert problems(output, action.output_schema(config)) == []
        return output

    async def carry_out(self, action: Action, call: BenchCall) -> Json:
        """A call as it was prepared, whether it is declared or programmed."""
        if action.request:
            return await DeclaredRequest(action.request).call(call, writes=action.effect_of(call.config).writes)
        assert action.run
        return await action.run(call)

    async def sent(self, action: Action, config: Mapping[str, Any], **changes: Any) -> tuple[str, str, Json]:
        """What an action sends: method, path and body. It is answered with an empty object."""
        seen: list[tuple[str, str, Json]] = []

        async def request(method: str, path: str, **options: Any) -> Response:
            seen.append((method, path, options.get("json")))
            return Response(200, {}, b"{}")

        call = self.call(config, **changes)
        if action.prepare:
            call.config = action.prepare(call)
        http, call.http.request = call.http.request, request  # type: ignore[method-assign,assignment]
        try:
            await self.carry_out(action, call)
        finally:
            call.http.request = http  # type: ignore[method-assign]
        [found] = seen
        return found

    async def find(self, module: Search, config: Mapping[str, Any]) -> list[Json]:
        """All items of a search, as a step gives them."""
        assert problems(config, module.config) == []
        output = await search(module.name, Declared().reader(module.name, module), self.call(config))
        assert problems(output, module.output_schema(config)) == []
        return output

    async def page(self, module: Search | PollingTrigger, config: Mapping[str, Any], cursor: Json = None) -> Page:
        """One page, whether it is declared or programmed."""
        return await Declared().reader(module.name, module)(self.call(config), cursor)

    async def probe(self, action: Action, config: Mapping[str, Any], sent_at: datetime) -> Happened | ProbeResult:
        """What the engine learns of a write whose outcome it does not know."""
        assert action.probe is not None
        return await Declared().probe(action.name, action.probe)(self.call(config), sent_at)


@asynccontextmanager
async def bench(
    simulator: Simulator, kind: ConnectionType, clock: HandClock, changes: Mapping[str, Any] | None = None
) -> AsyncIterator[Bench]:
    """Serve a simulator and connect to it.

    :param changes: fields of the connection that are not as the simulator gives them.
    """
    pools = Pools()
    async with TestServer(simulator.application()) as server:
        fields = {**simulator.connection(str(server.make_url("/"))), **(changes or {})}
        try:
            yield Bench(kind, fields, clock, pools)
        finally:
            await pools.close()
