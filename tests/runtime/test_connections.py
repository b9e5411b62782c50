"""Connections in use: secrets are looked up at use, problems name connection and field, simulators stand in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from engine.plugins import Registry
from engine.runtime.connection_file import read_connections
from engine.runtime.connections import Connections
from engine.runtime.reader import SettingsError
from engine.runtime.secrets import KeyRing, SecretBox, Secrets
from engine.runtime.settings import HttpSettings
from engine.runtime.simulation import Simulators
from engine.sdk import errors
from engine.sdk.apps import App, Behaviour
from engine.sdk.clock import Clock
from engine.sdk.connections import ConnectionType, HeaderAuth, TokenAuth
from engine.sdk.modules import Call
from tests.runtime.doubles import HandClock
from tests.runtime.test_secrets import SecretTable
from tests.runtime.wire import answer, wire


async def prove(call: Call) -> None:
    await call.http.request("GET", f"/stores/{call.connection['store_id']}")


FIELDS = {
    "type": "object",
    "properties": {
        "store_id": {"type": "string"},
        "retries": {"type": "integer", "maximum": 9},
        "api_key": {"type": "string", "writeOnly": True, "minLength": 3},
    },
    "required": ["store_id", "api_key"],
    "additionalProperties": False,
}
SHOP = ConnectionType(
    "shop",
    "Shop",
    FIELDS,
    base_url="https://shop.example.com/{store_id}",
    auth=(HeaderAuth("X-Api-Key", "api_key"),),
    test=prove,
)
TOKEN = TokenAuth("/token", {"key": "api_key"}, "token", "X-Token")
TOKENS = ConnectionType("tokens", "Tokens", FIELDS, base_url="https://tokens.example.com", auth=(TOKEN,))
PAGED = ConnectionType(
    "paged",
    "Paged",
    {
        "type": "object",
        "properties": {"account": {"type": "string"}, "page_size": {"type": "integer", "default": 50}},
        "dependentRequired": {"page_size": ["account"]},
    },
)
WEB = ConnectionType("web", "Web", {"type": "object"})


class ShopSimulator:
    """Answers with what it was asked."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    @property
    def behaviours(self) -> Sequence[Behaviour]:
        return ()

    def application(self) -> web.Application:
        async def echo(request: web.Request) -> web.Response:
            return web.json_response({"path": request.path_qs, "key": request.headers.get("X-Api-Key")})

        application = web.Application()
        application.router.add_route("*", "/{tail:.*}", echo)
        return application

    def connection(self, base_url: str) -> Mapping[str, Any]:
        return {"store_id": "simulated", "api_key": "simulated-key"}


class BrokenSimulator(ShopSimulator):
    def application(self) -> web.Application:
        raise RuntimeError("no application today")


def registry() -> Registry:
    made = Registry()
    made.add(App(name="shop", title="", connections=(SHOP,), simulator=ShopSimulator), "test")
    made.add(App(name="web", title="", connections=(WEB,), simulator=ShopSimulator), "test")
    made.add(App(name="paged", title="", connections=(PAGED,)), "test")
    made.add(App(name="tokens", title="", connections=(TOKENS,)), "test")
    return made


class World:
    """A project with connections, an environment and a secret store."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "connections.yaml"
        self.environment = {"KEY": "key-one", "STORE": "s1"}
        self.clock = HandClock()
        self.box = SecretBox(SecretTable(), KeyRing(folder, {}), self.clock)  # type: ignore[arg-type]
        self.opened: list[Connections] = []

    def connections(self, text: str, **options: Any) -> Connections:
        self.file.write_text(text)
        entries = read_connections(self.file, registry())
        secrets = Secrets(self.environment, self.box)
        made = Connections(entries, registry(), secrets, self.clock, **options)
        self.opened.append(made)
        return made


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    for connections in made.opened:
        await connections.close()


async def test_fields_with_and_without_secrets(world: World) -> None:
    world.environment["RETRIES"] = "3"
    connections = world.connections(
        "main: {type: shop, store_id: {env: STORE}, retries: {env: RETRIES}, api_key: {env: KEY}}"
    )
    opened = connections.open("main", "shop")
    assert opened.public == {"store_id": "s1", "retries": 3}
    assert await opened.fields() == {"store_id": "s1", "retries": 3, "api_key": "key-one"}


async def test_rules_on_which_fields_go_together_are_about_those_that_are_given(world: World) -> None:
    # a page's size may be set for an account alone, and has a default all the same
    assert await world.connections("main: {type: paged, account: a}").open("main", "paged").fields() == {
        "account": "a",
        "page_size": 50,
    }
    assert await world.connections("main: {type: paged}").open("main", "paged").fields() == {"page_size": 50}
    with pytest.raises(SettingsError, match="'account' is a dependency of 'page_size'"):
        world.connections("main: {type: paged, page_size: 20}")


async def test_a_renewed_secret_is_used_by_the_next_call(world: World) -> None:
    await world.box.put("shop.key", "old")
    async with wire(answer()) as server:
        connections = world.connections(
            f"main: {{type: shop, store_id: s1, api_key: {{secret: shop.key}}, base_url: '{server.url}'}}"
        )
        http = connections.open("main", "shop").http
        await http.request("GET", "/x")
        await world.box.put("shop.key", "new")
        await http.request("GET", "/x")
    assert b"x-api-key: old" in server.requests[0]
    assert b"x-api-key: new" in server.requests[1]


async def test_a_token_is_shared_by_calls_and_not_by_other_credentials(world: World) -> None:
    async with wire(answer(b'{"token": "t"}')) as server:
        connections = world.connections(
            f"main: {{type: tokens, store_id: s1, api_key: {{env: KEY}}, base_url: '{server.url}'}}"
        )
        for _ in range(2):
            await connections.open("main", "tokens").http.request("GET", "/x")
        world.environment["KEY"] = "key-two"
        await connections.open("main", "tokens").http.request("GET", "/x")
    lines = [request.split(b" ")[1] for request in server.requests]
    assert lines == [b"/token", b"/x", b"/x", b"/token", b"/x"]
    assert b"key-two" in server.requests[3]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("main: {type: shop, store_id: s1, api_key: {env: ABSENT}}", "field 'api_key': environment variable ABSENT"),
        ("main: {type: shop, store_id: s1, api_key: {secret: absent}}", "field 'api_key': the store has no secret"),
        ("main: {type: shop, store_id: {env: ABSENT}, api_key: {env: KEY}}", "field 'store_id': environment variable"),
    ],
)
async def test_what_is_missing_is_said_at_use(world: World, text: str, said: str) -> None:
    connections = world.connections(text)
    with pytest.raises(errors.AuthError) as caught:
        await connections.open("main", "shop").http.request("POST", "/x")
    assert caught.value.refused
    assert f"connection 'main', {said}" in str(caught.value)
    assert "engine connections add main" in str(caught.value)


async def test_values_that_the_type_refuses_are_said_at_use_and_not_shown(world: World) -> None:
    world.environment |= {"RETRIES": "10", "KEY": "x"}
    connections = world.connections(
        "a: {type: shop, store_id: s1, api_key: {env: KEY}}\n"
        "b: {type: shop, store_id: s1, retries: {env: RETRIES}, api_key: {env: STORE}}\n"
    )
    with pytest.raises(errors.AuthError, match="connection 'a': 'api_key'"):
        await connections.open("a", "shop").fields()
    world.environment["STORE"] = "store-key"
    with pytest.raises(errors.AuthError, match="connection 'b': 'retries': 10 is greater"):
        await connections.open("b", "shop").fields()


async def test_connections_that_do_not_fit(world: World) -> None:
    connections = world.connections("main: {type: shop, store_id: s1, api_key: {env: KEY}}")
    for name, kind, said in (("other", "shop", "no connection 'other'"), ("main", "web", "of type 'shop', not 'web'")):
        with pytest.raises(errors.AuthError, match=said) as caught:
            connections.open(name, kind)
        assert caught.value.refused


async def test_without_a_connection_calls_give_whole_urls(world: World) -> None:
    async with wire(answer()) as server:
        connections = world.connections("", http=HttpSettings(allow_hosts=("127.0.0.1",)))
        for kind in (None, "web"):
            opened = connections.open(None, kind)
            assert opened.public == {}
            await opened.http.request("GET", f"{server.url}/x")
            with pytest.raises(errors.DataError, match="allow_hosts"):
                await opened.http.request("GET", "https://elsewhere.example.com/")
    assert len(server.requests) == 2


async def test_the_test_of_a_connection(world: World) -> None:
    async with wire(answer(b"", "401 Unauthorized"), answer()) as server:
        connections = world.connections(
            f"main: {{type: shop, store_id: s1, api_key: {{env: KEY}}, base_url: '{server.url}'}}\nweb: {{type: web}}\n"
        )
        with pytest.raises(errors.AuthError, match="answered 401"):
            await connections.test("main")
        assert await connections.test("main")
        assert not await connections.test("web")
        with pytest.raises(errors.AuthError, match="no connection 'nobody'"):
            await connections.test("nobody")
    assert server.requests[0].startswith(b"GET /stores/s1 ")


async def test_warnings_reach_the_caller(world: World) -> None:
    warnings: list[str] = []
    async with wire(answer(b"x" * 11_000_000)) as server:
        connections = world.connections(
            f"main: {{type: shop, store_id: s1, api_key: {{env: KEY}}, base_url: '{server.url}'}}"
        )
        await connections.open("main", "shop", warnings.append).http.request("POST", "/x")
    assert len(warnings) == 1


async def test_the_redactor_knows_every_secret_that_is_there(world: World) -> None:
    await world.box.put("shop.key", "stored-key")
    connections = world.connections(
        "a: {type: shop, store_id: s1, api_key: {env: KEY}}\n"
        "b: {type: shop, store_id: s1, api_key: {secret: shop.key}}\n"
        "c: {type: shop, store_id: s1, api_key: {env: ABSENT}}\n"
    )
    assert (await connections.redactor()).text("key-one stored-key s1") == "••• ••• s1"


async def test_simulators_stand_in_for_connections(world: World) -> None:
    async with Simulators(registry(), world.clock) as simulators:
        assert isinstance(simulators.running["shop"], ShopSimulator)
        assert set(simulators.overrides) == {"shop", "web"}
        connections = world.connections(
            "main: {type: shop, store_id: s1, api_key: {env: ABSENT}}", overrides=simulators.overrides
        )
        for name in ("main", "not_in_the_file"):
            opened = connections.open(name, "shop")
            assert opened.public["store_id"] == "simulated"
            answered = (await opened.http.request("POST", "/x")).json()
            assert answered == {"path": "/x", "key": "simulated-key"}
        elsewhere = connections.open(None, "web").http
        assert (await elsewhere.request("GET", "https://real.example.com/a?b=1")).json()["path"] == "/a?b=1"
        unserved: list[tuple[str | None, str | None]] = [("tokens", "tokens"), (None, None)]
        for missing, kind in unserved:
            with pytest.raises(errors.DataError, match="nothing is sent while simulating") as caught:
                await connections.open(missing, kind).http.request("GET", "https://real.example.com/")
            assert caught.value.refused


async def test_simulators_can_be_chosen(world: World) -> None:
    async with Simulators(registry(), world.clock, apps=["web"]) as simulators:
        assert set(simulators.urls) == {"web"}
        port = int(simulators.urls["web"].rpartition(":")[2])
        with pytest.raises(errors.ConfigError, match="cannot listen"):
            async with Simulators(registry(), world.clock, apps=["shop"], port=port):
                pass
    for name, said in (("nobody", "no app 'nobody'"), ("tokens", "has no simulator")):
        with pytest.raises(errors.ConfigError, match=said):
            async with Simulators(registry(), world.clock, apps=[name]):
                pass


async def test_a_simulator_that_does_not_start_names_its_app(world: World) -> None:
    broken = registry()
    broken.add(App(name="bad", title="", simulator=BrokenSimulator), "plugin bad.py")
    with pytest.raises(errors.PluginError, match="app 'bad' does not start") as caught:
        async with Simulators(broken, world.clock):
            pass
    assert "plugin bad.py" in str(caught.value)


async def test_closing_stops_a_token_fetch(world: World) -> None:
    async with wire(answer(b'{"token": "t"}')) as server:
        connections = world.connections(
            f"main: {{type: tokens, store_id: s1, api_key: {{env: KEY}}, base_url: '{server.url}'}}"
        )
        call = asyncio.create_task(connections.open("main", "tokens").http.request("GET", "/x"))
        await asyncio.sleep(0)
        await connections.close()
        with pytest.raises((asyncio.CancelledError, errors.ModuleError)):
            await call


async def keys_sent(world: World, connections: Connections, *changes: Any) -> list[bytes]:
    """The keys that the server saw: one before the first change, and one after each."""
    async with wire(answer()) as server:
        world.environment["URL"] = server.url
        http = connections.open("main", "shop").http
        await http.request("GET", "/x")
        for change in changes:
            await change()
            await http.request("GET", "/x")
        return [request.partition(b"x-api-key: ")[2].partition(b"\r\n")[0] for request in server.requests]


STORED = "main: {type: shop, store_id: s1, api_key: {secret: shop.key}, base_url: {env: URL}}"


async def test_a_secret_that_another_process_stored_is_used_within_a_second(world: World) -> None:
    await world.box.put("shop.key", "old")
    other = SecretBox(world.box._store, world.box._keys, world.clock)

    async def renew() -> None:
        await other.put("shop.key", "new")
        world.clock.advance(0.9)

    async def wait() -> None:
        world.clock.advance(0.1)

    assert await keys_sent(world, world.connections(STORED), renew, wait) == [b"old", b"old", b"new"]


async def test_a_secret_that_is_stored_while_it_is_read_is_used_by_the_next_call(world: World) -> None:
    await world.box.put("shop.key", "old")
    rows = world.box._store.secrets

    async def expire() -> None:
        world.clock.advance(1)

    async def slow() -> Any:
        read = await rows()
        world.box._store.secrets = rows  # type: ignore[method-assign]
        await world.box.put("shop.key", "new")
        return read

    async def renew_while_reading() -> None:
        await expire()
        world.box._store.secrets = slow  # type: ignore[method-assign]

    async def nothing() -> None:
        pass

    sent = await keys_sent(world, world.connections(STORED), renew_while_reading, nothing)
    assert sent == [b"old", b"old", b"new"]


async def test_a_call_that_looked_up_old_secrets_does_not_hand_them_to_later_ones(world: World) -> None:
    """Two secrets; the first is renewed, by another call's look-up known, while the second is read."""
    both = ConnectionType(
        "pair",
        "Pair",
        {
            "type": "object",
            "properties": {name: {"type": "string", "writeOnly": True} for name in ("api_key", "other")},
        },
        auth=(HeaderAuth("X-Api-Key", "api_key"), HeaderAuth("X-Other", "other")),
    )
    made = registry()
    made.add(App(name="pair", title="", connections=(both,)), "test")
    for name in ("a", "b"):
        await world.box.put(name, "old")
    world.file.write_text("main: {type: pair, api_key: {secret: a}, other: {secret: b}}")
    secrets = Secrets(world.environment, world.box)
    connections = Connections(read_connections(world.file, made), made, secrets, world.clock)
    world.opened.append(connections)
    source = connections._source("main", "pair")
    resolve = secrets.resolve

    async def slow(reference: Any) -> str:
        value = await resolve(reference)
        if reference.name == "b":
            await world.box.put("a", "new")
            await world.box.get("a")
        return value

    secrets.resolve = slow  # type: ignore[method-assign]
    await connections.client(source)
    secrets.resolve = resolve  # type: ignore[method-assign]
    client = await connections.client(source)
    assert client._target.fields == {"api_key": "new", "other": "old"}


async def test_a_token_that_is_under_way_is_not_put_on_the_calls_of_other_credentials(world: World) -> None:
    async with wire(answer(b'{"token": "of-one"}'), answer(), answer(b'{"token": "of-two"}'), answer()) as server:
        connections = world.connections(
            f"main: {{type: tokens, store_id: s1, api_key: {{env: KEY}}, base_url: '{server.url}'}}"
        )
        http = connections.open("main", "tokens").http
        first = asyncio.create_task(http.request("GET", "/one"))
        await server.arrived.wait()
        world.environment["KEY"] = "key-two"
        await first
        await http.request("GET", "/two")
    used = {request.split(b" ")[1]: request for request in server.requests}
    assert b"x-token: of-one" in used[b"/one"]
    assert b"x-token: of-two" in used[b"/two"]


def test_connections_outlive_an_event_loop(tmp_path: Path) -> None:
    world = World(tmp_path)
    connections = world.connections("main: {type: tokens, store_id: s1, api_key: {env: KEY}, base_url: {env: URL}}")

    async def once() -> list[bytes]:
        async with wire(answer(b'{"token": "t"}')) as server:
            world.environment["URL"] = server.url
            await connections.open("main", "tokens").http.request("GET", "/x")
            await connections._pools.close()
            return [request.split(b" ")[1] for request in server.requests]

    assert [asyncio.run(once()) for _ in range(2)] == [[b"/token", b"/x"]] * 2
