"""What several modules take and give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import Request, Schema

EMAIL: Schema = {"type": "string", "pattern": "^[^@\\s]+@[^@\\s]+$"}
TEXT: Schema = {"type": "string", "minLength": 1}
_OR_NULL: Schema = {"type": ["string", "null"]}

#: the vendor's rule: lower-case letters, digits and underscores, no digit first; values are flat
PROPERTIES: Schema = {
    "type": "object",
    "propertyNames": {"pattern": "^[a-z_][a-z0-9_]*$"},
    "additionalProperties": {"type": ["string", "number", "boolean"]},
}


def titled(title: str, schema: Schema, description: str) -> Schema:
    """A field of a form."""
    return {**schema, "title": title, "description": description}


def config(properties: Mapping[str, Schema], *required: str, **more: Any) -> Schema:
    """The schema of a module's ``with:``."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": dict(properties),
        **more,
    }


def record(properties: Mapping[str, Schema], *required: str) -> Schema:
    """The schema of an answer, to which the vendor may add keys."""
    return {"type": "object", "required": list(required), "properties": dict(properties), "additionalProperties": True}


def read(path: str, output: str = "", query: str = "{site_slug: connection.site_slug}") -> Request:
    """A read of a site: the site goes in the query, the answer stands in an envelope."""
    return Request("GET", path, query=query, output=f"result.{output}" if output else "result")


def write(method: str, path: str, output: str, data: str | None = None) -> Request:
    """A write: the site goes in the body, beside ``data``."""
    body = "{site_slug: connection.site_slug}"
    if data is not None:
        body = f"{{site_slug: connection.site_slug, data: {data}}}"
    return Request(method, path, body=body, output=f"result.{output}")


PERSON_EMAIL = titled("Email", EMAIL, "The person's e-mail address.")
PERSON_SLUG = titled("Person", TEXT, "The person's e-mail address or username.")
CUSTOM_PROPERTIES = titled(
    "Custom Properties",
    PROPERTIES,
    "Names of lower-case letters, digits and underscores, no digit first; values are text, numbers or booleans. One "
    "that is there is overwritten, the others stay.",
)

_COUNT: Schema = {"type": "integer"}
PERSON = record(
    {
        "personal_claim_url": _OR_NULL,
        "events_count": _COUNT,
        "first_name": _OR_NULL,
        "last_name": _OR_NULL,
        "email": {"type": "string"},
        "username": _OR_NULL,
        "subscribed_at": _OR_NULL,
        "unsubscribed_at": _OR_NULL,
        "sub_choice": {"type": ["boolean", "null"]},
        "customer_id": _OR_NULL,
        "custom_properties": {"type": "object", "additionalProperties": True},
        "referred_by": {},
        "referral_counts": record({"total": _COUNT, "approved": _COUNT, "pending": _COUNT}),
        "reward_counts": record({"total": _COUNT, "unpaid": _COUNT, "paid": _COUNT}),
        "share_counts": record({"total": _COUNT, "facebook": _COUNT, "other": _COUNT}),
    },
    "email",
    "custom_properties",
)

MEMBER = record(
    {
        "email": {"type": "string"},
        "points_balance": {"type": "integer"},
        "custom_properties": {
            "type": "object",
            "additionalProperties": {"type": ["string", "null"]},
            "description": 'Stored as text: true is "t", false is "f", 123 is "123"',
        },
    },
    "email",
    "points_balance",
    "custom_properties",
)

_PERSON_IN = record({"id": _COUNT, "email": {"type": "string"}, "first_name": _OR_NULL, "last_name": _OR_NULL})
REFERRAL = record(
    {
        "id": _COUNT,
        "status": {"type": "string", "description": "pending, approved, voided, blocked"},
        "ad_rewarded": {"type": "boolean"},
        "advocate_person": _PERSON_IN,
        "friend_person": _PERSON_IN,
        "campaign_id": {"type": ["integer", "null"]},
        "offer_id": {"type": ["integer", "null"]},
        "referred_origin_id": {"type": ["integer", "null"]},
        "referred_subtotal": {"type": ["number", "null"]},
        "track_method": _OR_NULL,
        "fraud_details": {},
        "fraud_policies_status": {},
        "qa_generated": {"type": "boolean"},
        "created_at": {"type": "string", "description": "ISO 8601 with an offset"},
        "updated_at": {"type": "string", "description": "ISO 8601 with an offset"},
    },
    "id",
    "status",
)

REWARD = record(
    {
        "id": _COUNT,
        "reason": {"type": "string", "description": "Such as shared, referrer"},
        "status": {"type": "string", "description": "Paid, Unpaid or Voided"},
        "amount": {"type": ["number", "null"]},
        "incentive_type": _OR_NULL,
        "incentive_description": _OR_NULL,
        "incentive_custom_description": _OR_NULL,
        "coupon": {"type": ["object", "null"]},
        "coupon_code": _OR_NULL,
    },
    "id",
    "status",
)

CAMPAIGN = record(
    {
        "id": _COUNT,
        "slug": {"type": ["integer", "string"]},
        "name": {"type": "string"},
        "status": {"type": "string", "description": "Live, Test or Disabled"},
        "is_active": {"type": "boolean"},
        "appearance": _OR_NULL,
        "tag_names": {"type": "array", "items": {"type": "string"}},
        "new_customer": {},
        "origin_max_age": {},
        "origin_min_age": {},
    },
    "id",
    "name",
)

ORIGIN = record(
    {
        "origin": record(
            {
                "id": _COUNT,
                "type": {"type": "string"},
                "order_number": {"type": ["string", "integer", "null"]},
                "event_number": {"type": ["string", "integer", "null"]},
                "event_category": _OR_NULL,
                "subtotal": {"type": ["number", "null"]},
                "customer_id": _OR_NULL,
                "ip_address": _OR_NULL,
                "refunded_at": _OR_NULL,
                "coupon_code": _OR_NULL,
            },
            "id",
            "type",
        ),
        "offer": {"type": ["object", "null"], "description": "What the person is offered; null: nothing"},
        "claim_links": {"type": ["object", "array", "null"]},
    },
    "origin",
)
