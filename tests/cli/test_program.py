"""The program as a whole: help, errors, start-up, the reference page."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from engine.cli import cli
from engine.cli.app import COMMANDS
from engine.cli.reference import page
from engine.cli.workspace import Workspace
from tests.cli.conftest import Program, Shop

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def commands(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(f"{path} {name}", inner)


ALL = dict(commands("engine", cli))


def test_the_reference_page_is_what_the_program_says() -> None:
    assert DOCS.read_text() == page(), "run `python -m engine.cli.reference > docs/reference/cli.md`"


@pytest.mark.parametrize("path", ALL)
def test_the_help_of_every_command_shows_an_example_of_it(path: str) -> None:
    result = CliRunner().invoke(cli, [*path.split()[1:], "--help"], prog_name="engine")
    assert result.exit_code == 0
    _, _, examples = result.stdout.partition("Example")
    assert path in examples


@pytest.mark.parametrize("path", ALL)
def test_every_option_and_command_says_what_it_is_for(path: str) -> None:
    assert ALL[path].help
    for parameter in ALL[path].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{path} {parameter.opts}"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_their_help_says(name: str) -> None:
    assert (ALL[f"engine {name}"].help or "").splitlines()[0] == COMMANDS[name].summary


def test_help_is_quick_because_nothing_is_imported_for_it() -> None:
    program = (
        "import sys\nfrom engine.cli import cli\n"
        "cli(['--help'], standalone_mode=False)\n"
        "print(*(m for m in ('aiohttp', 'sqlite3', 'jsonschema', 'tabulate') if m in sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Commands:" in done.stdout
    # the public types bring in pluggy and no more
    assert done.stderr.split() == []


def test_an_unknown_command_is_wrong_usage() -> None:
    result = CliRunner().invoke(cli, ["rnu"])
    assert result.exit_code == 2
    assert "No such command 'rnu'" in result.stderr


def test_a_mistake_of_the_engine_is_called_one_and_debug_shows_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("two and two")

    monkeypatch.setattr(Workspace, "registry", broken)
    result = shop.engine("modules")
    assert result.exit_code == 1
    assert "error[internal]: RuntimeError: two and two" in result.stderr
    assert "a mistake in the engine" in result.stderr
    assert "Traceback" not in result.stderr
    with pytest.raises(RuntimeError):
        shop.engine("--debug", "modules")


def test_modules_lists_what_is_installed(shop: Shop) -> None:
    result = shop.engine("modules")
    assert "shop.look_up" in result.stdout
    assert "yotpo_loyalty.retrieve_customer" in result.stdout
    app = shop.engine("modules", "shop")
    assert "connection shop" in app.stdout
    assert "secret" in app.stdout
    assert "yotpo" not in app.stdout


def test_a_module_is_shown_with_options_output_and_an_example_that_runs(shop: Shop) -> None:
    result = shop.engine("modules", "yotpo_messaging.create_or_update_custom_event")
    assert "effect: idempotent" in result.stdout
    assert "required" in result.stdout
    example = result.stdout.partition("example\n")[2]
    shop.write("connections.yaml", "")
    shop.write("scenarios/example.yaml", f"scenario: example\nsteps:\n{example}")
    checked = shop.engine("run", "scenarios/example.yaml", "--simulate")
    assert checked.exit_code == 0, checked.output


def test_a_module_that_is_not_there_is_answered_with_the_nearest(shop: Shop) -> None:
    result = shop.engine("modules", "shop.lookup")
    assert result.exit_code == 1
    assert "did you mean 'shop.look_up'?" in result.stderr


def test_a_module_says_which_of_several_options_it_needs_and_every_choice(shop: Shop) -> None:
    adjust = shop.engine("modules", "yotpo_loyalty.adjust_points").stdout
    assert "required: at least one of customer_email, customer_id" in adjust
    options = " ".join(shop.engine("modules", "yotpo_loyalty.list_redemption_options").stdout.split())
    assert "[fixed_amount | percentage | variable | shipping | product | custom]" in options
    assert "GET | POST | PUT | PATCH | DELETE" in shop.engine("modules", "yotpo_loyalty.make_api_call").stdout


def test_modules_as_json_have_their_schemas(shop: Shop) -> None:
    assert shop.json("modules", "shop.send")["config"]["properties"]["mode"]["type"] == "string"
    document = shop.json("modules")
    assert {"http", "shop"} <= {app["name"] for app in document["apps"]}


def test_a_simulator_runs_until_it_is_stopped(start: Callable[..., Program]) -> None:
    program = start("simulate", "yotpo_loyalty")
    assert program.line("http://127.0.0.1:")
    code, _, err = program.end(signal.SIGINT)
    assert code == 0
    assert "type: yotpo_loyalty" in err
    assert "guid: {env: YOTPO_LOYALTY_GUID}" in err
    assert "of them verified; `engine simulate yotpo_loyalty --list` shows them" in err
    # what the reader needs next is not pushed off the screen
    assert len(err.splitlines()) < 20
