"""Plugins: each is loaded on its own, and what is wrong with one is said with its name, file and line."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine import Action, App, Effect, hookimpl, plugins
from engine.plugins import ENTRY_POINTS, Registry

LOCAL = """
from engine import Action, App, Effect, hookimpl

async def greet(call):
    return {"text": "hello " + call.config["name"]}

@hookimpl
def engine_apps():
    return App(name="greeter", title="Greeter", modules=[Action(
        name="greet", title="Greet", description="Greets.", effect=Effect.NONE, run=greet,
        config={"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    )])
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


async def _run(call: Any) -> Any:
    return None


def action(name: str = "act", **more: Any) -> Action:
    options: dict[str, Any] = {"config": {"type": "object"}, **more}
    return Action(name=name, title=name, description=name, effect=Effect.NONE, run=_run, **options)


def refused(*apps: App) -> str:
    registry = Registry()
    for app in apps:
        registry.add(app, "tests")
    [problem] = registry.problems
    assert problem.place == "tests"
    return problem.message


def test_the_built_in_apps_come_through_entry_points() -> None:
    registry = plugins.load()
    assert not registry.problems
    assert {"http", "yotpo_loyalty", "yotpo_messaging"} <= set(registry.apps)
    assert "yotpo_loyalty.retrieve_customer" in registry.modules
    assert registry.origin("http").startswith("plugin 'http' of scenario-engine ")


def test_local_files_and_packages_are_plugins(tmp_path: Path) -> None:
    write(tmp_path, "greeter.py", LOCAL)
    write(tmp_path, "_helper.py", "raise RuntimeError('not a plugin')")
    write(tmp_path, "crm/__init__.py", "from .parts import APP\n" + _hook("APP"))
    write(tmp_path, "crm/parts.py", LOCAL.replace("greeter", "crm") + "\nAPP = engine_apps()\n")
    registry = plugins.load(tmp_path)
    assert not registry.problems
    assert {"greeter.greet", "crm.greet"} <= set(registry.modules)


def _hook(app: str) -> str:
    return f"from engine import hookimpl\n@hookimpl\ndef engine_apps():\n    return {app}\n"


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("import json\nraise RuntimeError('on import')\n", "RuntimeError: on import", 2),
        ("def broken(:\n    pass\n", "SyntaxError", 1),
        ("import not_there_at_all\n", "ModuleNotFoundError", 1),
        (
            "from engine import hookimpl\n@hookimpl\ndef engine_apps():\n    return 1 / 0\n",
            "ZeroDivisionError: division by zero",
            4,
        ),
        (
            "from engine import hookimpl\n@hookimpl\ndef engine_apps():\n    return 'no app'\n",
            "engine_apps gave",
            None,
        ),
        ("from engine import hookimpl\n@hookimpl\ndef engine_aps():\n    return []\n", "engine_aps", None),
    ],
)
def test_a_broken_plugin_is_reported_with_its_place_and_takes_nothing_down(
    tmp_path: Path, text: str, message: str, line: int | None
) -> None:
    path = write(tmp_path, "broken.py", text)
    write(tmp_path, "greeter.py", LOCAL)
    registry = plugins.load(tmp_path)
    [problem] = registry.problems
    assert message in problem.message
    assert problem.place is not None
    assert f"{path}:{line}" in problem.place if line else str(path) in problem.place
    assert "greeter.greet" in registry.modules
    assert "http.make_request" in registry.modules


def test_a_broken_installed_plugin_names_its_distribution(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def load() -> Any:
        raise ImportError("a library is missing")

    entry = SimpleNamespace(name="crm", dist=SimpleNamespace(name="acme-crm", version="2.1", files=None), load=load)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry] if group == ENTRY_POINTS else [])
    registry = plugins.load()
    [problem] = registry.problems
    assert "a library is missing" in problem.message
    assert problem.place is not None
    assert problem.place.startswith("plugin 'crm' of acme-crm 2.1")


def test_a_folder_that_holds_installed_plugins_does_not_load_them_twice() -> None:
    folder = Path(str(plugins.__file__)).parent.parent / "modules"
    assert (folder / "http" / "__init__.py").is_file()
    assert not plugins.load(folder).problems


def test_a_clash_names_both() -> None:
    assert refused(App(name="crm", title="A"), App(name="crm", title="B")) == (
        "app 'crm' is not loaded: the name is taken by tests"
    )


@pytest.mark.parametrize(
    ("app", "message"),
    [
        (App(name="Bad-Name", title="x"), "the name must match"),
        (App(name="a", title="x", modules=[action("Do It")]), "module name 'Do It' must match"),
        (App(name="a", title="x", modules=[action(), action()]), "module 'act' is there twice"),
        (App(name="a", title="x", modules=[action(config={"type": "nonsense"})]), "a schema of module 'act'"),
        (App(name="a", title="x", modules=[action(output={"required": 5})]), "a schema of module 'act'"),
        (App(name="a", title="x", modules=[action(connection="none")]), "the unknown connection type 'none'"),
    ],
)
def test_an_app_is_taken_whole_or_not_at_all(app: App, message: str) -> None:
    assert message in refused(app)


def test_an_action_is_declared_or_programmed_and_not_both() -> None:
    with pytest.raises(ValueError, match="give either request or run"):
        Action(name="a", title="a", description="a", config={}, effect=Effect.READ)


def test_plugin_objects_can_be_given_by_tests() -> None:
    class Plugin:
        @hookimpl
        def engine_apps(self) -> list[App]:
            return [App(name="one", title="One"), App(name="two", title="Two")]

    assert {"one", "two"} <= set(plugins.load(extra=[Plugin()]).apps)
