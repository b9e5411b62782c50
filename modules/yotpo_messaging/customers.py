"""The modules about customers: *Create or Update a Customer*, *Retrieve a Customer*, *Find Customers*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from engine import (
    Action,
    Call,
    Config,
    DataError,
    Effect,
    Json,
    NotFound,
    Page,
    Request,
    Schema,
    Search,
    VendorError,
    field,
    options,
)
from modules.yotpo_core.names import CORE, STORE
from modules.yotpo_messaging import schemas as s
from modules.yotpo_messaging.connection import CUSTOMER_FILTERS, CUSTOMERS_PATH, IDS_BETWEEN, VISIBLE_AFTER

#: the vendor's most
LARGEST_PAGE = 100

_TEXT: Schema = {"type": "string"}

ADDRESS = options(
    **{
        name: field(title, description, s.or_null({**_TEXT, **more}))
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
    }
)

_NAMES: Mapping[str, Schema] = {
    "external_id": field(
        "External ID",
        "The customer's identifier in your system. Without it, only one of email and phone_number.",
        s.TEXT,
    ),
    "email": field("Email", "The customer's e-mail address.", s.EMAIL),
    "phone_number": field(
        "Phone Number", f"{s.IN_E_164} A newer copy of the vendor's page calls it deprecated here.", s.E_164
    ),
}
#: of a customer, besides what names him
_ATTRIBUTES: Mapping[str, Schema] = {
    "first_name": field("First Name", "Given name.", _TEXT),
    "last_name": field("Last Name", "Family name.", _TEXT),
    "gender": field("Gender", "F, M or Other.", type="string", enum=["F", "M", "Other"]),
    "account_created_at": field(
        "Account Created At", "When the account was opened, ISO 8601.", type="string", pattern=s.ISO_8601
    ),
    "account_status": field(
        "Account Status",
        "What became of the customer's account with the shop.",
        type="string",
        enum=["enabled", "disabled", "invited", "declined"],
    ),
    "default_language": field("Default Language", "ISO 639-1, such as en.", type="string", pattern="^[a-z]{2}$"),
    "default_currency": field("Default Currency", "ISO 4217, such as USD.", type="string", pattern="^[A-Z]{3}$"),
    "tags": field(
        "Tags",
        "A list, or one text with commas. A tag of a list has no comma in it.",
        type=["string", "array"],
        items={"type": "string", "pattern": "^[^,]+$"},
    ),
    "address": field("Address", "country_code is ISO 3166-1 alpha-2, such as US.", ADDRESS),
    "accepts_sms_marketing": field("Accepts SMS Marketing", "Whether the customer agreed to SMS.", type="boolean"),
    "accepts_email_marketing": field(
        "Accepts Email Marketing", "Whether the customer agreed to e-mail.", type="boolean"
    ),
    "custom_properties": field(
        "Custom Properties",
        "Properties of the customer, without null. A newer copy of the vendor's page calls them deprecated here.",
        s.CUSTOM_PROPERTIES,
    ),
}

CONFIG: Schema = {
    **options(**{name: s.or_null(schema) for name, schema in {**_NAMES, **_ATTRIBUTES}.items()}),
    "anyOf": [
        {"required": ["external_id"], "properties": {"external_id": _TEXT}},
        {"required": ["email"], "properties": {"email": _TEXT, "phone_number": {"type": "null"}}},
        {"required": ["phone_number"], "properties": {"phone_number": _TEXT, "email": {"type": "null"}}},
    ],
}


def prepare(call: Call) -> Config:
    """What is sent: without nulls, which mean *leave it as it is* to the vendor too, and with tags as one text."""
    customer = {name: value for name, value in call.config.items() if value is not None}
    if isinstance(customer.get("tags"), list):
        customer["tags"] = ",".join(customer["tags"])
    return customer


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
    output={
        "type": "object",
        "required": ["visible_at"],
        "properties": {"visible_at": s.visible_at("the change", VISIBLE_AFTER)},
    },
    effect=Effect.IDEMPOTENT,
    prepare=prepare,
    # what the vendor answers is not described, so that nothing is promised of it
    request=Request(
        "PATCH",
        STORE + CUSTOMERS_PATH,
        body="@",
        wrapper="customer",
        gives=f"{{visible_at: add_seconds(sent_at, {VISIBLE_AFTER:.0f})}}",
    ),
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
        **options(
            external_id=field("External ID", "The customer's identifier in your system.", s.TEXT),
            email=field("Email", "Looked for under the name that the vendor's developer host has.", s.EMAIL),
            phone_number=field("Phone Number", s.IN_E_164, s.E_164),
            visible_at=field(
                "Visible At",
                "Do not look before this time, such as the `visible_at` of create_or_update_customer: an earlier call "
                "fails with NotFound, which says how long `retry: {on: [NotFound]}` has to wait.",
                type="string",
                pattern=s.ISO_8601,
            ),
        ),
        "oneOf": [{"required": [name]} for name in _NAMES],
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
    config=options(
        external_ids=field(
            "External IDs",
            "Identifiers in your system, without commas in them.",
            type="array",
            minItems=1,
            maxItems=LARGEST_PAGE,
            items={"type": "string", "pattern": "^[^,]+$"},
        ),
        email=field("Email", "Looked for under the name that the vendor's developer host has.", s.EMAIL),
        phone_number=field("Phone Number", s.IN_E_164, s.E_164),
        limit=s.limit("customers"),
    ),
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
    answer = await call.http.request("GET", f"{CORE}/{call.connection['store_id']}{CUSTOMERS_PATH}", query=query)
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
