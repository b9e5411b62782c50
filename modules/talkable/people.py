"""The modules about people, and about what a Yotpo program says of them."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import quote

from engine import Action, Call, Effect, Happened, NotFound, ProbeResult, Schema, field, options
from modules.talkable import schemas as s

#: What stands before a name where the values are flat. Inferred, as the form is.
PREFIX = "yotpo_"
#: Where they are nested, and what the vendor's own app for Yotpo uses.
NEST = "yotpo"
#: What is stored for who has no tier. Inferred: the vendor takes text, and was not seen to take null.
NO_TIER = ""

_OUTPUT = "result.person"
_OF_EMAIL = options("email", email=s.PERSON_EMAIL)
_ANA = {"email": "ana@example.com"}
of_person = partial(Action, connection="talkable", output=s.PERSON)

GET_PERSON = of_person(
    name="get_person",
    title="Get a Person",
    description="Reads a person with custom properties and counts of referrals, rewards and shares.",
    config=options("person", person=s.PERSON_SLUG),
    effect=Effect.READ,
    request=s.read("/people/{person}", _OUTPUT),
    example={"person": "ana@example.com"},
)
CREATE_OR_UPDATE_PERSON = of_person(
    name="create_or_update_person",
    title="Create or Update a Person",
    description="Changes what is given of a person, and creates one who is not there.",
    config={
        **options(
            "email",
            email=s.PERSON_EMAIL,
            **s.PERSON_FIELDS,
            username=field("Username", "Names the person beside the e-mail address.", s.TEXT),
        ),
        "minProperties": 2,
    },
    # what is given is set rather than added, so that twice is once
    effect=Effect.IDEMPOTENT,
    request=s.write("PUT", "/people/{email}", _OUTPUT, "omit_keys(@, 'email')"),
    example={**_ANA, "person_custom_properties": {"price_plan": "platinum"}},
)
UNSUBSCRIBE_PERSON = of_person(
    name="unsubscribe_person",
    title="Unsubscribe a Person",
    description="Ends e-mails to a person.",
    config=_OF_EMAIL,
    effect=Effect.IDEMPOTENT,
    request=s.write("POST", "/people/{email}/unsubscribe", _OUTPUT),
    example=_ANA,
)


async def was_anonymized(call: Call, _sent_at: datetime) -> Happened | ProbeResult:
    """Nobody is there under the address any more, for a person who was."""
    site = {"site_slug": call.connection.get("site_slug")}
    try:
        await call.http.request("GET", f"/people/{quote(call.config['email'], safe='')}", query=site)
    except NotFound:
        return Happened(None)
    return ProbeResult.ABSENT


ANONYMIZE_PERSON = of_person(
    name="anonymize_person",
    title="Anonymize a Person",
    description="Takes name and address from a person for good. A second time there is nobody of this address.",
    config=_OF_EMAIL,
    # null where a look told that it has happened: what the person is called now, nobody can look up
    output={**s.PERSON, "type": ["object", "null"]},
    effect=Effect.WRITE,
    request=s.write("POST", "/people/{email}/anonymize", _OUTPUT),
    probe=was_anonymized,
    example=_ANA,
)
GET_PERSONAL_DATA = of_person(
    name="get_personal_data",
    title="Get Personal Data",
    description="Reads all that is stored of a person, for a request of access.",
    config=_OF_EMAIL,
    output={**s.OBJECT, "description": "Its form is not described"},
    effect=Effect.READ,
    request=s.read("/people/{email}/personal_data", "result"),
    example=_ANA,
)

_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_MISSPELLED = "The key is misspelled, as the vendor publishes it."
#: as the vendor publishes them, misspellings included: campaigns read them under these names
LOYALTY: dict[str, Schema] = {
    "points_earned": field("Points Earned", "Points that the customer ever earned.", _COUNT),
    "point_balance": field("Point Balance", "Points that the customer has.", s.COUNT),
    "total_redemptions": field("Total Redemptions", "How often the customer redeemed points.", _COUNT),
    "total_points_redeemed": field("Total Points Redeemed", "Points that the customer redeemed.", _COUNT),
    "vip_tier_name": field(
        "VIP Tier Name", "Null: the customer has none, which is stored as an empty text.", s.OR_NULL
    ),
    "successfull_referales": field("Successful Referrals", _MISSPELLED, _COUNT),
    "referrales_made_and_clicked": field("Referrals Made and Clicked", _MISSPELLED, _COUNT),
}
_NESTED = f"to_object(entries(omit_keys(@, 'email')), &key, &not_null(value, '{NO_TIER}'))"
_FLAT = f"to_object(entries(omit_keys(@, 'email')), &concat('{PREFIX}', key), &not_null(value, '{NO_TIER}'))"

SYNC_LOYALTY_DATA = of_person(
    name="sync_loyalty_data",
    title="Sync Loyalty Data",
    description="Stores what a Yotpo loyalty program says of a customer with the person, under the names that the "
    "vendor's own app for Yotpo publishes. Campaigns can show them and target by them.",
    config={**options("email", email=s.PERSON_EMAIL, **LOYALTY), "minProperties": 2},
    effect=Effect.IDEMPOTENT,
    request=s.write(
        "PUT",
        "/people/{email}",
        _OUTPUT,
        f"{{person_custom_properties: if(connection.yotpo_properties == 'nested', {{{NEST}: {_NESTED}}}, {_FLAT})}}",
    ),
    example={**_ANA, "point_balance": 640, "vip_tier_name": "GOLD"},
)

PERSONAL = (ANONYMIZE_PERSON, GET_PERSONAL_DATA)
PEOPLE = (GET_PERSON, CREATE_OR_UPDATE_PERSON, SYNC_LOYALTY_DATA, UNSUBSCRIBE_PERSON, *PERSONAL)
