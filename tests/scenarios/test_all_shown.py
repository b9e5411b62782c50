"""One command runs every shipped scenario against the simulators, and its table says what each did."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from engine.cli import cli
from tests.scenarios.conftest import ROOT, SCENARIOS

SHIPPED = sorted(path.parent.name for path in SCENARIOS.glob("*/scenario.yaml"))


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_every_shipped_scenario_runs_against_the_simulators_and_ends_well() -> None:
    result = CliRunner().invoke(cli, ["test", "scenarios", "--json"])
    assert "is left out" not in result.stderr
    rows = {row["scenario"]: row for row in json.loads(result.stdout)}
    assert sorted(rows) == SHIPPED
    assert {name: row["runs"] for name, row in rows.items() if not row["well"]} == {}
    assert result.exit_code == 0
    # each was started, and did something
    assert [name for name, row in rows.items() if not row["runs"] or not row["calls"]] == []
    assert set(rows["social-mention"]["writes"]) == {
        "yotpo_loyalty.record_customer_action",
        "yotpo_messaging.create_or_update_custom_event",
    }


def test_the_table_has_a_row_for_each_and_a_line_for_all() -> None:
    names = ["recent-customers", "tier-to-sms"]
    result = CliRunner().invoke(cli, ["test", *(f"scenarios/{name}" for name in names)])
    head, *rows = result.stdout.splitlines()
    assert head.split() == ["scenario", "ended", "events", "calls", "writes", "waited"]
    assert [row.split()[:4] for row in rows if not row.startswith(" ")] == [
        ["recent-customers", "succeeded", "1", "log.write_entry"],
        ["tier-to-sms", "succeeded", "1", "yotpo_loyalty.retrieve_customer"],
    ]
    assert "2 of 2 scenarios well: 3 calls to simulators, 1 write among them" in result.stderr
