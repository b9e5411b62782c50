"""The project's data stores, as modules see them: records by key that outlive runs.

A write is one change of one record. The engine carries it out in the transaction in which it notes that it did, so that
whatever dies, its outcome is known, and no replay does it twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from engine.sdk.modules import Config, Json, Module

#: characters of a key
LONGEST_KEY = 300
#: bytes of a record as JSON
LARGEST_RECORD = 512_000


class DataRecord(NamedTuple):
    """A record of a store.

    :param version: grows with each change of the store; no two states of a record have the same.
    :param updated_at: Unix seconds.
    """

    key: str
    record: Json
    version: int
    updated_at: float


class Data(Protocol):
    """What a module may read. It sees what is stored, the run's own earlier writes included."""

    async def get(self, store: str, key: str) -> DataRecord | None:
        """The record of a key; None: there is none."""
        ...

    async def find(self, store: str, *, prefix: str = "", after: str = "", limit: int = 1000) -> Sequence[DataRecord]:
        """Records in the order of their keys.

        :param prefix: of their keys.
        :param after: a key; those after it.
        """
        ...

    async def count(self, store: str) -> int:
        """How many records a store has."""
        ...


class How(StrEnum):
    """What a change does to a record."""

    #: the value takes the record's place
    PUT = "put"
    #: the value's fields are added to the record's, or take their place
    MERGE = "merge"
    #: the value, a number, is added to a field
    INCREMENT = "increment"
    #: the record goes
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class DataChange:
    """One change of one record.

    :param field: of ``INCREMENT``: which field; None: the record is the number itself.
    :param create: whether a record that is not there is made; otherwise that is an error.
    :param version: the change is made only to a record of this version; 0: only where there is none.
    """

    how: How
    store: str
    key: str
    value: Json = None
    field: str | None = None
    create: bool = True
    version: int | None = None


@dataclass(frozen=True, kw_only=True)
class DataRead(Module):
    """A module that reads data stores.

    :param read: gives the output for a config.
    """

    read: Callable[[Config, Data], Awaitable[Json]]


@dataclass(frozen=True, kw_only=True)
class DataWrite(Module):
    """A module that changes a record. Its output is ``{key, record, version, created}``: what is there then.

    :param change: pure; what is to be done under a config.
    """

    change: Callable[[Config], DataChange]
