"""A project: the folder with ``engine.yaml``, ``connections.yaml``, scenarios and local modules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.plugins import Registry
from engine.runtime.connection_file import ConnectionEntry, read_connections
from engine.runtime.settings import Settings, read_settings
from engine.sdk.errors import ConfigError, EngineError

SETTINGS = "engine.yaml"
CONNECTIONS = "connections.yaml"
SCENARIOS = "scenarios"
_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Project:
    """A project folder and its settings."""

    root: Path
    settings: Settings = field(default_factory=Settings)
    environment: str | None = None

    @classmethod
    def find(cls, start: Path, environment: str | None = None) -> Project:
        """The project that a scenario file or folder belongs to.

        That is the nearest folder upwards with an ``engine.yaml`` or a ``connections.yaml``. Where there is none, it is
        the folder itself, or the one that holds the ``scenarios/`` which it is in: so a file and the folder that it is
        run from agree about where the store is.

        :param environment: as which of its environments it is seen; None: none of them.
        :raises SettingsError: ``engine.yaml`` has mistakes; all are listed.
        :raises UnknownEnvironment: ``engine.yaml`` has no such environment.
        """
        path = start.resolve()
        folder = path if path.is_dir() else path.parent
        upwards = (folder, *folder.parents)
        root = next((f for f in upwards if (f / SETTINGS).is_file() or (f / CONNECTIONS).is_file()), None)
        if root is None:
            # scenarios/name.yaml and scenarios/name/scenario.yaml
            root = next((f.parent for f in upwards[:2] if f.name == SCENARIOS), folder)
        return cls(root, read_settings(root / SETTINGS, environment), environment)

    def again(self) -> Project:
        """The same project as its files are now. Raises as ``find`` does."""
        return type(self)(self.root, read_settings(self.root / SETTINGS, self.environment), self.environment)

    @property
    def name(self) -> str:
        """How the project is named to people who watch several: its folder's name, and its environment."""
        name = self.root.name or "engine"
        return f"{name} ({self.environment})" if self.environment else name

    @property
    def modules_folder(self) -> Path:
        """Where local plugins are; it need not exist."""
        return self.root / "modules"

    @property
    def connections_file(self) -> Path:
        return self.root / CONNECTIONS

    def data_dir(self, override: Path | None = None) -> Path:
        """Where the store is: ``.engine/`` in the project, ``.engine-NAME/`` of an environment, or as asked for."""
        if override is not None:
            return override.resolve()
        return self.root / (f".engine-{self.environment}" if self.environment else ".engine")

    def connections(self, registry: Registry) -> Mapping[str, ConnectionEntry]:
        """What ``connections.yaml`` says, and the environment instead of it, checked against the installed types.

        :raises SettingsError: with all mistakes.
        """
        return read_connections(self.connections_file, registry, self.settings.overlay)

    def kept(self, registry: Registry) -> dict[str, ConnectionEntry]:
        """The connections of which something stays as it is under simulation.

        A file with mistakes has none: what is simulated runs without any.
        """
        try:
            entries = self.connections(registry)
        except EngineError:
            return {}
        types = registry.connection_types
        return {name: entry for name, entry in entries.items() if entry.type in types and types[entry.type].kept}

    def scenario_files(self, paths: Iterable[Path] = ()) -> list[Path]:
        """The scenario files among these paths, sorted; without paths, those of the project.

        A file that is named is taken as it is. Below a folder every ``*.yaml`` and ``*.yml`` counts, except
        ``engine.yaml``, ``connections.yaml``, tests (``tests/``, ``*.test.yaml``) and hidden folders.

        :raises ConfigError: a path does not exist.
        """
        found: dict[Path, None] = {}
        for path in list(paths) or [self._scenarios()]:
            if path.is_file():
                found[path] = None
            elif path.is_dir():
                found |= dict.fromkeys(sorted(p for p in path.rglob("*") if _is_scenario(p, path)))
            else:
                raise ConfigError("no such file or folder", place=str(path))
        return list(found)

    def _scenarios(self) -> Path:
        folder = self.root / SCENARIOS
        return folder if folder.is_dir() else self.root


def _is_scenario(path: Path, top: Path) -> bool:
    inside = path.relative_to(top)
    return (
        path.suffix in _SUFFIXES
        and path.name not in (SETTINGS, CONNECTIONS)
        and not path.stem.endswith(".test")
        and not path.name.startswith(".")
        and not any(part.startswith(".") or part == "tests" for part in inside.parts[:-1])
        and path.is_file()
    )
