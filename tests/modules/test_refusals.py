"""Each simulator refuses what its vendor refuses; an app whose simulator has no table fails here."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from engine import App, ServingSimulator
from engine.testing import VirtualClock
from tests.docs.generate import built_in
from tests.modules.refusals import KINDS, Ask, Elsewhere, Kind, Refused, Table

HERE = Path(__file__).parent
APPS = {name: app for name, app in built_in().items() if app.simulator is not None}
WRITTEN = sorted(path.stem for path in HERE.joinpath("refusals").glob("*.py") if path.stem != "__init__")


def table_of(app: str) -> Table:
    found: Table = importlib.import_module(f"tests.modules.refusals.{app}").TABLE
    return found


TABLES = {name: table_of(name) for name in WRITTEN}
ROWS: list[tuple[str, Kind, Refused]] = [
    (name, kind, one)
    for name, table in TABLES.items()
    for kind, given in table.refusals.items()
    for one in (given if isinstance(given, tuple) else (given,))
    if isinstance(one, Refused)
]


@dataclass(frozen=True)
class Got:
    status: int
    text: str


async def send(app: App, table: Table, ask: Ask, times: int = 1) -> Got:
    """The last answer of a new simulator that is asked so often within a second."""
    assert app.simulator is not None
    simulator = app.simulator(VirtualClock())
    assert not isinstance(simulator, ServingSimulator), "what does not speak HTTP is shown elsewhere"
    table.before(simulator)
    async with TestServer(simulator.application()) as server, aiohttp.ClientSession() as session:
        base = str(server.make_url("")).rstrip("/")
        base = {"base_url": base, **simulator.connection(base)}["base_url"]
        for _ in range(times):
            body = {} if ask.json is None else {"json": ask.json}
            async with session.request(
                ask.method, base + ask.path, headers=ask.headers, params=ask.query, **body
            ) as answer:
                got = Got(answer.status, await answer.text())
    return got


def test_every_simulator_has_its_table() -> None:
    assert sorted(APPS) == WRITTEN, "write tests/modules/refusals/APP.py, in the manner of the others"


@pytest.mark.parametrize("name", WRITTEN)
def test_a_table_has_an_answer_to_each_kind(name: str) -> None:
    assert tuple(TABLES[name].refusals) == KINDS
    every = [
        one for given in TABLES[name].refusals.values() for one in (given if isinstance(given, tuple) else (given,))
    ]
    for one in every:
        if isinstance(one, Elsewhere):
            file, _, test = one.test.partition("::")
            assert f"def {test}(" in (HERE / file).read_text(), one.test


@pytest.mark.parametrize("name", [name for name in WRITTEN if TABLES[name].good is not None])
async def test_what_is_right_is_taken(name: str) -> None:
    table = TABLES[name]
    assert table.good is not None
    got = await send(APPS[name], table, table.good)
    assert got.status in (200, 201, 204), got
    assert table.takes in got.text


@pytest.mark.parametrize(("name", "kind", "row"), ROWS)
async def test_what_the_vendor_refuses_is_refused(name: str, kind: Kind, row: Refused) -> None:
    table = TABLES[name]
    got = await send(APPS[name], table, row.ask, row.times)
    assert got.status == row.status, got
    assert row.says in got.text
    if row.times > 1:
        # the one before it was still let in
        assert (await send(APPS[name], table, row.ask, row.times - 1)).status != row.status
