"""What a loop gathers: a list that grows from checkpoint to checkpoint, and is put together only when it is asked for.

What is large is set aside as JSON, in rows of its own; that text is all that a run holds of it. A list that has such
rows goes into the scope as ``Later``: an item of it costs the reading of one row, its length one look at each, and only
an expression that asks for all of it makes the list.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from engine.scenario.expressions import Later, plain
from engine.sdk import jsontext

if TYPE_CHECKING:
    from engine.runtime.effects import Effects

#: bytes of what is gathered that stand in the checkpoint itself; more is set aside, once
TAIL = 16_384


@dataclass(slots=True)
class Gathered:
    """What was gathered before the last checkpoint, in chunks.

    :param chunks: how many were set aside.
    :param tail: what stands in the checkpoint itself.
    """

    key: str
    chunks: int = 0
    tail: list[Any] = field(default_factory=list)

    def add(self, values: Sequence[Any], aside: dict[str, Any]) -> None:
        """Take what a segment left behind; what is large enough goes into ``aside``."""
        self.tail += values
        if self.tail and jsontext.size(self.tail) > TAIL:
            aside[f"{self.key}{self.chunks}"] = self.tail
            self.chunks += 1
            self.tail = []

    def copy(self) -> Gathered:
        return Gathered(self.key, self.chunks, list(self.tail))

    def to_json(self) -> Any:
        return [self.chunks, self.tail]

    def all(self, effects: Effects, more: Sequence[Any], kind: Kind) -> Any:
        """The list, with what came since the last checkpoint; for later, where some of it was set aside."""
        texts = [effects.set_aside(f"{self.key}{number}") for number in range(self.chunks)]
        parts = ListParts(texts, [*self.tail, *more], kind)
        return Later(parts) if texts else parts.whole()


@dataclass(frozen=True, slots=True)
class Kind:
    """How entries were gathered.

    :param number: gives the item that an entry is of, where they may be out of order; None: they are not.
    :param value: gives what stands in the list for an entry.
    """

    number: Callable[[Any], int] | None = None
    value: Callable[[Any], Any] = lambda entry: entry


class ListParts:
    """A list as JSON texts, and what comes after them."""

    listed = True

    def __init__(self, texts: Sequence[bytes], tail: Sequence[Any], kind: Kind) -> None:
        self._texts = texts
        self._tail = tail
        self._kind = kind
        #: where each chunk ends, once that was looked at; and whether the entries are in order
        self._ends: list[int] = []
        self._in_order = True
        #: the chunk that was read last
        self._last: tuple[int, Sequence[Any]] | None = None

    def whole(self) -> list[Any]:
        number, value = self._kind.number, self._kind.value
        if number is None:
            return [entry for chunk in self._chunks() for entry in chunk]
        found: list[Any] = []
        numbers = array("q")
        for chunk in self._chunks():
            found += [value(entry) for entry in chunk]
            numbers.extend([number(entry) for entry in chunk])
        if _ascending(numbers):
            return found
        return [found[at] for at in sorted(range(len(found)), key=numbers.__getitem__)]

    def field(self, _name: str) -> Any:
        return None

    def items(self) -> Iterator[Any]:
        self.length()
        if not self._in_order:
            return iter(self.whole())
        return (self._kind.value(entry) for chunk in self._chunks() for entry in chunk)

    def at(self, where: int | slice) -> Any:
        count = self.length()
        if not self._in_order:
            return _at(self.whole(), where)
        if isinstance(where, slice):
            return [self._entry(place) for place in range(*where.indices(count))]
        place = where + count if where < 0 else where
        return self._entry(place) if 0 <= place < count else None

    def length(self) -> int:
        if not self._ends:
            self._look()
        return self._ends[-1]

    def _look(self) -> None:
        number, last, lengths = self._kind.number, -1, []
        for chunk in self._chunks():
            lengths.append(len(chunk))
            if number is not None:
                numbers = array("q", [last, *map(number, chunk)])
                self._in_order = self._in_order and _ascending(numbers)
                last = numbers[-1]
        self._ends = list(accumulate(lengths))

    def _chunks(self) -> Iterator[Sequence[Any]]:
        for text in self._texts:
            yield jsontext.loads(text)
        yield self._tail

    def _entry(self, place: int) -> Any:
        which = bisect_right(self._ends, place)
        if self._last is None or self._last[0] != which:
            self._last = which, jsontext.loads(self._texts[which]) if which < len(self._texts) else self._tail
        begin = self._ends[which - 1] if which else 0
        return self._kind.value(self._last[1][place - begin])


def _at(values: list[Any], where: int | slice) -> Any:
    if isinstance(where, slice):
        return values[where]
    return values[where] if -len(values) <= where < len(values) else None


def _ascending(numbers: Sequence[int]) -> bool:
    return all(numbers[at] < numbers[at + 1] for at in range(len(numbers) - 1))


class Fields:
    """An object some fields of which are for later."""

    listed = False

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    @classmethod
    def of(cls, values: dict[str, Any]) -> Any:
        """The object itself, where none of them is."""
        return Later(cls(values)) if any(value.__class__ is Later for value in values.values()) else values

    def whole(self) -> dict[str, Any]:
        return {name: plain(value) for name, value in self._values.items()}

    def field(self, name: str) -> Any:
        return self._values.get(name)

    def items(self) -> Iterator[Any]:
        return iter(())

    def at(self, _where: int | slice) -> Any:
        return None

    def length(self) -> int:
        return len(self._values)
