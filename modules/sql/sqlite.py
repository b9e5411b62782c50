"""SQLite: a file. Each call has a connection of its own, in a thread."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from engine import (
    AuthError,
    Conflict,
    DataError,
    Json,
    ModuleError,
    TimeoutError,  # noqa: A004 - the field's name
    VendorError,
)
from modules.sql.database import LEDGER, LEDGER_TABLE, Once, known, rows

_T = TypeVar("_T")
#: instructions of SQLite's machine between two looks at the clock
_LOOK = 10_000


class Sqlite:
    """:param timeout: seconds that a statement may take, and that it waits for another writer."""

    def __init__(self, path: Path, timeout: float, *, read_only: bool) -> None:
        self._path = path
        self._timeout = timeout
        self._read_only = read_only
        self.mark: Callable[[int], str] = lambda number: f"?{number}"

    async def read(self, sql: str, values: Sequence[Json], most: int) -> list[dict[str, Json]]:
        def work(connection: sqlite3.Connection) -> list[dict[str, Json]]:
            cursor = connection.execute(sql, [_bound(value) for value in values])
            return rows([name for name, *_ in cursor.description or ()], cursor.fetchmany(most))

        return await asyncio.to_thread(self._with, work, writes=False)

    async def write(
        self, statements: Sequence[tuple[str, Sequence[Sequence[Json]]]], once: Once | None
    ) -> tuple[int, bool]:
        def work(connection: sqlite3.Connection) -> tuple[int, bool]:
            connection.execute("BEGIN IMMEDIATE")
            if once is not None:
                connection.execute(LEDGER_TABLE)
                made = connection.execute(
                    f"INSERT INTO {LEDGER} VALUES (?, ?, NULL, ?) ON CONFLICT DO NOTHING",  # noqa: S608 - a constant
                    (once.key, once.fingerprint, once.now.isoformat()),
                )
                if made.rowcount == 0:
                    row = connection.execute(
                        f"SELECT fingerprint, row_count FROM {LEDGER} WHERE effect_key = ?",  # noqa: S608 - a constant
                        (once.key,),
                    ).fetchone()
                    connection.execute("ROLLBACK")
                    return known(row, once)
            count = 0
            for sql, lists in statements:
                for values in lists:
                    count += max(0, connection.execute(sql, [_bound(value) for value in values]).rowcount)
            if once is not None:
                connection.execute(
                    f"UPDATE {LEDGER} SET row_count = ? WHERE effect_key = ?",  # noqa: S608 - a constant
                    (count, once.key),
                )
            connection.execute("COMMIT")
            return count, False

        return await asyncio.to_thread(self._with, work, writes=True)

    def _with(self, work: Callable[[sqlite3.Connection], _T], *, writes: bool) -> _T:
        if writes and self._read_only:
            raise DataError("the connection is read-only; nothing was changed", refused=True)
        with mapped(), closing(self._open()) as connection:
            if not writes:
                connection.execute("PRAGMA query_only = ON")
            until = time.monotonic() + self._timeout
            connection.set_progress_handler(lambda: time.monotonic() > until, _LOOK)
            # what is not committed when it is closed is rolled back
            return work(connection)

    def _open(self) -> sqlite3.Connection:
        if self._read_only:
            return sqlite3.connect(
                f"{self._path.resolve().as_uri()}?mode=ro", uri=True, timeout=self._timeout, isolation_level=None
            )
        return sqlite3.connect(self._path, timeout=self._timeout, isolation_level=None)


@contextmanager
def mapped() -> Iterator[None]:
    """Errors of SQLite as those of the app."""
    try:
        yield
    except sqlite3.Error as error:
        raise _error(error) from None
    except OverflowError:
        raise DataError("a number is beyond 64 bits; nothing was changed", refused=True) from None


def _error(error: sqlite3.Error) -> ModuleError:
    name = getattr(error, "sqlite_errorname", "") or ""
    text = f"SQLite: {error}"
    # an error comes before the commit, or from a commit that was not made
    if name in ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"):
        return Conflict(f"{text}; nothing was changed", refused=True)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return VendorError(f"{text}; nothing was changed", refused=True)
    if name == "SQLITE_INTERRUPT":
        return TimeoutError("SQLite: the statement took too long; nothing was changed", refused=True)
    if name.startswith("SQLITE_CANTOPEN") or name in ("SQLITE_AUTH", "SQLITE_PERM", "SQLITE_NOTADB"):
        return AuthError(text, refused=True, hint="correct the connection's path")
    if name.startswith(("SQLITE_IOERR", "SQLITE_FULL", "SQLITE_CORRUPT")):
        return VendorError(text)
    return DataError(f"{text}; nothing was changed", refused=True)


def _bound(value: Json) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
