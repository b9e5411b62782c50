"""What both databases can do, and the ledger that makes a statement happen once."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from engine import Conflict, DataError, Json

#: the table in the target database that says which statements were carried out
LEDGER = "engine_effects"
LEDGER_TABLE = (
    f"CREATE TABLE IF NOT EXISTS {LEDGER} (effect_key varchar(100) PRIMARY KEY, fingerprint varchar(100) NOT NULL, "
    "row_count bigint, made_at varchar(40) NOT NULL)"
)


class Once(NamedTuple):
    """Under which key a statement is carried out once.

    :param fingerprint: of the statement and its values: under one key stands one statement.
    """

    key: str
    fingerprint: str
    now: datetime


class Database(Protocol):
    """A connection's client. Its errors are the standard types, with ``refused`` where nothing was changed."""

    mark: Callable[[int], str]

    async def read(self, sql: str, values: Sequence[Json], most: int) -> list[dict[str, Json]]:
        """Rows of a query, at most so many, in a transaction that can change nothing."""
        ...

    async def write(
        self, statements: Sequence[tuple[str, Sequence[Sequence[Json]]]], once: Once | None
    ) -> tuple[int, bool]:
        """Carry out statements, each for all its lists of values, in one transaction.

        :param once: with its row of the ledger in the same transaction; what is there already is not done again.
        :returns: how many rows were changed, and whether that was done earlier.
        """
        ...


def known(row: Sequence[Any], once: Once) -> tuple[int, bool]:
    """What the ledger says of a statement that was carried out before.

    :raises Conflict: it was another statement.
    """
    fingerprint, count = row
    if fingerprint != once.fingerprint:
        raise Conflict("under this step's key another statement was carried out; nothing was changed", refused=True)
    return int(count or 0), True


def rows(names: Sequence[str], found: Sequence[Sequence[Any]]) -> list[dict[str, Json]]:
    """Rows as objects."""
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise DataError(f"two columns of the query are called '{twice}'", hint="name one of them: `… AS other_name`")
    return [dict(zip(names, map(json_of, row), strict=True)) for row in found]


def json_of(value: Any) -> Json:
    """A database's value as JSON: exact, or a text that says it exactly."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal() | timedelta():
            return str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(bytes(value)).decode()
        case list() | tuple():
            return [json_of(one) for one in value]
        case Mapping():
            return {str(name): json_of(one) for name, one in value.items()}
    return str(value)
