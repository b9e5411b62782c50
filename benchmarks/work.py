"""The work ``loyalty-3``: what is sent, what the customer API answers, and what must come back.

A webhook takes an event of about 1.5 KB. When its type is ``points.earned``, the customer is read (GET
/customers/<id>), nine fields are mapped, and the update is posted (POST /updates). An event is through when the API has
got its update with the right values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

#: customers that the API knows, each with a number from 0
CUSTOMERS = 1000
EARNED = "points.earned"
SPENT = "points.spent"
POINTS = 42
TIERS = ("bronze", "silver", "gold")
TOTAL = 42.35
STORE = "st-0417"
ID_DIGITS = 8


def customer_id(number: int) -> str:
    return f"c-{number:06}"


def customer(number: int) -> dict[str, Any]:
    """What the API answers for a customer, about 0.4 KB."""
    return {
        "id": customer_id(number),
        "crm_id": f"CRM-{900_000 + number}",
        "first_name": "Grace",
        "last_name": f"Sample{number}",
        "email": f"customer{number}@example.com",
        "phone": f"+1555010{number:04}",
        "tier": TIERS[number % len(TIERS)],
        "balance": number * 7 % 5000,
        "locale": "en-GB",
        "address": {"street": "1 Example Street", "zip": "10115", "city": "Berlin", "country": "DE"},
        "consents": {"email": True, "sms": False, "post": True},
        "segments": ["frequent", "app-user", "newsletter"],
        "created_at": "2021-03-04T05:06:07Z",
    }


def event(event_id: str, number: int, kind: str = EARNED) -> dict[str, Any]:
    """The body of a webhook, about 1.5 KB."""
    return {
        "event_id": event_id,
        "type": kind,
        "version": 3,
        "occurred_at": "2026-03-14T15:09:26.535Z",
        "source": "till",
        "store": {"id": STORE, "name": "Berlin Mitte", "country": "DE", "till": 7, "cashier": "m.sample"},
        "customer": {
            "id": customer_id(number),
            "card": f"4929{number:012}",
            "email": f"customer{number}@example.com",
        },
        "points": {"earned": POINTS, "rule": "one-per-euro", "multiplier": 1, "expires_at": "2027-03-14T00:00:00Z"},
        "transaction": {
            "id": f"tx-{event_id}",
            "currency": "EUR",
            "total": TOTAL,
            "tax": 6.76,
            "payment": "card",
            "items": [
                {
                    "sku": f"SKU-{1000 + item:05}",
                    "name": f"Sample article number {item}",
                    "quantity": 1 + item % 2,
                    "unit_price": 7.05,
                    "category": "household goods",
                    "discount": 0.0,
                }
                for item in range(6)
            ],
        },
        "meta": {
            "trace_id": "7f3a9c52e1b84d0fa6c3",
            "tenant": "demo",
            "channel": "store",
            "app_version": "5.12.1",
            "campaign": "spring-2026",
            "note": "an event of the benchmark loyalty-3, made by its load generator",
        },
    }


def update(event_id: str, number: int) -> dict[str, Any]:
    """The nine fields that the API must get for an event."""
    about = customer(number)
    return {
        "event_id": event_id,
        "customer_id": about["id"],
        "crm_id": about["crm_id"],
        "email": about["email"],
        "tier": about["tier"],
        "balance": about["balance"] + POINTS,
        "reason": EARNED,
        "store": STORE,
        "total": TOTAL,
    }


def _template() -> bytes:
    text = orjson.dumps(event("<ID>", 0))
    for written, slot in (
        (b"<ID>", b"%(id)b"),
        (b"4929000000000000", b"4929%(card)b"),
        (b"c-000000", b"c-%(customer)b"),
        (b"customer0@", b"customer%(number)b@"),
    ):
        text = text.replace(written, slot)
    return text


_TEMPLATE = _template()


def body(event_id: str, number: int) -> bytes:
    """The JSON of ``event``, from a template: encoding it anew for each event would be the generator's largest cost."""
    digits = b"%d" % number
    return _TEMPLATE % {
        b"id": event_id.encode(),
        b"card": digits.rjust(12, b"0"),
        b"customer": digits.rjust(6, b"0"),
        b"number": digits,
    }


def names(tag: str) -> Iterator[tuple[str, int]]:
    """Event ids that begin with the tag, each with the number of its customer, without end."""
    count = 0
    while True:
        yield f"{tag}-{count:0{ID_DIGITS}}", count % CUSTOMERS
        count += 1
