"""``engine store``: what history takes, and how it goes by hand, beside a running process and alone."""

from __future__ import annotations

import signal
from collections.abc import Callable

from tests.cli.conftest import Program, Shop, post

SCENARIO = "scenarios/order.yaml"


def happened(shop: Shop) -> None:
    for mode in ("done", "unknown"):
        shop.write("calls.txt", "")
        shop.engine("run", SCENARIO, "--event", shop.event(mode=mode, email=f"{mode}@example.com"))


def test_before_anything_ran_there_is_nothing_to_show(shop: Shop) -> None:
    for command in (("store",), ("store", "prune"), ("store", "compact")):
        result = shop.engine(*command)
        assert result.exit_code == 0, command
        assert "nothing was run" in result.stderr
    assert not (shop.root / ".engine" / "store.db").exists()


def test_it_shows_what_the_store_holds(shop: Shop) -> None:
    happened(shop)
    document = shop.json("store")
    assert document["runs"] == {"succeeded": 1, "held": 1}
    assert document["receipts"] == 2
    assert document["file_bytes"] > 0
    assert document["over"] == {"runs": 0, "deliveries": 0}, "they are younger than 30 days"
    text = shop.engine("store").stdout
    assert "2, the oldest of 20" in text


def test_old_history_goes_by_hand_and_what_is_open_stays(shop: Shop) -> None:
    happened(shop)
    # a run stays for ten seconds after its end, so this one is made to have ended long ago
    shop.engine("run", SCENARIO, "--event", shop.event(email="later@example.com"))
    age(shop)
    assert shop.json("store")["over"]["runs"] == 2
    assert shop.engine("store", "prune", "--older-than", "7d").stdout == "removed: 2 runs, 2 receipts\n"
    assert [run["state"] for run in shop.json("runs")["runs"]] == ["held"]
    assert shop.json("store")["kept_keys"] == {"effects": 2}, "finished writes answer for their keys"
    assert shop.json("store", "prune")["runs"] == 0


def test_when_all_is_gone_nothing_is_the_oldest(shop: Shop) -> None:
    shop.engine("run", SCENARIO, "--event", shop.event(email="ana@example.com"))
    age(shop)
    assert shop.engine("store", "prune", "--older-than", "7d").stdout == "removed: 1 run, 1 receipt\n"
    lines = shop.engine("store").stdout.splitlines()
    assert [line.split() for line in lines if line.startswith(("runs ", "receipts "))] == [
        ["runs", "0"],
        ["receipts", "0"],
    ]


def test_the_file_is_written_anew(shop: Shop) -> None:
    happened(shop)
    before = (shop.root / ".engine" / "store.db").stat().st_size
    age(shop)
    shop.engine("store", "prune")
    result = shop.engine("store", "compact")
    assert result.exit_code == 0
    assert " -> " in result.stdout
    assert (shop.root / ".engine" / "store.db").stat().st_size <= before
    assert shop.json("store")["free_bytes"] == 0
    assert [run["state"] for run in shop.json("runs")["runs"]] == ["held"]


def test_the_running_process_prunes_and_does_not_let_others_compact(shop: Shop, start: Callable[..., Program]) -> None:
    [webhook] = shop.json("webhooks")["webhooks"]
    serving = start("serve")
    url = serving.line("/hooks/").split()[-1]
    post(url, {"kind": "order", "email": "ana@example.com"})
    serving.line("succeeded")
    result = shop.engine("store", "prune", "--older-than", "7d")
    assert (result.exit_code, result.stdout) == (0, "removed: 0 runs, 0 receipts\n")
    assert "handed to process" in result.stderr
    refused = shop.engine("store", "compact")
    assert refused.exit_code != 0
    assert "store-locked" in refused.stderr
    assert serving.end(signal.SIGTERM)[0] == 0
    assert webhook


def age(shop: Shop) -> None:
    """Let all that has ended have ended forty days ago."""
    import sqlite3

    with sqlite3.connect(shop.root / ".engine" / "store.db") as db:
        db.execute("update runs set ended_at = ended_at - 3456000 where ended_at is not null")
    db.close()
