"""Yotpo's own sign-in, against its simulator: installed in the browser, taken back, and by itself under simulation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from engine import plugins
from engine.runtime import consents
from engine.runtime.connection_file import read_connections
from engine.runtime.connections import Connections
from engine.runtime.secrets import KeyRing, SecretBox, Secrets
from engine.sdk import errors
from engine.store.memory import MemoryStore
from engine.testing import VirtualClock
from modules.yotpo_developer.consent import REDIRECT
from modules.yotpo_developer.simulator import DeveloperSimulator

ANA = {"customer_email": "ana@example.com"}


class Shop:
    """A simulated shop, and a connection to it."""

    def __init__(self, simulator: DeveloperSimulator, url: str, connections: Connections) -> None:
        self.simulator, self.url, self.connections = simulator, url, connections

    async def install(self, *, deny: bool = False) -> None:
        server = await self.connections.server("app")
        assert server is not None
        link = await consents.begin(server, self.connections.grants, REDIRECT)
        # the page sends the browser from behind the fragment to a path of its own
        assert link.url.startswith(f"{self.url}/app/#/install/applications/simulated-client?state=")
        address = link.url.replace("#/", "") + ("&deny=true" if deny else "")
        async with aiohttp.ClientSession() as browser, browser.get(address, allow_redirects=False) as answer:
            query = consents.answer_of(answer.headers["Location"])
        await consents.take(server, self.connections.grants, query, "connections.yaml:1:1")

    async def look(self) -> int:
        answer = await self.connections.open("app", "yotpo_developer").http.request("GET", "/customers", query=ANA)
        return int(answer.json()["point_balance"])


async def project(folder: Path, fields: str, clock: VirtualClock, url: str = "") -> Connections:
    file = folder / "connections.yaml"
    file.write_text(f"app: {{type: yotpo_developer, {fields}}}\n")
    known = plugins.load()
    store = MemoryStore(clock=clock)
    await store.open()
    secrets = Secrets({"SECRET": "simulated-secret"}, SecretBox(store, KeyRing(folder, {}), clock))
    overrides = None
    if url:
        given = {
            "account_id": "simulated-account",
            "client_id": "simulated-client",
            "client_secret": "simulated-secret",
        }
        overrides = {"yotpo_developer": {**given, "base_url": f"{url}/v2/simulated-account"}}
    return Connections(read_connections(file, known), known, secrets, clock, overrides=overrides)


FIELDS = (
    "account_id: simulated-account, client_id: simulated-client, client_secret: {{env: SECRET}}, "
    "base_url: '{url}/v2/simulated-account', token_url: '{url}/v2/oauth2/token', "
    "authorize_url: '{url}/app/#/install/applications/{{client_id}}'"
)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    clock = VirtualClock()
    simulator = DeveloperSimulator(clock, per_second=None)
    async with TestServer(simulator.application()) as server:
        url = str(server.make_url("")).rstrip("/")
        connections = await project(tmp_path, FIELDS.format(url=url), clock)
        yield Shop(simulator, url, connections)
        await connections.close()


async def test_a_shop_installs_the_app_and_takes_it_back(shop: Shop) -> None:
    with pytest.raises(errors.AuthorizationNeeded):
        await shop.look()
    await shop.install()
    assert await shop.look() == 640
    [token] = shop.simulator.installations.tokens
    assert not any(token in call for call in shop.simulator.calls)
    shop.simulator.installations.tokens.clear()
    with pytest.raises(errors.AuthorizationNeeded, match="does not accept the token any more, and it gave none"):
        await shop.look()
    assert list(await shop.connections.unauthorized()) == ["app"]
    await shop.install()
    assert await shop.look() == 640


async def test_a_shop_that_says_no(shop: Shop) -> None:
    with pytest.raises(consents.ConsentDenied, match="access_denied"):
        await shop.install(deny=True)


async def test_the_secret_of_another_app(shop: Shop) -> None:
    shop.simulator.installations.client_secret = "another"
    with pytest.raises(errors.AuthError, match="invalid_client") as caught:
        await shop.install()
    assert "client_secret" in (caught.value.hint or "")


async def test_a_code_is_good_for_a_minute(shop: Shop) -> None:
    server = await shop.connections.server("app")
    assert server is not None
    link = await consents.begin(server, shop.connections.grants, REDIRECT)
    address = link.url.replace("#/", "")
    async with aiohttp.ClientSession() as browser, browser.get(address, allow_redirects=False) as answer:
        query = consents.answer_of(answer.headers["Location"])
    assert isinstance(shop.simulator.clock, VirtualClock)
    await shop.simulator.clock.advance(60)
    with pytest.raises(consents.CodeRefused, match="invalid_grant"):
        await consents.take(server, shop.connections.grants, query, "here")


async def test_under_simulation_the_vendor_agrees_by_itself_and_nothing_leaves_the_machine(
    shop: Shop, tmp_path: Path
) -> None:
    fields = "account_id: real, client_id: real, client_secret: {env: SECRET}"
    connections = await project(tmp_path, fields, VirtualClock(), shop.url)
    for _ in range(2):
        answer = await connections.open("app", "yotpo_developer").http.request("GET", "/customers", query=ANA)
        assert answer.json()["point_balance"] == 640
    # the page, the exchange, and two reads: the same way as in earnest, once
    assert shop.simulator.calls["GET /app/install/applications/simulated-client"] == 1
    assert shop.simulator.calls["POST /v2/oauth2/token"] == 1
    await connections.close()
