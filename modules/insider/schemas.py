"""What Insider knows of a user, as JSON Schemas. Source: the vendor's page on upserting user data."""

from __future__ import annotations

from typing import Any

from engine import Json, Schema, field

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


_TEXT: Schema = {"type": "string"}
_YES: Schema = {"type": "boolean"}
_NUMBER: Schema = {"type": "number"}


def or_null(schema: Schema) -> Schema:
    """The same, or null, which is left out of the request."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return {**schema, "type": [*kinds, "null"]}


#: a value of a custom attribute or parameter
_VALUE: Schema = {
    "type": ["string", "number", "boolean", "array", "null"],
    "items": {"type": ["string", "number", "boolean"]},
}


def _custom(what: str) -> Schema:
    return field(
        "Custom",
        f"Your own {what}, by name and without the prefix c_, which only reads have. A null is left out.",
        type="object",
        additionalProperties=_VALUE,
    )


IDENTIFIERS: dict[str, Any] = {
    "type": "object",
    "title": "Identifiers",
    "description": "By what the user is known.",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {
        "email": field("Email", "The user's e-mail address.", _TEXT, pattern=EMAIL),
        "phone_number": field("Phone Number", "In E.164 format, such as +15550100.", _TEXT, pattern=PHONE_NUMBER),
        "uuid": field("UUID", "The user's identifier in your system, as text.", _TEXT, minLength=1),
        "custom": field(
            "Custom",
            "Your own identifiers, by name, as text.",
            type="object",
            minProperties=1,
            additionalProperties={"type": "string", "minLength": 1},
        ),
    },
}
INSIDER_ID = field("Insider ID", "The vendor's identifier: Profile ID on its User Profiles page.", _TEXT, minLength=1)

_ATTRIBUTES: dict[str, Schema] = {
    "email": field("Email", "E-mail address.", _TEXT, pattern=EMAIL),
    "phone_number": field("Phone Number", "In E.164 format.", _TEXT, pattern=PHONE_NUMBER),
    "email_optin": field("Email Opt-in", "Whether marketing e-mails may be sent.", _YES),
    "sms_optin": field("SMS Opt-in", "Whether SMS may be sent.", _YES),
    "whatsapp_optin": field("WhatsApp Opt-in", "Whether WhatsApp messages may be sent.", _YES),
    "gdpr_optin": field("GDPR Opt-in", "False: no campaign, message or processing at all.", _YES),
    "name": field("Name", "First name.", _TEXT),
    "surname": field("Surname", "Last name.", _TEXT),
    "birthday": field("Birthday", "RFC 3339 ending in Z, such as 1980-01-01T00:00:00Z.", _TEXT, pattern=UTC),
    "gender": field("Gender", "Gender.", _TEXT),
    "age": field("Age", "Age in years.", _NUMBER, minimum=0),
    "language": field("Language", "Language, such as en_US.", _TEXT),
    "country": field("Country", "ISO 3166-1 alpha-2, such as US.", _TEXT, pattern="^[A-Z]{2}$"),
    "city": field("City", "City.", _TEXT),
    "uuid": field("UUID", "The user's identifier in your system, as an attribute.", _TEXT),
    "lo": field("Locale", "The user's locale.", _TEXT),
    "static_segment_id": field(
        "Static Segment IDs", "Newsletter contact lists to put the user on.", type="array", items={"type": "integer"}
    ),
    "list_id": field(
        "List IDs", "The older name of the same in the vendor's samples.", type="array", items={"type": "integer"}
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

_PARAMETERS: dict[str, Schema] = {
    "product_id": field("Product ID", "Unique id of the product.", _TEXT),
    "name": field("Product Name", "Name of the product.", _TEXT),
    "taxonomy": field("Taxonomy", "Category tree of the product.", type="array", items={"type": "string"}),
    "currency": field("Currency", "ISO 4217, such as USD.", _TEXT, pattern="^[A-Z]{3}$"),
    "quantity": field("Quantity", "How many.", type="integer"),
    "unit_price": field("Unit Price", "Price of one, without discounts.", _NUMBER),
    "unit_sale_price": field("Unit Sale Price", "Price that was paid for one.", _NUMBER),
    "event_group_id": field(
        "Event Group ID", "What events of one kind belong together by, such as an order's id.", _TEXT
    ),
    "url": field("URL", "The product's URL.", _TEXT),
    "locale": field("Locale", "The user's locale.", _TEXT),
    "color": field("Color", "Color of the product.", _TEXT),
    "size": field("Size", "Size of the product.", _TEXT),
    "shipping_cost": field("Shipping Cost", "Shipping cost of the basket.", type=["string", "number"]),
    "promotion_name": field("Promotion Name", "Name of the promotion.", _TEXT),
    "promotion_discount": field("Promotion Discount", "The discount that promotions made.", _NUMBER),
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
        "event_name": field(
            "Event Name",
            "Lowercase letters, digits, '.', '_' and '-', such as points_earned. Capitals are refused.",
            _TEXT,
            pattern=EVENT_NAME,
        ),
        "timestamp": field(
            "Timestamp",
            "When it happened, RFC 3339, such as 2024-03-05T09:00:00Z. Events that are older than the account keeps "
            "them are dropped.",
            _TEXT,
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
    "not_append": field("Do Not Append", "True: lists among the attributes are replaced.", _YES),
    "append": field("Append", "False: lists among the attributes are replaced. Goes before not_append.", _YES),
}
#: a user as upserts take it
USER: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "allOf": [{"anyOf": _NAMED}, {"anyOf": [{"required": ["attributes"]}, {"required": ["events"]}]}],
    "properties": _USER,
}

_WHOLE = field(
    "Whole", "Names of attributes that are deleted.", type="array", items={"type": "string", "minLength": 1}, minItems=1
)
_PARTIAL = field(
    "Partial",
    "Values that are taken out of lists, by the attribute's name.",
    type="object",
    minProperties=1,
    additionalProperties={"type": "array", "minItems": 1},
)
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
