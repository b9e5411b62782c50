"""The modules *Map a Loyalty Event* and *Map a Customer*."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import Config, Json, Schema, Transform
from modules.yotpo_to_insider import names
from modules.yotpo_to_insider.table import TABLE, EventRow
from modules.yotpo_to_insider.values import ABSENT, Given, at, filled, known_names, moment

_OBJECT: Schema = {"type": ["object", "null"]}
_PATH = "^(details|record|event)\\.[^.\\s]+(\\.[^.\\s]+)*$"

_DETAILS: Schema = {
    **_OBJECT,
    "title": "Details",
    "description": "What yotpo_developer.retrieve_customer gave; null where it knows no such customer.",
}
_RECORD: Schema = {
    **_OBJECT,
    "title": "Record",
    "description": "What yotpo_loyalty.retrieve_customer, or a list of customers, gave.",
}


def _changes(title: str, what: str) -> Schema:
    return {
        "type": "object",
        "title": title,
        "description": (
            f"Another place for the value of {what}, by its name at Insider, such as `record.points_balance`; null "
            "leaves it out."
        ),
        "additionalProperties": {"type": ["string", "null"], "pattern": _PATH},
    }


_SHARED: Mapping[str, Schema] = {
    "attributes": _changes("Attributes", "an attribute"),
    "when_null": {
        "type": "object",
        "title": "When null",
        "description": (
            "What is sent where Yotpo says null, by name at Insider: without it nothing is sent, and Insider keeps "
            "what it has."
        ),
        "additionalProperties": {"type": ["string", "number", "boolean"]},
    },
    "year_when_unknown": {
        "type": "integer",
        "title": "Year when unknown",
        "description": (
            "The year of a birthday or an anniversary of which Yotpo knows only month and day; such a day is left out "
            "otherwise. A leap year, such as 1904, has room for 29 February."
        ),
        "minimum": 1,
        "maximum": 9999,
    },
}

_USER: Schema = {
    "type": ["object", "null"],
    "description": "One user of insider.upsert_users; null where there is nothing to send, for which see reason",
    "required": ["identifiers"],
    "properties": {
        "identifiers": {
            "type": "object",
            "required": ["email"],
            "properties": {"email": {"type": "string"}},
        },
        "attributes": {"type": "object"},
        "not_append": {"type": "boolean"},
        "events": {"type": "array", "items": {"type": "object"}},
    },
}
_NULLABLE: Schema = {"type": ["string", "null"]}


def _output(**more: Schema) -> Schema:
    properties = {
        "email": {**_NULLABLE, "description": "Whom it is about"},
        "user": _USER,
        "reason": {**_NULLABLE, "description": "Why there is nothing to send"},
        **more,
    }
    return {"type": "object", "required": list(properties), "properties": properties}


# ---------------------------------------------------------------------- events


def _event_row(event: Mapping[str, Json]) -> EventRow | None:
    """The table's row of an event: by its name, which is how the document lists them; by its topic without one."""
    name = event.get("name")
    if isinstance(name, str) and name:
        return next((row for row in TABLE.events if names.plain(row.yotpo) == names.plain(name)), None)
    topic = event.get("topic")
    return next((row for row in TABLE.events if row.topic is not None and row.topic == topic), None)


def _whom(event: Mapping[str, Json], customer: Mapping[str, Json], insider: str) -> str | None:
    """The customer's e-mail. That of the event itself is the friend's where somebody recommends the shop."""
    places = [customer.get("email"), event.get("from")]
    if insider not in names.ABOUT_A_FRIEND:
        places = [customer.get("email"), event.get("email")]
    return next((email for email in places if isinstance(email, str) and email), None)


def map_event(config: Config) -> Json:
    """One event as one user: what is now known of the customer, and the event."""
    known_names(TABLE.attributes, {**config.get("attributes", {}), **config.get("when_null", {})}, "attributes")
    known_names(TABLE.parameters, config.get("event_parameters", {}), "event_parameters")
    event: Mapping[str, Json] = config["event"]
    row = _event_row(event)
    if row is None:
        called = event.get("name") or event.get("topic")
        return _nothing(f"the table has no event {called!r}", None, event_name=None)
    name = names.event_name(row.insider, config.get("event_names", {}))
    if row.about == "shop":
        return _nothing("the event is about the shop, and has no customer", None, event_name=name)
    holder: Mapping[str, Json] = next(
        (event[key] for key in names.CUSTOMER_KEYS if isinstance(event.get(key), Mapping)), {}
    )
    email = _whom(event, holder, row.insider)
    if email is None:
        return _nothing("the event names no customer", None, event_name=name)
    # whoever it is that an event tells of, the table's paths call him `customer`
    seen = {**config, "event": {**event, "customer": holder}}
    times = (moment(at(event, path)) for path in names.TIMES)
    sent: dict[str, Any] = {
        "event_name": name,
        "timestamp": next((one for one in times if one), None) or moment(config["received_at"]),
        "event_params": {"custom": {}},
    }
    rows = [one for one in TABLE.parameters if not one.only or row.insider in one.only]
    filled(
        sent, (one for one in rows if not one.repeats and one.to != "event_name"), Given.of(seen, "event_parameters")
    )
    user = _user(email, Given.of(seen, "attributes"), everything=True)
    return {"email": email, "user": {**user, "events": [sent]}, "reason": None, "event_name": name}


def _user(email: str, given: Given, *, everything: bool) -> dict[str, Any]:
    user: dict[str, Any] = {"identifiers": {"email": email}}
    rows = (row for row in TABLE.attributes if row.to != "identifiers.email" and not row.repeats)
    filled(user, (row for row in rows if everything or row.historical), given)
    if names.NOT_APPEND and "attributes" in user:
        user["not_append"] = True
    return user


def _nothing(reason: str, email: str | None, **more: Json) -> Json:
    return {"email": email, "user": None, "reason": reason, **more}


MAP_EVENT = Transform(
    name="map_event",
    title="Map a Loyalty Event",
    description=(
        "Makes one user of an upsert of an event of Yotpo Loyalty: every attribute of the table that is known of the "
        "customer, and the event with its parameters."
    ),
    config={
        "type": "object",
        "additionalProperties": False,
        "required": ["event", "received_at"],
        "properties": {
            "event": {"type": "object", "title": "Event", "description": "The event's body: trigger."},
            "received_at": {
                "type": "string",
                "title": "Received at",
                "description": "The event's time where it tells none itself: request.received_at.",
                "pattern": "^\\d{4}-\\d{2}-\\d{2}[T ]",
            },
            "details": _DETAILS,
            "record": _RECORD,
            "prefer": {
                "type": "string",
                "title": "Prefer",
                "description": (
                    "What counts where an attribute is known from more than one place: records (when left out), which "
                    "were read after the event, or event."
                ),
                "enum": ["records", "event"],
                "default": "records",
            },
            **_SHARED,
            "event_parameters": _changes("Event parameters", "an event parameter"),
            "event_names": {
                "type": "object",
                "title": "Event names",
                "description": (
                    "What Insider calls an event, by its name in the table, such as `Points Earned`; lower snake case "
                    "of that when left out, which is inferred."
                ),
                "propertyNames": {"enum": [row.insider for row in TABLE.events]},
                "additionalProperties": {"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]*$"},
            },
        },
    },
    output=_output(event_name={**_NULLABLE, "description": "What Insider calls it; null where the table has none"}),
    apply=map_event,
    example={
        "event": {"topic": "loyalty/opt_in", "name": "Loyalty Opt In", "customer": {"email": "ana@example.com"}},
        "received_at": "2024-03-05T09:00:00.000Z",
        "when_null": {"yotpo_vip_tier_name": "none"},
    },
)


# ---------------------------------------------------------------------- customers


def map_customer(config: Config) -> Json:
    """What is known of one customer as one user, without any event."""
    known_names(TABLE.attributes, {**config.get("attributes", {}), **config.get("when_null", {})}, "attributes")
    email = config.get("email") or at(config.get("record"), "email")
    if email is ABSENT or not isinstance(email, str) or not email:
        return _nothing("the record has no email", None)
    user = _user(email, Given.of(config, "attributes"), everything=config.get("rows") == "all")
    if "attributes" not in user:
        return _nothing("Yotpo tells nothing of this customer that the table has", email)
    return {"email": email, "user": user, "reason": None}


MAP_CUSTOMER = Transform(
    name="map_customer",
    title="Map a Customer",
    description="Makes one user of an upsert of what is known of a customer, without any event: for a backfill.",
    config={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "email": {
                "type": ["string", "null"],
                "title": "Email",
                "description": "Whom it is about; that of the record when left out.",
            },
            "details": _DETAILS,
            "record": _RECORD,
            "rows": {
                "type": "string",
                "title": "Rows",
                "description": (
                    "historical (when left out): the rows that the table sends for all customers at first; all: every "
                    "row that is known without an event."
                ),
                "enum": ["historical", "all"],
                "default": "historical",
            },
            **_SHARED,
        },
    },
    output=_output(),
    apply=map_customer,
    example={"record": {"email": "ana@example.com", "points_balance": 640}, "details": {"total_reviews": 4}},
)
