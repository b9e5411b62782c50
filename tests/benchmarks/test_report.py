"""The report says what the figures say, and the page that is kept is made from the figures that are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report import PAGE, REPORTED, page, spread, summary, table
from engine import plugins
from engine.runtime.project import Project
from engine.scenario.load import load_scenario

ROOT = Path(__file__).parents[2]


def load(per_second: float, cpu_us: float) -> dict[str, object]:
    quantiles = {"p50": 4.0, "p99": 9.0, "max": 12.0}
    return {
        "per_second": per_second,
        "cpu_us": cpu_us,
        "cpu_share": 0.95,
        "generator_cpu_share": 0.2,
        "written_bytes": 9000.0,
        "accepted_ms": quantiles,
        "through_ms": quantiles,
        "idle_mb": 40.0,
        "loaded_mb": 50.0,
        "peak_mb": 51.0,
        "stored_bytes_serving": 4000.0,
        "stored_bytes_stopped": 3000.0,
    }


RESULTS: dict[str, Any] = {
    "machine": {
        "date": "2026-01-02 03:04 UTC",
        "commit": "0123456789ab",
        "uncommitted_changes": True,
        "cpu": "a processor",
        "cores": 2,
        "memory_mb": 8000,
        "kernel": "6.0",
        "file_system": "ext4",
        "fdatasync_ms": 0.25,
        "load_average": 0.1,
        "python": "3.11.0",
        "sqlite": "3.40.0",
        "versions": {"aiohttp": "3.14.0"},
    },
    "plan": {"systems": ["raw_durable", "engine"]},
    "minutes": 1.5,
    "windows": {"raw_durable": {"16": 90.0, "64": 100.0}, "engine": {"16": 60.0, "64": 50.0}},
    "rounds": [
        {"raw_durable": load(1000, 500), "engine": load(500, 1500)},
        {"raw_durable": load(3000, 250), "engine": load(2400, 500)},
        {"raw_durable": load(2000, 400), "engine": load(1200, 1000)},
    ],
}


def rows(text: str) -> set[str]:
    return {line for line in text.splitlines() if line.startswith("|")}


def test_medians_ranges_and_the_best_window_are_in_the_report() -> None:
    cells = "1,200 (500 to 2,400) | 1,000 (500 to 1,500) | 4.0 (4.0 to 4.0) | 9.0 (9.0 to 9.0) | 16 | 95 % | 20 %"
    assert f"| `engine` | {cells} |" in rows(page(RESULTS))


def test_ratios_are_of_neighbours() -> None:
    # 500/1000, 2400/3000, 1200/2000; and 1500/500, 500/250, 1000/400
    assert "| `engine` : `raw_durable` | 0.60 (0.50 to 0.80) | 2.50 (2.00 to 3.00) |" in rows(page(RESULTS))


def test_the_report_says_where_its_figures_come_from() -> None:
    found = page(RESULTS)
    assert "| commit | `0123456789ab`, with uncommitted changes |" in rows(found)
    assert "| versions | Python 3.11.0, SQLite 3.40.0, aiohttp 3.14.0 |" in rows(found)


@pytest.mark.parametrize(("load_average", "warns"), [(0.1, False), (2.8, True)])
def test_a_report_from_a_busy_machine_says_so(load_average: float, warns: bool) -> None:
    machine = {**RESULTS["machine"], "load_average": load_average}
    assert ("busy with other work" in page({**RESULTS, "machine": machine})) is warns


def test_what_was_not_measured_is_left_out() -> None:
    found = page(RESULTS)
    assert "## The maximum" in found
    assert "## Killed" not in found
    assert "## Latency" not in found


def test_tables_and_spreads() -> None:
    assert table(("a", "b"), [(1, 2)]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    assert spread([3.14159, 1.0, 5000.0], 2) == "3.14 (1.00 to 5,000.00)"


def test_the_page_that_is_kept_is_made_from_the_figures_that_are_kept() -> None:
    assert PAGE.read_text() == page(json.loads(REPORTED.read_text()))


def test_the_figures_in_the_readme_are_those_that_are_kept() -> None:
    assert summary(json.loads(REPORTED.read_text())) in (ROOT / "README.md").read_text()


def test_the_figures_that_are_kept_lost_and_doubled_nothing() -> None:
    kills = json.loads(REPORTED.read_text())["kills"]
    assert kills
    assert all(kill["accepted"] > 0 for kill in kills)
    assert [(kill["lost"], kill["doubled"], kill["wrong"]) for kill in kills] == [(0, 0, 0)] * len(kills)


@pytest.mark.parametrize("file", ["benchmarks/project/scenarios/loyalty-3.yaml", "benchmarks/peer/ack.yaml"])
def test_the_scenarios_have_no_mistakes(file: str) -> None:
    _, found = load_scenario((ROOT / file).read_text(), file, plugins.load(None))
    assert found == []


def test_the_project_can_be_read() -> None:
    assert Project.find(ROOT / "benchmarks" / "project").settings
