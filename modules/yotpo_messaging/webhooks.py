"""The modules about webhook subscriptions of the Core API: a target, a filter, and a subscription that joins them.

Source: the vendor's page on webhooks for the three steps, https and the 2,048 characters; one project's code for paths
and bodies. See ``connection`` for what of it is inferred.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from engine import (
    Action,
    Call,
    Effect,
    Happened,
    Json,
    NotFound,
    Page,
    ProbeResult,
    Response,
    Schema,
    Search,
    VendorError,
)
from modules.yotpo_messaging import schemas as s
from modules.yotpo_messaging.connection import LONGEST_URL, TARGET_UPDATE_METHOD, webhooks_key, webhooks_path
from modules.yotpo_messaging.lists import items_under, page_query

_ID: Schema = {"type": ["integer", "string"], "minLength": 1}
_URL: Schema = {
    "type": "string",
    "title": "URL",
    "description": f"Of the webhook, as `engine webhooks` shows it; https, at most {LONGEST_URL:,} characters.",
    "pattern": "^https://[^\\s]+$",
    "maxLength": LONGEST_URL,
}
_EVENT_TYPES: Schema = {
    "type": "array",
    "title": "Event Types",
    "description": "The vendor's topics that pass.",
    "items": {"type": "string", "minLength": 1, "examples": ["swell/tier/earned", "review_create"]},
    "minItems": 1,
    "uniqueItems": True,
}
_TARGET_ID: Schema = s.titled("Target ID", _ID, "As find_webhook_targets gives it.")
_FILTER_ID: Schema = s.titled("Filter ID", _ID, "As find_webhook_filters gives it.")
_SUBSCRIPTION_ID: Schema = s.titled("Subscription ID", _ID, "As find_webhook_subscriptions gives it.")


def _config(required: Mapping[str, Schema]) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": dict(required),
    }


def _output(known: Mapping[str, Schema], *, made: bool = False) -> Schema:
    """What the vendor shows of one; more may come. One that was made has its identifier."""
    described = {"id": {"type": ["integer", "string"], "description": "By which it is named"}, **known}
    required = {"required": ["id"]} if made else {}
    return {"type": "object", **required, "properties": described, "additionalProperties": True}


_TARGET = {"url": {"type": "string", "description": "Where events are sent"}}
_FILTER = {"event_types": {"type": "array", "description": "The topics that pass, each under event_type"}}
_SUBSCRIPTION = {"target_id": _ID, "filter_id": _ID}


# ---------------------------------------------------------------------- what the modules share


async def _page(call: Call, what: str, cursor: Json) -> Page:
    answer = await call.http.request("GET", webhooks_path(call, what), query=page_query(call, cursor))
    return items_under(answer, webhooks_key(call, what), cursor, f"set {what} in webhook_keys of the connection")


async def _every(call: Call, what: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    cursor: Json = None
    while True:
        page = await _page(call, what, cursor)
        found += [one for one in page.items if isinstance(one, Mapping)]
        if page.cursor is None:
            return found
        cursor = page.cursor


def _one(call: Call, answer: Response, what: str) -> Mapping[str, Any]:
    """What an answer shows of the one that was made or changed.

    :raises VendorError: no identifier is in it. The write is done, so that the list is asked for what came of it.
    """
    body, name = answer.json(), webhooks_key(call, what)
    found = body.get(name, body) if isinstance(body, Mapping) else None
    if not isinstance(found, Mapping) or "id" not in found:
        raise VendorError(
            f"the answer has no id under '{name}'",
            status=answer.status,
            detail=answer.readable,
            hint=f"if it has another name there, set {what} in webhook_keys of the connection",
        )
    return found


async def _create(call: Call, what: str, body: Mapping[str, Json]) -> Json:
    answer = await call.http.request("POST", webhooks_path(call, f"{what}s"), json={webhooks_key(call, what): body})
    return _one(call, answer, what)


Probing = Callable[[Call, datetime], Awaitable[Happened | ProbeResult]]


def _probe(what: str, same: Callable[[Mapping[str, Any], Call], bool]) -> Probing:
    """Looks in the list for one that is the same. One that was there before is as good."""

    async def probe(call: Call, _sent_at: datetime) -> Happened | ProbeResult:
        found = next((one for one in await _every(call, f"{what}s") if "id" in one and same(one, call)), None)
        return ProbeResult.ABSENT if found is None else Happened(found)

    return probe


def _finder(what: str, title: str, description: str, known: Mapping[str, Schema]) -> Search:
    async def page(call: Call, cursor: Json) -> Page:
        return await _page(call, what, cursor)

    return Search(
        name=f"find_webhook_{what}",
        title=title,
        description=description,
        connection="yotpo_messaging",
        config={
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "limit": {
                    "type": "integer",
                    "title": "Limit",
                    "description": "How many at most; all when left out.",
                    "minimum": 1,
                }
            },
        },
        output={"type": "array", "items": _output(known)},
        page=page,
        example={},
    )


def _deleter(what: str, title: str, description: str, number: Schema) -> Action:
    async def delete(call: Call) -> Json:
        try:
            await call.http.request("DELETE", webhooks_path(call, what, _number(call, f"{what}_id")))
        except NotFound:
            return {"deleted": False}
        return {"deleted": True}

    return Action(
        name=f"delete_webhook_{what}",
        title=title,
        description=description,
        connection="yotpo_messaging",
        config=_config({f"{what}_id": number}),
        output={
            "type": "object",
            "required": ["deleted"],
            "properties": {"deleted": {"type": "boolean", "description": "False: there was none of this id"}},
        },
        effect=Effect.IDEMPOTENT,
        run=delete,
        example={f"{what}_id": 1},
    )


def _number(call: Call, name: str) -> str:
    return quote(str(call.config[name]), safe="")


# ---------------------------------------------------------------------- targets


async def create_target(call: Call) -> Json:
    return await _create(call, "target", {"url": call.config["url"]})


CREATE_WEBHOOK_TARGET = Action(
    name="create_webhook_target",
    title="Create a Webhook Target",
    description="Tells the vendor a URL to which events can be sent. A subscription says which are.",
    connection="yotpo_messaging",
    config=_config({"url": _URL}),
    output=_output(_TARGET, made=True),
    effect=Effect.WRITE,
    run=create_target,
    probe=_probe("target", lambda one, call: one.get("url") == call.config["url"]),
    example={"url": "https://hooks.example.com/hooks/TOKEN"},
)


async def update_target(call: Call) -> Json:
    method = str(call.connection.get("webhook_update_method", TARGET_UPDATE_METHOD))
    path = webhooks_path(call, "target", _number(call, "target_id"))
    await call.http.request(method, path, json={webhooks_key(call, "target"): {"url": call.config["url"]}})
    # what the vendor answers is not described, so that nothing is promised of it
    return {"id": call.config["target_id"], "url": call.config["url"]}


UPDATE_WEBHOOK_TARGET = Action(
    name="update_webhook_target",
    title="Update a Webhook Target",
    description="Gives a target another URL, such as after `engine webhooks rotate`. Its subscriptions stay.",
    connection="yotpo_messaging",
    config=_config({"target_id": _TARGET_ID, "url": _URL}),
    output=_output(_TARGET, made=True),
    effect=Effect.IDEMPOTENT,
    run=update_target,
    example={"target_id": 1, "url": "https://hooks.example.com/hooks/TOKEN"},
)

FIND_WEBHOOK_TARGETS = _finder("targets", "Find Webhook Targets", "Lists the URLs that the vendor was told.", _TARGET)

DELETE_WEBHOOK_TARGET = _deleter(
    "target", "Delete a Webhook Target", "Takes a URL away. One that is not there is left at that.", _TARGET_ID
)


# ---------------------------------------------------------------------- filters


async def create_filter(call: Call) -> Json:
    return await _create(call, "filter", {"event_types": [{"event_type": one} for one in call.config["event_types"]]})


def _same_filter(one: Mapping[str, Any], call: Call) -> bool:
    types = one.get("event_types")
    if not isinstance(types, list):
        return False
    named = {str(kind.get("event_type") if isinstance(kind, Mapping) else kind) for kind in types}
    return named == set(call.config["event_types"])


CREATE_WEBHOOK_FILTER = Action(
    name="create_webhook_filter",
    title="Create a Webhook Filter",
    description="Names the events that pass. A subscription says to where.",
    connection="yotpo_messaging",
    config=_config({"event_types": _EVENT_TYPES}),
    output=_output(_FILTER, made=True),
    effect=Effect.WRITE,
    run=create_filter,
    probe=_probe("filter", _same_filter),
    example={"event_types": ["swell/points/changed", "swell/tier/earned"]},
)

FIND_WEBHOOK_FILTERS = _finder("filters", "Find Webhook Filters", "Lists the filters of events.", _FILTER)

DELETE_WEBHOOK_FILTER = _deleter(
    "filter", "Delete a Webhook Filter", "Takes a filter away. One that is not there is left at that.", _FILTER_ID
)


# ---------------------------------------------------------------------- subscriptions


async def create_subscription(call: Call) -> Json:
    body = {"target_id": call.config["target_id"], "filter_id": call.config["filter_id"]}
    return await _create(call, "subscription", body)


def _same_subscription(one: Mapping[str, Any], call: Call) -> bool:
    # an identifier may come as a number or as a text
    return all(str(one.get(name)) == str(call.config[name]) for name in ("target_id", "filter_id"))


CREATE_WEBHOOK_SUBSCRIPTION = Action(
    name="create_webhook_subscription",
    title="Create a Webhook Subscription",
    description="From then on, events that pass the filter are sent to the target.",
    connection="yotpo_messaging",
    config=_config({"target_id": _TARGET_ID, "filter_id": _FILTER_ID}),
    output=_output(_SUBSCRIPTION, made=True),
    effect=Effect.WRITE,
    run=create_subscription,
    probe=_probe("subscription", _same_subscription),
    example={"target_id": 1, "filter_id": 2},
)

FIND_WEBHOOK_SUBSCRIPTIONS = _finder(
    "subscriptions", "Find Webhook Subscriptions", "Lists which filter leads to which target.", _SUBSCRIPTION
)

DELETE_WEBHOOK_SUBSCRIPTION = _deleter(
    "subscription",
    "Delete a Webhook Subscription",
    "Lets the vendor send its events no longer. One that is not there is left at that.",
    _SUBSCRIPTION_ID,
)

WEBHOOKS = (
    CREATE_WEBHOOK_TARGET,
    UPDATE_WEBHOOK_TARGET,
    FIND_WEBHOOK_TARGETS,
    DELETE_WEBHOOK_TARGET,
    CREATE_WEBHOOK_FILTER,
    FIND_WEBHOOK_FILTERS,
    DELETE_WEBHOOK_FILTER,
    CREATE_WEBHOOK_SUBSCRIPTION,
    FIND_WEBHOOK_SUBSCRIPTIONS,
    DELETE_WEBHOOK_SUBSCRIPTION,
)
