"""The example plugin, as somebody else would use it: installed by pip into an environment that knows nothing else."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.support.clean import Environment

EXAMPLE = ROOT / "examples" / "engine-stamps"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy: a build writes into the folder that it builds from."""
    copy = tmp_path_factory.mktemp("example") / "engine-stamps"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build", ".*"))
    return copy


@pytest.fixture(scope="module")
def stamps(clean: Environment, package: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return clean.beside(tmp_path_factory.mktemp("installed") / "site", package)


def test_it_is_found_by_its_entry_point(stamps: Environment, tmp_path: Path) -> None:
    done = stamps.run("engine", "modules", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    shown = json.loads(done.stdout)
    [app] = [app for app in shown["apps"] if app["name"] == "stamps"]
    assert app["origin"].startswith("plugin 'stamps' of engine-stamps 0.1.0 (")
    assert str(stamps.extra[0]) in app["origin"]
    kinds = {module["name"]: module["kind"] for module in shown["modules"] if module["name"].startswith("stamps.")}
    assert kinds == {"stamps.get_card": "action", "stamps.find_cards": "search", "stamps.add_stamp": "action"}
    assert {"http", "yotpo_loyalty"} <= {app["name"] for app in shown["apps"]}


def test_without_it_the_engine_knows_nothing_of_it(clean: Environment, package: Path) -> None:
    assert clean.run("engine", "modules", "stamps", cwd=package).returncode == 1
    checked = clean.run("engine", "check", "scenarios", cwd=package)
    assert checked.returncode == 1
    assert "there is no module 'stamps.add_stamp'" in checked.stdout


def test_a_scenario_runs_against_its_simulator(stamps: Environment, package: Path) -> None:
    command = ("run", "scenarios/stamp.yaml", "--event", "scenarios/order.json", "--simulate", "--json")
    done = stamps.run("engine", *command, cwd=package)
    assert done.returncode == 0, done.stderr
    [run] = json.loads(done.stdout)["runs"]
    assert run["output"] == {"stamp": 1, "shown": 0, "full": []}


def test_its_own_tests_pass_there(stamps: Environment, package: Path) -> None:
    done = stamps.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=package)
    assert done.returncode == 0, done.stdout
    written = len(re.findall(r"^async def test_", (package / "tests" / "test_stamps.py").read_text(), re.MULTILINE))
    assert f"{written} passed" in done.stdout


def test_its_own_tests_fail_when_its_probe_is_taken_away(clean: Environment, package: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(package, tmp_path / "broken")
    source = broken / "src" / "engine_stamps" / "__init__.py"
    source.write_text(source.read_text().replace("    probe=was_added,\n", ""))
    done = clean.beside(tmp_path / "site", broken).run("python", "-m", "pytest", "-q", cwd=broken)
    assert done.returncode == 1
    assert "1 failed" in done.stdout
    assert "test_a_stamp_whose_answer_is_lost_is_looked_for_and_not_sent_again" in done.stdout


def test_it_is_small_and_imports_the_public_api_alone() -> None:
    sources = [path.read_text() for path in (EXAMPLE / "src").rglob("*.py")]
    lines = [line for text in sources for line in text.splitlines() if line.strip()]
    assert len(lines) <= 160
    assert not any(re.search(r"^\s*(from|import) engine\.", text, re.MULTILINE) for text in sources)
