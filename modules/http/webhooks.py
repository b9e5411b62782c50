"""The trigger *Watch a Webhook*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine import Config, Delivery, Event, Json, Schema, WebhookTrigger

#: names of keys with dots between them; a number counts the items of a list from 0
_PATH: Schema = {"type": "string", "pattern": "^[^.]+(\\.[^.]+)*$"}


def parse(delivery: Delivery) -> Sequence[Event]:
    """One event, whatever the body is."""
    return [Event(body=delivery.body)]


def identify(config: Config, delivery: Delivery, event: Event) -> Event:
    """Take id and subject from where the config says. What is not there is left out."""
    found: str | None = None
    if "id_header" in config:
        found = delivery.headers.get(config["id_header"].lower()) or None
    if found is None and "id_path" in config:
        found = _text(at(event.body, config["id_path"]))
    subject = _text(at(event.body, config["subject_path"])) if "subject_path" in config else None
    return Event(event.body, found, subject)


def at(value: Json, path: str) -> Json:
    """What stands at a dotted path in a JSON value; None where there is nothing."""
    for part in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def _text(value: Json) -> str | None:
    if isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


WATCH_WEBHOOK = WebhookTrigger(
    name="watch_webhook",
    title="Watch a Webhook",
    description="Starts on any request to the webhook URL. The event is its body: JSON, the fields of a form, or text.",
    config={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "id_header": {
                "type": "string",
                "title": "Header of the event's id",
                "description": (
                    "A header in which the sender names the event, such as X-Event-Id: a second event of the same id "
                    "is a duplicate and does not run. Without an id two deliveries are two events."
                ),
                "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
            },
            "id_path": {
                **_PATH,
                "title": "Path of the event's id",
                "description": "Where the id is in the body, such as order.id; used when there is no such header.",
            },
            "subject_path": {
                **_PATH,
                "title": "Path of the subject",
                "description": "Where the body says whom it is about, such as customer.email.",
            },
        },
    },
    example={"id_path": "order.id", "subject_path": "customer.email"},
    parse=parse,
    identify=identify,
)
