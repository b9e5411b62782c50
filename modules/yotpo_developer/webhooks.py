"""The modules about webhooks: the vendor is told a URL for each event of reviews."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from engine import (
    Action,
    Attachment,
    Call,
    Config,
    Effect,
    Happened,
    Json,
    ModuleError,
    NotFound,
    ProbeResult,
    Request,
    Search,
    VendorError,
    field,
    options,
    record,
)
from modules.yotpo_developer.reviews import WRITES

WEBHOOKS_PATH = "/webhooks"
EVENTS = ("review_create", "review_updated")

WEBHOOK = record(
    id={"type": ["integer", "string"], "description": "By which it is deleted"},
    webhook_event_name={"type": "string", "description": "On which event the URL is called"},
    url={"type": "string"},
)


async def _all(call: Call) -> list[Mapping[str, Any]]:
    answer = await call.http.request("GET", WEBHOOKS_PATH)
    found = answer.json()
    # the vendor puts the list under its name twice
    for _ in range(2):
        found = found.get("webhooks") if isinstance(found, Mapping) else found
    if not isinstance(found, list):
        raise VendorError("the answer has no list under 'webhooks'", status=answer.status, detail=answer.readable)
    return [one for one in found if isinstance(one, Mapping)]


def _output(webhook: Mapping[str, Any] | None, call: Call) -> Json:
    return {"id": webhook.get("id") if webhook else None, **{name: call.config[name] for name in ("event_name", "url")}}


async def create(call: Call) -> Json:
    await call.http.request("POST", WEBHOOKS_PATH, json=dict(call.config), errors=WRITES)
    # what this is answered is not described: the list tells the identifier
    try:
        found = _mine(await _all(call), call)
    except ModuleError as error:
        call.warn(f"the webhook is made, and its identifier could not be read: {error.message}")
        found = None
    return _output(found, call)


def _mine(webhooks: list[Mapping[str, Any]], call: Call) -> Mapping[str, Any] | None:
    wanted = (call.config["event_name"], call.config["url"])
    return next((one for one in webhooks if (one.get("webhook_event_name"), one.get("url")) == wanted), None)


async def probe(call: Call, _sent_at: datetime) -> Happened | ProbeResult:
    """Whether there is such a webhook. One that was there before is as good."""
    found = _mine(await _all(call), call)
    return ProbeResult.ABSENT if found is None else Happened(_output(found, call))


CREATE_WEBHOOK = Action(
    name="create_webhook",
    title="Create a Webhook",
    description="Tells the vendor a URL, which it calls from then on for one event of reviews.",
    connection="yotpo_developer",
    config=options(
        "event_name",
        "url",
        event_name=field(
            "Event Name", "On which event the URL is called; one webhook for each.", type="string", enum=list(EVENTS)
        ),
        url=field(
            "URL", "Of the webhook, as `engine webhooks` shows it; https.", type="string", pattern="^https://[^\\s]+$"
        ),
    ),
    output={
        "type": "object",
        "required": ["id", "event_name", "url"],
        "properties": {
            "id": {"type": ["integer", "string", "null"], "description": "Null when the list did not show it yet"},
            "event_name": {"type": "string"},
            "url": {"type": "string"},
        },
    },
    effect=Effect.WRITE,
    run=create,
    probe=probe,
    example={"event_name": "review_create", "url": "https://hooks.example.com/hooks/TOKEN"},
)


FIND_WEBHOOKS = Search(
    name="find_webhooks",
    title="Find Webhooks",
    description="Lists the webhooks that the vendor was told.",
    connection="yotpo_developer",
    config=options(),
    output={"type": "array", "items": WEBHOOK},
    request=Request(
        "GET",
        WEBHOOKS_PATH,
        output="not_null(webhooks.webhooks, webhooks, @)",
        gives="answer[?type(@) == 'object']",
    ),
    example={},
)

DELETE_WEBHOOK = Action(
    name="delete_webhook",
    title="Delete a Webhook",
    description="Lets the vendor call a URL no longer. One that is not there is left at that.",
    connection="yotpo_developer",
    config=options(
        "webhook_id",
        webhook_id=field("Webhook ID", "As find_webhooks gives it.", type=["integer", "string"], minLength=1),
    ),
    output={
        "type": "object",
        "required": ["deleted"],
        "properties": {"deleted": {"type": "boolean", "description": "False: there was none of this id"}},
    },
    effect=Effect.IDEMPOTENT,
    request=Request(
        "DELETE", f"{WEBHOOKS_PATH}/{{webhook_id}}", absent="{deleted: false}", gives="{deleted: true}", errors=WRITES
    ),
    example={"webhook_id": 11},
)


# ---------------------------------------------------------------------- for triggers


def calls_for(events: Callable[[Config], Iterable[str]]) -> Attachment:
    """How the vendor is told a trigger's URL: one webhook for each event.

    :param events: what the trigger's config asks for.
    """

    async def attach(call: Call, url: str) -> bool:
        there = {one.get("webhook_event_name") for one in await _all(call) if one.get("url") == url}
        missing = [name for name in events(call.config) if name not in there]
        for name in missing:
            await call.http.request("POST", WEBHOOKS_PATH, json={"event_name": name, "url": url}, errors=WRITES)
        return bool(missing)

    async def delete(call: Call, webhook_id: Json) -> bool:
        try:
            await call.http.request("DELETE", f"{WEBHOOKS_PATH}/{quote(str(webhook_id), safe='')}", errors=WRITES)
        except NotFound:
            return False
        return True

    async def detach(call: Call, url: str) -> bool:
        gone = [await delete(call, one.get("id")) for one in await _all(call) if one.get("url") == url]
        return any(gone)

    return Attachment(connection="yotpo_developer", attach=attach, detach=detach)
