"""The project that a command is about: its plugins, scenarios and store."""

from __future__ import annotations

import os
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from engine import plugins
from engine.cli.console import note, warn
from engine.cli.failures import Failure, Finished
from engine.cli.session import Session
from engine.plugins import Registry
from engine.runtime.clock import SystemClock
from engine.runtime.host import STORE_FILE, Loaded, load_files, mistakes
from engine.runtime.project import Project
from engine.runtime.redact import Redactor
from engine.scenario.diagnostics import render
from engine.scenario.plan import Scenario
from engine.sdk.clock import Clock
from engine.sdk.errors import EngineError, PluginError
from engine.store.interface import Store
from engine.store.memory import MemoryStore
from engine.store.sqlite import SqliteStore


@dataclass(frozen=True)
class Workspace:
    """A project and its data folder, as this call of the program sees them."""

    project: Project
    session: Session
    clock: Clock

    @classmethod
    def of(cls, session: Session, start: Path | None = None) -> Workspace:
        """The project of a file or folder; by default that of the current folder."""
        return cls(Project.find(start or Path(), session.environment), session, SystemClock())

    @property
    def data(self) -> Path:
        return self.project.data_dir(self.session.data)

    @property
    def environment(self) -> str:
        """As the store knows it: "" for none."""
        return self.project.environment or ""

    @property
    def redactor(self) -> Redactor:
        """Hides by name. Secrets never enter the store, so that is the second net."""
        return Redactor()

    def command(self, *words: str) -> str:
        """A command line that works on this store from the current folder."""
        parts = ["engine", *words, *(["--env", self.environment] if self.environment else [])]
        if self.session.data is not None:
            parts += ["--data", str(self.session.data)]
        line = " ".join(shlex.quote(part) for part in parts)
        if self.session.data is not None or Project.find(Path.cwd()).root == self.project.root:
            return line
        return f"(cd {shlex.quote(str(self.project.root))} && {line})"

    def registry(self) -> Registry:
        """What is installed; plugins with problems are told on stderr."""
        registry = plugins.load(self.project.modules_folder)
        warn_of(registry.problems)
        return registry

    def scenarios(
        self, registry: Registry, paths: Sequence[Path], *, simulate: bool, tolerant: bool = False
    ) -> list[Scenario]:
        """As ``loaded``, without what is only called."""
        return self.loaded(registry, paths, simulate=simulate, tolerant=tolerant).scenarios

    def loaded(self, registry: Registry, paths: Sequence[Path], *, simulate: bool, tolerant: bool = False) -> Loaded:
        """The scenarios of these files, and what they call; what is wrong with them is told on stderr.

        :param tolerant: leave out scenarios with mistakes instead of ending the command, and tell of mistakes alone:
            the command is about something else than the files.
        """
        files = [shorten(path) for path in self.project.scenario_files(paths)]
        if not files:
            return Loaded([], [], {}, [])
        loaded = load_files(self.project, registry, files, simulate=simulate)
        diagnostics = loaded.diagnostics
        wrong = mistakes(diagnostics)
        if told := wrong if tolerant else diagnostics:
            note(render(told, loaded.sources))
        if wrong and not tolerant:
            raise Finished(fine=False)
        return loaded

    @asynccontextmanager
    async def store(self, *, make: bool = False) -> AsyncIterator[Store]:
        """The store, beside whoever executes it; an empty one where nothing was run yet.

        :param make: make the store where there is none, because the command writes.
        """
        path = self.data / STORE_FILE
        there = path.is_file()
        if not there and not make:
            note(f"there is no store in {shorten(self.data)} yet: nothing was run")
        store: Store = MemoryStore(clock=self.clock)
        if there or make:
            store = SqliteStore(path, clock=self.clock, environment=self.environment)
        await store.open()
        try:
            yield store
        finally:
            await store.close()


def warn_of(problems: Sequence[PluginError]) -> None:
    """Tell of plugins that are not loaded, or not right, on stderr."""
    for problem in problems:
        place = f"\n  at:   {problem.place}" if problem.place else ""
        hint = f"\n  next: {problem.hint}" if problem.hint else ""
        warn(f"{problem.message}{place}{hint}")


def shorten(path: Path) -> Path:
    """The path as seen from the current folder, where it is below it."""
    try:
        return Path(os.path.relpath(path)) if path.resolve().is_relative_to(Path.cwd()) else path
    except ValueError:
        return path


def refuse(code: str, message: str, hint: str | None = None) -> Failure:
    """A failure of the command itself."""
    kind = type("CommandError", (EngineError,), {"code": code})
    return Failure(kind(message, hint=hint))


def wrong_usage(message: str) -> click.UsageError:
    """Exit code 2, with the command's usage."""
    return click.UsageError(message, click.get_current_context())


def environment() -> Mapping[str, str]:
    return os.environ
