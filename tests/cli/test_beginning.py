"""``engine init`` and ``engine new``: what they make is right at once, and nothing that is there is touched."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.cli import cli
from engine.cli.samples import value_for
from engine.cli.templating import TEMPLATES
from tests.cli.conftest import Shop

TOP = Path(__file__).parents[2]


def program(folder: Path, *args: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The program as a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ENGINE_")}
    return subprocess.run(
        [sys.executable, "-m", "engine", *args],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(TOP), "PYTHONDONTWRITEBYTECODE": "1", **more},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    assert engine("init", "p").exit_code == 0
    monkeypatch.chdir(tmp_path / "p")
    return tmp_path / "p"


def engine(*args: str) -> Result:
    return CliRunner().invoke(cli, args, prog_name="engine", catch_exceptions=False)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_project_is_checked_tested_and_run_as_it_was_made(tmp_path: Path) -> None:
    made = program(tmp_path, "init", "p")
    assert made.returncode == 0, made.stderr
    commands = [line.strip() for line in made.stderr.splitlines() if line.startswith("  ")]
    assert commands[0] == "cd p"
    assert commands[-1] == "engine serve"
    for command in commands[1:-1]:
        done = program(tmp_path / "p", *command.split()[1:])
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    checked = json.loads(program(tmp_path / "p", "check", "--format", "json").stdout)
    assert (checked["errors"], checked["warnings"], checked["plugins"]) == (0, 0, [])


def test_the_test_of_a_project_fails_where_its_scenario_does_something_else(project: Path) -> None:
    path = project / "scenarios/new-order.yaml"
    path.write_text(path.read_text().replace(">= 100", "> 100"))
    tested = program(project, "test")
    assert tested.returncode == 1
    assert "test_an_order_is_large_from_100_on[100-True]" in tested.stdout
    assert "new-order   succeeded" in tested.stdout


def test_without_pytest_the_tests_of_a_project_are_not_passed_over_in_silence(project: Path) -> None:
    hidden = project.parent / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'pytest' else find(name, package)\n"
    )
    tested = program(project, "test", PYTHONPATH=f"{hidden}{os.pathsep}{TOP}")
    assert tested.returncode == 0, tested.stderr
    assert "1 file of tests in tests not run: pytest is not installed" in tested.stderr


def test_a_run_that_fails_and_an_event_that_is_refused_fail_the_test(shop: Shop) -> None:
    shop.write("scenarios/order.event.json", '{"kind": "order", "email": "ana@example.com", "mode": "refused"}')
    result = shop.engine("test")
    assert result.exit_code == 1
    assert re.search(
        r"^order +failed +1 +shop\.look_up +1 +send: the shop does not want it", result.stdout, re.MULTILINE
    )
    [row] = shop.json("test", "scenarios")
    assert (row["scenario"], row["ended"], row["well"]) == ("order", "failed", False)
    assert (row["events"], row["calls"], row["writes"]) == ("1", {"shop.look_up": 1, "shop.send": 1}, {"shop.send": 1})


def test_what_was_refused_is_told_though_the_run_went_on(shop: Shop) -> None:
    shop.write("scenarios/order.event.json", '{"kind": "order", "email": "ana@example.com", "mode": "refused"}')
    path = shop.root / "scenarios/order.yaml"
    path.write_text(re.sub(r"( +)(module: shop\.send\n)", r"\1\2\1on_error: ignore\n", path.read_text()))
    [row] = shop.json("test", "scenarios")
    assert (row["ended"], row["well"], row["runs"][0]["about"]) == ("succeeded", True, "1 write refused, first at send")


def test_nothing_to_test_is_an_error(shop: Shop) -> None:
    result = shop.engine("test")
    assert result.exit_code == 1
    assert "error[nothing-to-test]" in result.stderr


def test_init_overwrites_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "README.md").write_text("mine")
    # without a name it is this folder
    first = engine("init")
    assert first.exit_code == 0
    assert "README.md is there already and stays as it is" in first.stderr
    assert (tmp_path / "README.md").read_text() == "mine"
    before = files(tmp_path)
    second = engine("init", ".")
    assert second.exit_code == 1
    assert "error[already-there]" in second.stderr
    assert "`engine new scenario NAME`" in second.stderr
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--from", "webhook"),
        ("--from", "schedule"),
        ("--trigger", "http.watch_webhook"),
        ("--trigger", "yotpo_loyalty.watch_loyalty_events"),
        ("--trigger", "yotpo_loyalty.watch_recent_customers"),
        ("--from", "scenarios/new-order.yaml"),
    ],
    ids=" ".join,
)
def test_a_new_scenario_passes_and_runs_at_once(project: Path, options: tuple[str, ...]) -> None:
    made = engine("new", "scenario", "vip-tier", *options)
    assert made.exit_code == 0, made.output
    assert "scenarios/vip-tier.yaml" in made.stdout
    commands = [line.split()[1:] for line in made.stderr.splitlines() if line.startswith("  engine ")]
    assert commands[0] == ["check", "scenarios/vip-tier.yaml"]
    checked = engine(*commands[0])
    assert (checked.exit_code, checked.stderr) == (0, "3 files, 0 errors, 0 warnings\n")
    for command in commands[1:]:
        done = engine(*command)
        assert done.exit_code == 0, done.output
        assert "vip-tier succeeded" in done.stdout
    if commands[1:]:
        assert engine("test", "scenarios/vip-tier.yaml").exit_code == 0


def test_a_copy_is_not_active_and_keeps_what_it_was_made_from(project: Path) -> None:
    assert engine("new", "scenario", "big-order", "--from", "scenarios/new-order.yaml").exit_code == 0
    text = (project / "scenarios/big-order.yaml").read_text()
    assert text == (project / "scenarios/new-order.yaml").read_text().replace(
        "scenario: new-order\n", "scenario: big-order\nactive: false\n"
    )


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["new-order"], 1, "the scenario 'new-order' is in scenarios/new-order.yaml"),
        (["VIP"], 2, "small letters, digits and -"),
        (["vip", "--from", "webhok"], 2, "did you mean 'webhook'?"),
        (["vip", "--trigger", "http.watch_webhok"], 1, "did you mean 'http.watch_webhook'?"),
        (["vip", "--trigger", "log.write_entry"], 1, "'log.write_entry' is no trigger"),
        (["vip", "--from", "webhook", "--trigger", "http.watch_webhook"], 2, "give one of them"),
    ],
)
def test_what_cannot_be_made_is_said_and_nothing_is_made(
    project: Path, options: list[str], code: int, said: str
) -> None:
    before = files(project)
    result = engine("new", "scenario", *options)
    assert (result.exit_code, said in result.stderr) == (code, True), result.stderr
    assert files(project) == before


def test_a_connection_that_a_trigger_needs_is_added_once_and_named_again(project: Path) -> None:
    for name in ("a", "b"):
        assert engine("new", "scenario", name, "--trigger", "yotpo_loyalty.watch_recent_customers").exit_code == 0
    text = (project / "connections.yaml").read_text()
    assert text.startswith((TEMPLATES / "project/connections.yaml").read_text())
    assert text.count("type: yotpo_loyalty\n") == 1


def test_a_new_module_passes_its_tests_and_is_installed_at_once(project: Path) -> None:
    assert program(project, "new", "module", "crm").returncode == 0
    for command in (["check"], ["modules", "crm"], ["modules", "crm.create_item"], ["test"]):
        done = program(project, *command)
        assert (done.returncode, "warning" in done.stderr.replace("0 warnings", "")) == (0, False), done.stdout
    again = engine("new", "module", "crm")
    assert again.exit_code == 1
    assert "the app 'crm' is installed" in again.stderr


def test_a_new_package_is_found_by_its_entry_point_and_passes_its_tests(project: Path) -> None:
    assert engine("new", "module", "stamp_cards", "--package").exit_code == 0
    root = project / "engine-stamp-cards"
    about = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    # as an installer leaves it
    info = root / "src" / "engine_stamp_cards-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n")
    [(name, module)] = about["entry-points"]["engine"].items()
    (info / "entry_points.txt").write_text(f"[engine]\n{name} = {module}\n")
    path = f"{root / 'src'}{os.pathsep}{TOP}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
    assert "stamp_cards.find_items" in program(project, "modules", "stamp_cards", PYTHONPATH=path).stdout


def test_a_name_that_is_no_apps_is_answered_with_one_that_is(project: Path) -> None:
    result = engine("new", "module", "Stamp-Cards")
    assert result.exit_code == 2
    assert "such as stamp_cards" in result.stderr


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (
            {"properties": {"a": {"type": "string", "format": "email"}, "b": {"enum": ["x"]}}},
            {"a": "ana@example.com", "b": "x"},
        ),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": ["integer", "null"], "minimum": 3}}}, 3),
        ({"type": "array", "items": {"anyOf": [{"type": "boolean"}]}}, [True]),
        ({}, {}),
    ],
)
def test_a_sample_fits_its_schema(schema: dict[str, object], value: object) -> None:
    assert value_for(schema) == value


def test_a_schema_that_refers_to_itself_has_a_sample() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#"}}}
    assert set(value_for(node)) == {"next"}  # type: ignore[arg-type]


def test_templates_are_shipped() -> None:
    patterns = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["engine.cli"]
    shipped = {path for pattern in patterns for path in (TOP / "engine/cli").glob(pattern) if path.is_file()}
    assert {path for path in TEMPLATES.rglob("*") if path.is_file()} <= shipped
