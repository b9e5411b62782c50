"""The modules *Create or Update a Subscriber* and *Find Subscription Forms*."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from engine import (
    Action,
    Call,
    Config,
    Effect,
    Happened,
    Json,
    ProbeResult,
    Request,
    Schema,
    Search,
    field,
    options,
    record,
)
from modules.yotpo_core.names import PAGES
from modules.yotpo_messaging import schemas as s
from modules.yotpo_messaging.connection import CUSTOMER_FILTERS, VISIBLE_AFTER, key_of, path_of
from modules.yotpo_messaging.customers import page_of
from modules.yotpo_messaging.lists import LIST_ID

SUBSCRIBED = "subscribed"
#: our name of a channel, which is the vendor's, and what of the customer it needs
CHANNELS = {"sms": "phone", "email": "email"}
#: the customer's field by which the Core API is asked whether an opt-in shows
_ASKED_BY = {"sms": "phone_number", "email": "email"}

CUSTOMER: Schema = {
    **options(
        phone=field("Phone", s.IN_E_164, s.E_164),
        email=field("Email", "The e-mail address.", s.EMAIL),
        first_name=field("First Name", "Given name.", s.TEXT),
        last_name=field("Last Name", "Family name.", s.TEXT),
    ),
    "anyOf": [{"required": ["phone"]}, {"required": ["email"]}],
}

_CHANNEL: Mapping[str, Schema] = {
    "consent": field(
        "Consent",
        "Whether the customer agrees to marketing over this channel.",
        type="string",
        enum=[SUBSCRIBED, "unsubscribed"],
    ),
    "list_id": field("List ID", "The merchant's list to which the customer is added.", LIST_ID),
    "source": field(
        "Source",
        "Where the consent was given, 3 to 40 characters, such as the platform's name.",
        type="string",
        minLength=3,
        maxLength=40,
    ),
}
_SUPPRESSION: Mapping[str, Schema] = {
    "suppress_email": field(
        "Suppress Email", "Send no e-mail to this address from now on, whatever the consent.", type="boolean"
    ),
    "suppression_reason": field(
        "Suppression Reason",
        "Why. The name of the vendor's key is inferred.",
        type="string",
        enum=["soft_bounce", "hard_bounce", "manual_suppression"],
    ),
    "suppression_timestamp": field(
        "Suppression Timestamp",
        "Since when, such as 2024-03-05T09:00:00.000Z. The name of the vendor's key is inferred.",
        type="string",
        pattern="^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d+Z$",
    ),
}


def _channel(title: str, fields: Mapping[str, Schema]) -> Schema:
    return field(title, f"Consent to {title} marketing, and the list.", options("consent", **fields))


CONFIG: Schema = {
    **options(
        "customer",
        "channels",
        customer=field("Customer", "Whom it is about: a phone number, an e-mail address or both.", CUSTOMER),
        channels=field(
            "Channels",
            "What the customer agrees or objects to, channel by channel.",
            options(sms=_channel("SMS", _CHANNEL), email=_channel("Email", {**_CHANNEL, **_SUPPRESSION})),
            minProperties=1,
        ),
        skip_welcome_messages=field(
            "Skip Welcome Messages",
            "Send no welcome message. False when left out. The name of the vendor's key is inferred.",
            type="boolean",
        ),
        double_opt_in=field(
            "Double Opt-In",
            "Let the customer confirm first; until then no consent shows. False when left out. The name of the "
            "vendor's key is inferred.",
            type="boolean",
        ),
    ),
    # who is to be reached over a channel has an address there
    "allOf": [
        {
            "if": {"properties": {"channels": {"type": "object", "required": [channel]}}},
            "then": {"properties": {"customer": {"required": [address]}}},
        }
        for channel, address in CHANNELS.items()
    ],
}


#: the vendor's name of a key, where the connection has another; and flags are the texts true and false there
_NAMED = "&get($.connection.messaging_keys, key, key), &if(type(value) == 'boolean', to_string(value), value)"
_BODY = f"""merge(
    {{customer: customer, channels: to_object(entries(channels), &key, &to_object(entries(value), {_NAMED}))}},
    to_object(entries(pick_keys(@, 'skip_welcome_messages', 'double_opt_in')), {_NAMED})
)"""


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
        "properties": {"visible_at": s.visible_at("it", VISIBLE_AFTER)},
    },
    effect=effect_of,
    # what the vendor answers is not described, so that nothing is promised of it
    request=Request(
        "POST",
        path_of("subscribers"),
        body=_BODY,
        wrapper=key_of("subscriber"),
        gives=f"{{visible_at: add_seconds(sent_at, {VISIBLE_AFTER:.0f})}}",
    ),
    probe=probe,
    settle_after=settle_after,
    example={
        "customer": {"phone": "+15550100", "email": "ana@example.com", "first_name": "Ana", "last_name": "Example"},
        "channels": {"sms": {"consent": "subscribed", "list_id": 4096107, "source": "creator_hub"}},
    },
)


FIND_SUBSCRIPTION_FORMS = Search(
    name="find_subscription_forms",
    title="Find Subscription Forms",
    description="Lists the merchant's subscription forms. What a form looks like is not described by the vendor.",
    connection="yotpo_messaging",
    config=options(
        status=field(
            "Status",
            "Forms of this status; published, the only one that was seen, when left out.",
            s.TEXT,
            default="published",
        ),
        limit=s.limit("forms"),
    ),
    output={"type": "array", "items": record()},
    request=Request(
        "GET",
        path_of("subscription_forms"),
        query="{status: status || 'published'}",
        wrapper=key_of("subscription_forms"),
    ),
    paging=PAGES,
    example={"status": "published"},
)
