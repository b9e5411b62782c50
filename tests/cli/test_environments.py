"""``--env`` and ``ENGINE_ENV`` on the command line: staging never touches what is not staging's."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import click
import pytest

from engine.cli.app import COMMANDS, cli
from tests.cli.conftest import Program, Shop, post

SETTINGS = "server: {port: 0, admin_port: 0}\nenvironments:\n  staging: {limits: {concurrency: 7}}\n  test: {}\n"
Start = Callable[..., Program]


@pytest.fixture(autouse=True)
def settings(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENGINE_ENV", raising=False)
    shop.write("engine.yaml", SETTINGS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_it(name: str) -> None:
    context = click.Context(cli)
    command = cli.get_command(context, name)
    assert command is not None
    assert any("--env" in parameter.opts for parameter in command.params)


def test_runs_of_an_environment_are_its_own_whoever_looks(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.engine("run", "scenarios/order.yaml", "--event", shop.event(), "--env", "staging")
    assert (shop.root / ".engine-staging" / "store.db").is_file()
    assert not (shop.root / ".engine").exists()
    assert len(shop.json("runs", "--env", "staging")["runs"]) == 1
    assert len(shop.json("--env", "staging", "runs")["runs"]) == 1
    monkeypatch.setenv("ENGINE_ENV", "staging")
    assert len(shop.json("runs")["runs"]) == 1
    assert shop.json("runs", "--env", "test")["runs"] == []


@pytest.mark.parametrize("command", ["runs", "receipts", "effects", "status", "webhooks", "store"])
def test_no_command_reads_the_store_of_another(shop: Shop, command: str) -> None:
    shop.engine("run", "scenarios/order.yaml", "--event", shop.event(), "--env", "staging")
    result = shop.engine(command, "--data", ".engine-staging")
    assert result.exit_code == 1
    assert "error[wrong-environment]: the store is that of environment 'staging'" in result.stderr
    assert "give --env staging" in result.stderr


def test_no_command_is_handed_to_the_process_of_another(shop: Shop, start: Start) -> None:
    program = start("serve", "--env", "staging")
    url = program.line("scenario:order").split()[-1]
    post(url, {"kind": "order", "email": "ana@example.com", "mode": "unknown"})
    run_id = program.line("held").split()[0]
    refused = shop.engine("runs", "resume", run_id, "--skip", "--data", ".engine-staging")
    assert refused.exit_code == 1
    assert "error[wrong-environment]" in refused.stderr
    about = shop.json("status", "--env", "staging")
    assert about["environment"] == "staging"
    assert "--env staging" in about["process"]["command"]
    assert "environment" in shop.engine("status", "--env", "staging").stdout
    shown = shop.engine("runs", "show", run_id, "--env", "staging").stdout
    assert f"engine runs resume {run_id}" in shown
    assert "--env staging" in shown
    assert shop.engine("runs", "resume", run_id, "--skip", "--env", "staging").exit_code == 0
    _, _, err = program.end(signal.SIGINT)
    assert "serving 1 scenario in environment 'staging'" in err


def test_one_that_is_not_there_is_an_error_with_the_nearest(shop: Shop) -> None:
    for args in (("check",), ("runs",), ("serve",)):
        result = shop.engine(*args, "--env", "stagin")
        assert result.exit_code == 1
        assert "error[unknown-environment]" in result.stderr
        assert "did you mean 'staging'?" in result.stderr


def test_check_looks_at_every_environment(shop: Shop) -> None:
    shop.write(
        "engine.yaml", "environments:\n  staging:\n    connections:\n      crm: {base_url: https://example.com}\n"
    )
    result = shop.engine("check")
    assert result.exit_code == 1
    assert "engine.yaml:4:7: error[unknown-connection]" in result.stdout
    assert json.loads(shop.engine("check", "--format", "json").stdout)["errors"] == 1
