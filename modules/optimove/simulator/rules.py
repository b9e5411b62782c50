"""What the vendor refuses in an event."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from modules.optimove.connection import LONGEST_TEXT, NOT_VALID, SNAKE_CASE
from modules.optimove.send_event import VENDORS_TIME
from modules.simulation import Refused

#: parameters and their types, by event: what is set up before
Catalogue = Mapping[str, Mapping[str, str]]
_KEYS = frozenset({"tenant", "event", "customer", "visitor", "timestamp", "context"})


def error_body(message: str) -> dict[str, Any]:
    return {"status": "error", "message": message}


def invalid(status: int, problem: str) -> Refused:
    """A refusal in the vendor's words, to be raised."""
    return Refused(status, error_body(f"{NOT_VALID} with the following error - {problem}"))


def problem_of(body: Any, tenant: int, catalogue: Catalogue, most: int) -> str | None:
    """What is wrong with a request; None: nothing.

    :param most: parameters that one event may have.
    """
    if not isinstance(body, dict) or type(body.get("tenant")) is not int or body["tenant"] != tenant:
        return "tenantId is missing or invalid"
    return _about(body, catalogue) or _context(body["context"], catalogue[body["event"]], most)


def _about(body: dict[str, Any], catalogue: Catalogue) -> str | None:
    event = body.get("event")
    if not isinstance(event, str) or not re.fullmatch(SNAKE_CASE, event):
        return "event is missing or invalid"
    if event not in catalogue:
        return f"event {event} is not configured"
    if unknown := sorted(set(body) - _KEYS):
        return f"{', '.join(unknown)} is not allowed"
    named = [key for key in ("customer", "visitor") if key in body]
    if len(named) != 1:
        return "exactly one of customer and visitor is required"
    if not isinstance(body[named[0]], str) or not body[named[0]]:
        return f"{named[0]} is invalid"
    timestamp = body.get("timestamp")
    if not isinstance(timestamp, str) or not re.match(VENDORS_TIME, timestamp) or not _is_a_time(timestamp):
        return "timestamp is missing or invalid"
    if not isinstance(body.get("context"), dict):
        return "context is missing or invalid"
    return None


def _context(context: dict[str, Any], parameters: Mapping[str, str], most: int) -> str | None:
    if len(context) > most:
        return f"context has more than {most} parameters"
    for name, value in context.items():
        if name not in parameters:
            return f"parameter {name} is not configured"
        if _kind(value) != parameters[name]:
            return f"parameter {name} is not a {parameters[name]}"
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            return f"parameter {name} has more than {LONGEST_TEXT} characters"
    return None


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return {str: "string", int: "number", float: "number"}.get(type(value), "value of no kind")


def _is_a_time(timestamp: str) -> bool:
    try:
        datetime.fromisoformat(timestamp.removesuffix(" UTC"))
    except ValueError:
        return False
    return True
