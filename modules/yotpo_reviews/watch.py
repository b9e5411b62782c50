"""The trigger *Watch Reviews*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine import Config, DataError, Delivery, Event, Json, WebhookTrigger
from modules.yotpo_core import attaching as yotpo_core
from modules.yotpo_developer.webhooks import calls_for
from modules.yotpo_reviews.schemas import REVIEW, typed

EVENTS = ("review_create", "review_updated")
#: those that the Core API's webhook subscriptions know too
CORE_EVENTS = ("review_create",)
#: header of the Core API's webhook subscriptions, the other channel: one identity per event, for de-duplication
EVENT_ID_HEADER = "eventid"


def parse(delivery: Delivery) -> Sequence[Event]:
    body = delivery.body
    name = body.get("event") if isinstance(body, Mapping) else None
    review = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(name, str) or not isinstance(review, Mapping):
        raise DataError(
            "a review event is an object with 'event' and 'data'",
            hint="was this URL registered for review_create and review_updated, and for nothing else?",
        )
    found = typed(review)
    email = found.get("customer_email")
    subject = email if isinstance(email, str) and email else None
    return [
        Event({"event": name, "data": found}, delivery.headers.get(EVENT_ID_HEADER) or _identity(name, found), subject)
    ]


def _identity(name: str, review: Mapping[str, Json]) -> str | None:
    """One review's one version: the vendor tells of the same change under the same identifier and time."""
    review_id, updated = review.get("id"), review.get("updated_at") or review.get("created_at")
    return None if review_id is None or updated is None else f"{name}:{review_id}:{updated}"


def accepts(config: Config, event: Event) -> bool:
    """Whether an event is asked for, by its name and its score."""
    wanted = config.get("events")
    if wanted is not None and event.body["event"] not in wanted:
        return False
    score = event.body["data"].get("score")
    low, high = config.get("score_from"), config.get("score_to")
    if low is None and high is None:
        return True
    return isinstance(score, int) and (low is None or score >= low) and (high is None or score <= high)


def _on_core(config: Config) -> Sequence[str]:
    """What the Core API's webhook subscriptions can tell of it."""
    events: Sequence[str] = config.get("events", EVENTS)
    if set(events) - set(CORE_EVENTS):
        raise DataError(
            f"over yotpo_messaging the vendor tells of {' and '.join(CORE_EVENTS)} alone",
            hint=f"`events: [{', '.join(CORE_EVENTS)}]`, or attach over a connection of type yotpo_developer",
            refused=True,
        )
    return events


WATCH_REVIEWS = WebhookTrigger(
    name="watch_reviews",
    title="Watch Reviews",
    description=(
        "Starts when a review is written or changed. `engine webhooks attach` tells the vendor the URL over a "
        "connection of type yotpo_developer; that of new ones alone also over one of type yotpo_messaging. Values are "
        "typed, whether it quotes them or not; times are ISO 8601."
    ),
    connection="yotpo_reviews",
    connection_required=False,
    config={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "events": {
                "type": "array",
                "title": "Events",
                "description": "Which to start on; all when left out.",
                "items": {"type": "string", "enum": list(EVENTS)},
                "minItems": 1,
                "uniqueItems": True,
            },
            "score_from": {
                "type": "integer",
                "title": "Score from",
                "description": "Only reviews with this score or a higher one.",
                "minimum": 1,
                "maximum": 5,
            },
            "score_to": {
                "type": "integer",
                "title": "Score to",
                "description": "Only reviews with this score or a lower one.",
                "minimum": 1,
                "maximum": 5,
            },
        },
    },
    output={
        "type": "object",
        "required": ["event", "data"],
        "properties": {"event": {"type": "string", "description": "The vendor's name of it"}, "data": REVIEW},
    },
    example={"events": ["review_create"], "score_to": 2},
    parse=parse,
    accepts=accepts,
    attachment=(calls_for(lambda config: config.get("events", EVENTS)), yotpo_core.calls_for(_on_core)),
)
