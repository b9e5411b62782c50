"""A project that serves: consent comes back through its public listener, runs are held and go on, nothing is lost."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import aiohttp
import pytest

from engine import plugins
from engine.runtime import consents
from engine.runtime.grants import Grant
from engine.runtime.health import health
from engine.runtime.host import Host, Options, load_scenarios
from engine.runtime.project import Project
from engine.sdk.errors import AuthorizationNeeded
from engine.sdk.faults import SimulatedCrash
from engine.server.service import Service
from engine.store.alerts_rows import Alert
from engine.store.records import Run, RunFilter
from engine.testing import CrashAt, VirtualClock
from tests.oauth.authorization import REDIRECT, SECRET, Server, somebody
from tests.oauth.conftest import World

PUBLIC = REDIRECT.removesuffix("/oauth/callback")
SCENARIO = """
scenario: earn
trigger: {module: http.watch_webhook}
steps:
  - id: earn
    module: http.make_request
    connection: points
    with: {url: /points, method: POST, body: {n: "${{ trigger.n }}"}}
    retry: {attempts: 3, from: 10s, jitter: 0}
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class Site:
    """The project. ``async with`` serves it, again and again over the same data."""

    def __init__(self, root: Path, server: Server) -> None:
        self.root = root
        self.server = server
        self.clock = VirtualClock()
        (root / "scenarios").mkdir()
        (root / "scenarios" / "earn.yaml").write_text(SCENARIO)
        (root / "engine.yaml").write_text(f"server: {{port: 0, admin_port: 0, public_url: '{PUBLIC}'}}\n")
        fields = f"{server.fields()}, client_secret: {{env: SECRET}}"
        (root / "connections.yaml").write_text(f"points: {{type: http, {fields}}}\n")

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        project, known = Project.find(self.root), plugins.load()
        plans, diagnostics, _ = load_scenarios(project, known, [], simulate=False)
        assert not diagnostics, [str(d) for d in diagnostics]
        self.host = Host(project, known, plans, Options(), clock=self.clock, environment={"SECRET": SECRET})
        try:
            await self._stack.enter_async_context(self.host)
            self.port = free_port()
            await self._stack.enter_async_context(Service(self.host, port=self.port, admin_port=0))
            self.client = await self._stack.enter_async_context(aiohttp.ClientSession())
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def link(self) -> consents.Link:
        server = await self.host.connections.server("points")
        assert server is not None
        return await consents.begin(server, self.host.connections.grants, REDIRECT)

    async def back(self, url: str) -> tuple[int, str]:
        """What the browser is shown when it comes back."""
        # a proxy stands between
        async with self.client.get(url.replace(PUBLIC, f"http://127.0.0.1:{self.port}")) as answer:
            return answer.status, await answer.text()

    async def authorize(self) -> None:
        status, page = await self.back(await somebody((await self.link()).url))
        assert (status, "can be used" in page) == (200, True), page

    async def grant(self) -> Grant | None:
        return await self.host.connections.grants.grant("points", now=True)

    async def send(self, n: int) -> None:
        hook = self.host.webhooks.hooks["scenario:earn"]
        async with self.client.post(f"http://127.0.0.1:{self.port}/hooks/{hook.current}", json={"n": n}) as answer:
            assert answer.status == 202

    async def send_to(self, name: str) -> None:
        hook = self.host.webhooks.hooks[name]
        async with self.client.post(f"http://127.0.0.1:{self.port}/hooks/{hook.current}", json={}) as answer:
            assert answer.status == 202

    async def runs(self) -> list[Run]:
        """All runs, oldest first, once none of them can go on by itself."""
        while True:
            runs = list(await self.host.store.runs(RunFilter()))
            if all(run.state not in ("queued", "running") for run in runs):
                return runs[::-1]
            await self.clock.settle()

    async def states(self) -> list[str]:
        return [str(run.state) for run in await self.runs()]

    async def alerts(self) -> list[Alert]:
        await self.host.watch.look()
        return [one for one in await self.host.store.alerts(100) if one.kind == "connection"]


@pytest.fixture
def site(tmp_path: Path, server: Server) -> Site:
    return Site(tmp_path, server)


async def test_runs_are_held_until_somebody_authorizes_and_then_go_on(site: Site, server: Server) -> None:
    before = server.counts().get("points", 0)
    async with site:
        for n in range(3):
            await site.send(n)
        assert await site.states() == ["held"] * 3
        [hold] = json.loads((await site.runs())[0].hold or b"")
        assert (hold["code"], hold["step"]) == ("authorization", "earn")
        assert "connection 'points' is not authorized yet" in hold["message"]
        await site.authorize()
        assert await site.states() == ["succeeded"] * 3
    assert server.counts()["points"] - before == 3


async def test_a_grant_that_was_taken_back_is_told_and_a_new_one_releases_what_waited(
    site: Site, server: Server
) -> None:
    before = server.counts().get("points", 0)
    async with site:
        await site.authorize()
        await site.send(1)
        assert await site.states() == ["succeeded"]
        assert await site.alerts() == []
        grant = await site.grant()
        assert grant is not None
        assert grant.refresh_token
        server.revoke(grant.refresh_token)
        await site.send(2)
        await site.send(3)
        assert await site.states() == ["succeeded", "held", "held"]
        [alert] = await site.alerts()
        assert alert.event == "raised"
        assert b"points" in alert.detail
        found = await health(
            site.host.store,
            site.host.project.settings.limits,
            site.clock.time(),
            unauthorized=await site.host.connections.unauthorized(),
        )
        assert any("engine connections authorize points" in line for line in found["wrong"])
        assert await site.alerts() == [alert]
    async with site:
        # nothing is told again after a restart
        assert await site.alerts() == [alert]
        await site.authorize()
        assert await site.states() == ["succeeded"] * 3
        assert [one.event for one in await site.alerts()] == ["recovered", "raised"]
    assert server.counts()["points"] - before == 3


async def test_only_what_was_held_for_it_is_released(site: Site, server: Server) -> None:
    (site.root / "scenarios" / "other.yaml").write_text("""
scenario: other
trigger: {module: http.watch_webhook}
steps:
  - id: nowhere
    module: http.make_request
    connection: points
    with: {url: /nowhere, method: POST, body: {}}
    on_error: hold
""")
    async with site:
        await site.send(1)
        await site.authorize()
        await site.send_to("scenario:other")
        assert await site.states() == ["succeeded", "held"]
        other = (await site.runs())[1]
        await site.authorize()
        assert await site.states() == ["succeeded", "held"]
        assert [row.kind for row in await site.host.store.records(other.id)].count("settled") == 0


async def test_runs_that_were_held_while_it_was_authorized_go_on_too(site: Site) -> None:
    async with site:
        server = await site.host.connections.server("points")
        assert server is not None
        back = await somebody((await site.link()).url)
        # the process that took the answer died before it released anything
        await consents.take(server, site.host.connections.grants, consents.answer_of(back), "here")
        grant = await site.grant()
        assert grant is not None
        await site.host.connections.grants.forget("points")
        await site.send(1)
        assert await site.states() == ["held"]
        await site.host.connections.grants.put("points", grant)
    async with site:
        await site.host.watch.look()
        assert await site.states() == ["succeeded"]
        await site.clock.advance(consents.SETTLED)
        await site.host.watch.look()
        left = await site.grant()
        assert left is not None
        assert not left.held


async def test_while_tokens_cannot_be_had_runs_try_again_and_nothing_is_lost(site: Site, server: Server) -> None:
    before = server.counts().get("points", 0)
    async with site:
        await site.authorize()
        await site.clock.advance(3601)
        with server.down():
            await site.send(1)
            assert await site.states() == ["sleeping"]
        while await site.states() == ["sleeping"]:
            await site.clock.advance(5)
        assert await site.states() == ["succeeded"]
    assert server.counts()["points"] - before == 1


ANSWERS = [
    ("state=guessed&code=x", "consent-unknown"),
    ("code=x", "consent-unknown"),
    ("", "consent-unknown"),
    ("state={state}&error=access_denied&error_description=She+said+no", "consent-denied"),
    ("state={state}&error=invalid_scope", "consent-denied"),
    ("state={state}", "consent-denied"),
    ("state={state}&code=guessed", "code-refused"),
]


@pytest.mark.parametrize(("query", "code"), ANSWERS)
async def test_an_answer_of_which_nothing_comes_says_why_and_what_to_do(site: Site, query: str, code: str) -> None:
    async with site:
        link = await site.link()
        state = consents.answer_of(link.url)["state"]
        status, page = await site.back(f"{REDIRECT}?{query.format(state=state)}")
        assert (status, f"[{code}]" in page) == (400, True), page
        assert "engine connections authorize" in page
        assert state not in page
        assert await site.grant() is None
        consent = await consents.consent_of(site.host.connections.grants, "points")
        assert consent is not None
        if "{state}" in query:
            # the command that waits is told with code and place, and the link is used up
            assert consent.error is not None
            assert consent.error["code"] == code
            assert str(consent.error["place"]).endswith("connections.yaml:1:9")
            assert "[consent-unknown]" in (await site.back(f"{REDIRECT}?state={state}&code=x"))[1]
        else:
            # somebody who guesses does no harm to the link that is open
            assert (await site.back(await somebody(link.url)))[0] == 200


async def test_somebody_who_says_no_at_the_vendor(site: Site) -> None:
    async with site:
        back = await somebody((await site.link()).url, agrees=False)
        status, page = await site.back(back)
        assert status == 400
        assert "consent was denied" in page


async def test_a_link_is_good_once_for_a_while_and_until_a_newer_one(site: Site, server: Server) -> None:
    async with site:
        used = await somebody((await site.link()).url)
        assert (await site.back(used))[0] == 200
        assert "[consent-unknown]" in (await site.back(used))[1]
        older, newer = await site.link(), await site.link()
        assert "[consent-unknown]" in (await site.back(await somebody(older.url)))[1]
        assert (await site.back(await somebody(newer.url)))[0] == 200
        late = await somebody((await site.link()).url)
        await site.clock.advance(consents.OPEN_FOR)
        assert "[consent-expired]" in (await site.back(late))[1]
        # the vendor's own time for a code is over before ours
        slow = await somebody((await site.link()).url)
        server.turn(61)
        status, page = await site.back(slow)
        assert (status, "[code-refused]" in page) == (400, True), page


async def test_a_link_outlives_the_process_that_made_it(site: Site) -> None:
    async with site:
        link = await site.link()
    async with site:
        assert (await site.back(await somebody(link.url)))[0] == 200


async def test_the_page_keeps_what_is_in_its_address_to_itself(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    async with site:
        back = await somebody((await site.link()).url)
        async with site.client.get(back.replace(PUBLIC, f"http://127.0.0.1:{site.port}")) as answer:
            headers, page = answer.headers, await answer.text()
        query = consents.answer_of(back)
        for secret in (query["code"], query["state"]):
            assert secret not in page
            assert secret not in caplog.text
            assert secret.encode() not in b"".join(f.read_bytes() for f in site.host.data.iterdir() if f.is_file())
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        async with site.client.post(f"http://127.0.0.1:{site.port}/oauth/callback") as answer:
            assert answer.status == 405


@pytest.mark.parametrize("point", ["consent.taken", "consent.exchanged", "consent.stored"])
async def test_a_process_that_dies_with_an_answer_leaves_all_or_nothing(
    world: World, point: str, counted: Callable[[], dict[str, int]]
) -> None:
    dying = await world.process(faults=CrashAt(point))
    server = await dying.server("points")
    assert server is not None
    query = consents.answer_of(await somebody((await consents.begin(server, dying.grants, REDIRECT)).url))
    with pytest.raises(SimulatedCrash):
        await consents.take(server, dying.grants, query, "here")
    other = await world.process()
    stored = point == "consent.stored"
    assert (await other.grants.grant("points") is not None) == stored
    with pytest.raises(consents.ConsentUnknown):
        # the link is used up: nobody can use its answer again
        await consents.connection_of(other.grants, query["state"])
    again = await other.server("points")
    assert again is not None
    query = consents.answer_of(await somebody((await consents.begin(again, other.grants, REDIRECT)).url))
    await consents.take(again, other.grants, query, "here")
    assert await other.grants.grant("points") is not None


@pytest.mark.parametrize("point", ["token.renewing", "token.renewed", "token.stored"])
async def test_a_process_that_dies_while_it_renews_a_token(world: World, point: str) -> None:
    first = await world.process()
    server = await first.server("points")
    assert server is not None
    query = consents.answer_of(await somebody((await consents.begin(server, first.grants, REDIRECT)).url))
    await consents.take(server, first.grants, query, "here")
    await world.clock.advance(3600)
    dying = await world.process(faults=CrashAt(point))
    with pytest.raises(SimulatedCrash):
        await dying.open("points", "points").http.request("GET", "/points")
    other = (await world.process()).open("points", "points").http
    if point == "token.renewed":
        # the vendor's answer died with the process, and it ends a refresh token with its first use
        with pytest.raises(AuthorizationNeeded, match="invalid_grant"):
            await other.request("GET", "/points")
    else:
        assert (await other.request("GET", "/points")).status == 200
