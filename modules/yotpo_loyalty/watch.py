"""The trigger *Watch Loyalty Events*."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from engine import Config, DataError, Delivery, Event, Json, Schema, WebhookTrigger
from modules.yotpo_core.attaching import calls_for
from modules.yotpo_loyalty.events import TOPICS, event_schema

#: Header of the vendor's other channel, the Core API's webhook subscriptions: one identity per event, for
#: de-duplication. The merchant-wide webhook URL sends none.
EVENT_ID_HEADER = "eventid"


def parse(delivery: Delivery) -> Sequence[Event]:
    body = _json_body(delivery)
    if not isinstance(body, Mapping):
        raise DataError(
            f"a loyalty event is a JSON object, this body is {_kind(body)}",
            hint="is this URL entered as Webhook URL in the Loyalty admin, and nowhere else?",
        )
    topic = body.get("topic")
    if not isinstance(topic, str) or not topic:
        raise DataError(
            "the body has no text under 'topic', as every loyalty event has",
            hint="such as 'swell/tier/earned'; what arrived is kept with the receipt",
        )
    return [Event(body=body, id=delivery.headers.get(EVENT_ID_HEADER) or None, subject=subject_of(body))]


def subject_of(body: Mapping[str, Json]) -> str | None:
    """Whom an event is about: its e-mail, else the customer's."""
    customer = body.get("customer")
    for holder in (body, customer):
        email = holder.get("email") if isinstance(holder, Mapping) else None
        if isinstance(email, str) and email:
            return email
    return None


def accepts(config: Config, event: Event) -> bool:
    """Whether an event's topic is asked for. Without ``events`` all are, also those that the vendor adds later."""
    topics = config.get("events")
    return topics is None or event.body["topic"] in topics


def output(config: Config) -> Schema:
    return event_schema(config.get("events"))


def _json_body(delivery: Delivery) -> Json:
    # the vendor's Content-Type is not relied on, here as in its answers: JSON sent as text or as a form is JSON
    if isinstance(delivery.body, Mapping) and "topic" in delivery.body:
        return delivery.body
    try:
        return json.loads(delivery.raw)
    except (ValueError, RecursionError):
        return delivery.body


def _kind(value: Json) -> str:
    kinds = {str: "text", list: "a list", bool: "a boolean", type(None): "empty"}
    return kinds.get(type(value), "a number")


WATCH_LOYALTY_EVENTS = WebhookTrigger(
    name="watch_loyalty_events",
    title="Watch Loyalty Events",
    description=(
        "Starts when something happens in the loyalty program. Enter the webhook's URL in the Loyalty admin under "
        "Settings > General Settings > Webhook URL; the vendor sends every event to this one URL. In place of that, "
        "`engine webhooks attach NAME` subscribes to them over a connection of type yotpo_messaging."
    ),
    connection="yotpo_loyalty",
    connection_required=False,
    config={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "events": {
                "type": "array",
                "title": "Events",
                "description": "Topics to start on; all when left out, those that the vendor adds later included.",
                "items": {"type": "string", "enum": list(TOPICS)},
                "minItems": 1,
                "uniqueItems": True,
            }
        },
    },
    output=output,
    example={"events": ["swell/tier/earned", "swell/tier/lost"]},
    parse=parse,
    accepts=accepts,
    one_url=True,
    attachment=calls_for(lambda config: config.get("events", TOPICS)),
)
