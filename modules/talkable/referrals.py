"""The modules about origins (purchases, events, sign-ups), referrals, rewards and campaigns."""

from __future__ import annotations

from collections.abc import Mapping

from engine import Action, Conflict, Effect, ErrorTable, Request, Schema, Search
from modules.talkable import schemas as s
from modules.talkable.connection import ERRORS

_COMMON: Mapping[str, Schema] = {
    "email": s.PERSON_EMAIL,
    "customer_id": s.titled("Customer ID", s.TEXT, "The person's identifier in your system."),
    "first_name": s.titled("First Name", s.TEXT, "Given name."),
    "last_name": s.titled("Last Name", s.TEXT, "Family name."),
    "person_custom_properties": s.CUSTOM_PROPERTIES,
    "uuid": s.titled("UUID", s.TEXT, "The visitor's, as a claim page gave it."),
    "ip_address": s.titled("IP Address", s.TEXT, "The person's; `current` means that of the request."),
    "traffic_source": s.titled("Traffic Source", s.TEXT, "Tells several points of integration apart."),
    "campaign_tags": s.titled(
        "Campaign Tags", {"type": "array", "items": s.TEXT}, "Which campaigns may make an offer."
    ),
    "sharing_channels": s.titled("Sharing Channels", {"type": "array", "items": s.TEXT}, "For which to make links."),
}
_AMOUNT: Schema = {"type": "number", "minimum": 0}
_NUMBER: Schema = {"type": ["string", "integer"], "minLength": 1}
_COUPON = s.titled("Coupon Code", s.TEXT, "The coupon that was used.")
_ITEMS: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["price", "quantity", "product_id"],
        "additionalProperties": False,
        "properties": {
            "price": s.titled("Price", _AMOUNT, "Of one."),
            "quantity": s.titled("Quantity", {"type": "integer", "minimum": 1}, "How many."),
            "product_id": s.titled("Product ID", s.TEXT, "The product's identifier in your shop."),
        },
    },
}


def _origin(kind: str, name: str, title: str, description: str, *required: str, **more: Schema) -> Action:
    # Whether a second one of the same number counts again was not found, and there is nothing to look it up by.
    return Action(
        name=name,
        title=title,
        description=description,
        connection="talkable",
        config=s.config({**_COMMON, **more}, "email", *required),
        output=s.ORIGIN,
        effect=Effect.WRITE,
        request=Request(
            "POST",
            "/origins",
            body=f"{{site_slug: connection.site_slug, type: '{kind}', data: @}}",
            output="result",
        ),
        example={"email": "ana@example.com", **_EXAMPLES[kind]},
    )


_EXAMPLES: Mapping[str, Mapping[str, object]] = {
    "AffiliateMember": {"campaign_tags": ["invite"]},
    "Purchase": {
        "order_number": "1001",
        "subtotal": 100,
        "items": [{"price": 25, "quantity": 4, "product_id": "TSHIRT"}],
    },
    "Event": {"event_category": "newsletter_subscription", "event_number": "42"},
}

REGISTER_AFFILIATE_MEMBER = _origin(
    "AffiliateMember",
    "register_affiliate_member",
    "Register an Affiliate Member",
    "Tells of a person who may share, such as one who has signed up.",
)
REGISTER_PURCHASE = _origin(
    "Purchase",
    "register_purchase",
    "Register a Purchase",
    "Tells of a purchase that was not made on the site, so that referrals count it.",
    "order_number",
    "subtotal",
    order_number=s.titled("Order Number", _NUMBER, "By which the referral is found later."),
    subtotal=s.titled("Subtotal", _AMOUNT, "What was paid for the goods."),
    items=s.titled("Items", _ITEMS, "What was bought."),
    coupon_code=_COUPON,
)
REGISTER_EVENT = _origin(
    "Event",
    "register_event",
    "Register an Event",
    "Tells of an event, such as the third month of a subscription, so that referrals count it.",
    "event_category",
    "event_number",
    event_category=s.titled("Event Category", s.TEXT, "Its kind, as campaigns name it."),
    event_number=s.titled("Event Number", _NUMBER, "Which one of its kind it is."),
    subtotal=s.titled("Subtotal", _AMOUNT, "What was paid, where something was."),
    coupon_code=_COUPON,
)

UPDATE_REFERRAL = Action(
    name="update_referral",
    title="Approve or Void a Referral",
    description="Settles the referral that a purchase or event belongs to. What is settled cannot be turned round.",
    connection="talkable",
    config=s.config(
        {
            "origin": s.titled(
                "Origin",
                s.TEXT,
                "The order number of the purchase, or event_category:event_number, such as newsletter_subscription:42.",
            ),
            "status": s.titled("Status", {"type": "string", "enum": ["approved", "voided"]}, "What becomes of it."),
        },
        "origin",
        "status",
    ),
    output=s.REFERRAL,
    # the same status again changes nothing
    effect=Effect.IDEMPOTENT,
    request=Request(
        "PUT",
        "/origins/{origin}/referral",
        body="{site_slug: connection.site_slug, data: {status: status}}",
        output="result.referral",
        # the status is one of two, so that what is refused is the turn
        errors=ErrorTable(types={422: Conflict}, refused=ERRORS.refused, said=ERRORS.said, body=ERRORS.body),
    ),
    example={"origin": "1001", "status": "approved"},
)


def _list(
    name: str, title: str, description: str, config: Schema, item: Schema, request: Request, example: object
) -> Search:
    return Search(
        name=name,
        title=title,
        description=description,
        connection="talkable",
        config=config,
        output={"type": "array", "items": item},
        request=request,
        example=example,
    )


_OF_PERSON = s.config({"person": s.PERSON_SLUG}, "person")
_ANA = {"person": "ana@example.com"}

LIST_REFERRALS = _list(
    "list_referrals",
    "List Referrals of an Advocate",
    "Finds the referrals of a person who has shared.",
    _OF_PERSON,
    s.REFERRAL,
    s.read("/people/{person}/referrals_as_advocate", "referrals"),
    _ANA,
)
LIST_PERSON_REWARDS = _list(
    "list_person_rewards",
    "List Rewards of a Person",
    "Finds the rewards that a person has earned.",
    _OF_PERSON,
    s.REWARD,
    s.read("/people/{person}/rewards", "rewards"),
    _ANA,
)
LIST_REWARDS = _list(
    "list_rewards",
    "List Rewards of a Visitor",
    "Finds the rewards of a visitor who is known by a UUID.",
    s.config(
        {
            "visitor_uuid": s.titled("Visitor UUID", s.TEXT, "As a claim page gave it."),
            "status": s.titled(
                "Status",
                {"type": "string", "enum": ["Paid", "Unpaid", "Voided", "All"]},
                "Which of them; those that are paid when left out.",
            ),
        },
        "visitor_uuid",
    ),
    s.REWARD,
    s.read("/rewards", "rewards", "{site_slug: connection.site_slug, visitor_uuid: visitor_uuid, status: status}"),
    {"visitor_uuid": "8a55ef82-82c1-4596-babb-e989fd717965", "status": "All"},
)
LIST_SHARES = _list(
    "list_shares",
    "List Shares of a Person",
    "Finds what a person has shared.",
    _OF_PERSON,
    s.record(
        {
            "id": {"type": "integer"},
            "type": {"type": "string"},
            "channel_identifier": {"type": ["string", "null"], "description": "Such as facebook"},
            "short_url": {"type": ["string", "null"]},
            "friends_count": {"type": "integer"},
            "friend_clicks_count": {"type": "integer"},
            "offer": {"type": ["object", "null"]},
            "campaign": {"type": ["object", "null"]},
        },
        "id",
    ),
    s.read("/people/{person}/shares_by", "shares"),
    _ANA,
)
LIST_CAMPAIGNS = _list(
    "list_campaigns",
    "List Campaigns",
    "Finds the site's campaigns.",
    s.config({}),
    s.CAMPAIGN,
    s.read("/campaigns", "campaigns"),
    {},
)

REFERRALS = (
    REGISTER_AFFILIATE_MEMBER,
    REGISTER_PURCHASE,
    REGISTER_EVENT,
    UPDATE_REFERRAL,
    LIST_REFERRALS,
    LIST_PERSON_REWARDS,
    LIST_REWARDS,
    LIST_SHARES,
    LIST_CAMPAIGNS,
)
