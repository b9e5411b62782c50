"""The module *Retrieve Customer Details by Email*."""

from __future__ import annotations

from collections.abc import Mapping

from engine import Action, Call, Effect, Json, NotFound, Schema, VendorError, field, options
from modules.yotpo_developer.connection import CUSTOMER_AT, CUSTOMERS_PATH

_COUNT: Schema = {"type": ["integer", "null"]}
_AVERAGE: Schema = {"type": ["number", "null"]}


def _told(what: str, schema: Schema = _COUNT) -> Schema:
    return {**schema, "description": what}


#: The vendor's attributes of a customer. Their names are the vendor's; their types are inferred from what they tell.
#: Whether one is left out or null where there is nothing to tell is not described: so none is promised.
ATTRIBUTES: Mapping[str, Schema] = {
    "total_reviews": _told("How many reviews the customer wrote."),
    "avg_product_rating": _told("Stars of the product reviews, on average.", _AVERAGE),
    "avg_site_rating": _told("Stars of the site reviews, on average.", _AVERAGE),
    "total_avg_rating": _told("Stars of all reviews, on average.", _AVERAGE),
    "avg_sentiment_product": _told("Sentiment of the product reviews, on average.", _AVERAGE),
    "avg_sentiment_site": _told("Sentiment of the site reviews, on average.", _AVERAGE),
    "total_avg_sentiment": _told("Sentiment of all reviews, on average.", _AVERAGE),
    "top_topics": _told("What the customer writes of most.", {"type": ["array", "null"], "items": {"type": "string"}}),
    "points_earned": _told("All points that the customer ever earned."),
    "point_balance": _told("Points now; the Loyalty API calls them `points_balance`."),
    "total_redemptions": _told("How often the customer redeemed, by its name; the vendor's page has it the other way."),
    "total_points_redeemed": _told(
        "How many points were redeemed, by its name; the vendor's page has it the other way."
    ),
    "vip_tier_name": _told("The tier; null without one.", {"type": ["string", "null"]}),
    "successful_referrals": _told("Friends who bought."),
    "referrals_made_and_clicked": _told("How often the customer's link was clicked by friends."),
    "is_referred_by_other_customer": _told("Whether another customer brought this one.", {"type": ["boolean", "null"]}),
}
CUSTOMER: Schema = {"type": "object", "properties": dict(ATTRIBUTES)}

CONFIG = options(
    "customer_email",
    customer_email=field("Customer Email", "Whom to look for.", type="string", pattern="^[^@\\s]+@[^@\\s]+$"),
    if_unknown=field(
        "If unknown",
        "What becomes of the step where the vendor knows no such customer: fail (NotFound), or null as output: "
        "somebody can be in the loyalty program without having written a review.",
        type="string",
        enum=["fail", "null"],
        default="fail",
    ),
)


def output(config: Mapping[str, Json]) -> Schema:
    """A customer, or null where that was asked for."""
    wanted = config.get("if_unknown", "fail")
    return CUSTOMER if wanted == "fail" else {**CUSTOMER, "type": ["object", "null"]}


async def retrieve(call: Call) -> Json:
    try:
        return await _look(call)
    except NotFound:
        if call.config.get("if_unknown") == "null":
            return None
        raise


async def _look(call: Call) -> Json:
    answer = await call.http.request("GET", CUSTOMERS_PATH, query={"customer_email": call.config["customer_email"]})
    place = call.connection.get("customer_at", CUSTOMER_AT)
    found = answer.json()
    for key in place.split(".") if place else ():
        found = found.get(key) if isinstance(found, Mapping) else None
    if found is None:
        raise NotFound("the vendor knows no such customer", status=answer.status, detail=answer.readable)
    if not isinstance(found, Mapping) or not any(name in found for name in ATTRIBUTES):
        raise VendorError(
            f"the answer has none of a customer's attributes {f'under {place!r}' if place else 'at its top'}",
            status=answer.status,
            detail=answer.readable,
            hint="if they stand elsewhere in it, set customer_at of the connection",
        )
    return found


RETRIEVE_CUSTOMER = Action(
    name="retrieve_customer",
    title="Retrieve Customer Details by Email",
    description="Reads what a customer's reviews come to, and where the customer stands in the loyalty program.",
    connection="yotpo_developer",
    config=CONFIG,
    output=output,
    effect=Effect.READ,
    run=retrieve,
    example={"customer_email": "ana@example.com"},
)
