"""The modules about webhook subscriptions of the Core API: a target, a filter, and a subscription that joins them.

Source: the vendor's page on webhooks for the three steps, https and the 2,048 characters; one project's code for paths
and bodies. See ``names`` for what of it is inferred.
"""

from __future__ import annotations

from typing import Any

from engine import Action, Effect, Probe, Request, Schema, Search, field, options, record
from modules.yotpo_core.names import LONGEST_URL, PAGES, STORE

_ID: Schema = {"type": ["integer", "string"], "minLength": 1}
_TARGET_ID = field("Target ID", "As find_webhook_targets gives it.", _ID)
_FILTER_ID = field("Filter ID", "As find_webhook_filters gives it.", _ID)
_SUBSCRIPTION_ID = field("Subscription ID", "As find_webhook_subscriptions gives it.", _ID)
_URL = field(
    "URL",
    f"Of the webhook, as `engine webhooks` shows it; https, at most {LONGEST_URL:,} characters.",
    type="string",
    pattern="^https://[^\\s]+$",
    maxLength=LONGEST_URL,
)
_EVENT_TYPES = field(
    "Event Types",
    "The vendor's topics that pass.",
    type="array",
    items={"type": "string", "minLength": 1, "examples": ["swell/tier/earned", "review_create"]},
    minItems=1,
    uniqueItems=True,
)

#: what the vendor shows of one; more may come
_SHOWN: dict[str, Schema] = {"id": {"type": ["integer", "string"], "description": "By which it is named"}}
_TARGET: dict[str, Schema] = {**_SHOWN, "url": {"type": "string", "description": "Where events are sent"}}
_FILTER: dict[str, Schema] = {
    **_SHOWN,
    "event_types": {"type": "array", "description": "The topics that pass, each under event_type"},
}
_SUBSCRIPTION: dict[str, Schema] = {**_SHOWN, "target_id": _ID, "filter_id": _ID}

#: what a subscription joins
_JOINED = ("target_id", "filter_id")
#: the topics of a filter, whether they come as texts or as objects
_TYPES = "map(&to_string(if(type(@) == 'object', event_type, @)), event_types)"


def asked(method: str, what: str, **more: Any) -> Request:
    """A call about one of ``WEBHOOK_PATHS``."""
    return Request(method, f"{STORE}{{+connection.webhook_paths.{what}}}", **more)


def listed(what: str) -> Request:
    """A page of all of a kind: ``targets``, ``filters``, ``subscriptions``."""
    return asked("GET", what, wrapper=f"{{connection.webhook_keys.{what}}}")


def created(what: str, body: str) -> Request:
    """One that is made; what has no identifier is none."""
    return asked("POST", f"{what}s", body=body, wrapper=f"{{connection.webhook_keys.{what}}}", expects="id")


def deleted(what: str) -> Request:
    """One that is deleted, and left at that where there is none."""
    number = {"id": f"{what}_id"}
    return asked("DELETE", what, holes=number, gives="{deleted: true}", absent="{deleted: false}")


def _same(what: str, condition: str) -> Probe:
    """Looks in the list for one that is the same. One that was there before, or shows no id, is as good."""
    return Probe(listed(what), found=f"answer[?{condition}] | [0]", absent=(), paging=PAGES)


def _finder(what: str, title: str, description: str, known: dict[str, Schema]) -> Search:
    return Search(
        name=f"find_webhook_{what}",
        title=title,
        description=description,
        connection="yotpo_messaging",
        config=options(limit=field("Limit", "How many at most; all when left out.", type="integer", minimum=1)),
        output={"type": "array", "items": record(**known)},
        request=listed(what),
        paging=PAGES,
        example={},
    )


def _deleter(what: str, title: str, description: str, number: Schema) -> Action:
    known = {"deleted": {"type": "boolean", "description": "False: there was none of this id"}}
    return Action(
        name=f"delete_webhook_{what}",
        title=title,
        description=description,
        connection="yotpo_messaging",
        config=options(f"{what}_id", **{f"{what}_id": number}),
        output={"type": "object", "required": ["deleted"], "properties": known},
        effect=Effect.IDEMPOTENT,
        request=deleted(what),
        example={f"{what}_id": 1},
    )


# ---------------------------------------------------------------------- targets

CREATE_WEBHOOK_TARGET = Action(
    name="create_webhook_target",
    title="Create a Webhook Target",
    description="Tells the vendor a URL to which events can be sent. A subscription says which are.",
    connection="yotpo_messaging",
    config=options("url", url=_URL),
    output=record("id", **_TARGET),
    effect=Effect.WRITE,
    request=created("target", "{url: url}"),
    probe=_same("targets", "url == $.config.url"),
    example={"url": "https://hooks.example.com/hooks/TOKEN"},
)

UPDATE_WEBHOOK_TARGET = Action(
    name="update_webhook_target",
    title="Update a Webhook Target",
    description="Gives a target another URL, such as after `engine webhooks rotate`. Its subscriptions stay.",
    connection="yotpo_messaging",
    config=options("target_id", "url", target_id=_TARGET_ID, url=_URL),
    output=record("id", **_TARGET),
    effect=Effect.IDEMPOTENT,
    request=asked(
        "{connection.webhook_update_method}",
        "target",
        holes={"id": "target_id"},
        body="{url: url}",
        wrapper="{connection.webhook_keys.target}",
        # what the vendor answers is not described, so that nothing is promised of it
        gives="{id: config.target_id, url: config.url}",
    ),
    example={"target_id": 1, "url": "https://hooks.example.com/hooks/TOKEN"},
)

FIND_WEBHOOK_TARGETS = _finder("targets", "Find Webhook Targets", "Lists the URLs that the vendor was told.", _TARGET)

DELETE_WEBHOOK_TARGET = _deleter(
    "target", "Delete a Webhook Target", "Takes a URL away. One that is not there is left at that.", _TARGET_ID
)

# ---------------------------------------------------------------------- filters

CREATE_WEBHOOK_FILTER = Action(
    name="create_webhook_filter",
    title="Create a Webhook Filter",
    description="Names the events that pass. A subscription says to where.",
    connection="yotpo_messaging",
    config=options("event_types", event_types=_EVENT_TYPES),
    output=record("id", **_FILTER),
    effect=Effect.WRITE,
    request=created("filter", "{event_types: event_types[*].{event_type: @}}"),
    probe=_same("filters", f"type(event_types) == 'array' && sort(unique({_TYPES})) == sort($.config.event_types)"),
    example={"event_types": ["swell/points/changed", "swell/tier/earned"]},
)

FIND_WEBHOOK_FILTERS = _finder("filters", "Find Webhook Filters", "Lists the filters of events.", _FILTER)

DELETE_WEBHOOK_FILTER = _deleter(
    "filter", "Delete a Webhook Filter", "Takes a filter away. One that is not there is left at that.", _FILTER_ID
)

# ---------------------------------------------------------------------- subscriptions

CREATE_WEBHOOK_SUBSCRIPTION = Action(
    name="create_webhook_subscription",
    title="Create a Webhook Subscription",
    description="From then on, events that pass the filter are sent to the target.",
    connection="yotpo_messaging",
    config=options("target_id", "filter_id", target_id=_TARGET_ID, filter_id=_FILTER_ID),
    output=record("id", **_SUBSCRIPTION),
    effect=Effect.WRITE,
    request=created("subscription", "{target_id: target_id, filter_id: filter_id}"),
    # an identifier may come as a number or as a text
    probe=_same("subscriptions", " && ".join(f"to_string({one}) == to_string($.config.{one})" for one in _JOINED)),
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
