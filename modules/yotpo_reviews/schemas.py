"""What a review looks like, in answers and in webhooks, and how the vendor's two forms of it become one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from engine import Json, Schema

_ID: Schema = {"type": ["integer", "string", "null"]}
_TEXT: Schema = {"type": ["string", "null"]}
_COUNT: Schema = {"type": ["integer", "null"]}
_FLAG: Schema = {"type": ["boolean", "null"]}
_NUMBER: Schema = {"type": ["number", "null"]}

INTEGERS = ("id", "user_id", "score", "votes_up", "votes_down", "review_type_id", "source_review_id")
FLAGS = ("deleted", "new", "verified_buyer", "archived", "shop_owner")
TIMES = ("created_at", "updated_at")

#: a review as a webhook tells of it, after ``typed``
REVIEW: Schema = {
    "type": "object",
    "properties": {
        "id": {"type": ["integer", "string"], "description": "The review"},
        "title": _TEXT,
        "content": _TEXT,
        "score": {**_COUNT, "description": "1 to 5"},
        "customer_email": _TEXT,
        "user_id": _ID,
        "user_type": _TEXT,
        "app_key": _TEXT,
        "source_app_key": _TEXT,
        "deleted": _FLAG,
        "archived": _FLAG,
        "new": _FLAG,
        "verified_buyer": _FLAG,
        "shop_owner": _FLAG,
        "votes_up": _COUNT,
        "votes_down": _COUNT,
        "review_type_id": _ID,
        "source_review_id": _ID,
        "sentiment": _NUMBER,
        "created_at": {**_TEXT, "description": "ISO 8601, in UTC"},
        "updated_at": {**_TEXT, "description": "ISO 8601, in UTC"},
        "order": {
            "type": ["object", "null"],
            "properties": {"id": _ID, "external_id": _ID},
            "additionalProperties": True,
        },
    },
    "additionalProperties": True,
}

#: the vendor's form of a time
_UTC = re.compile(r"(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}) UTC")


def typed(review: Mapping[str, Any]) -> dict[str, Any]:
    """A review whose values have their types: older webhooks quote every value as a text.

    Texts stay texts where they may be anything; a value that is none of its type stays as it came.
    """
    found = {key: _unquoted(key, value) for key, value in review.items()}
    if isinstance(found.get("order"), Mapping):
        found["order"] = {key: _integer(value) if key == "id" else value for key, value in found["order"].items()}
    return found


def _unquoted(key: str, value: Json) -> Json:
    if isinstance(value, str):
        if value in ("", "null", "nil") and key not in ("title", "content"):
            return None
        if key in INTEGERS:
            return _integer(value)
        if key in FLAGS:
            return {"true": True, "false": False}.get(value.lower(), value)
        if key == "sentiment":
            return _number(value)
    return iso(value) if key in TIMES else value


def iso(value: Json) -> Json:
    """A time of the vendor's form, ``2018-02-20 14:12:13 UTC``, as ISO 8601; anything else as it is."""
    found = _UTC.fullmatch(value) if isinstance(value, str) else None
    return f"{found[1]}T{found[2]}Z" if found else value


def vendors_time(moment: datetime) -> str:
    """A time in the vendor's form."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _integer(value: Json) -> Json:
    return int(value) if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value) else value


def _number(value: str) -> Json:
    try:
        return float(value)
    except ValueError:
        return value
