"""Files that change while they are served: noticed, checked, and taken over in one step or not at all.

What is served is always a state of the project that was right as a whole. Files are looked at by their size and time
every moment, and read when they have come to rest: editors write in two steps, and deployments one file after another.
Notices of the operating system are not used: they do not come from network folders and mounted volumes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from engine.runtime.alerts import RECOVERED
from engine.runtime.environments import ENVIRONMENTS
from engine.runtime.host import Change, Host, load_files, mistakes
from engine.runtime.project import SETTINGS
from engine.runtime.reader import SettingsError
from engine.runtime.settings import KEYS, Settings
from engine.scenario.diagnostics import Diagnostic, render
from engine.scenario.plan import Scenario
from engine.sdk.errors import ConfigError, EngineError, StoreError
from engine.store.alerts_rows import DropStanding, PutStanding, Standing

log = logging.getLogger(__name__)

#: seconds between two looks at the files, and for which they must have been at rest
LOOK_EVERY, REST = 1.0, 0.3
#: seconds after which files are read again that could not be taken over for another reason than mistakes
AGAIN = 5.0
#: mistakes that are named where all do not fit
NAMED = 5
KIND = "reload"
#: sections of ``engine.yaml`` that are taken over, and those that the process is made with
FOLLOWED = ("webhooks", "alerts", "defaults", "env", "history")
FIXED = tuple(key for key in KEYS if key not in (*FOLLOWED, ENVIRONMENTS))


class FilesWrong(EngineError):
    """Changed files of a project have mistakes. Nothing of the change was taken; what was served is served still.

    :param diagnostics: what is wrong.
    :param shown: the same as text.
    """

    code = "files-wrong"

    def __init__(self, diagnostics: Sequence[Diagnostic], shown: str) -> None:
        first = diagnostics[0]
        more = f" (and {len(diagnostics) - 1} more)" if len(diagnostics) > 1 else ""
        self.diagnostics = tuple(diagnostics)
        self.shown = shown
        super().__init__(
            f"{first.place}: {first.message}{more}", place=str(first.place), hint="correct the files: `engine check`"
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken over: names of scenarios, of sections of ``engine.yaml``, and what needs a restart."""

    added: Sequence[str] = ()
    changed: Sequence[str] = ()
    removed: Sequence[str] = ()
    settings: Sequence[str] = ()
    restart: Sequence[str] = ()

    def to_json(self) -> dict[str, list[str]]:
        return {name: list(getattr(self, name)) for name in ("added", "changed", "removed", "settings", "restart")}

    def __str__(self) -> str:
        parts = [
            f"{word} {', '.join(names)}"
            for word in ("added", "changed", "removed", "settings")
            if (names := getattr(self, word))
        ]
        if self.restart:
            parts.append(f"after a restart: {', '.join(self.restart)}")
        return "; ".join(parts) or "nothing has changed"


@dataclass(slots=True)
class Standings:
    """How it is with the files.

    :param at: when they were last taken over or refused.
    :param wrong: why they were refused, by line; empty when they are what is served.
    :param restart: what of them counts after a restart only.
    """

    at: float | None = None
    wrong: Sequence[str] = ()
    restart: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        return {"at": self.at, "wrong": list(self.wrong), "restart": list(self.restart)}


class Mark(NamedTuple):
    """By what a file is known to have changed."""

    modified: int
    size: int
    number: int


@dataclass(slots=True)
class Reloader:
    """Takes over changed files of the project that a host serves.

    :param paths: the files and folders that are served; none: the project's.
    :param shown: how a file is named to people.
    :param told: told of what was taken over.
    """

    host: Host
    paths: Sequence[Path] = ()
    shown: Callable[[Path], Path] = lambda path: path
    told: Callable[[Taken], None] = lambda _taken: None
    standings: Standings = field(default_factory=Standings)
    _read: dict[Path, Mark] = field(default_factory=dict)
    _modules: dict[Path, Mark] = field(default_factory=dict)
    _settings: Settings = field(default_factory=Settings)
    _task: asyncio.Task[None] | None = None
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    # ------------------------------------------------------------------ life

    async def open(self, since: float = float("inf")) -> None:
        """Begin with the files as they are served now.

        :param since: when they were begun to be read: those that changed after that are read again.
        :raises StoreError: the store cannot be read.
        """
        self._settings = self.host.project.settings
        self._modules = await asyncio.to_thread(self._modules_now)
        now = await asyncio.to_thread(self._files_now)
        self._read = {path: mark for path, mark in now.items() if mark.modified < since * 1e9}
        await self._well()

    def watch(self) -> None:
        """Look for changed files from now on."""
        self._task = asyncio.create_task(self._look(), name="reload")

    async def stop(self) -> None:
        """Look no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            await self.host.clock.sleep(LOOK_EVERY)
            try:
                await self.look()
            except FilesWrong:
                continue
            except EngineError as error:
                log.error("the changed files wait: %s", error, extra={"action": "reload_waits"})
                # by then it may have gone, and nothing else says that these files are to be read
                await self.host.clock.sleep(AGAIN)
                self._read = {}
            except Exception:
                log.exception("the changed files met a mistake of the engine; they are read again when they change")

    async def look(self) -> Taken | None:
        """Take over files that have changed since they were read, and are at rest; None: none has.

        :raises EngineError: as ``reload``.
        """
        now = await asyncio.to_thread(self._files_now)
        if now == self._read:
            return None
        while True:
            await self.host.clock.sleep(REST)
            later = await asyncio.to_thread(self._files_now)
            if later == now:
                return await self.reload()
            now = later

    # ------------------------------------------------------------------ one reload

    async def reload(self) -> Taken:
        """Read the files, and go over to them. What was served is served on when that cannot be.

        :raises FilesWrong: they have mistakes.
        :raises ConfigError: one cannot be read, there is no scenario left, or a secret is missing.
        :raises StoreError: it could not be stored.
        """
        async with self._one:
            # before they are read: what changes meanwhile is seen at the next look
            self._read = await asyncio.to_thread(self._files_now)
            try:
                change, settings = await asyncio.to_thread(self._load)
                taken = self._compare(change, settings)
                await self.host.follow(change)
            except StoreError:
                raise
            except EngineError as error:
                await self._refused(error)
                raise
            self._settings = settings
            self.standings = Standings(self.host.clock.time(), (), taken.restart)
            log.info("changed files are taken: %s", taken, extra={"action": "reloaded"})
            self.told(taken)
            await self._well()
            return taken

    def _load(self) -> tuple[Change, Settings]:
        host = self.host
        try:
            project = host.project.again()
            simulate = host.options.simulate
            connections = {} if simulate else project.connections(host.registry)
            files = [self.shown(path) for path in project.scenario_files(self.paths)]
            found = load_files(project, host.registry, files, simulate=simulate)
        except SettingsError as error:
            raise FilesWrong(error.diagnostics, error.render()) from None
        if wrong := mistakes(found.diagnostics):
            raise FilesWrong(wrong, render(wrong, found.sources))
        if not found.scenarios:
            raise ConfigError("there is no scenario any more", hint="stop the engine if nothing is to be served")
        fixed = {name: getattr(host.project.settings, name) for name in FIXED}
        served = replace(project, settings=replace(project.settings, **fixed))
        plans, called = ([self._known(plan) for plan in part] for part in (found.scenarios, found.called))
        return Change(served, connections, plans, called), project.settings

    def _known(self, plan: Scenario) -> Scenario:
        """The scenario as it is served, where it is the same."""
        current = self.host.catalog.current(plan.name)
        same = current is not None and (current.version, current.file) == (plan.version, plan.file)
        return current if same and current is not None else plan

    def _compare(self, change: Change, settings: Settings) -> Taken:
        before = {plan.name: plan.version for plan in self.host.catalog.scenarios}
        after = {plan.name: plan.version for plan in (*change.scenarios, *change.called)}
        served = self.host.project.settings
        restart = [f"{SETTINGS}: {name}" for name in FIXED if getattr(settings, name) != getattr(served, name)]
        if self._modules_now() != self._modules:
            restart.append("modules")
        return Taken(
            added=sorted(after.keys() - before.keys()),
            changed=sorted(name for name in after.keys() & before.keys() if after[name] != before[name]),
            removed=sorted(before.keys() - after.keys()),
            settings=[name for name in FOLLOWED if getattr(settings, name) != getattr(self._settings, name)],
            restart=restart,
        )

    # ------------------------------------------------------------------ who is told

    async def _refused(self, error: EngineError) -> None:
        lines = [str(error)]
        shown = str(error)
        if isinstance(error, FilesWrong):
            lines = [f"{d.place}: {d.message}" for d in error.diagnostics]
            shown = error.shown
        self.standings = Standings(self.host.clock.time(), lines, self.standings.restart)
        log.error(
            "changed files are not taken, what was served goes on:\n%s", shown, extra={"action": "reload_refused"}
        )
        if not await self._standing():
            now, simulated = self.host.clock.time(), self.host.runner.simulated
            more = f" (and {len(lines) - NAMED} more)" if len(lines) > NAMED else ""
            detail = {"message": "; ".join(lines[:NAMED]) + more, "mistakes": lines[:NAMED]}
            raised = self.host.alerts.raised(KIND, "", detail)
            await self.host.store.put(*raised, PutStanding(Standing(KIND, "", simulated, now, now, 1)))
            self.host.alerts.wake()

    async def _well(self) -> None:
        """Tell that the files are right again, where it was told that they were not."""
        if await self._standing():
            over = self.host.alerts.raised(KIND, "", {}, event=RECOVERED)
            await self.host.store.put(*over, DropStanding(KIND, "", self.host.runner.simulated))
            self.host.alerts.wake()

    async def _standing(self) -> bool:
        simulated = self.host.runner.simulated
        return any((s.kind, s.simulated) == (KIND, simulated) for s in await self.host.store.standings())

    # ------------------------------------------------------------------ files

    def _files_now(self) -> dict[Path, Mark]:
        """The files that are read, and by what each is known."""
        project = self.host.project
        try:
            found = [project.root / SETTINGS, project.connections_file]
            found += [path.resolve() for path in project.scenario_files(self.paths)]
        except ConfigError:
            # a path that was served is gone; when it is read, that is said
            found = []
        # what is called may stand beside what is served
        found += [Path(plan.file).resolve() for plan in self.host.catalog.scenarios]
        return _marks(found) | self._modules_now()

    def _modules_now(self) -> dict[Path, Mark]:
        return _marks(self.host.project.modules_folder.rglob("*.py"))


def _marks(paths: Iterable[Path]) -> dict[Path, Mark]:
    marks = {}
    for path in paths:
        try:
            about = path.stat()
        except OSError:
            continue
        marks[path] = Mark(about.st_mtime_ns, about.st_size, about.st_ino)
    return marks
