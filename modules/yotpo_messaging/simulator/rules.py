"""What the vendor refuses in a body, with 400."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from modules.simulation import Refused

_SNAKE_CASE = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")
_PROPERTY = re.compile(r"[A-Za-z0-9_]+")
E_164 = re.compile(r"\+[1-9]\d{1,14}")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_COUNTRY = re.compile(r"[A-Z]{2}")
_IDENTIFICATION = ("external_id", "email", "phone_number")
_EVENT = ("source", "action_name", "action_time", "unique_id", "customer", "event_properties")
#: what a text of a customer must be; None: anything
_TEXTS: Mapping[str, re.Pattern[str] | None] = {
    "external_id": None,
    "email": EMAIL,
    "phone_number": E_164,
    "first_name": None,
    "last_name": None,
    "gender": re.compile("F|M|Other"),
    "account_created_at": None,
    "account_status": re.compile("enabled|disabled|invited|declined"),
    "default_language": re.compile("[a-z]{2}"),
    "default_currency": re.compile("[A-Z]{3}"),
    "tags": None,
}
_FLAGS = ("accepts_sms_marketing", "accepts_email_marketing")
_CUSTOMER = (*_TEXTS, *_FLAGS, "address", "custom_properties")
_ADDRESS = (
    *("address1", "address2", "city", "company", "state", "zip", "province_code", "country_code"),
    "phone_number",
)


def error_body(message: str) -> dict[str, Any]:
    """How the vendor's errors look; inferred."""
    return {"errors": [message]}


def bad(message: str) -> Refused:
    """A 400, to be raised."""
    return Refused(400, error_body(message))


def check_event(body: Any) -> dict[str, Any]:
    """A custom event, if it breaks no rule."""
    event = object_of(body, "the body", _EVENT)
    for key in ("action_name", "action_time", "unique_id"):
        if not isinstance(event.get(key), str) or not event[key]:
            raise bad(f"{key} is required and must be text")
    for key in ("action_name", "source"):
        if key in event and not _is_snake_case(event[key]):
            raise bad(f"{key} must be snake case of 1 to 255 characters")
    _check_time("action_time", event["action_time"])
    customer = object_of(event.get("customer"), "customer", (*_IDENTIFICATION, "custom_properties"))
    _check_identification(customer)
    if "custom_properties" in customer:
        _check_custom_properties(customer["custom_properties"])
    if "event_properties" in event:
        _check_flat("event_properties", event["event_properties"])
    return event


def check_customer(body: Any) -> dict[str, Any]:
    """The customer of a body, without the nulls that mean *leave it*, if it breaks no rule."""
    wrapped = object_of(body, "the body", ("customer",))
    given = object_of(wrapped.get("customer"), "customer", _CUSTOMER)
    customer = {key: value for key, value in given.items() if value is not None}
    _check_identification(customer)
    for key, pattern in _TEXTS.items():
        value = customer.get(key, "")
        if not isinstance(value, str) or (key in customer and pattern is not None and not pattern.fullmatch(value)):
            raise bad(f"customer.{key} has a wrong form")
    if "account_created_at" in customer:
        _check_time("customer.account_created_at", customer["account_created_at"])
    for key in _FLAGS:
        if not isinstance(customer.get(key, True), bool):
            raise bad(f"customer.{key} must be true or false")
    if "address" in customer:
        _check_address(customer["address"])
    if "custom_properties" in customer:
        _check_custom_properties(customer["custom_properties"])
    return customer


def _check_address(value: Any) -> None:
    address = object_of(value, "customer.address", _ADDRESS)
    for key, text in address.items():
        if text is not None and not isinstance(text, str):
            raise bad(f"customer.address.{key} must be text")
    if not _COUNTRY.fullmatch(address.get("country_code") or "US"):
        raise bad("customer.address.country_code must be two capital letters")


def _check_identification(customer: Mapping[str, Any]) -> None:
    named = [key for key in _IDENTIFICATION if key in customer]
    if any(not isinstance(customer[key], str) or not customer[key] for key in named):
        raise bad("an identifier of the customer must be text")
    if "external_id" not in named and len(named) != 1:
        raise bad("a customer is named by external_id, else by only one of email and phone_number")
    if "phone_number" in customer and not E_164.fullmatch(customer["phone_number"]):
        raise bad("customer.phone_number must be in E.164 format")


def _check_custom_properties(properties: Any) -> None:
    _check_flat("customer.custom_properties", properties)
    if not all(_PROPERTY.fullmatch(name) for name in properties):
        raise bad("names of custom properties use letters, digits and underscores")


def _check_flat(where: str, properties: Any) -> None:
    if not isinstance(properties, dict):
        raise bad(f"{where} must be an object")
    for name, value in properties.items():
        if not isinstance(value, str | int | float | bool):
            raise bad(f"{where}.{name} must be text, a number or a boolean")


def _check_time(where: str, value: Any) -> None:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise bad(f"{where} must be an ISO 8601 time") from None


def object_of(value: Any, where: str, known: Collection[str]) -> dict[str, Any]:
    """An object with known keys only."""
    if not isinstance(value, dict):
        raise bad(f"{where} must be an object")
    if unknown := sorted(set(value) - set(known)):
        raise bad(f"unknown key {', '.join(unknown)} in {where}")
    return value


def _is_snake_case(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 255 and _SNAKE_CASE.fullmatch(value) is not None
