"""Values that are too large to be held: a long list that a loop collected.

Such a value stands at the root of a scope in place of the list, or as ``output`` of a step in ``steps``. An expression
that asks for the list gets it, put together from what is kept of it; one that asks for an item, a slice, a field or the
length gets that alone, and one that filters it goes through it piece by piece. No expression ever meets the stand-in
itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, final


class Parts(Protocol):
    """What a value is put together from."""

    listed: bool
    """whether it is a list, not an object"""

    def whole(self) -> Any:
        """The value."""
        ...

    def field(self, name: str) -> Any:
        """A field of an object, which may be for later itself; None: there is none, or it is no object."""
        ...

    def at(self, where: int | slice) -> Any:
        """An item or a part of a list; None: there is none, or it is no list."""
        ...

    def items(self) -> Iterator[Any]:
        """The items of a list, one after another."""
        ...

    def length(self) -> int:
        """How many items or fields it has."""
        ...


@final
class Later:
    """A value that is put together when somebody asks for it, once."""

    __slots__ = ("_made", "_parts")

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._made: list[Any] = []

    def whole(self) -> Any:
        """The value."""
        if not self._made:
            self._made.append(self._parts.whole())
        return self._made[0]

    def get(self, name: str) -> Any:
        """A field, as of an object."""
        return self._parts.field(name)

    def at(self, where: int | slice) -> Any:
        """An item or a slice, as of a list."""
        return self._parts.at(where)

    @property
    def is_list(self) -> bool:
        """Whether it can be gone through."""
        return self._parts.listed

    def __iter__(self) -> Iterator[Any]:
        """The items of a list, which is not made for that."""
        return iter(self._made[0]) if self._made else self._parts.items()

    def __len__(self) -> int:
        return self._parts.length()

    def __bool__(self) -> bool:
        return len(self) > 0


def plain(value: Any) -> Any:
    """The value itself, where it is one for later."""
    return value.whole() if value.__class__ is Later else value


def plain_names(names: dict[str, Any]) -> dict[str, Any]:
    """The names of a scope with nothing for later among them."""
    if not any(value.__class__ is Later for value in names.values()):
        return names
    found = {name: plain(value) for name, value in names.items()}
    steps = found.get("steps")
    if isinstance(steps, dict):
        found["steps"] = {name: plain_ended(ended) for name, ended in steps.items()}
    return found


def plain_ended(ended: Any) -> Any:
    """How a step ended, with its output itself."""
    if isinstance(ended, dict) and ended.get("output").__class__ is Later:
        return {**ended, "output": ended["output"].whole()}
    return ended
