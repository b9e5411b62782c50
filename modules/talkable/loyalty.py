"""The modules about members of Talkable's own loyalty program."""

from __future__ import annotations

from functools import partial

from engine import Action, Effect, field, options
from modules.talkable import schemas as s

_PATH = "/loyalty/members/{email}"
_OUTPUT = "result.loyalty_member"
of_member = partial(Action, connection="talkable", output=s.MEMBER)

GET_LOYALTY_MEMBER = of_member(
    name="get_loyalty_member",
    title="Get a Loyalty Member",
    description="Reads a member's points and custom properties.",
    config=options("email", email=s.PERSON_EMAIL),
    effect=Effect.READ,
    request=s.read(_PATH, _OUTPUT),
    example={"email": "ana@example.com"},
)
UPDATE_LOYALTY_MEMBER = of_member(
    name="update_loyalty_member",
    title="Update a Loyalty Member",
    description="Changes a member's custom properties. They are stored as text: `t` for true, `123` for 123.",
    config=options("email", "custom_properties", email=s.PERSON_EMAIL, custom_properties=s.CUSTOM_PROPERTIES),
    effect=Effect.IDEMPOTENT,
    request=s.write("PUT", _PATH, _OUTPUT, "{custom_properties: custom_properties}"),
    example={"email": "ana@example.com", "custom_properties": {"contest_participant": True}},
)
# No probe: a member shows the balance alone, and others may change it meanwhile.
ADJUST_POINTS = of_member(
    name="adjust_points",
    title="Adjust Points",
    description="Gives a member points, or takes them. Twice is not once.",
    config=options(
        "email",
        "points",
        email=s.PERSON_EMAIL,
        points=field("Points", "How many: less than zero takes them away.", s.COUNT, **{"not": {"const": 0}}),
        description=field("Description", "What for, such as: for being a loyal customer.", s.TEXT),
    ),
    effect=Effect.WRITE,
    request=s.write("POST", f"{_PATH}/manual_adjustment_actions", _OUTPUT, "pick_keys(@, 'points', 'description')"),
    example={"email": "ana@example.com", "points": 100, "description": "For being a loyal customer"},
)

LOYALTY = (GET_LOYALTY_MEMBER, UPDATE_LOYALTY_MEMBER, ADJUST_POINTS)
