"""``engine test --crash``: what it plays, what it prints, and that it sees a mechanism that is switched off."""

from __future__ import annotations

import pytest

from engine.runtime.journal import Journal
from tests.cli.conftest import Shop

BY_HAND = """
scenario: by-hand
inputs:
  name: {type: string, default: Ana}
steps:
  - id: send
    module: shop.send
    with: {to: "${{ inputs.name }}"}
"""
DAILY = """
scenario: daily
trigger:
  schedule: {cron: "0 6 * * *"}
steps:
  - id: send
    module: shop.send
    with: {to: "${{ trigger.scheduled_at }}"}
"""


def test_a_scenario_dies_everywhere_on_the_event_beside_it(shop: Shop) -> None:
    shop.write("scenarios/order.event.json", '{"kind": "order", "email": "ana@example.com"}')
    result = shop.engine("test", "--crash")
    assert result.exit_code == 0, result.output
    head, _, row = result.stdout.splitlines()
    assert head.split("  ")[0] == "scenario"
    name, points, survived, unknown, *bad = row.split()
    assert (name, survived, bad) == ("order", points, ["0", "0", "0"])
    assert int(points) > 30
    assert int(unknown) > 0, "a write of which nobody knows whether it arrived waits for a person"


def test_an_event_beside_a_scenario_that_is_alone_in_its_folder(shop: Shop) -> None:
    (shop.root / "scenarios/order.yaml").rename(shop.root / "scenario.yaml")
    shop.write("lost.event.json", '{"kind": "order"}')
    [row] = shop.json("test", "--crash", "scenario.yaml")
    assert (row["scenario"], row["lost"], row["doubled"], row["broken"]) == ("order", 0, 0, [])


def test_what_has_no_event_is_started_by_hand_or_by_the_clock_or_left_out(shop: Shop) -> None:
    shop.write("scenarios/by-hand.yaml", BY_HAND)
    shop.write("scenarios/daily.yaml", DAILY)
    result = shop.engine("test", "--crash", "scenarios")
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.stdout.splitlines()[2:]] == ["by-hand", "daily"]
    assert "order is left out: there is no event beside scenarios/order.yaml" in result.stderr
    assert all(int(line.split()[3]) > 0 for line in result.stdout.splitlines()[2:]), "each made its write"


def test_what_is_doubled_is_told_and_ends_with_1(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.write("scenarios/order.event.json", '{"kind": "order", "email": "ana@example.com"}')
    monkeypatch.setattr(Journal, "of", classmethod(lambda cls, *_rows: cls()))
    result = shop.engine("test", "--crash")
    assert result.exit_code == 1
    assert int(result.stdout.splitlines()[2].split()[-1]) > 0, "other faults"
    assert "order, death at effect.sent:1: " in result.stderr


def test_nothing_to_play_is_an_error(shop: Shop) -> None:
    result = shop.engine("test", "--crash")
    assert result.exit_code == 1
    assert "error[nothing-to-test]" in result.stderr


def test_an_event_that_is_not_json_is_told_with_its_place(shop: Shop) -> None:
    shop.write("scenarios/order.event.json", '{"kind": order}')
    result = shop.engine("test", "--crash")
    assert result.exit_code == 1
    assert "order.event.json:1:10" in result.stderr


CALLER = """
scenario: caller
inputs:
  name: {type: string, default: Ana}
steps:
  - id: asked
    call: between
    with: {name: "${{ inputs.name }}"}
output: ${{ asked }}
"""
BETWEEN = """
scenario: between
trigger:
  module: shop.watch
inputs:
  name: {type: string, default: Bob}
steps:
  - id: told
    call: greeter
    with: {name: "${{ inputs.name }}"}
output: ${{ told }}
"""
GREETER = """
scenario: greeter
inputs:
  name: {type: string, required: true}
steps:
  - if: ${{ inputs.name == 'Eve' }}
    steps:
      - id: looked
        wait_for: {approval: "Greet her?"}
  - id: send
    module: shop.send
    with: {to: "${{ inputs.name }}", mode: "${{ if(inputs.name == 'Bob', 'refused', 'done') }}"}
output: "Hi ${{ inputs.name }}"
"""


def test_a_scenario_is_tried_with_those_that_it_calls(shop: Shop) -> None:
    (shop.root / "scenarios/order.yaml").unlink()
    for name, text in {"caller": CALLER, "between": BETWEEN, "greeter": GREETER}.items():
        shop.write(f"scenarios/{name}.yaml", text)
    [row] = shop.json("test", "scenarios/caller.yaml")
    assert (row["scenario"], row["ended"], row["events"]) == ("caller", "succeeded", "by hand")
    # an event is for the scenario that it lies beside, and what fails in a called one is told
    shop.write("scenarios/between.event.json", '{"kind": "order"}')
    [row] = shop.json("test", "scenarios/between.yaml")
    assert (row["scenario"], row["ended"], row["well"]) == ("between", "2 failed", False)
    assert any(run["about"].startswith("greeter, which it calls: send: ") for run in row["runs"])


def test_who_called_a_run_that_is_held_waits_with_it(shop: Shop) -> None:
    (shop.root / "scenarios/order.yaml").unlink()
    shop.write("scenarios/caller.yaml", CALLER.replace("between", "greeter"))
    shop.write("scenarios/greeter.yaml", GREETER)
    [row] = shop.json("test", "--crash", "scenarios/caller.yaml")
    assert (row["lost"], row["doubled"], row["broken"]) == (0, 0, [])
    assert row["held_as_unknown"] > 0
