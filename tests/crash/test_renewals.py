"""A run whose connection's token is renewed on the way, over a vendor that ends a token with the use of the next one.

It dies at every moment, and the vendor has each write once. The vendor takes the last refresh token until somebody uses
what came for it, as those do whose answers may get lost; what a stricter one does is in ``tests/oauth``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from engine import Action, App, Behaviour, Call, Clock, ConnectionType, Effect, OAuth2
from engine.plugins import Registry
from engine.runtime.connection_file import read_connections
from engine.runtime.connections import Connections
from engine.runtime.grants import Grant, Grants
from engine.runtime.secrets import KeyRing, SecretBox, Secrets
from engine.store.interface import Store
from engine.testing import SimulatedHarness
from engine.testing.crash import Everywhere, FaultAt, Kind, Play, judge, live
from engine.testing.simulated import _Counting
from modules.http.webhooks import WATCH_WEBHOOK
from modules.simulation import Refused, SimulatedVendor
from tests.crash.points import some

#: seconds for which an access token is good
LIFETIME = 100
SCENARIO = """
scenario: member
trigger: {module: http.watch_webhook}
steps:
  - foreach: ${{ trigger.numbers }}
    steps:
      - id: earned
        module: club.earn
        connection: club
        with: {n: "${{ item }}"}
      - sleep: 3m
"""


class Club(SimulatedVendor):
    """:ivar taken: how often it has applied each write."""

    behaviours: Sequence[Behaviour] = ()

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, per_second=None)
        self.taken: dict[str, int] = {}
        self.renewals = 0
        #: generation of the refresh token that was used last; the one before it is taken until the next is used
        self._used = 0
        self._ends: dict[str, float] = {}
        self._came_with: dict[str, int] = {}

    def connection(self, base_url: str) -> Mapping[str, Any]:
        return {"client_id": "engine", "token_url": f"{base_url.rstrip('/')}/token"}

    def routes(self) -> Sequence[web.RouteDef]:
        return [web.post("/token", self._token), web.post("/earned", self._earned)]

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        generation = int(str(form["refresh_token"]).removeprefix("refresh-"))
        if generation < self._used:
            raise Refused(400, {"error": "invalid_grant"})
        self._used = generation
        self.renewals += 1
        access = f"access-{self.renewals}"
        self._ends[access] = self.clock.time() + LIFETIME
        self._came_with[access] = generation + 1
        tokens = {"access_token": access, "refresh_token": f"refresh-{generation + 1}", "expires_in": LIFETIME}
        return web.json_response({**tokens, "token_type": "Bearer"})

    async def _earned(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._ends.get(token, 0) <= self.clock.time():
            raise Refused(401, {"error": "invalid_token"})
        # whoever uses the token has kept what came with it
        self._used = max(self._used, self._came_with[token])
        name = f"earned/{(await self.body_of(request))['n']}"
        self.taken[name] = self.taken.get(name, 0) + 1
        return web.json_response({"ok": True})


async def earn(call: Call) -> Any:
    return (await call.http.request("POST", "/earned", json={"n": call.config["n"]})).json()


def registry() -> Registry:
    made = Registry()
    made.add(App(name="http", title="HTTP", modules=(WATCH_WEBHOOK,)), "tests")
    number = {"type": "integer", "title": "Number", "description": "Which."}
    action = Action(
        name="earn",
        title="Earn",
        description="Earns points.",
        connection="club",
        config={"type": "object", "properties": {"n": number}},
        effect=Effect.IDEMPOTENT,
        run=earn,
    )
    kind = ConnectionType(
        "club",
        "Club",
        {"type": "object", "properties": {"base_url": {"type": "string"}}},
        auth=(OAuth2(token_url="https://club.example.com/token", authorize_url="https://club.example.com/authorize"),),
    )
    made.add(App(name="club", title="Club", modules=(action,), connections=(kind,), simulator=Club), "tests")
    assert not made.problems, made.problems
    return made


@dataclass
class SignedIn(SimulatedHarness):
    """Connections as a process has them, with their grants in the store that outlives it."""

    folder: Path = Path()

    async def _new_store(self) -> Store:
        store = await super()._new_store()
        assert self._simulators is not None
        assert self._connections is not None
        await self._connections.close()
        fields = self._simulators.overrides["club"]
        file = self.folder / "connections.yaml"
        file.write_text("club: {type: club" + "".join(f", {name}: '{value}'" for name, value in fields.items()) + "}\n")
        assert self.registry is not None
        box = SecretBox(store, KeyRing(self.folder, {}), self.clock)
        # set up before anything is made to fail
        grants = Grants(box, self.clock)
        if await grants.grant("club", now=True) is None:
            now = self.clock.time()
            await grants.put(
                "club", Grant("engine", fields["token_url"], "access-0", "refresh-0", now - 1, "", now, now)
            )
        entries = read_connections(file, self.registry)
        self._connections = Connections(entries, self.registry, Secrets({}, box), self.clock, faults=self.faults)
        self._caller = _Counting(self._connections, self._traffic)
        return store


def counts(harness: SignedIn) -> Mapping[str, int]:
    taken: Mapping[str, int] = harness.simulator("club").taken
    # twice is once
    return dict.fromkeys(taken, 1)


@pytest.fixture
def member(tmp_path: Path) -> Play:
    return Play(
        lambda: SignedIn([SCENARIO], registry=registry(), folder=tmp_path),
        [{"id": 1, "numbers": [1, 2, 3]}],
        counts=counts,
    )


async def test_each_write_has_a_token_that_is_good(member: Play, tmp_path: Path) -> None:
    counting = FaultAt()
    life = await live(member, tmp_path / "life.db", [counting])
    judge(life, life)
    assert not life.broken, life.said
    assert [result.state for result in life.results] == ["succeeded"], life.results[0].error
    assert life.counts == {"earned/1": 1, "earned/2": 1, "earned/3": 1}
    renewed = [moment for moment in counting.moments(Kind.DEATH) if moment.point == "token.renewed"]
    assert len(renewed) == 3


# an exception in there is raised by the module that makes the call, and fails its run
@pytest.mark.parametrize("kind", [Kind.DEATH, Kind.CANCEL])
async def test_a_renewal_survives_failing_anywhere(member: Play, tmp_path: Path, kind: Kind) -> None:
    report = await Everywhere(tmp_path, [kind], some(4)).run("member", member)
    assert {life.moment.split(" at ")[1].partition(":")[0] for life in report.lives} >= {
        "token.renewing",
        "token.renewed",
        "token.stored",
    }
    assert not report.broken, [f"{life.moment}: {life.said}" for life in report.broken[:5]]


async def test_it_sees_that_renewed_tokens_are_not_kept(
    member: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = await live(member, tmp_path / "without.db", [FaultAt()])
    put = Grants.put

    async def first_only(self: Grants, connection: str, grant: Grant) -> None:
        if grant.access_token == "access-0":
            await put(self, connection, grant)

    monkeypatch.setattr(Grants, "put", first_only)
    life = await live(member, tmp_path / "mutant.db", [FaultAt()])
    judge(life, without)
    assert life.broken
