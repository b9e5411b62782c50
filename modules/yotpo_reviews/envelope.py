"""The envelope of the vendor's answers: ``{"status": {"code": 200, "message": "OK"}, "response": {…}}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import DataError, Json, Response, VendorError

#: below it an answer that says so in its body was a success
_SUCCESS = range(200, 300)


def opened(answer: Response) -> Json:
    """What an answer says: what stands under ``response`` where it has the envelope, else all of it.

    :raises DataError: the envelope says 4xx, under a status of 200.
    :raises VendorError: it says anything else that is no success.
    """
    body = answer.json()
    if not isinstance(body, Mapping):
        return body
    status = body.get("status")
    code = status.get("code") if isinstance(status, Mapping) else body.get("code")
    if isinstance(code, int) and code not in _SUCCESS:
        said = status.get("message") if isinstance(status, Mapping) else body.get("message")
        told = f"the answer says {code}{f': {said}' if said else ''}"
        if 400 <= code < 500:
            raise DataError(told, refused=True, status=code, detail=answer.readable)
        raise VendorError(told, status=code, detail=answer.readable)
    return body["response"] if isinstance(status, Mapping) and "response" in body else body


def items(answer: Response, name: str) -> list[Any]:
    """The list that stands under a name, in the envelope or without it."""
    body = opened(answer)
    found = body.get(name) if isinstance(body, Mapping) else None
    if not isinstance(found, list):
        raise VendorError(f"the answer has no list under '{name}'", status=answer.status, detail=answer.readable)
    return found
