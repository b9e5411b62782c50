"""``env``: values of ``engine.yaml`` in expressions, and data stores that ``engine.yaml`` declares."""

from __future__ import annotations

from typing import Any

import pytest

from engine import plugins
from engine.scenario.load import kept, load_kept, load_scenario
from engine.scenario.plan import Scenario
from engine.testing import Harness

ENV = {"list_id": 4096107, "region": {"name": "EU", "hosts": ["a", "b"]}, "later": None}
STORES = {
    "customers": {"type": "object", "properties": {"tier": {"type": "string"}, "visits": {"type": "integer"}}},
    "anything": {},
}


def load(steps: str, env: Any = ENV, head: str = "") -> tuple[Scenario | None, list[str]]:
    source = f"scenario: s\n{head}steps:\n{steps}"
    plan, found = load_scenario(source, "f.yaml", plugins.load(), env=env, data=STORES)
    return plan, [f"{one.place.line}:{one.place.column} {one.code}: {one.message} ({one.hint})" for one in found]


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("  - stop: success\n    output: ${{ env.list_id + 1 }}\n", []),
        ("  - stop: success\n    output: ${{ upper(env.region.name) }}\n", []),
        ("  - stop: success\n    output: ${{ env.later.inner }}\n", []),
        (
            "  - stop: success\n    output: ${{ env.lits_id }}\n",
            ["3:16 unknown-field: there is no field 'lits_id' here (did you mean 'list_id'?)"],
        ),
        # what is 4096107 here may be another number elsewhere: no condition on it is always true
        ("  - if: ${{ env.list_id == 4096107 }}\n    steps:\n      - stop: success\n", []),
    ],
)
def test_names_and_types_are_known(steps: str, told: list[str]) -> None:
    _, found = load(steps)
    assert [one.split(" (")[0].split(": ", 1)[1] for one in found] == [
        one.split(" (")[0].split(": ", 1)[1] for one in told
    ]
    assert len(found) == len(told)


def test_without_a_project_nothing_is_said_of_them() -> None:
    assert load("  - stop: success\n    output: ${{ env.whatever.it.is }}\n", env=None)[1] == []


def test_only_values_that_are_used_make_a_version() -> None:
    steps = "  - stop: success\n    output: ${{ env.list_id }}\n"
    plan, other, changed = (load(steps, env)[0] for env in (ENV, {**ENV, "later": 7}, {**ENV, "list_id": 2}))
    assert plan is not None
    assert other is not None
    assert changed is not None
    assert plan.version == other.version != changed.version
    assert plan.env == {"list_id": 4096107}


def test_a_version_keeps_its_values() -> None:
    plan, _ = load("  - stop: success\n    output: ${{ env.list_id }}\n")
    assert plan is not None
    again, _ = load_kept(kept(plan), "f.yaml", plugins.load())
    assert again is not None
    assert (again.version, again.env) == (plan.version, plan.env)


async def test_a_run_sees_them_wherever_expressions_stand() -> None:
    source = """
scenario: s
trigger:
  module: http.watch_webhook
  if: ${{ trigger.region == env.region.name }}
subject: ${{ trigger.email || env.nobody }}
steps:
  - stop: success
    output: {list: "${{ env.list_id }}", host: "${{ env.region.hosts[0] }}"}
"""
    async with Harness([source], env={**ENV, "nobody": "nobody@example.com"}) as harness:
        assert (await harness.send({"region": "US"})).runs == ()
        ended = await harness.run({"region": "EU"})
        assert ended.run.subject == "nobody@example.com"
        assert ended.output == {"list": 4096107, "host": "a"}


# ---------------------------------------------------------------- data stores


def test_a_store_that_is_not_declared_is_told_before_a_run() -> None:
    source = "scenario: s\nsteps:\n  - id: a\n    module: data_store.count\n    with: {store: custmers}\n"
    _, [found] = load_scenario(source, "f.yaml", plugins.load(), data=STORES)
    assert (found.code, found.place.line, found.place.column) == ("data-unknown", 5, 19)
    assert found.hint == "did you mean 'customers'?"


def test_a_store_that_an_expression_names_is_not_known() -> None:
    assert load('  - id: a\n    module: data_store.count\n    with: {store: "${{ env.region.name }}"}\n')[1] == []


@pytest.mark.parametrize(
    ("field", "told"),
    [("visits", 0), ("teir", 1)],
)
def test_the_fields_of_its_records_are_known_by_its_schema(field: str, told: int) -> None:
    steps = (
        "  - id: known\n    module: data_store.get\n    with: {store: customers, key: a}\n"
        f"  - stop: success\n    output: ${{{{ known.record.{field} }}}}\n"
    )
    _, found = load(steps)
    assert len([one for one in found if "unknown-field" in one]) == told


def test_of_a_store_without_a_schema_nothing_is_said() -> None:
    steps = (
        "  - id: known\n    module: data_store.get\n    with: {store: anything, key: a}\n"
        "  - stop: success\n    output: ${{ known.record.whatever.it.is }}\n"
    )
    assert load(steps)[1] == []
