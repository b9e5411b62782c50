"""A declared app and a programmed one that send the same are the same to all above them: retries, crashes, dry run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import (
    Action,
    App,
    Behaviour,
    BodyErrors,
    Call,
    Clock,
    ConnectionType,
    CursorPaging,
    DataError,
    Effect,
    ErrorKind,
    ErrorTable,
    Happened,
    Json,
    NotFound,
    Page,
    Probe,
    ProbeResult,
    Request,
    Search,
    plugins,
)
from engine.plugins import Origin
from engine.runtime.callers import effect_of
from engine.testing import CrashAt, RunResult, SimulatedHarness
from modules.simulation import SimulatedVendor

CONFIG = {
    "type": "object",
    "required": ["order"],
    "properties": {"order": {"type": "string", "title": "Order", "description": "Which one."}},
}
ERRORS = ErrorTable(
    refused={400, 422},
    said="error",
    body=BodyErrors("ok == false && error", kinds=(ErrorKind("closed", DataError, refused=True),)),
)
EFFECTS = {"add": Effect.WRITE, "put": Effect.IDEMPOTENT, "charge": Effect.KEYED}
LISTED = Request("GET", "/orders", query="{shop: connection.shop}", output="orders")
SHOP = {"shop": "north"}


class Shop(SimulatedVendor):
    """Keeps what it is sent, and answers an idempotency key once."""

    behaviours = (Behaviour("it keeps orders", "assumed"),)

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, per_second=None)
        self.orders: list[dict[str, Any]] = []
        self.keys: list[str] = []

    def connection(self, base_url: str) -> Mapping[str, Any]:
        return {"base_url": base_url}

    def routes(self) -> Sequence[web.RouteDef]:
        return [web.get("/orders", self.list), web.post("/orders/{kind}", self.take)]

    async def list(self, request: web.Request) -> web.Response:
        assert request.query["shop"] == "north"
        start = int(request.query.get("after", 0))
        following = start + 1 if start + 1 < len(self.orders) else None
        return web.json_response({"orders": self.orders[start : start + 1], "next": following})

    async def take(self, request: web.Request) -> web.Response:
        body = await self.body_of(request)
        key = request.headers.get("Idempotency-Key", "")
        if key not in self.keys or not key:
            self.orders.append({**body, "kind": request.match_info["kind"], "n": len(self.orders) + 1})
            self.keys.append(key)
        return web.json_response({"order": {"id": self.orders[-1]["n"], **body}})


def declared(kind: str) -> Action:
    return Action(
        name=kind,
        title=kind,
        description=kind,
        connection="shop",
        config=CONFIG,
        effect=EFFECTS[kind],
        request=Request(
            "POST",
            f"/orders/{kind}",
            body="{shop: connection.shop, order: order}",
            output="order",
            key_header="Idempotency-Key" if kind == "charge" else None,
        ),
        probe=Probe(LISTED, "answer[?order == $.config.order] | [0].{id: n, order: order}"),
        settle_after=0,
    )


FIND = Search(
    name="find", title="find", description="find", connection="shop", config={"type": "object"},
    request=LISTED, paging=CursorPaging("after", "next"),
)  # fmt: skip


def programmed(kind: str) -> Action:
    async def run(call: Call) -> Json:
        headers = {"Idempotency-Key": call.key} if kind == "charge" else {}
        body = {"shop": call.connection["shop"], "order": call.config["order"]}
        return (await call.http.request("POST", f"/orders/{kind}", json=body, headers=headers)).json()["order"]

    async def look(call: Call, _sent_at: datetime) -> Happened | ProbeResult:
        try:
            answer = (await call.http.request("GET", "/orders", query=SHOP)).json()
        except NotFound:
            return ProbeResult.ABSENT
        found = [one for one in answer["orders"] if one["order"] == call.config["order"]]
        return Happened({"id": found[0]["n"], "order": found[0]["order"]}) if found else ProbeResult.ABSENT

    return Action(
        name=kind, title=kind, description=kind, connection="shop", config=CONFIG, effect=EFFECTS[kind], run=run,
        probe=look, settle_after=0,
    )  # fmt: skip


async def find(call: Call, cursor: Json) -> Page:
    query = {**SHOP, **({} if cursor is None else {"after": cursor})}
    answer = (await call.http.request("GET", "/orders", query=query)).json()
    return Page(answer["orders"], answer["next"])


FOUND = Search(name="find", title="find", description="find", connection="shop", config={"type": "object"}, page=find)


def registry(actions: Sequence[Action], search: Search) -> plugins.Registry:
    fields = {"type": "object", "properties": {"shop": {"type": "string", "default": "north"}}}
    kind = ConnectionType(name="shop", title="Shop", fields=fields, errors=ERRORS)

    app = App(name="shop", title="Shop", modules=(*actions, search), connections=(kind,), simulator=Shop)
    known = plugins.load()
    known.add(app, Origin("tests", file=__file__))
    assert "shop" in known.apps
    return known


BOTH = (registry([declared(kind) for kind in EFFECTS], FIND), registry([programmed(kind) for kind in EFFECTS], FOUND))

SCENARIO = """
scenario: alike
trigger: {module: http.watch_webhook, with: {id_path: id}}
steps:
  - id: sent
    module: shop.%s
    connection: shop
    with: {order: "${{ trigger.id }}"}
    retry: {attempts: 3, backoff: fixed, from: 1s, on: [VendorError, RateLimitError, TimeoutError, ConnectionError]}
    on_error: hold
  - id: all
    module: shop.find
    connection: shop
    retry: {attempts: 3, backoff: fixed, from: 1s}
  - stop: success
    output: {sent: "${{ sent }}", all: "${{ all }}"}
"""
#: what the vendor does to a request; ``applied``: it carries it out all the same
TROUBLES: Sequence[Mapping[str, Any]] = (
    {"status": 400},
    {"status": 422, "body": {"error": "no such order"}},
    {"status": 404},
    {"status": 429, "headers": {"Retry-After": "2"}},
    {"status": 500},
    {"status": 500, "applied": True},
    {"status": 200, "body": {"ok": False, "error": "the shop is closed"}},
    {"status": 200, "body": {"ok": False, "error": "try later"}, "applied": True},
    {"status": 200, "raw": b"<html>"},
    {"lost": True},
)


def told(result: RunResult) -> Any:
    """All that a person or another scenario can see of a run."""
    effects = sorted(result.effects, key=lambda effect: effect.position)
    holds = [(hold["code"], hold["step"], hold["message"].rpartition("raised ")[0]) for hold in result.holds]
    rows = [(effect.key, str(effect.state), effect.settled_by, effect.request, effect.output) for effect in effects]
    return result.state, result.output, holds, rows, (result.error or {}).get("code")


async def lived(known: plugins.Registry, kind: str, troubles: Sequence[Mapping[str, Any]]) -> Any:
    async with SimulatedHarness([SCENARIO % kind], registry=known) as harness:
        shop = harness.simulator("shop")
        for trouble in troubles:
            if "lost" in trouble:
                shop.close_mid_answer()
            else:
                shop.fail_next(**trouble)
        [run] = (await harness.send({"id": "order-1"})).runs
        result = await harness.result(run, advance=600)
        return told(result), shop.orders, dict(shop.calls)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(EFFECTS)), st.lists(st.sampled_from(TROUBLES), max_size=4))
async def test_whatever_the_vendor_answers(kind: str, troubles: list[Mapping[str, Any]]) -> None:
    one, other = [await lived(known, kind, troubles) for known in BOTH]
    assert one == other


@pytest.mark.parametrize("kind", EFFECTS)
@pytest.mark.parametrize(
    "point", ["call.before", "call.after", "effect.intended", "effect.sent", "effect.settled", "run.ending"]
)
async def test_wherever_the_process_dies(kind: str, point: str) -> None:
    ends = []
    for known in BOTH:
        harness = SimulatedHarness([SCENARIO % kind], registry=known)
        try:
            faults = CrashAt(point)
            [result] = await harness.crash(faults, {"id": "order-1"})
            assert faults.crashed
            ends.append((told(result), harness.simulator("shop").orders))
        finally:
            await harness.stop()
    assert ends[0] == ends[1]


def test_both_are_told_alike_before_anything_is_sent() -> None:
    """What a dry run, a check and a person's look at a module rest on."""
    for name in (*EFFECTS, "find"):
        one, other = (known.modules[f"shop.{name}"] for known in BOTH)
        assert (one.config, one.output, one.connection) == (other.config, other.output, other.connection)
        assert effect_of(one, {}) is effect_of(other, {})
