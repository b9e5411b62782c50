"""The modules *Create or Update a Subscriber* and *Find Subscription Forms*."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from engine import Action, Call, Config, Effect, Happened, Json, Page, ProbeResult, Schema, Search
from modules.yotpo_messaging import schemas as s
from modules.yotpo_messaging.connection import CUSTOMER_FILTERS, VISIBLE_AFTER, key, messaging
from modules.yotpo_messaging.customers import page_of
from modules.yotpo_messaging.lists import LIST_ID, items_of, page_query

SUBSCRIBED = "subscribed"
#: our name of a channel, which is the vendor's, and what of the customer it needs
CHANNELS = {"sms": "phone", "email": "email"}
#: the customer's field by which the Core API is asked whether an opt-in shows
_ASKED_BY = {"sms": "phone_number", "email": "email"}

_TEXT: Schema = {"type": "string", "minLength": 1}

CUSTOMER: Schema = {
    "type": "object",
    "title": "Customer",
    "description": "Whom it is about: a phone number, an e-mail address or both.",
    "additionalProperties": False,
    "anyOf": [{"required": ["phone"]}, {"required": ["email"]}],
    "properties": {
        "phone": s.titled("Phone", s.E_164),
        "email": s.titled("Email", s.EMAIL, "The e-mail address."),
        "first_name": s.titled("First Name", _TEXT, "Given name."),
        "last_name": s.titled("Last Name", _TEXT, "Family name."),
    },
}

_CHANNEL: Mapping[str, Schema] = {
    "consent": s.titled(
        "Consent",
        {"type": "string", "enum": [SUBSCRIBED, "unsubscribed"]},
        "Whether the customer agrees to marketing over this channel.",
    ),
    "list_id": s.titled("List ID", LIST_ID, "The merchant's list to which the customer is added."),
    "source": s.titled(
        "Source",
        {"type": "string", "minLength": 3, "maxLength": 40},
        "Where the consent was given, 3 to 40 characters, such as the platform's name.",
    ),
}
_SUPPRESSION: Mapping[str, Schema] = {
    "suppress_email": s.titled(
        "Suppress Email", {"type": "boolean"}, "Send no e-mail to this address from now on, whatever the consent."
    ),
    "suppression_reason": s.titled(
        "Suppression Reason",
        {"type": "string", "enum": ["soft_bounce", "hard_bounce", "manual_suppression"]},
        "Why. The name of the vendor's key is inferred.",
    ),
    "suppression_timestamp": s.titled(
        "Suppression Timestamp",
        {"type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d+Z$"},
        "Since when, such as 2024-03-05T09:00:00.000Z. The name of the vendor's key is inferred.",
    ),
}


def _channel(title: str, fields: Mapping[str, Schema]) -> Schema:
    return {
        "type": "object",
        "title": title,
        "description": f"Consent to {title} marketing, and the list.",
        "additionalProperties": False,
        "required": ["consent"],
        "properties": fields,
    }


CONFIG: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["customer", "channels"],
    # who is to be reached over a channel has an address there
    "allOf": [
        {
            "if": {"properties": {"channels": {"type": "object", "required": [channel]}}},
            "then": {"properties": {"customer": {"required": [field]}}},
        }
        for channel, field in CHANNELS.items()
    ],
    "properties": {
        "customer": CUSTOMER,
        "channels": {
            "type": "object",
            "title": "Channels",
            "description": "What the customer agrees or objects to, channel by channel.",
            "additionalProperties": False,
            "minProperties": 1,
            "properties": {
                "sms": _channel("SMS", _CHANNEL),
                "email": _channel("Email", {**_CHANNEL, **_SUPPRESSION}),
            },
        },
        "skip_welcome_messages": {
            "type": "boolean",
            "title": "Skip Welcome Messages",
            "description": "Send no welcome message. False when left out. The name of the vendor's key is inferred.",
        },
        "double_opt_in": {
            "type": "boolean",
            "title": "Double Opt-In",
            "description": (
                "Let the customer confirm first; until then no consent shows. False when left out. The name of the "
                "vendor's key is inferred."
            ),
        },
    },
}


def body_of(call: Call) -> dict[str, Any]:
    """The vendor's body: flags are the texts true and false there."""
    config = call.config
    channels: dict[str, Any] = {}
    for name, channel in config["channels"].items():
        channels[name] = {
            (key(call, field) if field.startswith("suppression_") else field): _flag(value)
            for field, value in channel.items()
        }
    flags = {
        key(call, flag): _flag(config[flag]) for flag in ("skip_welcome_messages", "double_opt_in") if flag in config
    }
    body = {"customer": config["customer"], "channels": channels, **flags}
    wrapper = key(call, "subscriber")
    return {wrapper: body} if wrapper else body


async def create_or_update(call: Call) -> Json:
    await call.http.request("POST", messaging(call, "subscribers"), json=body_of(call))
    # what the vendor answers is not described, so that nothing is promised of it
    return _output(call.now)


async def probe(call: Call, sent_at: datetime) -> Happened | ProbeResult:
    """Whether every opt-in shows with the customer, with its list."""
    for name, channel in call.config["channels"].items():
        field, wanted = _ASKED_BY[name], call.config["customer"][CHANNELS[name]]
        found, _ = await page_of(call, {CUSTOMER_FILTERS[field]: wanted}, {field: [wanted]})
        if len(found) > 1:
            return ProbeResult.UNKNOWN
        if not found or not _shows(found[0], name, channel):
            return ProbeResult.ABSENT
    return Happened(_output(sent_at))


def _shows(customer: Mapping[str, Any], name: str, channel: Mapping[str, Any]) -> bool:
    marketing = ((customer.get("channels") or {}).get(name) or {}).get("marketing") or {}
    lists = [str(one.get("id")) for one in customer.get("lists") or ()]
    wanted = channel.get("list_id")
    on_it = wanted is None or channel["consent"] != SUBSCRIBED or str(wanted) in lists
    return marketing.get("consent") == channel["consent"] and on_it


def effect_of(config: Config) -> Effect:
    """Consent that is set twice is set once; a welcome message that is sent twice is not."""
    channels = config["channels"].values()
    welcomes = not config.get("skip_welcome_messages") and any(one["consent"] == SUBSCRIBED for one in channels)
    return Effect.WRITE if welcomes or config.get("double_opt_in") else Effect.IDEMPOTENT


def settle_after(config: Config) -> float | None:
    """A consent that the customer has yet to confirm shows at no time that is known."""
    return None if config.get("double_opt_in") else VISIBLE_AFTER


def _output(moment: datetime) -> Json:
    return {"visible_at": _iso(moment + timedelta(seconds=VISIBLE_AFTER))}


def _flag(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


CREATE_OR_UPDATE_SUBSCRIBER = Action(
    name="create_or_update_subscriber",
    title="Create or Update a Subscriber",
    description=(
        "Says what a customer agrees or objects to, and adds him to a list of the merchant's. The vendor welcomes who "
        "agrees. A customer who was just written is to show first, 60 seconds later: `sleep_until` the `visible_at` of "
        "create_or_update_customer."
    ),
    connection="yotpo_messaging",
    config=CONFIG,
    output={
        "type": "object",
        "required": ["visible_at"],
        "properties": {
            "visible_at": {
                "type": "string",
                "description": f"From when on the vendor shows it: {VISIBLE_AFTER:.0f} s after the call, ISO 8601",
            }
        },
    },
    effect=effect_of,
    run=create_or_update,
    probe=probe,
    settle_after=settle_after,
    example={
        "customer": {"phone": "+15550100", "email": "ana@example.com", "first_name": "Ana", "last_name": "Example"},
        "channels": {"sms": {"consent": "subscribed", "list_id": 4096107, "source": "creator_hub"}},
    },
)


async def find_forms(call: Call, cursor: Json) -> Page:
    query = {"status": call.config.get("status", "published")} if cursor is None else {}
    answer = await call.http.request(
        "GET", messaging(call, "subscription_forms"), query={**query, **page_query(call, cursor)}
    )
    return items_of(call, answer, "subscription_forms", cursor)


FIND_SUBSCRIPTION_FORMS = Search(
    name="find_subscription_forms",
    title="Find Subscription Forms",
    description="Lists the merchant's subscription forms. What a form looks like is not described by the vendor.",
    connection="yotpo_messaging",
    config={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "status": {
                "type": "string",
                "title": "Status",
                "description": "Forms of this status; published, the only one that was seen, when left out.",
                "default": "published",
                "minLength": 1,
            },
            "limit": {
                "type": "integer",
                "title": "Limit",
                "description": "How many forms at most; all when left out.",
                "minimum": 1,
            },
        },
    },
    output={"type": "array", "items": {"type": "object", "additionalProperties": True}},
    page=find_forms,
    example={"status": "published"},
)
