"""A run is replayed by command, here and beside a server, and both runs tell of it."""

from __future__ import annotations

import signal
from collections.abc import Callable

from tests.cli.conftest import Program, Shop
from tests.cli.test_held import SCENARIO, held, mend, with_hold


def failed(shop: Shop) -> str:
    shop.engine("run", SCENARIO, "--event", shop.event(mode="refused"))
    return str(shop.json("runs", "--state", "failed")["runs"][0]["id"])


def test_a_run_is_replayed_and_both_runs_tell_of_it(shop: Shop) -> None:
    old = failed(shop)
    mend(shop)
    done = shop.engine("runs", "replay", old, "--reason", "the vendor was mended")
    assert done.exit_code == 0, done.stderr
    [new] = [run["id"] for run in shop.json("runs", "--state", "succeeded")["runs"]]
    assert f"run {new} replays {old}" in done.stderr
    assert f"replay   of run {old}" in shop.engine("runs", "show", new).stdout
    assert "the vendor was mended" in shop.engine("runs", "show", new).stdout
    assert f"replayed as run {new}" in shop.engine("runs", "show", old).stdout
    assert shop.json("runs", "show", new)["replay_of"]["of"] == old
    assert shop.json("runs", "show", old)["replayed_as"] == [new]
    calls = (shop.root / "calls.txt").read_text().split()
    again = shop.engine("runs", "replay", new)
    assert again.exit_code == 0
    assert f"run {new} did this before: its output is taken, nothing is sent" in again.stdout
    writes = [call for call in (shop.root / "calls.txt").read_text().split()[len(calls) :] if "send" in call]
    assert writes == []


def test_a_replay_from_a_step_on_names_the_steps_that_there_are(shop: Shop) -> None:
    old = failed(shop)
    wrong = shop.engine("runs", "replay", old, "--from", "nowhere")
    assert wrong.exit_code == 1
    assert "error[not-replayable]" in wrong.stderr
    assert "its steps: " in wrong.stderr
    mend(shop)
    assert shop.engine("runs", "replay", old, "--from", "send", "--version", "same").exit_code == 0


def test_a_running_server_replays(shop: Shop, start: Callable[..., Program]) -> None:
    with_hold(shop)
    old = held(shop)
    mend(shop)
    program = start("serve", "--port", "0")
    program.line("scenario:order")
    answer = shop.json("runs", "replay", old)
    assert answer["state"] == "queued"
    assert program.line("succeeded")
    shown = shop.json("runs", "show", old)
    assert (shown["state"], shown["error"]["code"]) == ("cancelled", "replayed")
    refused = shop.engine("runs", "resume", old, "--send-again")
    assert "is cancelled, not held" in refused.stderr
    assert program.end(signal.SIGTERM)[0] == 0


def test_a_dry_run_of_a_replay_shows_what_it_would_send_and_changes_nothing(shop: Shop) -> None:
    old = failed(shop)
    mend(shop)
    before = shop.calls("send")
    shown = shop.engine("runs", "replay", old, "--dry-run")
    assert shown.exit_code == 0, shown.output
    assert 'would send {"mode":"refused","to":"ana@example.com"}' in shown.stdout
    assert shop.calls("send") == before
    assert len(shop.json("runs")["runs"]) == 1
    assert shop.json("runs", "show", old)["replayed_as"] == []


def test_two_runs_are_compared_step_by_step(shop: Shop) -> None:
    old = failed(shop)
    mend(shop)
    shop.engine("runs", "replay", old)
    [new] = [run["id"] for run in shop.json("runs", "--state", "succeeded")["runs"]]
    text = shop.engine("runs", "diff", old, new).stdout
    assert "= customer" in text
    assert "≠ send" in text
    assert "- error" in text
    assert "they part at send" in text
    found = shop.json("runs", "diff", old, new)
    assert found["parted"] == "send"
    [send] = [step for step in found["steps"] if step["path"] == "send"]
    assert (send["first"]["state"], send["second"]["state"]) == ("refused", "done")
    alike = shop.engine("runs", "diff", new, new).stdout
    assert "they are alike in every step" in alike
