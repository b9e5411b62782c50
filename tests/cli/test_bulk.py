"""``engine runs resume --held`` and its like: what they say, ask and leave, alone and beside a running process."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.cli.conftest import Program, Shop, post

SCENARIO = "scenarios/order.yaml"


def three(shop: Shop) -> dict[str, str]:
    """A run that is held as failed, one as unknown, and one that failed; ids by how they are."""
    text = (shop.root / SCENARIO).read_text()
    shop.write(SCENARIO, text.replace("  - id: send\n", "  - id: send\n    on_error: hold\n"))
    for mode in ("refused", "unknown"):
        shop.write("calls.txt", "")
        shop.engine("run", SCENARIO, "--event", shop.event(mode=mode, email=f"{mode}@example.com"))
    shop.write(SCENARIO, text)
    shop.engine("run", SCENARIO, "--event", shop.event(mode="refused", email="failed@example.com"))
    shop.write("calls.txt", "")
    return {run["subject"].partition("@")[0]: run["id"] for run in shop.json("runs")["runs"]}


def mended(shop: Shop) -> None:
    module = shop.root / "modules" / "shop.py"
    module.write_text(module.read_text().replace('mode == "refused"', 'mode == "never"'))


def state_of(shop: Shop, run_id: str) -> str:
    return str(shop.json("runs", "show", run_id)["state"])


def test_many_held_runs_are_let_go_on_and_the_unknown_ones_stay(shop: Shop) -> None:
    runs = three(shop)
    mended(shop)
    result = shop.engine("runs", "resume", "--held", "--send-again", "--reason", "back", "--yes")
    assert result.exit_code == 1, result.output
    assert "1 run was let go on" in result.stdout
    assert "1 run left as they are" in result.stdout
    assert "is not known, so it is not sent again" in result.stdout
    assert "settle those one by one" in result.stdout
    assert (state_of(shop, runs["refused"]), state_of(shop, runs["unknown"])) == ("succeeded", "held")
    assert shop.calls("send") == 1
    # a second start finds what the first has left, and nothing else
    document = shop.json("runs", "resume", "--held", "--send-again", "--yes")
    assert (document["done"], [refusal["code"] for refusal in document["refused"]]) == ([], ["not-together"])


def test_a_dry_run_changes_nothing_and_without_yes_it_asks(shop: Shop) -> None:
    runs = three(shop)
    result = shop.engine("runs", "resume", "--held", "--skip", "--dry-run")
    assert (result.exit_code, "2 runs would be let go on without the step" in result.stdout) == (0, True)
    assert runs["refused"] in result.stdout
    refused = shop.engine("runs", "resume", "--held", "--skip", stdin="n\n")
    assert (refused.exit_code, "skip the step of 2 runs?" in refused.stderr) == (1, True)
    assert state_of(shop, runs["refused"]) == "held"
    agreed = shop.engine("runs", "resume", "--held", "--code", "failed", "--give-up", "--reason", "late", stdin="y\n")
    assert (agreed.exit_code, "1 run was given up" in agreed.stdout) == (0, True)
    assert (state_of(shop, runs["refused"]), state_of(shop, runs["unknown"])) == ("failed", "held")


def test_many_failed_ones_are_tried_again_and_many_held_ones_cancelled(shop: Shop) -> None:
    runs = three(shop)
    mended(shop)
    result = shop.engine("runs", "retry", "--failed", "--newer-than", "1h", "--yes")
    assert (result.exit_code, "1 run was tried again" in result.stdout) == (0, True)
    assert state_of(shop, runs["failed"]) == "succeeded"
    result = shop.engine("runs", "cancel", "--state", "held", "--yes")
    assert (result.exit_code, "2 runs were cancelled" in result.stdout) == (0, True)
    assert "no run is meant" in shop.engine("runs", "cancel", "--state", "held", "--older-than", "0s", "--yes").stdout


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["resume", "--send-again"], "name one run, or say --held"),
        (["resume", "0000000000001", "--held", "--send-again"], "ID or --held, not both"),
        (["resume", "0000000000001", "--send-again", "--scenario", "order"], "--scenario goes with --held"),
        (["resume", "--held", "--happened", "--output", "null"], "one run at a time"),
        (["resume", "--held"], "say how it goes on"),
        (["retry"], "name one run, or say --failed"),
        (["retry", "0000000000001", "--step", "send"], "--step goes with --failed"),
        (["cancel"], "name one run, or say --state"),
        (["retry", "--failed", "--older-than", "soon"], "is no duration"),
    ],
)
def test_what_is_not_clear_is_wrong_usage(shop: Shop, args: list[str], words: str) -> None:
    result = shop.engine("runs", *args)
    assert (result.exit_code, words in result.stderr) == (2, True), result.stderr


def test_beside_a_running_process_it_is_said_through_it(shop: Shop, start: Callable[..., Program]) -> None:
    shop.write(
        SCENARIO, (shop.root / SCENARIO).read_text().replace("  - id: send\n", "  - id: send\n    on_error: hold\n")
    )
    program = start("serve", "--port", "0")
    url = program.line("scenario:order").split()[-1]
    for _ in range(3):
        post(url, {"kind": "order", "mode": "refused"})
        program.line("held")
    result = shop.engine("runs", "resume", "--held", "--give-up", "--limit", "2", "--yes")
    assert (result.exit_code, "2 runs were given up" in result.stdout) == (0, True), result.output
    assert result.stderr.count("handed to process") == 1
    result = shop.engine("runs", "resume", "--held", "--send-again", "--yes")
    assert result.exit_code == 0, result.output
    # it goes on there, and fails there again
    program.line("held")
    assert program.end(signal.SIGTERM)[0] == 0
    assert shop.calls("send") == 4


def test_one_run_goes_on_under_the_corrected_file(shop: Shop) -> None:
    runs = three(shop)
    text = (shop.root / SCENARIO).read_text()
    shop.write(SCENARIO, text.replace("mode: ${{ trigger.mode || 'done' }}", "mode: done"))
    result = shop.engine("runs", "retry", runs["failed"], "--version", "current")
    assert result.exit_code == 0, result.output
    # a write that was made must be met again
    shop.write(SCENARIO, text.replace("- id: send", "- id: sent").replace("send.id", "sent.id"))
    result = shop.engine("runs", "resume", runs["unknown"], "--send-again", "--version", "current")
    assert (result.exit_code, "error[does-not-fit]" in result.stderr) == (1, True), result.output
    assert "send: it sent shop.send" in result.stderr
    assert state_of(shop, runs["unknown"]) == "held"
    assert shop.engine("runs", "resume", "--held", "--skip", "--version", "current").exit_code == 2


def test_a_held_run_is_shown_with_all_that_helps_to_decide(shop: Shop) -> None:
    runs = three(shop)
    document = shop.json("runs", "show", runs["unknown"])
    [hold] = document["holds"]
    assert hold["choices"] == ["happened", "again", "skip", "give-up"]
    assert hold["request"]["mode"] == "unknown"
    assert [(a["attempt"], a["state"], a["write"]) for a in hold["attempts"]] == [(1, "unknown", True)]
    assert document["context"]["trigger"]["email"] == "unknown@example.com"
    assert document["context"]["steps"]["customer"]["name"] == "Ana"
