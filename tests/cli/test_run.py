"""``engine run`` on one event: what a new user sees first."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from engine.runtime.clock import SystemClock
from engine.store.lock import ExecutorLock
from tests.cli.conftest import Shop

SCENARIO = "scenarios/order.yaml"


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_each_step_is_shown_with_its_effect_and_outcome(shop: Shop) -> None:
    result = shop.engine("run", SCENARIO, "--event", shop.event(), "--simulate")
    assert result.exit_code == 0, result.output
    shown = lines(result.stdout)
    assert any(line.startswith("✓ customer shop.look_up read ") for line in shown)
    assert any(line.startswith("✓ send shop.send write done ") for line in shown)
    assert '{"id":1}' in shown
    assert "- gift shop.send skipped: `if: customer.points > 100` is false" in shown
    [end] = [line for line in shown if line.startswith("✓ order succeeded in ")]
    assert end.endswith(" about ana@example.com")
    assert "warning send: the shop is nearly full" in shown
    assert "output 1" in shown


def test_a_filtered_event_is_fine_and_said(shop: Shop) -> None:
    result = shop.engine("run", SCENARIO, "--event", shop.event(kind="other"))
    assert result.exit_code == 0
    assert "no run: the event is filtered (the trigger's configuration does not ask for it)" in result.stdout


def test_a_failed_run_says_why_and_how_to_try_again(shop: Shop) -> None:
    result = shop.engine("run", SCENARIO, "--event", shop.event(mode="refused"))
    assert result.exit_code == 1
    assert "write refused" in result.stdout
    assert "data-error: the shop does not want it" in result.stdout
    assert 'answer: {"reason":"closed"}' in result.stdout
    assert "engine runs retry " in result.stdout


def test_a_held_run_prints_the_commands_that_let_it_go_on_and_they_do(shop: Shop) -> None:
    result = shop.engine("run", SCENARIO, "--event", shop.event(mode="unknown"))
    assert result.exit_code == 1
    assert "held at send as 'unknown': no answer came" in result.stdout
    commands = [line.partition("#")[0].strip() for line in lines(result.stdout) if "engine runs resume" in line]
    assert [shlex.split(c)[4] for c in commands] == ["--happened", "--send-again", "--skip", "--give-up"]
    again = shop.engine(*shlex.split(commands[1])[1:], "--reason", "not there")
    assert again.exit_code == 0, again.output
    assert "done before" in again.stdout
    assert "order succeeded" in again.stdout
    assert (shop.calls("look_up"), shop.calls("send")) == (1, 2)


def test_an_attempt_that_is_made_again_is_told_when_and_why(shop: Shop) -> None:
    shop.write(
        "scenarios/flaky.yaml",
        """
        scenario: flaky
        steps:
          - id: customer
            module: shop.look_up
            with: {mode: flaky}
            retry: {attempts: 2, from: 10ms, to: 10ms, backoff: fixed}
        """,
    )
    result = shop.engine("run", "scenarios/flaky.yaml")
    assert result.exit_code == 0, result.output
    assert "retry 1 in " in result.stdout
    assert "vendor-error: the shop is out for lunch" in result.stdout
    assert "2 attempts" in result.stdout


def test_json_is_one_document_and_the_words_go_to_stderr(shop: Shop) -> None:
    result = shop.engine("run", SCENARIO, "--event", shop.event(), "--json")
    document = json.loads(result.stdout)
    [run] = document["runs"]
    assert document["deliveries"][0]["state"] == "run"
    assert document["deliveries"][0]["run"] == run["id"]
    assert (run["state"], run["output"], run["subject"]) == ("succeeded", 1, "ana@example.com")
    steps = {step["path"]: step for step in run["steps"]}
    assert (steps["send"]["effect"], steps["send"]["status"], steps["send"]["output"]) == ("write", "done", {"id": 1})
    assert steps["gift"]["status"] == "skipped"
    assert "order succeeded" in result.stderr


def test_json_of_a_held_run_has_its_holds(shop: Shop) -> None:
    result = shop.engine("run", SCENARIO, "--event", shop.event(mode="unknown"), "--json")
    assert result.exit_code == 1
    [run] = json.loads(result.stdout)["runs"]
    assert run["state"] == "held"
    assert run["holds"][0]["step"] == "send"
    assert [s["status"] for s in run["steps"] if s["path"] == "send"] == ["held"]


def test_a_dry_run_shows_writes_and_makes_and_keeps_none(shop: Shop) -> None:
    result = shop.engine("run", SCENARIO, "--event", shop.event(), "--dry-run")
    assert result.exit_code == 0, result.output
    assert 'would send {"mode":"done","to":"ana@example.com"}' in result.stdout
    assert "write not sent" in result.stdout
    assert (shop.calls("look_up"), shop.calls("send")) == (1, 0)
    assert not (shop.root / ".engine").exists()


def test_a_dry_run_of_a_webhook_needs_an_event(shop: Shop) -> None:
    result = shop.engine("run", SCENARIO, "--dry-run")
    assert result.exit_code == 2
    assert "--dry-run needs an event" in result.stderr


def test_an_event_that_is_not_json_is_shown_with_its_place(shop: Shop) -> None:
    shop.write("bad.json", '{"kind": "order",\n "email": ana}\n')
    result = shop.engine("run", SCENARIO, "--event", "bad.json")
    assert result.exit_code == 1
    assert "error[event-unreadable]: the event is not JSON" in result.stderr
    assert "bad.json:2:11" in result.stderr


def test_an_event_comes_from_stdin(shop: Shop) -> None:
    result = shop.engine("run", SCENARIO, "--event", "-", stdin='{"kind": "order"}')
    assert result.exit_code == 0, result.output


def test_an_inactive_scenario_runs_on_an_event_by_hand(shop: Shop) -> None:
    path = shop.root / SCENARIO
    path.write_text("active: false\n" + path.read_text())
    result = shop.engine("run", SCENARIO, "--event", shop.event())
    assert result.exit_code == 0, result.output
    assert shop.calls("send") == 1


def test_all_mistakes_are_shown_and_nothing_is_run(shop: Shop) -> None:
    shop.write(
        "scenarios/wrong.yaml",
        """
        scenario: wrong
        steps:
          - id: one
            module: shop.lok_up
          - id: two
            module: shop.send
            with: {mode: 5}
        """,
    )
    result = shop.engine("run", "scenarios/wrong.yaml")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "wrong.yaml:4:" in result.stderr
    assert "did you mean 'look_up'?" in result.stderr
    assert "wrong.yaml:7:" in result.stderr
    assert not (shop.root / ".engine").exists()


def test_secrets_of_connections_are_not_shown(shop: Shop) -> None:
    added = shop.engine("connections", "add", "shop", "--set", "shop_name=x", "--set", "token=s3cret-value-1")
    assert added.exit_code == 0, added.output
    result = shop.engine("run", SCENARIO, "--event", shop.event())
    assert '"note":"token ••• inside"' in result.stdout
    assert "s3cret-value-1" not in result.output


def test_a_dry_run_has_the_stored_secrets_although_it_keeps_nothing(shop: Shop) -> None:
    shop.engine("connections", "add", "shop", "--set", "shop_name=x", "--set", "token=s3cret-value-1")
    result = shop.engine("run", SCENARIO, "--event", shop.event(), "--dry-run")
    assert '"note":"token ••• inside"' in result.stdout
    assert shop.json("runs")["runs"] == []


def test_a_locked_store_says_who_holds_it_and_what_to_do(shop: Shop) -> None:
    with ExecutorLock(shop.root / ".engine", clock=SystemClock(), command="engine serve"):
        result = shop.engine("run", SCENARIO, "--event", shop.event())
    assert result.exit_code == 1
    assert "error[store-locked]" in result.stderr
    assert "engine serve" in result.stderr
    assert "next: stop that process first" in result.stderr


def test_a_data_folder_elsewhere_is_part_of_the_commands(shop: Shop, tmp_path: Path) -> None:
    data = tmp_path / "else where"
    result = shop.engine("run", SCENARIO, "--event", shop.event(mode="unknown"), "--data", str(data))
    line = next(line for line in lines(result.stdout) if "--skip" in line).partition("#")[0]
    assert shlex.split(line)[-2:] == ["--data", str(data)]
    assert shop.engine(*shlex.split(line)[1:]).exit_code == 0


def test_a_plugin_that_cannot_be_loaded_is_told_and_the_rest_works(shop: Shop) -> None:
    shop.write("modules/broken.py", "raise RuntimeError('out of order')\n")
    result = shop.engine("run", SCENARIO, "--event", shop.event())
    assert result.exit_code == 0
    assert "is not loaded: RuntimeError: out of order" in result.stderr
    assert "broken.py:1" in result.stderr


def test_an_effect_that_the_config_decides_is_shown_and_whole_urls_lead_to_the_simulator(shop: Shop) -> None:
    scenario = "scenario: echo\ntrigger:\n  module: http.watch_webhook\nsteps:\n"
    for name, method in (("look", "GET"), ("tell", "POST")):
        scenario += f"  - id: {name}\n    module: http.make_request\n"
        scenario += f"    with: {{url: 'https://example.com/things', method: {method}}}\n"
    (shop.root / "scenarios" / "echo.yaml").write_text(scenario)
    result = shop.engine("run", "scenarios/echo.yaml", "--event", shop.event(), "--simulate")
    assert result.exit_code == 0, result.output
    shown = lines(result.stdout)
    assert any(line.startswith("✓ look http.make_request read ") for line in shown)
    assert any(line.startswith("✓ tell http.make_request write done ") for line in shown)


def test_a_call_that_the_simulator_does_not_have_is_not_taken_for_the_vendors_answer(shop: Shop) -> None:
    scenario = "scenario: call\nsteps:\n  - id: call\n    module: yotpo_loyalty.make_api_call\n    connection: yotpo\n"
    shop.write("scenarios/call.yaml", f"{scenario}    with: {{url: /nothing, method: POST}}\n")
    result = shop.engine("run", "scenarios/call.yaml", "--simulate")
    assert result.exit_code == 1
    assert "the simulator of yotpo_loyalty does not know POST /api/v2/nothing; the vendor may" in result.stdout


def test_a_dry_run_says_what_is_made_up_and_where_it_went(shop: Shop) -> None:
    result = shop.engine("run", SCENARIO, "--event", shop.event(), "--dry-run")
    assert "made up: null" in result.stdout
    steps = {step["path"]: step for step in _steps(shop)}
    assert (steps["send"]["status"], steps["send"]["output_from"]) == ("shown", "made up")
    assert steps["send"]["request"] == {"mode": "done", "to": "ana@example.com"}
    assert steps["stop@4"]["rests_on"] == ["send"]


def _steps(shop: Shop) -> list[Any]:
    result = shop.engine("run", SCENARIO, "--event", shop.event(), "--dry-run", "--json")
    steps: list[Any] = json.loads(result.stdout)["runs"][0]["steps"]
    return steps
