"""An environment of its own: the engine, built from this checkout, and what plugins are built and tested with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass, replace
from pathlib import Path

from tests.plugins.get_wheels import COMMAND, ROOT, folder

#: seconds after which a command has failed
PATIENCE = 60.0


@dataclass(frozen=True)
class Environment:
    """A virtual environment that knows nothing of the one that the tests run in.

    :param wheels: where its packages come from.
    :param extra: folders of further installed packages, see ``beside``.
    """

    root: Path
    wheels: Path
    extra: tuple[Path, ...] = ()

    @classmethod
    def make(cls, root: Path) -> Environment:
        """Make it, with the engine in it. Takes some seconds, and no network."""
        wheels = folder()
        assert wheels.is_dir(), f"the wheels for clean environments are missing; `{COMMAND}` fetches them"
        venv.create(root / "environment", with_pip=True, symlinks=True)
        # what is built is a copy: a build leaves files behind, and takes up what an earlier one left
        source = root / "source"
        for name in ("engine", "modules"):
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(ROOT / name, source)
        made = cls(root, wheels)
        made.pip("wheel", "--no-deps", "--wheel-dir", str(root / "wheels"), str(source))
        made.pip("install", "scenario-engine", *(p.stem.split("-")[0] for p in wheels.glob("pytest*.whl")))
        return made

    @property
    def bin(self) -> Path:
        return self.root / "environment" / "bin"

    @property
    def variables(self) -> dict[str, str]:
        """What its commands find in their surroundings: no index, but the wheels."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ENGINE_", "PIP_", "PYTHON"))}
        return {
            **kept,
            "PATH": os.pathsep.join((str(self.bin), kept.get("PATH", ""))),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": f"{self.wheels} {self.root / 'wheels'}",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_CACHE_DIR": "1",
            "PYTHONPATH": os.pathsep.join(map(str, self.extra)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "COLUMNS": "120",
        }

    def pip(self, *arguments: str) -> None:
        """Run pip, and fail the test when it does."""
        done = self.run("python", "-m", "pip", "--quiet", *arguments)
        assert done.returncode == 0, done.stderr

    def run(self, program: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run one of its programs to the end."""
        return subprocess.run(
            [str(self.bin / program), *arguments],
            cwd=cwd or self.root,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def beside(self, target: Path, *packages: Path) -> Environment:
        """The same environment with these packages installed in a folder beside it, for one test."""
        self.pip("install", "--no-deps", "--target", str(target), *map(str, packages))
        return replace(self, extra=(target, *self.extra))


_MADE: dict[Path, Environment] = {}


def shared(base: Path) -> Environment:
    """The one environment of a test session; whoever installs something into it makes one of his own.

    :param base: the base folder of the session's temporary folders.
    """
    if base not in _MADE:
        _MADE[base] = Environment.make(base / "clean")
    return _MADE[base]


if __name__ == "__main__":
    sys.stdout.write(f"{Environment.make(Path(sys.argv[1])).bin}\n")
