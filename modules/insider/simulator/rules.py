"""What the simulated vendor has against a user, in the vendor's own keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from modules.insider.schemas import EMAIL, EVENT_NAME, NEEDED, PHONE_NUMBER, TIMESTAMP, UTC

#: the pattern as the vendor prints it; it refuses capitals all the same
PRINTED_EVENT_NAME = "^[a-z0-9][a-zA-Z0-9._-]*$"
#: the vendor's own spelling
NOBODY = "either insider_id or idenifiers must be specified"
_IDENTIFIERS = ("email", "phone_number", "uuid", "custom")
_BOOLEANS = ("email_optin", "sms_optin", "whatsapp_optin", "gdpr_optin")
_TEXTS = ("name", "surname", "gender", "language", "city", "uuid", "lo", "email", "phone_number", "birthday", "country")
_LISTS = ("static_segment_id", "list_id")
_COUNTRY = "^[A-Z]{2}$"

Faults = Iterator[tuple[str, str]]


def upsert_faults(user: Any) -> Faults:
    """Each fault of a user as key and message; the key without ``users.N.``."""
    if not isinstance(user, dict):
        yield "type(object)", "invalid user"
        return
    yield from named_faults(user)
    if not user.get("attributes") and not user.get("events"):
        yield "attributes.required", "either attributes or events must be specified"
    if "attributes" in user:
        yield from _attribute_faults(user["attributes"])
    events = user.get("events", [])
    if not isinstance(events, list):
        yield "events.type(array)", "invalid events"
        return
    for place, event in enumerate(events):
        for key, message in _event_faults(event):
            yield f"events.{place}.{key}", message


def named_faults(user: dict[str, Any]) -> Faults:
    """What is wrong with how a user is named."""
    identifiers = user.get("identifiers")
    if not identifiers and not user.get("insider_id"):
        yield "identifiers.required", NOBODY
        yield "insider_id.required", NOBODY
        return
    if not identifiers:
        return
    if not isinstance(identifiers, dict):
        yield "identifiers.type(object)", "invalid identifiers"
        return
    for name, value in identifiers.items():
        if name not in _IDENTIFIERS:
            yield "identifiers.*.in(defaults_column)", f"invalid identifier: {name}"
        values = value.values() if name == "custom" and isinstance(value, dict) else [value]
        if any(not isinstance(one, str) for one in values):
            yield "identifiers.*.type(string)", f"invalid value of {name}"
        elif name == "email" and not re.search(EMAIL, value):
            yield f"identifiers.*.regexp({EMAIL})", f"invalid email: {value}"
        elif name == "phone_number" and not re.search(PHONE_NUMBER, value):
            yield f"identifiers.*.regexp({PHONE_NUMBER})", f"invalid phone_number: {value}"


def _attribute_faults(attributes: Any) -> Faults:
    if not isinstance(attributes, dict):
        yield "attributes.type(object)", "invalid attributes"
        return
    for name, value in attributes.items():
        if name == "custom":
            if not isinstance(value, dict) or any(one is None or isinstance(one, dict) for one in value.values()):
                yield "attributes.custom.*.type", "invalid custom attribute"
        elif name in _TEXTS:
            yield from _text_faults(name, value)
        elif name in _BOOLEANS and not isinstance(value, bool):
            yield f"attributes.{name}.type(boolean)", f"invalid {name}"
        elif name == "age" and (isinstance(value, bool) or not isinstance(value, int | float)):
            yield "attributes.age.type(number)", "invalid age"
        elif name in _LISTS and not (isinstance(value, list) and all(type(one) is int for one in value)):
            yield f"attributes.{name}.type(array)", f"invalid {name}"
        elif name not in (*_BOOLEANS, *_LISTS, "age"):
            yield "attributes.*.in(defaults_column)", f"invalid attribute: {name}"


def _text_faults(name: str, value: Any) -> Faults:
    pattern = {"birthday": UTC, "country": _COUNTRY, "email": EMAIL, "phone_number": PHONE_NUMBER}.get(name)
    if not isinstance(value, str):
        yield f"attributes.{name}.type(string)", f"invalid {name}"
    elif pattern and not re.search(pattern, value):
        yield f"attributes.{name}.regexp({pattern})", f"invalid {name}: {value}"


def _event_faults(event: Any) -> Faults:
    if not isinstance(event, dict):
        yield "type(object)", "invalid event"
        return
    name = event.get("event_name")
    if not isinstance(name, str) or not re.search(EVENT_NAME, name):
        yield f"event_name.*.regexp({PRINTED_EVENT_NAME})", f"invalid event name: {name}"
    timestamp = event.get("timestamp")
    if not isinstance(timestamp, str) or not re.search(TIMESTAMP, timestamp):
        yield "timestamp.required", "timestamp must be in RFC 3339 format"
    parameters = event.get("event_params", {})
    if not isinstance(parameters, dict):
        yield "event_params.type(object)", "invalid event_params"
        return
    for needed in NEEDED.get(str(name), ()):
        if parameters.get(needed) is None:
            yield "event_params.*.required", f"{needed} is required for {name}"


def strip_faults(user: Any) -> Faults:
    """As ``upsert_faults``, of a user whose attributes are deleted."""
    if not isinstance(user, dict):
        yield "type(object)", "invalid user"
        return
    yield from named_faults(user)
    if not any(user.get(key) for key in ("whole", "partial", "custom")):
        yield "whole.required", "whole, partial or custom must be specified"
    for name in user.get("whole") or ():
        if name in _IDENTIFIERS:
            yield "whole.*.in(defaults_column)", f"an identifier cannot be deleted: {name}"
