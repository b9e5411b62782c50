"""Fetches the YAML language server, once. Run it by hand or in a set-up::

python -m tests.editor.get_server
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support import npm

COMMAND = "./dev setup"
_SOURCE = Path(__file__).parent / "server"
_NAME = "yaml-language-server"


def folder() -> Path:
    """Where the server is, or is to be."""
    return npm.folder(_NAME, _SOURCE)


def server() -> list[str]:
    """The command that starts it."""
    return [str(npm.NODE), str(folder() / "node_modules" / _NAME / "bin" / _NAME), "--stdio"]


def main() -> int:
    """0: the server is there. 1: it could not be fetched; stderr says why."""
    return npm.fetch(_NAME, _SOURCE, "the YAML language server")


if __name__ == "__main__":
    sys.exit(main())
