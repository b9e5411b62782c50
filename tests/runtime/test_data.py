"""Data stores: what a run changes is changed in the transaction that says so, once, whatever dies."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine.plugins import Registry
from engine.runtime.data import DataSettings, DeclaredData
from engine.runtime.erasing import erase
from engine.runtime.reader import SettingsError
from engine.runtime.settings import read_settings
from engine.scenario.config import schema_validator
from engine.sdk.data import DataChange, How
from engine.sdk.errors import Conflict, DataError, NotFound
from engine.store.data import AllData, ChangeData, DataAt, DataRules
from engine.store.records import EffectState
from engine.testing import CrashAt, Harness, RunResult
from modules.data_store import engine_apps
from tests.promises.conftest import _files
from tests.store.conftest import AnyStore, Backend, backend, store
from tests.support.shop import SHOP, scenario

__all__ = ["backend", "store"]


def registry() -> Registry:
    result = Registry()
    result.add(SHOP, "tests")
    result.add(engine_apps(), "tests")
    assert not result.problems
    return result


def harness(steps: str, head: str = "", **options: Any) -> Harness:
    return Harness([scenario(steps, head=head)], registry=registry(), **options)


def step(name: str, verb: str, **config: Any) -> str:
    return f"- id: {name}\n  module: data_store.{verb}\n  with: {config}\n".replace("'", '"').replace("None", "null")


async def ran(steps: str, event: Any = None, **more: Any) -> RunResult:
    async with harness(steps, head="output: ${{ last }}\n", **more) as h:
        return await h.run(event or {})


# ---------------------------------------------------------------------- what modules do


@pytest.mark.parametrize(
    ("steps", "output"),
    [
        (step("last", "put", store="s", key="a", record={"n": 1}), {"record": {"n": 1}, "version": 1, "created": True}),
        (
            step("one", "put", store="s", key="a", record={"n": 1, "m": 2})
            + step("last", "update", store="s", key="a", fields={"n": 3}),
            {"record": {"n": 3, "m": 2}, "version": 2, "created": False},
        ),
        (
            step("last", "update", store="s", key="a", fields={"n": 3}),
            {"record": {"n": 3}, "version": 1, "created": True},
        ),
        (
            step("one", "increment", store="s", key="a") + step("last", "increment", store="s", key="a", by=2.5),
            {"record": 3.5, "version": 2, "created": False},
        ),
        (
            step("one", "put", store="s", key="a", record={"m": 2})
            + step("last", "increment", store="s", key="a", field="n", by=-2),
            {"record": {"m": 2, "n": -2}, "version": 2, "created": False},
        ),
        (
            step("one", "put", store="s", key="a", record=1) + step("last", "delete", store="s", key="a"),
            {"record": 1, "version": 2, "deleted": True},
        ),
        (step("last", "delete", store="s", key="a"), {"record": None, "version": 1, "deleted": False}),
        (
            step("last", "compare_and_set", store="s", key="a", record=1, version=0),
            {"record": 1, "version": 1, "created": True},
        ),
    ],
)
async def test_a_change_gives_what_is_there_then(steps: str, output: dict[str, Any]) -> None:
    result = await ran(steps)
    assert (result.state, result.output) == ("succeeded", {"key": "a", **output})
    assert {effect.state for effect in result.effects} == {EffectState.DONE}


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        (
            step("last", "update", store="s", key="a", fields={"n": 1}, upsert=False).replace("False", "false"),
            "not-found",
        ),
        (step("last", "compare_and_set", store="s", key="a", record=1, version=7), "conflict"),
        (
            step("one", "put", store="s", key="a", record="text") + step("last", "increment", store="s", key="a"),
            "data-error",
        ),
        (
            step("one", "put", store="s", key="a", record=1) + step("last", "update", store="s", key="a", fields={}),
            "data-error",
        ),
        (
            step("one", "put", store="s", key="a", record=1e308)
            + step("last", "increment", store="s", key="a", by=1e308),
            "data-error",
        ),
        (
            step("one", "put", store="s", key="a", record=10**400)
            + step("last", "increment", store="s", key="a", by=1.5),
            "data-error",
        ),
    ],
)
async def test_a_change_that_cannot_be_made_fails_its_step_and_changes_nothing(steps: str, code: str) -> None:
    result = await ran(steps)
    assert (result.state, result.error["code"]) == ("failed", code)
    assert result.effects[-1].state is EffectState.REFUSED


async def test_a_change_is_known_although_the_time_of_its_step_ends_while_it_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = """
- timeout: 2s
  on_error: ignore
  steps:
    - id: add
      module: data_store.increment
      with: {store: s, key: k}
      undo:
        - {id: back, module: data_store.increment, with: {store: s, key: k, by: -1}}
- {id: put, module: data_store.put, with: {store: s, key: x, record: text}}
- {id: bad, module: data_store.increment, with: {store: s, key: x}, on_error: rollback}
"""
    async with harness(steps) as h:
        put = h.store.put

        async def slowly(*changes: Any, **more: Any) -> Any:
            fate = await put(*changes, **more)
            if any(isinstance(change, ChangeData) for change in changes):
                await h.clock.sleep(10)
            return fate

        monkeypatch.setattr(h.store, "put", slowly)
        accepted = await h.send({})
        result = await h.result(accepted.runs[0], advance=100)
        assert (result.state, result.error["step"]) == ("failed", "bad")
        found = await h.store.ask(DataAt("s", False, "k"))
        assert found is not None
        assert found.record == b"0"


READS = "".join(
    step(
        f"p{n}", "put", store="s", key=f"k{n}", record={"tier": "GOLD" if n % 2 else "NONE", "points": n, "a": {"b": n}}
    )
    for n in range(5)
)


@pytest.mark.parametrize(
    ("verb", "config", "output"),
    [
        ("exists", {"key": "k1"}, True),
        ("exists", {"key": "k9"}, False),
        ("count", {}, 5),
        ("count", {"filter": {"tier": "GOLD"}}, 2),
        ("search", {"filter": {"tier": "GOLD"}}, ["k1", "k3"]),
        ("search", {"filter": {"a.b": {"gte": 3}}}, ["k3", "k4"]),
        ("search", {"filter": {"points": {"in": [0, 4]}, "tier": {"ne": "GOLD"}}}, ["k0", "k4"]),
        ("search", {"sort": "-points", "limit": 2}, ["k4", "k3"]),
        ("search", {"limit": 2}, ["k0", "k1"]),
        ("search", {"limit": 2, "after": "k1"}, ["k2", "k3"]),
        ("search", {"prefix": "k4"}, ["k4"]),
        ("search", {"prefix": "x"}, []),
    ],
)
async def test_what_is_read(verb: str, config: dict[str, Any], output: Any) -> None:
    result = await ran(READS + step("last", verb, store="s", **config))
    found = [one["key"] for one in result.output] if verb == "search" else result.output
    assert (result.state, found) == ("succeeded", output)


async def test_get_says_whether_there_is_one() -> None:
    steps = step("one", "put", store="s", key="a", record={"n": 1}) + step("last", "get", store="s", key="a")
    output = (await ran(steps)).output
    assert (output["found"], output["record"], output["version"]) == (True, {"n": 1}, 1)
    output = (await ran(step("last", "get", store="s", key="b"))).output
    assert (output["found"], output["record"], output["version"]) == (False, None, 0)


async def test_a_store_that_is_not_declared_is_refused() -> None:
    async with harness(step("last", "put", store="customer", key="a", record=1)) as h:
        h.runner.data = DeclaredData({"customers": DataSettings()})
        result = await h.run({})
        assert (result.state, result.error["code"]) == ("failed", "data-error")
        assert result.error["hint"] == "did you mean 'customers'?"


# ---------------------------------------------------------------------- once


COUNT = """
- id: first
  module: data_store.increment
  with: {store: totals, key: runs}
- id: each
  foreach: ${{ [1, 2, 3] }}
  concurrency: 3
  steps:
    - id: more
      module: data_store.increment
      with: {store: totals, key: items, by: "${{ item }}"}
"""
POINTS = ("data.changing", "data.changed", "store.begin", "store.commit", "store.committed", "run.ending", "run.moved")


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("nth", [1, 2, 5])
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_increments_of_many_runs_that_die_anywhere_sum_exactly(
    kind: str, point: str, nth: int, tmp_path: Path
) -> None:
    runs = 6
    faults = CrashAt(point, nth)
    h = harness(COUNT, faults=faults)
    if kind == "sqlite":
        h.new_store = _files(h, tmp_path / "store.db", h.clock)

    async def live() -> None:
        await h.start()
        await asyncio.gather(*(h.send({"event_id": str(n)}) for n in range(runs)))
        await h.rest()

    # who is dead answers nobody
    life, death = asyncio.ensure_future(live()), asyncio.ensure_future(faults.death())
    await asyncio.wait({life, death}, return_when=asyncio.FIRST_COMPLETED)
    life.cancel()
    death.cancel()
    await asyncio.gather(life, death, return_exceptions=True)
    await h.restart()
    for number in range(runs):
        # the sender sends again what was not acknowledged; what was is known by its identity
        await h.send({"event_id": str(number)})
    results = await h.rest()
    made = len([one for one in results if one.state == "succeeded"])
    assert made == runs
    for key, each in (("runs", 1), ("items", 6)):
        row = await h.store.ask(DataAt("totals", False, key))
        assert row is not None
        assert row.shown.record == made * each
    await h.stop()


# ---------------------------------------------------------------------- the store's own rules


def put(key: str, value: Any, how: How = How.PUT, rules: DataRules | None = None, **more: Any) -> ChangeData:
    simulated = more.pop("simulated", False)
    change = DataChange(how, "s", key, value, **more)
    return ChangeData(change=change, simulated=simulated, at=1.0, rules=rules or DataRules())


async def test_the_same_rules_in_every_store(store: AnyStore) -> None:
    made = put("a", 1)
    await store.put(made)
    assert made.report.output == {"key": "a", "record": 1, "version": 1, "created": True}
    refused = [
        put("a", 2, version=9),
        put("b", 2, create=False),
        put("b", 2, rules=DataRules(most=1)),
        put("b", "x" * 600_000),
        put("", 1),
        put("a" * 301, 1),
        put("b", {"n": "text"}, rules=DataRules(wrong=schema_validator({"properties": {"n": {"type": "number"}}}))),
    ]
    await store.put(*refused)
    kinds = [type(one.report.error) for one in refused]
    assert kinds == [Conflict, NotFound, *[DataError] * 5]
    assert "n: wants a number" in str(refused[-1].report.error)
    assert [row.key for row in await store.ask(AllData())] == ["a"]


async def test_what_is_simulated_has_records_of_its_own(store: AnyStore) -> None:
    await store.put(put("a", 1), put("a", 2, simulated=True))
    found = {row.simulated: row.shown.record for row in await store.ask(AllData())}
    assert found == {False: 1, True: 2}


async def test_a_version_never_comes_back(store: AnyStore) -> None:
    await store.put(put("a", 1), put("a", None, How.DELETE), put("a", 1))
    late = put("a", 2, version=1)
    await store.put(late)
    assert isinstance(late.report.error, Conflict)


async def test_two_processes_lose_nothing(backend: Backend) -> None:
    if backend.kind != "sqlite":
        # a store in memory has one process
        return
    one, two = await backend.open(), await backend.open()
    await asyncio.gather(*(one_.put(put("n", 1, How.INCREMENT)) for _ in range(50) for one_ in (one, two)))
    row = await one.ask(DataAt("s", False, "n"))
    assert row is not None
    assert row.shown.record == 100


async def test_erasing_a_subject_takes_what_stands_under_its_name(store: AnyStore) -> None:
    await store.put(put("ana@example.com", 1), put("ben@example.com", 1), put("ana@example.com", 1, simulated=True))
    await erase(store, "ana@example.com", "erased:1", 2.0)
    assert [row.key for row in await store.ask(AllData())] == ["ben@example.com"]
    later = put("c", 1, rules=DataRules(most=2))
    await store.put(later)
    assert later.report.error is None


def test_settings_declare_stores(tmp_path: Any) -> None:
    file = tmp_path / "engine.yaml"
    file.write_text("data:\n  customers: {schema: {type: object}, records: 500}\n  totals: {}\n")
    found = read_settings(file).data
    assert found == {"customers": DataSettings(schema={"type": "object"}, records=500), "totals": DataSettings()}


@pytest.mark.parametrize("text", ["Customers: {}", "a: {schema: 7}", "a: {schema: {type: nothing}}", "a: {size: 1}"])
def test_a_declaration_that_is_wrong_is_told(tmp_path: Any, text: str) -> None:
    file = tmp_path / "engine.yaml"
    file.write_text(f"data:\n  {text}\n")
    with pytest.raises(SettingsError):
        read_settings(file)
