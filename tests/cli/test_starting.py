"""Scenarios started by hand, with inputs from the command line."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import pytest

from tests.cli.conftest import Program, Shop

WELCOME = """
scenario: welcome
inputs:
  email: {type: string, required: true, format: email}
  points: {type: integer, default: 10}
steps:
  - stop: success
    output: ${{ inputs }}
"""
FILE = "scenarios/welcome.yaml"
HINT = """
scenario: hint
trigger:
  schedule: {every: 1h}
steps:
  - set: {since: "since ${{ trigger.previous }}"}
"""


@pytest.fixture
def welcome(shop: Shop) -> Shop:
    shop.write(FILE, WELCOME)
    return shop


def test_run_reads_texts_by_their_types_and_a_file_below_them(welcome: Shop) -> None:
    welcome.write("inputs.json", '{"email": "bo@example.com", "points": 1}')
    result = welcome.engine("run", FILE, "--inputs", "inputs.json", "--input", "points=5", "--json")
    assert json.loads(result.stdout)["runs"][0]["output"] == {"email": "bo@example.com", "points": 5}


def test_wrong_inputs_end_the_command_before_anything_runs(welcome: Shop) -> None:
    result = welcome.engine("run", FILE, "--input", "points=five")
    assert result.exit_code == 1
    assert "error[bad-inputs]: 'welcome' cannot be started: email: is missing; points: wants a whole" in result.stderr
    assert not (welcome.root / ".engine").exists()
    assert welcome.engine("run", FILE, "--input", "points").exit_code == 2
    welcome.write("inputs.json", "[1]")
    assert (
        "error[inputs-unreadable]: the inputs are no JSON object"
        in welcome.engine("run", FILE, "--inputs", "inputs.json").stderr
    )


def test_start_by_name_runs_here_and_a_key_starts_once(welcome: Shop) -> None:
    words = ("start", "welcome", "--input", "email=ana@example.com", "--key", "7", "--json")
    first, again = (json.loads(welcome.engine(*words).stdout) for _ in range(2))
    assert first["runs"][0]["output"] == {"email": "ana@example.com", "points": 10}
    assert (first["started_before"], again["started_before"]) == (False, True)
    assert again["runs"][0]["id"] == first["runs"][0]["id"]
    assert "started before under this key" in welcome.engine(*words[:-1]).stderr


def test_start_of_what_cannot_be_started(welcome: Shop) -> None:
    assert "error[unknown-scenario]" in welcome.engine("start", "welcom").stderr
    assert "there are order, welcome" in welcome.engine("start", "x").stderr
    result = welcome.engine("start", "order")
    assert (result.exit_code, "error[not-startable]" in result.stderr) == (1, True)


def test_a_start_is_handed_to_the_process_that_serves_and_its_key_outlives_a_kill(
    welcome: Shop, start: Callable[..., Program]
) -> None:
    words = ("start", "welcome", "--input", "email=ana@example.com", "--key", "7", "--wait", "--json")
    program = start("serve")
    program.line("scenario:order")
    first = welcome.engine(*words)
    assert (first.exit_code, "handed to process" in first.stderr) == (0, True), first.output
    program.end(signal.SIGKILL)

    program = start("serve")
    program.line("scenario:order")
    again = welcome.engine(*words)
    assert again.exit_code == 0, again.output
    before, after = json.loads(first.stdout), json.loads(again.stdout)
    assert before["runs"] == after["runs"]
    assert before["runs"][0]["output"] == {"email": "ana@example.com", "points": 10}
    assert (before["started_before"], after["started_before"]) == (False, True)
    wrong = welcome.engine("start", "welcome", "--input", "email=bo@example.com", "--key", "7")
    assert (wrong.exit_code, "error[key-reused]" in wrong.stderr) == (1, True)
    assert "error[bad-inputs]" in welcome.engine("start", "welcome", "--input", "points=5").stderr
    program.end(signal.SIGTERM)


def test_simulate_is_never_handed_to_a_process_that_works_in_earnest(
    welcome: Shop, start: Callable[..., Program]
) -> None:
    words = ("start", "welcome", "--input", "email=ana@example.com")
    program = start("serve")
    program.line("scenario:order")
    for command in (words, ("signal", "stock"), ("receipts", "deliver", "01j9z6t3k4m5n")):
        refused = welcome.engine(*command, "--simulate")
        assert (refused.exit_code, "error[not-simulated]" in refused.stderr) == (1, True), refused.output
        assert "handed to" not in refused.stderr
    program.end(signal.SIGTERM)
    assert welcome.json("runs")["runs"] == []

    program = start("serve", "--simulate")
    program.line("scenario:order")
    for command in ((*words, "--simulate"), words):
        done = welcome.engine(*command)
        assert (done.exit_code, "(engine serve), which simulates" in done.stderr) == (0, True), done.output
    program.end(signal.SIGTERM)
    assert [run["simulated"] for run in welcome.json("runs")["runs"]] == [True, True]


def test_start_tells_of_mistakes_in_the_files_and_of_no_warnings(welcome: Shop) -> None:
    welcome.write("scenarios/hint.yaml", HINT)
    welcome.write("scenarios/wrong.yaml", "scenario: wrong\nsteps: 7\n")
    assert "hint.yaml:5" in welcome.engine("check").stdout
    started = welcome.engine("start", "welcome", "--input", "email=ana@example.com")
    assert started.exit_code == 0, started.output
    assert "hint.yaml" not in started.stderr
    assert "wrong.yaml:2" in started.stderr
