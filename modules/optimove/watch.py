"""The trigger *Watch Loyalty Events*: Yotpo's bodies come in, named events start scenarios."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from engine import Config, DataError, Delivery, Event, Json, Schema, WebhookTrigger, field, options
from modules.optimove.loyalty import NAMES, named, schemas
from modules.optimove.send_event import vendors_time

#: of Yotpo's other channel; the merchant-wide webhook URL sends none
EVENT_ID_HEADER = "eventid"


def parse(delivery: Delivery) -> Sequence[Event]:
    body = _json(delivery)
    topic = body.get("topic") if isinstance(body, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(topic, str) or not topic:
        raise DataError(
            "the body is no event of Yotpo Loyalty: it has no text under 'topic'",
            hint="is this URL entered as Webhook URL in the Loyalty admin, and nowhere else?",
        )
    identity = delivery.headers.get(EVENT_ID_HEADER) or None
    found = named(body)
    if found.event is None:
        # what is not one of the twelve is let go by `accepts`, and its delivery says so
        return [Event(body={"event": None, "topic": topic}, id=identity)]
    if found.customer is None:
        raise DataError(
            f"'{found.event.title}' has no customer: nobody's e-mail address is in it",
            hint="Optimove takes these events of customers only",
        )
    event = {
        "event": found.event.name,
        "title": found.event.title,
        "topic": topic,
        "customer": found.customer,
        "context": found.context,
        "left_out": list(found.left_out),
        "timestamp": vendors_time(delivery.received_at),
    }
    return [Event(body=event, id=identity, subject=found.customer)]


def accepts(config: Config, event: Event) -> bool:
    name = event.body["event"]
    return name is not None and ("events" not in config or name in config["events"])


def output(config: Config) -> Schema:
    chosen = schemas(
        config.get("events"),
        {"timestamp": {"type": "string", "description": "When it came, in Optimove's form; Yotpo's body has no time"}},
    )
    return chosen[0] if len(chosen) == 1 else {"anyOf": chosen}


def _json(delivery: Delivery) -> Json:
    # Yotpo was seen to send JSON under other content types
    if isinstance(delivery.body, Mapping) and "topic" in delivery.body:
        return delivery.body
    try:
        return json.loads(delivery.raw)
    except (ValueError, RecursionError):
        return delivery.body


WATCH_EVENTS = WebhookTrigger(
    name="watch_events",
    title="Watch Loyalty Events",
    description=(
        "Takes the place of Optimove's Yotpo endpoint: enter the webhook's URL in the Loyalty admin under Settings > "
        "General Settings > Webhook URL. Each of the twelve events starts scenarios under its own name."
    ),
    connection="optimove",
    connection_required=False,
    config=options(
        events=field(
            "Events",
            "Names of the events to start on; all twelve when left out.",
            type="array",
            items={"type": "string", "enum": list(NAMES)},
            minItems=1,
            uniqueItems=True,
        )
    ),
    output=output,
    example={"events": ["vip_tier_earned", "vip_tier_lost"]},
    parse=parse,
    accepts=accepts,
    one_url=True,
)
