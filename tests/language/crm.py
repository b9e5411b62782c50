"""A made-up app, with which the checks are shown and tested."""

from __future__ import annotations

from typing import Any

from engine import (
    Action,
    App,
    Config,
    ConnectionType,
    Effect,
    Event,
    Page,
    PollingTrigger,
    Schema,
    Search,
    Transform,
    WebhookTrigger,
)
from engine.plugins import Registry

CUSTOMER: Schema = {
    "type": "object",
    "required": ["id", "email"],
    "properties": {
        "id": {"type": "integer"},
        "email": {"type": "string"},
        "email_2": {"type": ["string", "null"]},
        "phone": {"type": ["string", "null"]},
        "tier": {"type": "string"},
        "points": {"type": ["integer", "null"]},
        "vip": {"type": "boolean"},
        "address": {"anyOf": [{"type": "object", "properties": {"city": {"type": "string"}}}, {"type": "null"}]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "custom": {"type": "object", "additionalProperties": {"type": "string"}},
        "anything": {},
    },
}
LINE: Schema = {
    "type": "object",
    "properties": {"sku": {"type": "string"}, "price": {"type": "number"}, "note": {"type": ["string", "null"]}},
}
ORDER: Schema = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "email": {"type": "string"},
        "total": {"type": "number"},
        "channel": {"enum": ["web", "shop", "phone"]},
        "lines": {"type": "array", "items": LINE},
        "customer": CUSTOMER,
    },
}
REFUND: Schema = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "email": {"type": "string"}, "reason": {"type": "string"}},
}


async def run(_call: Any) -> Any:
    return None


async def page(_call: Any, _cursor: Any) -> Page:
    return Page([])


def event_schema(config: Config) -> Schema:
    kinds = config.get("events", ["order", "refund"])
    return {"anyOf": [ORDER if kind == "order" else REFUND for kind in kinds]}


def broken_schema(_config: Config) -> Schema:
    raise RuntimeError("no schema today")


def nothing(_config: Config) -> None:
    return None


def closed(properties: dict[str, Any], **more: Any) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


EMAIL_OR_ID = {
    "email": {"type": "string", "minLength": 1},
    "id": {"type": "integer", "minimum": 1},
}
CRM = App(
    name="crm",
    title="CRM",
    connections=[
        ConnectionType(name="crm", title="CRM", fields={"type": "object"}),
        ConnectionType(name="mail", title="Mail", fields={"type": "object"}),
    ],
    modules=[
        WebhookTrigger(
            name="watch_orders",
            title="Watch Orders",
            description="",
            config=closed({"events": {"type": "array", "items": {"enum": ["order", "refund"]}}}),
            output=event_schema,
            parse=lambda delivery: [Event(delivery.body)],
        ),
        Action(
            name="get_customer",
            title="Get a Customer",
            description="",
            connection="crm",
            config=closed(
                {**EMAIL_OR_ID, "with_history": {"type": "boolean"}},
                anyOf=[{"required": ["email"]}, {"required": ["id"]}],
            ),
            output=CUSTOMER,
            effect=Effect.READ,
            run=run,
        ),
        Action(
            name="update_customer",
            title="Update a Customer",
            description="",
            connection="crm",
            connection_required=False,
            config=closed(
                {
                    "id": {"type": "integer"},
                    "points": {"type": "number", "maximum": 1000},
                    "tier": {"enum": ["GOLD", "SILVER"]},
                    "phone": {"type": "string", "pattern": r"^\+[0-9]+$"},
                    "country": {"type": "string", "pattern": "^[A-Z]{2}$", "description": "two letters, such as US"},
                    "cents": {"type": "integer", "description": "in cents"},
                    "lines": {"type": "array", "items": closed({"sku": {"type": "string"}})},
                    "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
                    "contact": closed(
                        EMAIL_OR_ID,
                        anyOf=[
                            {"required": ["email"], "not": {"required": ["id"]}},
                            {"required": ["id"], "not": {"required": ["email"]}},
                        ],
                    ),
                    "how": {
                        "oneOf": [
                            {"const": "now"},
                            {"type": "integer", "multipleOf": 5},
                            {"type": "integer", "multipleOf": 3},
                        ]
                    },
                    "whom": {"anyOf": [{"type": "string"}, closed({"email": {"type": "string"}})]},
                    "target": {"oneOf": [closed({"ref": {"type": "string"}}), closed({"ref": {"type": "integer"}})]},
                    "when": closed(
                        {"at": {"type": "string"}, "zone": {"type": "string"}},
                        dependentRequired={"at": ["zone"]},
                        minProperties=1,
                    ),
                    "custom": {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
                },
                required=["id"],
            ),
            effect=Effect.WRITE,
            run=run,
        ),
        Search(
            name="list_orders",
            title="List Orders",
            description="",
            connection="crm",
            connection_required=False,
            config=closed({"email": {"type": "string"}}),
            output={"type": "array", "items": ORDER},
            page=page,
        ),
        PollingTrigger(
            name="watch_customers",
            title="Watch Customers",
            description="",
            connection="crm",
            config=closed({"tier": {"type": "string"}}),
            output=CUSTOMER,
            page=page,
            identify=lambda _config, item: Event(item, id=str(item["id"])),
            order=lambda item: item["updated_at"],
        ),
        PollingTrigger(
            name="watch_tiers",
            title="Watch Tiers",
            description="",
            config=closed({}),
            output={"type": "object", "properties": {"tier": {"type": "string"}}},
            page=page,
            identify=lambda _config, item: Event(item, id=item["tier"]),
        ),
        Action(
            name="fetch_page",
            title="Fetch a Page",
            description="",
            config=closed(
                {
                    "url": {"type": "string", "x-place": "url"},
                    "headers": {"type": "object", "additionalProperties": {"type": "string", "x-place": "header"}},
                    "follow": {"type": "boolean", "deprecated": True, "description": "redirects are followed always"},
                },
                required=["url"],
            ),
            effect=lambda _config: Effect.READ,
            run=run,
        ),
        Action(
            name="find_customer",
            title="Find a Customer",
            description="",
            connection="crm",
            config=closed({"id": {"type": "integer"}}),
            output=CUSTOMER,
            effect=Effect.READ,
            run=run,
            deprecated="use crm.get_customer",
        ),
        Transform(name="note", title="Note", description="", config={"type": "object"}, apply=nothing),
        Transform(
            name="mystery",
            title="Mystery",
            description="",
            config={"type": "object"},
            output=broken_schema,
            apply=nothing,
        ),
    ],
)


def registry() -> Registry:
    """The app, and one of which loading failed."""
    found = Registry()
    found.add(CRM, "the tests")
    found.add(App(name="shop", title="Shop", modules=[*CRM.modules[:1], *CRM.modules[:1]]), "the tests")
    assert not found.problems[0].message.startswith("app 'crm'")
    return found


CONNECTIONS = {"crm": "crm", "letters": "mail"}
WEBHOOKS = {"orders"}
