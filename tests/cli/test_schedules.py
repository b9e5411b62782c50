"""Scenarios that the clock starts, as the program runs and shows them."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.conftest import Shop

EVERY = """
scenario: every-second
trigger:
  schedule: {every: 1s}
steps:
  - stop: success
    output: ${{ trigger }}
"""
DAILY = """
scenario: daily
timezone: Europe/Berlin
trigger:
  schedule: {cron: "0 6 * * 1-5", missed: skip}
steps: []
"""
FILE = "scenarios/every.yaml"


@pytest.fixture
def clock(shop: Shop) -> Shop:
    (shop.root / "scenarios/order.yaml").unlink()
    shop.write(FILE, EVERY)
    return shop


def test_once_waits_for_one_moment(clock: Shop) -> None:
    result = clock.engine("run", FILE, "--once", "--json")
    assert result.exit_code == 0, result.output
    first, run = (json.loads(line) for line in result.stdout.splitlines())
    assert len(first["next"]) == 3
    assert (run["state"], run["output"]["scheduled_at"], run["output"]["previous"]) == (
        "succeeded",
        first["next"][0],
        None,
    )
    [row] = json.loads(clock.engine("schedules", "--json").stdout)
    assert (row["scenario"], row["schedule"], row["last"]) == ("every-second", "every 1s", first["next"][0])
    assert row["next"][0] == first["next"][1]


def test_a_moment_can_be_given_by_hand(clock: Shop) -> None:
    clock.write("moment.json", '{"scheduled_at": "2026-11-22T06:00:00Z", "previous": null}')
    result = clock.engine("run", FILE, "--event", "moment.json", "--json")
    assert json.loads(result.stdout)["runs"][0]["output"] == {"scheduled_at": "2026-11-22T06:00:00Z", "previous": None}
    assert json.loads(clock.engine("schedules", "--json").stdout)[0]["last"] is None


def test_a_schedule_runs_at_once_when_it_is_asked_to(clock: Shop) -> None:
    result = clock.engine("run", FILE, "--now", "--json")
    [run] = json.loads(result.stdout)["runs"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", run["output"]["scheduled_at"])
    assert run["output"]["previous"] is None
    # where the schedule stands is not changed by it
    assert json.loads(clock.engine("schedules", "--json").stdout)[0]["last"] is None


def test_only_a_schedule_can_be_run_now(shop: Shop) -> None:
    result = shop.engine("run", "scenarios/order.yaml", "--now")
    assert result.exit_code == 2
    assert "--now is for a scenario with a schedule" in result.stderr


def test_an_inactive_schedule_is_not_kept(clock: Shop) -> None:
    clock.write(FILE, EVERY.replace("trigger:", "active: false\ntrigger:"))
    result = clock.engine("run", FILE, "--once")
    assert (result.exit_code, "its schedule is not kept" in result.stderr) == (2, True)
    assert "not active" in clock.engine("schedules").stdout


def test_the_table_shows_the_place_and_the_next_moments(clock: Shop) -> None:
    clock.write(FILE, DAILY)
    result = clock.engine("schedules")
    assert re.search(
        r"daily +0 6 \* \* 1-5 +Europe/Berlin +(\d{4}-\d\d-\d\dT06:00:00\+0[12]:00(, )?){3}", result.stdout
    )


def test_without_a_schedule_there_is_nothing_to_show(shop: Shop) -> None:
    result = shop.engine("schedules")
    assert (result.stdout, "no scenario has a schedule" in result.stderr) == ("", True)
