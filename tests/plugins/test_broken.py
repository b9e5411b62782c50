"""Plugins that are broken, missing or in each other's way: each is named with its place, and the rest works."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine import plugins
from tests.plugins.wheels import app, wheel
from tests.support.clean import Environment

HOOK = "from engine import hookimpl\n\n@hookimpl\ndef engine_apps():\n"


class Case(NamedTuple):
    """A package that is wrong.

    :param says: a part of what is said about it.
    :param at: the end of the place.
    :param entry: what its entry point names, where that is not the package's one module.
    """

    source: str
    says: str
    at: str
    entry: str = ""


CASES: Mapping[str, Case] = {
    "import_error": Case("import json\nimport a_library_that_nobody_has\n", "ModuleNotFoundError: No module", ".py:2"),
    "raises": Case("import json\njson.loads('{')\n", "JSONDecodeError", "raises.py:2"),
    "syntax": Case("x = 1\n\ndef f(:\n", "SyntaxError", "syntax.py:3"),
    "exits": Case("import sys\n\nsys.exit('I am done')\n", "it ended the program (SystemExit): I am done", ".py:3"),
    "hook_raises": Case(f"{HOOK}    return 1 / 0\n", "ZeroDivisionError", "hook_raises.py:5"),
    "hook_exits": Case(f"{HOOK}    raise SystemExit(0)\n", "it ended the program (SystemExit): 0", "hook_exits.py:5"),
    "wrong_type": Case(f"{HOOK}    return 'an app'\n", "engine_apps gave a str where an App is wanted", "_type.py:3"),
    "nothing": Case(f"{HOOK}    return None\n", "engine_apps gave a NoneType", "nothing.py:3"),
    "waits": Case(HOOK.replace("def", "async def") + "    return []\n", "engine_apps gave a coroutine", "waits.py:3"),
    "no_hook": Case("def engine_apps():\n    return []\n", "no function `engine_apps` that is marked", "no_hook.py)"),
    "other_hook": Case(HOOK.replace("_apps", "_aps") + "    return []\n", "unknown hook 'engine_aps'", ":3"),
    "bad_name": Case(app("Bad-Name"), "app 'Bad-Name' is not loaded: the name must match", "bad_name.py:14"),
    "bad_schema": Case(
        app("bad_schema", options="config={'type': 'nonsense'}"), "a schema of module 'act' is not valid: type:", ":14"
    ),
    "no_schema": Case(app("no_schema", options="config=None"), "a NoneType is no JSON Schema of an object", ":14"),
    "no_module": Case(app("no_module", modules="act"), "a function stands where a Module is wanted", ":14"),
    "no_effect": Case(app("no_effect", options="effect='write'"), "must be an Effect or a function: 'write'", ":14"),
    "twice": Case(app("twice", modules="act(), act()"), "module 'act' is there twice", "twice.py:14"),
    "missing": Case("", "ModuleNotFoundError: No module named 'not_there'", "entry_points.txt:2", "not_there"),
    "no_attribute": Case("", "has no attribute 'plugin'", "entry_points.txt:2", "no_attribute:plugin"),
    "built_in": Case(
        app("http"), "app 'http' is not loaded: the name is taken by plugin 'http' of scenario-engine", "built_in.py:14"
    ),
}
DOUBTFUL = "config={'type': 'object', 'properties': {'n': {'type': 'integer'}}}, example={'n': 'many'}"


@pytest.fixture(scope="module")
def site(clean: Environment, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Every broken package at once, among good ones, two of which want the same name."""
    made = tmp_path_factory.mktemp("wheels")
    packages = [
        wheel(made, f"acme-{name}", {f"{name}.py": case.source}, {name: case.entry or name}, "2.1")
        for name, case in CASES.items()
    ]
    packages += [
        wheel(made, "good-one", {"good_one.py": app("crm")}, {"a_crm": "good_one"}),
        wheel(made, "good-two", {"good_two.py": app("crm")}, {"b_crm": "good_two"}),
        wheel(made, "doubtful", {"doubtful.py": app("doubtful", options=DOUBTFUL)}, {"doubtful": "doubtful"}),
        wheel(made, "inside", {"inside.py": app("inside", head="import engine.runtime.runner")}, {"inside": "inside"}),
        wheel(made, "same-as-one", {}, {"c_crm": "good_one"}),
    ]
    return clean.beside(tmp_path_factory.mktemp("broken") / "site", *packages)


@pytest.fixture(scope="module")
def listed(site: Environment, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Any, str]:
    folder = tmp_path_factory.mktemp("empty")
    done = site.run("engine", "modules", "--json", cwd=folder)
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("name", CASES)
def test_a_broken_package_is_named_with_its_distribution_file_and_line(listed: tuple[int, Any, str], name: str) -> None:
    _, document, stderr = listed
    [problem] = [p for p in document["problems"] if p["distribution"] == f"acme-{name} 2.1"]
    case = CASES[name]
    assert case.says in problem["message"]
    assert problem["place"].startswith(f"plugin '{name}' of acme-{name} 2.1")
    assert problem["place"].endswith(case.at)
    assert (problem["plugin"], problem["code"], problem["loaded"]) == (name, "plugin-error", False)
    assert problem["hint"]
    assert f"  at:   {problem['place']}" in stderr.splitlines()


def test_nothing_else_is_taken_down(listed: tuple[int, Any, str]) -> None:
    code, document, stderr = listed
    assert code == 1
    assert "  next: write `@hookimpl` above it" in stderr
    assert "Traceback" not in stderr
    apps = {one["name"]: one["origin"] for one in document["apps"]}
    assert {"http", "yotpo_loyalty", "crm", "doubtful", "inside"} <= apps.keys()
    assert apps["http"].startswith("plugin 'http' of scenario-engine")
    assert not {"twice", "bad_schema", "Bad-Name"} & apps.keys()


def test_of_two_distributions_with_one_app_the_first_wins_and_both_are_named(listed: tuple[int, Any, str]) -> None:
    _, document, _ = listed
    [origin] = [one["origin"] for one in document["apps"] if one["name"] == "crm"]
    assert origin.startswith("plugin 'a_crm' of good-one 1.0")
    [problem] = [p for p in document["problems"] if p["distribution"] == "good-two 1.0"]
    assert problem["message"] == f"app 'crm' is not loaded: the name is taken by {origin}"
    [problem] = [p for p in document["problems"] if p["distribution"] == "same-as-one 1.0"]
    assert problem["message"].endswith(f"it is the same Python module as {origin}")


def test_an_example_that_does_not_fit_is_told_and_the_app_is_there(listed: tuple[int, Any, str]) -> None:
    _, document, _ = listed
    [doubt] = [p for p in document["problems"] if p["loaded"]]
    assert doubt["message"] == (
        "the example of 'doubtful.act' does not fit its own schema: n: 'many' is not of type 'integer'"
    )
    assert doubt["distribution"] == "doubtful 1.0"
    assert "doubtful.act" in [module["name"] for module in document["modules"]]


def test_one_app_of_many_is_shown_with_its_own_doubts_and_exit_code(site: Environment, tmp_path: Path) -> None:
    fine = site.run("engine", "modules", "doubtful", "--json", cwd=tmp_path)
    assert (fine.returncode, fine.stderr.count("does not fit its own schema")) == (0, 1)
    assert "does not fit its own schema" not in site.run("engine", "modules", "crm", cwd=tmp_path).stderr
    broken = site.run("engine", "modules", "syntax", cwd=tmp_path)
    assert broken.returncode == 1
    assert "no app or module 'syntax' is installed: plugin 'syntax' is not loaded: SyntaxError" in broken.stderr


def test_a_scenario_that_needs_a_broken_plugin_is_told_which_and_why(site: Environment, tmp_path: Path) -> None:
    steps = "".join(f"  - {{id: {name}, module: {name}.act}}\n" for name in ("raises", "twice", "somewhere", "crm"))
    (tmp_path / "scenario.yaml").write_text(f"scenario: s\nsteps:\n{steps}")
    done = site.run("engine", "check", "scenario.yaml", "--format", "json", cwd=tmp_path)
    assert done.returncode == 1
    document = json.loads(done.stdout)
    raises, twice, somewhere = document["diagnostics"]
    assert [d["line"] for d in document["diagnostics"]] == [3, 4, 5]
    assert "'raises.act' is not known: plugin 'raises' is not loaded: JSONDecodeError" in raises["message"]
    assert raises["hint"].endswith("raises.py:2")
    assert "'twice.act' is not known: app 'twice' is not loaded: module 'act' is there twice" in twice["message"]
    assert "no app 'somewhere' is installed" in somewhere["hint"]
    assert "or is it in what is broken?" in somewhere["hint"]
    assert {p["distribution"] for p in document["plugins"]} >= {"acme-raises 2.1", "doubtful 1.0"}


def test_check_fails_by_a_broken_plugin_alone(site: Environment, clean: Environment, tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(
        "scenario: s\nsteps:\n  - id: a\n    module: http.make_request\n    with: {url: https://example.com}\n"
    )
    sound = clean.run("engine", "check", "scenario.yaml", cwd=tmp_path)
    assert (sound.returncode, sound.stderr) == (0, "1 file, 0 errors, 0 warnings\n")
    done = site.run("engine", "check", "scenario.yaml", "--format", "github", cwd=tmp_path)
    assert done.returncode == 1
    # the warning is of the example that does not fit
    said = f"1 file, 0 errors, 0 warnings, 1 warning of plugins, {len(CASES) + 2} plugins not loaded"
    assert done.stderr.splitlines()[-1] == said
    [syntax] = [line for line in done.stdout.splitlines() if "syntax.py" in line]
    assert syntax.startswith("::error file=")
    assert "syntax.py,line=3,title=plugin-error::plugin 'syntax' is not loaded" in syntax
    [doubt] = [line for line in done.stdout.splitlines() if line.startswith("::warning ")]
    assert "does not fit its own schema" in doubt


def test_a_local_file_takes_no_name_from_an_installed_app(site: Environment, tmp_path: Path) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "mine.py").write_text(app("crm"))
    (tmp_path / "modules" / "helper.py").write_text("X = 1\n")
    done = site.run("engine", "modules", "--json", cwd=tmp_path)
    mine = [p for p in json.loads(done.stdout)["problems"] if p["distribution"] is None]
    helper, clash = mine
    assert clash["message"].startswith("app 'crm' is not loaded: the name is taken by plugin 'a_crm' of good-one 1.0")
    assert clash["place"].endswith("modules/mine.py:14")
    assert "has no function `engine_apps`" in helper["message"]
    assert helper["hint"] == "a local file that is no plugin has a name that begins with `_`"


def test_a_plugin_that_hangs_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "slow.py").write_text(
        f"import logging\n\nlogging.getLogger('tests.slow').named.wait({10})\n" + app("slow")
    )
    named = threading.Event()

    class Hears(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "slow.py" in record.getMessage():
                named.set()

    logging.getLogger("tests.slow").named = named  # type: ignore[attr-defined]  # the only way into the plugin
    handler = Hears()
    logging.getLogger("engine.plugins").addHandler(handler)
    try:
        registry = plugins.load(tmp_path, patience=0.01)
    finally:
        logging.getLogger("engine.plugins").removeHandler(handler)
    assert named.is_set()
    assert "slow" in registry.apps
