"""Clients of vendors that do not speak HTTP: one per connection, made when it is first needed, shared by all calls."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from engine.runtime.redact import Redactor
from engine.sdk.connections import Opening
from engine.sdk.errors import EngineError, ModuleError

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Client:
    """A client in use.

    :param value: what calls get.
    :param users: how many calls have it now.
    :param replaced: a newer one has its place; the last user closes it.
    """

    fields: Mapping[str, Any]
    manager: AbstractAsyncContextManager[Any]
    value: Any
    users: int = 0
    replaced: bool = False

    async def close(self) -> None:
        try:
            await self.manager.__aexit__(None, None, None)
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises here, what was done stays done
            log.warning("a client did not close: %s", error, extra={"action": "client_close_failed"})


class Clients:
    """Makes clients and hands them out."""

    def __init__(self) -> None:
        self._current: dict[str, _Client] = {}
        self._making: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def of(self, slot: str, fields: Mapping[str, Any]) -> bool:
        """Whether there is a client that was made of these fields."""
        client = self._current.get(slot)
        return client is not None and client.fields == fields

    @asynccontextmanager
    async def lease(
        self,
        slot: str,
        make: Callable[[Opening], AbstractAsyncContextManager[Any]],
        opening: Opening,
        redactor: Redactor,
    ) -> AsyncIterator[Any]:
        """The client of a connection, for one call.

        :param slot: the connection. Where its fields are others than before it gets a new client; calls that have the
            old one go on with it.
        """
        try:
            async with self._making[slot]:
                client = self._current.get(slot)
                if client is None or client.fields != opening.fields:
                    before, client = client, await _made(make, opening)
                    self._current[slot] = client
                    if before is not None:
                        await _replace(before)
                client.users += 1
            try:
                yield client.value
            finally:
                client.users -= 1
                if client.replaced and not client.users:
                    await client.close()
        except EngineError as error:
            error.message = redactor.text(error.message)
            error.args = (error.message,)
            if isinstance(error, ModuleError):
                error.detail = redactor.json(error.detail)
            raise
        except Exception as error:
            # a mistake in the plugin is reported in its own words
            error.args = tuple(redactor.text(one) if isinstance(one, str) else one for one in error.args)
            raise

    async def close(self) -> None:
        """Close all."""
        while self._current:
            _, client = self._current.popitem()
            await client.close()


async def _made(make: Callable[[Opening], AbstractAsyncContextManager[Any]], opening: Opening) -> _Client:
    manager = make(opening)
    return _Client(opening.fields, manager, await manager.__aenter__())


async def _replace(client: _Client) -> None:
    client.replaced = True
    if not client.users:
        await client.close()
