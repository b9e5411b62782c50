"""Ids that grow with time, and how they are written.

63 bits: 43 of milliseconds since 1970, 20 of a counter. Two in one millisecond differ by the counter; a clock that
goes back does not make them go back, because each is larger than the last.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from engine.sdk.errors import EngineError

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_VALUES = {c: i for i, c in enumerate(_ALPHABET)}
_COUNTER_BITS = 20


class BadId(EngineError):
    """A text is not the id of a run or receipt."""

    code = "bad-id"


class IdSource:
    """Gives out ids, each larger than the last.

    :param after: the largest id in use.
    :param spread: where the counter starts in each millisecond, 20 bits: two sources over one store take two numbers.
    """

    def __init__(self, after: int = 0, clock: Callable[[], float] = time.time, spread: int = 0) -> None:
        self._last = after
        self._clock = clock
        self._spread = spread

    def __call__(self) -> int:
        self._last = max(self._last + 1, int(self._clock() * 1000) << _COUNTER_BITS | self._spread)
        return self._last


def first_of(seconds: float) -> int:
    """The smallest id that is given out at this moment, in Unix seconds; ids of earlier ones are smaller."""
    return max(0, int(seconds * 1000) << _COUNTER_BITS)


def show(number: int) -> str:
    """An id as people see it: 13 letters and digits that sort as the ids do."""
    pairs = _PAIRS
    return (
        f"{_ALPHABET[number >> 60 & 31]}{pairs[number >> 50 & 1023]}{pairs[number >> 40 & 1023]}"
        f"{pairs[number >> 30 & 1023]}{pairs[number >> 20 & 1023]}{pairs[number >> 10 & 1023]}{pairs[number & 1023]}"
    )


def read(text: str) -> int:
    """The id that ``show`` wrote so. Raises ``BadId``."""
    number = 0
    if len(text) != 13:
        raise BadId(f"'{text}' is not an id", hint="ids have 13 letters and digits; list them with `engine runs`")
    for c in text.lower():
        if c not in _VALUES:
            raise BadId(f"'{text}' is not an id: '{c}' does not occur in ids")
        number = number << 5 | _VALUES[c]
    if number >> 63:
        raise BadId(f"'{text}' is not an id: ids have 63 bits")
    return number
