"""``engine erase``: alone and beside a running process."""

from __future__ import annotations

import signal
from collections.abc import Callable

from tests.cli.conftest import Program, Shop, post

SCENARIO = "scenarios/order.yaml"
ANA = "ana@example.com"


def shown(shop: Shop) -> str:
    lists = "".join(shop.engine(command, "--json").stdout for command in ("runs", "receipts", "effects"))
    return lists + "".join(
        shop.engine("runs", "show", run["id"], "--verbose").stdout for run in shop.json("runs")["runs"]
    )


def test_before_anything_ran_there_is_nothing_to_erase(shop: Shop) -> None:
    assert "nothing was run" in shop.engine("erase", ANA, "--yes").stderr


def test_a_subject_is_erased_once_it_was_confirmed(shop: Shop) -> None:
    shop.engine("run", SCENARIO, "--event", shop.event())
    shop.engine("run", SCENARIO, "--event", shop.event(email="bo@example.com"))
    assert shop.engine("erase", ANA, "--dry-run").stdout == "would be blanked: 1 receipt, 1 run\n"
    assert ANA in shown(shop)
    assert shop.engine("erase", ANA, stdin="n\n").exit_code != 0
    assert ANA in shown(shop)
    result = shop.engine("erase", ANA, "--yes")
    assert (result.exit_code, result.stdout) == (0, "blanked: 1 receipt, 1 run\n")
    text = shown(shop)
    assert ANA not in text
    assert "bo@example.com" in text
    assert shop.json("runs")["counts"] == {"succeeded": 2}
    assert shop.engine("erase", ANA, "--yes").stdout.startswith("nothing is about it")


def test_a_held_run_is_named_and_ended_only_when_asked(shop: Shop) -> None:
    shop.engine("run", SCENARIO, "--event", shop.event(mode="unknown"))
    [held] = shop.json("runs")["runs"]
    refused = shop.engine("erase", ANA, "--yes")
    assert refused.exit_code != 0
    assert "erase-refused" in refused.stderr
    assert held["id"] in refused.stderr
    assert shop.json("erase", ANA, "--dry-run")["unfinished"] == [held["id"]]
    assert shop.json("erase", ANA, "--yes", "--cancel")["runs"] == 1
    assert [run["state"] for run in shop.json("runs")["runs"]] == ["cancelled"]
    assert ANA not in shown(shop)


def test_of_a_word_that_was_erased_only_its_place_is_shown(shop: Shop) -> None:
    shop.engine("run", SCENARIO, "--event", shop.event(mode="unknown"))
    [held] = shop.json("runs")["runs"]
    shop.engine("runs", "resume", held["id"], "--skip", "--reason", f"{ANA} called")
    assert "said 'skip'" in shop.engine("runs", "show", held["id"]).stdout
    shop.engine("erase", ANA, "--yes")
    text = shop.engine("runs", "show", held["id"]).stdout
    assert "somebody's word, which was erased" in text
    assert "None" not in text


def test_what_failed_and_was_erased_is_not_tried_again(shop: Shop) -> None:
    shop.engine("run", SCENARIO, "--event", shop.event(mode="refused"))
    [failed] = shop.json("runs")["runs"]
    shop.engine("erase", ANA, "--yes")
    result = shop.engine("runs", "retry", failed["id"])
    assert result.exit_code != 0
    assert "command-refused" in result.stderr


def test_the_running_process_erases(shop: Shop, start: Callable[..., Program]) -> None:
    shop.engine("run", SCENARIO, "--event", shop.event())
    serving = start("serve")
    url = serving.line("/hooks/").split()[-1]
    post(url, {"kind": "order", "email": ANA})
    serving.line("succeeded")
    result = shop.engine("erase", ANA, "--yes")
    assert (result.exit_code, result.stdout) == (0, "blanked: 2 receipts, 2 runs\n")
    assert "handed to process" in result.stderr
    assert ANA not in shown(shop)
    assert serving.end(signal.SIGTERM)[0] == 0
