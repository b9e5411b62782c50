"""What Insider knows of a user, as JSON Schemas. Source: the vendor's page on upserting user data."""

from __future__ import annotations

from typing import Any

from engine import Json, Schema

EMAIL = "^.+@.+\\..+$"
PHONE_NUMBER = "^\\+[1-9]\\d{6,14}$"
_MOMENT = "\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?"
#: RFC 3339
TIMESTAMP = f"^{_MOMENT}(Z|[+-]\\d{{2}}:\\d{{2}})$"
#: RFC 3339 in UTC; the vendor takes birthdays in no other form
UTC = f"^{_MOMENT}Z$"
#: The vendor's own pattern has capitals behind the first letter, and its published answer refuses homepageView. So
#: capitals are left out.
EVENT_NAME = "^[a-z0-9][a-z0-9._-]*$"


def _text(title: str, description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "title": title, "description": description, **more}


def _kind(kind: str | list[str], title: str, description: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "title": title, "description": description, **more}


def or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The same, or null, which is left out of the request."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return {**schema, "type": [*kinds, "null"]}


#: a value of a custom attribute or parameter
_VALUE: Schema = {
    "type": ["string", "number", "boolean", "array", "null"],
    "items": {"type": ["string", "number", "boolean"]},
}


def _custom(what: str) -> dict[str, Any]:
    return _kind(
        "object",
        "Custom",
        f"Your own {what}, by name and without the prefix c_, which only reads have. A null is left out.",
        additionalProperties=_VALUE,
    )


IDENTIFIERS: dict[str, Any] = {
    "type": "object",
    "title": "Identifiers",
    "description": "By what the user is known.",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {
        "email": _text("Email", "The user's e-mail address.", pattern=EMAIL),
        "phone_number": _text("Phone Number", "In E.164 format, such as +15550100.", pattern=PHONE_NUMBER),
        "uuid": _text("UUID", "The user's identifier in your system, as text.", minLength=1),
        "custom": _kind(
            "object",
            "Custom",
            "Your own identifiers, by name, as text.",
            minProperties=1,
            additionalProperties={"type": "string", "minLength": 1},
        ),
    },
}
INSIDER_ID = _text("Insider ID", "The vendor's identifier: Profile ID on its User Profiles page.", minLength=1)

_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "email": _text("Email", "E-mail address.", pattern=EMAIL),
    "phone_number": _text("Phone Number", "In E.164 format.", pattern=PHONE_NUMBER),
    "email_optin": _kind("boolean", "Email Opt-in", "Whether marketing e-mails may be sent."),
    "sms_optin": _kind("boolean", "SMS Opt-in", "Whether SMS may be sent."),
    "whatsapp_optin": _kind("boolean", "WhatsApp Opt-in", "Whether WhatsApp messages may be sent."),
    "gdpr_optin": _kind("boolean", "GDPR Opt-in", "False: no campaign, message or processing at all."),
    "name": _text("Name", "First name."),
    "surname": _text("Surname", "Last name."),
    "birthday": _text("Birthday", "RFC 3339 ending in Z, such as 1980-01-01T00:00:00Z.", pattern=UTC),
    "gender": _text("Gender", "Gender."),
    "age": _kind("number", "Age", "Age in years.", minimum=0),
    "language": _text("Language", "Language, such as en_US."),
    "country": _text("Country", "ISO 3166-1 alpha-2, such as US.", pattern="^[A-Z]{2}$"),
    "city": _text("City", "City."),
    "uuid": _text("UUID", "The user's identifier in your system, as an attribute."),
    "lo": _text("Locale", "The user's locale."),
    "static_segment_id": _kind(
        "array", "Static Segment IDs", "Newsletter contact lists to put the user on.", items={"type": "integer"}
    ),
    "list_id": _kind(
        "array", "List IDs", "The older name of the same in the vendor's samples.", items={"type": "integer"}
    ),
}
ATTRIBUTES: dict[str, Any] = {
    "type": "object",
    "title": "Attributes",
    "description": "What is known of the user. A null is left out, so that the attribute stays as it is.",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {name: or_null(schema) for name, schema in _ATTRIBUTES.items()} | {"custom": _custom("attributes")},
}

_PARAMETERS: dict[str, dict[str, Any]] = {
    "product_id": _text("Product ID", "Unique id of the product."),
    "name": _text("Product Name", "Name of the product."),
    "taxonomy": _kind("array", "Taxonomy", "Category tree of the product.", items={"type": "string"}),
    "currency": _text("Currency", "ISO 4217, such as USD.", pattern="^[A-Z]{3}$"),
    "quantity": _kind("integer", "Quantity", "How many."),
    "unit_price": _kind("number", "Unit Price", "Price of one, without discounts."),
    "unit_sale_price": _kind("number", "Unit Sale Price", "Price that was paid for one."),
    "event_group_id": _text("Event Group ID", "What events of one kind belong together by, such as an order's id."),
    "url": _text("URL", "The product's URL."),
    "locale": _text("Locale", "The user's locale."),
    "color": _text("Color", "Color of the product."),
    "size": _text("Size", "Size of the product."),
    "shipping_cost": _kind(["string", "number"], "Shipping Cost", "Shipping cost of the basket."),
    "promotion_name": _text("Promotion Name", "Name of the promotion."),
    "promotion_discount": _kind("number", "Promotion Discount", "The discount that promotions made."),
}
PARAMETERS: dict[str, Any] = {
    "type": "object",
    "title": "Event Parameters",
    "description": "What the event tells. A null is left out.",
    "additionalProperties": False,
    "properties": {name: or_null(schema) for name, schema in _PARAMETERS.items()}
    | {"custom": _custom("event parameters")},
}
#: what these events need, by the vendor's page
NEEDED = {
    "purchase": ("event_group_id", "unit_sale_price", "currency", "quantity"),
    "cart_page_view": ("event_group_id", "currency", "unit_sale_price"),
}
EVENT: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["event_name", "timestamp"],
    "properties": {
        "event_name": _text(
            "Event Name",
            "Lowercase letters, digits, '.', '_' and '-', such as points_earned. Capitals are refused.",
            pattern=EVENT_NAME,
        ),
        "timestamp": _text(
            "Timestamp",
            "When it happened, RFC 3339, such as 2024-03-05T09:00:00Z. Events that are older than the account keeps "
            "them are dropped.",
            pattern=TIMESTAMP,
        ),
        "event_params": PARAMETERS,
    },
    "allOf": [
        {
            "if": {"properties": {"event_name": {"const": name}}, "required": ["event_name"]},
            "then": {"required": ["event_params"], "properties": {"event_params": {"required": list(needed)}}},
        }
        for name, needed in NEEDED.items()
    ],
}

_NAMED: list[Schema] = [
    {"required": ["identifiers"], "not": {"required": ["insider_id"]}},
    {"required": ["insider_id"], "not": {"required": ["identifiers"]}},
]
_USER: dict[str, Any] = {
    "identifiers": IDENTIFIERS,
    "insider_id": INSIDER_ID,
    "attributes": ATTRIBUTES,
    "events": {
        "type": "array",
        "title": "Events",
        "description": "What the user did, or what happened to them.",
        "minItems": 1,
        "items": EVENT,
    },
    "not_append": _kind("boolean", "Do Not Append", "True: lists among the attributes are replaced."),
    "append": _kind("boolean", "Append", "False: lists among the attributes are replaced. Goes before not_append."),
}
#: a user as upserts take it
USER: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "allOf": [{"anyOf": _NAMED}, {"anyOf": [{"required": ["attributes"]}, {"required": ["events"]}]}],
    "properties": _USER,
}

_WHOLE: dict[str, Any] = {
    "type": "array",
    "title": "Whole",
    "description": "Names of attributes that are deleted.",
    "items": {"type": "string", "minLength": 1},
    "minItems": 1,
}
_PARTIAL: dict[str, Any] = {
    "type": "object",
    "title": "Partial",
    "description": "Values that are taken out of lists, by the attribute's name.",
    "minProperties": 1,
    "additionalProperties": {"type": "array", "minItems": 1},
}
#: a user as deletions of attributes take it
USER_TO_STRIP: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "allOf": [
        {"anyOf": _NAMED},
        {"anyOf": [{"required": ["whole"]}, {"required": ["partial"]}, {"required": ["custom"]}]},
    ],
    "properties": {
        "identifiers": IDENTIFIERS,
        "insider_id": INSIDER_ID,
        "whole": _WHOLE,
        "partial": _PARTIAL,
        "custom": {
            "type": "object",
            "title": "Custom",
            "description": "The same of your own attributes, by name and without the prefix c_.",
            "additionalProperties": False,
            "minProperties": 1,
            "properties": {"whole": _WHOLE, "partial": _PARTIAL},
        },
    },
}


def known_by(user: Json) -> str | None:
    """What people know a user by: the first of its identifiers."""
    identifiers = user.get("identifiers") or {}
    for name in ("email", "phone_number", "uuid"):
        if identifiers.get(name):
            return str(identifiers[name])
    custom = identifiers.get("custom") or {}
    return str(next(iter(custom.values()), None) or user.get("insider_id") or "") or None


def without_nulls(value: Json) -> Json:
    """The same without keys whose value is null, and without objects that hold nothing any more."""
    if not isinstance(value, dict):
        return value
    kept = {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return {key: inner for key, inner in kept.items() if inner != {}}
