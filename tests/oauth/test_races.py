"""Grants that change while others hold on to what they knew: authorized anew, taken away, given out twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.cli.authorizing import give_back
from engine.runtime.grants import GrantSource
from engine.runtime.tokens import Tokens, TokenServer
from engine.sdk import errors
from engine.sdk.http import Response
from tests.oauth.conftest import World
from tests.oauth.test_tokens import authorize, kept, me


class Full(Exception):
    """The disk is full."""


def fill_the_disk(monkeypatch: pytest.MonkeyPatch, connections: Any) -> None:
    async def put(*_: Any) -> None:
        raise Full

    monkeypatch.setattr(connections.grants, "put", put)


async def renewed_but_not_kept(world: World) -> Any:
    """A process that has renewed a token, and could not store it."""
    connections = await world.process()
    await authorize(connections)
    await world.clock.advance(3600)
    with pytest.MonkeyPatch.context() as patched:
        fill_the_disk(patched, connections)
        with pytest.raises(Full):
            await me(connections)
    return connections


async def test_tokens_that_could_not_be_kept_are_kept_later(world: World) -> None:
    connections = await renewed_but_not_kept(world)
    before = await kept(connections)
    assert await me(connections) == 200
    assert (await kept(connections)).refresh_token != before.refresh_token


async def test_tokens_that_could_not_be_kept_do_not_take_the_place_of_a_newer_grant(world: World) -> None:
    connections = await renewed_but_not_kept(world)
    other = await world.process()
    await world.clock.advance(5)
    newer = await authorize(other)
    assert await me(connections) == 200
    assert await kept(other) == newer


async def test_tokens_that_could_not_be_kept_do_not_bring_back_a_connection_that_is_gone(world: World) -> None:
    connections = await renewed_but_not_kept(world)
    other = await world.process()
    await other.grants.forget("points")
    with pytest.raises(errors.AuthorizationNeeded, match="not authorized yet"):
        await me(connections)
    assert await other.grants.grant("points", now=True) is None


async def test_a_connection_that_is_given_back_while_its_token_is_renewed_is_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections, other = await world.process(), await world.process()
    await authorize(connections)
    await world.clock.advance(3600)
    asked, go_on = asyncio.Event(), asyncio.Event()
    refresh = TokenServer.refresh
    given: list[str | None] = []
    revoked: list[str | None] = []

    async def slow(self: TokenServer, token: str) -> Tokens:
        asked.set()
        await go_on.wait()
        made = await refresh(self, token)
        given.append(made.refresh)
        return made

    async def revoke(_self: TokenServer, token: str, _kind: str) -> None:
        revoked.append(token)

    monkeypatch.setattr(TokenServer, "refresh", slow)
    monkeypatch.setattr(TokenServer, "revoke", revoke)
    call = asyncio.create_task(me(connections))
    await asked.wait()
    giving = asyncio.create_task(give_back(other, "points"))
    await asyncio.sleep(0.05)
    go_on.set()
    assert await call == 200
    await giving
    assert await other.grants.grant("points", now=True) is None
    # the token that was had last, not the one that it took the place of
    assert revoked == given


async def test_a_vendor_that_gives_the_same_token_again_is_not_asked_at_each_call(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = await world.process()
    grant = await authorize(connections)
    asked = 0

    async def same(_self: TokenServer, _token: str) -> Tokens:
        nonlocal asked
        asked += 1
        return Tokens(grant.access_token, grant.refresh_token, 3600.0, "")

    monkeypatch.setattr(TokenServer, "refresh", same)
    server = await connections.server("points")
    assert server is not None
    source = GrantSource(server, connections.grants, lambda _values: None)
    source.reject(grant.access_token)
    for _ in range(5):
        assert await source.token() == grant.access_token
    assert asked == 1


@pytest.mark.parametrize(("body", "lost"), [(b"<html>Access denied</html>", False), (b'{"message": "no"}', True)])
async def test_a_page_that_forbids_is_a_gateways_and_takes_no_grant_away(
    world: World, monkeypatch: pytest.MonkeyPatch, body: bytes, lost: bool
) -> None:
    connections = await world.process()
    await authorize(connections)
    await world.clock.advance(3600)

    async def forbid(*_: Any) -> Response:
        return Response(403, {}, body)

    with monkeypatch.context() as patched:
        patched.setattr(TokenServer, "_send", forbid)
        with pytest.raises(errors.AuthorizationNeeded if lost else errors.AuthError, match="answered 403") as caught:
            await me(connections)
        assert caught.value.refused
    assert ((await kept(connections)).lost is not None) is lost
