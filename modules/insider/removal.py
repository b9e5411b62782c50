"""The modules that take something away: attributes, the personal data of a user, a user."""

from __future__ import annotations

from engine import Action, Batch, Call, Done, Effect, Refused, Request, Unknown, field, options
from modules.insider.answers import outcomes
from modules.insider.connection import (
    ANONYMIZE_PATH,
    DELETE_ATTRIBUTES_PATH,
    DELETE_USER_PATH,
    ENVELOPE,
    LARGEST_REQUEST,
    MOST_USERS,
)
from modules.insider.schemas import IDENTIFIERS, USER_TO_STRIP, known_by

_ONE = options("identifiers", identifiers=IDENTIFIERS)
_NOTHING = field("Nothing", "The vendor says nothing more.", type="null")


async def strip(call: Call) -> list[Done | Refused | Unknown]:
    users = call.config["users"]
    response = await call.http.request("POST", DELETE_ATTRIBUTES_PATH, json={"users": users})
    return list(outcomes(response, len(users)))


DELETE_ATTRIBUTES = Action(
    name="delete_attributes",
    title="Delete Attributes",
    description=(
        "Deletes attributes of users, or takes values out of their lists, up to 1,000 users in one request. It cannot "
        "be undone. Identifiers cannot be deleted by it."
    ),
    connection="insider",
    config=options(
        "users",
        users=field(
            "Users",
            "The users, and what is deleted of each.",
            type="array",
            minItems=1,
            maxItems=MOST_USERS,
            items=USER_TO_STRIP,
        ),
    ),
    output={"type": "null"},
    effect=Effect.IDEMPOTENT,
    run=strip,
    batch=Batch(items="users", key=known_by, most=MOST_USERS, max_bytes=LARGEST_REQUEST - ENVELOPE),
    example={"users": [{"identifiers": {"email": "ana@example.com"}, "whole": ["age"]}]},
)

DELETE_USER = Action(
    name="delete_user",
    title="Delete a User",
    description="Deletes a user with all data, as who asks to be forgotten may demand. It cannot be undone.",
    connection="insider",
    config=_ONE,
    output=_NOTHING,
    effect=Effect.IDEMPOTENT,
    request=Request("POST", DELETE_USER_PATH, body="{identifiers: identifiers}", gives="null"),
    example={"identifiers": {"email": "ana@example.com"}},
)

ANONYMIZE_USER = Action(
    name="anonymize_user",
    title="Anonymize a User",
    description=(
        "Deletes the personal data of a user, and leaves the user without a name. It cannot be undone. A user whom the "
        "vendor does not have, or has no longer by this identifier, is NotFound."
    ),
    connection="insider",
    config=_ONE,
    output=_NOTHING,
    effect=Effect.IDEMPOTENT,
    request=Request("POST", ANONYMIZE_PATH, body="{identifiers: identifiers}", gives="null"),
    example={"identifiers": {"email": "ana@example.com"}},
)
