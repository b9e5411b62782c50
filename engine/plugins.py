"""The plugin manager: built-ins, entry points, a folder of local files.

A plugin that cannot be loaded, or whose hook raises, is reported with plugin, distribution, file and line, and takes
nothing else down.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import jsonschema
import pluggy

from engine import hookspecs
from engine.sdk.apps import App
from engine.sdk.connections import ConnectionType
from engine.sdk.errors import PluginError
from engine.sdk.modules import Module

ENTRY_POINTS = "engine"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Registry:
    """What is installed: apps, modules and connection types by name, and the plugins that could not be loaded."""

    def __init__(self) -> None:
        self.apps: dict[str, App] = {}
        self.modules: dict[str, Module] = {}
        self.connection_types: dict[str, ConnectionType] = {}
        self.problems: list[PluginError] = []
        self._origins: dict[str, str] = {}

    def add(self, app: App, origin: str) -> None:
        """Register an app, or note why not: an app is taken whole or not at all."""
        problem = self._fault_of(app)
        if problem:
            self.problems.append(PluginError(f"app '{app.name}' is not loaded: {problem}", place=origin))
            return
        self.apps[app.name] = app
        self._origins[app.name] = origin
        self.modules.update({f"{app.name}.{module.name}": module for module in app.modules})
        self.connection_types.update({kind.name: kind for kind in app.connections})

    def origin(self, app: str) -> str:
        """Where an app comes from: plugin, distribution, file."""
        return self._origins[app]

    def app_of(self, module_name: str) -> App:
        return self.apps[module_name.partition(".")[0]]

    def _fault_of(self, app: App) -> str | None:
        if not _NAME.fullmatch(app.name):
            return f"the name must match {_NAME.pattern}"
        if app.name in self.apps:
            return f"the name is taken by {self._origins[app.name]}"
        seen: set[str] = set()
        for module in app.modules:
            if not _NAME.fullmatch(module.name):
                return f"module name '{module.name}' must match {_NAME.pattern}"
            if module.name in seen:
                return f"module '{module.name}' is there twice"
            seen.add(module.name)
            fault = _schema_fault(module.config) or (None if callable(module.output) else _schema_fault(module.output))
            if fault:
                return f"a schema of module '{module.name}' is not valid: {fault}"
        for kind in app.connections:
            if kind.name in self.connection_types:
                return f"connection type '{kind.name}' is taken"
            if fault := _schema_fault(kind.fields):
                return f"the schema of connection type '{kind.name}' is not valid: {fault}"
        known = {*self.connection_types, *(kind.name for kind in app.connections)}
        for module in app.modules:
            if module.connection is not None and module.connection not in known:
                return f"module '{module.name}' names the unknown connection type '{module.connection}'"
        return None


def _schema_fault(schema: Mapping[str, object]) -> str | None:
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        return f"{'/'.join(map(str, error.absolute_path)) or 'top'}: {error.message}"
    return None


def load(folder: Path | None = None, extra: Iterable[object] = ()) -> Registry:
    """Load every plugin: installed ones through entry points, then the local files of ``folder``, then ``extra``.

    :param folder: a project's ``modules/``; each ``*.py`` file and each package in it is a plugin.
    :param extra: plugin objects, for tests.
    """
    registry = Registry()
    manager = pluggy.PluginManager("engine")
    manager.add_hookspecs(hookspecs)
    plugins: list[tuple[object, str]] = []
    for entry in sorted(importlib.metadata.entry_points(group=ENTRY_POINTS), key=lambda e: e.name):
        distribution = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "no distribution"
        origin = f"plugin '{entry.name}' of {distribution}"
        try:
            plugin = entry.load()
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises on import is reported, never fatal
            registry.problems.append(_problem(error, origin))
        else:
            plugins.append((plugin, f"{origin} ({_file_of(plugin)})"))
    installed = {Path(file).resolve() for plugin, _ in plugins if (file := getattr(plugin, "__file__", None))}
    for path in _local_files(folder):
        if path.resolve() in installed:
            # the folder is where the installed plugin itself lives
            continue
        origin = f"local plugin {path}"
        try:
            plugins.append((_load_file(path), origin))
        except Exception as error:  # noqa: BLE001 - as above
            registry.problems.append(_problem(error, origin))
    plugins += [(plugin, f"plugin {_file_of(plugin)}") for plugin in extra]
    for plugin, origin in plugins:
        try:
            name = manager.register(plugin)
            manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            registry.problems.append(_problem(error, origin))
            if manager.is_registered(plugin):
                manager.unregister(plugin)
            continue
        _collect(manager, registry, name or "", origin)
    return registry


def _collect(manager: pluggy.PluginManager, registry: Registry, name: str, origin: str) -> None:
    others = [p for n, p in manager.list_name_plugin() if n != name]
    caller = manager.subset_hook_caller("engine_apps", remove_plugins=others)
    try:
        results: Sequence[object] = caller()
    except Exception as error:  # noqa: BLE001 - as above
        registry.problems.append(_problem(error, origin))
        return
    for result in results:
        for app in result if isinstance(result, list | tuple) else [result]:
            if isinstance(app, App):
                registry.add(app, origin)
            else:
                what = f"engine_apps gave a {type(app).__name__} where an App is wanted"
                registry.problems.append(PluginError(what, place=origin))
                break


def _problem(error: BaseException, origin: str) -> PluginError:
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "importlib" not in f.filename and "/pluggy/" not in f.filename]
    file, line = (own[-1].filename, own[-1].lineno) if own else (None, None)
    if isinstance(error, SyntaxError):
        file, line = error.filename, error.lineno
    place = f"{origin}, {file}:{line}" if file else origin
    return PluginError(
        f"{type(error).__name__}: {error}", place=place, hint="the rest is loaded; modules of this plugin are unknown"
    )


def _file_of(plugin: object) -> str:
    return str(getattr(plugin, "__file__", None) or getattr(plugin, "__name__", None) or type(plugin).__name__)


def _local_files(folder: Path | None) -> list[Path]:
    if folder is None or not folder.is_dir():
        return []
    files = [p for p in folder.glob("*.py") if not p.name.startswith("_")]
    packages = [p / "__init__.py" for p in folder.iterdir() if (p / "__init__.py").is_file()]
    return sorted(files + packages)


def _load_file(path: Path) -> ModuleType:
    stem = path.parent.name if path.name == "__init__.py" else path.stem
    name = f"engine_local_{stem}_{abs(hash(path.resolve()))}"
    spec = importlib.util.spec_from_file_location(
        name, path, submodule_search_locations=[str(path.parent)] if path.name == "__init__.py" else None
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
