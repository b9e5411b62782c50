"""What several modules take and give, and the envelope around it."""

from __future__ import annotations

from collections.abc import Mapping

from engine import Request, Schema, field, record

EMAIL: Schema = {"type": "string", "pattern": "^[^@\\s]+@[^@\\s]+$"}
TEXT: Schema = {"type": "string", "minLength": 1}
STRING: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer"}
BOOLEAN: Schema = {"type": "boolean"}
OR_NULL: Schema = {"type": ["string", "null"]}
_ID_OR_NULL: Schema = {"type": ["integer", "null"]}
_NUMBER_OR_NULL: Schema = {"type": ["string", "integer", "null"]}
_AMOUNT_OR_NULL: Schema = {"type": ["number", "null"]}
_OBJECT_OR_NULL: Schema = {"type": ["object", "null"]}
_MOMENT: Schema = {"type": "string", "description": "ISO 8601 with an offset"}
OBJECT: Schema = {"type": "object", "additionalProperties": True}
_ANYTHING: Schema = {}


def read(path: str, output: str, query: str = "{site_slug: connection.site_slug}") -> Request:
    """A read of a site: the site goes in the query, the answer stands in an envelope."""
    return Request("GET", path, query=query, output=output)


def write(method: str, path: str, output: str, data: str = "") -> Request:
    """A write: the site goes in the body, beside ``data``."""
    more = f", data: {data}" if data else ""
    return Request(method, path, body=f"{{site_slug: connection.site_slug{more}}}", expects=output, output=output)


PERSON_EMAIL = field("Email", "The person's e-mail address.", EMAIL)
PERSON_SLUG = field("Person", "The person's e-mail address or username.", TEXT)
#: the vendor's rule: lower-case letters, digits and underscores, no digit first; values are flat
CUSTOM_PROPERTIES = field(
    "Custom Properties",
    "Names of lower-case letters, digits and underscores, no digit first; values are text, numbers or booleans. One "
    "that is there is overwritten, the others stay.",
    type="object",
    propertyNames={"pattern": "^[a-z_][a-z0-9_]*$"},
    additionalProperties={"type": ["string", "number", "boolean"]},
)
#: of a person, beside the address
PERSON_FIELDS: Mapping[str, Schema] = {
    "first_name": field("First Name", "Given name.", TEXT),
    "last_name": field("Last Name", "Family name.", TEXT),
    "customer_id": field("Customer ID", "The person's identifier in your system.", TEXT),
    "person_custom_properties": CUSTOM_PROPERTIES,
}

PERSON = record(
    "email",
    "custom_properties",
    email=STRING,
    **dict.fromkeys(("personal_claim_url", "first_name", "last_name", "username", "customer_id"), OR_NULL),
    **dict.fromkeys(("subscribed_at", "unsubscribed_at"), OR_NULL),
    sub_choice={"type": ["boolean", "null"]},
    events_count=COUNT,
    custom_properties=OBJECT,
    referred_by=_ANYTHING,
    referral_counts=record(**dict.fromkeys(("total", "approved", "pending"), COUNT)),
    reward_counts=record(**dict.fromkeys(("total", "unpaid", "paid"), COUNT)),
    share_counts=record(**dict.fromkeys(("total", "facebook", "other"), COUNT)),
)
MEMBER = record(
    "email",
    "points_balance",
    "custom_properties",
    email=STRING,
    points_balance=COUNT,
    custom_properties={
        "type": "object",
        "additionalProperties": OR_NULL,
        "description": 'Stored as text: true is "t", false is "f", 123 is "123"',
    },
)
_PERSON_IN = record(id=COUNT, email=STRING, first_name=OR_NULL, last_name=OR_NULL)
REFERRAL = record(
    "id",
    "status",
    id=COUNT,
    status={**STRING, "description": "pending, approved, voided, blocked"},
    ad_rewarded=BOOLEAN,
    advocate_person=_PERSON_IN,
    friend_person=_PERSON_IN,
    **dict.fromkeys(("campaign_id", "offer_id", "referred_origin_id"), _ID_OR_NULL),
    referred_subtotal=_AMOUNT_OR_NULL,
    track_method=OR_NULL,
    **dict.fromkeys(("fraud_details", "fraud_policies_status"), _ANYTHING),
    qa_generated=BOOLEAN,
    **dict.fromkeys(("created_at", "updated_at"), _MOMENT),
)
REWARD = record(
    "id",
    "status",
    id=COUNT,
    reason={**STRING, "description": "Such as shared, referrer"},
    status={**STRING, "description": "Paid, Unpaid or Voided"},
    amount=_AMOUNT_OR_NULL,
    **dict.fromkeys(("incentive_type", "incentive_description", "incentive_custom_description"), OR_NULL),
    coupon=_OBJECT_OR_NULL,
    coupon_code=OR_NULL,
)
SHARE = record(
    "id",
    id=COUNT,
    type=STRING,
    channel_identifier={**OR_NULL, "description": "Such as facebook"},
    short_url=OR_NULL,
    **dict.fromkeys(("friends_count", "friend_clicks_count"), COUNT),
    **dict.fromkeys(("offer", "campaign"), _OBJECT_OR_NULL),
)
CAMPAIGN = record(
    "id",
    "name",
    id=COUNT,
    slug={"type": ["integer", "string"]},
    name=STRING,
    status={**STRING, "description": "Live, Test or Disabled"},
    is_active=BOOLEAN,
    appearance=OR_NULL,
    tag_names={"type": "array", "items": STRING},
    **dict.fromkeys(("new_customer", "origin_max_age", "origin_min_age"), _ANYTHING),
)
ORIGIN = record(
    "origin",
    origin=record(
        "id",
        "type",
        id=COUNT,
        type=STRING,
        **dict.fromkeys(("order_number", "event_number"), _NUMBER_OR_NULL),
        subtotal=_AMOUNT_OR_NULL,
        **dict.fromkeys(("event_category", "customer_id", "ip_address", "refunded_at", "coupon_code"), OR_NULL),
    ),
    offer={"type": ["object", "null"], "description": "What the person is offered; null: nothing"},
    claim_links={"type": ["object", "array", "null"]},
)
