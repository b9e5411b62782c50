"""``engine signal``, ``engine approvals``, ``engine approve``: alone, and beside a process that serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.cli.conftest import Program, Shop, post

WAITING = """
scenario: order
trigger:
  module: shop.watch
steps:
  - id: ok
    wait_for: {approval: "Send it to ${{ trigger.email }}?", timeout: 2d}
  - id: stock
    wait_for: {signal: stock, key: "${{ trigger.email }}"}
  - stop: success
    output: {by: "${{ ok.by }}", stock: "${{ stock }}"}
"""


def until(ask: Callable[[], Any]) -> Any:
    """What another process has come to."""
    for _ in range(60):
        if found := ask():
            return found
    raise AssertionError("it never came")


def state(shop: Shop) -> str:
    [run] = shop.json("runs")["runs"]
    return str(run["state"])


def test_a_run_waits_is_answered_and_goes_on_where_nobody_serves(shop: Shop) -> None:
    shop.write("scenarios/order.yaml", WAITING)
    ran = shop.engine("run", "scenarios/order.yaml", "--event", shop.event())
    assert "waits at ok" in ran.output
    [asked] = shop.json("approvals")["approvals"]
    assert (asked["asked"], asked["step"]) == ("Send it to ana@example.com?", "ok")
    assert "/approve/" in asked["link"]
    shown = shop.engine("runs", "show", asked["run"])
    assert "waits at ok until" in shown.output
    assert "for an answer to 'Send it to ana@example.com?': engine approve" in shown.output
    assert shop.engine("approve", asked["run"]).exit_code == 2
    answered = shop.engine("approve", asked["run"], "--yes", "--comment", "fine")
    assert (answered.exit_code, state(shop)) == (0, "queued")
    again = shop.engine("approve", asked["run"], "--no")
    assert again.exit_code == 1
    assert "answer-refused" in again.output


def test_beside_a_process_that_serves(shop: Shop, start: Callable[..., Program]) -> None:
    shop.write("scenarios/order.yaml", WAITING)
    program = start("serve")
    url = program.line("scenario:order").split()[-1]
    post(url, {"kind": "order", "email": "ana@example.com"})
    asked = until(lambda: shop.json("approvals")["approvals"])
    assert asked[0]["link"].startswith(url.partition("/hooks/")[0])
    assert shop.engine("approve", asked[0]["run"], "--yes").exit_code == 0
    until(lambda: shop.engine("signal", "stock", "--key", "ana@example.com", "--with", '{"n": 1}').exit_code == 0)
    program.line("succeeded")
    [run] = shop.json("runs")["runs"]
    assert run["output"]["stock"] == {"n": 1}


def test_a_signal_that_finds_nobody_says_so_and_what_is_waited_for(shop: Shop) -> None:
    shop.write("scenarios/order.yaml", WAITING)
    shop.engine("run", "scenarios/order.yaml", "--event", shop.event())
    [asked] = shop.json("approvals")["approvals"]
    shop.engine("approve", asked["run"], "--yes")
    nobody = shop.engine("signal", "stock", "--key", "bo")
    assert (nobody.exit_code, "no run waits" in nobody.output) == (1, True)
    kept = shop.engine("signal", "stock", "--key", "bo", "--keep", "1d")
    assert (kept.exit_code, "kept" in kept.output) == (0, True)
    assert shop.engine("signal", "stock", "--with", "{").exit_code == 2
    assert shop.engine("signal", "st ock").exit_code == 2
