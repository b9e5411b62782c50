"""Tokens against a real server: had by consent, renewed once for all, never shown, and lost only when they are lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

import pytest

from engine.runtime import consents
from engine.runtime.connections import Connections
from engine.runtime.grants import Grant
from engine.sdk import errors
from tests.oauth.authorization import REDIRECT, SECRET, somebody
from tests.oauth.conftest import World

Counted = Callable[[], dict[str, int]]


async def authorize(connections: Connections) -> Grant:
    """All that happens between the command and the stored grant."""
    server = await connections.server("points")
    assert server is not None
    link = await consents.begin(server, connections.grants, REDIRECT)
    back = await somebody(link.url)
    assert back.startswith(f"{REDIRECT}?")
    query = consents.answer_of(back)
    assert await consents.connection_of(connections.grants, query["state"]) == "points"
    return await consents.take(server, connections.grants, query, "connections.yaml:1:1")


async def me(connections: Connections) -> int:
    """A call over the connection."""
    answer = await connections.open("points", "points").http.request("GET", "/points")
    return answer.status


async def kept(connections: Connections) -> Grant:
    grant = await connections.grants.grant("points", now=True)
    assert grant is not None
    return grant


async def test_somebody_agrees_and_calls_have_the_token(world: World, counted: Counted) -> None:
    connections = await world.process()
    with pytest.raises(errors.AuthorizationNeeded, match="connection 'points' is not authorized yet") as caught:
        await me(connections)
    assert caught.value.refused
    assert "engine connections authorize points" in str(caught.value)
    grant = await authorize(connections)
    assert grant.refresh_token
    assert grant.scope == "openid points"
    assert await me(connections) == 200
    assert counted() == {"authorization_code": 1}


async def test_tokens_are_nowhere_in_the_open(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    connections = await world.process()
    early = await connections.redactor()
    grant = await authorize(connections)
    await me(connections)
    await world.clock.advance(3600)
    await me(connections)
    renewed = await kept(connections)
    for secret in (grant.access_token, grant.refresh_token, renewed.access_token, renewed.refresh_token, SECRET):
        assert secret
        assert secret.encode() not in world.kept()
        assert secret not in caplog.text
        # whoever shows something knows of tokens that came later, too
        for redactor in (early, await connections.redactor()):
            assert secret in (grant.access_token, grant.refresh_token) or redactor.text(f"x {secret}") == "x •••"


async def test_a_token_is_renewed_before_it_ends_and_the_refresh_token_changes(world: World, counted: Counted) -> None:
    connections = await world.process()
    first = await authorize(connections)
    await world.clock.advance(3600 - 61)
    await me(connections)
    assert counted() == {"authorization_code": 1}
    await world.clock.advance(2)
    await me(connections)
    second = await kept(connections)
    assert second.access_token != first.access_token
    assert second.refresh_token != first.refresh_token
    assert second.granted_at == first.granted_at
    assert counted() == {"authorization_code": 1, "refresh_token": 1}


async def test_many_who_need_a_token_renew_it_once(world: World, counted: Counted) -> None:
    connections = await world.process()
    await authorize(connections)
    await world.clock.advance(3600)
    assert await asyncio.gather(*(me(connections) for _ in range(20))) == [200] * 20
    assert counted() == {"authorization_code": 1, "refresh_token": 1}


async def test_two_processes_renew_once(world: World, counted: Counted) -> None:
    one, other = await world.process(), await world.process()
    await authorize(one)
    assert await me(other) == 200
    await world.clock.advance(3600)
    assert await asyncio.gather(me(one), me(other), me(one), me(other)) == [200] * 4
    assert counted() == {"authorization_code": 1, "refresh_token": 1}
    await world.clock.advance(3600)
    # a server that ends used refresh tokens would have ended the whole grant by now
    assert await asyncio.gather(me(other), me(one)) == [200] * 2
    assert counted() == {"authorization_code": 1, "refresh_token": 2}


async def test_a_token_that_the_vendor_does_not_take_is_renewed_once(world: World, counted: Counted) -> None:
    connections = await world.process()
    await authorize(connections)
    # its clock is ahead of ours
    world.server.turn(3601)
    assert await me(connections) == 200
    assert counted() == {"authorization_code": 1, "refresh_token": 1}


async def test_a_grant_that_was_taken_back_is_lost_and_nobody_asks_again(world: World, counted: Counted) -> None:
    connections = await world.process()
    grant = await authorize(connections)
    assert grant.refresh_token
    assert await connections.unauthorized() == {}
    world.server.revoke(grant.refresh_token)
    for _ in range(3):
        with pytest.raises(errors.AuthorizationNeeded, match=r"no longer authorized.*invalid_grant") as caught:
            await me(connections)
        assert caught.value.refused
        assert caught.value.detail == {"connection": "points"}
    assert "invalid_grant" in (await connections.unauthorized())["points"]
    assert counted() == {"authorization_code": 1, "refused": 1}
    # another process knows it without asking
    with pytest.raises(errors.AuthorizationNeeded):
        await me(await world.process())
    assert counted() == {"authorization_code": 1, "refused": 1}
    await authorize(connections)
    assert await me(connections) == 200


async def test_while_tokens_cannot_be_had_the_old_one_serves_until_it_ends(world: World, counted: Counted) -> None:
    connections = await world.process()
    await authorize(connections)
    with world.server.down():
        await world.clock.advance(3600 - 30)
        assert await me(connections) == 200
        await world.clock.advance(31)
        with pytest.raises(errors.VendorError, match="answered 503") as caught:
            await me(connections)
        # provably not sent, so that `retry` may repeat even a write
        assert caught.value.refused
    assert await me(connections) == 200
    assert counted() == {"authorization_code": 1, "refresh_token": 1}


async def test_without_a_refresh_token_the_grant_is_lost_with_the_token(world: World) -> None:
    connections = await world.process()
    grant = await authorize(connections)
    await connections.grants.put("points", replace(grant, refresh_token=None))
    await world.clock.advance(3600 - 1)
    assert await me(connections) == 200
    await world.clock.advance(1)
    with pytest.raises(errors.AuthorizationNeeded, match="the token has ended, and it gave none to renew it with"):
        await me(connections)


async def test_a_grant_of_another_client_is_not_used(world: World) -> None:
    await authorize(await world.process())
    other = await world.process(world.server.fields().replace("client_id: engine", "client_id: robot"))
    with pytest.raises(errors.AuthorizationNeeded, match="authorized for another client"):
        await me(other)


async def test_a_client_may_have_tokens_of_its_own(world: World, counted: Counted) -> None:
    issuer = world.server.issuer
    connections = await world.process(
        f"base_url: '{issuer}', token_url: '{issuer}/token', client_id: robot, scopes: points, client_auth: body, "
        "client_secret: {env: SECRET}",
        kind="robots",
    )
    assert await connections.unauthorized() == {}
    opened = connections.open("points", "robots")
    for _ in range(2):
        await opened.http.request("GET", "/.well-known/openid-configuration")
    assert counted() == {"client_credentials": 1}
