"""The envelope of the vendor's answers: ``{"status": {"code": 200, "message": "OK"}, "response": {…}}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import Json, Response, VendorError


def opened(answer: Response) -> Json:
    """What an answer says: what stands under ``response`` where it has the envelope, else all of it."""
    body = answer.json()
    if isinstance(body, Mapping) and isinstance(body.get("status"), Mapping) and "response" in body:
        return body["response"]
    return body


def items(answer: Response, name: str) -> list[Any]:
    """The list that stands under a name, in the envelope or without it."""
    body = opened(answer)
    found = body.get(name) if isinstance(body, Mapping) else None
    if not isinstance(found, list):
        raise VendorError(f"the answer has no list under '{name}'", status=answer.status, detail=answer.readable)
    return found
