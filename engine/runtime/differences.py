"""What differs between the request that a row holds and the one that would be made now, for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.runtime.redact import MASK, looks_secret
from engine.sdk import jsontext
from engine.store.records import EffectRecord, Record

#: differences that are named, and characters of a value that are shown
NAMED = 5
SHOWN = 60

_ABSENT = object()


def differing(row: Record | EffectRecord, config: Any) -> str:
    """The differences as the end of a sentence; empty where the row keeps no request (a read's)."""
    if not isinstance(row, EffectRecord):
        return ""
    found = list(_between("", jsontext.loads(row.request), jsontext.loads(jsontext.dumps(config)), secret=False))
    more = f", and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return f"; it differs in {', '.join(found[:NAMED])}{more}" if found else ""


def _between(path: str, before: Any, now: Any, *, secret: bool) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *(key for key in now if key not in before)]:
            inner = f"{path}.{key}" if path else key
            yield from _between(
                inner, before.get(key, _ABSENT), now.get(key, _ABSENT), secret=secret or looks_secret(key)
            )
    elif before is _ABSENT or now is _ABSENT or before != now or type(before) is not type(now):
        yield f"{path or 'the whole'} ({_shown(before, secret)} there, {_shown(now, secret)} now)"


def _shown(value: Any, secret: bool) -> str:
    if value is _ABSENT:
        return "nothing"
    if secret:
        return MASK
    text = jsontext.dumps(value).decode()
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
