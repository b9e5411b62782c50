"""The modules that take something away: attributes, the personal data of a user, a user."""

from __future__ import annotations

from engine import Action, Batch, Call, Done, Effect, Json, Refused, Schema, Unknown
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

_ONE: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["identifiers"],
    "properties": {"identifiers": IDENTIFIERS},
}
_NOTHING: Schema = {"type": "null", "title": "Nothing", "description": "The vendor says nothing more."}


async def strip(call: Call) -> list[Done | Refused | Unknown]:
    users = call.config["users"]
    response = await call.http.request("POST", DELETE_ATTRIBUTES_PATH, json={"users": users})
    return list(outcomes(response, len(users)))


async def delete(call: Call) -> Json:
    await call.http.request("POST", DELETE_USER_PATH, json={"identifiers": call.config["identifiers"]})
    return None


async def anonymize(call: Call) -> Json:
    await call.http.request("POST", ANONYMIZE_PATH, json={"identifiers": call.config["identifiers"]})
    return None


DELETE_ATTRIBUTES = Action(
    name="delete_attributes",
    title="Delete Attributes",
    description=(
        "Deletes attributes of users, or takes values out of their lists, up to 1,000 users in one request. It cannot "
        "be undone. Identifiers cannot be deleted by it."
    ),
    connection="insider",
    config={
        "type": "object",
        "additionalProperties": False,
        "required": ["users"],
        "properties": {
            "users": {
                "type": "array",
                "title": "Users",
                "description": "The users, and what is deleted of each.",
                "minItems": 1,
                "maxItems": MOST_USERS,
                "items": USER_TO_STRIP,
            },
        },
    },
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
    run=delete,
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
    run=anonymize,
    example={"identifiers": {"email": "ana@example.com"}},
)
