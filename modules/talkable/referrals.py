"""The modules about origins (purchases, events, sign-ups), referrals, rewards and campaigns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from engine import Action, Conflict, Effect, Request, Schema, Search, field, options
from modules.talkable import schemas as s
from modules.talkable.connection import ERRORS

_TEXTS: Schema = {"type": "array", "items": s.TEXT}
_AMOUNT: dict[str, Any] = {"type": "number", "minimum": 0}
_NUMBER: dict[str, Any] = {"type": ["string", "integer"], "minLength": 1}

_COMMON: Mapping[str, Schema] = {
    "email": s.PERSON_EMAIL,
    **s.PERSON_FIELDS,
    "uuid": field("UUID", "The visitor's, as a claim page gave it.", s.TEXT),
    "ip_address": field("IP Address", "The person's; `current` means that of the request.", s.TEXT),
    "traffic_source": field("Traffic Source", "Tells several points of integration apart.", s.TEXT),
    "campaign_tags": field("Campaign Tags", "Which campaigns may make an offer.", _TEXTS),
    "sharing_channels": field("Sharing Channels", "For which to make links.", _TEXTS),
}
_COUPON = field("Coupon Code", "The coupon that was used.", s.TEXT)
_ITEM = options(
    "price",
    "quantity",
    "product_id",
    price=field("Price", "Of one.", _AMOUNT),
    quantity=field("Quantity", "How many.", type="integer", minimum=1),
    product_id=field("Product ID", "The product's identifier in your shop.", s.TEXT),
)


def _origin(kind: str) -> Request:
    body = f"{{site_slug: connection.site_slug, type: '{kind}', data: @}}"
    return Request("POST", "/origins", body=body, expects="result", output="result")


origin = partial(Action, connection="talkable", output=s.ORIGIN, effect=Effect.WRITE)

# All three are writes. Whether a second one of the same number counts again was not found, and there is nothing to look
# it up by.
REGISTER_AFFILIATE_MEMBER = origin(
    name="register_affiliate_member",
    title="Register an Affiliate Member",
    description="Tells of a person who may share, such as one who has signed up.",
    config=options("email", **_COMMON),
    request=_origin("AffiliateMember"),
    example={"email": "ana@example.com", "campaign_tags": ["invite"]},
)
REGISTER_PURCHASE = origin(
    name="register_purchase",
    title="Register a Purchase",
    description="Tells of a purchase that was not made on the site, so that referrals count it.",
    config=options(
        "email",
        "order_number",
        "subtotal",
        **_COMMON,
        order_number=field("Order Number", "By which the referral is found later.", _NUMBER),
        subtotal=field("Subtotal", "What was paid for the goods.", _AMOUNT),
        items=field("Items", "What was bought.", type="array", items=_ITEM),
        coupon_code=_COUPON,
    ),
    request=_origin("Purchase"),
    example={
        "email": "ana@example.com",
        "order_number": "1001",
        "subtotal": 100,
        "items": [{"price": 25, "quantity": 4, "product_id": "TSHIRT"}],
    },
)
REGISTER_EVENT = origin(
    name="register_event",
    title="Register an Event",
    description="Tells of an event, such as the third month of a subscription, so that referrals count it.",
    config=options(
        "email",
        "event_category",
        "event_number",
        **_COMMON,
        event_category=field("Event Category", "Its kind, as campaigns name it.", s.TEXT),
        event_number=field("Event Number", "Which one of its kind it is.", _NUMBER),
        subtotal=field("Subtotal", "What was paid, where something was.", _AMOUNT),
        coupon_code=_COUPON,
    ),
    request=_origin("Event"),
    example={"email": "ana@example.com", "event_category": "newsletter_subscription", "event_number": "42"},
)
UPDATE_REFERRAL = Action(
    name="update_referral",
    title="Approve or Void a Referral",
    description="Settles the referral that a purchase or event belongs to. What is settled cannot be turned round.",
    connection="talkable",
    config=options(
        "origin",
        "status",
        origin=field(
            "Origin",
            "The order number of the purchase, or event_category:event_number, such as newsletter_subscription:42.",
            s.TEXT,
        ),
        status=field("Status", "What becomes of it.", type="string", enum=["approved", "voided"]),
    ),
    output=s.REFERRAL,
    # the same status again changes nothing
    effect=Effect.IDEMPOTENT,
    request=replace(
        s.write("PUT", "/origins/{origin}/referral", "result.referral", "{status: status}"),
        # the status is one of two, so that what is refused is the turn
        errors=replace(ERRORS, types={422: Conflict}),
    ),
    example={"origin": "1001", "status": "approved"},
)

of_person = partial(
    Search,
    connection="talkable",
    config=options("person", person=s.PERSON_SLUG),
    example={"person": "ana@example.com"},
)

LIST_REFERRALS = of_person(
    name="list_referrals",
    title="List Referrals of an Advocate",
    description="Finds the referrals of a person who has shared.",
    output={"type": "array", "items": s.REFERRAL},
    request=s.read("/people/{person}/referrals_as_advocate", "result.referrals"),
)
LIST_PERSON_REWARDS = of_person(
    name="list_person_rewards",
    title="List Rewards of a Person",
    description="Finds the rewards that a person has earned.",
    output={"type": "array", "items": s.REWARD},
    request=s.read("/people/{person}/rewards", "result.rewards"),
)
LIST_REWARDS = Search(
    name="list_rewards",
    title="List Rewards of a Visitor",
    description="Finds the rewards of a visitor who is known by a UUID.",
    connection="talkable",
    config=options(
        "visitor_uuid",
        visitor_uuid=field("Visitor UUID", "As a claim page gave it.", s.TEXT),
        status=field(
            "Status",
            "Which of them; those that are paid when left out.",
            type="string",
            enum=["Paid", "Unpaid", "Voided", "All"],
        ),
    ),
    output={"type": "array", "items": s.REWARD},
    request=s.read(
        "/rewards", "result.rewards", "{site_slug: connection.site_slug, visitor_uuid: visitor_uuid, status: status}"
    ),
    example={"visitor_uuid": "8a55ef82-82c1-4596-babb-e989fd717965", "status": "All"},
)
LIST_SHARES = of_person(
    name="list_shares",
    title="List Shares of a Person",
    description="Finds what a person has shared.",
    output={"type": "array", "items": s.SHARE},
    request=s.read("/people/{person}/shares_by", "result.shares"),
)
LIST_CAMPAIGNS = Search(
    name="list_campaigns",
    title="List Campaigns",
    description="Finds the site's campaigns.",
    connection="talkable",
    config=options(),
    output={"type": "array", "items": s.CAMPAIGN},
    request=s.read("/campaigns", "result.campaigns"),
    example={},
)

ORIGINS = (REGISTER_AFFILIATE_MEMBER, REGISTER_PURCHASE, REGISTER_EVENT)
LISTS = (LIST_REFERRALS, LIST_PERSON_REWARDS, LIST_REWARDS, LIST_SHARES, LIST_CAMPAIGNS)
REFERRALS = (*ORIGINS, UPDATE_REFERRAL, *LISTS)
