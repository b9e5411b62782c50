"""``engine check``: every mistake of a project at once, for people, programs and workflows."""

from __future__ import annotations

import json

from tests.cli.conftest import Shop

WRONG = """
scenario: order
steps:
  - id: one
    module: shop.lok_up
  - id: two
    module: shop.look_up
    connection: nowhere
"""


def test_a_sound_project_passes(shop: Shop) -> None:
    result = shop.engine("check")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert result.stderr == "2 files, 0 errors, 0 warnings\n"


def test_mistakes_of_all_files_are_shown_at_once(shop: Shop) -> None:
    shop.write("engine.yaml", "serve: {}\n")
    shop.write("connections.yaml", "shop: {type: shop, token: abcdef}\n")
    shop.write("scenarios/wrong.yaml", WRONG)
    shop.write("scenarios/twin.yaml", (shop.root / "scenarios/order.yaml").read_text())
    result = shop.engine("check")
    heads = [line for line in result.stdout.splitlines() if "error[" in line]
    found = [":".join(line.split(":")[:2]) for line in heads]
    assert found == [
        "engine.yaml:1",
        "connections.yaml:1",
        "connections.yaml:1",
        "scenarios/wrong.yaml:4",
        "scenarios/twin.yaml:1",
    ]
    assert "^" in result.stdout
    assert result.exit_code == 1
    assert result.stderr.startswith("5 files, 5 errors, 0 warnings")


def test_a_connection_that_is_not_there_is_a_mistake(shop: Shop) -> None:
    shop.write("scenarios/wrong.yaml", WRONG)
    assert "there is no connection 'nowhere'" in shop.engine("check", "scenarios/wrong.yaml").stdout


def test_hints_are_shown_where_they_are_asked_for(shop: Shop) -> None:
    text = "scenario: quiet\nsteps:\n  - stop: success # engine: ignore[null-in-text]\n"
    shop.write("scenarios/quiet.yaml", text)
    result = shop.engine("check", "scenarios/quiet.yaml")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.endswith("0 errors, 0 warnings, 1 hint (--level hint shows them)\n")
    result = shop.engine("check", "scenarios/quiet.yaml", "--level", "hint")
    assert (result.exit_code, result.stdout.splitlines()[0][:42]) == (0, "scenarios/quiet.yaml:3:36: hint[unused-ign")
    assert shop.engine("check", "scenarios/quiet.yaml", "--level", "hint", "--strict").exit_code == 1


def test_strict_counts_what_is_shown(shop: Shop) -> None:
    shop.write("scenarios/doubt.yaml", "scenario: doubt\nsteps:\n  - set: {a: 1}\n    on_error: rollback\n")
    assert shop.engine("check", "scenarios/doubt.yaml").exit_code == 0
    assert shop.engine("check", "scenarios/doubt.yaml", "--strict").exit_code == 1
    assert shop.engine("check", "scenarios/doubt.yaml", "--strict", "--level", "error").exit_code == 0


def test_as_json(shop: Shop) -> None:
    shop.write("scenarios/wrong.yaml", WRONG)
    result = shop.engine("check", "scenarios/wrong.yaml", "--format", "json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["files"], document["errors"]) == (1, 2, 2)
    assert {"file", "line", "column", "code", "message", "severity"} <= document["diagnostics"][0].keys()


def test_as_annotations(shop: Shop) -> None:
    shop.write("scenarios/wr,ong.yaml", WRONG)
    result = shop.engine("check", "scenarios/wr,ong.yaml", "--format", "github")
    first = result.stdout.splitlines()[0]
    assert first.startswith("::error file=scenarios/wr%2Cong.yaml,line=4,col=13,title=unknown-module::")
    assert result.exit_code == 1


def test_a_path_that_does_not_exist_is_wrong_usage(shop: Shop) -> None:
    assert shop.engine("check", "nothing.yaml").exit_code == 2


PIGEON = """
from engine import Action, App, ConnectionType, Effect, Request, field, hookimpl, options

KIND = ConnectionType("pigeon", "Pigeon", options(), base_url="https://pigeon.example.com")
SEND = Action(
    name="send_sms",
    title="Send",
    description="Sends.",
    connection="pigeon",
    config=options("to", to=field("To", "Whom.", type="string")),
    effect=Effect.IDEMPOTENT,
    request=Request("PUT", "/messages", body="{to: to"),
)


@hookimpl
def engine_apps():
    return App(name="pigeon", title="Pigeon", modules=(SEND,), connections=(KIND,))
"""
SENDS = """
scenario: sends
steps:
  - id: sent
    module: pigeon.send_sms
    connection: pigeon
    with: {to: ana}
"""


def test_what_is_declared_wrongly_is_a_warning_of_plugins_and_fails_the_step(shop: Shop) -> None:
    """It stands in the sum, and counts with --strict; a run fails at the step, and says whose mistake it is."""
    shop.write("modules/pigeon.py", PIGEON)
    shop.write("scenarios/sends.yaml", SENDS)
    shop.write("connections.yaml", "pigeon: {type: pigeon}\n")
    result = shop.engine("check")
    assert result.exit_code == 0, result.output
    assert "its body cannot be read: the expression ends too early: {to: to" in result.stderr
    assert "next: calls of it will fail, or go wrong; mend it there" in result.stderr
    assert result.stderr.endswith("4 files, 0 errors, 0 warnings, 1 warning of plugins\n")
    assert shop.engine("check", "--strict").exit_code == 1
    result = shop.engine("run", "scenarios/sends.yaml")
    assert "plugin-error: what pigeon.send_sms declares cannot be read" in result.output
    assert shop.json("runs")["runs"][0]["state"] == "failed"
