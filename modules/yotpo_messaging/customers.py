"""The modules about customers: *Create or Update a Customer*, *Retrieve a Customer*, *Find Customers*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from engine import Action, Call, Config, DataError, Effect, Json, NotFound, Page, Schema, Search, VendorError
from modules.yotpo_messaging import schemas as s
from modules.yotpo_messaging.connection import CUSTOMER_FILTERS, CUSTOMERS_PATH, IDS_BETWEEN, VISIBLE_AFTER, core

#: the vendor's most
LARGEST_PAGE = 100

_TEXT: Schema = {"type": "string"}
_ID: Schema = {"type": "string", "minLength": 1}
_BOOLEAN: Schema = {"type": "boolean"}

ADDRESS: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        name: s.titled(title, s.or_null({**_TEXT, **more}), description)
        for name, title, description, more in (
            ("address1", "Address 1", "Street and number.", {}),
            ("address2", "Address 2", "What else belongs to it.", {}),
            ("city", "City", "Town.", {}),
            ("company", "Company", "The company's name.", {}),
            ("state", "State", "State or province, by name.", {}),
            ("zip", "Zip", "Postal code.", {}),
            ("province_code", "Province Code", "State or province, by code, such as MA.", {}),
            ("country_code", "Country Code", "ISO 3166-1 alpha-2, such as US.", {"pattern": "^[A-Z]{2}$"}),
            ("phone_number", "Phone Number", "Of this address.", {}),
        )
    },
}

_NAMES: Mapping[str, Schema] = {
    "external_id": s.titled(
        "External ID",
        _ID,
        "The customer's identifier in your system. Without it, only one of email and phone_number.",
    ),
    "email": s.titled("Email", s.EMAIL, "The customer's e-mail address."),
    "phone_number": s.titled(
        "Phone Number",
        s.E_164,
        "In E.164 format, such as +15550100. A newer copy of the vendor's page calls it deprecated here.",
    ),
}
#: of a customer, besides what names him
_ATTRIBUTES: Mapping[str, Schema] = {
    "first_name": s.titled("First Name", _TEXT, "Given name."),
    "last_name": s.titled("Last Name", _TEXT, "Family name."),
    "gender": s.titled("Gender", {"type": "string", "enum": ["F", "M", "Other"]}, "F, M or Other."),
    "account_created_at": s.titled(
        "Account Created At", {"type": "string", "pattern": s.ISO_8601}, "When the account was opened, ISO 8601."
    ),
    "account_status": s.titled(
        "Account Status",
        {"type": "string", "enum": ["enabled", "disabled", "invited", "declined"]},
        "What became of the customer's account with the shop.",
    ),
    "default_language": s.titled(
        "Default Language", {"type": "string", "pattern": "^[a-z]{2}$"}, "ISO 639-1, such as en."
    ),
    "default_currency": s.titled(
        "Default Currency", {"type": "string", "pattern": "^[A-Z]{3}$"}, "ISO 4217, such as USD."
    ),
    "tags": {
        "type": ["string", "array"],
        "title": "Tags",
        "description": "A list, or one text with commas. A tag of a list has no comma in it.",
        "items": {"type": "string", "pattern": "^[^,]+$"},
    },
    "address": s.titled("Address", ADDRESS, "country_code is ISO 3166-1 alpha-2, such as US."),
    "accepts_sms_marketing": s.titled("Accepts SMS Marketing", _BOOLEAN, "Whether the customer agreed to SMS."),
    "accepts_email_marketing": s.titled("Accepts Email Marketing", _BOOLEAN, "Whether the customer agreed to e-mail."),
    "custom_properties": s.titled(
        "Custom Properties",
        s.CUSTOM_PROPERTIES,
        "Properties of the customer, without null. A newer copy of the vendor's page calls them deprecated here.",
    ),
}

CONFIG: Schema = {
    "type": "object",
    "additionalProperties": False,
    "anyOf": [
        {"required": ["external_id"], "properties": {"external_id": _TEXT}},
        {"required": ["email"], "properties": {"email": _TEXT, "phone_number": {"type": "null"}}},
        {"required": ["phone_number"], "properties": {"phone_number": _TEXT, "email": {"type": "null"}}},
    ],
    "properties": {
        **{name: s.or_null(schema) for name, schema in {**_NAMES, **_ATTRIBUTES}.items()},
    },
}

_VISIBLE_AT: Schema = {
    "type": "string",
    "description": f"From when on the vendor shows the change: {VISIBLE_AFTER:.0f} s after the call, ISO 8601",
}


def prepare(call: Call) -> Config:
    """What is sent: without nulls, which mean *leave it as it is* to the vendor too, and with tags as one text."""
    customer = {name: value for name, value in call.config.items() if value is not None}
    if isinstance(customer.get("tags"), list):
        customer["tags"] = ",".join(customer["tags"])
    return customer


async def create_or_update(call: Call) -> Json:
    await call.http.request("PATCH", core(call, CUSTOMERS_PATH), json={"customer": call.config})
    # what the vendor answers is not described, so that nothing is promised of it
    return {"visible_at": _iso(call.now + timedelta(seconds=VISIBLE_AFTER))}


# The vendor takes the change at once and applies it later. A repetition is surer than a look: sending the same fields
# again gives an outcome at once, a probe would know nothing for a minute. So there is none.
CREATE_OR_UPDATE_CUSTOMER = Action(
    name="create_or_update_customer",
    title="Create or Update a Customer",
    description=(
        "Creates a customer, or changes the fields that are given. Null leaves a field as it is. The vendor shows the "
        "change, and takes an opt-in, about 60 seconds later: `visible_at` of the output."
    ),
    connection="yotpo_messaging",
    config=CONFIG,
    output={"type": "object", "required": ["visible_at"], "properties": {"visible_at": _VISIBLE_AT}},
    effect=Effect.IDEMPOTENT,
    prepare=prepare,
    run=create_or_update,
    example={
        "external_id": "700100",
        "email": "ana@example.com",
        "first_name": "Ana",
        "tags": ["vip", "loyal"],
        "address": {"city": "Boston", "country_code": "US"},
    },
)

_CHANNEL: Schema = {
    "type": "object",
    "properties": {
        "marketing": {
            "type": "object",
            "properties": {
                "consent": {"type": "string", "description": "subscribed, unsubscribed, or that there never was one"},
                "timestamp": {"type": ["string", "null"]},
                "suppressions": {"type": "array"},
            },
        }
    },
}

#: a customer as the vendor shows him; that the fields come back under the names of the write is inferred
CUSTOMER: Schema = {
    "type": "object",
    "properties": {
        **{name: s.or_null({"type": schema["type"]}) for name, schema in {**_NAMES, **_ATTRIBUTES}.items()},
        "address": {
            "type": ["object", "null"],
            "properties": {name: s.or_null(_TEXT) for name in ADDRESS["properties"]},
        },
        "custom_properties": {"type": ["object", "null"], "additionalProperties": True},
        "account_updated_at": {"type": ["string", "null"]},
        "lists": {
            "type": "array",
            "items": {"type": "object", "properties": {"id": {"type": ["integer", "string"]}, "since": _TEXT}},
        },
        "channels": {"type": "object", "properties": {"sms": _CHANNEL, "email": _CHANNEL}},
        # what is in it is not described
        "yotpo_ugc": {"type": ["object", "null"], "additionalProperties": True},
    },
    "additionalProperties": True,
}


async def retrieve(call: Call) -> Json:
    _put_off(call)
    [name] = (name for name in _NAMES if name in call.config)
    wanted = call.config[name]
    found, _ = await page_of(call, {CUSTOMER_FILTERS[name]: wanted}, {name: [wanted]})
    if not found:
        raise NotFound(
            "the vendor shows no such customer",
            hint=f"looked for by {name}; what was just written shows after {VISIBLE_AFTER:.0f} seconds",
        )
    if len(found) > 1:
        if not any(name in one for one in found):
            raise VendorError(
                f"the vendor answers {len(found)} customers, none of which shows {name}",
                hint="it may have passed over the filter, so that nobody can tell whom it means",
            )
        call.warn(f"the vendor shows {len(found)} customers of this {name}; the first one is the output")
    return found[0]


def _put_off(call: Call) -> None:
    """Refuse to look before a change can be seen; the error says how long to wait."""
    if "visible_at" not in call.config:
        return
    try:
        due = datetime.fromisoformat(call.config["visible_at"])
    except ValueError:
        raise DataError(f"visible_at: '{call.config['visible_at']}' is no ISO 8601 time", refused=True) from None
    wait = ((due if due.tzinfo else due.replace(tzinfo=UTC)) - call.now).total_seconds()
    if wait > 0:
        raise NotFound(
            f"the vendor shows the change in {wait:.0f} seconds, at {_iso(due)}",
            retry_after=wait,
            hint="`retry: {on: [NotFound]}` waits so long",
        )


RETRIEVE_CUSTOMER = Action(
    name="retrieve_customer",
    title="Retrieve a Customer",
    description="Reads one customer with consent and lists.",
    connection="yotpo_messaging",
    config={
        "type": "object",
        "additionalProperties": False,
        "oneOf": [{"required": [name]} for name in _NAMES],
        "properties": {
            "external_id": s.titled("External ID", _ID, "The customer's identifier in your system."),
            "email": s.titled("Email", s.EMAIL, "Looked for under the name that the vendor's developer host has."),
            "phone_number": s.titled("Phone Number", s.E_164),
            "visible_at": {
                "type": "string",
                "title": "Visible At",
                "description": (
                    "Do not look before this time, such as the `visible_at` of create_or_update_customer: an earlier "
                    "call fails with NotFound, which says how long `retry: {on: [NotFound]}` has to wait."
                ),
                "pattern": s.ISO_8601,
            },
        },
    },
    output=CUSTOMER,
    effect=Effect.READ,
    run=retrieve,
    example={"external_id": "700100"},
)


async def find(call: Call, cursor: Json) -> Page:
    size = min(call.config.get("limit", LARGEST_PAGE), LARGEST_PAGE)
    filters = {name: call.config[name] for name in ("email", "phone_number") if name in call.config}
    wanted: dict[str, Sequence[str]] = {name: [value] for name, value in filters.items()}
    ids = call.config.get("external_ids")
    if ids:
        wanted["external_id"] = ids
        filters["external_id"] = IDS_BETWEEN.join(ids)
    if cursor is not None:
        # a request with a page's mark may carry nothing else but the limit
        query: dict[str, Any] = {"page_info": cursor, "limit": size}
    else:
        query = {**{CUSTOMER_FILTERS[name]: value for name, value in filters.items()}, "limit": size}
    items, following = await page_of(call, query, wanted)
    if following is not None and following == cursor:
        raise VendorError("the vendor's mark leads to the same page again")
    return Page(items, following)


FIND_CUSTOMERS = Search(
    name="find_customers",
    title="Find Customers",
    description="Lists customers, all of them or those that are asked for, page by page.",
    connection="yotpo_messaging",
    config={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "external_ids": {
                "type": "array",
                "title": "External IDs",
                "description": "Identifiers in your system, without commas in them.",
                "minItems": 1,
                "maxItems": LARGEST_PAGE,
                "items": {"type": "string", "pattern": "^[^,]+$"},
            },
            "email": s.titled("Email", s.EMAIL, "Looked for under the name that the vendor's developer host has."),
            "phone_number": s.titled("Phone Number", s.E_164),
            "limit": {
                "type": "integer",
                "title": "Limit",
                "description": "How many customers at most; all when left out.",
                "minimum": 1,
            },
        },
    },
    output={"type": "array", "items": CUSTOMER},
    page=find,
    example={"external_ids": ["700100", "700101"]},
)


async def page_of(
    call: Call, query: Mapping[str, Any], wanted: Mapping[str, Sequence[str]]
) -> tuple[Sequence[Mapping[str, Any]], Json]:
    """Customers of one page, and the mark of the next.

    :param wanted: by field the values that a customer may have. Two of the filters are inferred: did the vendor pass
        over one, the answer would be somebody else's data.
    """
    answer = await call.http.request("GET", core(call, CUSTOMERS_PATH), query=query)
    body = answer.json()
    customers = body.get("customers") if isinstance(body, Mapping) else None
    if not isinstance(customers, list) or not all(isinstance(one, Mapping) for one in customers):
        raise VendorError("the answer is no list of customers", status=answer.status, detail=answer.readable)
    pagination = body.get("pagination")
    following = pagination.get("next_page_info") if isinstance(pagination, Mapping) else None
    return [one for one in customers if _fits(one, wanted)], following or None


def _fits(customer: Mapping[str, Any], wanted: Mapping[str, Sequence[str]]) -> bool:
    """Whether nothing that a customer shows is against it; a field that is not shown at all cannot be."""
    shown = {name: customer[name] for name in wanted if name in customer}
    return all(
        _comparable(name, value) in [_comparable(name, one) for one in wanted[name]] for name, value in shown.items()
    )


def _comparable(name: str, value: Any) -> str:
    if name == "phone_number":
        return "".join(filter(str.isdigit, str(value)))
    return str(value).casefold() if name == "email" else str(value)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
