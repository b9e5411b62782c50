"""Vendors that do not speak HTTP: a connection type makes a client, and a simulator serves in its own way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine import (
    Action,
    App,
    Behaviour,
    Call,
    Clock,
    ConnectionType,
    DataError,
    Effect,
    Json,
    Opening,
    RateLimit,
    Search,
    ServingSimulator,
    plugins,
)
from engine.plugins import Registry
from engine.runtime.connection_file import read_connections
from engine.runtime.connections import Connections, no_client
from engine.runtime.project import Project
from engine.runtime.secrets import Secrets
from engine.runtime.simulation import Simulators
from engine.sdk import errors
from engine.sdk.modules import Page
from engine.testing import SimulatedHarness
from tests.runtime.doubles import HandClock

FIELDS = {
    "type": "object",
    "required": ["address", "password"],
    "additionalProperties": False,
    "properties": {
        "address": {"type": "string"},
        "box": {"type": "string"},
        "password": {"type": "string", "writeOnly": True},
    },
}


@dataclass
class Line:
    """A client that counts itself."""

    opening: Opening
    said: list[str] = field(default_factory=list)
    closed: bool = False


OPENED: list[Line] = []


@asynccontextmanager
async def dial(opening: Opening) -> AsyncIterator[Line]:
    await asyncio.sleep(0)
    line = Line(opening)
    OPENED.append(line)
    yield line
    line.closed = True


async def say(call: Call) -> Json:
    async with call.client() as line:
        line.said.append(call.config["text"])
        return {"box": call.connection.get("box"), "address": call.connection["address"]}


async def hear(call: Call, cursor: Json) -> Page:
    async with call.client() as line:
        return Page(list(line.said))


KIND = ConnectionType("phone", "Phone", FIELDS, client=dial, kept=frozenset({"box"}))
PACED = ConnectionType("paced", "Paced", FIELDS, client=dial, rate=RateLimit(per_second=1))
PLAIN = ConnectionType("plain", "Plain", FIELDS)
TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
SAY = Action(
    name="say_it", title="Say", description="Says.", connection="phone", config=TEXT, effect=Effect.WRITE, run=say
)
HEAR = Search(name="hear_it", title="Hear", description="Hears.", connection="phone", config={}, page=hear)


class Exchange:
    """A simulator that is no HTTP server."""

    def __init__(self, clock: Clock) -> None:
        self.there = False

    @property
    def behaviours(self) -> Sequence[Behaviour]:
        return ()

    @asynccontextmanager
    async def serve(self, host: str, port: int) -> AsyncIterator[str]:
        if port == 1:
            raise PermissionError(13, "Permission denied")
        self.there = True
        yield f"phone://{host}:{port or 4000}"
        self.there = False

    def connection(self, address: str) -> Mapping[str, Any]:
        return {"address": address, "password": "simulated"}


def registry() -> Registry:
    made = Registry()
    kinds = (KIND, PACED, PLAIN)
    made.add(App(name="phone", title="", modules=(SAY, HEAR), connections=kinds, simulator=Exchange), "test")
    return made


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    OPENED.clear()


async def connections(folder: Path, text: str, environment: dict[str, str], **options: Any) -> Connections:
    (folder / "connections.yaml").write_text(text)
    entries = read_connections(folder / "connections.yaml", registry())
    return Connections(entries, registry(), Secrets(environment), HandClock(), folder=folder, **options)


MAIN = "main: {type: phone, address: here, password: {env: WORD}}\n"


async def test_a_client_is_made_once_with_its_secrets_and_shared_by_all_calls(tmp_path: Path) -> None:
    made = await connections(tmp_path, MAIN, {"WORD": "sesame"})

    async def once() -> Line:
        async with made.open("main", "phone").client() as line:
            await asyncio.sleep(0)
            return line

    first, *others = await asyncio.gather(*(once() for _ in range(5)))
    assert all(line is first for line in others)
    assert first.opening.fields == {"address": "here", "password": "sesame"}
    assert (first.opening.folder, first.opening.timeout, first.opening.simulated) == (tmp_path, 30.0, False)
    assert not first.closed
    await made.close()
    assert first.closed


async def test_renewed_secrets_make_a_new_client_and_the_old_one_closes_when_its_last_call_ends(tmp_path: Path) -> None:
    environment = {"WORD": "sesame"}
    made = await connections(tmp_path, MAIN, environment)
    async with made.open("main", "phone").client() as old:
        environment["WORD"] = "barley"
        async with made.open("main", "phone").client() as new:
            assert (old.opening.fields["password"], new.opening.fields["password"]) == ("sesame", "barley")
        assert not old.closed
    assert old.closed
    assert not new.closed
    await made.close()


@pytest.mark.parametrize("kind", [errors.DataError, RuntimeError])
async def test_secrets_are_taken_out_of_what_a_client_says(tmp_path: Path, kind: type[Exception]) -> None:
    made = await connections(tmp_path, MAIN, {"WORD": "sesame"})
    with pytest.raises(kind) as caught:
        async with made.open("main", "phone").client():
            raise kind("no such word: sesame")
    assert "sesame" not in str(caught.value)
    assert "no such word: •••" in str(caught.value)


async def test_a_client_that_cannot_be_made_is_tried_again_by_the_next_call(tmp_path: Path) -> None:
    made = await connections(tmp_path, MAIN, {})
    with pytest.raises(errors.AuthError, match="'password'"):
        async with made.open("main", "phone").client():
            pass
    made = await connections(tmp_path, MAIN, {"WORD": "sesame"})
    async with made.open("main", "phone").client():
        pass
    await made.close()


async def test_each_call_takes_a_turn_of_the_rate_limit(tmp_path: Path) -> None:
    made = await connections(tmp_path, "slow: {type: paced, address: a, password: {env: WORD}}", {"WORD": "sesame"})
    clock = made._clock
    began = clock.time()
    for _ in range(3):
        async with made.open("slow", "paced").client():
            pass
    # the one whose turn the engine has taken already takes none
    async with made.open("slow", "paced", admitted=True).client():
        pass
    assert clock.time() - began == pytest.approx(2.0)
    await made.close()


async def test_a_type_without_a_client_says_so(tmp_path: Path) -> None:
    made = await connections(tmp_path, "p: {type: plain, address: a, password: {env: WORD}}", {"WORD": "sesame"})
    with pytest.raises(TypeError, match="'plain' has no client"):
        async with made.open("p", "plain").client():
            pass


async def test_a_simulator_serves_in_its_own_way_and_keeps_what_it_shall(tmp_path: Path) -> None:
    text = "main: {type: phone, address: far, box: seven, password: {env: ABSENT}}\n"
    async with Simulators(registry(), HandClock()) as simulators:
        exchange = simulators.running["phone"]
        assert isinstance(exchange, Exchange)
        assert isinstance(exchange, ServingSimulator)
        assert exchange.there
        assert simulators.urls == {"phone": "phone://127.0.0.1:4000"}
        made = await connections(tmp_path, text, {}, overrides=simulators.overrides)
        async with made.open("main", "phone").client() as line:
            fields = {"address": "phone://127.0.0.1:4000", "box": "seven", "password": "simulated"}
            assert (line.opening.fields, line.opening.simulated) == (fields, True)
        await made.close()
    assert not exchange.there
    with pytest.raises(errors.ConfigError, match=r"app .phone. cannot listen on .*: Permission denied"):
        async with Simulators(registry(), HandClock(), port=1):
            pass


def test_what_is_kept_is_no_secret() -> None:
    with pytest.raises(ValueError, match="secrets are not kept"):
        ConnectionType("phone", "Phone", FIELDS, kept=frozenset({"password"}))


SCENARIO = """
scenario: calls
trigger: {module: http.watch_webhook}
steps:
  - {id: said, module: phone.say_it, connection: main, with: {text: hello}}
  - {id: heard, module: phone.hear_it, connection: main}
output: {said: "${{ said }}", heard: "${{ heard }}"}
"""


async def test_a_whole_run_over_it(tmp_path: Path) -> None:
    (tmp_path / "connections.yaml").write_text("main: {type: phone, address: far, box: seven, password: {env: NONE}}")
    everything = plugins.load()
    for app in registry().apps.values():
        everything.add(app, "test")
    async with SimulatedHarness([SCENARIO], registry=everything, project=Project.find(tmp_path)) as harness:
        result = await harness.run({})
        assert result.state == "succeeded", result.error
        # what reached the vendor is counted by effect, as it is for those that speak HTTP
        assert [len(requests) for requests in harness.arrived.values()] == [1]
        assert isinstance(harness.simulator("phone"), Exchange)
    assert result.output["heard"] == ["hello"]
    assert result.output["said"] == {"address": "phone://127.0.0.1:4000", "box": "seven"}
    assert [line.closed for line in OPENED] == [True]


def test_a_call_without_a_connection_has_no_client() -> None:
    with pytest.raises(DataError, match="no client for this call"):
        no_client()
