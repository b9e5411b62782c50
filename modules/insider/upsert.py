"""The modules *Upsert Users* and *Upsert a User*."""

from __future__ import annotations

from typing import Any

from engine import Action, Batch, Call, Config, DataError, Done, Effect, Json, Refused, Schema, Unknown, field, options
from modules.insider.answers import outcomes
from modules.insider.connection import ENVELOPE, LARGEST_REQUEST, MOST_USERS, UPSERT_PATH
from modules.insider.schemas import USER, known_by, without_nulls

_OPTIONS: dict[str, Any] = {
    "skip_hook": field(
        "Skip Hook",
        "True: what is sent starts no journey and feeds no data stream, as suits historical data.",
        type="boolean",
        default=False,
    ),
    "error_callback_endpoint": field(
        "Error Callback Endpoint",
        "A URL that the vendor tells when a request fails later, on its side.",
        {"x-place": "url"},
        type="string",
        pattern="^https?://[^\\s]+$",
    ),
    "may_repeat": field(
        "May Repeat",
        "True: a request whose outcome is not known is sent again although it has events, or adds to lists. The vendor "
        "keeps the same event once; a journey may start twice all the same. Without it a person is asked.",
        type="boolean",
        default=False,
    ),
}
_USERS = field("Users", "The users, at most 1,000 and 5 MB.", type="array", minItems=1, maxItems=MOST_USERS, items=USER)
USERS_CONFIG = options("users", users=_USERS, **_OPTIONS)
USER_CONFIG: Schema = {**USER, "properties": {**USER["properties"], **_OPTIONS}}


def effect(config: Config) -> Effect:
    """Attributes twice are attributes once; events, and values that are added to lists, may not be."""
    users = config.get("users", [config])
    if config.get("may_repeat") or not any(map(_adds, users)):
        return Effect.IDEMPOTENT
    return Effect.WRITE


def _adds(user: Json) -> bool:
    # an expression at load, or what a schema would refuse
    if not isinstance(user, dict) or user.get("events"):
        return True
    replaces = not user["append"] if "append" in user else bool(user.get("not_append"))
    attributes = user.get("attributes") or {}
    values = [*attributes.values(), *(attributes.get("custom") or {}).values()]
    return not replaces and any(isinstance(value, list) for value in values)


def _options(config: Config) -> dict[str, Any]:
    return {key: config[key] for key in ("skip_hook", "error_callback_endpoint") if key in config}


async def upsert(call: Call, users: list[Json]) -> list[Done | Refused | Unknown]:
    """Send users, and say what became of each."""
    found: list[Done | Refused | Unknown] = [Refused(DataError("nothing of it has a value", refused=True))] * len(users)
    sent = [(place, whole) for place, user in enumerate(users) if _tells(whole := without_nulls(user))]
    if sent:
        body = {**_options(call.config), "users": [user for _, user in sent]}
        response = await call.http.request("POST", UPSERT_PATH, json=body)
        for (place, _), outcome in zip(sent, outcomes(response, len(sent)), strict=True):
            found[place] = outcome
    return found


def _tells(user: Json) -> bool:
    return "attributes" in user or "events" in user


async def run_many(call: Call) -> list[Done | Refused | Unknown]:
    return await upsert(call, call.config["users"])


async def run_one(call: Call) -> Json:
    user = {key: value for key, value in call.config.items() if key not in _OPTIONS}
    [outcome] = await upsert(call, [user])
    if not isinstance(outcome, Done):
        raise outcome.error
    return {"key": known_by(user)}


_EXAMPLE: dict[str, Any] = {
    "identifiers": {"email": "ana@example.com"},
    "attributes": {"name": "Ana", "custom": {"yotpo_point_balance": 640, "yotpo_vip_tier_name": "SILVER"}},
    "not_append": True,
    "events": [
        {
            "event_name": "points_earned",
            "timestamp": "2024-03-05T09:00:00Z",
            "event_params": {"custom": {"yotpo_event_reward_point": 200}},
        }
    ],
}

UPSERT_USERS = Action(
    name="upsert_users",
    title="Upsert Users",
    description=(
        "Creates users, or adds to what is known of them: attributes and events, up to 1,000 users in one request. "
        "Each user has an outcome of its own, and only those that were not taken are sent again."
    ),
    connection="insider",
    config=USERS_CONFIG,
    output={"type": "null"},
    effect=effect,
    run=run_many,
    batch=Batch(items="users", key=known_by, most=MOST_USERS, max_bytes=LARGEST_REQUEST - ENVELOPE),
    example={"users": [_EXAMPLE]},
)

UPSERT_USER = Action(
    name="upsert_user",
    title="Upsert a User",
    description="Creates a user, or adds to what is known of them: attributes and events.",
    connection="insider",
    config=USER_CONFIG,
    output={
        "type": "object",
        "title": "User",
        "description": "The user that was sent.",
        "required": ["key"],
        "properties": {
            "key": field(
                "Key",
                "The first of the user's identifiers: the vendor says nothing of the user.",
                type=["string", "null"],
            )
        },
    },
    effect=effect,
    run=run_one,
    example=_EXAMPLE,
)
