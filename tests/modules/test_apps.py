"""Every built-in app is whole: it loads, its schemas and examples are valid, and its page tells what it does."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import yaml

from engine import Action, App, Module, Schema, ServingSimulator
from engine.plugins import Registry
from modules.simulation import SimulatedVendor
from modules.yotpo_loyalty.events import TOPICS
from tests.modules.bench import problems
from tests.runtime.doubles import HandClock

ROOT = Path(__file__).parents[2]
#: those that the package brings, by its entry points
APPS: tuple[App, ...] = tuple(
    importlib.import_module(name).engine_apps()
    for name in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["engine"].values()
)
MODULES: list[tuple[App, Module]] = [(app, module) for app in APPS for module in app.modules]


def ids(value: object) -> str:
    return value.name if isinstance(value, App | Module) else ""


@pytest.mark.parametrize("app", APPS, ids=ids)
def test_an_app_registers_without_a_problem(app: App) -> None:
    registry = Registry()
    registry.add(app, "test")
    assert registry.problems == []


@pytest.mark.parametrize("app", [app for app in APPS if app.simulator is not None], ids=ids)
def test_the_defaults_of_a_connection_type_break_none_of_its_rules(app: App) -> None:
    """What is not given has its default when a connection is opened, and is judged with the rest."""
    assert app.simulator is not None
    address = f"{'smtp' if app.name == 'email' else 'http'}://127.0.0.1:8080"
    for kind in app.connections:
        given = app.simulator(HandClock()).connection(address)
        assert problems({**kind.defaults, **given}, kind.fields) == []


@pytest.mark.parametrize(("app", "module"), MODULES, ids=ids)
def test_a_modules_example_is_valid(app: App, module: Module) -> None:
    assert module.example is not None
    assert problems(module.example, module.config) == []
    for config in (module.example, {}):
        jsonschema.Draft202012Validator.check_schema(module.output_schema(config))


@pytest.mark.parametrize(("app", "module"), MODULES, ids=ids)
def test_unknown_config_keys_are_refused(app: App, module: Module) -> None:
    assert problems({**module.example, "nonsense": 1}, module.config)


def _fields(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """All that a person fills in, down to the parts of objects and lists."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}{name}", field
        yield from _fields(field, f"{path}{name}.")
        yield from _fields(field.get("items", {}), f"{path}{name}[].")


@pytest.mark.parametrize("app", APPS, ids=ids)
def test_every_option_and_field_has_a_title_and_says_what_it_is(app: App) -> None:
    forms = [(module.name, module.config) for module in app.modules]
    forms += [(kind.name, kind.fields) for kind in app.connections]
    silent = [
        f"{form}: {path}"
        for form, schema in forms
        for path, field in _fields(schema)
        if not (field.get("title") and field.get("description"))
    ]
    assert silent == []


@pytest.mark.parametrize("app", APPS, ids=ids)
def test_the_apps_page_names_every_module_option_and_field(app: App) -> None:
    page = " ".join((ROOT / "docs/reference/apps" / f"{app.name}.md").read_text().split())
    for module in app.modules:
        assert f"`{app.name}.{module.name}`" in page
        assert module.title in page
        for option in module.config["properties"]:
            assert f"`{option}`" in page, f"{module.name}: {option}"
        if isinstance(module, Action) and not callable(module.effect):
            assert f"Effect: {module.effect}" in page
    for kind in app.connections:
        for field in kind.fields["properties"]:
            assert f"`{field}`" in page, field
    if app.simulator is None:
        assert not any(module.connection for module in app.modules)
        return
    simulator = app.simulator(HandClock())
    assert isinstance(simulator, SimulatedVendor | ServingSimulator)
    assert f"(../simulators.md#{app.name})" in page
    # the list itself is a page that is made from the code
    assert len({behaviour.text for behaviour in simulator.behaviours}) == len(simulator.behaviours) > 0


@pytest.mark.parametrize("app", APPS, ids=ids)
def test_the_pages_examples_are_valid(app: App) -> None:
    page = (ROOT / "docs/reference/apps" / f"{app.name}.md").read_text()
    known = {f"{app.name}.{module.name}": module for module in app.modules}
    shown = set()
    for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL):
        block = yaml.safe_load(text)
        for step in block if isinstance(block, list) else [block["trigger"]]:
            found = jsonschema.Draft202012Validator(known[step["module"]].config).iter_errors(step["with"])
            # what an expression gives is not known here
            assert [one.message for one in found if "${{" not in str(one.instance)] == []
            shown.add(step["module"])
    assert shown == set(known)


def test_the_page_of_yotpo_loyalty_lists_every_topic() -> None:
    page = (ROOT / "docs/reference/apps/yotpo_loyalty.md").read_text()
    assert set(re.findall(r"^\| `(\w+/[\w/]+)` \|", page, re.MULTILINE)) == set(TOPICS)


def test_apps_import_nothing_of_the_engine_but_its_public_api() -> None:
    for path in (ROOT / "modules").rglob("*.py"):
        assert not re.search(r"^\s*(from|import) engine\.", path.read_text(), re.MULTILINE), path


def test_loading_asks_what_is_wrong_with_a_schema_only_when_something_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer takes a quarter of a second for the built-in apps, and they are loaded at every start."""

    def slow(*_args: object, **_more: object) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(jsonschema.Draft202012Validator, "check_schema", slow)
    registry = Registry()
    for app in APPS:
        registry.add(app, "test")
    assert set(registry.apps) == {app.name for app in APPS}
