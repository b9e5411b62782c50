"""What people are shown instead of secrets. Only shown values are redacted, never what a replay uses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "•••"
#: shorter values are not looked for: they occur in ordinary text
SHORTEST = 4
#: values of one owner that are remembered: its tokens, and those before them
LEARNED = 6

_WORDS = (
    "authorization|api_?key|access_?key|private_?key|secret_?key|secrets?|tokens?|passwords?|passwd|passphrase|"
    "credentials?|cookies?|set_cookie|signature|bearer"
)
_SECRET_NAME = re.compile(rf"(?:^|_)(?:{_WORDS})(?:_|$)")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATOR = re.compile(r"[^a-z0-9]+")


def looks_secret(name: str) -> bool:
    """Whether a key or header of this name usually holds a secret: ``X-Api-Key``, ``accessToken``, ``password``."""
    return _SECRET_NAME.search(_SEPARATOR.sub("_", _HUMP.sub("_", name).lower())) is not None


class Redactor:
    """Replaces secrets by ``•••``: known values anywhere, and whatever stands under a secret-looking name.

    :param values: known secret values; those under four characters are only found by name.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values = tuple(values)
        self._learned: dict[str, tuple[str, ...]] = {}
        self._known = _pattern(self._values)

    def learn(self, owner: str, values: Iterable[str]) -> None:
        """Know these values too, such as tokens that were renewed. Of each owner the last few are remembered."""
        before = self._learned.get(owner, ())
        fresh = [value for value in values if value not in before]
        if fresh:
            self._learned[owner] = (*before, *fresh)[-LEARNED:]
            self._known = _pattern((*self._values, *(value for own in self._learned.values() for value in own)))

    def text(self, text: str) -> str:
        """The text without known values."""
        return self._known.sub(MASK, text) if self._known else text

    def json(self, value: Any) -> Any:
        """A copy of the JSON value without known values and without what stands under secret-looking names."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {
                self.text(key): MASK if looks_secret(key) and not _harmless(inner) else self.json(inner)
                for key, inner in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.json(item) for item in value]
        return value


def _harmless(value: Any) -> bool:
    return value is None or isinstance(value, bool) or value in ("", [], {})


def _pattern(values: Iterable[str]) -> re.Pattern[str] | None:
    known = {form for value in values if len(value) >= SHORTEST for form in _forms(value)}
    # longest first, so that a secret that begins with another one goes as a whole
    return re.compile("|".join(re.escape(v) for v in sorted(known, key=len, reverse=True))) if known else None


def _forms(value: str) -> set[str]:
    """The value as it may appear in a URL, a form, or a JSON text. A URL also goes without the slash at its end."""
    if "://" in value and value.endswith("/"):
        return {value, *_forms(value.rstrip("/"))}
    return {
        value,
        quote(value, safe=""),
        quote(value),
        quote_plus(value),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
    }
