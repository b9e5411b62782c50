"""Fetches, once, the wheels that a clean environment of a test is made of: the tests themselves need no network.

Run it by hand or in a set-up::

    python tests/plugins/get_wheels.py
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = "./dev setup"
#: what a plugin author has beside the engine and what it depends on
BESIDE = ("setuptools>=77", "pytest>=8.3", "pytest-asyncio>=1.0")


def wanted() -> list[str]:
    """What is to be installable: the engine's dependencies, and what its plugins are built and tested with."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return [*project["dependencies"], *BESIDE]


def folder() -> Path:
    """Where the wheels for these dependencies and this Python are, or are to be."""
    told = repr((wanted(), sys.version)).encode()
    return ROOT / ".cache" / "wheels" / hashlib.sha256(told).hexdigest()[:16]


def main() -> int:
    """0: the wheels are there. 1: they could not be fetched; stderr says why."""
    target = folder()
    if target.is_dir():
        return 0
    sys.stderr.write("dev: fetching the wheels of the plugin tests into .cache/ ...\n")
    # moved into place when it is whole, so that a fetch that was cut short is made again
    scratch = target.with_suffix(".part")
    shutil.rmtree(scratch, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--wheel-dir"]
    done = subprocess.run([*command, str(scratch), *wanted()], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.stderr.write(f"the wheels of the plugin tests could not be fetched: {done.stderr}\n")
        return 1
    for old in target.parent.glob("*"):
        if old != scratch:
            shutil.rmtree(old)
    scratch.rename(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
