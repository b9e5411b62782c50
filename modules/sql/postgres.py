"""PostgreSQL, by psycopg. A few connections are kept open; each call is one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.types.json import Jsonb

from engine import (
    AuthError,
    Conflict,
    ConnectionError,  # noqa: A004 - the field's name
    DataError,
    Json,
    ModuleError,
    TimeoutError,  # noqa: A004 - the field's name
    VendorError,
)
from modules.sql.database import LEDGER, LEDGER_TABLE, Once, known, rows

#: connections that are kept for the next call
KEPT = 5
_Connection = psycopg.AsyncConnection[Any]


class Postgres:
    """:param given: what psycopg connects with."""

    def __init__(self, given: Mapping[str, Any], *, read_only: bool) -> None:
        self._given = given
        self._read_only = read_only
        self._idle: list[_Connection] = []
        self.mark: Callable[[int], str] = lambda number: f"${number}"

    async def close(self) -> None:
        """Close what is open."""
        while self._idle:
            await self._idle.pop().close()

    async def read(self, sql: str, values: Sequence[Json], most: int) -> list[dict[str, Json]]:
        async with self._transaction(writes=False) as connection, psycopg.AsyncRawCursor(connection) as cursor:
            await cursor.execute(sql.encode(), [_bound(value) for value in values])
            if cursor.description is None:
                raise DataError("the statement gives no rows", hint="sql.execute carries it out", refused=True)
            return rows([one.name for one in cursor.description], await cursor.fetchmany(most))

    async def write(
        self, statements: Sequence[tuple[str, Sequence[Sequence[Json]]]], once: Once | None
    ) -> tuple[int, bool]:
        async with self._transaction(writes=True) as connection, psycopg.AsyncRawCursor(connection) as cursor:
            if once is not None:
                await cursor.execute("SELECT to_regclass($1)", [LEDGER])
                there = await cursor.fetchone()
                if there is None or there[0] is None:
                    # two that make it at once would fail
                    await cursor.execute("SELECT pg_advisory_xact_lock(hashtext($1))", [LEDGER])
                    await cursor.execute(LEDGER_TABLE.encode())
                # waits for a transaction that has the same key, and then sees it
                await cursor.execute(
                    f"INSERT INTO {LEDGER} VALUES ($1, $2, NULL, $3) ON CONFLICT DO NOTHING".encode(),  # noqa: S608 - a constant
                    [once.key, once.fingerprint, once.now.isoformat()],
                )
                if cursor.rowcount == 0:
                    await cursor.execute(
                        f"SELECT fingerprint, row_count FROM {LEDGER} WHERE effect_key = $1".encode(),  # noqa: S608 - a constant
                        [once.key],
                    )
                    row = await cursor.fetchone()
                    assert row is not None
                    return known(row, once)
            count = 0
            for sql, lists in statements:
                for values in lists:
                    await cursor.execute(sql.encode(), [_bound(value) for value in values])
                    count += max(0, cursor.rowcount)
            if once is not None:
                await cursor.execute(
                    f"UPDATE {LEDGER} SET row_count = $1 WHERE effect_key = $2".encode(),  # noqa: S608 - a constant
                    [count, once.key],
                )
        return count, False

    @asynccontextmanager
    async def _transaction(self, *, writes: bool) -> AsyncIterator[_Connection]:
        if writes and self._read_only:
            raise DataError("the connection is read-only; nothing was changed", refused=True)
        connection = await self._begin(writes=writes)
        committing = False
        try:
            yield connection
            committing = True
            await connection.execute("COMMIT")
        except psycopg.Error as error:
            raise _error(error, committing=committing and connection.broken) from None
        finally:
            # what was not committed is not kept: a closed connection is rolled back
            whole = not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE
            if whole and len(self._idle) < KEPT:
                self._idle.append(connection)
            else:
                await connection.close()

    async def _begin(self, *, writes: bool) -> _Connection:
        begin = b"BEGIN" if writes else b"BEGIN READ ONLY"
        while self._idle:
            connection = self._idle.pop()
            try:
                await connection.execute(begin)
            except psycopg.Error:
                # the server has let it go meanwhile; nothing was sent in it
                await connection.close()
            else:
                return connection
        try:
            connection = await psycopg.AsyncConnection.connect(**self._given, autocommit=True)
            await connection.execute(begin)
        except psycopg.Error as error:
            raise _unreached(error) from None
        return connection


def _unreached(error: psycopg.Error) -> ModuleError:
    text = str(error).strip()
    # libpq gives no code for a refused password
    if (error.sqlstate or "").startswith("28") or "authentication failed" in text or "does not exist" in text:
        return AuthError(f"PostgreSQL: {text}", refused=True)
    return ConnectionError(f"PostgreSQL: {text}; nothing was sent", refused=True)


def _error(error: psycopg.Error, *, committing: bool) -> ModuleError:
    """:param committing: the connection broke during the commit: nobody knows whether it was made."""
    state, text = error.sqlstate or "", f"PostgreSQL: {str(error).strip()}"
    if committing:
        return ConnectionError(f"{text}; whether the transaction was committed is not known", refused=False)
    text, refused = f"{text}; nothing was changed", True
    if state in ("23505", "23P01"):
        return Conflict(text, refused=refused)
    if state == "57014":
        return TimeoutError(text, refused=refused)
    if state in ("40001", "40P01", "55P03") or state[:2] in ("53", "57", "58", "XX"):
        # another transaction was in the way, or the server has no room: it may go the next time
        return VendorError(text, refused=refused)
    if state == "42501" or state.startswith("28"):
        return AuthError(text, refused=refused)
    if not state or state.startswith("08"):
        return ConnectionError(text, refused=refused)
    return DataError(text, refused=refused)


def _bound(value: Json) -> Any:
    return Jsonb(value) if isinstance(value, dict | list) else value
