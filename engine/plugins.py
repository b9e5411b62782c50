"""The plugin manager: built-ins, entry points, a folder of local files.

A plugin that cannot be loaded, or whose hook raises, is reported with plugin, distribution, file and line, and takes
nothing else down. The built-in apps come first, then the installed ones in the order of their names, then local files:
who comes later cannot take a name from who came before.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import inspect
import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import jsonschema_rs
import pluggy

from engine import hookspecs
from engine.sdk.apps import App
from engine.sdk.connections import ConnectionType
from engine.sdk.errors import PluginError
from engine.sdk.function_names import BUILT_IN
from engine.sdk.functions import Example, Function, Parameter
from engine.sdk.modules import Action, Effect, Module

ENTRY_POINTS = "engine"
#: the distribution that brings the built-in apps
OWN = "scenario-engine"
#: seconds after which a plugin that is still being loaded is named, since it may hang
PATIENCE = 5.0

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LOCAL = "engine_local_"
_log = logging.getLogger(__name__)

#: Says at once that a schema is valid; asking the library that can say what is wrong takes a hundred times as long,
#: which at every start of the engine was most of the time that loading the plugins took.
_VALID_SCHEMA = jsonschema_rs.Draft202012Validator(
    {"$ref": "https://json-schema.org/draft/2020-12/schema"}, validate_formats=True
)

#: what a plugin may raise without taking anything else down; Ctrl-C is the operator's, and goes through
_RAISED = (Exception, SystemExit)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a plugin comes from.

    :param text: plugin and distribution, or that it is a local one.
    :param name: its own name, by which its app is probably called too.
    :param distribution: name and version.
    """

    text: str
    name: str = ""
    distribution: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        if self.file is None:
            return self.text
        return f"{self.text} ({self.file})" if self.distribution else f"{self.text} {self.file}"

    def at(self, file: str | None, line: int | None) -> str:
        """The same with the place in its code."""
        if file is None:
            return str(self)
        spot = f"{file}:{line}" if line else file
        return f"{self.text} {spot}" if file == self.file and not self.distribution else f"{self.text}, {spot}"


class LoadError(PluginError):
    """A plugin is not loaded, or not right. Names plugin, distribution, file and line.

    :param names: names of apps that a scenario may look for in vain because of it.
    :param loaded: True when it is only a doubt, and the app is there all the same.
    """

    def __init__(
        self,
        message: str,
        origin: Origin,
        *,
        file: str | None = None,
        line: int | None = None,
        names: Iterable[str] = (),
        hint: str | None = None,
        loaded: bool = False,
    ) -> None:
        super().__init__(message, place=origin.at(file, line), hint=hint)
        self.origin = origin
        self.file = file or origin.file
        self.line = line
        self.names = frozenset(filter(None, (origin.name, *names)))
        self.loaded = loaded

    def about(self, name: str) -> bool:
        """Whether it concerns an app or module of this name."""
        return name.partition(".")[0] in self.names

    def to_json(self) -> dict[str, Any]:
        return {
            **super().to_json(),
            "plugin": self.origin.name or None,
            "distribution": self.origin.distribution,
            "file": self.file,
            "line": self.line,
            "loaded": self.loaded,
        }


@dataclass(frozen=True, slots=True)
class Added:
    """A function for expressions that a plugin brings.

    :param plugin: the plugin's own name.
    """

    function: Function
    plugin: str
    origin: Origin
    line: int | None = None

    def problem(self, message: str, *, loaded: bool = False) -> LoadError:
        """What is wrong with it, at its place."""
        hint = "the function works; tell the author of the plugin" if loaded else None
        hint = hint or "the rest is loaded; expressions that call it are not"
        origin = self.origin
        file = origin.file if self.line else None
        return LoadError(message, origin, file=file, line=self.line, names=[self.plugin], hint=hint, loaded=loaded)


class Registry:
    """What is installed: apps, modules, connection types and functions by name, and the plugins that are not loaded."""

    def __init__(self) -> None:
        self.apps: dict[str, App] = {}
        self.modules: dict[str, Module] = {}
        self.connection_types: dict[str, ConnectionType] = {}
        self.functions: dict[str, Added] = {}
        self.problems: list[PluginError] = []
        self._origins: dict[str, Origin] = {}
        self._owners: dict[str, str] = {}

    def add(self, app: App, origin: Origin | str, line: int | None = None) -> None:
        """Register an app, or note why not: an app is taken whole or not at all."""
        source = origin if isinstance(origin, Origin) else Origin(origin)
        try:
            problem = self._fault_of(app)
        except Exception as error:  # noqa: BLE001 - parts of a kind that nobody thought of are a plugin's mistake too
            problem = f"{type(error).__name__}: {error}"
        if problem:
            self.problems.append(
                LoadError(
                    f"app '{app.name}' is not loaded: {problem}",
                    source,
                    file=source.file if line else None,
                    line=line,
                    names=[str(app.name)],
                    hint="the rest is loaded; modules of this app are unknown",
                )
            )
            return
        self.apps[app.name] = app
        self._origins[app.name] = source
        self.modules.update({f"{app.name}.{module.name}": module for module in app.modules})
        self.connection_types.update({kind.name: kind for kind in app.connections})
        self._owners.update({kind.name: app.name for kind in app.connections})

    def add_function(self, function: Function, origin: Origin | str, line: int | None = None) -> None:
        """Register a function for expressions, or note why not."""
        source = origin if isinstance(origin, Origin) else Origin(origin)
        added = Added(function, source.name or source.text, source, _line_of_function(function, source) or line)
        try:
            fault = _function_fault(function, source)
        except Exception as error:  # noqa: BLE001 - parts of a kind that nobody thought of are a plugin's mistake too
            fault = f"{type(error).__name__}: {error}"
        if not fault and function.name in self.functions:
            fault = f"the name is taken by {self.functions[function.name].origin}"
        if fault:
            self.problems.append(added.problem(f"function '{function.name}' is not loaded: {fault}"))
        else:
            self.functions[function.name] = added

    def origin(self, app: str) -> str:
        """Where an app comes from: plugin, distribution, file."""
        return str(self._origins[app])

    def app_of(self, module_name: str) -> App:
        return self.apps[module_name.partition(".")[0]]

    def problem_of(self, app: str) -> LoadError | None:
        """Why an app is not there, where a plugin of this name, or one that brings it, is not loaded."""
        found = (p for p in self.problems if isinstance(p, LoadError) and app in p.names)
        return None if app in self.apps else next(found, None)

    def doubts(self, look: Callable[[Module | ConnectionType], str | None] = lambda _part: None) -> list[LoadError]:
        """What is wrong with modules that are loaded all the same: examples that do not fit their own schema.

        :param look: says what else is wrong with a module or connection type, which it takes more to see.
        """
        found = []

        def next_for(app: str, then: str) -> str:
            # a local file is the project's own
            own = self._origins[app].distribution is None and self._origins[app].file is not None
            return f"{then}; {'mend it there' if own else 'tell the author of the app'}"

        for name, kind in self.connection_types.items():
            if fault := look(kind):
                app = self._owners[name]
                found.append(
                    LoadError(
                        f"connection type '{name}': {fault}",
                        self._origins[app],
                        names=[app],
                        hint=next_for(app, "calls over it will fail"),
                        loaded=True,
                    )
                )
        for name, module in self.modules.items():
            if fault := look(module):
                app = self.app_of(name).name
                hint = next_for(app, "calls of it will fail, or go wrong")
                found.append(
                    LoadError(f"module '{name}': {fault}", self._origins[app], names=[app], hint=hint, loaded=True)
                )
        for name, module in self.modules.items():
            fault = None if module.example is None else _example_fault(module)
            if fault:
                message = f"the example of '{name}' does not fit its own schema: {fault}"
                app = self.app_of(name).name
                fine = next_for(app, "the module works")
                found.append(LoadError(message, self._origins[app], names=[app], hint=fine, loaded=True))
        return found

    def _fault_of(self, app: App) -> str | None:
        if not _NAME.fullmatch(app.name):
            return f"the name must match {_NAME.pattern}"
        if app.name in self.apps:
            return f"the name is taken by {self._origins[app.name]}"
        if fault := _wrong_kind(app.modules, Module) or _wrong_kind(app.connections, ConnectionType):
            return fault
        seen: set[str] = set()
        for module in app.modules:
            if not _NAME.fullmatch(module.name):
                return f"module name '{module.name}' must match {_NAME.pattern}"
            if module.name in seen:
                return f"module '{module.name}' is there twice"
            seen.add(module.name)
            if fault := _module_fault(module):
                return fault
        for kind in app.connections:
            if kind.name in self.connection_types:
                owner = self._owners[kind.name]
                return f"connection type '{kind.name}' is taken by app '{owner}' of {self._origins[owner]}"
            if fault := _schema_fault(kind.fields):
                return f"the schema of connection type '{kind.name}' is not valid: {fault}"
        known = {*self.connection_types, *(kind.name for kind in app.connections)}
        for module in app.modules:
            if module.connection is not None and module.connection not in known:
                return f"module '{module.name}' names the unknown connection type '{module.connection}'"
        return None


_KINDS = frozenset(("string", "number", "integer", "boolean", "array", "object", "null"))
_RETURNS = re.compile(r"(string|number|integer|boolean|null|any|object|array( of (string|number|object|array)s)?)")


def _function_fault(function: Function, origin: Origin) -> str | None:
    name, prefix = function.name, f"{origin.name.replace('-', '_')}_" if origin.name else ""
    if not _NAME.fullmatch(name):
        return f"the name must match {_NAME.pattern}"
    if not name.startswith(prefix):
        return f"its name must begin with that of the plugin: {prefix}{name}"
    if name in BUILT_IN:
        return "the language has a function of this name"
    if not all(_RETURNS.fullmatch(part) for part in function.returns.split("|")):
        return f"'{function.returns}' is no type of a result; write string, number, boolean, array, object or any"
    run: object = function.run
    if not callable(run):
        return "`run` must be a function"
    if inspect.iscoroutinefunction(run):
        return "`run` must not be a coroutine: functions do not wait for anything"
    if fault := _wrong_kind(function.parameters, Parameter) or _wrong_kind(function.examples, Example):
        return fault
    if not function.examples:
        return "it needs an example at least"
    return _parameters_fault(function.parameters)


def _parameters_fault(parameters: Sequence[Parameter]) -> str | None:
    for number, parameter in enumerate(parameters):
        if unknown := {*parameter.kinds, *parameter.items} - _KINDS:
            return f"parameter '{parameter.name}' has the unknown kind '{min(unknown)}'; there are {', '.join(_KINDS)}"
        if parameter.variadic and number < len(parameters) - 1:
            return f"parameter '{parameter.name}' is variadic, and not the last"
        if number and parameters[number - 1].optional and not (parameter.optional or parameter.variadic):
            return f"parameter '{parameter.name}' stands behind one that can be left out, and cannot"
    return None


def _line_of_function(function: Function, origin: Origin) -> int | None:
    """The line of what carries it out, where that is in the plugin's own file."""
    code = getattr(function.run, "__code__", None)
    return code.co_firstlineno if code is not None and code.co_filename == origin.file else None


def _wrong_kind(parts: Iterable[object], kind: type) -> str | None:
    wrong = next((part for part in parts if not isinstance(part, kind)), None)
    return None if wrong is None else f"a {type(wrong).__name__} stands where a {kind.__name__} is wanted: {wrong!r}"


def _module_fault(module: Module) -> str | None:
    fault = _schema_fault(module.config) or (None if callable(module.output) else _schema_fault(module.output))
    if fault:
        return f"a schema of module '{module.name}' is not valid: {fault}"
    effect: object = module.effect if isinstance(module, Action) else Effect.NONE
    if not isinstance(effect, Effect) and not callable(effect):
        return f"the effect of module '{module.name}' must be an Effect or a function: {effect!r}"
    return None


def _schema_fault(schema: object) -> str | None:
    if not isinstance(schema, Mapping):
        return f"a {type(schema).__name__} is no JSON Schema of an object"
    with suppress(ValueError):  # it holds what is no JSON
        if _VALID_SCHEMA.is_valid(schema):
            return None
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        return f"{'/'.join(map(str, error.absolute_path)) or 'top'}: {error.message}"
    return None


def _example_fault(module: Module) -> str | None:
    try:
        error = next(jsonschema.Draft202012Validator(module.config).iter_errors(module.example), None)
    except Exception as raised:  # noqa: BLE001 - a schema that refers to nothing, or a pattern that is none
        return f"{type(raised).__name__}: {raised}"
    if error is None:
        return None
    return f"{'/'.join(map(str, error.absolute_path)) or 'top'}: {error.message}"


def load(folder: Path | None = None, extra: Iterable[object] = (), *, patience: float = PATIENCE) -> Registry:
    """Load every plugin: installed ones through entry points, then the local files of ``folder``, then ``extra``.

    :param folder: a project's ``modules/``; each ``*.py`` file and each package in it is a plugin.
    :param extra: plugin objects, for tests.
    :param patience: seconds after which a plugin that is still being loaded is named in the log.
    """
    loader = _Loader(patience)
    for entry in _entry_points():
        loader.installed(entry)
    # the folder may be where an installed plugin itself lives, its helpers included
    known = {m.__file__ for name, m in list(sys.modules.items()) if getattr(m, "__file__", None) and _LOCAL not in name}
    for path in _local_files(folder):
        if not {str(path), str(path.resolve())} & known:
            loader.local(path)
    for plugin in extra:
        loader.register(plugin, Origin("plugin", file=_file_of(plugin)))
    return loader.registry


def _entry_points() -> list[importlib.metadata.EntryPoint]:
    def order(entry: importlib.metadata.EntryPoint) -> tuple[bool, str, str]:
        distribution = entry.dist.name if entry.dist else ""
        return distribution != OWN, entry.name, distribution

    return sorted(importlib.metadata.entry_points(group=ENTRY_POINTS), key=order)


class _Loader:
    """Takes one plugin after another; what is wrong with one is noted in the registry."""

    def __init__(self, patience: float) -> None:
        self.registry = Registry()
        self._patience = patience
        self._manager = pluggy.PluginManager("engine")
        self._manager.add_hookspecs(hookspecs)
        self._taken: dict[int, Origin] = {}
        #: what each hook gives, and who takes it
        self._kinds: Mapping[str, tuple[type, str, Callable[[Any, Origin, int | None], None]]] = {
            "engine_apps": (App, "an App", self.registry.add),
            "engine_functions": (Function, "a Function", self.registry.add_function),
        }

    def installed(self, entry: importlib.metadata.EntryPoint) -> None:
        distribution = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "no distribution"
        origin = Origin(f"plugin '{entry.name}' of {distribution}", entry.name, distribution)
        try:
            with self._watched(origin):
                plugin = entry.load()
        except _RAISED as error:
            self._report(error, origin, *_declared(entry))
        else:
            self.register(plugin, replace(origin, file=_file_of(plugin)))

    def local(self, path: Path) -> None:
        name = path.parent.name if path.name == "__init__.py" else path.stem
        origin = Origin("local plugin", name, file=str(path))
        try:
            with self._watched(origin):
                plugin = _load_file(path)
        except _RAISED as error:
            self._report(error, origin)
        else:
            self.register(plugin, origin)

    def register(self, plugin: object, origin: Origin) -> None:
        """Take the apps of a plugin that is imported."""
        manager, problems = self._manager, self.registry.problems
        if id(plugin) in self._taken:
            message = f"it is the same Python module as {self._taken[id(plugin)]}"
            hint = "one of the two packages has overwritten the other's files; remove one of them"
            problems.append(_not_loaded(origin, message, hint=hint))
            return
        line = _line_of(plugin)
        try:
            manager.register(plugin, name=f"{len(self._taken)} {origin}")
            manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            problems.append(_not_loaded(origin, f"{type(error).__name__}: {error}", file=origin.file, line=line))
            if manager.is_registered(plugin):
                manager.unregister(plugin)
            return
        self._taken[id(plugin)] = origin
        self._collect(plugin, origin, line)

    def _collect(self, plugin: object, origin: Origin, line: int | None) -> None:
        hooks = [hook for hook in self._kinds if self._has(plugin, hook)]
        if not hooks:
            unmarked = next((name for name in self._kinds if hasattr(plugin, name)), None)
            local = "a local file that is no plugin has a name that begins with `_`"
            hint = "write `@hookimpl` above it" if unmarked else None if origin.distribution else local
            message = f"it has no function `{unmarked or 'engine_apps'}` that is marked with `@hookimpl`"
            self.registry.problems.append(_not_loaded(origin, message, hint=hint))
        for hook in hooks:
            self._take(plugin, hook, origin, line)

    def _callers(self, plugin: object, hook: str) -> pluggy.HookCaller:
        others = [other for other in self._manager.get_plugins() if other is not plugin]
        return self._manager.subset_hook_caller(hook, remove_plugins=others)

    def _has(self, plugin: object, hook: str) -> bool:
        return any(one.plugin is plugin for one in self._callers(plugin, hook).get_hookimpls())

    def _take(self, plugin: object, hook: str, origin: Origin, line: int | None) -> None:
        """Take what one hook of a plugin gives."""
        try:
            with self._watched(origin):
                results: Sequence[object] = self._callers(plugin, hook)()
        except _RAISED as error:
            self._report(error, origin)
            return
        wanted, words, add = self._kinds[hook]
        for result in results or [None]:
            for part in result if isinstance(result, list | tuple) else [result]:
                if isinstance(part, wanted):
                    add(part, origin, line)
                    continue
                if inspect.iscoroutine(part):
                    part.close()
                message = f"{hook} gave a {type(part).__name__} where {words} is wanted"
                self.registry.problems.append(_not_loaded(origin, message, file=origin.file, line=line))

    def _report(self, error: BaseException, origin: Origin, file: str | None = None, line: int | None = None) -> None:
        """Note what a plugin raised, at its own line; where none of its lines was run, at ``file``."""
        frames = [
            f
            for f in traceback.extract_tb(error.__traceback__)
            if f.filename != __file__ and not re.search(r"<frozen |[/\\](importlib|pluggy)[/\\]", f.filename)
        ]
        if isinstance(error, SyntaxError):
            file, line = error.filename, error.lineno
        elif frames:
            top = Path(frames[0].filename)
            inside = [f for f in frames if _same_plugin(Path(f.filename), top)]
            file, line = inside[-1].filename, inside[-1].lineno
        what = "it ended the program (SystemExit)" if isinstance(error, SystemExit) else type(error).__name__
        self.registry.problems.append(_not_loaded(origin, f"{what}: {error}", file=file, line=line))

    @contextmanager
    def _watched(self, origin: Origin) -> Iterator[None]:
        """Name a plugin that takes long: nobody can go on before it is through."""
        timer = threading.Timer(
            self._patience, _log.warning, (f"still loading {origin} after {self._patience:g} s; it may hang",)
        )
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _not_loaded(
    origin: Origin, message: str, *, file: str | None = None, line: int | None = None, hint: str | None = None
) -> LoadError:
    name = f"plugin '{origin.name}'" if origin.name else "a plugin"
    usual = "the rest is loaded; modules of this plugin are unknown"
    return LoadError(f"{name} is not loaded: {message}", origin, file=file, line=line, hint=hint or usual)


def _same_plugin(file: Path, top: Path) -> bool:
    return file.is_relative_to(top.parent) if top.name == "__init__.py" else file == top


def _declared(entry: importlib.metadata.EntryPoint) -> tuple[str | None, int | None]:
    """File and line of the entry point itself: where to look when what it names is not there."""
    for file in (entry.dist.files if entry.dist else None) or ():
        if file.name == "entry_points.txt":
            lines = file.read_text("utf-8").splitlines()
            number = next(
                (n for n, text in enumerate(lines, 1) if text.replace(" ", "").startswith(f"{entry.name}=")), 1
            )
            return str(file.locate()), number
    return None, None


def _line_of(plugin: object) -> int | None:
    """The line of a plugin's first hook."""
    found = (
        (part for part in vars(plugin).values() if hasattr(part, "engine_impl")) if hasattr(plugin, "__dict__") else ()
    )
    lines = [part.__code__.co_firstlineno for part in found if hasattr(part, "__code__")]
    return min(lines, default=None)


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
    name = f"{_LOCAL}{stem}_{abs(hash(path.resolve()))}"
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
