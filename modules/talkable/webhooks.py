"""The triggers: what a Custom App sends, signed, and what the older webhooks post as a form."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence

from engine import AuthError, Config, DataError, Delivery, Event, Json, Schema, WebhookTrigger, field, options

SIGNATURE = "x-talkable-signature"
#: of the older webhooks
TYPES = (
    "referral_web_hook",
    "create_coupon_web_hook",
    "post_share_web_hook",
    "offer_signup_web_hook",
    "claim_signup_web_hook",
    "reward_web_hook",
    "unsubscribe_web_hook",
    "check_unsubscribe_web_hook",
    "event_web_hook",
)
#: where a payload says whom it is about: a person, or who has shared
_SUBJECT = ("email", "advocate_email")


def signature(key: str, body: bytes) -> str:
    """The signature of a body: Base64 of the *hexadecimal* HMAC-SHA256, as the vendor has it."""
    digest = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    return base64.b64encode(digest.encode()).decode()


def _key(connection: Mapping[str, Json]) -> str:
    key = connection.get("webhook_key")
    if not isinstance(key, str) or not key:
        raise AuthError("the connection has no webhook_key, so that nobody can tell who sent it", refused=True)
    return key


def signed(delivery: Delivery, connection: Mapping[str, Json]) -> bool:
    """Whether Talkable signed it."""
    given = delivery.headers.get(SIGNATURE, "")
    return hmac.compare_digest(given.encode(), signature(_key(connection), delivery.raw).encode())


def keyed(delivery: Delivery, connection: Mapping[str, Json]) -> bool:
    """Whether it holds the site's key, as the older webhooks do."""
    given = delivery.body.get("key") if isinstance(delivery.body, Mapping) else None
    return isinstance(given, str) and hmac.compare_digest(given.encode(), _key(connection).encode())


def _subject(payload: Mapping[str, Json]) -> str | None:
    person = payload.get("person")
    places = [payload.get(name) for name in _SUBJECT] + [person.get("email") if isinstance(person, Mapping) else None]
    return next((place for place in places if isinstance(place, str) and place), None)


def parse(delivery: Delivery) -> Sequence[Event]:
    """One event: the payload as the merchant has set it up."""
    if not isinstance(delivery.body, Mapping):
        raise DataError("the body is no JSON object, which a Custom App sends")
    return [Event(delivery.body, subject=_subject(delivery.body))]


def parse_form(delivery: Delivery) -> Sequence[Event]:
    """One event: type, site and what the payload says. The key, which is a secret, is left out."""
    form = delivery.body
    if not isinstance(form, Mapping) or not isinstance(form.get("payload"), str):
        raise DataError("the body is no form with a payload, which Talkable's webhooks post")
    try:
        payload = json.loads(form["payload"])
    except ValueError:
        raise DataError("the payload is no JSON") from None
    subject = _subject(payload) if isinstance(payload, Mapping) else None
    return [Event({"type": form.get("type"), "site": form.get("site"), "payload": payload}, subject=subject)]


def of_type(config: Config, event: Event) -> bool:
    return "types" not in config or event.body["type"] in config["types"]


_TEXT: Schema = {"type": ["string", "null"]}

WATCH_CUSTOM_APP = WebhookTrigger(
    name="watch_custom_app",
    title="Watch a Custom App",
    description=(
        "Starts on what a Custom App sends, after a look at its signature. Install it in Talkable's App store, enter "
        "the webhook's URL as Endpoint URL and enable the actions. The payload does not name the action: where one URL "
        "takes several, add an attribute to each."
    ),
    connection="talkable",
    config=options(),
    output={
        "type": "object",
        "additionalProperties": True,
        "description": "As the merchant has set it up; here what the default payloads have",
        "properties": {
            name: {"type": "string"}
            for name in (
                *("site_id", "email", "email_optin", "phone_number", "phone_optin"),
                *("type", "created_at", "event_category", "event_number", "subtotal", "currency_iso_code"),
                *("campaign_id", "referral_status", "advocate_email", "friend_email"),
                *("description", "amount", "coupon_code", "coupon_discount_amount", "reason"),
            )
        },
    },
    parse=parse,
    verify=signed,
    example={},
)

WATCH_WEBHOOKS = WebhookTrigger(
    name="watch_webhooks",
    title="Watch Webhooks",
    description=(
        "Starts on the older webhooks, which are set up one by one under Menu > Webhooks. Each carries the site's "
        "security key, which is looked at and left out of the event."
    ),
    connection="talkable",
    config=options(
        types=field(
            "Types",
            "Which of them to start on; all when left out.",
            type="array",
            items={"type": "string", "enum": list(TYPES)},
            minItems=1,
            uniqueItems=True,
        )
    ),
    output={
        "type": "object",
        "required": ["type", "payload"],
        "properties": {
            "type": {**_TEXT, "description": ", ".join(TYPES)},
            "site": {**_TEXT, "description": "The site's ID"},
            "payload": {"description": "What happened; its form depends on the type"},
        },
    },
    parse=parse_form,
    accepts=of_type,
    verify=keyed,
    example={"types": ["referral_web_hook"]},
)
