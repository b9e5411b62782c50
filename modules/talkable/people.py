"""The modules about people, and about what a Yotpo program says of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from engine import Action, Call, Effect, Happened, Json, NotFound, ProbeResult, VendorError
from modules.talkable import schemas as s
from modules.talkable.connection import FORM

#: What stands before a name where the values are flat. Inferred, as the form is.
PREFIX = "yotpo_"
#: Where they are nested, and what the vendor's own app for Yotpo uses.
NEST = "yotpo"
#: What is stored for who has no tier. Inferred: the vendor takes text, and was not seen to take null.
NO_TIER = ""

GET_PERSON = Action(
    name="get_person",
    title="Get a Person",
    description="Reads a person with custom properties and counts of referrals, rewards and shares.",
    connection="talkable",
    config=s.config({"person": s.PERSON_SLUG}, "person"),
    output=s.PERSON,
    effect=Effect.READ,
    request=s.read("/people/{person}", "person"),
    example={"person": "ana@example.com"},
)

CREATE_OR_UPDATE_PERSON = Action(
    name="create_or_update_person",
    title="Create or Update a Person",
    description="Changes what is given of a person, and creates one who is not there.",
    connection="talkable",
    config=s.config(
        {
            "email": s.PERSON_EMAIL,
            "first_name": s.titled("First Name", s.TEXT, "Given name."),
            "last_name": s.titled("Last Name", s.TEXT, "Family name."),
            "username": s.titled("Username", s.TEXT, "Names the person beside the e-mail address."),
            "customer_id": s.titled("Customer ID", s.TEXT, "The person's identifier in your system."),
            "person_custom_properties": s.CUSTOM_PROPERTIES,
        },
        "email",
        minProperties=2,
    ),
    output=s.PERSON,
    # what is given is set rather than added, so that twice is once
    effect=Effect.IDEMPOTENT,
    request=s.write("PUT", "/people/{email}", "person", "omit_keys(@, 'email')"),
    example={"email": "ana@example.com", "person_custom_properties": {"price_plan": "platinum"}},
)

UNSUBSCRIBE_PERSON = Action(
    name="unsubscribe_person",
    title="Unsubscribe a Person",
    description="Ends e-mails to a person.",
    connection="talkable",
    config=s.config({"email": s.PERSON_EMAIL}, "email"),
    output=s.PERSON,
    effect=Effect.IDEMPOTENT,
    request=s.write("POST", "/people/{email}/unsubscribe", "person"),
    example={"email": "ana@example.com"},
)


def _path(call: Call) -> str:
    return f"/people/{quote(call.config['email'], safe='')}"


async def was_anonymized(call: Call, _sent_at: datetime) -> Happened | ProbeResult:
    """Nobody is there under the address any more, for a person who was."""
    site = {"site_slug": call.connection.get("site_slug")}
    try:
        await call.http.request("GET", _path(call), query=site)
    except NotFound:
        return Happened(None)
    return ProbeResult.ABSENT


ANONYMIZE_PERSON = Action(
    name="anonymize_person",
    title="Anonymize a Person",
    description="Takes name and address from a person for good. A second time there is nobody of this address.",
    connection="talkable",
    config=s.config({"email": s.PERSON_EMAIL}, "email"),
    # null where a look told that it has happened: what the person is called now, nobody can look up
    output={**s.PERSON, "type": ["object", "null"]},
    effect=Effect.WRITE,
    request=s.write("POST", "/people/{email}/anonymize", "person"),
    probe=was_anonymized,
    example={"email": "ana@example.com"},
)

GET_PERSONAL_DATA = Action(
    name="get_personal_data",
    title="Get Personal Data",
    description="Reads all that is stored of a person, for a request of access.",
    connection="talkable",
    config=s.config({"email": s.PERSON_EMAIL}, "email"),
    output={"type": "object", "additionalProperties": True, "description": "Its form is not described"},
    effect=Effect.READ,
    request=s.read("/people/{email}/personal_data"),
    example={"email": "ana@example.com"},
)

_COUNT = {"type": "integer", "minimum": 0}

#: as the vendor publishes them, misspellings included: campaigns read them under these names
LOYALTY: dict[str, Any] = {
    "points_earned": s.titled("Points Earned", _COUNT, "Points that the customer ever earned."),
    "point_balance": s.titled("Point Balance", {"type": "integer"}, "Points that the customer has."),
    "total_redemptions": s.titled("Total Redemptions", _COUNT, "How often the customer redeemed points."),
    "total_points_redeemed": s.titled("Total Points Redeemed", _COUNT, "Points that the customer redeemed."),
    "vip_tier_name": s.titled(
        "VIP Tier Name", {"type": ["string", "null"]}, "Null: the customer has none, which is stored as an empty text."
    ),
    "successfull_referales": s.titled(
        "Successful Referrals", _COUNT, "The key is misspelled, as the vendor publishes it."
    ),
    "referrales_made_and_clicked": s.titled(
        "Referrals Made and Clicked", _COUNT, "The key is misspelled, as the vendor publishes it."
    ),
}


async def sync(call: Call) -> Json:
    values = {name: NO_TIER if value is None else value for name, value in call.config.items() if name != "email"}
    properties: dict[str, Any] = {f"{PREFIX}{name}": value for name, value in values.items()}
    if call.connection.get("yotpo_properties", FORM) == "nested":
        properties = {NEST: values}
    answer = await call.http.request(
        "PUT",
        _path(call),
        json={"site_slug": call.connection["site_slug"], "data": {"person_custom_properties": properties}},
    )
    body = answer.json()
    person = body["result"]["person"] if isinstance(body, dict) and "result" in body else None
    if not isinstance(person, dict):
        raise VendorError("the answer has no person", status=answer.status, detail=answer.readable)
    return person


SYNC_LOYALTY_DATA = Action(
    name="sync_loyalty_data",
    title="Sync Loyalty Data",
    description=(
        "Stores what a Yotpo loyalty program says of a customer with the person, under the names that the vendor's own "
        "app for Yotpo publishes. Campaigns can show them and target by them."
    ),
    connection="talkable",
    config=s.config({"email": s.PERSON_EMAIL, **LOYALTY}, "email", minProperties=2),
    output=s.PERSON,
    effect=Effect.IDEMPOTENT,
    run=sync,
    example={"email": "ana@example.com", "point_balance": 640, "vip_tier_name": "GOLD"},
)

PEOPLE = (
    GET_PERSON,
    CREATE_OR_UPDATE_PERSON,
    SYNC_LOYALTY_DATA,
    UNSUBSCRIBE_PERSON,
    ANONYMIZE_PERSON,
    GET_PERSONAL_DATA,
)
