"""A small vendor for tests: an app whose modules cover every kind of effect, and whose answers the test gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine import (
    Action,
    App,
    Batch,
    Call,
    ConnectionType,
    DataError,
    Delivery,
    Effect,
    Event,
    Happened,
    Page,
    ProbeResult,
    Search,
    Transform,
    WebhookTrigger,
)
from engine.plugins import Registry

ANY: dict[str, Any] = {"type": "object"}


async def _unused(call: Call) -> Any:
    raise AssertionError("the test gives a double")


async def _no_page(call: Call, cursor: Any) -> Page:
    raise AssertionError("the test gives a double")


async def _probe(call: Call, sent_at: Any) -> Happened | ProbeResult:
    raise AssertionError("the test gives a double")


def _parse(delivery: Delivery) -> list[Event]:
    body = delivery.body
    if not isinstance(body, dict):
        raise DataError("an event is an object")
    if "several" in body:
        return [Event(item, subject=item.get("email")) for item in body["several"]]
    if body.get("crash_parser"):
        raise KeyError("crash_parser")
    return [Event(body, id=body.get("event_id"), subject=body.get("email"))]


def _accepts(config: Mapping[str, Any], event: Event) -> bool:
    return "types" not in config or event.body.get("type") in config["types"]


def _action(name: str, effect: Effect | Callable[[Mapping[str, Any]], Effect], **more: Any) -> Action:
    return Action(
        name=name,
        title=name,
        description=name,
        config=ANY,
        connection_required=False,
        effect=effect,
        run=_unused,
        **more,
    )


ITEMS = {"type": "array", "items": {"type": "object", "required": ["email"]}}


def _batch(name: str, effect: Effect) -> Action:
    return Action(
        name=name,
        title=name,
        description=name,
        config={"type": "object", "properties": {"items": ITEMS, "note": {"type": "string"}}, "required": ["items"]},
        connection_required=False,
        effect=effect,
        run=_unused,
        batch=Batch(items="items", key=lambda item: item["email"], most=5, max_bytes=500),
    )


def _settle_after(config: Mapping[str, Any]) -> float | None:
    if config.get("mistaken"):
        raise KeyError("mistaken")
    return None if config.get("blind") else 60.0


def _method_effect(config: Mapping[str, Any]) -> Effect:
    return Effect.READ if config.get("method") == "GET" else Effect.WRITE


SHOP = App(
    name="shop",
    title="Shop",
    connections=[ConnectionType("shop", "Shop", {"type": "object"})],
    modules=[
        WebhookTrigger(
            name="watch",
            title="watch",
            description="watch",
            config={"type": "object", "properties": {"types": {"type": "array"}}, "additionalProperties": False},
            parse=_parse,
            accepts=_accepts,
        ),
        _action("get", Effect.READ),
        _action("charge", Effect.WRITE),
        _action("put", Effect.IDEMPOTENT),
        _action("pay", Effect.KEYED),
        _action("call", _method_effect),
        _action("probed", Effect.WRITE, probe=_probe, settle_after=_settle_after),
        _batch("put_many", Effect.IDEMPOTENT),
        _batch("charge_many", Effect.WRITE),
        Search(name="find", title="find", description="find", config=ANY, page=_no_page),
        Transform(
            name="double",
            title="double",
            description="double",
            config={
                "type": "object",
                "properties": {"n": {"type": "number"}},
                "required": ["n"],
                "additionalProperties": False,
            },
            apply=lambda config: config["n"] * 2,
        ),
    ],
)


def registry() -> Registry:
    result = Registry()
    result.add(SHOP, "tests")
    assert not result.problems, result.problems
    return result


def scenario(steps: str, *, head: str = "") -> str:
    """A scenario over the shop with these steps (YAML, at the margin)."""
    body = "\n".join("  " + line if line else line for line in steps.strip("\n").splitlines())
    return f"scenario: test\ntrigger:\n  module: shop.watch\n{head}steps:\n{body}\n"
