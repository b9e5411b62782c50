"""What the vendor refuses, and in which envelope."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from modules.simulation import Refused

_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
PERSON = ("first_name", "last_name", "username", "customer_id", "person_custom_properties")
_COMMON = (
    *("email", "customer_id", "first_name", "last_name", "person_custom_properties", "uuid", "ip_address"),
    *("traffic_source", "campaign_tags", "sharing_channels"),
)
#: by type: what an origin must have, and what it may have besides
ORIGINS: Mapping[str, tuple[Collection[str], Collection[str]]] = {
    "AffiliateMember": (("email",), _COMMON),
    "Purchase": (("email", "subtotal", "order_number"), (*_COMMON, "items", "coupon_code")),
    "Event": (("email", "event_number", "event_category"), (*_COMMON, "subtotal", "coupon_code")),
}


def error_body(message: str) -> dict[str, Any]:
    """The vendor's envelope of an error."""
    return {"ok": False, "error_message": message}


def bad(message: str) -> Refused:
    """A required parameter is missing, or is none that is known."""
    return Refused(400, error_body(message))


def absent(what: str) -> Refused:
    return Refused(404, error_body(f"{what} not found"))


def invalid(message: str) -> Refused:
    """A value breaks a rule."""
    return Refused(422, error_body(message))


def data_of(body: Any, known: Collection[str], required: Collection[str] = ()) -> dict[str, Any]:
    """The ``data`` of a write, if it stands where it must and has what it must."""
    data = body.get("data")
    if not isinstance(data, dict):
        raise bad("Parameter data is missing or is no object")
    for name in required:
        if data.get(name) in (None, ""):
            raise bad(f"Parameter data.{name} is missing")
    if unknown := sorted(set(data) - set(known) - set(required)):
        raise bad(f"Parameter data.{unknown[0]} is unknown")
    return data


def email(value: Any) -> str:
    if not isinstance(value, str) or not _EMAIL.fullmatch(value):
        raise invalid("Email is invalid")
    return value.lower()


def properties(value: Any, nest: str | None = None) -> dict[str, Any]:
    """Custom properties that break no rule.

    :param nest: a name under which an object of them may stand all the same.
    """
    if not isinstance(value, dict):
        raise invalid("Custom properties must be an object")
    for name, one in value.items():
        if not _NAME.fullmatch(name):
            raise invalid(f"Custom property name {name} is invalid")
        if nest is not None and name == nest and isinstance(one, dict):
            properties(one)
        elif not isinstance(one, str | int | float | bool):
            raise invalid(f"Custom property {name} must be flat")
    return value


def as_stored(value: Any) -> str:
    """How a member's property is kept: as text."""
    if isinstance(value, bool):
        return "t" if value else "f"
    return str(value)
